#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {

Tensor where(const Tensor& condition, const Operand& if_true, const Operand& if_false) {
  const ops::CalledOp called("where");
  ops::check_defined("where", condition);
  ELBO_CHECK(condition.dtype() == DType::uint8, DTypeError, "[", ops::called("where"),
             "] expected a condition of uint8, found ", condition.dtype());
  if (!if_true.is_tensor() && !if_false.is_tensor())
    return where(condition, full({}, if_true.number(), {.device = condition.device()}), if_false);
  const auto [a, b] = ops::Pair("where", if_true, if_false);
  ops::check_same_device("where", condition, a);
  Shape shape = broadcast(condition.shape(), broadcast(a.shape(), b.shape(), "where"), "where");
  Array y = kernels::where(condition.array(), a.array(), b.array(), shape);
  return record("where", {a, b}, y,
                [C = save(condition), shape_a = a.shape(), shape_b = b.shape()](const Array& g, const Needs& need) {
                  Array zero = Array::zeros({}, g.options());
                  Grads grads(2);
                  if (need[0]) grads[0] = kernels::sum_to(kernels::where(C(), g, zero, g.shape()), shape_a);
                  if (need[1]) grads[1] = kernels::sum_to(kernels::where(C(), zero, g, g.shape()), shape_b);
                  return grads;
                });
}

}  // namespace elbo
