#pragma once
#include "../../core/backend.h"

namespace mock {

using namespace elbo;

/// A backend that computes nothing.
class StubBackend : public Backend {
 public:
  Status unary(UnaryOp, View, ConstView, double, double) override { return none(); }
  Status unary_grad(UnaryOp, View, ConstView, ConstView, ConstView, double, double) override { return none(); }
  Status binary(BinaryOp, View, ConstView, ConstView) override { return none(); }
  Status binary_grad(BinaryOp, int, View, ConstView, ConstView, ConstView) override { return none(); }
  Status binary_sum(BinaryOp, View, ConstView, ConstView) override { return none(); }
  Status accumulate(View, ConstView) override { return none(); }
  Status compare(CompareOp, View, ConstView, ConstView) override { return none(); }
  Status where(View, ConstView, ConstView, ConstView) override { return none(); }
  Status cast(View, ConstView) override { return none(); }
  Status check_range(ConstView, double, double) override { return none(); }
  Status reduce(ReduceOp, View, ConstView) override { return none(); }
  Status sum_groups(View, ConstView) override { return none(); }
  Status argmax(View, ConstView) override { return none(); }
  Status softmax(SoftmaxKind, View, ConstView) override { return none(); }
  Status softmax_grad(SoftmaxKind, View, ConstView, ConstView) override { return none(); }
  Status logsumexp(View, ConstView) override { return none(); }
  Status moments(View, View, ConstView) override { return none(); }
  Status normalize(View, ConstView, ConstView, ConstView, double) override { return none(); }
  Status normalize_grad(View, ConstView, ConstView, ConstView, double) override { return none(); }
  Status matmul(const MatmulArgs&) override { return none(); }
  Status conv2d(const Conv2dArgs&, void*, const void*, const void*, const void*) override { return none(); }
  Status conv2d_grad_data(const Conv2dArgs&, void*, const void*, const void*, const void*) override { return none(); }
  Status conv2d_grad_weight(const Conv2dArgs&, void*, const void*, const void*) override { return none(); }
  Status copy_strided(DType, const Shape&, Strided, ConstStrided) override { return none(); }
  Status gather(View, ConstView, ConstView) override { return none(); }
  Status scatter_add(View, ConstView, ConstView) override { return none(); }
  Status one_hot(View, ConstView) override { return none(); }
  Status gather_pictures(View, ConstView, ConstView, double, double, const RandomArgs*) override { return none(); }
  Status random(RandomKind, View, const RandomArgs&, double) override { return none(); }
  Status reparameterize(View, View, ConstView, ConstView, const RandomArgs&) override { return none(); }
  Status sgd(std::span<const OptimizerSlot>, const SgdArgs&, const double*) override { return none(); }
  Status adam(std::span<const OptimizerSlot>, const AdamArgs&, const double*, std::int64_t*) override { return none(); }

 private:
  static Status none() { return {StatusCode::unsupported, "the mock plugin computes nothing"}; }
};

}  // namespace mock
