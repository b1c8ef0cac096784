#pragma once
#include "../../core/backend.h"

namespace mock {

using namespace elbo;

/// A backend that computes nothing.
class StubBackend : public Backend {
 public:
  Status unary(Queue, UnaryOp, View, ConstView, double, double) override { return none(); }
  Status unary_grad(Queue, UnaryOp, View, ConstView, ConstView, ConstView, double, double) override { return none(); }
  Status binary(Queue, BinaryOp, View, ConstView, ConstView) override { return none(); }
  Status binary_grad(Queue, BinaryOp, int, View, ConstView, ConstView, ConstView) override { return none(); }
  Status binary_sum(Queue, BinaryOp, View, ConstView, ConstView) override { return none(); }
  Status accumulate(Queue, View, ConstView) override { return none(); }
  Status compare(Queue, CompareOp, View, ConstView, ConstView) override { return none(); }
  Status where(Queue, View, ConstView, ConstView, ConstView) override { return none(); }
  Status cast(Queue, View, ConstView) override { return none(); }
  Status check_range(Queue, ConstView, double, double) override { return none(); }
  Status reduce(Queue, ReduceOp, View, ConstView) override { return none(); }
  Status sum_groups(Queue, View, ConstView) override { return none(); }
  Status argmax(Queue, View, ConstView) override { return none(); }
  Status softmax(Queue, SoftmaxKind, View, ConstView) override { return none(); }
  Status softmax_grad(Queue, SoftmaxKind, View, ConstView, ConstView) override { return none(); }
  Status logsumexp(Queue, View, ConstView) override { return none(); }
  Status moments(Queue, View, View, ConstView) override { return none(); }
  Status normalize(Queue, View, ConstView, ConstView, ConstView, double) override { return none(); }
  Status normalize_grad(Queue, View, ConstView, ConstView, ConstView, double) override { return none(); }
  Status matmul(Queue, const MatmulArgs&) override { return none(); }
  Status conv2d(Queue, const Conv2dArgs&, void*, const void*, const void*, const void*) override { return none(); }
  Status conv2d_grad_data(Queue, const Conv2dArgs&, void*, const void*, const void*, const void*) override {
    return none();
  }
  Status conv2d_grad_weight(Queue, const Conv2dArgs&, void*, const void*, const void*) override { return none(); }
  Status copy_strided(Queue, DType, const Shape&, Strided, ConstStrided) override { return none(); }
  Status gather(Queue, View, ConstView, ConstView) override { return none(); }
  Status scatter_add(Queue, View, ConstView, ConstView) override { return none(); }
  Status one_hot(Queue, View, ConstView) override { return none(); }
  Status gather_pictures(Queue, View, ConstView, ConstView, double, double, const RandomArgs*) override {
    return none();
  }
  Status random(Queue, RandomKind, View, const RandomArgs&, double) override { return none(); }
  Status reparameterize(Queue, View, View, ConstView, ConstView, const RandomArgs&) override { return none(); }
  Status sgd(Queue, std::span<const OptimizerSlot>, const SgdArgs&, const double*) override { return none(); }
  Status adam(Queue, std::span<const OptimizerSlot>, const AdamArgs&, const double*, std::int64_t*) override {
    return none();
  }

 private:
  static Status none() { return {StatusCode::unsupported, "the mock plugin computes nothing"}; }
};

}  // namespace mock
