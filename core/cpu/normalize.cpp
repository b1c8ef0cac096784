#include <algorithm>
#include <cmath>

#include "../parallel_for.h"
#include "cpu_kernels.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

/// x [a, groups, b]. With b = 1 the groups are columns, otherwise they are made of rows of b elements.
struct Grouped {
  int64_t a, groups, b;
  explicit Grouped(const Shape& shape) : a(shape[0]), groups(shape[1]), b(shape[2]) {}
  int64_t per_group() const { return a * b; }
};

/// sums[g] = the sum of a term over the elements of group g. `row(offset, g)` is its sum over the row of b elements at
/// `offset`; `columns(offset, k, m, g, acc)` adds to acc [m] its sums over k rows of the columns of groups g to g + m.
template <class RowFn, class ColumnsFn>
void group_sums(const Context& context, const Grouped& x, double* sums, const RowFn& row, const ColumnsFn& columns) {
  const bool in_columns = x.b == 1;
  const int64_t width = in_columns ? std::min(x.groups, strip_columns) : 1;  // groups in an item
  const int64_t strips = divide_up(x.groups, width);
  // Cut along a where the strips are too few to keep many threads busy.
  const int64_t rows = strips >= 32 ? x.a : std::max<int64_t>(1, chunk_elements / std::max<int64_t>(1, width * x.b));
  const int64_t chunks = divide_up(x.a, rows);
  const Workspace partial(context.pool, static_cast<std::size_t>(chunks * x.groups) * sizeof(double));
  parallel_for(strips * chunks, grain_of(std::min(rows, x.a) * width * x.b), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t g = item % strips * width, c = item / strips;
      const int64_t first = c * rows, count = std::min(rows, x.a - first), m = std::min(width, x.groups - g);
      double* acc = partial.as<double>() + c * x.groups + g;
      std::fill_n(acc, m, 0.0);
      if (in_columns)
        columns(first * x.groups + g, count, m, g, acc);
      else
        for (int64_t i = first; i < first + count; ++i) *acc += row((i * x.groups + g) * x.b, g);
    }
  });
  std::fill_n(sums, x.groups, 0.0);
  for (int64_t c = 0; c < chunks; ++c)
    for (int64_t g = 0; g < x.groups; ++g) sums[g] += partial.as<double>()[c * x.groups + g];
}

/// 1 / sqrt(var + eps) in the element type.
double inverse_deviation(ConstView var, int64_t g, double eps) {
  if (var.dtype == DType::float32)
    return 1.0f / std::sqrt(static_cast<const float*>(var.data)[g] + static_cast<float>(eps));
  return 1.0 / std::sqrt(load(var, g) + eps);
}

/// fn(first element, how many, group of the first) for rows that cover x: of one group, or, where groups are columns,
/// of them all.
template <class Fn>
void for_rows(const Grouped& x, const Fn& fn) {
  const int64_t rows = x.b == 1 ? x.a : x.a * x.groups, n = x.b == 1 ? x.groups : x.b;
  parallel_for(rows, grain_of(n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) fn(row * n, n, x.b == 1 ? 0 : row % x.groups);
  });
}

}  // namespace

void moments(const Context& context, View mean, View var, ConstView x) {
  const Grouped shape(x.shape);
  const ReduceTable& table = context.tables.reduce;
  const int t = floating(x.dtype);
  if (shape.groups == 0) return;
  const Workspace means(context.pool, static_cast<std::size_t>(shape.groups) * sizeof(double));
  const Workspace squares(context.pool, static_cast<std::size_t>(shape.groups) * sizeof(double));
  double *m = means.as<double>(), *v = squares.as<double>();
  const double count = static_cast<double>(shape.per_group());
  auto element = [&](int64_t offset) { return at(x.data, offset, x.dtype); };
  group_sums(
      context, shape, m, [&](int64_t offset, int64_t) { return table.sum[t](shape.b, element(offset)); },
      [&](int64_t offset, int64_t k, int64_t width, int64_t, double* acc) {
        table.sum_columns[t](k, width, shape.groups, acc, element(offset));
      });
  for (int64_t g = 0; g < shape.groups; ++g) m[g] /= count;
  group_sums(
      context, shape, v,
      [&](int64_t offset, int64_t g) { return table.squared_deviation[t](shape.b, element(offset), m[g]); },
      [&](int64_t offset, int64_t k, int64_t width, int64_t g, double* acc) {
        table.squared_deviation_columns[t](k, width, shape.groups, acc, element(offset), m + g);
      });
  for (int64_t g = 0; g < shape.groups; ++g) {
    store(mean, g, m[g]);
    store(var, g, v[g] / count);
  }
}

void normalize(const Context& context, View out, ConstView x, ConstView mean, ConstView var, double eps) {
  const Grouped shape(x.shape);
  if (x.shape.numel() == 0) return;
  const NormalizeTable& table = context.tables.normalize;
  const int t = floating(x.dtype);
  const Workspace inverses(context.pool, static_cast<std::size_t>(shape.groups) * size_of(x.dtype));
  const View inverse{inverses.as<void>(), var.shape, x.dtype};
  for (int64_t g = 0; g < shape.groups; ++g) store(inverse, g, inverse_deviation(var, g, eps));
  for_rows(shape, [&](int64_t first, int64_t n, int64_t g) {
    void* to = at(out.data, first, out.dtype);
    const void* from = at(x.data, first, x.dtype);
    if (shape.b == 1)
      table.columns[t](n, to, from, mean.data, inverse.data);
    else
      table.rows[t](n, to, from, load(mean, g), load(inverse, g));
  });
}

void normalize_grad(const Context& context, View gx, ConstView xhat, ConstView var, ConstView g, double eps) {
  const Grouped shape(xhat.shape);
  if (xhat.shape.numel() == 0) return;
  const ReduceTable& reduce_table = context.tables.reduce;
  const NormalizeTable& table = context.tables.normalize;
  const int t = floating(xhat.dtype);
  const auto groups = static_cast<std::size_t>(shape.groups);
  const Workspace sums(context.pool, groups * sizeof(double)), values(context.pool, 3 * groups * size_of(xhat.dtype));
  auto view = [&](int64_t i) {
    return View{at(values.as<void>(), i * shape.groups, xhat.dtype), var.shape, xhat.dtype};
  };
  const View inverse = view(0), mean_g = view(1), mean_gx = view(2);
  const double count = static_cast<double>(shape.per_group());
  auto grad = [&](int64_t offset) { return at(g.data, offset, g.dtype); };
  auto normal = [&](int64_t offset) { return at(xhat.data, offset, xhat.dtype); };

  group_sums(
      context, shape, sums.as<double>(),
      [&](int64_t offset, int64_t) { return reduce_table.sum[t](shape.b, grad(offset)); },
      [&](int64_t offset, int64_t k, int64_t width, int64_t, double* acc) {
        reduce_table.sum_columns[t](k, width, shape.groups, acc, grad(offset));
      });
  for (int64_t i = 0; i < shape.groups; ++i) store(mean_g, i, sums.as<double>()[i] / count);
  group_sums(
      context, shape, sums.as<double>(),
      [&](int64_t offset, int64_t) { return reduce_table.dot[t](shape.b, grad(offset), normal(offset)); },
      [&](int64_t offset, int64_t k, int64_t width, int64_t, double* acc) {
        reduce_table.dot_columns[t](k, width, shape.groups, acc, grad(offset), normal(offset));
      });
  for (int64_t i = 0; i < shape.groups; ++i) {
    store(mean_gx, i, sums.as<double>()[i] / count);
    store(inverse, i, inverse_deviation(var, i, eps));
  }

  for_rows(shape, [&](int64_t first, int64_t n, int64_t group) {
    void* to = at(gx.data, first, gx.dtype);
    if (shape.b == 1)
      table.grad_columns[t](n, to, normal(first), grad(first), inverse.data, mean_g.data, mean_gx.data);
    else
      table.grad_rows[t](n, to, normal(first), grad(first), load(inverse, group), load(mean_g, group),
                         load(mean_gx, group));
  });
}

namespace {

/// What layer_norm takes where a weight or a bias is absent: n elements of `value`.
class OrElse {
 public:
  OrElse(const Context& context, ConstView x, int64_t n, DType dtype, double value)
      : own_(context.pool, x ? 0 : static_cast<std::size_t>(n) * size_of(dtype)), data_(x ? x.data : own_.as<void>()) {
    if (!x) fill(context, {own_.as<void>(), {n}, dtype}, value);
  }
  const void* data() const { return data_; }

 private:
  Workspace own_;
  const void* data_;
};

}  // namespace

void layer_norm(const Context& context, View out, View mean, View var, const LayerNormArgs& args) {
  const int64_t rows = args.x.shape[0], n = args.x.shape[1];
  if (rows * n == 0) return;
  const DType dtype = args.x.dtype;
  const OrElse weight(context, args.weight, n, dtype, 1), bias(context, args.bias, n, dtype, -0.0);  // x - 0 is x
  parallel_for(rows, grain_of(2 * n), [&](int64_t begin, int64_t end) {
    context.tables.normalize.layer_rows[floating(dtype)](
        end - begin, n, at(out.data, begin * n, dtype), at(mean.data, begin, dtype), at(var.data, begin, dtype),
        at(args.x.data, begin * n, dtype), weight.data(), bias.data(), args.eps);
  });
}

void layer_norm_grad(const Context& context, View gx, View gweight, View gbias, const LayerNormArgs& args,
                     ConstView mean, ConstView var, ConstView g) {
  const int64_t rows = args.x.shape[0], n = args.x.shape[1];
  if (n == 0) return;
  const DType dtype = args.x.dtype;
  const OrElse weight(context, args.weight, n, dtype, 1);
  const bool sums = gweight.data != nullptr || gbias.data != nullptr;
  // Pieces large beside the sums of each, and of eights of rows.
  const int64_t piece = 8 * divide_up(std::max({chunk_elements / n, rows / 64, int64_t{1}}), 8);
  const int64_t pieces = divide_up(rows, piece);
  const Workspace partial(context.pool, sums ? static_cast<std::size_t>(pieces * 2 * n) * sizeof(double) : 0);
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t row = p * piece, first = row * n;
      double* total = sums ? partial.as<double>() + p * 2 * n : nullptr;
      if (sums) std::fill_n(total, 2 * n, 0.0);
      context.tables.normalize.layer_grad[floating(dtype)](
          std::min(piece, rows - row), n, gx.data ? at(gx.data, first, dtype) : nullptr, total,
          at(args.x.data, first, dtype), at(mean.data, row, dtype), at(var.data, row, dtype), weight.data(),
          at(g.data, first, dtype), args.eps);
    }
  });
  if (!sums) return;
  parallel_for(n, grain_of(2 * pieces), [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      double of_weight = 0, of_bias = 0;
      for (int64_t p = 0; p < pieces; ++p) {
        of_weight += partial.as<double>()[p * 2 * n + j];
        of_bias += partial.as<double>()[p * 2 * n + n + j];
      }
      if (gweight.data) store(gweight, j, of_weight);
      if (gbias.data) store(gbias, j, of_bias);
    }
  });
}

}  // namespace elbo::cpu_kernels
