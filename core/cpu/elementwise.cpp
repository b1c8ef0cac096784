#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "../errors.h"
#include "../index_kernels.h"
#include "../parallel_for.h"
#include "cpu_kernels.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

using index::Broadcast;

/// Elements that are done at once where they cannot be done where they lie; copies of one element are fewer, since all
/// of them are the same.
constexpr int64_t piece = 1024, copies = 256;

/// fn(begin, end, where to write element begin) over all elements of `out`, on several threads. An output that no cache
/// holds is written piece by piece into memory that is in the cache, and from there past it; unless it is an operand
/// too, which is in the cache by then.
template <class Fn>
void write_elements(const Context& context, const View& out, bool in_place, const Fn& fn) {
  const int64_t numel = out.shape.numel(), size = static_cast<int64_t>(size_of(out.dtype));
  const bool streams = numel * size >= stream_bytes && !in_place;
  parallel_for(numel, element_grain, [&](int64_t begin, int64_t end) {
    if (!streams) return fn(begin, end, at(out.data, begin, out.dtype));
    alignas(64) std::byte buffer[piece * 8];
    for (; begin < end; begin += piece) {
      const int64_t last = std::min(begin + piece, end);
      fn(begin, last, static_cast<void*>(buffer));
      context.tables.move.stream(at(out.data, begin, out.dtype), buffer, (last - begin) * size);
    }
    end_stream();
  });
}

/// Operands that broadcast, as pieces of output rows for a loop that wants all operands side by side: where an operand
/// does not lie as the output does, its elements are copied.
template <int count>
class Rows {
 public:
  Rows(const MoveTable& table, const Broadcast<count>& broadcast, const ConstView* in, int64_t numel)
      : table_(table), b_(broadcast), in_(in), inner_(b_.sizes[b_.last()]) {
    for (int i = 0; i < count; ++i) {
      whole_[i] = in[i].shape.numel() == numel;
      same_rows_[i] = std::all_of(b_.steps[i], b_.steps[i] + b_.last(), [](int64_t step) { return step == 0; });
    }
  }

  /// Whole rows, so that several short ones are one piece.
  static constexpr int64_t short_row = copies;

  /// Calls fn(first element of the output, how many, pointers) for pieces that cover rows [begin, end), which are
  /// short.
  template <class Fn>
  void run_short(int64_t begin, int64_t end, const Fn& fn) {
    const int64_t some = piece / inner_;
    bool filled = false;
    for (; begin < end; begin += some) {
      const int64_t rows = std::min(some, end - begin);
      for (int i = 0; i < count; ++i) {
        if (whole_[i])
          pointers_[i] = at(in_[i].data, begin * inner_, in_[i].dtype);
        else if (!same_rows_[i] || !filled)
          pointers_[i] = copy_rows(i, begin, rows);
      }
      filled = true;
      fn(begin * inner_, rows * inner_, pointers_);
    }
  }

  /// The same for elements [begin, end) of rows that are long.
  template <class Fn>
  void run_long(int64_t begin, int64_t end, const Fn& fn) {
    for (int64_t row = begin / inner_, column = begin % inner_; begin < end; ++row, column = 0) {
      const int64_t n = std::min(inner_ - column, end - begin);
      const int64_t longest = place(row, column, n);
      for (int64_t done = 0; done < n; done += longest) {
        const int64_t m = std::min(longest, n - done);
        fn(begin + done, m, pointers_);
        for (int i = 0; i < count; ++i)
          if (b_.steps[i][b_.last()] != 0) pointers_[i] = at(pointers_[i], m, in_[i].dtype);
      }
      begin += n;
    }
  }

 private:
  /// Copies operand i's elements of some rows side by side.
  const void* copy_rows(int i, int64_t row, int64_t rows) {
    const int last = b_.last();
    const DType dtype = in_[i].dtype;
    const auto lines = table_.lines[size_index(size_of(dtype))];
    const int64_t group = last == 0 ? 1 : b_.sizes[last - 1], step = last == 0 ? 0 : b_.steps[i][last - 1];
    for (int64_t done = 0; done < rows;) {  // rows that are one step apart
      const int64_t first = (row + done) % group, some = std::min(group - first, rows - done);
      const int64_t offset = offset_of(i, row + done);
      lines(at(buffers_[i], done * inner_, dtype), inner_, at(in_[i].data, offset, dtype), step, b_.steps[i][last],
            some, inner_);
      done += some;
    }
    return buffers_[i];
  }
  int64_t offset_of(int i, int64_t row) const { return index::box_offset(row, b_.sizes, b_.steps[i], b_.last()); }

  /// Finds the operands of n elements of a row; returns how many can be done at once.
  int64_t place(int64_t row, int64_t column, int64_t n) {
    int64_t longest = n;
    for (int i = 0; i < count; ++i) {
      const bool repeats = b_.steps[i][b_.last()] == 0;
      const std::size_t size = size_of(in_[i].dtype);
      pointers_[i] = at(in_[i].data, offset_of(i, row) + (repeats ? 0 : column), in_[i].dtype);
      if (!repeats) continue;
      table_.fill[size_index(size)](buffers_[i], pointers_[i], std::min(n, copies));
      pointers_[i] = buffers_[i];
      longest = std::min(longest, copies);
    }
    return longest;
  }

  const MoveTable& table_;
  const Broadcast<count>& b_;
  const ConstView* in_;
  int64_t inner_;
  bool whole_[count] = {}, same_rows_[count] = {};
  const void* pointers_[count] = {};
  alignas(64) std::byte buffers_[count][piece * 8];
};

/// fn(n, out, pointers to n elements of each operand) over the whole output, on several threads.
template <int count, class Fn>
void broadcast_loop(const Context& context, View out, const ConstView (&in)[count], const Fn& fn) {
  const int64_t numel = out.shape.numel();
  if (numel == 0) return;
  const bool in_place = std::any_of(in, in + count, [&](const ConstView& x) { return x.data == out.data; });
  if (std::all_of(in, in + count, [&](const ConstView& x) { return x.shape.numel() == numel; }))
    return write_elements(context, out, in_place, [&](int64_t begin, int64_t end, void* to) {
      const void* from[count];
      for (int i = 0; i < count; ++i) from[i] = at(in[i].data, begin, in[i].dtype);
      fn(end - begin, to, static_cast<const void* const*>(from));
    });
  const Broadcast<count> broadcast(out.shape, in);
  const int64_t inner = broadcast.sizes[broadcast.last()];
  const auto write = [&](int64_t first, int64_t n, const void* const* p) { fn(n, at(out.data, first, out.dtype), p); };
  if (inner <= Rows<count>::short_row)
    return parallel_for(numel / inner, grain_of(inner), [&](int64_t begin, int64_t end) {
      Rows<count>(context.tables.move, broadcast, in, numel).run_short(begin, end, write);
    });
  parallel_for(numel, element_grain, [&](int64_t begin, int64_t end) {
    Rows<count>(context.tables.move, broadcast, in, numel).run_long(begin, end, write);
  });
}

}  // namespace

void fill(const Context& context, View out, double value) {
  const auto as = [&]<class T>(T element) {
    parallel_for(out.shape.numel(), 4 * element_grain, [&](int64_t begin, int64_t end) {
      T* to = static_cast<T*>(out.data) + begin;
      if (value == 0 && !std::signbit(value))
        std::memset(to, 0, static_cast<std::size_t>(end - begin) * sizeof(T));
      else
        context.tables.move.fill[size_index(sizeof(T))](to, &element, end - begin);
    });
  };
  switch (out.dtype) {
    case DType::float32:
      return as(static_cast<float>(value));
    case DType::float64:
      return as(value);
    case DType::uint8:
      return as(static_cast<std::uint8_t>(value));
    case DType::int64:
      return as(static_cast<std::int64_t>(value));
  }
}

void unary(const Context& context, UnaryOp op, View out, ConstView x, double p0, double p1) {
  const UnaryFn fn = context.tables.elementwise.unary[static_cast<int>(op)][floating(out.dtype)];
  write_elements(context, out, x.data == out.data, [&](int64_t begin, int64_t end, void* to) {
    fn(end - begin, to, at(x.data, begin, x.dtype), p0, p1);
  });
}

void unary_grad(const Context& context, UnaryOp op, View gx, ConstView x, ConstView y, ConstView g, double p0,
                double p1) {
  const UnaryGradFn fn = context.tables.elementwise.unary_grad[static_cast<int>(op)][floating(gx.dtype)];
  // An operand that is not there is not looked at: any readable memory will do.
  const void *from_x = x ? x.data : g.data, *from_y = y ? y.data : g.data;
  write_elements(context, gx, g.data == gx.data, [&](int64_t begin, int64_t end, void* to) {
    fn(end - begin, to, at(from_x, begin, gx.dtype), at(from_y, begin, gx.dtype), at(g.data, begin, gx.dtype), p0, p1);
  });
}

namespace {

/// The unary op that computes x op c, where there is one with the same bits; of a difference with -c.
std::optional<UnaryOp> with_number(BinaryOp op) {
  if (op == BinaryOp::add || op == BinaryOp::sub) return UnaryOp::add_scalar;
  if (op == BinaryOp::mul) return UnaryOp::mul_scalar;
  if (op == BinaryOp::div) return UnaryOp::div_scalar;
  return std::nullopt;
}

/// Runs `op` where one operand lies as the output does and the other has one number for each of its long rows.
bool binary_with_numbers(const Context& context, BinaryOp op, View out, ConstView a, ConstView b) {
  constexpr int64_t long_row = 64;
  const std::optional<UnaryOp> unary = with_number(op);
  const int64_t numel = out.shape.numel();
  if (!unary || numel == 0 || a.shape.numel() == b.shape.numel() || !is_floating(out.dtype)) return false;
  if (a.shape.numel() < numel && (op == BinaryOp::add || op == BinaryOp::mul)) std::swap(a, b);
  const ConstView in[] = {a, b};
  const Broadcast<2> broadcast(out.shape, in);
  const int last = broadcast.last();
  const int64_t inner = broadcast.sizes[last];
  if (a.shape.numel() != numel || inner < long_row || broadcast.steps[1][last] != 0) return false;
  const UnaryFn fn = context.tables.elementwise.unary[static_cast<int>(*unary)][floating(out.dtype)];
  write_elements(context, out, a.data == out.data, [&](int64_t begin, int64_t end, void* to) {
    while (begin < end) {
      const int64_t row = begin / inner, n = std::min((row + 1) * inner, end) - begin;
      const double number = load(b, index::box_offset(row, broadcast.sizes, broadcast.steps[1], last));
      fn(n, to, at(a.data, begin, a.dtype), op == BinaryOp::sub ? -number : number, 0);
      begin += n, to = at(to, n, out.dtype);
    }
  });
  return true;
}

}  // namespace

void binary(const Context& context, BinaryOp op, View out, ConstView a, ConstView b) {
  const BinaryFn fn = context.tables.elementwise.binary[static_cast<int>(op)][static_cast<int>(out.dtype)];
  const int64_t numel = out.shape.numel();
  // The most frequent of all calls, and the one where what is not arithmetic counts.
  if (numel > 0 && a.shape.numel() == numel && b.shape.numel() == numel)
    return write_elements(context, out, a.data == out.data || b.data == out.data,
                          [&](int64_t begin, int64_t end, void* to) {
                            fn(end - begin, to, at(a.data, begin, a.dtype), at(b.data, begin, b.dtype));
                          });
  if (binary_with_numbers(context, op, out, a, b)) return;
  broadcast_loop(context, out, {a, b}, [fn](int64_t n, void* to, const auto& in) { fn(n, to, in[0], in[1]); });
}

void binary_grad(const Context& context, BinaryOp op, int side, View out, ConstView a, ConstView b, ConstView g) {
  const BinaryGradFn fn = context.tables.elementwise.binary_grad[static_cast<int>(op)][side][floating(out.dtype)];
  broadcast_loop(context, out, {a, b, g},
                 [fn](int64_t n, void* to, const auto& in) { fn(n, to, in[0], in[1], in[2]); });
}

void compare(const Context& context, CompareOp op, View out, ConstView a, ConstView b) {
  const BinaryFn fn = context.tables.elementwise.compare[static_cast<int>(op)][static_cast<int>(a.dtype)];
  broadcast_loop(context, out, {a, b}, [fn](int64_t n, void* to, const auto& in) { fn(n, to, in[0], in[1]); });
}

void where(const Context& context, View out, ConstView condition, ConstView a, ConstView b) {
  const WhereFn fn = context.tables.elementwise.where[static_cast<int>(out.dtype)];
  broadcast_loop(context, out, {condition, a, b},
                 [fn](int64_t n, void* to, const auto& in) { fn(n, to, in[0], in[1], in[2]); });
}

void cast(const Context& context, View out, ConstView x) {
  const CastFn fn = context.tables.elementwise.cast[static_cast<int>(out.dtype)][static_cast<int>(x.dtype)];
  write_elements(context, out, false,
                 [&](int64_t begin, int64_t end, void* to) { fn(end - begin, to, at(x.data, begin, x.dtype)); });
}

namespace {

/// The first element of x outside [least, most], or n.
template <class T>
int64_t first_outside(const T* x, int64_t n, double least, double most) {
  const auto inside = [&](T value) {
    return static_cast<double>(value) >= least && static_cast<double>(value) <= most;
  };
  std::atomic<int64_t> first{n};
  parallel_for(n, 4 * element_grain, [&](int64_t begin, int64_t end) {
    bool all = true;
    for (int64_t i = begin; i < end; ++i) all &= inside(x[i]);
    if (all) return;
    const int64_t found = std::find_if_not(x + begin, x + end, inside) - x;
    for (int64_t before = first; found < before && !first.compare_exchange_weak(before, found);) {
    }
  });
  return first;
}

}  // namespace

void check_range(ConstView x, double least, double most) {
  const auto check = [&]<class T>(T) {
    const T* values = static_cast<const T*>(x.data);
    const int64_t n = x.shape.numel(), first = first_outside(values, n, least, most);
    ELBO_CHECK(first == n, ValueError, "expected numbers in [", least, ", ", most, "], found ", +values[first],
               " at position ", first);
  };
  if (x.dtype == DType::float32) return check(float{});
  if (x.dtype == DType::float64) return check(double{});
  if (x.dtype == DType::uint8) return check(std::uint8_t{});
  check(int64_t{});
}

void accumulate(const Context&, View total, ConstView x) {
  auto* to = static_cast<double*>(total.data);
  parallel_for(total.shape.numel(), element_grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] += load(x, i);
  });
}

}  // namespace elbo::cpu_kernels
