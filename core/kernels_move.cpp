// The kernels that move elements without computing.
#include <algorithm>
#include <array>

#include "index_kernels.h"
#include "kernels_detail.h"

namespace elbo::kernels {
namespace {

using Steps = std::array<std::int64_t, Shape::max_rank>;

/// The row-major steps of a shape, in elements.
Steps steps_of(const Shape& shape) {
  Steps steps{};
  std::int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    steps[static_cast<std::size_t>(i)] = step;
    step *= shape[i];
  }
  return steps;
}

/// The place of a box inside an array of `shape`: its first element and its steps.
template <class Box, class Pointer>
Box box_at(Pointer data, const Shape& shape, DType dtype, std::span<const std::int64_t> starts,
           std::span<const std::int64_t> every) {
  Steps steps = steps_of(shape);
  Box box{};
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(shape.rank()); ++i) {
    offset += starts[i] * steps[i];
    box.steps[i] = steps[i] * every[i];
  }
  if (data) {  // not on meta
    box.data = static_cast<std::byte*>(const_cast<void*>(static_cast<const void*>(data))) +
               offset * static_cast<std::int64_t>(size_of(dtype));
  }
  return box;
}

constexpr Steps zeros{};
constexpr Steps ones{1, 1, 1, 1, 1, 1, 1, 1};

void copy_box(const Array& like, const Shape& box, Strided to, ConstStrided from) {
  detail::check(on(like).copy_strided(like.dtype(), box, to, from), "copy_strided", like.device());
}

}  // namespace

Array permute(const Array& x, std::span<const int> dims) {
  Steps steps = steps_of(x.shape()), permuted{}, sizes{};
  for (std::size_t i = 0; i < dims.size(); ++i) {
    sizes[i] = x.shape()[dims[i]];
    permuted[i] = steps[static_cast<std::size_t>(dims[i])];
  }
  const Shape shape(std::span<const std::int64_t>(sizes).first(dims.size()));
  Array out = Array::empty(shape, x.options());
  ConstStrided from{x.raw(), {}};
  std::copy(permuted.begin(), permuted.end(), from.steps);
  copy_box(x, shape, box_at<Strided>(out.raw(), shape, x.dtype(), zeros, ones), from);
  return out;
}

Array slice(const Array& x, std::span<const std::int64_t> starts, const Shape& sizes,
            std::span<const std::int64_t> steps) {
  Array out = Array::empty(sizes, x.options());
  if (out.numel() == 0) return out;
  copy_box(x, sizes, box_at<Strided>(out.raw(), sizes, x.dtype(), zeros, ones),
           box_at<ConstStrided>(x.raw(), x.shape(), x.dtype(), starts, steps));
  return out;
}

Array unslice(const Array& g, const Shape& shape, std::span<const std::int64_t> starts,
              std::span<const std::int64_t> steps, double value) {
  Array out = Array::full(shape, value, g.options());
  assign_box(out, g, starts, steps);
  return out;
}

void assign_box(Array& to, const Array& from, std::span<const std::int64_t> starts,
                std::span<const std::int64_t> steps) {
  if (from.numel() == 0) return;
  to.mark_written();
  copy_box(from, from.shape(), box_at<Strided>(to.raw(), to.shape(), from.dtype(), starts, steps),
           box_at<ConstStrided>(from.raw(), from.shape(), from.dtype(), zeros, ones));
}

Array concatenate(std::span<const Array> parts, int axis) {
  Shape shape = parts[0].shape();
  std::int64_t total = 0;
  for (const Array& part : parts) total += part.shape()[axis];
  shape = shape.with(axis, total);
  Array out = Array::empty(shape, parts[0].options());
  Steps starts{};
  for (const Array& part : parts) {
    if (part.numel() > 0) {
      copy_box(part, part.shape(), box_at<Strided>(out.raw(), shape, part.dtype(), starts, ones),
               box_at<ConstStrided>(part.raw(), part.shape(), part.dtype(), zeros, ones));
    }
    starts[static_cast<std::size_t>(axis)] += part.shape()[axis];
  }
  return out;
}

namespace {
const std::int64_t* first_of(const Picked& picked) { return static_cast<const std::int64_t*>(picked.first.raw()); }
}  // namespace

Array gather(const Array& x, const Array& indices, int axis) {
  Axis a(x.shape(), axis);
  Array out = Array::empty({a.outer, indices.numel(), a.inner}, x.options());
  detail::check(on(x).gather(out.mutable_view(), x.reshape(a.full()).view(), indices.view(), nullptr), "index_select",
                x.device());
  return out.reshape(x.shape().with(axis, indices.numel()));
}

Array gather(const Array& x, const Picked& picked) {
  Axis a(x.shape(), 0);
  Array out = Array::empty({1, picked.count, a.inner}, x.options());
  detail::check(on(x).gather(out.mutable_view(), x.reshape(a.full()).view(), picked.indices.view(), first_of(picked)),
                "gather", x.device());
  return out.reshape(x.shape().with(0, picked.count));
}

Array scatter_add(const Array& g, const Array& indices, const Shape& shape, int axis) {
  Axis a(shape, axis);
  Array out = Array::empty(a.full(), g.options());
  detail::check(
      on(g).scatter_add(out.mutable_view(), g.reshape({a.outer, indices.numel(), a.inner}).view(), indices.view()),
      "scatter_add", g.device());
  return out.reshape(shape);
}

Array one_hot(const Array& labels, std::int64_t classes, DType dtype) {
  return index(IndexOp::one_hot, labels.shape().insert(labels.shape().rank(), classes), dtype,
               {labels.numel(), 1, classes}, {labels});
}

Array index(IndexOp op, const Shape& shape, DType dtype, const Shape& items, std::initializer_list<Array> in,
            std::initializer_list<std::int64_t> numbers) {
  const Array& first = *in.begin();
  Array out = Array::empty(shape, {dtype, first.device()});
  IndexArgs args{};
  std::copy(items.begin(), items.end(), args.items);
  std::transform(in.begin(), in.end(), args.in, [](const Array& x) { return x.raw(); });
  std::copy(numbers.begin(), numbers.end(), args.numbers);
  detail::check(on(first).index(op, out.mutable_view(), args), "index", first.device());
  return out;
}

Array gather_pictures(const Array& pictures, const Array& indices, double scale, double shift, Generator* draws) {
  return gather_pictures(pictures, Picked{.indices = indices, .count = indices.numel()}, scale, shift, draws);
}

Array gather_pictures(const Array& pictures, const Picked& picked, double scale, double shift, Generator* draws) {
  RandomArgs drawn{};
  if (draws) {
    ELBO_CHECK(draws->device() == pictures.device(), DeviceError, "[gather_pictures] expected a generator on ",
               pictures.device(), ", found one on ", draws->device());
    drawn = random_args(*draws);
  }
  Array out = Array::empty(pictures.shape().with(0, picked.count), {DType::float32, pictures.device()});
  detail::check(
      on(pictures).gather_pictures(out.mutable_view(), pictures.view(), picked.indices.view(),
                                   {first_of(picked), scale, shift, draws ? &drawn : nullptr, picked.errands}),
      "gather_pictures", pictures.device());
  return out;
}

}  // namespace elbo::kernels
