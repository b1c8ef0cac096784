#pragma once
#include <algorithm>
#include <type_traits>
#include <vector>

#include "../index_kernels.h"
#include "../parallel_for.h"
#include "cpu_kernels.h"

/// The matrix of columns of a whole picture (see index_kernels.h), and the sum of one over the pixels: what
/// index::im2col and index::col2im say, in the same order, by loops over neighbours.
namespace elbo::cpu_kernels {

/// A picture's lines in another order, in which a row of the matrix of columns is a plain copy. A tap (an element of
/// the kernel) reads every stride-th pixel of a line. So the pixels 0, stride, 2 stride, ... of a line are put side by
/// side as its first comb, then 1, stride + 1, ... as its second, and so on. Zeros around each comb stand for what lies
/// beyond the picture, so that nothing asks where its edges are. For a line of 6 pixels, stride 2, 3 taps, padding 1:
///
///     line             a b c d e f
///     combed         0 a c e 0 b d f      two combs: before = 1, pitch = 4
///     tap 0 reads            0 b d        pixels -1, 1, 3
///     tap 1 reads      a c e              pixels  0, 2, 4
///     tap 2 reads              b d f      pixels  1, 3, 5
///
/// Where the stride is greater than the width, all combs behind the line's pixels hold zeros alone; one stands for
/// them.
struct Combs {
  /// What one tap reads: for output lines [begin, end) lines of the picture, for others only padding. What it reads for
  /// output line 0 begins at `first` in the channel's combed lines, or would, were that line in the picture.
  struct Meets {
    std::int64_t begin, end, first;
  };
  std::int64_t stride, count;        ///< of the combs of a line
  std::int64_t before, pitch;        ///< elements before a comb's first, and from one comb to the next
  std::int64_t line, channel, size;  ///< elements of a line, a channel, a picture
  std::vector<Meets> taps;           ///< [kh, kw]

  explicit Combs(const Conv2dArgs& a) : stride(a.stride_w), count(std::min(stride, a.w + 1)) {
    const std::int64_t lowest = down(-a.pad_w), highest = down((a.kw - 1) * a.dilation_w - a.pad_w);
    before = std::max<std::int64_t>(0, -lowest);
    pitch = before + std::max((a.w + stride - 1) / stride, a.out_w + highest);
    line = count * pitch, channel = a.h * line, size = a.c_in * channel;
    taps.reserve(static_cast<std::size_t>(a.kh * a.kw));
    for (std::int64_t i = 0; i < a.kh; ++i) {
      const std::int64_t y = i * a.dilation_h - a.pad_h;  // the line met at output 0
      const std::int64_t begin = std::min(a.out_h, lines_to(-y, a.stride_h));
      const std::int64_t end = std::max(begin, std::min(a.out_h, lines_to(a.h - y, a.stride_h)));
      for (std::int64_t j = 0; j < a.kw; ++j) {
        const std::int64_t x = j * a.dilation_w - a.pad_w, steps = down(x);
        taps.push_back({begin, end, y * line + std::min(x - steps * stride, count - 1) * pitch + before + steps});
      }
    }
  }

 private:
  /// x / stride, rounded down.
  std::int64_t down(std::int64_t x) const { return x >= 0 ? x / stride : -((stride - 1 - x) / stride); }
  /// How many outputs, one every stride_h lines, begin before line `lines`.
  static std::int64_t lines_to(std::int64_t lines, std::int64_t stride_h) {
    return lines <= 0 ? 0 : (lines + stride_h - 1) / stride_h;
  }
};

namespace detail {

/// Combs a line, or puts a combed one in order again. Stride 2 has a loop of its own, which compilers vectorise.
template <class T>
void comb(const Combs& combs, T* __restrict to, const T* __restrict line, std::int64_t width) {
  T *first = to + combs.before, *second = first + combs.pitch;
  if (combs.stride == 2) {
    for (std::int64_t i = 0; i < width / 2; ++i) first[i] = line[2 * i], second[i] = line[2 * i + 1];
    if (width % 2 != 0) first[width / 2] = line[width - 1];
    return;
  }
  for (std::int64_t r = 0; r < combs.count; ++r, first += combs.pitch)
    for (std::int64_t i = r, place = 0; i < width; i += combs.stride, ++place) first[place] = line[i];
}
template <class T>
void uncomb(const Combs& combs, T* __restrict line, const T* __restrict from, std::int64_t width, T plus) {
  const T *first = from + combs.before, *second = first + combs.pitch;
  if (combs.stride == 2) {
    for (std::int64_t i = 0; i < width / 2; ++i) line[2 * i] = first[i] + plus, line[2 * i + 1] = second[i] + plus;
    if (width % 2 != 0) line[width - 1] = first[width / 2] + plus;
    return;
  }
  for (std::int64_t r = 0; r < combs.count; ++r, first += combs.pitch)
    for (std::int64_t i = r, place = 0; i < width; i += combs.stride, ++place) line[i] = first[place] + plus;
}

template <bool add, int count, class T>
void move_some(T* to, const T* from) {
  T values[count], sums[count];
  __builtin_memcpy(values, from, sizeof values);
  if (add) __builtin_memcpy(sums, to, sizeof sums);
  if (add)
    for (int i = 0; i < count; ++i) values[i] += sums[i];
  __builtin_memcpy(to, values, sizeof values);
}
/// to = from, or to += from, for n neighbours: few, so that a call or a loop made for many costs more than the work.
template <bool add, class T>
void move_row(T* to, const T* from, std::int64_t n) {
  for (; n >= 4; n -= 4, to += 4, from += 4) move_some<add, 4>(to, from);
  if (n & 2) {
    move_some<add, 2>(to, from);
    to += 2, from += 2;
  }
  if (n & 1) move_some<add, 1>(to, from);
}

/// fn(width) with a constant for widths that are common, which saves short rows their loop.
template <class Fn>
void for_width(std::int64_t width, const Fn& fn) {
  if (width == 4) return fn(std::integral_constant<std::int64_t, 4>{});
  if (width == 8) return fn(std::integral_constant<std::int64_t, 8>{});
  if (width == 16) return fn(std::integral_constant<std::int64_t, 16>{});
  fn(width);
}

/// fn(channel, tap, row) for rows [begin, end) of the columns.
template <class Fn>
void for_rows(std::int64_t begin, std::int64_t end, std::int64_t taps, const Fn& fn) {
  for (std::int64_t row = begin, channel = begin / taps, tap = begin % taps; row < end; ++row) {
    fn(channel, tap, row);
    if (++tap == taps) tap = 0, ++channel;
  }
}

}  // namespace detail

/// columns = those of x [c_in, h, w]; a row is `step` elements from the next. `memory` holds combs.size elements.
template <class T>
void im2col(const Conv2dArgs& a, const Combs& combs, T* columns, std::int64_t step, const T* x, T* memory) {
  parallel_for(a.c_in * a.h, grain_of(a.w), [&](std::int64_t begin, std::int64_t end) {
    std::fill(memory + begin * combs.line, memory + end * combs.line, T(0));
    for (std::int64_t i = begin; i < end; ++i) detail::comb(combs, memory + i * combs.line, x + i * a.w, a.w);
  });
  const std::int64_t taps = a.kh * a.kw, next = a.stride_h * combs.line;
  parallel_for(a.c_in * taps, grain_of(a.out_h * a.out_w), [&](std::int64_t begin, std::int64_t end) {
    detail::for_width(a.out_w, [&](auto width) {
      detail::for_rows(begin, end, taps, [&](std::int64_t channel, std::int64_t tap, std::int64_t row) {
        const Combs::Meets& meets = combs.taps[static_cast<std::size_t>(tap)];
        const std::int64_t first = channel * combs.channel + meets.first;
        T* to = columns + row * step;
        std::fill(to, to + meets.begin * width, T(0));
        for (std::int64_t y = meets.begin; y < meets.end; ++y)
          detail::move_row<false>(to + y * width, memory + (first + y * next), width);
        std::fill(to + meets.end * width, to + a.out_h * width, T(0));
      });
    });
  });
}

/// x = the sums of `columns` over what met each pixel, + bias [c_in] unless it is null.
template <class T>
void col2im(const Conv2dArgs& a, const Combs& combs, T* x, const T* columns, std::int64_t step, const T* bias,
            T* memory) {
  const std::int64_t taps = a.kh * a.kw, next = a.stride_h * combs.line;
  parallel_for(a.c_in, grain_of(taps * a.out_h * a.out_w), [&](std::int64_t begin, std::int64_t end) {
    std::fill(memory + begin * combs.channel, memory + end * combs.channel, T(0));
    detail::for_width(a.out_w, [&](auto width) {
      detail::for_rows(begin * taps, end * taps, taps, [&](std::int64_t channel, std::int64_t tap, std::int64_t row) {
        const Combs::Meets& meets = combs.taps[static_cast<std::size_t>(tap)];
        const std::int64_t first = channel * combs.channel + meets.first;
        const T* from = columns + row * step;
        for (std::int64_t y = meets.begin; y < meets.end; ++y)
          detail::move_row<true>(memory + (first + y * next), from + y * width, width);
      });
    });
    for (std::int64_t i = begin * a.h; i < end * a.h; ++i)
      detail::uncomb(combs, x + i * a.w, memory + i * combs.line, a.w, bias ? bias[i / a.h] : T(0));
  });
}

}  // namespace elbo::cpu_kernels
