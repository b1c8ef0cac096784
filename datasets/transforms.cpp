#include "transforms.h"

#include <cmath>
#include <utility>

#include "../core/called_op_detail.h"
#include "../core/errors.h"

namespace elbo::datasets::transforms {
namespace {

Tensor& at(const char* name, std::vector<Tensor>& batch, std::size_t array) {
  ELBO_CHECK(array < batch.size(), IndexError, "[", name, "] expected the place of one of the batch's ", batch.size(),
             " arrays, found ", array);
  return batch[array];
}

Tensor& floating_at(const char* name, std::vector<Tensor>& batch, std::size_t array) {
  Tensor& x = at(name, batch, array);
  ELBO_CHECK(is_floating(x.dtype()), DTypeError, "[", name, "] expected a floating array ", array, ", found ",
             x.dtype(), ": scale it first");
  return x;
}

Tensor& pictures_at(const char* name, std::vector<Tensor>& batch, std::size_t array, int rank) {
  Tensor& x = at(name, batch, array);
  ELBO_CHECK(x.dim() >= rank, ShapeError, "[", name, "] expected pictures ",
             rank == 2 ? "[n, ..., width]" : "[n, ..., height, width]", ", found array ", array, " ", x.shape());
  return x;
}

/// The first number of samples, of shape [n, 1, ...] with `rank` dimensions.
Shape one_each(const Tensor& x, int rank) {
  Shape out{x.size(0)};
  while (out.rank() < rank) out = out.insert(out.rank(), 1);
  return out;
}

/// The windows of `size` out of x [n, ..., height, width], each from its own row and column, int64 [n, 1, 1].
Tensor windows(const Tensor& x, const Tensor& top, const Tensor& left, Size2 size) {
  const std::int64_t n = x.size(0), height = x.size(-2), width = x.size(-1), pixels = size.h * size.w;
  std::int64_t planes = 1;
  for (int axis = 1; axis < x.dim() - 2; ++axis) planes *= x.size(axis);
  const TensorOptions whole{DType::int64, x.device()};
  const Tensor within = reshape(arange(size.h, whole) * width, {size.h, 1}) + arange(size.w, whole);
  const Tensor first = top * width + left;
  const Tensor places = reshape(first + within, {n, 1, pixels});
  const Tensor cut = gather(reshape(x, {n, planes, height * width}), 2, expand(places, {n, planes, pixels}));
  return reshape(cut, x.shape().with(x.dim() - 2, size.h).with(x.dim() - 1, size.w));
}

}  // namespace

Transform scale(double factor, double shift, std::size_t array) {
  return [=](std::vector<Tensor>& batch) {
    Tensor& x = at("scale", batch, array);
    if (!is_floating(x.dtype())) x = cast(x, DType::float32);
    x = x * factor;
    if (shift != 0) x = x + shift;
  };
}

Transform binarize(std::size_t array) {
  return [=](std::vector<Tensor>& batch) {
    Tensor& x = floating_at("binarize", batch, array);
    const detail::CalledOp called("binarize");  // in messages
    x = bernoulli(x);
  };
}

Transform gaussian_noise(double std, std::size_t array) {
  ELBO_CHECK(std::isfinite(std) && std >= 0, ValueError,
             "[gaussian_noise] expected a standard deviation that is finite and at least 0, found ", std);
  return [=](std::vector<Tensor>& batch) {
    Tensor& x = floating_at("gaussian_noise", batch, array);
    x = x + randn_like(x) * std;
  };
}

Transform random_horizontal_flip(double p, std::vector<std::size_t> arrays) {
  const char* name = "random_horizontal_flip";
  ELBO_CHECK(p >= 0 && p <= 1, ValueError, "[", name, "] expected a probability in [0, 1], found ", p);
  return [=, arrays = std::move(arrays)](std::vector<Tensor>& batch) {
    Tensor flipped;  // which samples are
    for (const std::size_t array : arrays) {
      Tensor& x = pictures_at(name, batch, array, 2);
      if (!flipped.defined()) flipped = rand(one_each(x, 1), {.device = x.device()}) < p;
      x = where(reshape(flipped, one_each(x, x.dim())), flip(x, -1), x);
    }
  };
}

Transform random_crop(Size2 size, std::int64_t padding, std::vector<std::size_t> arrays) {
  const char* name = "random_crop";
  ELBO_CHECK(size.h >= 1 && size.w >= 1 && padding >= 0, ValueError, "[", name,
             "] expected a size of at least 1 and a padding of at least 0, found ", size.h, " x ", size.w, " and ",
             padding);
  return [=, arrays = std::move(arrays)](std::vector<Tensor>& batch) {
    Tensor top, left;
    Size2 drawn_for = 0;
    for (const std::size_t array : arrays) {
      Tensor& x = pictures_at(name, batch, array, 3);
      std::vector<std::int64_t> around(static_cast<std::size_t>(x.dim()), 0);
      around[around.size() - 2] = around[around.size() - 1] = padding;
      const Tensor padded = padding == 0 ? x : pad(x, around, around);
      const Size2 found(padded.size(-2), padded.size(-1));
      ELBO_CHECK(found.h >= size.h && found.w >= size.w, ShapeError, "[", name, "] expected pictures of at least ",
                 size.h, " x ", size.w, " with their padding, found array ", array, " ", x.shape());
      ELBO_CHECK(!top.defined() || found == drawn_for, ShapeError, "[", name, "] expected pictures of one size, found ",
                 drawn_for.h - 2 * padding, " x ", drawn_for.w - 2 * padding, " and array ", array, " ", x.shape());
      if (!top.defined()) {
        drawn_for = found;
        top = randint(0, found.h - size.h + 1, one_each(x, 3), x.device());
        left = randint(0, found.w - size.w + 1, one_each(x, 3), x.device());
      }
      x = windows(padded, top, left, size);
    }
  };
}

}  // namespace elbo::datasets::transforms
