#include <limits>
#include <type_traits>

#include "block_reduce.h"
#include "cuda_kernels.h"

namespace elbo::cuda {
namespace {

using std::int64_t;

/// In float64; of integers to int64, without a sign, so that it wraps around.
template <class T>
struct SumJob {
  using Acc = std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>;
  using Combine = Sum;
  using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  Out* out;
  const T* x;

  struct Line {
    const T* x;
    __device__ Acc operator()(int64_t offset, int64_t) const { return static_cast<Acc>(x[offset]); }
  };
  __device__ Acc start() const { return 0; }
  __device__ Line line(int64_t, int64_t begin) const { return {x + begin}; }
  __device__ void store(int64_t c, int64_t, Acc total) const { out[c] = static_cast<Out>(total); }
};

/// The sum of squares of floating numbers, in float64.
template <class T>
struct SquaresJob {
  using Acc = double;
  using Combine = Sum;
  T* out;
  const T* x;

  struct Line {
    const T* x;
    __device__ double operator()(int64_t offset, int64_t) const {
      const double value = static_cast<double>(x[offset]);
      return value * value;
    }
  };
  __device__ double start() const { return 0; }
  __device__ Line line(int64_t, int64_t begin) const { return {x + begin}; }
  __device__ void store(int64_t c, int64_t, double total) const { out[c] = static_cast<T>(total); }
};

template <int sign, class T>
struct ExtremeJob {
  using Acc = T;
  using Combine = Extreme<sign>;
  T* out;
  const T* x;
  T none;  // changes nothing: an infinity, or the integer at the other end

  struct Line {
    const T* x;
    __device__ T operator()(int64_t offset, int64_t) const { return x[offset]; }
  };
  __device__ T start() const { return none; }
  __device__ Line line(int64_t, int64_t begin) const { return {x + begin}; }
  __device__ void store(int64_t c, int64_t, T total) const { out[c] = total; }
};

/// The sum of a functor's values, each rounded to T as the elementwise op's is.
template <class F, class T>
struct PairSumJob {
  using Acc = double;
  using Combine = Sum;
  T* out;
  const T *a, *b;

  struct Line {
    const T *a, *b;
    __device__ double operator()(int64_t offset, int64_t) const {
      return static_cast<double>(F{}(a[offset], b[offset]));
    }
  };
  __device__ double start() const { return 0; }
  __device__ Line line(int64_t, int64_t begin) const { return {a + begin, b + begin}; }
  __device__ void store(int64_t c, int64_t, double total) const { out[c] = static_cast<T>(total); }
};

/// The same of a loss, and its gradient for a.
template <class F, class T>
struct LossJob {
  using Acc = double;
  using Combine = Sum;
  T* out;
  const T *a, *b;
  T* ga;
  const T* g;

  struct Line {
    const T *a, *b;
    T* ga;
    T g;
    __device__ double operator()(int64_t offset, int64_t) const {
      const T x = a[offset], y = b[offset];
      ga[offset] = F{}.grad_a(x, y, g);
      return static_cast<double>(F{}(x, y));
    }
  };
  __device__ double start() const { return 0; }
  __device__ Line line(int64_t, int64_t begin) const { return {a + begin, b + begin, ga + begin, *g}; }
  __device__ void store(int64_t c, int64_t, double total) const { out[c] = static_cast<T>(total); }
};

/// A value and where it was found; nowhere (-1) at first.
template <class T>
struct Found {
  T value;
  int64_t at;
};
/// The better of two finds: the larger value, NaN being the largest, and of equal ones the first.
struct Better {
  template <class T>
  __device__ static bool larger(T a, T b) {
    return a > b || (a != a && b == b);
  }
  template <class T>
  __device__ Found<T> operator()(Found<T> a, Found<T> b) const {
    if (b.at < 0) return a;
    if (a.at < 0 || larger(b.value, a.value)) return b;
    return b.at < a.at && !larger(a.value, b.value) ? b : a;
  }
};

template <class T>
struct ArgmaxJob {
  using Acc = Found<T>;
  using Combine = Better;
  int64_t* out;
  const T* x;

  struct Line {
    const T* x;
    __device__ Found<T> operator()(int64_t offset, int64_t i) const { return {x[offset], i}; }
  };
  __device__ Found<T> start() const { return {T(0), -1}; }
  __device__ Line line(int64_t, int64_t begin) const { return {x + begin}; }
  __device__ void store(int64_t c, int64_t, Found<T> best) const { out[c] = best.at; }
};

template <class T>
void reduce_of(const Context& context, ReduceOp op, void* out, const T* x, const Lines& lines) {
  using Limits = std::numeric_limits<T>;
  constexpr T least = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  constexpr T most = Limits::has_infinity ? Limits::infinity() : Limits::max();
  switch (op) {
    case ReduceOp::sum:
      return reduce_lines(context, SumJob<T>{static_cast<typename SumJob<T>::Out*>(out), x}, lines);
    case ReduceOp::max:
      return reduce_lines(context, ExtremeJob<1, T>{static_cast<T*>(out), x, least}, lines);
    case ReduceOp::min:
      return reduce_lines(context, ExtremeJob<-1, T>{static_cast<T*>(out), x, most}, lines);
    case ReduceOp::sum_squares:
      if constexpr (std::is_floating_point_v<T>)
        return reduce_lines(context, SquaresJob<T>{static_cast<T*>(out), x}, lines);
      throw Failure(StatusCode::unsupported, "reduce: no squares of integers");
  }
}

template <class T>
void binary_sum_of(const Context& context, BinaryOp op, T* out, const T* a, const T* b, int64_t n) {
  const Lines all{1, 1, n, n, 1, 1};
  switch (op) {
#define ELBO_SUM(name, F, ...) \
  case BinaryOp::name:         \
    return reduce_lines(context, PairSumJob<F<T>, T>{out, a, b}, all);
    ELBO_BINARY_OPS(ELBO_SUM)
    ELBO_LOSS_OPS(ELBO_SUM)
#undef ELBO_SUM
    case BinaryOp::count:
      break;
  }
  throw Failure(StatusCode::unsupported, "binary_sum: no such op");
}

template <class T>
void loss_of(const Context& context, BinaryOp op, T* out, const T* a, const T* b, T* ga, const T* g, int64_t n) {
  const Lines all{1, 1, n, n, 1, 1};
  switch (op) {
#define ELBO_LOSS(name, F, ...) \
  case BinaryOp::name:          \
    return reduce_lines(context, LossJob<F<T>, T>{out, a, b, ga, g}, all);
    ELBO_LOSS_OPS(ELBO_LOSS)
#undef ELBO_LOSS
    default:
      break;
  }
  throw Failure(StatusCode::unsupported, "binary_sum: a gradient of what is no loss");
}

}  // namespace

void reduce(const Context& context, ReduceOp op, View out, ConstView x) {
  for_any(x.dtype, [&](auto type) {
    using T = decltype(type);
    reduce_of(context, op, out.data, static_cast<const T*>(x.data), lines_along(x.shape));
  });
}

void sum_groups(const Context& context, View out, ConstView x) {
  sum_groups(context, x.dtype, out.data, x.data, x.shape[0], x.shape[1], x.shape[2]);
}

void sum_groups(const Context& context, DType dtype, void* out, const void* x, int64_t a, int64_t groups, int64_t b) {
  for_floating(dtype, [&](auto type) {
    using T = decltype(type);
    reduce_lines(context, SumJob<T>{static_cast<T*>(out), static_cast<const T*>(x)}, lines_of_groups(a, groups, b));
  });
}

void binary_sum(const Context& context, BinaryOp op, View out, ConstView a, ConstView b, View ga, const void* g) {
  for_floating(a.dtype, [&](auto type) {
    using T = decltype(type);
    T* to = static_cast<T*>(out.data);
    const T *from_a = static_cast<const T*>(a.data), *from_b = static_cast<const T*>(b.data);
    const int64_t n = a.shape.numel();
    if (ga.data) return loss_of(context, op, to, from_a, from_b, static_cast<T*>(ga.data), static_cast<const T*>(g), n);
    binary_sum_of(context, op, to, from_a, from_b, n);
  });
}

void argmax(const Context& context, View out, ConstView x) {
  if (x.shape.numel() == 0) return;
  for_any(x.dtype, [&](auto type) {
    using T = decltype(type);
    reduce_lines(context, ArgmaxJob<T>{static_cast<int64_t*>(out.data), static_cast<const T*>(x.data)},
                 lines_along(x.shape));
  });
}

}  // namespace elbo::cuda
