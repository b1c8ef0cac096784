// The CPU's kernels that move elements, and its convolutions, through the Backend interface, against plain loops.
#include <tuple>

#include "../core/cpu/cpu_kernels.h"
#include "../core/index_kernels.h"
#include "kernel_support.h"

using namespace kernel_test;

namespace {

struct BoxCase {
  std::string name;
  Shape box;
  std::vector<int64_t> to, from;  // steps
  int64_t to_size, from_size, from_first = 0;
};
const std::vector<BoxCase> boxes = {
    {"scalar", {}, {}, {}, 1, 1},
    {"nothing", {3, 0}, {1, 1}, {1, 1}, 1, 1},
    {"copy", {4, 5}, {5, 1}, {5, 1}, 20, 20},
    {"long copy", {100000}, {1}, {1}, 100000, 100000},
    {"transpose", {70, 130}, {130, 1}, {1, 70}, 9100, 9100},
    {"transpose of several tiles", {270, 300}, {300, 1}, {1, 271}, 81000, 81300},
    {"transpose of planes", {3, 33, 40}, {1320, 40, 1}, {1320, 1, 33}, 3960, 3960},
    {"nchw to nhwc", {2, 5, 7, 3}, {105, 21, 3, 1}, {105, 7, 1, 35}, 210, 210},
    {"outermost to the end", {6, 4, 50}, {200, 50, 1}, {4, 1, 24}, 1200, 1200},
    {"slice", {3, 4}, {4, 1}, {10, 1}, 12, 30},
    {"every second", {5, 6}, {6, 1}, {24, 2}, 30, 120},
    {"pad", {3, 4}, {9, 1}, {4, 1}, 27, 12},
    {"scatter every third", {3, 4}, {12, 3}, {4, 1}, 36, 12},
    {"repeat rows", {6, 50}, {50, 1}, {0, 1}, 300, 50},
    {"repeat columns", {6, 50}, {50, 1}, {1, 0}, 300, 6},
    {"short lines of planes", {3, 5, 6}, {36, 7, 1}, {60, 11, 1}, 108, 180},
    {"repeat in short rows", {40, 3, 5}, {15, 5, 1}, {3, 1, 0}, 600, 120},
    {"three channels to the end", {2, 700, 3}, {2100, 3, 1}, {2100, 1, 700}, 4200, 4200},
    {"three channels to the front", {2, 3, 700}, {2100, 700, 1}, {2100, 1, 3}, 4200, 4200},
    {"backwards", {6, 5}, {5, 1}, {5, -1}, 30, 30, 4},
    {"rows backwards", {6, 5}, {5, 1}, {-5, 1}, 30, 30, 25},
    {"backwards by two", {6, 300}, {300, 1}, {600, -2}, 1800, 3600, 599},
    {"transpose of columns backwards", {40, 50}, {50, 1}, {1, -40}, 2000, 2000, 1960},
    {"eight dimensions", {2, 1, 2, 3, 1, 2, 2, 2}, {48, 48, 24, 8, 8, 4, 2, 1}, {1, 1, 2, 4, 1, 12, 24, 48}, 96, 96},
};

}  // namespace

TEMPLATE_TEST_CASE("copy_strided", "", float, double, std::uint8_t, int64_t) {
  using T = TestType;
  for (const auto& backend : backends())
    for (const BoxCase& each : boxes) {
      INFO(each.name << " " << backend->description());
      const auto from = values<T>(each.from_size, 0, 250);
      std::vector<T> expected(static_cast<std::size_t>(each.to_size), T(99));
      for (int64_t i = 0; i < each.box.numel(); ++i) {
        const auto to = index::box_offset(i, each.box.begin(), each.to.data(), each.box.rank());
        const auto at = each.from_first + index::box_offset(i, each.box.begin(), each.from.data(), each.box.rank());
        expected[static_cast<std::size_t>(to)] = from[static_cast<std::size_t>(at)];
      }
      const auto found = same_for_threads([&] {
        std::vector<T> to(static_cast<std::size_t>(each.to_size), T(99));
        Strided out{to.data(), {}};
        ConstStrided in{from.data() + each.from_first, {}};
        std::copy(each.to.begin(), each.to.end(), out.steps);
        std::copy(each.from.begin(), each.from.end(), in.steps);
        ok(backend->copy_strided(dtype_of<T>, each.box, out, in));
        return to;
      });
      REQUIRE(same_bits(found, expected));
    }
}

TEMPLATE_TEST_CASE("gather and scatter_add", "", float, double, std::uint8_t, int64_t) {
  using T = TestType;
  for (const auto& backend : backends())
    for (auto [outer, n, k, inner] : {std::tuple{1, 5, 3, 4},
                                      {3, 7, 10, 1},
                                      {2, 4, 0, 3},
                                      {0, 4, 2, 3},
                                      {1, 300, 500, 70},
                                      {40, 9, 700, 1},
                                      {2, 5, 9, 65}}) {
      std::vector<int64_t> indices;
      for (int64_t i = 0; i < k; ++i) indices.push_back(i * i * 7 % n);
      const Shape x_shape{outer, n, inner}, out_shape{outer, k, inner};
      const auto x = values<T>(x_shape.numel(), 0, 50);
      const auto out = same_for_threads([&] {
        auto y = poison<T>(out_shape.numel());
        ok(backend->gather(view(y, out_shape), view(x, x_shape), flat(indices), nullptr));
        return y;
      });
      std::vector<T> summed(x.size(), T(0));
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t j = 0; j < k; ++j)
          for (int64_t i = 0; i < inner; ++i) {
            const auto at = static_cast<std::size_t>((o * k + j) * inner + i);
            const auto from = static_cast<std::size_t>((o * n + indices[static_cast<std::size_t>(j)]) * inner + i);
            REQUIRE(out[at] == x[from]);
            summed[from] = static_cast<T>(summed[from] + out[at]);
          }
      REQUIRE(same_bits(summed, same_for_threads([&] {
                          auto gx = poison<T>(x_shape.numel());
                          ok(backend->scatter_add(view(gx, x_shape), view(out, out_shape), flat(indices)));
                          return gx;
                        })));
    }
}

namespace {

/// Sizes around those of vectors and of what is unrolled.
const std::vector<int64_t> sizes = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65};

template <class T>
constexpr int size_at = cpu_kernels::size_index(sizeof(T));

}  // namespace

TEMPLATE_TEST_CASE("short lines and squares, in every variant, against plain loops", "", std::uint8_t, float, double) {
  using T = TestType;
  constexpr int64_t step = 70;
  const auto from = values<T>(step * (step + 2), 0, 250);
  const auto at = [](int64_t i) { return static_cast<std::size_t>(i); };
  for (cpu_kernels::Isa isa : cpu_kernels::available_isas()) {
    const cpu_kernels::MoveTable& table = cpu_kernels::tables(isa).move;
    for (int64_t rows : sizes)
      for (int64_t columns : sizes) {
        INFO(cpu_kernels::name(isa) << " " << rows << " x " << columns);
        const std::vector<T> blank(at(step * step), T(99));
        for (int64_t to_step : {columns, step}) {
          std::vector<T> copied = blank, repeated = blank, transposed = blank, found = blank;
          for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < columns; ++j) {
              copied[at(i * to_step + j)] = from[at(i * step + j)];
              repeated[at(i * to_step + j)] = from[at(i * step)];
              transposed[at(i * to_step + j)] = from[at(i + j * step)];
            }
          table.lines[size_at<T>](found.data(), to_step, from.data(), step, 1, rows, columns);
          REQUIRE(same_bits(found, copied));
          found = blank;
          table.lines[size_at<T>](found.data(), to_step, from.data(), step, 0, rows, columns);
          REQUIRE(same_bits(found, repeated));
          for (int64_t next : {2, 3}) {
            std::vector<T> picked = blank;
            found = blank;
            for (int64_t i = 0; i < rows; ++i)
              for (int64_t j = 0; j < columns; ++j) picked[at(i * to_step + j)] = from[at(i * step + j * next)];
            table.lines[size_at<T>](found.data(), to_step, from.data(), step, next, rows, columns);
            REQUIRE(same_bits(found, picked));
          }
          found = blank;
          table.transpose[size_at<T>](found.data(), to_step, from.data(), step, rows, columns);
          REQUIRE(same_bits(found, transposed));
        }
        std::vector<T> found = blank, transposed = blank;  // from rows without a gap
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < columns; ++j) transposed[at(i * step + j)] = from[at(i + j * rows)];
        table.transpose[size_at<T>](found.data(), step, from.data(), rows, rows, columns);
        REQUIRE(same_bits(found, transposed));
      }
  }
}

TEST_CASE("a copy past the cache, from and to any place") {
  const auto from = values<std::uint8_t>(1000, 0, 250);
  for (cpu_kernels::Isa isa : cpu_kernels::available_isas())
    for (int64_t begin : {0, 1, 8, 63, 64, 65})
      for (int64_t bytes : {0, 1, 62, 63, 64, 65, 127, 128, 129, 200, 600}) {
        INFO(cpu_kernels::name(isa) << " " << bytes << " bytes from " << begin);
        std::vector<std::uint8_t> found(1000, 99), expected = found;
        std::copy(from.begin() + 3, from.begin() + 3 + bytes, expected.begin() + begin);
        cpu_kernels::tables(isa).move.stream(found.data() + begin, from.data() + 3, bytes);
        REQUIRE(found == expected);
      }
}

TEST_CASE("outputs that no cache holds have the bits of small ones") {
  constexpr int64_t n = cpu_kernels::stream_bytes / 4 + 1001, half = n / 2;
  std::vector<float> a(static_cast<std::size_t>(n)), b(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 1013) * 0.01f, b[i] = 7 - a[i];
  const auto part = [](const std::vector<float>& x, int64_t from, int64_t to) {
    return ConstView{x.data() + from, Shape{to - from}, DType::float32};
  };
  for (const auto& backend : backends()) {
    std::vector<float> whole(a.size()), parts(a.size());
    const auto compare = [&](const auto& compute) {
      compute(flat(whole), part(a, 0, n), part(b, 0, n));
      compute({parts.data(), Shape{half}, DType::float32}, part(a, 0, half), part(b, 0, half));
      compute({parts.data() + half, Shape{n - half}, DType::float32}, part(a, half, n), part(b, half, n));
      REQUIRE(same_bits(whole, parts));
    };
    compare([&](View out, ConstView x, ConstView) { ok(backend->unary(UnaryOp::sigmoid, out, x, 0, 0)); });
    compare([&](View out, ConstView x, ConstView y) { ok(backend->unary_grad(UnaryOp::tanh, out, x, y, y, 0, 0)); });
    compare([&](View out, ConstView x, ConstView y) { ok(backend->binary(BinaryOp::mul, out, x, y)); });
  }
}

TEST_CASE("an index outside is an error that names it, and nothing is written") {
  Backend& backend = *backends().back();
  const std::vector<float> x(12, 1.0f);
  const std::vector<std::uint8_t> pictures(12);
  for (int64_t bad : {int64_t{3}, int64_t{-1}}) {
    const std::vector<int64_t> indices = {2, bad};
    std::vector<float> out(8, 5.0f), gx(12, 5.0f);
    const Status gathered = backend.gather(view(out, {1, 2, 4}), view(x, {1, 3, 4}), flat(indices), nullptr);
    REQUIRE(gathered.code == StatusCode::index);
    REQUIRE(std::string(gathered.message) == "index " + std::to_string(bad) + " at position 1 is outside [0, 3)");
    const std::vector<float> g(8);
    REQUIRE(backend.scatter_add(view(gx, {1, 3, 4}), view(g, {1, 2, 4}), flat(indices)).code == StatusCode::index);
    REQUIRE(
        backend.gather_pictures(view(out, {2, 4}), view(pictures, {3, 4}), flat(indices), {nullptr, 1, 0, nullptr, {}})
            .code == StatusCode::index);
    std::vector<float> hot(6, 5.0f);
    const Status made = backend.index(IndexOp::one_hot, view(hot, {2, 3}), {{2, 1, 3}, {indices.data()}, {}});
    REQUIRE(made.code == StatusCode::index);
    REQUIRE(std::string(made.message) == "index " + std::to_string(bad) + " at position 1 is outside [0, 3)");
    REQUIRE(out == std::vector<float>(8, 5.0f));
    REQUIRE(gx == std::vector<float>(12, 5.0f));
  }
}

TEMPLATE_TEST_CASE("one_hot and gather_pictures", "", float, double) {
  using T = TestType;
  const std::vector<int64_t> labels = {2, 0, 2, 1};
  for (const auto& backend : backends()) {
    auto hot = poison<T>(12);
    ok(backend->index(IndexOp::one_hot, view(hot, {4, 3}), {{4, 1, 3}, {labels.data()}, {}}));
    REQUIRE(hot == std::vector<T>{0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, 0});
    std::vector<int64_t> many(3000);
    for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<int64_t>(i * 7 % 9);
    const auto rows = same_for_threads([&] {
      auto found = poison<T>(27000);
      ok(backend->index(IndexOp::one_hot, view(found, {3000, 9}), {{3000, 1, 9}, {many.data()}, {}}));
      return found;
    });
    for (std::size_t i = 0; i < rows.size(); ++i) REQUIRE(rows[i] == T(many[i / 9] == static_cast<int64_t>(i % 9)));

    std::vector<std::uint8_t> pictures(3 * 784);
    for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<std::uint8_t>(i * 37);
    auto out = poison<T>(4 * 784);
    ok(backend->gather_pictures(view(out, {4, 28, 28}), view(pictures, {3, 28, 28}), flat(labels),
                                {nullptr, 1 / 255.0, -0.5, nullptr, {}}));
    for (std::size_t i = 0; i < out.size(); ++i) {
      const T byte = static_cast<T>(pictures[static_cast<std::size_t>(labels[i / 784]) * 784 + i % 784]);
      REQUIRE(out[i] == byte * static_cast<T>(1 / 255.0) + static_cast<T>(-0.5));
    }
  }
}

TEMPLATE_TEST_CASE("gather_pictures with draws: 255 where a uniform number is below byte / 255", "", float, double) {
  using T = TestType;
  std::vector<int64_t> indices(101);
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<int64_t>(i * 7 % 3);
  for (int64_t size : {1, 3, 49, 784}) {  // such that a picture begins anywhere in a block of random numbers
    std::vector<std::uint8_t> pictures(static_cast<std::size_t>(3 * size));
    for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<std::uint8_t>(i * 85);
    const int64_t n = size * static_cast<int64_t>(indices.size());
    for (const auto& backend : backends()) {
      INFO(size << " pixels, " << backend->description());
      std::vector<T> expected = poison<T>(n);
      int64_t offset = 9;
      ok(backend->random(RandomKind::uniform, flat(expected), {42, 8, &offset}, 0));
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const auto at = static_cast<std::size_t>(indices[i / static_cast<std::size_t>(size)] * size) +
                        i % static_cast<std::size_t>(size);
        const T drawn = expected[i] < static_cast<T>(pictures[at]) / T(255) ? T(255) : T(0);
        if (pictures[at] == 0) REQUIRE(drawn == 0);
        if (pictures[at] == 255) REQUIRE(drawn == 255);
        expected[i] = drawn * static_cast<T>(2 / 255.0) + T(-1);
      }
      REQUIRE(same_bits(same_for_threads([&] {
                          std::vector<T> out = poison<T>(n);
                          int64_t at = 9;
                          const RandomArgs draws{42, 8, &at};
                          ok(backend->gather_pictures(view(out, {101, size}), view(pictures, {3, size}), flat(indices),
                                                      {nullptr, 2 / 255.0, -1, &draws, {}}));
                          REQUIRE(at == 10);
                          return out;
                        }),
                        expected));
    }
  }
}

TEMPLATE_TEST_CASE("a drawn byte is 255 below byte / 255 and not at it", "", float, double) {
  using T = TestType;
  std::vector<std::uint8_t> bytes(256);
  std::vector<T> at(256), below(256);
  for (std::size_t i = 0; i < 256; ++i) {
    bytes[i] = static_cast<std::uint8_t>(i);
    at[i] = static_cast<T>(i) / T(255);
    below[i] = std::nextafter(at[i], T(-1));
  }
  for (cpu_kernels::Isa isa : cpu_kernels::available_isas()) {
    INFO(cpu_kernels::name(isa));
    const auto fn = cpu_kernels::tables(isa).elementwise.scale_drawn_bytes[static_cast<int>(dtype_of<T>)];
    std::vector<T> out = at, out_below = below;
    fn(256, out.data(), bytes.data(), 1, 0);
    fn(256, out_below.data(), bytes.data(), 1, 0);
    REQUIRE(out == std::vector<T>(256, T(0)));
    REQUIRE(out_below == std::vector<T>(256, T(255)));
  }
}

TEST_CASE("gather_pictures with draws: a call counts even for no pictures, a failed one does not") {
  Backend& backend = *backends().back();
  const std::vector<std::uint8_t> pictures(12, 128);
  std::vector<float> none, out(8, 5.0f);
  const std::vector<int64_t> no_indices, bad = {2, 3};
  int64_t offset = 7;
  const RandomArgs draws{1, 8, &offset};
  ok(backend.gather_pictures(view(none, {0, 4}), view(pictures, {3, 4}), flat(no_indices),
                             {nullptr, 1, 0, &draws, {}}));
  REQUIRE(offset == 8);
  REQUIRE(
      backend.gather_pictures(view(out, {2, 4}), view(pictures, {3, 4}), flat(bad), {nullptr, 1, 0, &draws, {}}).code ==
      StatusCode::index);
  REQUIRE(offset == 8);
  REQUIRE(out == std::vector<float>(8, 5.0f));
}

TEST_CASE("gather and gather_pictures from a first index on") {
  Backend& backend = *backends().back();
  const auto x = values<float>(5 * 3);
  std::vector<std::uint8_t> pictures(5 * 3);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<std::uint8_t>(3 * i);
  const std::vector<int64_t> indices = {4, 0, 2, 3, 1, 7};  // the last is nobody's
  std::vector<float> rows(6), scaled(6);
  for (const int64_t first : {0, 1, 3}) {
    ok(backend.gather(view(rows, {1, 2, 3}), view(x, {1, 5, 3}), flat(indices), &first));
    ok(backend.gather_pictures(view(scaled, {2, 3}), view(pictures, {5, 3}), flat(indices),
                               {&first, 1, 0, nullptr, {}}));
    for (std::size_t i = 0; i < 6; ++i) {
      const auto from = static_cast<std::size_t>(indices[static_cast<std::size_t>(first) + i / 3]) * 3 + i % 3;
      REQUIRE(rows[i] == x[from]);
      REQUIRE(scaled[i] == static_cast<float>(pictures[from]));
    }
  }
  for (const int64_t first : {-1, 4, 5, 6}) {
    const Status found = backend.gather(view(rows, {1, 2, 3}), view(x, {1, 5, 3}), flat(indices), &first);
    REQUIRE(found.code == StatusCode::index);
    REQUIRE(
        backend
            .gather_pictures(view(scaled, {2, 3}), view(pictures, {5, 3}), flat(indices), {&first, 1, 0, nullptr, {}})
            .code == StatusCode::index);
  }
}

// ---- convolutions --------------------------------------------------------------------------------------------------

namespace {

Conv2dArgs conv(DType dtype, int64_t n, int64_t c_in, int64_t h, int64_t w, int64_t c_out, int64_t kh, int64_t kw,
                int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w, int64_t dilation_h,
                int64_t dilation_w) {
  Conv2dArgs a{};
  a.dtype = dtype, a.n = n, a.c_in = c_in, a.h = h, a.w = w, a.c_out = c_out, a.kh = kh, a.kw = kw;
  a.out_h = (h + 2 * pad_h - dilation_h * (kh - 1) - 1) / stride_h + 1;
  a.out_w = (w + 2 * pad_w - dilation_w * (kw - 1) - 1) / stride_w + 1;
  a.stride_h = stride_h, a.stride_w = stride_w, a.pad_h = pad_h, a.pad_w = pad_w;
  a.dilation_h = dilation_h, a.dilation_w = dilation_w;
  return a;
}
std::vector<Conv2dArgs> convolutions(DType t) {
  constexpr int64_t far = int64_t{1} << 40;  // a stride's memory must not grow with it
  return {conv(t, 2, 2, 6, 3, 3, 2, 4, 7, 6, 6, 10, 1, 1), conv(t, 1, 2, 8, 8, 2, 3, 3, far, far, 1, 1, 1, 1),
          conv(t, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1), conv(t, 2, 3, 5, 6, 4, 1, 1, 1, 1, 0, 0, 1, 1),
          conv(t, 3, 2, 8, 7, 5, 3, 3, 1, 1, 1, 1, 1, 1), conv(t, 2, 3, 9, 11, 4, 3, 2, 2, 3, 1, 0, 1, 1),
          conv(t, 4, 1, 28, 28, 8, 4, 4, 2, 2, 1, 1, 1, 1), conv(t, 2, 2, 10, 9, 3, 3, 2, 1, 2, 2, 1, 2, 3),
          conv(t, 2, 2, 3, 3, 2, 3, 3, 1, 1, 4, 4, 1, 1), conv(t, 20, 2, 6, 6, 3, 3, 3, 2, 2, 0, 0, 1, 1),
          conv(t, 2, 2, 5, 5, 3, 2, 2, 3, 3, 0, 0, 1, 1), conv(t, 70, 3, 4, 4, 5, 2, 3, 1, 1, 1, 1, 1, 1),
          conv(t, 33, 4, 3, 5, 2, 1, 1, 1, 1, 0, 0, 1, 1), conv(t, 0, 2, 5, 5, 3, 2, 2, 1, 1, 0, 0, 1, 1),
          // Several panels of columns and blocks of the sum, groups of pictures of which the last is not full.
          conv(t, 19, 21, 9, 7, 18, 3, 3, 2, 2, 1, 1, 1, 1), conv(t, 3, 40, 5, 5, 35, 3, 3, 1, 1, 1, 1, 1, 1),
          conv(t, 2, 4, 24, 25, 5, 3, 3, 1, 1, 1, 1, 1, 1),
          // Results of one, two and three channels, one way and the other.
          conv(t, 17, 5, 6, 7, 3, 3, 3, 1, 1, 1, 1, 1, 1), conv(t, 2, 6, 9, 8, 2, 3, 2, 1, 1, 2, 0, 1, 2),
          conv(t, 17, 1, 8, 10, 6, 4, 4, 2, 2, 1, 1, 1, 1), conv(t, 2, 3, 13, 11, 5, 3, 4, 3, 2, 1, 1, 1, 1),
          // Strides and dilations with common divisors; taps that meet nothing but padding.
          conv(t, 2, 4, 11, 12, 5, 3, 4, 4, 2, 1, 2, 2, 3), conv(t, 2, 5, 12, 15, 4, 3, 3, 4, 6, 3, 2, 6, 4),
          conv(t, 2, 4, 2, 2, 4, 5, 5, 1, 1, 4, 4, 1, 1), conv(t, 9, 3, 4, 5, 6, 4, 5, 1, 1, 0, 0, 1, 1)};
}

/// Calls fn(offset in y, in x, in weight) for every product of the convolution.
template <class Fn>
void products(const Conv2dArgs& a, const Fn& fn) {
  for (int64_t n = 0; n < a.n; ++n)
    for (int64_t o = 0; o < a.c_out; ++o)
      for (int64_t y = 0; y < a.out_h; ++y)
        for (int64_t x = 0; x < a.out_w; ++x)
          for (int64_t c = 0; c < a.c_in; ++c)
            for (int64_t i = 0; i < a.kh; ++i)
              for (int64_t j = 0; j < a.kw; ++j) {
                const int64_t line = y * a.stride_h - a.pad_h + i * a.dilation_h;
                const int64_t column = x * a.stride_w - a.pad_w + j * a.dilation_w;
                if (line < 0 || line >= a.h || column < 0 || column >= a.w) continue;
                fn(static_cast<std::size_t>(((n * a.c_out + o) * a.out_h + y) * a.out_w + x),
                   static_cast<std::size_t>(((n * a.c_in + c) * a.h + line) * a.w + column),
                   static_cast<std::size_t>(((o * a.c_in + c) * a.kh + i) * a.kw + j));
              }
}

}  // namespace

TEMPLATE_TEST_CASE("conv2d and its gradients", "", float, double) {
  using T = TestType;
  for (const auto& backend : backends()) {
    for (const Conv2dArgs& a : convolutions(dtype_of<T>)) {
      INFO(backend->description() << " n " << a.n << " c_in " << a.c_in << " h " << a.h << " w " << a.w << " kh "
                                  << a.kh << " stride " << a.stride_h << " pad " << a.pad_h << " dilation "
                                  << a.dilation_h);
      const auto x = values<T>(a.n * a.c_in * a.h * a.w, -1, 1, 1),
                 gy = values<T>(a.n * a.c_out * a.out_h * a.out_w, -1, 1, 2);
      const auto weight = values<T>(a.c_out * a.c_in * a.kh * a.kw, -1, 1, 3);
      const auto bias_out = values<T>(a.c_out, -1, 1, 4), bias_in = values<T>(a.c_in, -1, 1, 5);
      std::vector<double> y(gy.size()), gx(x.size()), gw(weight.size());
      products(a, [&](std::size_t at_y, std::size_t at_x, std::size_t at_w) {
        const double u = static_cast<double>(x[at_x]), v = static_cast<double>(gy[at_y]);
        const double w = static_cast<double>(weight[at_w]);
        y[at_y] += u * w, gx[at_x] += v * w, gw[at_w] += u * v;
      });
      close(same_for_threads([&] {
              auto out = poison<T>(static_cast<int64_t>(gw.size()));
              ok(backend->conv2d_grad_weight(a, out.data(), gy.data(), x.data()));
              return out;
            }),
            gw);
      for (bool biased : {false, true}) {
        auto with = [](std::vector<double> out, const std::vector<T>& bias, std::size_t plane) {
          for (std::size_t i = 0; i < out.size(); ++i) out[i] += static_cast<double>(bias[i / plane % bias.size()]);
          return out;
        };
        const auto plane_y = static_cast<std::size_t>(a.out_h * a.out_w), plane_x = static_cast<std::size_t>(a.h * a.w);
        close(same_for_threads([&] {
                auto out = poison<T>(static_cast<int64_t>(y.size()));
                ok(backend->conv2d(a, out.data(), x.data(), weight.data(), biased ? bias_out.data() : nullptr));
                return out;
              }),
              biased ? with(y, bias_out, plane_y) : y);
        close(
            same_for_threads([&] {
              auto out = poison<T>(static_cast<int64_t>(gx.size()));
              ok(backend->conv2d_grad_data(a, out.data(), gy.data(), weight.data(), biased ? bias_in.data() : nullptr));
              return out;
            }),
            biased ? with(gx, bias_in, plane_x) : gx);
      }
    }
  }
}

namespace {

/// Pictures [n, channels, size] as [n, size, channels], or with `last` false as they are.
template <class T>
std::vector<T> laid(const std::vector<T>& pictures, int64_t channels, int64_t size, bool last) {
  std::vector<T> out = pictures;
  for (std::size_t i = 0; last && i < out.size(); ++i) {
    const auto at = static_cast<int64_t>(i), n = at / (channels * size), c = at / size % channels, p = at % size;
    out[static_cast<std::size_t>((n * size + p) * channels + c)] = pictures[i];
  }
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("convolutions of pictures with the channels last have the same bits", "", float, double) {
  using T = TestType;
  std::vector<Conv2dArgs> all = convolutions(dtype_of<T>);
  all.push_back(conv(dtype_of<T>, 17, 16, 6, 5, 32, 3, 3, 1, 1, 1, 1, 1, 1));  // results in whole vectors
  for (const auto& backend : backends())
    for (Conv2dArgs a : all) {
      INFO(backend->description() << " n " << a.n << " c_in " << a.c_in << " h " << a.h << " w " << a.w << " c_out "
                                  << a.c_out << " kh " << a.kh << " stride " << a.stride_h);
      const int64_t plane_x = a.h * a.w, plane_y = a.out_h * a.out_w;
      const auto x = values<T>(a.n * a.c_in * plane_x, -1, 1, 1), gy = values<T>(a.n * a.c_out * plane_y, -1, 1, 2);
      const auto weight = values<T>(a.c_out * a.c_in * a.kh * a.kw, -1, 1, 3);
      const auto bias_out = values<T>(a.c_out, -1, 1, 4), bias_in = values<T>(a.c_in, -1, 1, 5);
      const auto run = [&](bool x_last, bool y_last, bool biased) {
        const auto in = laid(x, a.c_in, plane_x, x_last), g = laid(gy, a.c_out, plane_y, y_last);
        std::vector<std::vector<T>> out{poison<T>(a.n * a.c_out * plane_y), poison<T>(a.n * a.c_in * plane_x),
                                        poison<T>(a.c_out * a.c_in * a.kh * a.kw)};
        a.x_last = x_last, a.y_last = y_last, a.activation = biased ? Activation::relu : Activation::none;
        ok(backend->conv2d(a, out[0].data(), in.data(), weight.data(), biased ? bias_out.data() : nullptr));
        ok(backend->conv2d_grad_data(a, out[1].data(), g.data(), weight.data(), biased ? bias_in.data() : nullptr));
        ok(backend->conv2d_grad_weight(a, out[2].data(), g.data(), in.data()));
        return out;
      };
      for (bool biased : {false, true}) {
        const auto expected = run(false, false, biased);
        for (int layouts = 1; layouts < 4; ++layouts) {
          const bool x_last = layouts & 1, y_last = layouts & 2;
          if ((x_last && a.c_in < 4) || (y_last && a.c_out < 4)) continue;
          INFO("x_last " << x_last << " y_last " << y_last << " biased " << biased);
          const auto out = same_for_threads([&] {
            std::vector<T> joined;
            for (const std::vector<T>& each : run(x_last, y_last, biased))
              joined.insert(joined.end(), each.begin(), each.end());
            return joined;
          });
          std::vector<T> same = laid(expected[0], a.c_out, plane_y, y_last);
          for (const T each : laid(expected[1], a.c_in, plane_x, x_last)) same.push_back(each);
          same.insert(same.end(), expected[2].begin(), expected[2].end());
          REQUIRE(same_bits(out, same));
        }
      }
    }
}

TEMPLATE_TEST_CASE("a convolution's bias gradient has the same bits with the channels first and last", "", float,
                   double) {
  using T = TestType;
  for (const auto& backend : backends())
    for (int64_t n : {0, 1, 3})
      for (int64_t channels : {1, 3, 4, 16, 21, 35})
        for (int64_t size : {0, 1, 15, 16, 17, 49, 100}) {
          INFO(backend->description() << " n " << n << " channels " << channels << " size " << size);
          const auto g = values<T>(n * channels * size, -1, 1, 1);
          std::vector<double> sums(static_cast<std::size_t>(channels));
          for (std::size_t i = 0; i < g.size(); ++i)
            sums[i / static_cast<std::size_t>(size) % sums.size()] += static_cast<double>(g[i]);
          std::vector<T> first;
          for (bool last : {false, true}) {
            const auto turned = laid(g, channels, size, last);
            const auto out = same_for_threads([&] {
              auto found = poison<T>(channels);
              Conv2dArgs args{};
              args.dtype = dtype_of<T>;
              args.n = n, args.c_out = channels, args.out_h = 1, args.out_w = size, args.y_last = last;
              ok(backend->conv2d_grad(args, false, {.gy = turned.data(), .gbias = found.data()}));
              return found;
            });
            close(out, sums);
            if (!last) first = out;
            REQUIRE(same_bits(out, first));
          }
        }
}

TEST_CASE("a warm convolution takes nothing from the system") {
  const auto backend = cpu_kernels::make_cpu_backend();
  const Conv2dArgs a = conv(DType::float32, 8, 3, 16, 16, 4, 3, 3, 1, 1, 1, 1, 1, 1);
  const auto x = values<float>(8 * 3 * 256), weight = values<float>(4 * 27), gy = values<float>(8 * 4 * 256);
  std::vector<float> y(gy.size()), gx(x.size()), gw(weight.size());
  auto step = [&] {
    ok(backend->conv2d(a, y.data(), x.data(), weight.data(), nullptr));
    ok(backend->conv2d_grad_data(a, gx.data(), gy.data(), weight.data(), nullptr));
    ok(backend->conv2d_grad_weight(a, gw.data(), gy.data(), x.data()));
  };
  step();
  const auto warm = backend->memory();
  for (int i = 0; i < 10; ++i) step();
  REQUIRE(backend->memory().backing_allocations == warm.backing_allocations);
  REQUIRE(backend->memory().active == 0);
}

TEST_CASE("the CPU has float32 products only, and float64 keeps out of it") {
  Backend& backend = *backends().back();
  Conv2dArgs a = conv(DType::float32, 1, 1, 4, 4, 1, 3, 3, 1, 1, 0, 0, 1, 1);
  const std::vector<float> x(16, 1.0f), weight(9, 1.0f), gy(4, 1.0f);
  std::vector<float> y(4, 7.0f), gx(16, 7.0f), gw(9, 7.0f);
  MatmulArgs product{};
  product.a = x.data(), product.b = x.data(), product.out = gx.data();
  product.m = product.n = product.k = 4, product.batch = 1, product.dtype = DType::float32;
  for (Precision precision : {Precision::tf32, Precision::bf16}) {
    a.precision = product.precision = precision;
    for (const Status& status : {backend.matmul(product), backend.conv2d(a, y.data(), x.data(), weight.data(), nullptr),
                                 backend.conv2d_grad_data(a, gx.data(), gy.data(), weight.data(), nullptr),
                                 backend.conv2d_grad_weight(a, gw.data(), gy.data(), x.data())}) {
      REQUIRE(status.code == StatusCode::unsupported);
      REQUIRE(std::string(status.message) == std::string(name(precision)) + " products need a GPU");
    }
  }
  REQUIRE(y == std::vector<float>(4, 7.0f));
  REQUIRE(gx == std::vector<float>(16, 7.0f));
  REQUIRE(gw == std::vector<float>(9, 7.0f));
  const std::vector<double> x64(16, 1.0);
  std::vector<double> out64(16);
  product.a = product.b = x64.data(), product.out = out64.data(), product.dtype = DType::float64;
  ok(backend.matmul(product));
  REQUIRE(out64 == std::vector<double>(16, 4.0));
}
