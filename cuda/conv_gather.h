#pragma once
#include "conv_tile.h"
#include "tensor_cores.h"

/// out[image, m, place] = bias[m] + the sum over channels and taps of weight[m, channel, tap] source[image, channel,
/// where the tap meets the place]: a convolution, and its data gradient too. The latter is one such product for each
/// pair of remainders of the output's line and column by the stride, since only every stride-th tap meets them.
namespace elbo::cuda::implicit {

/// One dimension of a picture, for one remainder: output lines, the taps that they meet, and where those find the
/// source. Position q of `count` is line first + q step. Tap t of `taps` is the kernel's tap_first + t tap_step. They
/// meet at line from + q from_step + t from_tap of the source, if it has that line.
struct Axis {
  int count, first, step;
  int taps, tap_first, tap_step;
  int from, from_step, from_tap;
};

constexpr int most_axes = 8;
/// All remainders of one dimension, or as many as one launch takes.
struct Axes {
  Axis of[most_axes];
  int count;
};

template <class T>
struct GatherArgs {
  T* out;
  const T* source;
  const T* relu;    ///< of the same shape: what the ReLU gave whose gradient the source is. Or null
  const T* weight;  ///< element (m, channel, tap line, tap column) at the sum of those times the steps below
  const T* bias;    ///< [m] or null
  Activation activation;
  int images, m, channels;
  int source_h, source_w, out_h, out_w;
  int weight_row, weight_channel, kw;  ///< steps from one m, from one channel, from one line of taps to the next
  bool in_order;                       ///< a row's weights lie one after the other, as the sum takes them
  bool whole;  ///< out is aligned for Vec, and no Vec of a row of the product crosses from one picture to another
  Axes lines, columns;
};

/// The sizes of one pair's product.
template <class T>
struct Gather {
  const GatherArgs<T>& args;
  Axis y, x;
  int k, n;

  __device__ Gather(const GatherArgs<T>& args_, int pair)
      : args(args_),
        y(args_.lines.of[pair / args_.columns.count]),
        x(args_.columns.of[pair % args_.columns.count]),
        k(args_.channels * y.taps * x.taps),
        n(args_.images * y.count * x.count) {}

  __device__ Tap tap(int index) const {
    if (index >= k) return {0, no_tap};
    const int taps = y.taps * x.taps, channel = index / taps, tap = index % taps;
    const int line = tap / x.taps, column = tap % x.taps;
    return {(channel * args.source_h + line * y.from_tap) * args.source_w + column * x.from_tap,
            tap_bits(line, column)};
  }
  /// How far from its row's first the weight of step `index` lies.
  __device__ int weight(int index) const {
    const int taps = y.taps * x.taps, channel = index / taps, tap = index % taps;
    return channel * args.weight_channel + (y.tap_first + tap / x.taps * y.tap_step) * args.kw + x.tap_first +
           tap % x.taps * x.tap_step;
  }
  __device__ Start place(int index) const {
    if (index >= n) return {0, no_start};
    const int count = y.count * x.count, image = index / count, place = index % count;
    const int line = y.from + place / x.count * y.from_step, column = x.from + place % x.count * x.from_step;
    const std::int64_t plane = static_cast<std::int64_t>(args.source_h) * args.source_w;
    return {static_cast<std::int64_t>(image) * args.channels * plane + line * static_cast<std::int64_t>(args.source_w) +
                column,
            outside_bits(outside(line, y.from_tap, y.taps, args.source_h),
                         outside(column, x.from_tap, x.taps, args.source_w))};
  }
};

/// Writes this thread's sums.
template <class Tile>
__device__ inline void store(const Gather<typename Tile::Value>& g, const Sums<Tile>& sums, int first_row,
                             int first_col) {
  using T = typename Tile::Value;
  const GatherArgs<T>& args = g.args;
  const std::int64_t plane = static_cast<std::int64_t>(args.out_h) * args.out_w;
  const int count = g.y.count * g.x.count;
  for (int c = 0; c < Tile::thread_cols; c += vec_size<T>) {
    int image = (first_col + c) / count, place = (first_col + c) % count;
    int q_y = place / g.x.count, q_x = place % g.x.count;
    if (args.whole) {  // lines follow each other without a gap
      if (first_col + c >= g.n) return;
      T* to = args.out + static_cast<std::int64_t>(image) * args.m * plane + place;
      for (int r = 0; r < Tile::thread_rows; ++r) {
        const int row = first_row + r;
        if (row >= args.m) break;
        const T bias = args.bias ? args.bias[row] : T(0);
        Vec<T> values;
        for (int i = 0; i < vec_size<T>; ++i) values.values[i] = activated(args.activation, sums[r][c + i] + bias);
        *reinterpret_cast<Vec<T>*>(to + row * plane) = values;
      }
      continue;
    }
    for (int i = 0; i < vec_size<T>; ++i) {
      if (first_col + c + i >= g.n) return;
      const int line = g.y.first + q_y * g.y.step, column = g.x.first + q_x * g.x.step;
      T* to = args.out + static_cast<std::int64_t>(image) * args.m * plane +
              line * static_cast<std::int64_t>(args.out_w) + column;
      for (int r = 0; r < Tile::thread_rows; ++r) {
        const int row = first_row + r;
        if (row < args.m)
          to[row * plane] = activated(args.activation, sums[r][c + i] + (args.bias ? args.bias[row] : T(0)));
      }
      if (++q_x == g.x.count) q_x = 0, ++q_y;
      if (q_y == g.y.count) q_y = 0, ++image;
    }
  }
}

/// What a thread brings from memory for one panel, on its way to shared memory: of the weights some neighbours along k,
/// of the pictures what a warp's steps of k meet at some columns. All that does not change from panel to panel is found
/// once, since else it would cost more than the product itself.
/// `masked`: the source is a ReLU's gradient.
template <class Tile, bool masked>
struct GatherLoads {
  using T = typename Tile::Value;
  static constexpr int width = vec_size<T>, across = Tile::depth / width;  // threads that share a row of weights
  static constexpr int warps = Tile::threads / 32, steps = Tile::depth / warps, columns = Tile::cols / 32;
  static_assert(Tile::rows * across <= Tile::threads && Tile::depth % warps == 0);

  int k, a_k, a_row, b_k, b_col;
  bool has_a, whole;  // this thread brings weights; they are aligned for Vec
  const T* weight;    // its row
  std::int64_t relu;  // from an element of the source to the ReLU's
  const T* source[columns];
  unsigned outside[columns];
  Vec<T> a;
  T b[steps][columns];

  __device__ GatherLoads(const Gather<T>& g, int first_row, int first_col)
      : k(g.k),
        a_k(static_cast<int>(threadIdx.x) % across * width),
        a_row(static_cast<int>(threadIdx.x) / across),
        b_k(static_cast<int>(threadIdx.x) / 32 * steps),
        b_col(static_cast<int>(threadIdx.x) % 32) {
    has_a = a_row < Tile::rows && first_row + a_row < g.args.m;
    whole = g.args.in_order && k % width == 0 && reinterpret_cast<std::uintptr_t>(g.args.weight) % sizeof(Vec<T>) == 0;
    weight = address(g.args.weight, static_cast<std::int64_t>(first_row + a_row) * g.args.weight_row);
    relu = masked ? g.args.relu - g.args.source : 0;
    for (int i = 0; i < columns; ++i) {
      const Start place = g.place(first_col + b_col + 32 * i);
      source[i] = address(g.args.source, place.offset);
      outside[i] = place.outside;
    }
  }

  __device__ void load(int first_k, const Tap* taps, const int* weights) {
    a = {};
    const int from = first_k + a_k;
    if (has_a && whole) {
      if (from < k) a = *reinterpret_cast<const Vec<T>*>(weight + from);
    } else if (has_a) {
      for (int i = 0; i < width; ++i)
        if (from + i < k) a.values[i] = weight[weights[a_k + i]];
    }
    for (int s = 0; s < steps; ++s) {
      const Tap tap = taps[b_k + s];
      for (int i = 0; i < columns; ++i) {
        const bool there = (outside[i] & tap.bits) == 0;
        b[s][i] = there ? source[i][tap.offset] : T(0);
        if (masked && there) b[s][i] = through_relu(source[i][tap.offset + relu], b[s][i]);
      }
    }
  }
  __device__ void store(typename Tile::Panel& panel) const {
    if (a_row < Tile::rows)
      for (int i = 0; i < width; ++i) panel.a[a_k + i][a_row] = a.values[i];
    for (int s = 0; s < steps; ++s)
      for (int i = 0; i < columns; ++i) panel.b[b_k + s][b_col + 32 * i] = b[s][i];
  }
};

/// A block computes a tile of the product of pair blockIdx.z: while it multiplies one panel, the next is on its way.
template <class Tile, bool masked, class Math>
__global__ void __launch_bounds__(Tile::threads) gather_kernel(GatherArgs<typename Tile::Value> args) {
  wait_for_earlier();
  using T = typename Tile::Value;
  __shared__ typename Math::Shared shared;
  __shared__ Tap taps[2][Tile::depth];
  __shared__ int weights[2][Tile::depth];
  const Gather<T> g(args, static_cast<int>(blockIdx.z));
  // Blocks of the same columns are neighbours: they read the same pictures.
  const int row_tiles = (args.m + Tile::rows - 1) / Tile::rows, tile = static_cast<int>(blockIdx.x);
  const int first_row = tile % row_tiles * Tile::rows;
  const std::int64_t first_col = static_cast<std::int64_t>(tile / row_tiles) * Tile::cols;
  if (first_col >= g.n) return;  // this pair has fewer places than others

  const int thread = static_cast<int>(threadIdx.x), panels = (g.k + Tile::depth - 1) / Tile::depth;
  auto prepare = [&](int panel) {
    if (thread >= Tile::depth) return;
    const int k = panel * Tile::depth + thread;
    taps[panel % 2][thread] = g.tap(k);
    weights[panel % 2][thread] = k < g.k ? g.weight(k) : 0;
  };
  GatherLoads<Tile, masked> loads(g, first_row, static_cast<int>(first_col));
  const Place<Tile> at;
  Math math;
  if (panels > 0) {
    prepare(0);
    __syncthreads();
    loads.load(0, taps[0], weights[0]);
    prepare(1);
    loads.store(shared.panels[0]);
    __syncthreads();
  }
  for (int panel = 0; panel < panels; ++panel) {
    const bool more = panel + 1 < panels;
    const int next = (panel + 1) % 2;
    if (more) loads.load((panel + 1) * Tile::depth, taps[next], weights[next]);
    math.multiply(shared.panels[panel % 2], at);
    if (!more) break;
    prepare(panel + 2);
    loads.store(shared.panels[(panel + 1) % 2]);
    __syncthreads();
  }
  const Sums<Tile>& sums = math.finish(shared, at);
  if (at.slice == 0) store<Tile>(g, sums, first_row + at.row, static_cast<int>(first_col) + at.col);
}

}  // namespace elbo::cuda::implicit
