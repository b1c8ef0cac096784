// Pooling over windows of a picture, and pictures of another size.
#include <utility>

#include "../autograd.h"
#include "../checked_size_detail.h"
#include "../index_kernels.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

void check_pictures(const char* op, const Tensor& x) {
  ops::check_floating(op, x);
  ops::check_rank(op, "x", 4, x.shape());
  ELBO_CHECK(x.shape()[2] > 0 && x.shape()[3] > 0, ShapeError, "[", op, "] expected pictures of at least 1 x 1, found ",
             x.shape());
}

/// Items: every pixel of every plane of a batch.
Shape pixels(const Shape& shape) { return {shape[0] * shape[1], shape[2], shape[3]}; }

/// One side of a pooled picture.
struct Pooled {
  std::int64_t size, out, kernel, stride, pad;
};

Pooled pooled_side(const char* op, std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  ELBO_CHECK(kernel >= 1 && stride >= 1, ValueError, "[", op, "] expected kernel and stride of at least 1, found ",
             kernel, " and ", stride);
  ELBO_CHECK(pad >= 0 && pad <= kernel / 2, ValueError, "[", op,
             "] expected a padding from 0 to half of the kernel, found ", pad, " for a kernel of ", kernel);
  const std::int64_t room = detail::checked_add(size, 2 * pad) - kernel;
  ELBO_CHECK(room >= 0, ShapeError, "[", op, "] the kernel is larger than the padded picture: ", kernel, " and ", size,
             " with a padding of ", pad);
  return {size, room / stride + 1, kernel, stride, pad};
}

/// The windows of a pooling, and what runs its kernels: an item for each element of the output.
struct Windows {
  Shape in, out;
  Pooled h, w;

  Windows(const char* op, const Tensor& x, Size2 size, const Pool2dOptions& options)
      : in(x.shape()),
        h(pooled_side(op, in[2], size.h, options.stride.value_or(size).h, options.padding.h)),
        w(pooled_side(op, in[3], size.w, options.stride.value_or(size).w, options.padding.w)) {
    out = {in[0], in[1], h.out, w.out};
  }
  Array run(IndexOp op, const Shape& shape, DType dtype, const Array& first, const Array& second = {}) const {
    return kernels::index(op, shape, dtype, pixels(shape), {first, second},
                          {h.size, h.out, h.kernel, h.stride, h.pad, w.size, w.out, w.kernel, w.stride, w.pad,
                           static_cast<std::int64_t>(first.dtype())});
  }
};

}  // namespace

Tensor max_pool2d(const Tensor& x, Size2 kernel_size, const Pool2dOptions& options) {
  const char* op = "max_pool2d";
  const ops::CalledOp called(op);
  check_pictures(op, x);
  const Windows windows(op, x, kernel_size, options);
  if (!x.requires_grad() || !grad_enabled())
    return Tensor(windows.run(IndexOp::max_pool2d, windows.out, x.dtype(), x.array()));
  // The places of the maxima, which the gradient asks for, are looked for once.
  const Array places = windows.run(IndexOp::max_pool2d_places, windows.out, DType::int64, x.array());
  const std::int64_t planes = windows.out[0] * windows.out[1];
  Array y = kernels::index(IndexOp::gather_along, windows.out, x.dtype(), {planes, windows.h.out * windows.w.out, 1},
                           {places, x.array()}, {windows.h.size * windows.w.size});
  return record(op, {x}, std::move(y), [windows, P = save(places)](const Array& g, const Needs&) {
    return Grads{windows.run(IndexOp::max_pool2d_grad, windows.in, g.dtype(), g, P())};
  });
}

Tensor avg_pool2d(const Tensor& x, Size2 kernel_size, const Pool2dOptions& options) {
  const char* op = "avg_pool2d";
  const ops::CalledOp called(op);
  check_pictures(op, x);
  const Windows windows(op, x, kernel_size, options);
  return record(op, {x}, windows.run(IndexOp::avg_pool2d, windows.out, x.dtype(), x.array()),
                [windows](const Array& g, const Needs&) {
                  return Grads{windows.run(IndexOp::avg_pool2d_grad, windows.in, g.dtype(), g)};
                });
}

Tensor upsample(const Tensor& x, const UpsampleOptions& options) {
  const char* op = "upsample";
  const ops::CalledOp called(op);
  check_pictures(op, x);
  const Shape shape = x.shape();
  const Size2 scale = options.scale;
  ELBO_CHECK(scale.h >= 1 && scale.w >= 1, ValueError, "[", op, "] expected a scale of at least 1, found ", scale.h,
             " x ", scale.w);
  const Size2 size = options.size
                         ? *options.size
                         : Size2(detail::checked_mul(shape[2], scale.h), detail::checked_mul(shape[3], scale.w));
  ELBO_CHECK(size.h >= 1 && size.w >= 1, ValueError, "[", op, "] expected a size of at least 1 x 1, found ", size.h,
             " x ", size.w);
  const bool linear = options.mode == UpsampleMode::bilinear;
  const auto run = [shape, size](IndexOp kernel, const Shape& out, const Array& from) {
    return kernels::index(kernel, out, from.dtype(), pixels(out), {from}, {shape[2], size.h, shape[3], size.w});
  };
  return record(
      op, {x},
      run(linear ? IndexOp::upsample_bilinear2d : IndexOp::upsample_nearest2d, {shape[0], shape[1], size.h, size.w},
          x.array()),
      [run, linear, shape](const Array& g, const Needs&) {
        return Grads{run(linear ? IndexOp::upsample_bilinear2d_grad : IndexOp::upsample_nearest2d_grad, shape, g)};
      });
}

}  // namespace elbo
