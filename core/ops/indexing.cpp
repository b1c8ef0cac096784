#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {

Tensor index_select(const Tensor& x, int axis, const Tensor& indices) {
  const char* op = "index_select";
  const ops::CalledOp called(op);
  ops::check_defined(op, x);
  ops::check_int64(op, "indices", indices);
  ops::check_same_device(op, x, indices);
  ops::check_rank(op, "indices", 1, indices.shape());
  int dim = x.shape().axis(axis, op);
  return record(op, {x}, kernels::gather(x.array(), indices.array(), dim),
                [dim, shape = x.shape(), I = save(indices)](const Array& g, const Needs&) {
                  return Grads{kernels::scatter_add(g, I(), shape, dim)};
                });
}

Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype) {
  const ops::CalledOp called("one_hot");
  ops::check_int64("one_hot", "labels", labels);
  ops::check_floating("one_hot", dtype);
  ELBO_CHECK(classes > 0, ValueError, "[one_hot] expected at least one class, found ", classes);
  return record_constant("one_hot", {labels}, kernels::one_hot(labels.array(), classes, dtype));
}

}  // namespace elbo
