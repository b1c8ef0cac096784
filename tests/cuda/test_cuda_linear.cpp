// Layers on the GPU: on whole numbers, whose sums are exact in any order, the CPU's bits.
#include "against_cpu.h"

using namespace against_cpu;

namespace {

struct Head {
  int64_t n;
  bool relu, wants_weight = true, wants_bias = true;
};
struct Case {
  int64_t m, k;
  std::vector<Head> heads;
  bool wants_x = true;
  int64_t shift = 0;
};

std::string describe(const Case& c) {
  std::string out = std::to_string(c.m) + " x " + std::to_string(c.k) + ", shift " + std::to_string(c.shift) + ", to";
  for (const Head& head : c.heads) out += " " + std::to_string(head.n) + (head.relu ? " relu" : "");
  return out;
}

template <class T>
std::vector<T> whole(int64_t n, unsigned seed) {
  std::vector<T> out = values<T>(n, -3, 3, seed);
  for (T& x : out) x = std::round(x);
  return out;
}

template <class T>
void check_forward(const Case& c) {
  const Twin x(whole<T>(c.m * c.k, 1), {c.m, c.k}, c.shift);
  std::vector<Twin> weights, biases, ys;
  for (const Head& head : c.heads) {
    weights.emplace_back(whole<T>(head.n * c.k, 2), Shape{head.n, c.k}, c.shift);
    biases.emplace_back(whole<T>(head.n, 3), Shape{head.n});
    ys.push_back(Twin::unwritten(dtype_of<T>, {c.m, head.n}, c.shift));
  }
  on_both([&](Backend& backend, Device device) {
    std::vector<LinearHead> heads;
    for (std::size_t i = 0; i < c.heads.size(); ++i)
      heads.push_back({weights[i].view(device).data, c.heads[i].wants_bias ? biases[i].view(device).data : nullptr,
                       ys[i].view(device).data, c.heads[i].n});
    return backend.linear({x.view(device).data, dtype_of<T>, c.m, c.k, Precision::float32}, heads);
  });
  for (const Twin& y : ys) y.check();
}

template <class T>
void check_grad(const Case& c) {
  const Twin x(whole<T>(c.m * c.k, 1), {c.m, c.k}, c.shift), gx = Twin::unwritten(dtype_of<T>, {c.m, c.k}, c.shift);
  std::vector<Twin> gys, ys, weights, gweights, gbiases;
  for (const Head& head : c.heads) {
    gys.emplace_back(whole<T>(c.m * head.n, 2), Shape{c.m, head.n}, c.shift);
    ys.emplace_back(whole<T>(c.m * head.n, 3), Shape{c.m, head.n}, c.shift);
    weights.emplace_back(whole<T>(head.n * c.k, 4), Shape{head.n, c.k}, c.shift);
    gweights.push_back(Twin::unwritten(dtype_of<T>, {head.n, c.k}, c.shift));
    gbiases.push_back(Twin::unwritten(dtype_of<T>, {head.n}));
  }
  on_both([&](Backend& backend, Device device) {
    const auto data = [&](const Twin& twin, bool there) { return there ? twin.view(device).data : nullptr; };
    std::vector<LinearGradHead> heads;
    for (std::size_t i = 0; i < c.heads.size(); ++i)
      heads.push_back({data(gys[i], true), data(ys[i], c.heads[i].relu), data(weights[i], c.wants_x),
                       data(gweights[i], c.heads[i].wants_weight), data(gbiases[i], c.heads[i].wants_bias),
                       c.heads[i].n});
    return backend.linear_grad({data(x, true), dtype_of<T>, c.m, c.k, Precision::float32}, data(gx, c.wants_x), heads);
  });
  gx.check();
  for (const auto* list : {&gweights, &gbiases})
    for (const Twin& one : *list) one.check();
}

const std::vector<Case> cases = {
    {1, 1, {{1, false}}},
    {3, 5, {{4, true}}},
    {33, 65, {{31, true}}},
    {16, 40, {{20, false}, {20, true}, {7, false}}},
    {16, 40, {{20, true}}, true, 1},
    {16, 40, {{20, true, false}}},
    {16, 40, {{20, true, false, true}}, false},
    {16, 40, {{20, true, true, false}, {3, false, false, true}}, false},
    {0, 4, {{3, true}}},
    {4, 0, {{3, true}}},
    {4, 3, {{0, true}, {2, false}}},
    {5, 4, {{1, true}, {2, true}, {3, true}, {4, true}, {5, true}}},
    {40, 1100, {{520, true}}},  // too large for one launch: by cuBLASLt
    {40, 1100, {{520, false}, {9, true}}},
};

}  // namespace

TEST_CASE("layers on the GPU: heads on one input, and what all of them give back", "[cuda][linear]") {
  for (const Case& c : cases) {
    INFO(describe(c));
    check_forward<float>(c);
    check_forward<double>(c);
    check_grad<float>(c);
    check_grad<double>(c);
  }
}

TEST_CASE("layers on the GPU: a small one is one launch, forward and back", "[cuda][linear]") {
  const Case small{128, 400, {{20, true}, {20, false}}};
  check_forward<float>(small);
  one_launch([&] { check_forward<float>(small); });
  one_launch([&] { check_grad<float>(small); });
}

TEST_CASE("layers on the GPU: NaN and infinity go where they belong", "[cuda][linear]") {
  // Rows and columns beyond the matrices are no part of a sum, whatever lies there.
  for (const Device device : both) {
    const std::vector<float> ones(33 * 5, 1), with_nan = [&] {
      std::vector<float> out(33 * 5, 1);
      out[7] = NAN;  // row 1, column 2
      return out;
    }();
    const Array x = Array::from(with_nan, {33, 5}, device), gy = Array::from(ones, {33, 5}, device);
    const Array w = Array::from(std::vector<float>(25, 1), {5, 5}, device);
    Array y = Array::full({33, 5}, 0, x.options()), gw = Array::full({5, 5}, 0, x.options()),
          gx = Array::full({33, 5}, 0, x.options());
    const LinearHead head{w.raw(), nullptr, y.raw(), 5};
    ok(backend(device).linear({x.raw(), DType::float32, 33, 5, Precision::float32}, {&head, 1}));
    const LinearGradHead grad{gy.raw(), nullptr, w.raw(), gw.raw(), nullptr, 5};
    ok(backend(device).linear_grad({x.raw(), DType::float32, 33, 5, Precision::float32}, gx.raw(), {&grad, 1}));
    const std::vector<float> found = y.to_vector<float>(), of_weight = gw.to_vector<float>();
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::isnan(found[i]) == (i / 5 == 1));
    for (std::size_t i = 0; i < of_weight.size(); ++i) CHECK(std::isnan(of_weight[i]) == (i % 5 == 2));
    for (const float each : gx.to_vector<float>()) CHECK(each == 5);
  }
}
