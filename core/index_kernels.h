#pragma once
#include "backend.h"
#include "scalar_math.h"

/// Where elements go: the index arithmetic of the kernels that move or collect elements, as host/device functions that
/// compute one output (or one term of it) each. The CPU loops over them, CUDA gives each a thread.
namespace elbo {
namespace {  // NOLINT(google-build-namespaces): see scalar_math.h
namespace index {

// ---- gather and scatter: x [outer, n, inner] and out [outer, k, inner], as rows of `inner` elements ----------------

/// The row of x that row `row` of out is taken from.
ELBO_HD inline std::int64_t gather_row(std::int64_t row, const std::int64_t* indices, std::int64_t k, std::int64_t n) {
  return row / k * n + indices[row % k];
}

/// Adds element `column` of the k rows of one outer g to the rows of gx that they were taken from, in the order of k.
template <class T>
ELBO_HD inline void scatter_add_column(T* gx, const T* g, const std::int64_t* indices, std::int64_t k,
                                       std::int64_t inner, std::int64_t column) {
  for (std::int64_t j = 0; j < k; ++j) gx[indices[j] * inner + column] += g[j * inner + column];
}

// ---- broadcasting --------------------------------------------------------------------------------------------------

/// How operands broadcast to an output: dimensions of size 1 are left out, and neighbours that all operands run
/// through alike are made one. The last dimension's step is then 0 or 1 for every operand. Made on the host.
template <int count>
struct Broadcast {
  int rank = 0;
  std::int64_t sizes[Shape::max_rank] = {}, steps[count][Shape::max_rank] = {};

  /// Of `count` operands. An output without elements has one dimension here, of size 0.
  Broadcast(const Shape& out, const ConstView* in) {
    if (out.numel() == 0) {
      rank = 1;
      return;
    }
    std::int64_t rest[count], step[count];  // elements in an operand's dimensions after this one
    for (int i = 0; i < count; ++i) rest[i] = in[i].shape.numel();
    for (int d = 0; d < out.rank(); ++d) {
      if (out[d] == 1) continue;
      bool joins = rank > 0;
      for (int i = 0; i < count; ++i) {
        const int own_d = d - out.rank() + in[i].shape.rank();
        const std::int64_t own = own_d < 0 ? 1 : in[i].shape[own_d];
        rest[i] /= own;
        step[i] = own == 1 ? 0 : rest[i];
        joins = joins && steps[i][last()] == step[i] * out[d];
      }
      if (!joins) sizes[rank++] = 1;
      sizes[last()] *= out[d];
      for (int i = 0; i < count; ++i) steps[i][last()] = step[i];
    }
    if (rank == 0) sizes[rank++] = 1;
  }
  int last() const { return rank - 1; }
};

// ---- boxes ---------------------------------------------------------------------------------------------------------

/// A box to be copied (see Backend::copy_strided), without dimensions of size 1, neighbours that both sides run through
/// alike being one. Made on the host.
struct Box {
  int rank = 0;
  std::int64_t numel = 1;
  std::int64_t sizes[Shape::max_rank] = {}, to[Shape::max_rank] = {}, from[Shape::max_rank] = {};

  Box(const Shape& box, const std::int64_t* to_steps, const std::int64_t* from_steps) : numel(box.numel()) {
    for (int d = 0; d < box.rank(); ++d) {
      if (box[d] == 1) continue;
      const int last = rank - 1;
      if (rank > 0 && to[last] == to_steps[d] * box[d] && from[last] == from_steps[d] * box[d]) {
        sizes[last] *= box[d];
        to[last] = to_steps[d], from[last] = from_steps[d];
        continue;
      }
      sizes[rank] = box[d], to[rank] = to_steps[d], from[rank] = from_steps[d];
      ++rank;
    }
    if (rank == 0) sizes[rank] = 1, to[rank] = 1, from[rank] = 1, ++rank;
  }
  /// Both sides run through the last dimension element by element.
  bool in_lines() const { return to[rank - 1] == 1 && from[rank - 1] == 1; }
  /// Where the last dimension lies side by side in `to` alone and another one does in `from`, moves that one before it
  /// (nothing depends on their order) and returns true.
  bool transpose() {
    const int last = rank - 1;
    if (rank < 2 || to[last] != 1 || from[last] == 1 || from[last] == 0) return false;
    for (int d = 0; d < last; ++d) {
      if (from[d] != 1) continue;
      for (std::int64_t* each : {sizes, to, from}) {
        const std::int64_t kept = each[d];
        each[d] = each[last - 1];
        each[last - 1] = kept;
      }
      return true;
    }
    return false;
  }
};

/// The offset of element i (row-major) of a box in an array with `steps`.
ELBO_HD inline std::int64_t box_offset(std::int64_t i, const std::int64_t* sizes, const std::int64_t* steps, int rank) {
  std::int64_t offset = 0;
  for (int d = rank - 1; d >= 0; --d) {
    offset += i % sizes[d] * steps[d];
    i /= sizes[d];
  }
  return offset;
}

// ---- convolutions, one picture at a time ---------------------------------------------------------------------------
// The columns of a picture x [c_in, h, w] are a matrix [c_in * kh * kw, out_h * out_w]: what each element of the kernel
// meets at each output.

/// Row (c, i, j) of the columns.
struct Tap {
  std::int64_t channel, i, j;
};
ELBO_HD inline Tap tap(const Conv2dArgs& a, std::int64_t row) {
  return {row / (a.kh * a.kw), row / a.kw % a.kh, row % a.kw};
}
/// The line and column of x that a tap meets at output (y, x); outside [0, h) and [0, w) is padding.
ELBO_HD inline std::int64_t tap_line(const Conv2dArgs& a, const Tap& t, std::int64_t out_y) {
  return out_y * a.stride_h - a.pad_h + t.i * a.dilation_h;
}
ELBO_HD inline std::int64_t tap_column(const Conv2dArgs& a, const Tap& t, std::int64_t out_x) {
  return out_x * a.stride_w - a.pad_w + t.j * a.dilation_w;
}

/// Element (row, out_y, out_x) of the columns of x.
template <class T>
ELBO_HD inline T im2col(const Conv2dArgs& a, const T* x, std::int64_t row, std::int64_t out_y, std::int64_t out_x) {
  const Tap t = tap(a, row);
  const std::int64_t line = tap_line(a, t, out_y), column = tap_column(a, t, out_x);
  const bool inside = line >= 0 && line < a.h && column >= 0 && column < a.w;
  return inside ? x[(t.channel * a.h + line) * a.w + column] : T(0);
}

/// The sum of all elements of `columns` that met pixel (channel, line, column), in the order of the kernel's elements.
template <class T>
ELBO_HD inline T col2im(const Conv2dArgs& a, const T* columns, std::int64_t channel, std::int64_t line,
                        std::int64_t column) {
  T sum = T(0);
  for (std::int64_t i = 0; i < a.kh; ++i) {
    const std::int64_t y = line + a.pad_h - i * a.dilation_h, out_y = y / a.stride_h;
    if (y < 0 || y % a.stride_h != 0 || out_y >= a.out_h) continue;
    for (std::int64_t j = 0; j < a.kw; ++j) {
      const std::int64_t x = column + a.pad_w - j * a.dilation_w, out_x = x / a.stride_w;
      if (x < 0 || x % a.stride_w != 0 || out_x >= a.out_w) continue;
      sum += columns[(((channel * a.kh + i) * a.kw + j) * a.out_h + out_y) * a.out_w + out_x];
    }
  }
  return sum;
}

// ---- index kernels -------------------------------------------------------------------------------------------------
// What a work item of Backend::index does, in a functor over the output's element type. It writes elements of `out`
// that are its own, and nobody reads. `check(index, place, limit)` is the index, or -1, and an error, where it is
// outside [0, limit); `place` is where it stands in its operand. The list below instantiates the CPU's loops and CUDA's
// kernels.

struct Item {
  std::int64_t i, j, k;
  std::int64_t number;  ///< in row-major order: where the items are the output's elements, the place of its own
};
inline Item item_at(const IndexArgs& a, std::int64_t number) {
  const std::int64_t row = number / a.items[2];
  return {row / a.items[1], row % a.items[1], number % a.items[2], number};
}

/// out [rows, 1, classes] = 1 where k is labels[i] (int64), else 0.
template <class T>
struct OneHot {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check& check) const {
    const std::int64_t label = static_cast<const std::int64_t*>(a.in[0])[item.i];
    out[item.number] = check(label, item.i, a.items[2]) == item.k ? T(1) : T(0);
  }
};

}  // namespace index
}  // namespace

// X(name, Functor, types): `types` are those of the output, floating or any.
#define ELBO_INDEX_OPS(X) X(one_hot, OneHot, floating)

#define ELBO_INDEX_ENUM(op, ...) op,
enum class IndexOp : int { ELBO_INDEX_OPS(ELBO_INDEX_ENUM) };
#undef ELBO_INDEX_ENUM

}  // namespace elbo
