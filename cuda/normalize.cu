#include "block_reduce.h"
#include "cuda_kernels.h"

namespace elbo::cuda {
namespace {

using std::int64_t;

/// The mean and variance of each group in one pass: sums of d and d^2, d being the distance from the group's first
/// element. No group is ill-conditioned for that, however far from 0 it lies: the first element is one of n, so its
/// squared distance from the mean is at most n times the variance.
template <class T>
struct MomentsJob {
  using Acc = Pair;
  using Combine = SumPairs;
  T *mean, *var;
  const T* x;
  int64_t count;  ///< in a group

  /// 0 where the first element is infinite or NaN, which then reaches the mean as it is.
  __device__ double shift(int64_t begin) const {
    const double first = count > 0 ? static_cast<double>(x[begin]) : 0.0;
    return first - first == 0.0 ? first : 0.0;
  }
  struct Line {
    const T* x;
    double shift;
    __device__ Pair operator()(int64_t offset, int64_t) const {
      const double d = static_cast<double>(x[offset]) - shift;
      return {d, d * d};
    }
  };
  __device__ Pair start() const { return {0, 0}; }
  __device__ Line line(int64_t, int64_t begin) const { return {x + begin, shift(begin)}; }
  __device__ void store(int64_t c, int64_t begin, Pair sums) const {
    const double n = static_cast<double>(count), d = sums.first / n;
    const double v = sums.second / n - d * d;
    mean[c] = static_cast<T>(shift(begin) + d);
    var[c] = static_cast<T>(v < 0 ? 0.0 : v);
  }
};

/// A row of layer_norm: what its elements are normalised by.
template <class T>
struct LayerRow {
  T mean, inverse;
  __device__ T normal(T x) const { return (x - mean) * inverse; }
};
/// All rows, and the gradient g of their output.
template <class T>
struct LayerRows {
  const T *x, *mean, *var, *g;
  T eps;
  __device__ LayerRow<T> row(int64_t r) const { return {mean[r], T(1) / math::sqrt(var[r] + eps)}; }
};

/// The means of g and of g * xhat in each row, g being the gradient of xhat, the weight's part of it included.
template <class T>
struct LayerMeansJob {
  using Acc = Pair;
  using Combine = SumPairs;
  T *mean_g, *mean_gx;
  LayerRows<T> rows;
  const T* weight;
  int64_t n;

  struct Line {
    const T *x, *g, *weight;
    LayerRow<T> row;
    __device__ Pair operator()(int64_t offset, int64_t j) const {
      const double grad = static_cast<double>(weight ? g[offset] * weight[j] : g[offset]);
      return {grad, grad * static_cast<double>(row.normal(x[offset]))};
    }
  };
  __device__ Pair start() const { return {0, 0}; }
  __device__ Line line(int64_t r, int64_t begin) const { return {rows.x + begin, rows.g + begin, weight, rows.row(r)}; }
  __device__ void store(int64_t r, int64_t, Pair sums) const {
    mean_g[r] = static_cast<T>(sums.first / static_cast<double>(n));
    mean_gx[r] = static_cast<T>(sums.second / static_cast<double>(n));
  }
};

/// The gradients of weight and bias, either of which may be null: sums over the rows.
template <class T>
struct LayerWeightsJob {
  using Acc = Pair;
  using Combine = SumPairs;
  T *gweight, *gbias;
  LayerRows<T> rows;

  struct Line {
    LayerRows<T> rows;
    int64_t begin;
    __device__ Pair operator()(int64_t offset, int64_t r) const {
      const T grad = rows.g[begin + offset];
      return {static_cast<double>(grad * rows.row(r).normal(rows.x[begin + offset])), static_cast<double>(grad)};
    }
  };
  __device__ Pair start() const { return {0, 0}; }
  __device__ Line line(int64_t, int64_t begin) const { return {rows, begin}; }
  __device__ void store(int64_t j, int64_t, Pair sums) const {
    if (gweight) gweight[j] = static_cast<T>(sums.first);
    if (gbias) gbias[j] = static_cast<T>(sums.second);
  }
};

/// The means of g and of g * xhat in each group.
template <class T>
struct GradMeansJob {
  using Acc = Pair;
  using Combine = SumPairs;
  T *mean_g, *mean_gx;
  const T *g, *xhat;
  int64_t count;

  struct Line {
    const T *g, *xhat;
    __device__ Pair operator()(int64_t offset, int64_t) const {
      const double grad = static_cast<double>(g[offset]);
      return {grad, grad * static_cast<double>(xhat[offset])};
    }
  };
  __device__ Pair start() const { return {0, 0}; }
  __device__ Line line(int64_t, int64_t begin) const { return {g + begin, xhat + begin}; }
  __device__ void store(int64_t c, int64_t, Pair sums) const {
    mean_g[c] = static_cast<T>(sums.first / static_cast<double>(count));
    mean_gx[c] = static_cast<T>(sums.second / static_cast<double>(count));
  }
};

/// One group's part of a map over elements: what is the same for all of them is found once by each thread.
template <class T>
struct Normalize {
  T* out;
  const T *x, *mean, *var;
  T eps;

  struct Group {
    T mean, inverse;
  };
  __device__ Group group(int64_t g) const { return {mean[g], T(1) / math::sqrt(var[g] + eps)}; }
  __device__ void element(int64_t e, Group group) const { out[e] = (x[e] - group.mean) * group.inverse; }
};
template <class T>
struct NormalizeGrad {
  T* gx;
  const T *xhat, *var, *g, *mean_g, *mean_gx;
  T eps;

  struct Group {
    T inverse, mean_g, mean_gx;
  };
  __device__ Group group(int64_t i) const { return {T(1) / math::sqrt(var[i] + eps), mean_g[i], mean_gx[i]}; }
  __device__ void element(int64_t e, Group group) const {
    gx[e] = group.inverse * ((g[e] - group.mean_g) - xhat[e] * group.mean_gx);
  }
};

/// The same of layer_norm, whose groups are rows of n elements.
template <class T>
struct LayerNorm {
  T* out;
  LayerRows<T> rows;
  const T *weight, *bias;
  int64_t n;

  struct Group {
    LayerRow<T> row;
    int64_t begin;
  };
  __device__ Group group(int64_t r) const { return {rows.row(r), r * n}; }
  __device__ void element(int64_t e, Group group) const {
    T y = group.row.normal(rows.x[e]);
    if (weight) y = y * weight[e - group.begin];
    out[e] = bias ? y + bias[e - group.begin] : y;
  }
};
template <class T>
struct LayerNormGrad {
  T* gx;
  LayerRows<T> rows;
  const T *weight, *mean_g, *mean_gx;
  int64_t n;

  struct Group {
    LayerRow<T> row;
    T mean_g, mean_gx;
    int64_t begin;
  };
  __device__ Group group(int64_t r) const { return {rows.row(r), mean_g[r], mean_gx[r], r * n}; }
  __device__ void element(int64_t e, Group group) const {
    const T g = weight ? rows.g[e] * weight[e - group.begin] : rows.g[e];
    gx[e] = group.row.inverse * ((g - group.mean_g) - group.row.normal(rows.x[e]) * group.mean_gx);
  }
};

/// Calls map.element for all of [a, plane], plane being groups of b neighbours. A thread keeps its place in the plane
/// and walks along a; `columns` threads lie side by side in the plane.
template <class Map>
__global__ void map_groups_kernel(Map map, int64_t a, int64_t plane, int64_t b, int columns) {
  wait_for_earlier();
  const int t = static_cast<int>(threadIdx.x), rows = static_cast<int>(blockDim.x) / columns;
  const int64_t p = static_cast<int64_t>(blockIdx.x) * columns + t % columns;
  if (p >= plane) return;
  const bool small = plane <= 0xffffffffLL;  // a 32-bit division is much the cheaper
  const int64_t g = small ? static_cast<int64_t>(static_cast<unsigned>(p) / static_cast<unsigned>(b)) : p / b;
  const auto group = map.group(g);
  const int64_t step = static_cast<int64_t>(gridDim.y) * rows;
  for (int64_t i = static_cast<int64_t>(blockIdx.y) * rows + t / columns; i < a; i += step)
    map.element(i * plane + p, group);
}

template <class Map>
void map_groups(const Context& context, const Map& map, int64_t a, int64_t groups, int64_t b) {
  constexpr int most = static_cast<int>(block_threads);
  const int64_t plane = groups * b;
  const int columns = detail::power_of_2(plane, most), rows = detail::power_of_2(a, most / columns);
  const int64_t walks = detail::between(1, detail::divide_up(a, 4 * rows), 65535);
  launch(context.stream, map_groups_kernel<Map>, dim3(blocks_for(plane, columns), static_cast<unsigned>(walks)),
         static_cast<unsigned>(columns * rows), map, a, plane, b, columns);
}

template <class T>
const T* in(ConstView x) {
  return static_cast<const T*>(x.data);
}

}  // namespace

void moments(const Context& context, View mean, View var, ConstView x) {
  for_floating(x.dtype, [&](auto type) {
    using T = decltype(type);
    const MomentsJob<T> job{static_cast<T*>(mean.data), static_cast<T*>(var.data), in<T>(x), x.shape[0] * x.shape[2]};
    reduce_lines(context, job, lines_of_groups(x.shape));
  });
}

void normalize(const Context& context, View out, ConstView x, ConstView mean, ConstView var, double eps) {
  if (x.shape.numel() == 0) return;
  for_floating(x.dtype, [&](auto type) {
    using T = decltype(type);
    map_groups(context, Normalize<T>{static_cast<T*>(out.data), in<T>(x), in<T>(mean), in<T>(var), static_cast<T>(eps)},
               x.shape[0], x.shape[1], x.shape[2]);
  });
}

void normalize_grad(const Context& context, View gx, ConstView xhat, ConstView var, ConstView g, double eps) {
  if (xhat.shape.numel() == 0) return;
  const int64_t groups = xhat.shape[1];
  for_floating(xhat.dtype, [&](auto type) {
    using T = decltype(type);
    const Workspace means(context, 2 * static_cast<std::size_t>(groups) * sizeof(T));
    T *mean_g = means.as<T>(), *mean_gx = mean_g + groups;
    const int64_t count = xhat.shape[0] * xhat.shape[2];
    reduce_lines(context, GradMeansJob<T>{mean_g, mean_gx, in<T>(g), in<T>(xhat), count}, lines_of_groups(xhat.shape));
    map_groups(context,
               NormalizeGrad<T>{static_cast<T*>(gx.data), in<T>(xhat), in<T>(var), in<T>(g), mean_g, mean_gx,
                                static_cast<T>(eps)},
               xhat.shape[0], groups, xhat.shape[2]);
  });
}

namespace {

Lines each_row(int64_t rows, int64_t n) { return {rows, 1, n, n, 1, 1}; }
Lines each_column(int64_t rows, int64_t n) { return {n, n, rows * n, rows, n, 1}; }

}  // namespace

void layer_norm(const Context& context, View out, View mean, View var, const LayerNormArgs& args) {
  const int64_t rows = args.x.shape[0], n = args.x.shape[1];
  if (rows * n == 0) return;
  for_floating(args.x.dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = in<T>(args.x);
    reduce_lines(context, MomentsJob<T>{static_cast<T*>(mean.data), static_cast<T*>(var.data), x, n},
                 each_row(rows, n));
    const LayerRows<T> all{x, in<T>(mean), in<T>(var), nullptr, static_cast<T>(args.eps)};
    map_groups(context, LayerNorm<T>{static_cast<T*>(out.data), all, in<T>(args.weight), in<T>(args.bias), n}, 1, rows,
               n);
  });
}

void layer_norm_grad(const Context& context, View gx, View gweight, View gbias, const LayerNormArgs& args,
                     ConstView mean, ConstView var, ConstView g) {
  const int64_t rows = args.x.shape[0], n = args.x.shape[1];
  for_floating(args.x.dtype, [&](auto type) {
    using T = decltype(type);
    const LayerRows<T> all{in<T>(args.x), in<T>(mean), in<T>(var), in<T>(g), static_cast<T>(args.eps)};
    const T* weight = in<T>(args.weight);
    if (gx.data && rows * n > 0) {
      const Workspace means(context, 2 * static_cast<std::size_t>(rows) * sizeof(T));
      T *mean_g = means.as<T>(), *mean_gx = mean_g + rows;
      reduce_lines(context, LayerMeansJob<T>{mean_g, mean_gx, all, weight, n}, each_row(rows, n));
      map_groups(context, LayerNormGrad<T>{static_cast<T*>(gx.data), all, weight, mean_g, mean_gx, n}, 1, rows, n);
    }
    if (gweight.data || gbias.data)
      reduce_lines(context, LayerWeightsJob<T>{static_cast<T*>(gweight.data), static_cast<T*>(gbias.data), all},
                   each_column(rows, n));
  });
}

}  // namespace elbo::cuda
