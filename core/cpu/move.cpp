#include <algorithm>
#include <cstring>

#include "../errors.h"
#include "../index_kernels.h"
#include "../parallel_for.h"
#include "cpu_kernels.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

// ---- boxes ---------------------------------------------------------------------------------------------------------

template <class T>
void copy_line(T* to, const T* from, int64_t n, int64_t to_step, int64_t from_step) {
  if (to_step == 1 && from_step == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
  } else if (to_step == 1 && from_step == 0) {
    std::fill_n(to, n, *from);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * to_step] = from[i * from_step];
  }
}

/// Line after line of the last dimension.
template <class T>
void copy_lines(const index::Box& box, T* to, const T* from) {
  const int last = box.rank - 1;
  const int64_t n = box.sizes[last];
  int64_t lines = 1;
  for (int d = 0; d < last; ++d) lines *= box.sizes[d];
  if (lines == 1) {  // cut the line itself
    parallel_for(n, 4 * element_grain, [&](int64_t begin, int64_t end) {
      copy_line(to + begin * box.to[last], from + begin * box.from[last], end - begin, box.to[last], box.from[last]);
    });
    return;
  }
  parallel_for(lines, grain_of(n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      copy_line(to + index::box_offset(i, box.sizes, box.to, last),
                from + index::box_offset(i, box.sizes, box.from, last), n, box.to[last], box.from[last]);
  });
}

/// The same where the last dimension lies side by side in `to` and the one before it in `from`: square tiles, so that
/// each line of memory that is fetched is used whole.
template <class T>
void copy_transposed(const index::Box& box, T* to, const T* from) {
  constexpr int64_t tile = 32;
  const int r = box.rank - 2, c = box.rank - 1;
  const int64_t rows = divide_up(box.sizes[r], tile), columns = divide_up(box.sizes[c], tile);
  int64_t planes = 1;
  for (int d = 0; d < r; ++d) planes *= box.sizes[d];
  parallel_for(planes * rows * columns, grain_of(tile * tile), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t plane = item / columns / rows, i0 = item / columns % rows * tile, j0 = item % columns * tile;
      const int64_t i1 = std::min(i0 + tile, box.sizes[r]), j1 = std::min(j0 + tile, box.sizes[c]);
      T* t = to + index::box_offset(plane, box.sizes, box.to, r);
      const T* f = from + index::box_offset(plane, box.sizes, box.from, r);
      for (int64_t i = i0; i < i1; ++i)
        for (int64_t j = j0; j < j1; ++j) t[i * box.to[r] + j] = f[i + j * box.from[c]];
    }
  });
}

template <class T>
void copy_box(index::Box box, void* to, const void* from) {
  if (box.transpose())
    copy_transposed(box, static_cast<T*>(to), static_cast<const T*>(from));
  else
    copy_lines(box, static_cast<T*>(to), static_cast<const T*>(from));
}

// ---- rows at indices -----------------------------------------------------------------------------------------------

/// Throws IndexError unless all of `indices` are in [0, n).
void check_indices(ConstView indices, int64_t n) {
  const int64_t* at = static_cast<const int64_t*>(indices.data);
  for (int64_t i = 0; i < indices.shape.numel(); ++i)
    ELBO_CHECK(at[i] >= 0 && at[i] < n, IndexError, "index ", at[i], " at position ", i, " is outside [0, ", n, ")");
}

template <class T>
void scatter_add_of(View gx, ConstView g, const int64_t* indices, int64_t k) {
  const int64_t outer = gx.shape[0], n = gx.shape[1], inner = gx.shape[2];
  constexpr int64_t strip = 64;
  const int64_t strips = divide_up(inner, strip);
  parallel_for(outer * strips, grain_of(std::max(k, n) * std::min(inner, strip)), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t o = item / strips, first = item % strips * strip, m = std::min(strip, inner - first);
      T* to = static_cast<T*>(gx.data) + o * n * inner + first;
      const T* from = static_cast<const T*>(g.data) + o * k * inner + first;
      for (int64_t i = 0; i < n; ++i) std::fill_n(to + i * inner, m, T(0));
      for (int64_t j = 0; j < m; ++j) index::scatter_add_column(to, from, indices, k, inner, j);
    }
  });
}

/// gather_pictures with draws, which are made where the pictures will be.
void gather_drawn(const Context& context, View out, ConstView pictures, ConstView indices, double scale, double shift,
                  const RandomArgs& draws) {
  const int64_t k = indices.shape.numel(), numel = out.shape.numel(), size = k == 0 ? 0 : numel / k;
  const int64_t offset = take_offset(draws), n = pictures.shape[0];
  const int64_t* at_indices = static_cast<const int64_t*>(indices.data);
  const auto* bytes = static_cast<const std::uint8_t*>(pictures.data);
  const auto fill = context.tables.random.fill[floating(out.dtype)];
  const ScaleBytesFn fn = context.tables.elementwise.scale_drawn_bytes[floating(out.dtype)];
  constexpr int64_t piece = 2048;  // a multiple of a random block's elements
  parallel_for(numel, piece, [&](int64_t first, int64_t last) {
    for (int64_t begin = first; begin < last; begin += piece) {
      const int64_t end = std::min(last, begin + piece);
      fill(RandomKind::uniform, out.data, begin, end, draws.seed, draws.stream, offset, 0);
      for (int64_t i = begin; i < end;) {
        const int64_t row = i / size, column = i % size, count = std::min(size - column, end - i);
        fn(count, at(out.data, i, out.dtype), bytes + index::gather_row(row, at_indices, k, n) * size + column, scale,
           shift);
        i += count;
      }
    }
  });
}

}  // namespace

void copy_strided(const Context&, DType dtype, const Shape& box, Strided to, ConstStrided from) {
  if (box.numel() == 0) return;
  const index::Box merged(box, to.steps, from.steps);
  switch (size_of(dtype)) {
    case 1:
      return copy_box<std::uint8_t>(merged, to.data, from.data);
    case 4:
      return copy_box<std::uint32_t>(merged, to.data, from.data);
    default:
      return copy_box<std::uint64_t>(merged, to.data, from.data);
  }
}

void gather(const Context&, View out, ConstView x, ConstView indices) {
  const int64_t n = x.shape[1], inner = x.shape[2], k = indices.shape.numel();
  check_indices(indices, n);
  if (out.shape.numel() == 0) return;
  const int64_t* at_indices = static_cast<const int64_t*>(indices.data);
  const std::size_t bytes = static_cast<std::size_t>(inner) * size_of(x.dtype);
  parallel_for(x.shape[0] * k, grain_of(inner), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      std::memcpy(at(out.data, row * inner, out.dtype),
                  at(x.data, index::gather_row(row, at_indices, k, n) * inner, x.dtype), bytes);
  });
}

void scatter_add(const Context&, View gx, ConstView g, ConstView indices) {
  check_indices(indices, gx.shape[1]);
  if (gx.shape.numel() == 0) return;
  const int64_t* at_indices = static_cast<const int64_t*>(indices.data);
  const int64_t k = indices.shape.numel();
  switch (gx.dtype) {
    case DType::float32:
      return scatter_add_of<float>(gx, g, at_indices, k);
    case DType::float64:
      return scatter_add_of<double>(gx, g, at_indices, k);
    case DType::uint8:
      return scatter_add_of<std::uint8_t>(gx, g, at_indices, k);
    case DType::int64:
      return scatter_add_of<int64_t>(gx, g, at_indices, k);
  }
}

void gather_pictures(const Context& context, View out, ConstView pictures, ConstView indices, double scale,
                     double shift, const RandomArgs* draws) {
  const int64_t n = pictures.shape[0], k = indices.shape.numel();
  check_indices(indices, n);
  if (draws) return gather_drawn(context, out, pictures, indices, scale, shift, *draws);
  if (out.shape.numel() == 0) return;
  const int64_t size = pictures.shape.numel() / n;
  const int64_t* at_indices = static_cast<const int64_t*>(indices.data);
  const ScaleBytesFn fn = context.tables.elementwise.scale_bytes[floating(out.dtype)];
  parallel_for(k, grain_of(size), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      fn(size, at(out.data, row * size, out.dtype),
         static_cast<const std::uint8_t*>(pictures.data) + index::gather_row(row, at_indices, k, n) * size, scale,
         shift);
  });
}

}  // namespace elbo::cpu_kernels
