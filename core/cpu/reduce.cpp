#include <algorithm>
#include <limits>
#include <numeric>

#include "../parallel_for.h"
#include "cpu_kernels.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

struct Axis {
  int64_t outer, n, inner;
  explicit Axis(const Shape& shape) : outer(shape[0]), n(shape[1]), inner(shape[2]) {}
};

/// One kind of reduction: its loops, and how two results are combined.
struct Kind {
  double (*row)(int64_t n, const void* x);
  ReduceTable::Rows rows;
  ReduceTable::Columns columns;
  double start;
  ReduceOp op;

  Kind(const ReduceTable& table, ReduceOp op_, DType dtype) : op(op_) {
    const int t = floating(dtype);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    switch (op) {
      case ReduceOp::sum:
        row = table.sum[t], rows = table.sum_rows[t], columns = table.sum_columns[t], start = 0;
        break;
      case ReduceOp::sum_squares:
        row = table.squares[t], rows = table.square_rows[t], columns = table.square_columns[t], start = 0;
        break;
      case ReduceOp::max:
        row = table.max[t], rows = table.max_rows[t], columns = table.max_columns[t], start = -infinity;
        break;
      case ReduceOp::min:
        row = table.min[t], rows = table.min_rows[t], columns = table.min_columns[t], start = infinity;
        break;
    }
  }
  double combine(double a, double b) const {
    if (op == ReduceOp::sum || op == ReduceOp::sum_squares) return a + b;
    const bool better = op == ReduceOp::max ? b > a : b < a;
    return better || b != b ? b : a;
  }
};

void reduce_rows(const Context& context, const Kind& kind, View out, ConstView x, const Axis& axis) {
  const int64_t chunks = std::max<int64_t>(1, divide_up(axis.n, chunk_elements));
  auto chunk = [&](int64_t item) {
    const int64_t begin = item % chunks * chunk_elements, n = std::min(chunk_elements, axis.n - begin);
    return kind.row(n, at(x.data, item / chunks * axis.n + begin, x.dtype));
  };
  if (chunks == 1) {
    parallel_for(axis.outer, grain_of(axis.n), [&](int64_t begin, int64_t end) {
      kind.rows(end - begin, axis.n, at(out.data, begin, out.dtype), at(x.data, begin * axis.n, x.dtype));
    });
    return;
  }
  const Workspace partial(context.pool, static_cast<std::size_t>(axis.outer * chunks) * sizeof(double));
  parallel_for(axis.outer * chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) partial.as<double>()[i] = chunk(i);
  });
  for (int64_t o = 0; o < axis.outer; ++o) {
    const double* sums = partial.as<double>() + o * chunks;
    double total = sums[0];
    for (int64_t c = 1; c < chunks; ++c) total = kind.combine(total, sums[c]);
    store(out, o, total);
  }
}

void reduce_columns(const Context& context, const Kind& kind, View out, ConstView x, const Axis& axis) {
  const int64_t strips = divide_up(axis.inner, strip_columns), width = std::min(axis.inner, strip_columns);
  // Cut along n where the strips are too few to keep many threads busy.
  const int64_t rows = axis.outer * strips >= 32 ? axis.n : std::max<int64_t>(1, chunk_elements / width);
  const int64_t chunks = std::max<int64_t>(1, divide_up(axis.n, rows));
  const int64_t outputs = axis.outer * axis.inner;
  Workspace partial(context.pool, chunks == 1 ? 0 : static_cast<std::size_t>(chunks * outputs) * sizeof(double));
  parallel_for(axis.outer * chunks * strips, grain_of(std::min(rows, axis.n) * width), [&](int64_t begin, int64_t end) {
    double acc[strip_columns];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t strip = item % strips, c = item / strips % chunks, o = item / strips / chunks;
      const int64_t first = strip * strip_columns, m = std::min(strip_columns, axis.inner - first);
      const int64_t row = c * rows, count = std::min(rows, axis.n - row);
      std::fill_n(acc, m, kind.start);
      kind.columns(count, m, axis.inner, acc, at(x.data, (o * axis.n + row) * axis.inner + first, x.dtype));
      const int64_t to = o * axis.inner + first;
      if (chunks == 1)
        for (int64_t j = 0; j < m; ++j) store(out, to + j, acc[j]);
      else
        std::copy_n(acc, m, partial.as<double>() + c * outputs + to);
    }
  });
  if (chunks == 1) return;
  parallel_for(outputs, grain_of(chunks), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double total = partial.as<double>()[i];
      for (int64_t c = 1; c < chunks; ++c) total = kind.combine(total, partial.as<double>()[c * outputs + i]);
      store(out, i, total);
    }
  });
}

/// Integers, in whatever order: combine(total, element) over n, from `start`.
template <class Total, class T, class Combine>
void fold(View out, const T* x, const Axis& axis, Total start, const Combine& combine) {
  parallel_for(axis.outer, grain_of(axis.n * axis.inner), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      Total* totals = static_cast<Total*>(out.data) + o * axis.inner;
      const T* from = x + o * axis.n * axis.inner;
      if (axis.inner == 1) {
        *totals = std::accumulate(from, from + axis.n, start, combine);
        continue;
      }
      std::fill_n(totals, axis.inner, start);
      for (int64_t k = 0; k < axis.n; ++k, from += axis.inner)
        for (int64_t i = 0; i < axis.inner; ++i) totals[i] = combine(totals[i], from[i]);
    }
  });
}

template <class T>
void reduce_integers(ReduceOp op, View out, const T* x, const Axis& axis) {
  using Limits = std::numeric_limits<T>;
  switch (op) {
    case ReduceOp::sum:  // without a sign, so that it wraps around
      return fold(out, x, axis, std::uint64_t{0},
                  [](std::uint64_t a, T b) { return a + static_cast<std::uint64_t>(b); });
    case ReduceOp::max:
      return fold(out, x, axis, Limits::min(), [](T a, T b) { return std::max(a, b); });
    case ReduceOp::min:
      return fold(out, x, axis, Limits::max(), [](T a, T b) { return std::min(a, b); });
    case ReduceOp::sum_squares:
      break;
  }
}

template <class T>
void argmax_of(const Axis& axis, int64_t* out, const T* x) {
  parallel_for(axis.outer * axis.inner, grain_of(axis.n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* p = x + i / axis.inner * axis.n * axis.inner + i % axis.inner;
      int64_t best = 0;
      for (int64_t k = 1; k < axis.n; ++k) {
        const T value = p[k * axis.inner], top = p[best * axis.inner];
        if (value > top || (value != value && top == top)) best = k;
      }
      out[i] = best;
    }
  });
}

void argmax_floating(const Context& context, const Axis& axis, int64_t* out, ConstView x) {
  const ReduceTable& table = context.tables.reduce;
  const int t = floating(x.dtype);
  if (axis.inner == 1)
    return parallel_for(axis.outer, grain_of(axis.n), [&](int64_t begin, int64_t end) {
      table.argmax_rows[t](end - begin, axis.n, out + begin, at(x.data, begin * axis.n, x.dtype));
    });
  const int64_t strips = divide_up(axis.inner, strip_columns);
  parallel_for(
      axis.outer * strips, grain_of(axis.n * std::min(axis.inner, strip_columns)), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t o = i / strips, first = i % strips * strip_columns;
          table.argmax_columns[t](axis.n, std::min(strip_columns, axis.inner - first), axis.inner,
                                  out + o * axis.inner + first, at(x.data, o * axis.n * axis.inner + first, x.dtype));
        }
      });
}

/// fn(first row, how many) for rows side by side, or fn(outer, offset, how many columns) for each strip of columns.
template <class RowsFn, class StripFn>
void rows_or_strips(const Axis& axis, const RowsFn& rows, const StripFn& strip) {
  if (axis.inner == 1) {
    parallel_for(axis.outer, grain_of(2 * axis.n), [&](int64_t begin, int64_t end) { rows(begin, end - begin); });
    return;
  }
  const int64_t strips = divide_up(axis.inner, softmax_columns);
  parallel_for(axis.outer * strips, grain_of(2 * axis.n * std::min<int64_t>(axis.inner, softmax_columns)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t first = i % strips * softmax_columns;
                   strip(i / strips, first, std::min<int64_t>(softmax_columns, axis.inner - first));
                 }
               });
}

}  // namespace

void reduce(const Context& context, ReduceOp op, View out, ConstView x) {
  const Axis axis(x.shape);
  if (axis.outer * axis.inner == 0) return;
  if (x.dtype == DType::uint8) return reduce_integers(op, out, static_cast<const std::uint8_t*>(x.data), axis);
  if (x.dtype == DType::int64) return reduce_integers(op, out, static_cast<const int64_t*>(x.data), axis);
  const Kind kind(context.tables.reduce, op, x.dtype);
  if (axis.inner == 1)
    reduce_rows(context, kind, out, x, axis);
  else
    reduce_columns(context, kind, out, x, axis);
}

void binary_sum(const Context& context, BinaryOp op, View out, ConstView a, ConstView b, View ga, const void* g) {
  const BinaryFn fn = context.tables.elementwise.binary[static_cast<int>(op)][floating(a.dtype)];
  const auto sum = context.tables.reduce.sum[floating(a.dtype)];
  const int64_t numel = a.shape.numel(), chunks = std::max<int64_t>(1, divide_up(numel, chunk_elements));
  const BinaryGradFn grad = context.tables.elementwise.binary_grad[static_cast<int>(op)][0][floating(a.dtype)];
  // `g` as often as the loop takes elements at once: where the elements were, which are not needed any more.
  const auto gradient = [&](int64_t begin, int64_t n, void* copies) {
    constexpr int64_t some = 1024;
    context.tables.move.fill[size_index(size_of(a.dtype))](copies, g, std::min(n, some));
    for (int64_t i = begin; i < begin + n; i += some)
      grad(std::min(some, begin + n - i), at(ga.data, i, a.dtype), at(a.data, i, a.dtype), at(b.data, i, a.dtype),
           copies);
  };
  // On the stack, since a thread at work must not throw: 64 KiB, or 128 of float64, which a second-level cache holds.
  auto chunk = [&](int64_t c) {
    alignas(64) std::byte elements[chunk_elements * sizeof(double)];
    const int64_t begin = c * chunk_elements, n = std::min(chunk_elements, numel - begin);
    fn(n, elements, at(a.data, begin, a.dtype), at(b.data, begin, a.dtype));
    const double total = sum(n, elements);
    if (ga.data) gradient(begin, n, elements);
    return total;
  };
  if (chunks == 1) return store(out, 0, chunk(0));
  const Workspace partial(context.pool, static_cast<std::size_t>(chunks) * sizeof(double));
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) partial.as<double>()[i] = chunk(i);
  });
  double total = partial.as<double>()[0];
  for (int64_t c = 1; c < chunks; ++c) total += partial.as<double>()[c];
  store(out, 0, total);
}

void sum_groups(const Context& context, View out, ConstView x) {
  const int64_t a = x.shape[0], groups = x.shape[1], b = x.shape[2];
  const Workspace partial(context.pool, static_cast<std::size_t>(a * groups) * size_of(x.dtype));
  reduce(context, ReduceOp::sum, {partial.as<void>(), {a * groups, 1}, x.dtype}, {x.data, {a * groups, b, 1}, x.dtype});
  reduce(context, ReduceOp::sum, out, {partial.as<void>(), {1, a, groups}, x.dtype});
}

void argmax(const Context& context, View out, ConstView x) {
  const Axis axis(x.shape);
  int64_t* to = static_cast<int64_t*>(out.data);
  if (axis.outer * axis.n * axis.inner == 0) return;
  if (x.dtype == DType::uint8) return argmax_of(axis, to, static_cast<const std::uint8_t*>(x.data));
  if (x.dtype == DType::int64) return argmax_of(axis, to, static_cast<const int64_t*>(x.data));
  if (axis.n <= std::numeric_limits<int>::max()) return argmax_floating(context, axis, to, x);
  if (x.dtype == DType::float32) return argmax_of(axis, to, static_cast<const float*>(x.data));
  argmax_of(axis, to, static_cast<const double*>(x.data));
}

void softmax(const Context& context, SoftmaxKind kind, View out, ConstView x) {
  const Axis axis(x.shape);
  if (x.shape.numel() == 0) return;
  const SoftmaxTable& table = context.tables.softmax;
  const int k = static_cast<int>(kind), t = floating(x.dtype);
  rows_or_strips(
      axis,
      [&](int64_t row, int64_t count) {
        table.rows[k][t](count, axis.n, at(out.data, row * axis.n, out.dtype), at(x.data, row * axis.n, x.dtype));
      },
      [&](int64_t o, int64_t first, int64_t m) {
        const int64_t offset = o * axis.n * axis.inner + first;
        table.columns[k][t](axis.n, m, axis.inner, at(out.data, offset, out.dtype), at(x.data, offset, x.dtype));
      });
}

void softmax_grad(const Context& context, SoftmaxKind kind, View gx, ConstView y, ConstView g) {
  const Axis axis(y.shape);
  if (y.shape.numel() == 0) return;
  const SoftmaxTable& table = context.tables.softmax;
  const int k = static_cast<int>(kind), t = floating(y.dtype);
  rows_or_strips(
      axis,
      [&](int64_t row, int64_t count) {
        const int64_t offset = row * axis.n;
        table.grad_rows[k][t](count, axis.n, at(gx.data, offset, gx.dtype), at(y.data, offset, y.dtype),
                              at(g.data, offset, g.dtype));
      },
      [&](int64_t o, int64_t first, int64_t m) {
        const int64_t offset = o * axis.n * axis.inner + first;
        table.grad_columns[k][t](axis.n, m, axis.inner, at(gx.data, offset, gx.dtype), at(y.data, offset, y.dtype),
                                 at(g.data, offset, g.dtype));
      });
}

void logsumexp(const Context& context, View out, ConstView x) {
  const Axis axis(x.shape);
  if (axis.outer * axis.inner == 0) return;
  const SoftmaxTable& table = context.tables.softmax;
  const int t = floating(x.dtype);
  rows_or_strips(
      axis,
      [&](int64_t row, int64_t count) {
        table.logsumexp_rows[t](count, axis.n, at(out.data, row, out.dtype), at(x.data, row * axis.n, x.dtype));
      },
      [&](int64_t o, int64_t first, int64_t m) {
        table.logsumexp_columns[t](axis.n, m, axis.inner, at(out.data, o * axis.inner + first, out.dtype),
                                   at(x.data, o * axis.n * axis.inner + first, x.dtype));
      });
}

}  // namespace elbo::cpu_kernels
