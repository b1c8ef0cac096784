#include <utility>
#include <vector>

#include "conv_groups.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

constexpr int64_t most_sums = 1 << 20;  // elements of the chunks' sums

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

  WeightPlan(const Conv2dArgs& a, int64_t columns_, int64_t step)
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
        if (!padded) add(a, tap * channels, channels, y, x, step);
      }
    if (padded) add(a, 0, a.kh * a.kw * channels, 0, 0, step);
  }

 private:
  /// A part whose first weight meets pixel (y, x) at the first place of the result.
  void add(const Conv2dArgs& a, int64_t row, int64_t count, int64_t y, int64_t x, int64_t step) {
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
                          ((picture * a.out_h + line) * a.out_w + left) * step, right - left});
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

/// to [panel, picture, place, tile_cols] = gy, `count` pictures, panels `panel` elements apart.
template <class T>
const T* gradient_panels(const ConvKernels<T>& kernels, const Conv2dArgs& a, T* to, int64_t panel, const T* gy,
                         int64_t count) {
  const int64_t width = kernels.tile_cols, panels = divide_up(a.c_out, width), points = a.out_h * a.out_w;
  parallel_for(count * panels, grain_of(points * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t picture = i / panels, col = i % panels * width, cols = std::min(width, a.c_out - col);
      T* there = to + i % panels * panel + picture * points * width;
      if (a.y_last)
        for (int64_t p = picture * points; p < (picture + 1) * points; ++p, there += width)
          std::copy_n(gy + p * a.c_out + col, cols, there);
      else
        kernels.transpose(there, width, gy + (picture * a.c_out + col) * points, points, cols, points, nullptr);
    }
  });
  return to;
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
  const int64_t points = a.out_h * a.out_w, of_picture = a.c_in * a.h * a.w;
  // The tiles read whole vectors. Where a place has more channels than two panels, they are faster from panels.
  const bool in_place = a.y_last && a.c_out % (width / 2) == 0 && panels <= 2;
  const int64_t pitch = in_place ? a.c_out : width;  // from one place of the result to the next
  const WeightPlan plan(a, columns, pitch);
  const int64_t groups = divide_up(a.n, plan.group), chunks = std::min(groups, plan.chunks);
  const bool as_it_is = !plan.padded && (a.x_last || a.h * a.w == 1);
  const int64_t pictures = as_it_is ? 0 : round_up(plan.group * plan.h * plan.w * a.c_in, 16);
  const int64_t panel = in_place ? width : plan.group * points * width, weights = a.kh * a.kw * a.c_in * columns;
  const int64_t gradients_size = in_place ? 0 : panels * panel;
  const Workspace sums(context.pool, static_cast<std::size_t>(chunks * weights) * sizeof(T));
  const int64_t parts = static_cast<int64_t>(plan.parts.size());
  for_items<T>(
      context.pool, chunks, pictures + gradients_size, pictures + gradients_size,
      [&](int64_t chunk, T* memory, int64_t) {
        T* sum = sums.as<T>() + chunk * weights;
        const int64_t begin = groups * chunk / chunks, end = groups * (chunk + 1) / chunks;
        for (int64_t item = begin; item < end; ++item) {
          const int64_t first = item * plan.group, count = std::min(plan.group, a.n - first);
          const T* from = x + first * of_picture;
          if (plan.padded)
            padded_planes(a, plan, memory, std::exchange(from, memory), count);
          else if (!as_it_is)
            channels_last(kernels, memory, std::exchange(from, memory), count, a.c_in, a.h, a.w);
          const T* gradients = gy + first * points * a.c_out;
          if (!in_place) gradients = gradient_panels(kernels, a, memory + pictures, panel, gradients, count);
          const int64_t ahead = std::min(a.n, first + plan.group), ahead_end = std::min(a.n, ahead + plan.group);
          for (int64_t block = 0; block < plan.blocks; ++block)
            parallel_for(panels * parts, 1, [&](int64_t i, int64_t i_end) {
              for (; i < i_end; ++i) {
                const int64_t step = block * panels * parts + i, steps = plan.blocks * panels * parts;
                if (as_it_is) fetch(x + ahead * of_picture, x + ahead_end * of_picture, step, steps);
                if (in_place) fetch(gy + ahead * points * a.c_out, gy + ahead_end * points * a.c_out, step, steps);
                const WeightRows& part = plan.parts[static_cast<std::size_t>(i % parts)];
                const int64_t of_panel = i / parts;
                kernels.multiply(
                    plan.rows.data() + part.row, part.count,
                    plan.runs.data() + part.run[static_cast<std::size_t>(block)], runs_of(plan, part, block, count),
                    from, plan.padded ? a.stride_w : a.stride_w * a.c_in, gradients + of_panel * panel, pitch,
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
  MatmulArgs args = conv_product(a, a.c_out, a.c_in * a.kh * a.kw, a.n);
  args.a = gy, args.b = x, args.out = gw;
  args.transpose_a = true;
  gemm(args, context.pool, context.isa);
}

}  // namespace

void conv2d_grad_weight(const Context& context, const Conv2dArgs& a, void* gw, const void* gy, const void* x) {
  if (a.c_out * a.c_in * a.kh * a.kw == 0) return;
  if (a.dtype == DType::float32)
    grad_weight(context, a, static_cast<float*>(gw), static_cast<const float*>(gy), static_cast<const float*>(x));
  else
    grad_weight(context, a, static_cast<double*>(gw), static_cast<const double*>(gy), static_cast<const double*>(x));
}

}  // namespace elbo::cpu_kernels
