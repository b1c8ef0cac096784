#include <algorithm>

#include "conv.h"
#include "conv_tile.h"
#include "launch.h"
#include "tensor_cores.h"

/// The weight gradient as a product: gw [c_out, taps] = gy [c_out, places] columns [places, taps], both operands
/// gathered on the way. The sum over places, those of all pictures, is long and the result small: it is cut, and the
/// parts' results are added by a kernel of their own.
namespace elbo::cuda::implicit {
namespace {

using std::int64_t;

using Small = Tile<float, 32, 64, 4, 4, 2, 16>;
using Large = Tile<float, 64, 128, 8, 4, 1, 16>;
using Double = Tile<double, 32, 64, 4, 4, 1, 8>;
using TensorSmall = Tile<float, 32, 64, 4, 4, 1, 16>;  // no slices

template <class T>
struct WeightArgs {
  T* out;  // [parts, m, n]
  const T* gy;
  const T* x;
  const T* relu;  // see conv.h
  T* sums;        // [sum_channels] or null: of the gradient's pictures, of sum_size pixels a channel
  bool sum_of_x;  // not of gy
  int sum_channels, sum_size, images;
  int m, n, k;   // c_out; c_in, kh and kw; places
  int per_part;  // of k: whole panels
  int channels, h, w, out_h, out_w, kh, kw;
  int stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
};

/// What k says: where an output's gradient lies, and where the picture under the kernel begins.
struct Output {
  int64_t gy;  // negative: there is none
  Start x;
};

template <class T>
__device__ inline Output output_at(const WeightArgs<T>& a, int index, int end) {
  if (index >= end) return {-1, {0, no_start}};
  const int points = a.out_h * a.out_w, image = index / points, point = index % points;
  const int line = point / a.out_w * a.stride_h - a.pad_h, column = point % a.out_w * a.stride_w - a.pad_w;
  const int64_t picture = static_cast<int64_t>(image) * a.channels * a.h * a.w;
  return {static_cast<int64_t>(image) * a.m * points + point,
          {picture + line * static_cast<int64_t>(a.w) + column,
           outside_bits(outside(line, a.dilation_h, a.kh, a.h), outside(column, a.dilation_w, a.kw, a.w))}};
}

/// What a column says: how far on its tap is.
template <class T>
__device__ inline Tap tap_at(const WeightArgs<T>& a, int index) {
  if (index >= a.n) return {0, no_tap};
  const int taps = a.kh * a.kw, channel = index / taps, tap = index % taps;
  const int line = tap / a.kw, column = tap % a.kw;
  return {(channel * a.h + line * a.dilation_h) * a.w + column * a.dilation_w, tap_bits(line, column)};
}

/// Which of the operands is the gradient that a ReLU is to be gone through with.
enum class Masked { none, gy, x };

/// What a thread brings from memory for one panel: one step of k, some rows and columns, always the same.
template <class Tile, Masked masked>
struct WeightLoads {
  using T = typename Tile::Value;
  static constexpr int spacing = Tile::threads / Tile::depth, rows = Tile::rows / spacing,
                       columns = Tile::cols / spacing;
  static_assert(Tile::threads % Tile::depth == 0 && Tile::rows % spacing == 0 && Tile::cols % spacing == 0);
  const T *gy, *x;
  int k, first, present, points;  // rows that there are; from one row of gy to the next
  int64_t relu;                   // from an element of the gradient to the ReLU's
  Tap taps[columns];
  T a[rows], b[columns];

  __device__ WeightLoads(const WeightArgs<T>& args, int first_row, int first_col)
      : gy(args.gy),
        x(args.x),
        k(static_cast<int>(threadIdx.x) % Tile::depth),
        first(static_cast<int>(threadIdx.x) / Tile::depth),
        points(args.out_h * args.out_w) {
    relu = masked == Masked::none ? 0 : args.relu - (masked == Masked::gy ? args.gy : args.x);
    gy = address(gy, static_cast<int64_t>(first_row + first) * points);
    present = args.m - first_row - first;
    for (int i = 0; i < columns; ++i) taps[i] = tap_at(args, first_col + first + i * spacing);
  }

  __device__ void load(const Output* outputs) {
    const Output at = outputs[k];
    const T *grad = address(gy, at.gy), *picture = address(x, at.x.offset);
    const int rows_here = at.gy >= 0 ? present : 0;
    for (int i = 0; i < rows; ++i) {
      const bool there = i * spacing < rows_here;
      a[i] = there ? grad[i * spacing * points] : T(0);
      if (masked == Masked::gy && there) a[i] = through_relu(grad[i * spacing * points + relu], a[i]);
    }
    for (int i = 0; i < columns; ++i) {
      const bool there = (at.x.outside & taps[i].bits) == 0;
      b[i] = there ? picture[taps[i].offset] : T(0);
      if (masked == Masked::x && there) b[i] = through_relu(picture[taps[i].offset + relu], b[i]);
    }
  }
  __device__ void store(typename Tile::Panel& panel) const {
    for (int i = 0; i < rows; ++i) panel.a[k][first + i * spacing] = a[i];
    for (int i = 0; i < columns; ++i) panel.b[k][first + i * spacing] = b[i];
  }
};

/// The sum of the gradient's pictures, of one channel, by a block.
template <class Tile, Masked masked>
__device__ inline void sum_channel(const WeightArgs<typename Tile::Value>& args, int channel) {
  using T = typename Tile::Value;
  __shared__ double shared[Tile::threads];
  const T* from = args.sum_of_x ? args.x : args.gy;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t count = static_cast<int64_t>(args.images) * args.sum_size;
  double sum = 0;
  for (int64_t i = thread; i < count; i += Tile::threads) {
    const int64_t image = divide(i, args.sum_size);
    const int64_t at = (image * args.sum_channels + channel) * args.sum_size + (i - image * args.sum_size);
    sum += static_cast<double>(masked == Masked::none ? from[at] : through_relu(args.relu[at], from[at]));
  }
  shared[thread] = sum;
  __syncthreads();
  for (int half = Tile::threads / 2; half > 0; half /= 2) {
    if (thread < half) shared[thread] += shared[thread + half];
    __syncthreads();
  }
  if (thread == 0) args.sums[channel] = static_cast<T>(shared[0]);
}

/// A block computes a tile of part blockIdx.y. Those behind the tiles sum a channel each.
template <class Tile, Masked masked, class Math>
__global__ void __launch_bounds__(Tile::threads) weight_kernel(WeightArgs<typename Tile::Value> args) {
  wait_for_earlier();
  using T = typename Tile::Value;
  __shared__ typename Math::Shared shared;
  __shared__ Output outputs[2][Tile::depth];
  const int row_tiles = (args.m + Tile::rows - 1) / Tile::rows, tile = static_cast<int>(blockIdx.x);
  const int tiles = row_tiles * ((args.n + Tile::cols - 1) / Tile::cols);
  if (tile >= tiles) {
    if (blockIdx.y == 0) sum_channel<Tile, masked>(args, tile - tiles);
    return;
  }
  const int first_row = tile % row_tiles * Tile::rows, first_col = tile / row_tiles * Tile::cols;
  const int part = static_cast<int>(blockIdx.y), begin = part * args.per_part;
  const int end = args.k - begin < args.per_part ? args.k : begin + args.per_part;

  const int thread = static_cast<int>(threadIdx.x), panels = (end - begin + Tile::depth - 1) / Tile::depth;
  auto prepare = [&](int panel) {
    if (thread < Tile::depth) outputs[panel % 2][thread] = output_at(args, begin + panel * Tile::depth + thread, end);
  };
  WeightLoads<Tile, masked> loads(args, first_row, first_col);
  const Place<Tile> at;
  Math math;
  if (panels > 0) {
    prepare(0);
    __syncthreads();
    loads.load(outputs[0]);
    prepare(1);
    loads.store(shared.panels[0]);
    __syncthreads();
  }
  for (int panel = 0; panel < panels; ++panel) {
    const bool more = panel + 1 < panels;
    if (more) loads.load(outputs[(panel + 1) % 2]);
    math.multiply(shared.panels[panel % 2], at);
    if (!more) break;
    prepare(panel + 2);
    loads.store(shared.panels[(panel + 1) % 2]);
    __syncthreads();
  }
  const Sums<Tile>& sums = math.finish(shared, at);
  if (at.slice > 0) return;
  T* out = args.out + static_cast<int64_t>(part) * args.m * args.n;
  for (int r = 0; r < Tile::thread_rows; ++r)
    for (int c = 0; c < Tile::thread_cols; ++c) {
      const int row = first_row + at.row + r, col = first_col + at.col + c;
      if (row < args.m && col < args.n) out[static_cast<int64_t>(row) * args.n + col] = sums[r][c];
    }
}

// ---- the sum of the parts ------------------------------------------------------------------------------------------

constexpr int sum_across = 32, sum_threads = 8;

/// out [count] = the sum of partial [parts, count] over parts: of every eighth part by each of eight threads, then of
/// those in order.
template <class T>
__global__ void sum_parts_kernel(T* out, const T* partial, int64_t count, int parts) {
  wait_for_earlier();
  __shared__ T sums[sum_threads][sum_across];
  const int lane = static_cast<int>(threadIdx.x) % sum_across, group = static_cast<int>(threadIdx.x) / sum_across;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * sum_across + lane;
  T sum = T(0);
  if (i < count)
    for (int part = group; part < parts; part += sum_threads) sum += partial[part * count + i];
  sums[group][lane] = sum;
  __syncthreads();
  if (group > 0 || i >= count) return;
  for (int other = 1; other < sum_threads; ++other) sum += sums[other][lane];
  out[i] = sum;
}

// ---- how the sum is cut: by the shape alone ------------------------------------------------------------------------

constexpr int64_t enough_blocks = 264;  // two for each multiprocessor of an H100
constexpr int64_t least_panels = 4;     // in a part
constexpr int64_t most_parts = 1024;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class Tile>
struct Cut {
  int64_t tiles, per_part, parts;
  Cut(int64_t m, int64_t n, int64_t k) : tiles(divide_up(m, Tile::rows) * divide_up(n, Tile::cols)) {
    const int64_t wanted = std::clamp(divide_up(enough_blocks, tiles), int64_t{1}, most_parts);
    const int64_t panels = divide_up(k, Tile::depth);
    per_part = std::max(divide_up(panels, wanted), least_panels) * Tile::depth;
    parts = std::max(int64_t{1}, divide_up(k, per_part));
  }
};

template <class Tile, class Math = ByThreads<Tile>, class T>
void start(const Context& context, WeightArgs<T> args) {
  const Cut<Tile> cut(args.m, args.n, args.k);
  const int64_t count = static_cast<int64_t>(args.m) * args.n;
  const Workspace partial(context, cut.parts > 1 ? static_cast<std::size_t>(cut.parts * count) * sizeof(T) : 0);
  T* out = args.out;
  if (cut.parts > 1) args.out = partial.as<T>();
  args.per_part = static_cast<int>(cut.per_part);
  void (*kernel)(WeightArgs<T>) = weight_kernel<Tile, Masked::none, Math>;
  if (args.relu) kernel = args.sum_of_x ? weight_kernel<Tile, Masked::x, Math> : weight_kernel<Tile, Masked::gy, Math>;
  const int64_t blocks = cut.tiles + (args.sums ? args.sum_channels : 0);
  launch(context.stream, kernel, dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(cut.parts)), Tile::threads,
         args);
  if (cut.parts > 1)
    launch(context.stream, sum_parts_kernel<T>, blocks_for(count, sum_across), sum_across * sum_threads, out,
           partial.as<T>(), count, cut.parts);
}

/// Whether there are steps enough for the larger tile.
bool is_long(const WeightArgs<float>& args) {
  constexpr int64_t enough = 256;  // of k in a part
  return args.m > Small::rows && Cut<Large>(args.m, args.n, args.k).per_part >= enough;
}

template <class Kind>
void by_tensor_cores(const Context& context, const WeightArgs<float>& args) {
  if (is_long(args)) return start<Large, ByTensorCores<Large, Kind>>(context, args);
  start<TensorSmall, ByTensorCores<TensorSmall, Kind>>(context, args);
}

void weight(const Context& context, const WeightArgs<double>& args, Precision) { start<Double>(context, args); }
void weight(const Context& context, const WeightArgs<float>& args, Precision precision) {
  if (precision == Precision::tf32) return by_tensor_cores<Tf32>(context, args);
  if (precision == Precision::bf16) return by_tensor_cores<Bf16>(context, args);
  if (is_long(args)) return start<Large>(context, args);
  start<Small>(context, args);
}

}  // namespace

bool fits(const Conv2dArgs& a) {
  // Also sums of two such numbers fit an int.
  constexpr int64_t most = 1 << 29;
  auto small = [](std::initializer_list<int64_t> sizes) {
    int64_t product = 1;
    for (int64_t size : sizes) {
      if (size >= most || (size > 0 && product >= most / size)) return false;
      product *= std::max(size, int64_t{1});
    }
    return true;
  };
  return small({a.n, a.h, a.w}) && small({a.n, a.out_h, a.out_w}) && small({a.c_out, a.c_in, a.kh, a.kw}) &&
         small({a.c_in, a.h, a.w}) && small({a.c_out, a.out_h, a.out_w}) && small({a.c_out, a.kh, a.kw}) &&
         small({a.stride_h + a.pad_h + a.h, 2}) && small({a.stride_w + a.pad_w + a.w, 2}) &&
         small({a.kh, a.dilation_h, 2, a.w}) && small({a.kh, a.dilation_h, 2, a.out_w}) &&
         small({a.kw, a.dilation_w, 2}) && std::max(a.kh, a.kw) <= most_kernel;
}

void grad_weight(const Context& context, const Conv2dArgs& a, bool transposed, void* gw, void* sums, const void* gy,
                 const void* x, const void* relu) {
  if (a.c_out * a.c_in * a.kh * a.kw == 0) return;
  for_floating(a.dtype, [&]<class T>(T) {
    WeightArgs<T> args{};
    args.out = static_cast<T*>(gw), args.gy = static_cast<const T*>(gy), args.x = static_cast<const T*>(x);
    args.relu = static_cast<const T*>(relu), args.sums = static_cast<T*>(sums), args.sum_of_x = transposed;
    auto narrow = [](int64_t size) { return static_cast<int>(size); };
    args.m = narrow(a.c_out), args.n = narrow(a.c_in * a.kh * a.kw), args.k = narrow(a.n * a.out_h * a.out_w);
    args.images = narrow(a.n), args.sum_channels = narrow(transposed ? a.c_in : a.c_out);
    args.sum_size = narrow(transposed ? a.h * a.w : a.out_h * a.out_w);
    args.channels = narrow(a.c_in), args.h = narrow(a.h), args.w = narrow(a.w);
    args.out_h = narrow(a.out_h), args.out_w = narrow(a.out_w), args.kh = narrow(a.kh), args.kw = narrow(a.kw);
    args.stride_h = narrow(a.stride_h), args.stride_w = narrow(a.stride_w);
    args.pad_h = narrow(a.pad_h), args.pad_w = narrow(a.pad_w);
    args.dilation_h = narrow(a.dilation_h), args.dilation_w = narrow(a.dilation_w);
    weight(context, args, a.precision);
  });
}

}  // namespace elbo::cuda::implicit
