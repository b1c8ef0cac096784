#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

/// The leading dimensions of [..., m, n].
Shape leading(const Shape& shape) { return Shape(std::span(shape.begin(), shape.end() - 2)); }

/// An operand as the kernel wants it: [m, n] where one matrix serves the whole batch, else [batch, m, n].
Array as_batch(const Array& x, const Shape& lead) {
  std::int64_t m = x.shape()[-2], n = x.shape().back();
  if (leading(x.shape()).numel() == 1) return x.reshape({m, n});
  Shape full = lead.insert(lead.rank(), m).insert(lead.rank() + 1, n);
  return kernels::expand(x, full).reshape({lead.numel(), m, n});
}

/// The way back for a gradient: summed over the batch where broadcasting repeated the operand.
Array from_batch(const Array& x, const Shape& lead, const Shape& shape) {
  if (x.shape().rank() == 2) return x.reshape(shape);
  return kernels::sum_to(x.reshape(lead.insert(lead.rank(), shape[-2]).insert(lead.rank() + 1, shape.back())), shape);
}

/// [batch, m, n] as one tall matrix.
Array as_rows(const Array& x) {
  return x.shape().rank() == 2 ? x : x.reshape({x.shape()[0] * x.shape()[1], x.shape()[2]});
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  const ops::CalledOp called("matmul");
  ops::check_floating_pair("matmul", a, b);
  const Shape &sa = a.shape(), &sb = b.shape();
  ELBO_CHECK(sa.rank() >= 1 && sb.rank() >= 1, ShapeError, "[matmul] expected at least 1 dimension each, found a ", sa,
             ", b ", sb);
  ELBO_CHECK(sa.back() == sb[sb.rank() == 1 ? 0 : -2], ShapeError, "[matmul] inner dimensions differ: a ", sa, ", b ",
             sb);
  if (sa.rank() == 1) return squeeze(matmul(unsqueeze(a, 0), b), sb.rank() == 1 ? 0 : -2);
  if (sb.rank() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  Shape lead = broadcast(leading(sa), leading(sb), "matmul");
  Array y = kernels::matmul(as_batch(a.array(), lead), as_batch(b.array(), lead));
  Shape shape = lead.insert(lead.rank(), sa[-2]).insert(lead.rank() + 1, sb.back());
  return record("matmul", {a, b}, y.reshape(shape),
                [lead, batch_shape = y.shape(), A = save_if(b.requires_grad(), a), B = save_if(a.requires_grad(), b),
                 shape_a = sa, shape_b = sb](const Array& g, const Needs& need) {
                  Array gy = g.reshape(batch_shape);
                  Grads grads(2);
                  if (need[0]) grads[0] = from_batch(kernels::matmul_nt(gy, as_batch(B(), lead)), lead, shape_a);
                  if (need[1]) {
                    Array x = as_batch(A(), lead);
                    // A batch against one b: its gradient is a single product over all rows.
                    bool shared = leading(shape_b).numel() == 1;
                    Array product = shared ? kernels::matmul_tn(as_rows(x), as_rows(gy)) : kernels::matmul_tn(x, gy);
                    grads[1] = from_batch(product, lead, shape_b);
                  }
                  return grads;
                });
}

}  // namespace elbo
