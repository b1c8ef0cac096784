#pragma once
#include <algorithm>
#include <atomic>

#include "../parallel_for.h"
#include "cpu_kernels.h"
#include "gemm.h"
#include "variant/conv.h"

/// What a convolution and the gradient of its weights share: both go through the pictures in groups, laid out with
/// their channels last.
namespace elbo::cpu_kernels {

inline const ConvTable& conv_table(Isa isa) {
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

inline constexpr std::int64_t enough_work = 1 << 16;  // multiply-adds
inline constexpr std::int64_t enough_points = 256;    // of a group of pictures, for its tiles to be full

inline std::int64_t round_up(std::int64_t n, std::int64_t unit) { return divide_up(n, unit) * unit; }

/// Pictures at once, of `points` places each, where `least` groups are wanted. It depends on the shape alone.
inline std::int64_t group_of(std::int64_t n, std::int64_t points, std::int64_t least) {
  return std::clamp<std::int64_t>(enough_points / std::max<std::int64_t>(1, points), 1,
                                  std::max<std::int64_t>(1, n / least));
}

/// fn(item, scratch, next) for all items, `elements` of scratch memory each; `next` is the item that the same thread is
/// likely to get next. Where there are items enough, each runs on a thread of its own; otherwise one after the other,
/// each on all threads. No bit depends on which. The first `zeros` elements are zeros at first; what is written there
/// stays for the next item.
template <class T, class Fn>
void for_items(Pool& pool, std::int64_t items, std::int64_t elements, std::int64_t zeros, const Fn& fn) {
  const std::int64_t blocks = items >= num_threads() ? num_threads() : 1, size = round_up(elements, 64);
  const Workspace memory(pool, static_cast<std::size_t>(blocks * size) * sizeof(T));
  if (blocks == 1) {
    std::fill_n(memory.as<T>(), zeros, T(0));
    for (std::int64_t item = 0; item < items; ++item) fn(item, memory.as<T>(), item + 1);
    return;
  }
  std::atomic<std::int64_t> next{0};
  parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::fill_n(memory.as<T>() + i * size, zeros, T(0));
      for (std::int64_t item = next++; item < items; item = next++) fn(item, memory.as<T>() + i * size, item + blocks);
    }
  });
}

/// Part `part` of `parts` of [from, end) is asked for, into the second-level cache: pictures come from main memory, and
/// the processor does not see them coming.
template <class T>
void fetch(const T* from, const T* end, std::int64_t part, std::int64_t parts) {
  constexpr std::int64_t line = 64 / sizeof(T);
  const std::int64_t size = std::max<std::int64_t>(0, end - from);
  for (std::int64_t i = size * part / parts; i < size * (part + 1) / parts; i += line)
    __builtin_prefetch(from + i, 0, 2);
}

/// to [count, h, w, channels] = from [count, channels, h, w].
template <class T>
void channels_last(const ConvKernels<T>& kernels, T* to, const T* from, std::int64_t count, std::int64_t channels,
                   std::int64_t h, std::int64_t w) {
  parallel_for(count * h, grain_of(w * channels), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end;) {
      const std::int64_t picture = i / h, line = i % h, lines = std::min(end - i, h - line);
      kernels.transpose(to + i * w * channels, channels, from + picture * channels * h * w + line * w, h * w, channels,
                        lines * w, nullptr);
      i += lines;
    }
  });
}

/// A kernel as large as its picture, which has one place: plain products.
inline bool is_product(const Conv2dArgs& a) {
  return !a.x_last && a.out_h == 1 && a.out_w == 1 && a.kh == a.h && a.kw == a.w && a.pad_h == 0 && a.pad_w == 0 &&
         (a.kh == 1 || a.dilation_h == 1) && (a.kw == 1 || a.dilation_w == 1);
}
inline MatmulArgs conv_product(const Conv2dArgs& a, std::int64_t m, std::int64_t n, std::int64_t k) {
  MatmulArgs args{};
  args.dtype = a.dtype;
  args.m = m, args.n = n, args.k = k, args.batch = 1;
  return args;
}

/// Whether an operand of so many channels stays in planes: with fewer than this a tap's run of channels is too short.
inline bool in_planes(std::int64_t channels) { return channels < 4; }

}  // namespace elbo::cpu_kernels
