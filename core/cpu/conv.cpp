#include "conv_groups.h"
#include "conv_plan.h"

/// Convolutions as products, without a matrix of columns: the pictures of a group are laid out [h, w, channels], so
/// that what a tap reads lies side by side, and the tiles of the product gather their rows from there. Scratch memory
/// is a few groups', one for each thread at most.
namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

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

/// The activation of out + bias, in place, of rows [rows, size] of the result that have just been written; bias [size]
/// or null.
template <class T>
void finish(const Context& context, const Conv2dArgs& a, T* out, int64_t rows, int64_t size, const T* bias) {
  if (a.activation == Activation::none && !bias) return;
  const GemmTable& table = gemm_table(context.isa);
  parallel_for(rows, grain_of(size), [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == sizeof(float))
      table.finish_f32(out + begin * size, size, end - begin, size, bias, static_cast<int>(a.activation));
    else
      table.finish_f64(out + begin * size, size, end - begin, size, bias, static_cast<int>(a.activation));
  });
}
/// The activation of planes [planes, size].
template <class T>
void activate(const Context& context, const Conv2dArgs& a, T* out, int64_t planes, int64_t size) {
  finish<T>(context, a, out, planes, size, nullptr);
}

// ---- the convolution and its data gradient -------------------------------------------------------------------------

/// Which way a convolution goes: from x to y, or from gy to gx.
enum class Way { forward, gradient };

/// What goes into a convolution and what comes out, and the steps of the weights [c_out, c_in, kh, kw] along both.
struct Ends {
  int64_t channels, from_h, from_w, columns, to_h, to_w;
  int64_t channel_step, column_step;
  bool from_last, to_last;  // channels last

  Ends(const Conv2dArgs& a, Way way) {
    const int64_t taps = a.kh * a.kw;
    channels = a.c_in, from_h = a.h, from_w = a.w, channel_step = taps;
    columns = a.c_out, to_h = a.out_h, to_w = a.out_w, column_step = a.c_in * taps;
    from_last = a.x_last, to_last = a.y_last;
    if (way == Way::forward) return;
    std::swap(channels, columns), std::swap(channel_step, column_step);
    std::swap(from_h, to_h), std::swap(from_w, to_w), std::swap(from_last, to_last);
  }
};

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

/// Writes the results of a group, [rows, ld] with the channels last, where they belong: into the columns of `out`, or
/// where `result` is there already, adds the bias to them.
template <class T>
void write(const Context& context, const Conv2dArgs& a, const Ends& ends, T* out, T* result, int64_t ld, int64_t count,
           const T* bias) {
  const int64_t plane = ends.to_h * ends.to_w;
  if (!ends.to_last) {
    channels_first(kernels_of<T>(context), out, result, ld, count, ends.columns, ends.to_h, ends.to_w, bias);
    return activate(context, a, out, count * ends.columns, plane);
  }
  if (out != result)
    parallel_for(count * plane, grain_of(ends.columns), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) std::copy_n(result + i * ld, ends.columns, out + i * ends.columns);
    });
  finish(context, a, out, count * plane, ends.columns, bias);
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
  // The tiles write whole vectors.
  const bool in_place = ends.to_last && ends.columns % (width / 2) == 0;
  const int64_t ld = in_place ? ends.columns : columns;
  // Where the channels are a power of two, all taps' weights would compete for the same places in the cache.
  const int64_t pitch = ends.channels % 16 == 0 ? ends.channels + 1 : ends.channels, depth = taps * pitch;
  const ConvPlan::Sizes sizes{.group = group,
                              .channels = ends.channels,
                              .from_h = ends.from_h,
                              .from_w = ends.from_w,
                              .columns = ld,
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
  const bool as_it_is = planes || ends.from_last || from == 1;
  const int64_t operand = as_it_is ? 0 : round_up(group * from * ends.channels, 16);
  const int64_t units = static_cast<int64_t>(plan.units.size());
  const int64_t work = group * a.out_h * a.out_w * depth * width / std::max<int64_t>(1, units);
  const int64_t grain = divide_up(enough_work, std::max<int64_t>(1, work));
  const int64_t results = in_place ? 0 : group * to * columns;
  for_items<T>(context.pool, divide_up(a.n, group), operand + results, 0, [&](int64_t item, T* memory, int64_t next) {
    const int64_t first = item * group, count = std::min(group, a.n - first), of_picture = from * ends.channels;
    const T* pictures = in + first * of_picture;
    const T* ahead = in + std::min(a.n, next * group) * of_picture;
    const T* ahead_end = as_it_is ? in + std::min(a.n, (next + 1) * group) * of_picture : ahead;
    T* written = out + first * to * ends.columns;
    T* result = in_place ? written : memory + operand;
    if (!as_it_is)
      channels_last(kernels, memory, std::exchange(pictures, memory), count, ends.channels, ends.from_h, ends.from_w);
    parallel_for(panels * units, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        fetch(ahead, ahead_end, i, panels * units);
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
    write(context, a, ends, written, result, ld, count, bias);
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

/// The operand of `count` pictures, between the zeros that are there.
template <class T>
void surround_with_zeros(const ConvKernels<T>& kernels, const FewPlan& plan, const Ends& ends, T* to, const T* pictures,
                         int64_t count) {
  const int64_t channels = ends.channels, h = ends.from_h, w = ends.from_w;
  if (ends.from_last) {
    parallel_for(count * h, grain_of(w * channels), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        kernels.transpose(to + i / h * plan.picture + plan.before + i % h * plan.across.size, plan.channel_step,
                          pictures + i * w * channels, channels, w, channels, nullptr);
    });
    return;
  }
  parallel_for(count * channels, grain_of(h * w), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* plane = to + i % channels * plan.channel_step + i / channels * plan.picture + plan.before;
      for (int64_t y = 0; y < h; ++y) std::copy_n(pictures + (i * h + y) * w, w, plane + y * plan.across.size);
    }
  });
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
  for_items<T>(context.pool, divide_up(a.n, plan.group), operand + phases * of_phase, operand,
               [&](int64_t item, T* memory, int64_t) {
                 const int64_t first = item * plan.group, count = std::min(plan.group, a.n - first);
                 const T* pictures = in + first * ends.channels * ends.from_h * ends.from_w;
                 T* results = memory + operand;
                 surround_with_zeros(kernels, plan, ends, memory, pictures, count);
                 parallel_for(phases * tiles, grain, [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const std::vector<ConvRun>& runs = plan.runs[static_cast<std::size_t>(i / tiles)];
                     const int64_t at = i % tiles * tile;
                     kernels.multiply_few(plan.rows.data(), ends.columns, runs.data(),
                                          static_cast<int64_t>(runs.size()), weight, ends.channel_step, memory + at,
                                          plan.channel_step, results + i / tiles * of_phase + at);
                   }
                 });
                 parallel_for(count * ends.columns * ends.to_h, grain_of(ends.to_w), [&](int64_t begin, int64_t end) {
                   const auto across = static_cast<int64_t>(plan.across.phases.size());
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t y = i % ends.to_h, column = i / ends.to_h % ends.columns,
                                   picture = i / ends.to_h / ends.columns;
                     const T* from = results + y % plan.down.step * across * of_phase + column * plan.result_step +
                                     picture * plan.picture + y / plan.down.step * plan.across.size;
                     join_phases(out + first * ends.columns * ends.to_h * ends.to_w + i * ends.to_w, ends.to_w,
                                 plan.across, from, of_phase, bias ? bias[column] : T(0));
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
    if (ends.to_last) {
      std::fill_n(out, a.n * plane * ends.columns, T(0));
      return finish(context, a, out, a.n * plane, ends.columns, bias);
    }
    for (int64_t i = 0; i < a.n * ends.columns; ++i)
      std::fill_n(out + i * plane, plane, bias ? bias[i % ends.columns] : T(0));
    return activate(context, a, out, a.n * ends.columns, plane);
  }
  (has_few_channels(a, way) ? convolve_to_few<T> : convolve_to_many<T>)(context, a, way, out, in, weight, bias);
}

template <class T>
void forward(const Context& context, const Conv2dArgs& a, T* y, const T* x, const T* weight, const T* bias) {
  if (!is_product(a)) return convolve(context, a, Way::forward, y, x, weight, bias);
  MatmulArgs args = conv_product(a, a.n, a.c_out, a.c_in * a.kh * a.kw);
  args.a = x, args.b = weight, args.out = y, args.bias = bias;
  args.transpose_b = true;
  args.activation = a.activation;
  gemm(args, context.pool, context.isa);
}

template <class T>
void grad_data(const Context& context, const Conv2dArgs& a, T* gx, const T* gy, const T* weight, const T* bias) {
  if (!is_product(a)) return convolve(context, a, Way::gradient, gx, gy, weight, bias);
  const int64_t plane = a.h * a.w;
  MatmulArgs args = conv_product(a, a.n, a.c_in * plane, a.c_out);
  args.a = gy, args.b = weight, args.out = gx;
  gemm(args, context.pool, context.isa);
  if (bias)
    parallel_for(a.n * a.c_in, grain_of(plane), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t j = i * plane; j < (i + 1) * plane; ++j) gx[j] += bias[i % a.c_in];
    });
  activate(context, a, gx, a.n * a.c_in, plane);
}

template <class T>
void sums_of_channels(const Context& context, T* out, const T* g, int64_t n, int64_t channels, int64_t size,
                      bool last) {
  if (n * size == 0) return static_cast<void>(std::fill_n(out, channels, T(0)));  // and no memory to point into
  const ConvKernels<T>& kernels = kernels_of<T>(context);
  const Workspace sums(context.pool, static_cast<std::size_t>(n * channels) * sizeof(T));
  parallel_for(n, grain_of(channels * size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      kernels.channel_sums(sums.as<T>() + i * channels, g + i * channels * size, channels, size, last);
  });
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(sums.as<T>()[i * channels + c]);
    out[c] = static_cast<T>(sum);
  }
}

}  // namespace

void channel_sums(const Context& context, void* out, const void* g, DType dtype, int64_t n, int64_t channels,
                  int64_t size, bool last) {
  if (channels == 0) return;
  if (dtype == DType::float32)
    sums_of_channels(context, static_cast<float*>(out), static_cast<const float*>(g), n, channels, size, last);
  else
    sums_of_channels(context, static_cast<double*>(out), static_cast<const double*>(g), n, channels, size, last);
}

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

}  // namespace elbo::cpu_kernels
