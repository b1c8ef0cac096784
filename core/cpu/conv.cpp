#include <algorithm>
#include <atomic>

#include "../parallel_for.h"
#include "conv_plan.h"
#include "cpu_kernels.h"
#include "gemm.h"

/// Convolutions as products, without a matrix of columns: the pictures of a group are laid out [h, w, channels], so
/// that what a tap reads lies side by side, and the tiles of the product gather their rows from there. Scratch memory
/// is a few groups', one for each thread at most.
namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

const ConvTable& conv_table(Isa isa) {
#if defined(ELBO_HAS_VARIANT_V3)
  if (isa == Isa::v3) return elbo_conv_table_v3;
#endif
#if defined(ELBO_HAS_VARIANT_V4)
  if (isa == Isa::v4) return elbo_conv_table_v4;
#endif
  static_cast<void>(isa);
  return elbo_conv_table_baseline;
}
template <class T>
const ConvKernels<T>& kernels_of(const Context& context) {
  if constexpr (sizeof(T) == sizeof(float))
    return conv_table(context.isa).f32;
  else
    return conv_table(context.isa).f64;
}

constexpr int64_t enough_work = 1 << 16;  // multiply-adds
constexpr int64_t enough_points = 256;    // of a group of pictures, for its tiles to be full
constexpr int64_t most_sums = 1 << 20;    // elements of the chunks' sums of a gradient

int64_t round_up(int64_t n, int64_t unit) { return divide_up(n, unit) * unit; }

/// Pictures at once, of `points` places each, where `least` groups are wanted. It depends on the shape alone.
int64_t group_of(int64_t n, int64_t points, int64_t least) {
  return std::clamp<int64_t>(enough_points / std::max<int64_t>(1, points), 1, std::max<int64_t>(1, n / least));
}

/// fn(item, scratch) for all items, `elements` of scratch memory each. Where there are items enough, each runs on a
/// thread of its own; otherwise one after the other, each on all threads. No bit depends on which. The first `zeros`
/// elements are zeros at first; what is written there stays for the next item.
template <class T, class Fn>
void for_items(Pool& pool, int64_t items, int64_t elements, int64_t zeros, const Fn& fn) {
  const int64_t blocks = items >= num_threads() ? num_threads() : 1, size = round_up(elements, 64);
  const Workspace memory(pool, static_cast<std::size_t>(blocks * size) * sizeof(T));
  if (blocks == 1) {
    std::fill_n(memory.as<T>(), zeros, T(0));
    for (int64_t item = 0; item < items; ++item) fn(item, memory.as<T>());
    return;
  }
  std::atomic<int64_t> next{0};
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::fill_n(memory.as<T>() + i * size, zeros, T(0));
      for (int64_t item = next++; item < items; item = next++) fn(item, memory.as<T>() + i * size);
    }
  });
}

/// to [count, h, w, channels] = from [count, channels, h, w].
template <class T>
void channels_last(const ConvKernels<T>& kernels, T* to, const T* from, int64_t count, int64_t channels, int64_t h,
                   int64_t w) {
  parallel_for(count * h, grain_of(w * channels), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const int64_t picture = i / h, line = i % h, lines = std::min(end - i, h - line);
      kernels.transpose(to + i * w * channels, channels, from + picture * channels * h * w + line * w, h * w, channels,
                        lines * w, nullptr);
      i += lines;
    }
  });
}

/// to [count, channels, h, w] = from [count, h, w, ld], its first channels, + bias unless it is null.
template <class T>
void channels_first(const ConvKernels<T>& kernels, T* to, const T* from, int64_t ld, int64_t count, int64_t channels,
                    int64_t h, int64_t w, const T* bias) {
  parallel_for(count * h, grain_of(w * channels), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const int64_t picture = i / h, line = i % h, lines = std::min(end - i, h - line);
      kernels.transpose(to + picture * channels * h * w + line * w, h * w, from + i * w * ld, ld, lines * w, channels,
                        bias);
      i += lines;
    }
  });
}

/// The activation, in place, of planes [planes, size] of the result that have just been written.
template <class T>
void activate(const Context& context, const Conv2dArgs& a, T* out, int64_t planes, int64_t size) {
  if (a.activation == Activation::none) return;
  const GemmTable& table = gemm_table(context.isa);
  parallel_for(planes, grain_of(size), [&](int64_t begin, int64_t end) {
    const int64_t rows = end - begin;
    if constexpr (sizeof(T) == sizeof(float))
      table.finish_f32(out + begin * size, size, rows, size, nullptr, static_cast<int>(a.activation));
    else
      table.finish_f64(out + begin * size, size, rows, size, nullptr, static_cast<int>(a.activation));
  });
}

/// A kernel as large as its picture, which has one place: plain products.
bool is_product(const Conv2dArgs& a) {
  return a.out_h == 1 && a.out_w == 1 && a.kh == a.h && a.kw == a.w && a.pad_h == 0 && a.pad_w == 0 &&
         (a.kh == 1 || a.dilation_h == 1) && (a.kw == 1 || a.dilation_w == 1);
}
MatmulArgs product(const Conv2dArgs& a, int64_t m, int64_t n, int64_t k) {
  MatmulArgs args{};
  args.dtype = a.dtype;
  args.m = m, args.n = n, args.k = k, args.batch = 1;
  return args;
}

// ---- the convolution and its data gradient -------------------------------------------------------------------------

/// Which way a convolution goes: from x to y, or from gy to gx.
enum class Way { forward, gradient };

/// What goes into a convolution and what comes out, and the steps of the weights [c_out, c_in, kh, kw] along both.
struct Ends {
  int64_t channels, from_h, from_w, columns, to_h, to_w;
  int64_t channel_step, column_step;

  Ends(const Conv2dArgs& a, Way way) {
    const int64_t taps = a.kh * a.kw;
    channels = a.c_in, from_h = a.h, from_w = a.w, channel_step = taps;
    columns = a.c_out, to_h = a.out_h, to_w = a.out_w, column_step = a.c_in * taps;
    if (way == Way::forward) return;
    std::swap(channels, columns), std::swap(channel_step, column_step);
    std::swap(from_h, to_h), std::swap(from_w, to_w);
  }
};

/// Whether an operand of so many channels stays in planes: with fewer than this a tap's run of channels is too short.
bool in_planes(int64_t channels) { return channels < 4; }

/// Panels of the weights, one for tile_cols columns each: the row of a tap and a channel is tap tap_step + channel
/// channel_step.
template <class T>
void pack_weights(const ConvKernels<T>& kernels, const Ends& ends, const ConvPlan::Sizes& s, int64_t taps,
                  int64_t depth, T* to, const T* weight) {
  const int64_t width = kernels.tile_cols, channels = ends.channels;
  parallel_for(divide_up(ends.columns, width) * channels, grain_of(taps * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t col = i / channels * width, channel = i % channels, cols = std::min(width, ends.columns - col);
      T* panel = to + col * depth + channel * s.channel_step * width;
      if (cols < width)
        for (int64_t tap = 0; tap < taps; ++tap) std::fill_n(panel + tap * s.tap_step * width, width, T(0));
      kernels.transpose(panel, s.tap_step * width, weight + col * ends.column_step + channel * ends.channel_step,
                        ends.column_step, cols, taps, nullptr);
    }
  });
}

template <class T>
void convolve_to_many(const Context& context, const Conv2dArgs& a, Way way, T* out, const T* in, const T* weight,
                      const T* bias) {
  const ConvKernels<T>& kernels = kernels_of<T>(context);
  const Ends ends(a, way);
  const int64_t width = kernels.tile_cols, panels = divide_up(ends.columns, width), columns = panels * width;
  const int64_t group = group_of(a.n, a.out_h * a.out_w, 8);
  const int64_t taps = a.kh * a.kw, from = ends.from_h * ends.from_w, to = ends.to_h * ends.to_w;
  const bool planes = in_planes(ends.channels);
  // Where the channels are a power of two, all taps' weights would compete for the same places in the cache.
  const int64_t pitch = ends.channels % 16 == 0 ? ends.channels + 1 : ends.channels, depth = taps * pitch;
  const ConvPlan::Sizes sizes{.group = group,
                              .channels = ends.channels,
                              .from_h = ends.from_h,
                              .from_w = ends.from_w,
                              .columns = columns,
                              .to_h = ends.to_h,
                              .to_w = ends.to_w,
                              .tile_cols = width,
                              .kw = a.kw,
                              .planes = planes,
                              .tap_step = planes ? 1 : pitch,
                              .channel_step = planes ? taps : 1};
  const auto axis = way == Way::forward ? ConvAxis::forward : ConvAxis::gradient;
  const ConvPlan plan(sizes, axis(a.h, a.out_h, a.kh, a.stride_h, a.pad_h, a.dilation_h),
                      axis(a.w, a.out_w, a.kw, a.stride_w, a.pad_w, a.dilation_w));
  const Workspace packed(context.pool, static_cast<std::size_t>(depth * columns) * sizeof(T));
  pack_weights(kernels, ends, sizes, taps, depth, packed.as<T>(), weight);
  const bool as_it_is = planes || from == 1;
  const int64_t operand = as_it_is ? 0 : round_up(group * from * ends.channels, 16);
  const int64_t units = static_cast<int64_t>(plan.units.size());
  const int64_t work = group * a.out_h * a.out_w * depth * width / std::max<int64_t>(1, units);
  const int64_t grain = divide_up(enough_work, std::max<int64_t>(1, work));
  for_items<T>(context.pool, divide_up(a.n, group), operand + group * to * columns, 0, [&](int64_t item, T* memory) {
    const int64_t first = item * group, count = std::min(group, a.n - first);
    const T* pictures = in + first * from * ends.channels;
    T* result = memory + operand;
    if (!as_it_is)
      channels_last(kernels, memory, std::exchange(pictures, memory), count, ends.channels, ends.from_h, ends.from_w);
    parallel_for(panels * units, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const ConvPlan::Unit& unit = plan.units[static_cast<std::size_t>(i % units)];
        const ConvPlan::Class& c = plan.classes[static_cast<std::size_t>(unit.of_class)];
        const int64_t col = i / units * width, rows = std::min(unit.end, count * c.rows_of_picture) - unit.begin;
        for (int64_t b = c.block; rows > 0 && b < c.end_block; ++b) {
          const auto& [run, run_end] = plan.blocks[static_cast<std::size_t>(b)];
          kernels.multiply(plan.rows.data() + c.row + unit.begin, rows, plan.runs.data() + run, run_end - run, pictures,
                           1, packed.as<T>() + col * depth, width, result + col, std::min(width, ends.columns - col),
                           b > c.block);
        }
      }
    });
    T* written = out + first * to * ends.columns;
    channels_first(kernels, written, result, columns, count, ends.columns, ends.to_h, ends.to_w, bias);
    activate(context, a, written, count * ends.columns, to);
  });
}

// ---- results of few channels ---------------------------------------------------------------------------------------

/// The operand of a few pictures, [channel, picture, h, w] with zeros around each, and the results [phase, column,
/// picture, h, w], of which what lies beyond a phase's pixels is of no use.
struct FewPlan {
  ConvPhases down, across;
  int64_t group, picture, channel_step, result_step, before;
  std::vector<ConvRow> rows;
  std::vector<std::vector<ConvRun>> runs;  // of each phase, and of those of a line one after the other

  FewPlan(const Conv2dArgs& a, Way way, const Ends& ends, int64_t tile) : group(group_of(a.n, a.out_h * a.out_w, 8)) {
    const auto phases = way == Way::forward ? ConvPhases::forward : ConvPhases::gradient;
    down = phases(a.h, a.out_h, a.kh, a.stride_h, a.pad_h, a.dilation_h);
    across = phases(a.w, a.out_w, a.kw, a.stride_w, a.pad_w, a.dilation_w);
    picture = down.size * across.size;
    // An odd number of the cache's lines: else the channels of a pixel would compete for the same places.
    channel_step = (divide_up(group * picture, 16) | 1) * 16;
    const ConvPhases::Phase &y = down.phases.front(), &x = across.phases.front();  // the largest
    result_step = round_up((group - 1) * picture + (y.size - 1) * across.size + x.size, tile);
    before = down.before * across.size + across.before;
    for (int64_t c = 0; c < ends.columns; ++c) rows.push_back({c * ends.column_step, c * result_step});
    for (const ConvPhases::Phase& lines : down.phases)
      for (const ConvPhases::Phase& places : across.phases) {
        runs.emplace_back();
        for (const auto& [i, line] : lines.taps)
          for (const auto& [j, place] : places.taps)
            runs.back().push_back({i * a.kw + j, before + line * across.size + place, ends.channels});
      }
  }
  int64_t operand(const Ends& ends) const { return round_up((ends.channels + 1) * channel_step + result_step, 16); }
};

/// Whether the results have few channels, and their zeros are not most of the work.
bool has_few_channels(const Conv2dArgs& a, Way way) {
  const bool forward = way == Way::forward;
  if ((forward ? a.c_out : a.c_in) > 3 || (forward && (a.stride_h != 1 || a.stride_w != 1))) return false;
  const FewPlan plan(a, way, Ends(a, way), 1);
  return plan.picture <= 3 * (forward ? a.h * a.w : a.out_h * a.out_w);
}

/// line[first + i step] = from[i] + plus. Step 2 has a loop of its own, for two phases, which compilers vectorise.
template <class T>
void join_phases(T* __restrict line, int64_t size, const ConvPhases& across, const T* __restrict from, int64_t next,
                 T plus) {
  if (across.step == 2 && size > 1) {
    const T* second = from + next;
    for (int64_t i = 0; i < size / 2; ++i) line[2 * i] = from[i] + plus, line[2 * i + 1] = second[i] + plus;
    if (size % 2 != 0) line[size - 1] = from[size / 2] + plus;
    return;
  }
  for (const ConvPhases::Phase& phase : across.phases) {
    for (int64_t i = 0; i < phase.size; ++i) line[phase.first + i * across.step] = from[i] + plus;
    from += next;
  }
}

template <class T>
void convolve_to_few(const Context& context, const Conv2dArgs& a, Way way, T* out, const T* in, const T* weight,
                     const T* bias) {
  const ConvKernels<T>& kernels = kernels_of<T>(context);
  const Ends ends(a, way);
  const int64_t tile = kernels.few_cols[ends.columns - 1];
  const FewPlan plan(a, way, ends, tile);
  const int64_t operand = plan.operand(ends), phases = static_cast<int64_t>(plan.runs.size());
  const int64_t of_phase = ends.columns * plan.result_step, tiles = plan.result_step / tile;
  const int64_t work = tile * ends.columns * ends.channels * a.kh * a.kw / phases;
  const int64_t grain = divide_up(enough_work, std::max<int64_t>(1, work));
  for_items<T>(
      context.pool, divide_up(a.n, plan.group), operand + phases * of_phase, operand, [&](int64_t item, T* memory) {
        const int64_t first = item * plan.group, count = std::min(plan.group, a.n - first);
        const T* pictures = in + first * ends.channels * ends.from_h * ends.from_w;
        T* results = memory + operand;
        parallel_for(count * ends.channels, grain_of(ends.from_h * ends.from_w), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            T* to = memory + i % ends.channels * plan.channel_step + i / ends.channels * plan.picture + plan.before;
            for (int64_t y = 0; y < ends.from_h; ++y)
              std::copy_n(pictures + (i * ends.from_h + y) * ends.from_w, ends.from_w, to + y * plan.across.size);
          }
        });
        parallel_for(phases * tiles, grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const std::vector<ConvRun>& runs = plan.runs[static_cast<std::size_t>(i / tiles)];
            const int64_t at = i % tiles * tile;
            kernels.multiply_few(plan.rows.data(), ends.columns, runs.data(), static_cast<int64_t>(runs.size()), weight,
                                 ends.channel_step, memory + at, plan.channel_step,
                                 results + i / tiles * of_phase + at);
          }
        });
        parallel_for(count * ends.columns * ends.to_h, grain_of(ends.to_w), [&](int64_t begin, int64_t end) {
          const auto across = static_cast<int64_t>(plan.across.phases.size());
          for (int64_t i = begin; i < end; ++i) {
            const int64_t y = i % ends.to_h, column = i / ends.to_h % ends.columns,
                          picture = i / ends.to_h / ends.columns;
            const T* from = results + y % plan.down.step * across * of_phase + column * plan.result_step +
                            picture * plan.picture + y / plan.down.step * plan.across.size;
            join_phases(out + first * ends.columns * ends.to_h * ends.to_w + i * ends.to_w, ends.to_w, plan.across,
                        from, of_phase, bias ? bias[column] : T(0));
          }
        });
        const int64_t plane = ends.to_h * ends.to_w;
        activate(context, a, out + first * ends.columns * plane, count * ends.columns, plane);
      });
}

template <class T>
void convolve(const Context& context, const Conv2dArgs& a, Way way, T* out, const T* in, const T* weight,
              const T* bias) {
  const Ends ends(a, way);
  if (ends.channels * ends.from_h * ends.from_w == 0) {  // nothing to sum, and no memory to point into
    const int64_t plane = ends.to_h * ends.to_w;
    for (int64_t i = 0; i < a.n * ends.columns; ++i)
      std::fill_n(out + i * plane, plane, bias ? bias[i % ends.columns] : T(0));
    return activate(context, a, out, a.n * ends.columns, plane);
  }
  (has_few_channels(a, way) ? convolve_to_few<T> : convolve_to_many<T>)(context, a, way, out, in, weight, bias);
}

template <class T>
void forward(const Context& context, const Conv2dArgs& a, T* y, const T* x, const T* weight, const T* bias) {
  if (!is_product(a)) return convolve(context, a, Way::forward, y, x, weight, bias);
  MatmulArgs args = product(a, a.n, a.c_out, a.c_in * a.kh * a.kw);
  args.a = x, args.b = weight, args.out = y, args.bias = bias;
  args.transpose_b = true;
  args.activation = a.activation;
  gemm(args, context.pool, context.isa);
}

template <class T>
void grad_data(const Context& context, const Conv2dArgs& a, T* gx, const T* gy, const T* weight, const T* bias) {
  if (!is_product(a)) return convolve(context, a, Way::gradient, gx, gy, weight, bias);
  const int64_t plane = a.h * a.w;
  MatmulArgs args = product(a, a.n, a.c_in * plane, a.c_out);
  args.a = gy, args.b = weight, args.out = gx;
  gemm(args, context.pool, context.isa);
  if (bias)
    parallel_for(a.n * a.c_in, grain_of(plane), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t j = i * plane; j < (i + 1) * plane; ++j) gx[j] += bias[i % a.c_in];
    });
  activate(context, a, gx, a.n * a.c_in, plane);
}

// ---- the gradient of the weights -----------------------------------------------------------------------------------

/// Rows of the gradient [kh kw c_in, c_out] that are summed over the same places, and the runs of that sum, cut into
/// blocks: run[b] to run[b + 1] is one.
struct WeightRows {
  int64_t row, count;
  std::vector<int64_t> run;
};

/// The products of the gradient: rows are weights, the sum goes over the pictures of a group line by line. With few
/// channels the pictures stay in planes and are padded, so that all taps are rows of one table and meet the same
/// places. Otherwise, and where padding would be most of the work, each tap has its own runs, over what it meets.
struct WeightPlan {
  int64_t channels, columns, group, h, w;  // h and w with the padding
  bool padded;
  int64_t chunks = 16, blocks = 1;
  std::vector<ConvRow> rows;
  std::vector<ConvRun> runs;
  std::vector<WeightRows> parts;

  WeightPlan(const Conv2dArgs& a, int64_t columns_, int64_t tile_cols)
      : channels(a.c_in),
        columns(columns_),
        padded(in_planes(a.c_in) && (a.h + 2 * a.pad_h) * (a.w + 2 * a.pad_w) <= 3 * a.h * a.w) {
    h = a.h + (padded ? 2 * a.pad_h : 0), w = a.w + (padded ? 2 * a.pad_w : 0);
    while (chunks > 1 && chunks * a.kh * a.kw * channels * columns > most_sums) chunks /= 2;
    group = group_of(a.n, a.out_h * a.out_w, chunks);
    if (group == 1) blocks = std::max<int64_t>(1, a.out_h * a.out_w / enough_points);
    for (int64_t i = 0; i < a.kh; ++i)
      for (int64_t j = 0; j < a.kw; ++j) {
        const int64_t tap = i * a.kw + j, y = i * a.dilation_h - (padded ? 0 : a.pad_h);
        const int64_t x = j * a.dilation_w - (padded ? 0 : a.pad_w);
        for (int64_t c = 0; c < channels; ++c)
          rows.push_back({padded ? (c * group * h + y) * w + x : c, (tap * channels + c) * columns});
        if (!padded) add(a, tap * channels, channels, y, x, tile_cols);
      }
    if (padded) add(a, 0, a.kh * a.kw * channels, 0, 0, tile_cols);
  }

 private:
  /// A part whose first weight meets pixel (y, x) at the first place of the result.
  void add(const Conv2dArgs& a, int64_t row, int64_t count, int64_t y, int64_t x, int64_t tile_cols) {
    const auto before = [](int64_t size, int64_t stride) { return size <= 0 ? 0 : divide_up(size, stride); };
    const int64_t top = before(-y, a.stride_h), left = before(-x, a.stride_w);
    const int64_t bottom = padded ? a.out_h : std::min(a.out_h, before(a.h - y, a.stride_h));
    const int64_t right = padded ? a.out_w : std::min(a.out_w, before(a.w - x, a.stride_w));
    WeightRows part{row, count, {}};
    for (int64_t b = 0; b < blocks; ++b) {
      part.run.push_back(static_cast<int64_t>(runs.size()));
      const int64_t begin = std::max(top, a.out_h * b / blocks), end = std::min(bottom, a.out_h * (b + 1) / blocks);
      for (int64_t picture = 0; picture < group && left < right; ++picture)
        for (int64_t line = begin; line < end; ++line)
          runs.push_back({((picture * h + line * a.stride_h + y) * w + left * a.stride_w + x) * (padded ? 1 : channels),
                          ((picture * a.out_h + line) * a.out_w + left) * tile_cols, right - left});
    }
    part.run.push_back(static_cast<int64_t>(runs.size()));
    parts.push_back(part);
  }
};

/// The runs of `count` pictures of a group come first.
int64_t runs_of(const WeightPlan& plan, const WeightRows& part, int64_t block, int64_t count) {
  const auto b = static_cast<std::size_t>(block);
  return (part.run[b + 1] - part.run[b]) / plan.group * count;
}

/// to [c_in, group, h + 2 pad_h, w + 2 pad_w] = x, `count` pictures, between the zeros that are there.
template <class T>
void padded_planes(const Conv2dArgs& a, const WeightPlan& plan, T* to, const T* x, int64_t count) {
  for (int64_t picture = 0; picture < count; ++picture)
    for (int64_t c = 0; c < a.c_in; ++c)
      for (int64_t i = 0; i < a.h; ++i, x += a.w)
        std::copy_n(x, a.w, to + ((c * plan.group + picture) * plan.h + i + a.pad_h) * plan.w + a.pad_w);
}

/// gw [c_out, c_in, kh, kw] = the chunks' sums [kh kw, c_in, columns], in order.
template <class T>
void add_chunks(const ConvKernels<T>& kernels, const Conv2dArgs& a, T* gw, T* sums, int64_t chunks, int64_t columns) {
  const int64_t taps = a.kh * a.kw, size = taps * a.c_in * columns;
  parallel_for(size, grain_of(chunks), [&](int64_t begin, int64_t end) {
    for (int64_t c = 1; c < chunks; ++c)
      for (int64_t j = begin; j < end; ++j) sums[j] += sums[c * size + j];
  });
  const int64_t width = kernels.tile_cols;
  parallel_for(columns / width * a.c_in, grain_of(taps * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t col = i / a.c_in * width, c = i % a.c_in;
      kernels.transpose(gw + (col * a.c_in + c) * taps, a.c_in * taps, sums + c * columns + col, a.c_in * columns, taps,
                        std::min(width, a.c_out - col), nullptr);
    }
  });
}

/// The sum over pictures: in chunks whose number depends on the shape alone, each group by group, and then the chunks
/// in order.
template <class T>
void sum_over_pictures(const Context& context, const Conv2dArgs& a, T* gw, const T* gy, const T* x) {
  const ConvKernels<T>& kernels = kernels_of<T>(context);
  const int64_t width = kernels.tile_cols, panels = divide_up(a.c_out, width), columns = panels * width;
  const int64_t points = a.out_h * a.out_w;
  const WeightPlan plan(a, columns, width);
  const int64_t groups = divide_up(a.n, plan.group), chunks = std::min(groups, plan.chunks);
  const bool as_it_is = !plan.padded && a.h * a.w == 1;
  const int64_t pictures = as_it_is ? 0 : round_up(plan.group * plan.h * plan.w * a.c_in, 16);
  const int64_t panel = plan.group * points * width, weights = a.kh * a.kw * a.c_in * columns;
  const Workspace sums(context.pool, static_cast<std::size_t>(chunks * weights) * sizeof(T));
  const int64_t parts = static_cast<int64_t>(plan.parts.size());
  for_items<T>(
      context.pool, chunks, pictures + panels * panel, pictures + panels * panel, [&](int64_t chunk, T* memory) {
        T *gradients = memory + pictures, *sum = sums.as<T>() + chunk * weights;
        const int64_t begin = groups * chunk / chunks, end = groups * (chunk + 1) / chunks;
        for (int64_t item = begin; item < end; ++item) {
          const int64_t first = item * plan.group, count = std::min(plan.group, a.n - first);
          const T* from = x + first * a.c_in * a.h * a.w;
          if (plan.padded)
            padded_planes(a, plan, memory, std::exchange(from, memory), count);
          else if (!as_it_is)
            channels_last(kernels, memory, std::exchange(from, memory), count, a.c_in, a.h, a.w);
          parallel_for(count * panels, grain_of(points * width), [&](int64_t i, int64_t i_end) {
            for (; i < i_end; ++i) {
              const int64_t picture = i / panels, col = i % panels * width;
              kernels.transpose(gradients + i % panels * panel + picture * points * width, width,
                                gy + ((first + picture) * a.c_out + col) * points, points,
                                std::min(width, a.c_out - col), points, nullptr);
            }
          });
          for (int64_t block = 0; block < plan.blocks; ++block)
            parallel_for(panels * parts, 1, [&](int64_t i, int64_t i_end) {
              for (; i < i_end; ++i) {
                const WeightRows& part = plan.parts[static_cast<std::size_t>(i % parts)];
                const int64_t of_panel = i / parts;
                kernels.multiply(
                    plan.rows.data() + part.row, part.count,
                    plan.runs.data() + part.run[static_cast<std::size_t>(block)], runs_of(plan, part, block, count),
                    from, plan.padded ? a.stride_w : a.stride_w * a.c_in, gradients + of_panel * panel, width,
                    sum + of_panel * width, std::min(width, a.c_out - of_panel * width), item > begin || block > 0);
              }
            });
        }
      });
  add_chunks(kernels, a, gw, sums.as<T>(), chunks, columns);
}

template <class T>
void grad_weight(const Context& context, const Conv2dArgs& a, T* gw, const T* gy, const T* x) {
  if (a.n == 0 || a.out_h * a.out_w == 0 || a.h * a.w == 0) {
    std::fill_n(gw, a.c_out * a.c_in * a.kh * a.kw, T(0));
    return;
  }
  if (!is_product(a)) return sum_over_pictures(context, a, gw, gy, x);
  MatmulArgs args = product(a, a.c_out, a.c_in * a.kh * a.kw, a.n);
  args.a = gy, args.b = x, args.out = gw;
  args.transpose_a = true;
  gemm(args, context.pool, context.isa);
}

}  // namespace

void conv2d(const Context& context, const Conv2dArgs& a, void* y, const void* x, const void* weight, const void* bias) {
  if (a.n * a.c_out * a.out_h * a.out_w == 0) return;
  if (a.dtype == DType::float32)
    forward(context, a, static_cast<float*>(y), static_cast<const float*>(x), static_cast<const float*>(weight),
            static_cast<const float*>(bias));
  else
    forward(context, a, static_cast<double*>(y), static_cast<const double*>(x), static_cast<const double*>(weight),
            static_cast<const double*>(bias));
}

void conv2d_grad_data(const Context& context, const Conv2dArgs& a, void* gx, const void* gy, const void* weight,
                      const void* bias) {
  if (a.n * a.c_in * a.h * a.w == 0) return;
  if (a.dtype == DType::float32)
    grad_data(context, a, static_cast<float*>(gx), static_cast<const float*>(gy), static_cast<const float*>(weight),
              static_cast<const float*>(bias));
  else
    grad_data(context, a, static_cast<double*>(gx), static_cast<const double*>(gy), static_cast<const double*>(weight),
              static_cast<const double*>(bias));
}

void conv2d_grad_weight(const Context& context, const Conv2dArgs& a, void* gw, const void* gy, const void* x) {
  if (a.c_out * a.c_in * a.kh * a.kw == 0) return;
  if (a.dtype == DType::float32)
    grad_weight(context, a, static_cast<float*>(gw), static_cast<const float*>(gy), static_cast<const float*>(x));
  else
    grad_weight(context, a, static_cast<double*>(gw), static_cast<const double*>(gy), static_cast<const double*>(x));
}

}  // namespace elbo::cpu_kernels
