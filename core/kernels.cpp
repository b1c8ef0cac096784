#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "kernels_detail.h"

namespace elbo::kernels {
namespace {

void check(Status status, const char* op, const Array& x) { detail::check(status, op, x.device()); }

}  // namespace

Array unary(UnaryOp op, const Array& x, double p0, double p1) {
  Array out = Array::empty(x.shape(), x.options());
  check(on(x).unary(op, out.mutable_view(), x.view(), p0, p1), "unary", x);
  return out;
}

void unary_(UnaryOp op, Array& x, double p0) {
  View out = x.mutable_view();
  check(on(x).unary(op, out, out, p0, 0), "unary_", x);
}

Array unary_grad(UnaryOp op, const Array& x, const Array& y, const Array& g, double p0, double p1) {
  Array out = Array::empty(g.shape(), g.options());
  check(on(g).unary_grad(op, out.mutable_view(), x.view(), y.view(), g.view(), p0, p1), "unary_grad", g);
  return out;
}

Array binary(BinaryOp op, const Array& a, const Array& b, const Shape& shape) {
  Array out = Array::empty(shape, a.options());
  check(on(a).binary(op, out.mutable_view(), a.view(), b.view()), "binary", a);
  return out;
}

Array binary(BinaryOp op, const Array& a, const Array& b) { return binary(op, a, b, a.shape()); }

Array binary_sum(BinaryOp op, const Array& a, const Array& b) {
  Array out = Array::empty({}, a.options());
  check(on(a).binary_sum(op, out.mutable_view(), a.view(), b.view(), {}, nullptr), "binary_sum", a);
  return out;
}

SumAndGradient binary_sum_and_grad(BinaryOp op, const Array& a, const Array& b, const Array& g) {
  SumAndGradient out{Array::empty({}, a.options()), Array::empty(a.shape(), a.options())};
  check(on(a).binary_sum(op, out.sum.mutable_view(), a.view(), b.view(), out.ga.mutable_view(), g.raw()), "binary_sum",
        a);
  return out;
}

Array binary_grad(BinaryOp op, int side, const Array& a, const Array& b, const Array& g, const Shape& shape) {
  Array out = Array::empty(shape, a.options());
  check(on(a).binary_grad(op, side, out.mutable_view(), a.view(), b.view(), g.view()), "binary_grad", a);
  return out;
}

void add_(Array& a, const Array& b) { binary_(BinaryOp::add, a, b); }

void binary_(BinaryOp op, Array& a, const Array& b) {
  View out = a.mutable_view();
  check(on(a).binary(op, out, out, b.view()), "binary_", a);
}

void accumulate_(Array& total, const Array& x) {
  check(on(x).accumulate(total.mutable_view(), x.view()), "accumulate_", x);
}

Array compare(CompareOp op, const Array& a, const Array& b, const Shape& shape) {
  Array out = Array::empty(shape, {DType::uint8, a.device()});
  check(on(a).compare(op, out.mutable_view(), a.view(), b.view()), "compare", a);
  return out;
}

Array where(const Array& condition, const Array& a, const Array& b, const Shape& shape) {
  Array out = Array::empty(shape, a.options());
  check(on(a).where(out.mutable_view(), condition.view(), a.view(), b.view()), "where", a);
  return out;
}

Array cast(const Array& x, DType dtype) {
  Array out = Array::empty(x.shape(), {dtype, x.device()});
  check(on(x).cast(out.mutable_view(), x.view()), "cast", x);
  return out;
}

void check_range(const Array& x, double least, double most) {
  check(on(x).check_range(x.view(), least, most), "check_range", x);
}

Array expand(const Array& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  Array out = Array::empty(shape, x.options());
  // A step of 0 repeats an element.
  ConstStrided from{x.raw(), {}};
  Strided to{out.raw(), {}};
  std::int64_t step_x = 1, step_out = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    int dim = shape.rank() - 1 - i;
    to.steps[dim] = step_out;
    step_out *= shape[dim];
    std::int64_t size = i < x.shape().rank() ? x.shape()[-1 - i] : 1;
    from.steps[dim] = size == 1 ? 0 : step_x;
    step_x *= size;
  }
  check(on(x).copy_strided(x.dtype(), shape, to, from), "expand", x);
  return out;
}

Array sum_to(const Array& x, const Shape& shape) {
  if (x.numel() == shape.numel()) return x.reshape(shape);
  std::vector<int> axes;
  int extra = x.shape().rank() - shape.rank();
  for (int i = 0; i < x.shape().rank(); ++i)
    if (i < extra || (shape[i - extra] == 1 && x.shape()[i] != 1)) axes.push_back(i);
  return reduce(ReduceOp::sum, x, axes).reshape(shape);
}

namespace {

/// The one run of axes that `sorted` leaves in the middle, if that is what it does: [first, last].
std::optional<std::pair<int, int>> middle_left(std::span<const int> sorted, int rank) {
  const auto count = static_cast<int>(sorted.size());
  int first = 0;
  while (first < count && sorted[static_cast<std::size_t>(first)] == first) ++first;
  const int last = first + (rank - count) - 1;
  if (first == 0 || first == count || last < first || sorted[static_cast<std::size_t>(first)] != last + 1) return {};
  return std::pair(first, last);
}

}  // namespace

Array reduce(ReduceOp op, const Array& x, std::span<const int> axes) {
  const TensorOptions options{op == ReduceOp::sum && !is_floating(x.dtype()) ? DType::int64 : x.dtype(), x.device()};
  if (axes.empty() && op == ReduceOp::sum_squares) return unary(UnaryOp::square, x);
  if (axes.empty()) return options.dtype == x.dtype() ? x.copy() : cast(x, options.dtype);
  std::vector<int> sorted(axes.begin(), axes.end());
  std::sort(sorted.begin(), sorted.end());
  if (auto middle = middle_left(sorted, x.shape().rank()); middle && op == ReduceOp::sum && is_floating(x.dtype())) {
    Axis groups(x.shape(), middle->first, middle->second);
    Shape shape = x.shape();
    for (int axis : sorted) shape = shape.with(axis, 1);
    Array out = Array::empty(shape, x.options());
    View view = out.reshape({groups.n}).mutable_view();
    check(on(x).sum_groups(view, x.reshape(groups.full()).view()), "sum", x);
    return out;
  }
  Array result = x;
  Shape shape = x.shape();
  // Runs of neighbouring axes are one axis; the last run goes first, so that each pass reads less.
  for (int last = static_cast<int>(sorted.size()) - 1; last >= 0;) {
    int first = last;
    while (first > 0 && sorted[static_cast<std::size_t>(first - 1)] + 1 == sorted[static_cast<std::size_t>(first)])
      --first;
    int begin = sorted[static_cast<std::size_t>(first)], end = sorted[static_cast<std::size_t>(last)];
    Axis a(shape, begin, end);
    for (int i = begin; i <= end; ++i) shape = shape.with(i, 1);
    Array out = Array::empty(a.reduced(), options);
    check(on(x).reduce(op, out.mutable_view(), result.reshape(a.full()).view()), "reduce", x);
    result = out;
    last = first - 1;
    if (op == ReduceOp::sum_squares) op = ReduceOp::sum;
  }
  return result.reshape(shape);
}

Array sum_all(const Array& x) {
  Array out = Array::empty({}, x.options());
  Array flat = x.reshape({1, x.numel(), 1});
  View view = out.reshape({1, 1}).mutable_view();
  check(on(x).reduce(ReduceOp::sum, view, flat.view()), "sum", x);
  return out;
}

namespace {

/// The shape with size 1 along `axis`, which a scalar does not have.
Shape kept(const Shape& shape, int axis) { return axis < shape.rank() ? shape.with(axis, 1) : shape; }

}  // namespace

Array argmax(const Array& x, int axis) {
  Axis a(x.shape(), axis);
  Array out = Array::empty(a.reduced(), {DType::int64, x.device()});
  check(on(x).argmax(out.mutable_view(), x.reshape(a.full()).view()), "argmax", x);
  return out.reshape(kept(x.shape(), axis));
}

Array softmax(SoftmaxKind kind, const Array& x, int axis) {
  Axis a(x.shape(), axis);
  Array out = Array::empty(a.full(), x.options());
  check(on(x).softmax(kind, out.mutable_view(), x.reshape(a.full()).view()), "softmax", x);
  return out.reshape(x.shape());
}

Array softmax_grad(SoftmaxKind kind, const Array& y, const Array& g, int axis) {
  Axis a(y.shape(), axis);
  Array out = Array::empty(a.full(), y.options());
  check(on(y).softmax_grad(kind, out.mutable_view(), y.reshape(a.full()).view(), g.reshape(a.full()).view()),
        "softmax_grad", y);
  return out.reshape(y.shape());
}

Array logsumexp(const Array& x, int axis) {
  Axis a(x.shape(), axis);
  Array out = Array::empty(a.reduced(), x.options());
  check(on(x).logsumexp(out.mutable_view(), x.reshape(a.full()).view()), "logsumexp", x);
  return out.reshape(kept(x.shape(), axis));
}

namespace {

Shape grouped(const Array& x, std::int64_t a, std::int64_t groups) {
  std::int64_t outer = a * groups;
  return {a, groups, outer > 0 ? x.numel() / outer : 0};
}

}  // namespace

Moments moments(const Array& x, std::int64_t a, std::int64_t groups) {
  Moments out{Array::empty({groups}, x.options()), Array::empty({groups}, x.options())};
  check(on(x).moments(out.mean.mutable_view(), out.var.mutable_view(), x.reshape(grouped(x, a, groups)).view()),
        "moments", x);
  return out;
}

Array normalize(const Array& x, const Array& mean, const Array& var, double eps, std::int64_t a) {
  Shape shape = grouped(x, a, mean.numel());
  Array out = Array::empty(shape, x.options());
  check(on(x).normalize(out.mutable_view(), x.reshape(shape).view(), mean.view(), var.view(), eps), "normalize", x);
  return out.reshape(x.shape());
}

Array normalize_grad(const Array& xhat, const Array& var, const Array& g, double eps, std::int64_t a) {
  Shape shape = grouped(xhat, a, var.numel());
  Array out = Array::empty(shape, xhat.options());
  check(
      on(xhat).normalize_grad(out.mutable_view(), xhat.reshape(shape).view(), var.view(), g.reshape(shape).view(), eps),
      "normalize_grad", xhat);
  return out.reshape(xhat.shape());
}

LayerNormed layer_norm(const Array& x, std::int64_t rows, const Array& weight, const Array& bias, double eps) {
  const Shape shape{rows, rows > 0 ? x.numel() / rows : 0};
  LayerNormed out{Array::empty(shape, x.options()), Array::empty({rows}, x.options()),
                  Array::empty({rows}, x.options())};
  check(on(x).layer_norm(out.y.mutable_view(), out.mean.mutable_view(), out.var.mutable_view(),
                         {x.reshape(shape).view(), weight.view(), bias.view(), eps}),
        "layer_norm", x);
  out.y = out.y.reshape(x.shape());
  return out;
}

std::array<Array, 3> layer_norm_grad(const Array& x, const Array& mean, const Array& var, const Array& weight,
                                     const Array& g, double eps, const std::array<bool, 3>& wanted,
                                     const Shape& shape) {
  const Shape rows{mean.numel(), shape.numel()};
  std::array<Array, 3> out;
  std::array<View, 3> views;
  for (std::size_t i = 0; i < out.size(); ++i)
    if (wanted[i]) out[i] = Array::empty(i == 0 ? x.shape() : shape, x.options()), views[i] = out[i].mutable_view();
  views[0].shape = rows;
  check(on(x).layer_norm_grad(views[0], views[1], views[2], {x.reshape(rows).view(), weight.view(), {}, eps},
                              mean.view(), var.view(), g.reshape(rows).view()),
        "layer_norm_grad", x);
  return out;
}

Array matmul(const Array& a, const Array& b, MatmulOptions options, const Array& bias) {
  const Shape &sa = a.shape(), &sb = b.shape();
  MatmulArgs args{};
  args.m = options.transpose_a ? sa.back() : sa[-2];
  args.k = options.transpose_a ? sa[-2] : sa.back();
  args.n = options.transpose_b ? sb[-2] : sb.back();
  const Shape& longer = sa.rank() >= sb.rank() ? sa : sb;
  Shape shape = longer.without(longer.rank() - 1).with(longer.rank() - 2, args.m).insert(longer.rank() - 1, args.n);
  args.batch = 1;
  for (int i = 0; i < longer.rank() - 2; ++i) args.batch *= longer[i];
  args.stride_a = sa.rank() > 2 ? args.m * args.k : 0;
  args.stride_b = sb.rank() > 2 ? args.k * args.n : 0;
  args.stride_out = args.m * args.n;
  // Without a transpose, a batch of a against one b is a single taller product.
  if (args.stride_b == 0 && !options.transpose_a) {
    args.m *= args.batch;
    args.batch = 1;
  }
  Array out = Array::empty(shape, a.options());
  args.a = a.raw();
  args.b = b.raw();
  args.out = out.raw();
  args.bias = bias.raw();
  args.dtype = a.dtype();
  args.activation = options.activation;
  args.transpose_a = options.transpose_a;
  args.transpose_b = options.transpose_b;
  args.precision = active_precision();
  check(on(a).matmul(args), "matmul", a);
  return out;
}

std::vector<Array> linear(const Array& x, std::span<const Array> weights, std::span<const Array> biases) {
  const std::int64_t m = x.shape()[0], k = x.shape()[1];
  std::vector<Array> out;
  std::vector<LinearHead> heads;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::int64_t n = weights[i].shape()[0];
    out.push_back(Array::empty({m, n}, x.options()));
    heads.push_back({weights[i].raw(), i < biases.size() ? biases[i].raw() : nullptr, out[i].raw(), n});
  }
  check(on(x).linear({x.raw(), x.dtype(), m, k, active_precision()}, heads), "linear", x);
  return out;
}

Array linear_grad(const Array& x, std::span<LinearGrad> layers, std::int64_t k, bool wants_x) {
  const Array& first = layers[0].gy;
  const std::int64_t m = first.shape()[0];
  Array gx = wants_x ? Array::empty({m, k}, first.options()) : Array();
  std::vector<LinearGradHead> heads;
  for (LinearGrad& layer : layers) {
    if (layer.wants_weight) layer.gweight = Array::empty({layer.n, k}, first.options());
    if (layer.wants_bias) layer.gbias = Array::empty({layer.n}, first.options());
    heads.push_back(
        {layer.gy.raw(), layer.y.raw(), layer.weight.raw(), layer.gweight.raw(), layer.gbias.raw(), layer.n});
  }
  check(on(first).linear_grad({x.raw(), first.dtype(), m, k, active_precision()}, gx.raw(), heads), "linear_grad",
        first);
  return gx;
}

namespace {

Conv2dArgs with_precision(Conv2dArgs args) {
  args.precision = active_precision();
  return args;
}

}  // namespace

namespace {
Shape pictures(std::int64_t n, std::int64_t channels, std::int64_t h, std::int64_t w, bool channels_last) {
  return channels_last ? Shape{n, h, w, channels} : Shape{n, channels, h, w};
}
}  // namespace

Array conv2d(const Conv2dArgs& args, const Array& x, const Array& weight, const Array& bias) {
  Array out = Array::empty(pictures(args.n, args.c_out, args.out_h, args.out_w, args.y_last), x.options());
  check(on(x).conv2d(with_precision(args), out.raw(), x.raw(), weight.raw(), bias.raw()), "conv2d", x);
  return out;
}

Array conv2d_grad_data(const Conv2dArgs& args, const Array& gy, const Array& weight, const Array& bias) {
  Array out = Array::empty(pictures(args.n, args.c_in, args.h, args.w, args.x_last), gy.options());
  check(on(gy).conv2d_grad_data(with_precision(args), out.raw(), gy.raw(), weight.raw(), bias.raw()),
        "conv2d_grad_data", gy);
  return out;
}

Array conv2d_grad_weight(const Conv2dArgs& args, const Array& gy, const Array& x) {
  Array out = Array::empty({args.c_out, args.c_in, args.kh, args.kw}, x.options());
  check(on(x).conv2d_grad_weight(with_precision(args), out.raw(), gy.raw(), x.raw()), "conv2d_grad_weight", x);
  return out;
}

std::array<Array, 3> conv2d_grad(const Conv2dArgs& args, bool transposed, const Array& gy, const Array& y,
                                 const Array& x, const Array& weight, const std::array<bool, 3>& wanted) {
  std::array<Array, 3> out;
  if (wanted[0])
    out[0] = Array::empty(transposed ? pictures(args.n, args.c_out, args.out_h, args.out_w, args.y_last)
                                     : pictures(args.n, args.c_in, args.h, args.w, args.x_last),
                          gy.options());
  if (wanted[1]) out[1] = Array::empty({args.c_out, args.c_in, args.kh, args.kw}, gy.options());
  if (wanted[2]) out[2] = Array::empty({transposed ? args.c_in : args.c_out}, gy.options());
  check(on(gy).conv2d_grad(with_precision(args), transposed,
                           {gy.raw(), y.raw(), x.raw(), weight.raw(), out[0].raw(), out[1].raw(), out[2].raw()}),
        "conv2d_grad", gy);
  return out;
}

Array random(RandomKind kind, const Shape& shape, DType dtype, Generator& generator, double p) {
  Array out = Array::empty(shape, {dtype, generator.device()});
  check(on(out).random(kind, out.mutable_view(), random_args(generator), p), "random", out);
  return out;
}

Reparameterized reparameterize(const Array& mu, const Array& logvar, Generator& generator) {
  Reparameterized out{Array::empty(mu.shape(), mu.options()), Array::empty(mu.shape(), mu.options())};
  check(on(mu).reparameterize(out.z.mutable_view(), out.noise.mutable_view(), mu.view(), logvar.view(),
                              random_args(generator)),
        "reparameterize", mu);
  return out;
}

ReparameterizedKl reparameterize_kl(const Array& mu, const Array& logvar, Generator& generator) {
  ReparameterizedKl out{Array::empty(mu.shape(), mu.options()), Array::empty(mu.shape(), mu.options()),
                        Array::empty({}, mu.options())};
  check(on(mu).reparameterize_kl(out.z.mutable_view(), out.noise.mutable_view(), out.kl.mutable_view(), mu.view(),
                                 logvar.view(), random_args(generator)),
        "reparameterize_kl", mu);
  return out;
}

std::array<Array, 2> reparameterize_kl_grad(const Array& mu, const Array& logvar, const Array& noise, const Array& gz,
                                            const Array& gkl, const std::array<bool, 2>& wanted) {
  std::array<Array, 2> out;
  std::array<View, 2> views;
  for (std::size_t i = 0; i < out.size(); ++i)
    if (wanted[i]) out[i] = Array::empty(mu.shape(), mu.options()), views[i] = out[i].mutable_view();
  check(
      on(mu).reparameterize_kl_grad(views[0], views[1], mu.view(), logvar.view(), noise.view(), gz.view(), gkl.view()),
      "reparameterize_kl_grad", mu);
  return out;
}

void run_errands(std::span<const Errand> errands, Device device) {
  if (!errands.empty()) detail::check(backend(device).run_errands(errands), "run_errands", device);
}

}  // namespace elbo::kernels
