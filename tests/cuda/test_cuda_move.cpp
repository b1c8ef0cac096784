// The kernels that move and collect elements, on the GPU, one at a time: the CPU's bits.
#include "../../core/index_kernels.h"
#include "against_cpu.h"

using namespace against_cpu;

namespace {

struct BoxCase {
  const char* name;
  Shape box;
  std::vector<int64_t> to, from;  // steps
  int64_t to_size, from_size;
};
const std::vector<BoxCase> boxes = {
    {"scalar", {}, {}, {}, 1, 1},
    {"nothing", {3, 0}, {1, 1}, {1, 1}, 1, 1},
    {"one line", {4, 5}, {5, 1}, {5, 1}, 20, 20},
    {"long line", {100003}, {1}, {1}, 100003, 100003},
    {"transpose", {70, 130}, {130, 1}, {1, 70}, 9100, 9100},
    {"transpose of whole tiles", {64, 96}, {96, 1}, {1, 64}, 6144, 6144},
    {"transpose of a line", {1, 40}, {40, 1}, {1, 3}, 40, 118},
    {"transpose of planes", {3, 33, 40}, {1320, 40, 1}, {1320, 1, 33}, 3960, 3960},
    {"transpose of planes of planes", {2, 3, 5, 7}, {105, 35, 7, 1}, {5, 10, 1, 30}, 210, 210},
    {"nchw to nhwc", {2, 5, 7, 3}, {105, 21, 3, 1}, {105, 7, 1, 35}, 210, 210},
    {"outermost to the end", {6, 4, 50}, {200, 50, 1}, {4, 1, 24}, 1200, 1200},
    {"inner rows of eight", {4, 6, 8}, {48, 8, 1}, {8, 32, 1}, 192, 192},
    {"inner rows of sixteen", {4, 6, 16}, {96, 16, 1}, {16, 64, 1}, 384, 384},
    {"inner rows of six", {4, 5, 6}, {30, 6, 1}, {6, 24, 1}, 120, 120},
    {"slice", {3, 4}, {4, 1}, {10, 1}, 12, 30},
    {"slice of whole packs", {30, 32}, {32, 1}, {64, 1}, 960, 1920},
    {"every second", {5, 6}, {6, 1}, {24, 2}, 30, 120},
    {"pad", {3, 4}, {9, 1}, {4, 1}, 27, 12},
    {"scatter every third", {3, 4}, {12, 3}, {4, 1}, 36, 12},
    {"repeat rows", {6, 48}, {48, 1}, {0, 1}, 288, 48},
    {"repeat odd rows", {6, 50}, {50, 1}, {0, 1}, 300, 50},
    {"repeat columns", {6, 50}, {50, 1}, {1, 0}, 300, 6},
    {"repeat one", {300}, {1}, {0}, 300, 1},
    {"eight dimensions",
     {2, 3, 2, 2, 1, 3, 2, 4},
     {288, 96, 48, 24, 24, 8, 4, 1},
     {4, 8, 24, 48, 0, 96, 288, 1},
     576,
     576},
};

void check_box(const BoxCase& c, DType dtype, int64_t shift) {
  INFO(c.name << ", " << name(dtype) << ", shifted " << shift);
  for_types([&]<class T>(T) {
    if (dtype != dtype_of<T>) return;
    const Twin from(any_values<T>(c.from_size), {c.from_size}, shift);
    const Twin to = Twin::unwritten(dtype, {c.to_size}, 2 * shift);
    on_both([&](Backend& backend, Device device) {
      Strided out{to.view(device).data, {}};
      ConstStrided in{from.view(device).data, {}};
      std::copy(c.to.begin(), c.to.end(), out.steps);
      std::copy(c.from.begin(), c.from.end(), in.steps);
      return backend.copy_strided(dtype, c.box, out, in);
    });
    to.check();
  });
}

}  // namespace

TEST_CASE("copy_strided on the GPU", "[cuda][move]") {
  for (const BoxCase& c : boxes)
    for (DType dtype : {DType::float32, DType::float64, DType::uint8, DType::int64})
      for (int64_t shift : {0, 1, 2}) check_box(c, dtype, shift);
}

namespace {

std::vector<int64_t> drawn_indices(int64_t k, int64_t n, unsigned seed = 5) {
  std::mt19937 engine(seed);
  std::vector<int64_t> out;
  for (int64_t i = 0; i < k; ++i) out.push_back(static_cast<int64_t>(engine() % static_cast<unsigned>(n)));
  return out;
}

struct Rows {
  int64_t outer, n, inner, k;
};
const std::vector<Rows> rows = {{1, 1, 1, 1},  {1, 10, 8, 0},   {0, 10, 8, 3},   {2, 5, 0, 4},  {1, 7, 1, 33},
                                {3, 7, 3, 32}, {1, 10, 64, 31}, {2, 3, 33, 100}, {5, 4, 12, 1}, {1, 60, 100, 1000}};

template <class Fn>
void for_rows(const Fn& fn) {
  for (const Rows& r : rows)
    for (int64_t shift : {0, 1})
      for_types([&]<class T>(T type) {
        INFO("[" << r.outer << ", " << r.n << ", " << r.inner << "], " << r.k << " indices, " << name(dtype_of<T>)
                 << ", shifted " << shift);
        fn(type, r, shift);
      });
}

}  // namespace

TEST_CASE("gather on the GPU", "[cuda][move]") {
  for_rows([]<class T>(T, const Rows& r, int64_t shift) {
    const Twin x(any_values<T>(r.outer * r.n * r.inner), {r.outer, r.n, r.inner}, shift);
    const Twin indices(drawn_indices(r.k, r.n), {r.k});
    const Twin out = Twin::unwritten(dtype_of<T>, {r.outer, r.k, r.inner}, 2 * shift);
    on_both([&](Backend& backend, Device device) {
      return backend.gather(out.view(device), x.view(device), indices.view(device), nullptr);
    });
    out.check();
  });
}

TEST_CASE("scatter_add on the GPU adds in the order of the indices", "[cuda][move]") {
  for_rows([]<class T>(T, const Rows& r, int64_t shift) {
    // Of many magnitudes, so that another order shows.
    std::vector<T> terms = values<T>(r.outer * r.k * r.inner, std::is_integral_v<T> ? 0 : -1, 1);
    for (std::size_t i = 0; i < terms.size(); ++i) terms[i] = static_cast<T>(terms[i] * T(i % 5 == 0 ? 120 : 3));
    const Twin g(terms, {r.outer, r.k, r.inner}, shift), indices(drawn_indices(r.k, r.n), {r.k});
    const Twin gx = Twin::unwritten(dtype_of<T>, {r.outer, r.n, r.inner}, 2 * shift);
    on_both([&](Backend& backend, Device device) {
      return backend.scatter_add(gx.view(device), g.view(device), indices.view(device));
    });
    gx.check();
  });
}

TEST_CASE("one_hot on the GPU", "[cuda][move]") {
  for (DType dtype : {DType::float32, DType::float64})
    for (int64_t n : {0, 1, 5, 300})
      for (int64_t classes : {1, 3, 10}) {
        INFO(n << " labels, " << classes << " classes, " << name(dtype));
        const Twin labels(drawn_indices(n, classes), {n}, 1), out = Twin::unwritten(dtype, {n, classes}, 1);
        on_both([&](Backend& backend, Device device) {
          return backend.index(IndexOp::one_hot, out.view(device), {{n, 1, classes}, {labels.view(device).data}, {}});
        });
        out.check();
      }
}

namespace {

struct PictureCase {
  int64_t count, size, k, shift;
};

void check_pictures(const PictureCase& c, DType dtype, bool drawn) {
  INFO(c.k << " of " << c.count << " pictures of " << c.size << " bytes, shifted " << c.shift << ", " << name(dtype)
           << (drawn ? ", drawn" : ""));
  const Twin pictures(values<std::uint8_t>(c.count * c.size, 0, 256), {c.count, c.size}, c.shift);
  const Twin indices(drawn_indices(c.k, c.count), {c.k}, c.shift);
  const Twin offset(std::vector<int64_t>{(int64_t{1} << 33) + 5}, {});
  const Twin out = Twin::unwritten(dtype, {c.k, c.size}, c.shift);
  on_both([&](Backend& backend, Device device) {
    const RandomArgs args{0x123456789abcdefu, 8, static_cast<int64_t*>(offset.view(device).data)};
    return backend.gather_pictures(out.view(device), pictures.view(device), indices.view(device),
                                   {nullptr, 2.0 / 255, -1, drawn ? &args : nullptr, {}});
  });
  out.check();
  offset.check();
  CHECK(offset.array(gpu).to_vector<int64_t>()[0] == (int64_t{1} << 33) + 5 + (drawn ? 1 : 0));
}

}  // namespace

TEST_CASE("gather_pictures on the GPU", "[cuda][move]") {
  for (DType dtype : {DType::float32, DType::float64})
    for (bool drawn : {false, true})
      for (const PictureCase& c : {PictureCase{3, 784, 128, 0}, PictureCase{3, 784, 5, 1}, PictureCase{3, 784, 5, 4},
                                   PictureCase{9, 27, 33, 0}, PictureCase{9, 27, 33, 3}, PictureCase{1, 1, 1, 0},
                                   PictureCase{4, 2, 3, 0}, PictureCase{4, 12, 0, 0}, PictureCase{5, 3072, 16, 0}})
        check_pictures(c, dtype, drawn);
}

namespace {

/// An index outside is reported when the result is fetched, with the place and the range, and forgotten then.
template <class Call>
void check_report(const Call& call, const std::string& index, const std::string& range) {
  Array out;
  CHECK_NOTHROW(out = call());
  CHECK_THROWS_AS(out.to(cpu), IndexError);
  CHECK_NOTHROW(out.to(cpu));
  out = call();
  CHECK_THROWS_WITH(out.to(cpu), Catch::Contains(index) && Catch::Contains(range));
  CHECK_NOTHROW(synchronize(gpu));
  out = call();
  CHECK_THROWS_AS(synchronize(gpu), IndexError);
}

Array ints(const std::vector<int64_t>& values) {
  return Array::from(values, {static_cast<int64_t>(values.size())}, gpu);
}

}  // namespace

TEST_CASE("indices outside their range on the GPU are reported when it is waited for", "[cuda][move]") {
  const Array x = Array::from(values<float>(20), {5, 4}, gpu), g = Array::from(values<float>(12), {3, 4}, gpu);
  const Array pictures = Array::full({5, 8}, 7, {DType::uint8, gpu});
  for (int64_t bad : {int64_t{5}, int64_t{-1}, int64_t{1} << 40}) {
    const Array indices = ints({0, bad, 4});
    const std::string index = "index " + std::to_string(bad) + " at position 1";
    check_report([&] { return kernels::gather(x, indices, 0); }, index, "[0, 5)");
    check_report([&] { return kernels::scatter_add(g, indices, {5, 4}, 0); }, index, "[0, 5)");
    check_report([&] { return kernels::one_hot(indices, 5, DType::float32); }, index, "[0, 5)");
    check_report(
        [&] {
          return kernels::index(IndexOp::gather_along, {3}, DType::float32, {1, 3, 1}, {indices, x}, {5});
        },
        index, "[0, 5)");
    check_report(
        [&] {
          return kernels::index(IndexOp::scatter_add_along, {5}, DType::float32, {1, 1, 1}, {indices, g, {}}, {5, 3});
        },
        index, "[0, 5)");
    check_report([&] { return kernels::gather_pictures(pictures, indices, 1, 0); }, index, "[0, 5)");
    Generator generator(1, Stream::binarize, gpu);
    check_report([&] { return kernels::gather_pictures(pictures, indices, 1, 0, &generator); }, index, "[0, 5)");
  }
  // 0 is what is used instead.
  const Array out = kernels::gather(x, ints({7, 3}), 0);
  CHECK_THROWS_AS(synchronize(gpu), IndexError);
  same(out, kernels::gather(x, ints({0, 3}), 0));
  const Array sums = kernels::scatter_add(g, ints({7, 3, 3}), {5, 4}, 0);
  CHECK_THROWS_AS(synchronize(gpu), IndexError);
  same(sums, kernels::scatter_add(g, ints({0, 3, 3}), {5, 4}, 0));
}

TEST_CASE("indices into nothing on the GPU are reported too", "[cuda][move]") {
  const Array nothing = Array::empty({0, 4}, {DType::float32, gpu}), thin = Array::empty({5, 0}, {DType::float32, gpu});
  const Array no_pictures = Array::empty({0, 8}, {DType::uint8, gpu});
  check_report([&] { return kernels::gather(nothing, ints({3}), 0); }, "index 3", "[0, 0)");
  check_report([&] { return kernels::gather_pictures(no_pictures, ints({3}), 1, 0); }, "index 3", "[0, 0)");
  const auto reported = [](const auto& call) {
    call();
    CHECK_THROWS_AS(synchronize(gpu), IndexError);
    CHECK_NOTHROW(synchronize(gpu));
  };
  reported([&] { return kernels::gather(thin, ints({5}), 0); });
  reported([&] { return kernels::scatter_add(Array::empty({1, 0}, {DType::float32, gpu}), ints({9}), {5, 0}, 0); });
}

TEST_CASE("moves on the GPU: one launch each", "[cuda][move]") {
  const Array x = Array::full({300, 40}, 1, {DType::float32, gpu}), indices = ints({1, 2, 1});
  const Array pictures = Array::full({300, 40}, 1, {DType::uint8, gpu});
  Generator generator(1, Stream::binarize, gpu);
  const std::vector<int> turned = {1, 0};
  one_launch([&] { kernels::permute(x, turned); });
  one_launch([&] { kernels::gather(x, indices, 0); });
  one_launch([&] { kernels::scatter_add(kernels::gather(x, indices, 0), indices, {300, 40}, 0); }, 2);
  one_launch([&] { kernels::one_hot(indices, 4, DType::float32); });
  one_launch([&] { kernels::gather_pictures(pictures, indices, 1, 0, &generator); });
}

TEST_CASE("numbers outside their range on the GPU are reported when it is waited for", "[cuda][move]") {
  for_types([]<class T>(T) {
    for (int64_t place : {0, 3, 1026}) {
      std::vector<T> numbers(1027, T(1));
      numbers[static_cast<std::size_t>(place)] = T(200);
      const Array x = Array::from(numbers, {1027}, gpu);
      INFO(name(dtype_of<T>) << " at " << place);
      CHECK_NOTHROW(kernels::check_range(x, 0, 200));
      CHECK_NOTHROW(synchronize(gpu));
      CHECK_NOTHROW(kernels::check_range(x, 0, 199));
      CHECK_THROWS_WITH(synchronize(gpu), Catch::Contains("expected numbers in [0, 199], found 200 at position " +
                                                          std::to_string(place)));
      CHECK_NOTHROW(synchronize(gpu));
      CHECK_NOTHROW(kernels::check_range(x, 2, 300));
      CHECK_THROWS_AS(x.to(cpu), ValueError);
    }
  });
  const Array nan = Array::full({5}, NAN, {DType::float32, gpu});
  CHECK_NOTHROW(kernels::check_range(nan, -inf, inf));
  CHECK_THROWS_AS(synchronize(gpu), ValueError);
  CHECK_NOTHROW(kernels::check_range(Array::empty({0}, {DType::float32, gpu}), 0, 0));
  CHECK_NOTHROW(synchronize(gpu));
}
