// Graphs that were freed in part, leaves that are frozen, and what a write in place takes over.
#include <elbo/core/autograd.h>
#include <elbo/core/ops.h>

#include <functional>
#include <string>

#include "catch.h"

using namespace elbo;

namespace {

using Numbers = std::vector<float>;

Numbers numbers(const Tensor& x) { return x.to_vector<float>(); }

Tensor leaf() { return tensor({1, 2}).requires_grad_(); }

template <class E>
std::string refusal(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("autograd::grad: a graph that was freed in part gives no gradient in part", "[autograd]") {
  Tensor w = leaf(), h = w * 2;
  Tensor y1 = (h * h).sum();
  const Tensor y2 = (h * 3).sum() + w.sum();
  y1.backward();
  const std::string freed = " was freed by an earlier backward(): pass retain_graph = true to that one";
  CHECK(refusal<AutogradError>([&] { autograd::grad({y2}, {w}); }) == "[grad] the graph through [mul_scalar]" + freed);
  CHECK(refusal<AutogradError>([&] { autograd::grad({y1}, {w}); }) == "[grad] the graph through [sum]" + freed);
  CHECK(refusal<AutogradError>([&] { autograd::grad({y1}, {w}, {}, false, true); }) ==
        "[grad] the graph through [sum]" + freed);
  // What lies below a tensor whose gradient is asked for does not matter.
  CHECK(numbers(autograd::grad({y2}, {h})[0]) == Numbers{3, 3});
}

TEST_CASE("autograd::grad: the ops below what was asked for neither run nor are freed", "[autograd]") {
  Tensor w = leaf();
  const Tensor h = w * w;
  Tensor z = (h * h).sum(), q = (h * 5).sum();
  CHECK(numbers(autograd::grad({z}, {h})[0]) == Numbers{2, 8});
  q.backward();
  CHECK(numbers(w.grad()) == Numbers{10, 20});
}

TEST_CASE("requires_grad_: a leaf that is frozen for a while keeps graph, hooks and gradient", "[autograd]") {
  Tensor w = leaf();
  int calls = 0;
  w.register_hook([&](const Tensor&) {
    ++calls;
    return Tensor();
  });
  w.sum().backward();
  Tensor y = (w * w).sum();
  w.requires_grad_(false);
  CHECK(numbers(w.grad()) == Numbers{1, 1});
  CHECK_FALSE(w.requires_grad());
  CHECK(w.is_leaf());
  w += 0;  // a constant now
  Tensor v = leaf();
  (w * v).sum().backward();
  CHECK(numbers(w.grad()) == Numbers{1, 1});
  CHECK_THROWS_AS(w.register_hook([](const Tensor& g) { return g; }), AutogradError);
  CHECK_THROWS_AS(autograd::grad({v.sum()}, {w}), AutogradError);
  w.requires_grad_();
  CHECK(calls == 1);
  y = (w * w).sum();
  w.requires_grad_(false).requires_grad_();
  y.backward();
  CHECK(numbers(w.grad()) == Numbers{3, 5});
  CHECK(calls == 2);
}

TEST_CASE("backward: a leaf that is frozen gets no gradient", "[autograd]") {
  Tensor w = leaf(), v = leaf();
  Tensor y = (w * v).sum();
  w.requires_grad_(false);
  y.backward();
  CHECK_FALSE(w.grad().defined());
  CHECK(numbers(v.grad()) == Numbers{1, 2});
}

TEST_CASE("in place: retain_grad stays with the tensor, a hook with the value before", "[inplace][autograd]") {
  const Tensor w = leaf();
  Tensor y = w * 2;
  y.retain_grad();
  Numbers seen;
  y.register_hook([&](const Tensor& g) {
    seen = numbers(g);
    return Tensor();
  });
  y += 1;
  y *= 3;
  y.sum().backward();
  CHECK(numbers(y.grad()) == Numbers{1, 1});
  CHECK(seen == Numbers{3, 3});
  CHECK(numbers(w.grad()) == Numbers{6, 6});
  y = w * 2;
  y.retain_grad();
  y.copy_(tensor({3, 4}));  // a constant takes the history away, and the gradient with it
  CHECK_FALSE(y.grad().defined());
}

TEST_CASE("record: an input that is not there, and an output without gradient, are refused", "[autograd]") {
  const Tensor w = leaf();
  std::string outside;
  const Tensor y = record("asks", {w}, w.array().copy(), [&](const Array& g, const Needs& need) {
    outside = refusal<IndexError>([&] { need[1]; });
    return Grads{g};
  });
  y.sum().backward();
  CHECK(outside == "[asks] expected an input below 1, found 1");
  const Array whole = Array::full({2}, 1, {DType::int64});
  CHECK(refusal<AutogradError>([&] {
          record("counts", {w}, whole, [](const Array& g, const Needs&) { return Grads{g}; });
        }) == "[counts] expected an output of float32 or float64, found int64: see record_constant");
}
