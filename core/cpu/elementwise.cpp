#include <algorithm>
#include <atomic>

#include "../errors.h"
#include "../index_kernels.h"
#include "../parallel_for.h"
#include "cpu_kernels.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

using index::Broadcast;

/// n copies of the element at `from`.
void repeat(void* to, const void* from, int64_t n, std::size_t size) {
  auto as = [&]<class T>(T value) {
    __builtin_memcpy(&value, from, sizeof value);
    std::fill_n(static_cast<T*>(to), n, value);
  };
  if (size == 1) return as(std::uint8_t{});
  if (size == 4) return as(std::uint32_t{});
  as(std::uint64_t{});
}

constexpr int64_t piece = 1024;  // copies of an element that broadcasts along a row

/// The elements of operand rows from some column on, for a loop that wants all operands side by side.
template <int count>
class Rows {
 public:
  Rows(const Broadcast<count>& broadcast, const ConstView* in) : b_(broadcast), in_(in) {}

  /// Calls fn(first element of the output, how many, pointers) for pieces that cover [begin, end).
  template <class Fn>
  void run(int64_t begin, int64_t end, const Fn& fn) {
    const int64_t inner = b_.sizes[b_.last()];
    for (int64_t row = begin / inner, column = begin % inner; begin < end; ++row, column = 0) {
      const int64_t n = std::min(inner - column, end - begin);
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
  /// Finds the operands of n elements of a row; returns how many can be done at once.
  int64_t place(int64_t row, int64_t column, int64_t n) {
    int64_t longest = n;
    for (int i = 0; i < count; ++i) {
      const bool repeats = b_.steps[i][b_.last()] == 0;
      int64_t offset = repeats ? 0 : column, rest = row;
      for (int d = b_.rank - 2; d >= 0; --d) {
        offset += rest % b_.sizes[d] * b_.steps[i][d];
        rest /= b_.sizes[d];
      }
      pointers_[i] = at(in_[i].data, offset, in_[i].dtype);
      if (!repeats) continue;
      repeat(buffers_[i], pointers_[i], std::min(n, piece), size_of(in_[i].dtype));
      pointers_[i] = buffers_[i];
      longest = std::min(longest, piece);
    }
    return longest;
  }

  const Broadcast<count>& b_;
  const ConstView* in_;
  const void* pointers_[count] = {};
  alignas(64) std::byte buffers_[count][piece * 8];
};

/// fn(n, out, pointers to n elements of each operand) over the whole output, on several threads.
template <int count, class Fn>
void broadcast_loop(View out, const ConstView (&in)[count], const Fn& fn) {
  const int64_t numel = out.shape.numel();
  if (numel == 0) return;
  if (std::all_of(in, in + count, [&](const ConstView& x) { return x.shape == out.shape; }))
    return parallel_for(numel, element_grain, [&](int64_t begin, int64_t end) {
      const void* from[count];
      for (int i = 0; i < count; ++i) from[i] = at(in[i].data, begin, in[i].dtype);
      fn(end - begin, at(out.data, begin, out.dtype), static_cast<const void* const*>(from));
    });
  const Broadcast<count> broadcast(out.shape, in);
  parallel_for(numel, element_grain, [&](int64_t begin, int64_t end) {
    Rows<count> rows(broadcast, in);
    rows.run(begin, end,
             [&](int64_t first, int64_t n, const void* const* p) { fn(n, at(out.data, first, out.dtype), p); });
  });
}

}  // namespace

void fill(const Context&, View out, double value) {
  auto as = [&]<class T>(T element) {
    parallel_for(out.shape.numel(), 4 * element_grain, [&](int64_t begin, int64_t end) {
      std::fill(static_cast<T*>(out.data) + begin, static_cast<T*>(out.data) + end, element);
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
  parallel_for(out.shape.numel(), element_grain, [&](int64_t begin, int64_t end) {
    fn(end - begin, at(out.data, begin, out.dtype), at(x.data, begin, x.dtype), p0, p1);
  });
}

void unary_grad(const Context& context, UnaryOp op, View gx, ConstView x, ConstView y, ConstView g, double p0,
                double p1) {
  const UnaryGradFn fn = context.tables.elementwise.unary_grad[static_cast<int>(op)][floating(gx.dtype)];
  // An operand that is not there is not looked at: any readable memory will do.
  const void *from_x = x ? x.data : g.data, *from_y = y ? y.data : g.data;
  parallel_for(gx.shape.numel(), element_grain, [&](int64_t begin, int64_t end) {
    fn(end - begin, at(gx.data, begin, gx.dtype), at(from_x, begin, gx.dtype), at(from_y, begin, gx.dtype),
       at(g.data, begin, gx.dtype), p0, p1);
  });
}

void binary(const Context& context, BinaryOp op, View out, ConstView a, ConstView b) {
  const BinaryFn fn = context.tables.elementwise.binary[static_cast<int>(op)][static_cast<int>(out.dtype)];
  broadcast_loop(out, {a, b}, [fn](int64_t n, void* to, const auto& in) { fn(n, to, in[0], in[1]); });
}

void binary_grad(const Context& context, BinaryOp op, int side, View out, ConstView a, ConstView b, ConstView g) {
  const BinaryGradFn fn = context.tables.elementwise.binary_grad[static_cast<int>(op)][side][floating(out.dtype)];
  broadcast_loop(out, {a, b, g}, [fn](int64_t n, void* to, const auto& in) { fn(n, to, in[0], in[1], in[2]); });
}

void compare(const Context& context, CompareOp op, View out, ConstView a, ConstView b) {
  const BinaryFn fn = context.tables.elementwise.compare[static_cast<int>(op)][static_cast<int>(a.dtype)];
  broadcast_loop(out, {a, b}, [fn](int64_t n, void* to, const auto& in) { fn(n, to, in[0], in[1]); });
}

void where(const Context& context, View out, ConstView condition, ConstView a, ConstView b) {
  const WhereFn fn = context.tables.elementwise.where[static_cast<int>(out.dtype)];
  broadcast_loop(out, {condition, a, b}, [fn](int64_t n, void* to, const auto& in) { fn(n, to, in[0], in[1], in[2]); });
}

void cast(const Context& context, View out, ConstView x) {
  const CastFn fn = context.tables.elementwise.cast[static_cast<int>(out.dtype)][static_cast<int>(x.dtype)];
  parallel_for(out.shape.numel(), element_grain, [&](int64_t begin, int64_t end) {
    fn(end - begin, at(out.data, begin, out.dtype), at(x.data, begin, x.dtype));
  });
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
