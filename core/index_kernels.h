#pragma once
#include <type_traits>

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

/// How operands broadcast to an output, in as few dimensions as it takes: those of size 1 are left out, and neighbours
/// are merged where one step leads through both, in every operand. The last dimension's step is then 0 or 1 for every
/// operand. Made on the host.
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

/// A box to be copied (see Backend::copy_strided), in as few dimensions as it takes: those of size 1 are left out, and
/// neighbours are merged where one step leads through both, on both sides. Made on the host.
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
  /// Whether the last dimension's elements lie side by side in both arrays.
  bool in_lines() const { return to[rank - 1] == 1 && from[rank - 1] == 1; }
  /// Where `to` has the last dimension's elements side by side and `from` those of another one, as in a transpose,
  /// makes that one the last but one and returns true. The order of dimensions changes no result.
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

// ---- index kernels -------------------------------------------------------------------------------------------------
// What a work item of Backend::index does, in a functor over the output's element type. It writes elements of `out`
// that no other item writes or reads. `check(index, place, limit)` returns an index that was read from data; where it
// is outside [0, limit) it reports an IndexError and returns -1. `place` is where the index stands in its operand, for
// the message. The list below instantiates the CPU's loops and CUDA's kernels.

struct Item {
  std::int64_t i, j, k;
  std::int64_t number;  ///< in row-major order; with an item for each element of `out`, that element's place
};
inline Item item_at(const IndexArgs& a, std::int64_t number) {
  const std::int64_t row = number / a.items[2];
  return {row / a.items[1], row % a.items[1], number % a.items[2], number};
}

template <class T>
ELBO_HD inline const T* operand(const IndexArgs& a, int place) {
  return static_cast<const T*>(a.in[place]);
}

/// fn(T{}) with the element type of an operand that is not the output's.
template <class Fn>
ELBO_HD inline void with_type(std::int64_t dtype, const Fn& fn) {
  switch (static_cast<DType>(dtype)) {
    case DType::float32:
      return fn(float{});
    case DType::float64:
      return fn(double{});
    case DType::uint8:
      return fn(std::uint8_t{});
    case DType::int64:
      return fn(std::int64_t{});
  }
}

/// out [rows, 1, classes] = 1 where k is labels[i] (int64), else 0.
template <class T>
struct OneHot {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check& check) const {
    const std::int64_t label = operand<std::int64_t>(a, 0)[item.i];
    out[item.number] = check(label, item.i, a.items[2]) == item.k ? T(1) : T(0);
  }
};

// Along one axis, of which x and out have n elements, indices (int64) and source m.

/// out [outer, m, inner] = x [outer, n, inner] at indices [outer, m, inner]. Operands: indices, x. Numbers: n.
template <class T>
struct GatherAlong {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check& check) const {
    const std::int64_t n = a.numbers[0];
    const std::int64_t from = check(operand<std::int64_t>(a, 0)[item.number], item.number, n);
    out[item.number] = from < 0 ? T(0) : operand<T>(a, 1)[(item.i * n + from) * a.items[2] + item.k];
  }
};

/// a + b; of integers without a sign, so that it wraps around.
template <class T>
ELBO_HD inline T plus(T a, T b) {
  using Wide = std::conditional_t<std::is_same_v<T, std::int64_t>, std::uint64_t, T>;
  return static_cast<T>(static_cast<Wide>(a) + static_cast<Wide>(b));
}

/// out [outer, n, inner] = x, or 0 without it, then += source [outer, m, inner] at indices, in the order of m. An item
/// is a column [outer, 1, inner]. Operands: indices, source, x or none. Numbers: n, m.
template <class T>
struct ScatterAddAlong {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check& check) const {
    const std::int64_t n = a.numbers[0], m = a.numbers[1], inner = a.items[2];
    const T *source = operand<T>(a, 1), *x = operand<T>(a, 2);
    const std::int64_t column = item.i * n * inner + item.k;
    for (std::int64_t j = 0; j < n; ++j) out[column + j * inner] = x ? x[column + j * inner] : T(0);
    for (std::int64_t j = 0; j < m; ++j) {
      const std::int64_t place = (item.i * m + j) * inner + item.k;
      const std::int64_t to = check(operand<std::int64_t>(a, 0)[place], place, n);
      if (to >= 0) out[column + to * inner] = plus(out[column + to * inner], source[place]);
    }
  }
};

/// out [outer, n, inner] = the sums of x up to each element, or from each to the last. Summed in float64, as PyTorch
/// does on a CPU. An item is a column. Numbers: n, whether to go backwards.
template <class T>
struct Cumsum {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check&) const {
    const std::int64_t n = a.numbers[0], inner = a.items[2];
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t place = (item.i * n + (a.numbers[1] ? n - 1 - j : j)) * inner + item.k;
      sum += static_cast<double>(operand<T>(a, 0)[place]);
      out[place] = static_cast<T>(sum);
    }
  }
};

/// The best places of a column, in a heap whose root is the worst of them.
template <class T>
struct TopHeap {
  const T* x;
  std::int64_t* heap;
  std::int64_t step;  ///< from an element of either to the next
  bool largest;

  /// Whether element i comes before element j: NaN is larger than all, and of equal ones the first comes first.
  ELBO_HD bool before(std::int64_t i, std::int64_t j) const {
    const T a = x[i * step], b = x[j * step];
    if (a < b || a > b) return (a > b) == largest;
    if ((a != a) != (b != b)) return (a != a) == largest;
    return i < j;
  }
  ELBO_HD void put(std::int64_t at, std::int64_t place) const { heap[at * step] = place; }
  ELBO_HD std::int64_t get(std::int64_t at) const { return heap[at * step]; }
  /// Puts `place` where `at` is, or below, in a heap of `size`.
  ELBO_HD void sink(std::int64_t place, std::int64_t at, std::int64_t size) const {
    for (std::int64_t child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && before(get(child), get(child + 1))) ++child;
      if (before(get(child), place)) break;
      put(at, get(child));
      at = child;
    }
    put(at, place);
  }
  /// The k best of n, the best one first.
  ELBO_HD void sort(std::int64_t n, std::int64_t k) const {
    for (std::int64_t i = 0; i < k; ++i) put(i, i);
    for (std::int64_t i = k / 2; i-- > 0;) sink(get(i), i, k);
    for (std::int64_t i = k; i < n; ++i)
      if (before(i, get(0))) sink(i, 0, k);
    for (std::int64_t end = k - 1; end > 0; --end) {
      const std::int64_t last = get(end);
      put(end, get(0));
      sink(last, 0, end);
    }
  }
};

/// out [outer, k, inner] = the places of the k largest or smallest elements of x [outer, n, inner], any dtype, in
/// order. An item is a column [outer, 1, inner]; k > 0. Numbers: n, k, whether the largest, x's dtype.
template <class T>
struct TopPlaces {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check&) const {
    const std::int64_t n = a.numbers[0], k = a.numbers[1], inner = a.items[2];
    with_type(a.numbers[3], [&](auto type) {
      const auto* x = operand<decltype(type)>(a, 0) + item.i * n * inner + item.k;
      const TopHeap<decltype(type)> heap{x, out + item.i * k * inner + item.k, inner, a.numbers[2] != 0};
      heap.sort(n, k);
    });
  }
};

/// out [rows, 1, m] = the first place in a row of sums (float64) [rows, n], which do not fall, that reaches a mark
/// [rows, m]; the last place if none does. Operands: sums, marks. Numbers: n.
template <class T>
struct Reaching {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check&) const {
    const double* sums = operand<double>(a, 0) + item.i * a.numbers[0];
    const double mark = operand<double>(a, 1)[item.number];
    std::int64_t low = 0, high = a.numbers[0] - 1;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (sums[middle] < mark)
        low = middle + 1;
      else
        high = middle;
    }
    out[item.number] = low;
  }
};

// Windows over pictures: x [planes, h, w], out [planes, out_h, out_w].

struct Range {
  std::int64_t first, last;  ///< last is not in it
};

/// One side of a picture under windows. Numbers: five of the height, then five of the width.
struct PooledSide {
  std::int64_t size, out, kernel, stride, pad;
  ELBO_HD explicit PooledSide(const std::int64_t* n) : size(n[0]), out(n[1]), kernel(n[2]), stride(n[3]), pad(n[4]) {}
  /// The pixels that window `o` covers; there is at least one.
  ELBO_HD Range covered(std::int64_t o) const {
    const std::int64_t first = o * stride - pad, last = first + kernel;
    return {first > 0 ? first : 0, last < size ? last : size};
  }
  /// The windows that cover pixel `p`.
  ELBO_HD Range covering(std::int64_t p) const {
    const std::int64_t padded = p + pad, end = padded / stride + 1;
    return {padded < kernel ? 0 : (padded - kernel) / stride + 1, end < out ? end : out};
  }
};

/// The pixel of a plane that is the maximum of window (i, j): the first, or the last NaN, as in PyTorch.
template <class T>
ELBO_HD inline std::int64_t pooled_maximum(const T* plane, const PooledSide& h, const PooledSide& w, std::int64_t i,
                                           std::int64_t j) {
  const Range lines = h.covered(i), columns = w.covered(j);
  std::int64_t best = lines.first * w.size + columns.first;
  T most = plane[best];
  for (std::int64_t y = lines.first; y < lines.last; ++y)
    for (std::int64_t x = columns.first; x < columns.last; ++x) {
      const T value = plane[y * w.size + x];
      const bool better = (value > most) | (value != value);  // no branch, which nobody could foresee
      most = better ? value : most;
      best = better ? y * w.size + x : best;
    }
  return best;
}

template <class T>
struct MaxPool2d {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check&) const {
    const PooledSide h(a.numbers), w(a.numbers + 5);
    const T* plane = operand<T>(a, 0) + item.i * h.size * w.size;
    out[item.number] = plane[pooled_maximum(plane, h, w, item.j, item.k)];
  }
};

/// The pixels of x, of any floating dtype, whose values MaxPool2d gives. Number 10: x's dtype.
template <class T>
struct MaxPool2dPlaces {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check&) const {
    const PooledSide h(a.numbers), w(a.numbers + 5);
    with_type(a.numbers[10], [&](auto type) {
      const auto* plane = operand<decltype(type)>(a, 0) + item.i * h.size * w.size;
      out[item.number] = pooled_maximum(plane, h, w, item.j, item.k);
    });
  }
};

/// An item is a pixel of x. Operands: the gradient of the output, MaxPool2dPlaces.
template <class T>
struct MaxPool2dGrad {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* gx, const IndexArgs& a, const Check&) const {
    const PooledSide h(a.numbers), w(a.numbers + 5);
    const T* g = operand<T>(a, 0) + item.i * h.out * w.out;
    const std::int64_t* places = operand<std::int64_t>(a, 1) + item.i * h.out * w.out;
    const Range lines = h.covering(item.j), columns = w.covering(item.k);
    T sum = T(0);
    for (std::int64_t i = lines.first; i < lines.last; ++i)
      for (std::int64_t j = columns.first; j < columns.last; ++j)
        if (places[i * w.out + j] == item.j * w.size + item.k) sum += g[i * w.out + j];
    gx[item.number] = sum;
  }
};

/// The mean of a window, padding counted as 0.
template <class T>
struct AvgPool2d {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check&) const {
    const PooledSide h(a.numbers), w(a.numbers + 5);
    const T* plane = operand<T>(a, 0) + item.i * h.size * w.size;
    const Range lines = h.covered(item.j), columns = w.covered(item.k);
    T sum = T(0);
    for (std::int64_t y = lines.first; y < lines.last; ++y)
      for (std::int64_t x = columns.first; x < columns.last; ++x) sum += plane[y * w.size + x];
    out[item.number] = sum / (T(h.kernel) * T(w.kernel));
  }
};

/// An item is a pixel of x.
template <class T>
struct AvgPool2dGrad {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* gx, const IndexArgs& a, const Check&) const {
    const PooledSide h(a.numbers), w(a.numbers + 5);
    const T* g = operand<T>(a, 0) + item.i * h.out * w.out;
    const Range lines = h.covering(item.j), columns = w.covering(item.k);
    T sum = T(0);
    for (std::int64_t i = lines.first; i < lines.last; ++i)
      for (std::int64_t j = columns.first; j < columns.last; ++j) sum += g[i * w.out + j];
    gx[item.number] = sum / (T(h.kernel) * T(w.kernel));
  }
};

// Pictures of another size: x [planes, h, w], out [planes, out_h, out_w].

/// One side. Numbers: two of the height, then two of the width. Pixel o of `out` pixels has its place among the `size`
/// pixels of x at ((o + 1/2) size / out) - 1/2: PyTorch's align_corners = false. All of it is computed in whole
/// numbers.
struct ResizedSide {
  std::int64_t size, out;
  ELBO_HD explicit ResizedSide(const std::int64_t* n) : size(n[0]), out(n[1]) {}

  ELBO_HD std::int64_t nearest(std::int64_t o) const { return o * size / out; }
  /// The pixels o whose nearest is `p`.
  ELBO_HD Range nearest_to(std::int64_t p) const {
    return {(p * out + size - 1) / size, ((p + 1) * out + size - 1) / size};
  }

  /// The pixel before the place of o, and how far o lies behind it, in [0, 1).
  template <class T>
  ELBO_HD std::int64_t before(std::int64_t o, T* behind) const {
    const std::int64_t place = (2 * o + 1) * size - out, whole = place > 0 ? place : 0;
    *behind = T(whole % (2 * out)) / T(2 * out);
    return whole / (2 * out);
  }
  ELBO_HD std::int64_t after(std::int64_t p) const { return p + 1 < size ? p + 1 : p; }
  /// The weight of pixel p in pixel o.
  template <class T>
  ELBO_HD T weight(std::int64_t o, std::int64_t p) const {
    T behind;
    const std::int64_t first = before(o, &behind);
    return (first == p ? T(1) - behind : T(0)) + (after(first) == p ? behind : T(0));
  }
  /// The pixels o that pixel p may have a weight in.
  ELBO_HD Range reading(std::int64_t p) const {
    const std::int64_t low = (2 * p - 1) * out - size, high = (2 * p + 3) * out - size;
    const std::int64_t end = high < 0 ? 0 : high / (2 * size) + 1;
    return {low < 0 ? 0 : low / (2 * size), end < out ? end : out};
  }
};

template <class T>
struct UpsampleNearest2d {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check&) const {
    const ResizedSide h(a.numbers), w(a.numbers + 2);
    out[item.number] = operand<T>(a, 0)[(item.i * h.size + h.nearest(item.j)) * w.size + w.nearest(item.k)];
  }
};

/// An item is a pixel of x.
template <class T>
struct UpsampleNearest2dGrad {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* gx, const IndexArgs& a, const Check&) const {
    const ResizedSide h(a.numbers), w(a.numbers + 2);
    const T* g = operand<T>(a, 0) + item.i * h.out * w.out;
    const Range lines = h.nearest_to(item.j), columns = w.nearest_to(item.k);
    T sum = T(0);
    for (std::int64_t i = lines.first; i < lines.last; ++i)
      for (std::int64_t j = columns.first; j < columns.last; ++j) sum += g[i * w.out + j];
    gx[item.number] = sum;
  }
};

template <class T>
struct UpsampleBilinear2d {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* out, const IndexArgs& a, const Check&) const {
    const ResizedSide h(a.numbers), w(a.numbers + 2);
    T down, right;
    const std::int64_t top = h.before(item.j, &down), left = w.before(item.k, &right);
    const std::int64_t bottom = h.after(top), other = w.after(left);
    const T* plane = operand<T>(a, 0) + item.i * h.size * w.size;
    const T above = (T(1) - right) * plane[top * w.size + left] + right * plane[top * w.size + other];
    const T below = (T(1) - right) * plane[bottom * w.size + left] + right * plane[bottom * w.size + other];
    out[item.number] = (T(1) - down) * above + down * below;
  }
};

/// An item is a pixel of x.
template <class T>
struct UpsampleBilinear2dGrad {
  template <class Check>
  ELBO_HD void operator()(const Item& item, T* gx, const IndexArgs& a, const Check&) const {
    const ResizedSide h(a.numbers), w(a.numbers + 2);
    const T* g = operand<T>(a, 0) + item.i * h.out * w.out;
    const Range lines = h.reading(item.j), columns = w.reading(item.k);
    T sum = T(0);
    for (std::int64_t i = lines.first; i < lines.last; ++i) {
      const T weight = h.weight<T>(i, item.j);
      for (std::int64_t j = columns.first; j < columns.last; ++j)
        sum += g[i * w.out + j] * (weight * w.weight<T>(j, item.k));
    }
    gx[item.number] = sum;
  }
};

}  // namespace index
}  // namespace

// X(name, Functor, types): `types` are those of the output: floating, any, or places, which are int64.
#define ELBO_INDEX_OPS(X)                                     \
  X(one_hot, OneHot, floating)                                \
  X(gather_along, GatherAlong, any)                           \
  X(scatter_add_along, ScatterAddAlong, any)                  \
  X(cumsum, Cumsum, floating)                                 \
  X(top_places, TopPlaces, places)                            \
  X(reaching, Reaching, places)                               \
  X(max_pool2d, MaxPool2d, floating)                          \
  X(max_pool2d_places, MaxPool2dPlaces, places)               \
  X(max_pool2d_grad, MaxPool2dGrad, floating)                 \
  X(avg_pool2d, AvgPool2d, floating)                          \
  X(avg_pool2d_grad, AvgPool2dGrad, floating)                 \
  X(upsample_nearest2d, UpsampleNearest2d, floating)          \
  X(upsample_nearest2d_grad, UpsampleNearest2dGrad, floating) \
  X(upsample_bilinear2d, UpsampleBilinear2d, floating)        \
  X(upsample_bilinear2d_grad, UpsampleBilinear2dGrad, floating)

#define ELBO_INDEX_ENUM(op, ...) op,
enum class IndexOp : int { ELBO_INDEX_OPS(ELBO_INDEX_ENUM) };
#undef ELBO_INDEX_ENUM

}  // namespace elbo
