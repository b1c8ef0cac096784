#pragma once
#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "cpu_kernels.h"
#include "variant/conv.h"

/// Which elements of a convolution meet: for its result y, which of x and of the kernel (the forward direction), and
/// for its data gradient, which of y and of the kernel. Neither asks for padding: where the kernel lies partly beyond
/// the picture, only the taps (elements of the kernel) that do not are in the sums.
namespace elbo::cpu_kernels {

/// One of the two directions of the picture. Places of the result that meet the same taps are a class.
struct ConvAxis {
  /// `count` taps: tap, tap + tap_step, ...; the places are places[begin, end).
  struct Class {
    std::int64_t tap, count, begin, end;
  };
  /// A place of the result, and the place that its first tap reads; the next ones are from_step further each.
  struct Place {
    std::int64_t at, from;
  };
  std::int64_t tap_step, from_step;
  std::vector<Class> classes;
  std::vector<Place> places;

  /// y[at] is the sum of the taps i and x[at stride - pad + i dilation].
  static ConvAxis forward(std::int64_t in, std::int64_t out, std::int64_t taps, std::int64_t stride, std::int64_t pad,
                          std::int64_t dilation) {
    ConvAxis axis{1, dilation, {}, {}};
    axis.fill(out, [&](std::int64_t at) {
      const std::int64_t origin = at * stride - pad;
      const std::int64_t first = origin < 0 ? divide_up(-origin, dilation) : 0;
      const std::int64_t end = origin < in ? std::min(taps, divide_up(in - origin, dilation)) : 0;
      return Met{first, end - first, origin + first * dilation};
    });
    return axis;
  }

  /// x[at] gets the taps i for which at + pad - i dilation is a multiple of the stride, of y there. From one of them
  /// to the next there are stride / gcd(stride, dilation).
  static ConvAxis gradient(std::int64_t in, std::int64_t out, std::int64_t taps, std::int64_t stride, std::int64_t pad,
                           std::int64_t dilation) {
    const std::int64_t common = std::gcd(stride, dilation), back = dilation / common;
    ConvAxis axis{stride / common, -back, {}, {}};
    axis.fill(in, [&](std::int64_t at) {
      std::int64_t tap = 0;
      while (tap < std::min(taps, axis.tap_step) && (at + pad - tap * dilation) % stride != 0) ++tap;
      if (tap == std::min(taps, axis.tap_step)) return Met{0, 0, 0};
      const std::int64_t from = (at + pad - tap * dilation) / stride;
      const std::int64_t passed = from < out ? 0 : divide_up(from - out + 1, back);  // taps that read beyond the end
      const std::int64_t end = from < 0 ? 0 : std::min(from / back + 1, divide_up(taps - tap, axis.tap_step));
      return Met{tap + passed * axis.tap_step, end - passed, from - passed * back};
    });
    return axis;
  }

 private:
  struct Met {
    std::int64_t tap, count, from;
  };
  template <class Fn>
  void fill(std::int64_t size, const Fn& met) {
    std::vector<std::int64_t> class_of(static_cast<std::size_t>(size));
    std::vector<Met> all(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = met(static_cast<std::int64_t>(i));
      if (all[i].count <= 0) all[i] = {0, 0, 0};
      std::size_t c = classes.size();
      while (c > 0 && (classes[c - 1].tap != all[i].tap || classes[c - 1].count != all[i].count)) --c;
      if (c == 0) {
        classes.push_back({all[i].tap, all[i].count, 0, 0});
        c = classes.size();
      }
      class_of[i] = static_cast<std::int64_t>(c - 1);
      ++classes[c - 1].end;  // so far how many
    }
    std::int64_t begin = 0;
    for (Class& each : classes) {
      each.begin = begin;
      begin += std::exchange(each.end, begin);
    }
    places.resize(all.size());
    for (std::size_t i = 0; i < all.size(); ++i)
      places[static_cast<std::size_t>(classes[static_cast<std::size_t>(class_of[i])].end++)] = {
          static_cast<std::int64_t>(i), all[i].from};
  }
};

/// A convolution, or its data gradient, of a few pictures as products of gathered rows. The operand lies [picture, h,
/// w, channels], so that what a tap reads is a run of channels; with few channels as it is, in planes [picture,
/// channel, h, w], so that what a line of the kernel reads is one. The packed weights are panels of rows of tile_cols,
/// the result lies [picture, h, w, columns].
struct ConvPlan {
  /// Rows [row, ...) of the table, of each picture in turn; blocks of runs [block, end_block).
  struct Class {
    std::int64_t row, rows_of_picture, block, end_block;
  };
  /// A part of a sum, short enough for what it reads of the weights to stay in the first-level cache.
  struct Block {
    std::int64_t run, end;
  };
  /// Rows [begin, end) of a class: a piece of work.
  struct Unit {
    std::int64_t of_class, begin, end;
  };
  std::vector<ConvRow> rows;
  std::vector<ConvRun> runs;
  std::vector<Block> blocks;
  std::vector<Class> classes;
  std::vector<Unit> units;

  struct Sizes {
    std::int64_t group = 1;                             // pictures
    std::int64_t channels = 0, from_h = 0, from_w = 0;  // of the operand
    std::int64_t columns = 0, to_h = 0, to_w = 0;       // of the result
    std::int64_t tile_cols = 0, kw = 0;
    bool planes = false;
    std::int64_t tap_step = 0, channel_step = 0;  // of the packed weights, in rows of a panel
  };
  ConvPlan(const Sizes& s, const ConvAxis& down, const ConvAxis& across) {
    for (const ConvAxis::Class& y : down.classes)
      for (const ConvAxis::Class& x : across.classes) {
        const Class each{static_cast<std::int64_t>(rows.size()), (y.end - y.begin) * (x.end - x.begin),
                         static_cast<std::int64_t>(blocks.size()), 0};
        classes.push_back(each);
        add_rows(s, down, across, y, x);
        add_runs(s, down, across, y, x);
        classes.back().end_block = static_cast<std::int64_t>(blocks.size());
        constexpr std::int64_t unit = 48;
        const std::int64_t count = s.group * each.rows_of_picture;
        for (std::int64_t begin = 0; begin < count; begin += unit)
          units.push_back({static_cast<std::int64_t>(classes.size()) - 1, begin, std::min(count, begin + unit)});
      }
  }

 private:
  void add_rows(const Sizes& s, const ConvAxis& down, const ConvAxis& across, const ConvAxis::Class& y,
                const ConvAxis::Class& x) {
    for (std::int64_t picture = 0; picture < s.group; ++picture)
      for (std::int64_t i = y.begin; i < y.end; ++i)
        for (std::int64_t j = x.begin; j < x.end; ++j) {
          const auto& [at_y, from_y] = down.places[static_cast<std::size_t>(i)];
          const auto& [at_x, from_x] = across.places[static_cast<std::size_t>(j)];
          rows.push_back(
              {picture * s.from_h * s.from_w * s.channels + (from_y * s.from_w + from_x) * (s.planes ? 1 : s.channels),
               ((picture * s.to_h + at_y) * s.to_w + at_x) * s.columns});
        }
  }

  void add_runs(const Sizes& s, const ConvAxis& down, const ConvAxis& across, const ConvAxis::Class& y,
                const ConvAxis::Class& x) {
    constexpr std::int64_t fits = 320;
    const std::int64_t all = y.count * x.count * s.channels;
    const std::int64_t most = divide_up(all, std::max<std::int64_t>(1, divide_up(all, fits)));
    const std::int64_t planes = s.planes ? s.channels : 1, length = s.planes ? 1 : s.channels;
    const std::int64_t pixel = s.planes ? 1 : s.channels, plane = s.from_h * s.from_w;
    std::int64_t in_block = 0;
    blocks.push_back({static_cast<std::int64_t>(runs.size()), static_cast<std::int64_t>(runs.size())});
    for (std::int64_t c = 0; c < planes; ++c)
      for (std::int64_t i = 0; i < y.count; ++i)
        for (std::int64_t j = 0; j < x.count; ++j) {
          const std::int64_t tap = (y.tap + i * down.tap_step) * s.kw + x.tap + j * across.tap_step;
          const std::int64_t from = (i * down.from_step * s.from_w + j * across.from_step) * pixel;
          add_run(s, {from + c * plane, (tap * s.tap_step + c * s.channel_step) * s.tile_cols, length}, most, in_block);
        }
  }

  /// Cuts off the run what would be too much for the block, joins it to the one before where it goes on from there.
  void add_run(const Sizes& s, ConvRun run, std::int64_t most, std::int64_t& in_block) {
    for (std::int64_t left = run.length; left > 0; left -= run.length) {
      if (in_block == most) {
        blocks.push_back({static_cast<std::int64_t>(runs.size()), 0});
        in_block = 0;
      }
      run.length = std::min(left, most - in_block);
      if (in_block > 0 && runs.back().a + runs.back().length == run.a &&
          runs.back().b + runs.back().length * s.tile_cols == run.b)
        runs.back().length += run.length;
      else
        runs.push_back(run);
      blocks.back().end = static_cast<std::int64_t>(runs.size());
      in_block += run.length;
      run.a += run.length, run.b += run.length * s.tile_cols;
    }
  }
};

/// One direction of the same for results of few channels, where neighbouring pixels are computed together. They must
/// read neighbours: so the result is cut into phases, every step-th pixel from `first` on, and pixel t of a phase is
/// the sum of its taps and the operand's places t + offset. Zeros around the operand stand for what lies beyond it.
struct ConvPhases {
  struct Tap {
    std::int64_t tap, offset;
  };
  struct Phase {
    std::int64_t first, size;
    std::vector<Tap> taps;
  };
  std::int64_t step = 1, before = 0, size = 0;  ///< zeros before the operand; its size with all zeros
  std::vector<Phase> phases;

  /// The forward direction with stride 1: y[t] reads x[t + i dilation - pad].
  static ConvPhases forward(std::int64_t in, std::int64_t out, std::int64_t taps, std::int64_t, std::int64_t pad,
                            std::int64_t dilation) {
    ConvPhases made;
    made.phases.push_back({0, out, {}});
    for (std::int64_t i = 0; i < taps; ++i) made.phases[0].taps.push_back({i, i * dilation - pad});
    made.surround(in);
    return made;
  }
  /// x[first + t stride] reads y[t + (first + pad - i dilation) / stride], where that is whole.
  static ConvPhases gradient(std::int64_t in, std::int64_t out, std::int64_t taps, std::int64_t stride,
                             std::int64_t pad, std::int64_t dilation) {
    ConvPhases made;
    made.step = stride;
    for (std::int64_t first = 0; first < std::min(stride, in); ++first) {
      made.phases.push_back({first, divide_up(in - first, stride), {}});
      for (std::int64_t i = 0; i < taps; ++i)
        if (const std::int64_t from = first + pad - i * dilation; from % stride == 0)
          made.phases.back().taps.push_back({i, from / stride});
    }
    made.surround(out);
    return made;
  }

 private:
  void surround(std::int64_t operand) {
    std::int64_t end = operand;
    for (const Phase& phase : phases)
      for (const Tap& each : phase.taps) {
        before = std::max(before, -each.offset);
        end = std::max(end, phase.size + each.offset);
      }
    size = before + end;
  }
};

}  // namespace elbo::cpu_kernels
