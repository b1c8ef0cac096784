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

/// Lines of up to this many bytes are copied in loops of our own: a call for each would take longer.
constexpr int64_t short_line = 256;

/// One line of `n` elements.
template <class T>
void copy_line(const MoveTable& table, T* to, const T* from, int64_t n, int64_t to_step, int64_t from_step) {
  if (to_step == 1 && from_step == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
  } else if (to_step == 1 && from_step == 0) {
    table.fill[size_index(sizeof(T))](to, from, n);
  } else if (to_step == 1) {
    table.lines[size_index(sizeof(T))](to, 0, from, 0, from_step, 1, n);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * to_step] = from[i * from_step];
  }
}

/// Line after line of the last dimension.
template <class T>
void copy_lines(const MoveTable& table, const index::Box& box, T* to, const T* from) {
  const int last = box.rank - 1;
  const int64_t n = box.sizes[last], to_next = box.to[last], from_next = box.from[last];
  if (last == 0) {  // cut the line itself
    parallel_for(n, 4 * element_grain, [&](int64_t begin, int64_t end) {
      copy_line(table, to + begin * to_next, from + begin * from_next, end - begin, to_next, from_next);
    });
    return;
  }
  const bool as_it_lies = from_next == 0 || from_next == 1;
  const bool by_table = to_next == 1 && (!as_it_lies || n * int64_t{sizeof(T)} <= short_line);
  const int64_t group = box.sizes[last - 1], to_step = box.to[last - 1], from_step = box.from[last - 1];
  parallel_for(box.numel / n, grain_of(n), [&](int64_t begin, int64_t end) {
    while (begin < end) {  // lines that are one step apart
      const int64_t first = begin % group, lines = std::min(group - first, end - begin);
      T* t = to + index::box_offset(begin / group, box.sizes, box.to, last - 1) + first * to_step;
      const T* f = from + index::box_offset(begin / group, box.sizes, box.from, last - 1) + first * from_step;
      begin += lines;
      if (by_table) {
        table.lines[size_index(sizeof(T))](t, to_step, f, from_step, from_next, lines, n);
        continue;
      }
      for (int64_t i = 0; i < lines; ++i) copy_line(table, t + i * to_step, f + i * from_step, n, to_next, from_next);
    }
  });
}

/// A side of n elements in tiles of at least `size`, the last of which takes what is left over.
struct Tiles {
  int64_t n, size, count;
  Tiles(int64_t elements, int64_t least) : n(elements), size(least), count(std::max<int64_t>(1, elements / least)) {}
  int64_t begin(int64_t i) const { return i * size; }
  int64_t length(int64_t i) const { return i + 1 == count ? n - i * size : size; }
};

/// The same where the last dimension lies side by side in `to` and the one before it in `from`: tiles, so that each
/// line of memory that is fetched is used whole.
template <class T>
void copy_transposed(const MoveTable& table, const index::Box& box, T* to, const T* from) {
  constexpr int64_t tile = 128;
  const int r = box.rank - 2, c = box.rank - 1;
  const int64_t height = box.sizes[r], width = box.sizes[c];
  // Where one side is short, the other one is long instead.
  const Tiles rows(height, std::max(tile, tile * tile / width)), columns(width, std::max(tile, tile * tile / height));
  const auto run_tile = [&](int64_t item) {
    const int64_t plane = item / columns.count / rows.count;
    const int64_t i = item / columns.count % rows.count, j = item % columns.count;
    T* t = to + index::box_offset(plane, box.sizes, box.to, r) + rows.begin(i) * box.to[r] + columns.begin(j);
    const T* f =
        from + index::box_offset(plane, box.sizes, box.from, r) + rows.begin(i) + columns.begin(j) * box.from[c];
    table.transpose[size_index(sizeof(T))](t, box.to[r], f, box.from[c], rows.length(i), columns.length(j));
  };
  parallel_for(box.numel / (height * width) * rows.count * columns.count,
               grain_of(std::min(height, rows.size) * std::min(width, columns.size)), [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) run_tile(item);
               });
}

template <class T>
void copy_box(const MoveTable& table, index::Box box, void* to, const void* from) {
  if (box.transpose())
    copy_transposed(table, box, static_cast<T*>(to), static_cast<const T*>(from));
  else
    copy_lines(table, box, static_cast<T*>(to), static_cast<const T*>(from));
}

// ---- rows at indices -----------------------------------------------------------------------------------------------

/// Throws IndexError unless all of `indices` are in [0, n).
void check_indices(ConstView indices, int64_t n) {
  const int64_t *at = static_cast<const int64_t*>(indices.data), k = indices.shape.numel();
  const auto inside = [n](int64_t i) { return static_cast<std::uint64_t>(i) < static_cast<std::uint64_t>(n); };
  bool all = true;
  for (int64_t i = 0; i < k; ++i) all &= inside(at[i]);
  if (all) return;
  const int64_t i = std::find_if_not(at, at + k, inside) - at;
  ELBO_CHECK(false, IndexError, "index ", at[i], " at position ", i, " is outside [0, ", n, ")");
}

/// The `count` indices from *first on, which must be there; without `first`, all.
ConstView picked(ConstView indices, const int64_t* first, int64_t count) {
  if (!first) return indices;
  const int64_t least = 0, most = indices.shape.numel() - count;
  ELBO_CHECK(*first >= least && *first <= most, IndexError, "index ", *first, " of the first of ", count,
             " is outside [0, ", most + 1, ")");
  return {static_cast<const int64_t*>(indices.data) + *first, Shape{count}, indices.dtype};
}

/// Rows [begin, end) of out [outer * k, inner].
template <class T>
void gather_rows(T* out, const T* x, const int64_t* indices, int64_t n, int64_t k, int64_t inner, int64_t begin,
                 int64_t end) {
  const std::size_t bytes = static_cast<std::size_t>(inner) * sizeof(T);
  while (begin < end) {  // rows of one outer x
    const int64_t first = begin % k, last = std::min(k, first + end - begin);
    const T* from = x + begin / k * n * inner;
    T* to = out + (begin - first) * inner;
    begin += last - first;
    if (inner == 1)
      for (int64_t j = first; j < last; ++j) to[j] = from[indices[j]];
    else
      for (int64_t j = first; j < last; ++j) std::memcpy(to + j * inner, from + indices[j] * inner, bytes);
  }
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

void copy_strided(const Context& context, DType dtype, const Shape& box, Strided to, ConstStrided from) {
  if (box.numel() == 0) return;
  const index::Box merged(box, to.steps, from.steps);
  switch (size_of(dtype)) {
    case 1:
      return copy_box<std::uint8_t>(context.tables.move, merged, to.data, from.data);
    case 4:
      return copy_box<std::uint32_t>(context.tables.move, merged, to.data, from.data);
    default:
      return copy_box<std::uint64_t>(context.tables.move, merged, to.data, from.data);
  }
}

void gather(const Context&, View out, ConstView x, ConstView all_indices, const int64_t* first) {
  const ConstView indices = picked(all_indices, first, out.shape[1]);
  const int64_t n = x.shape[1], inner = x.shape[2], k = indices.shape.numel();
  check_indices(indices, n);
  if (out.shape.numel() == 0) return;
  const auto rows_of = [&]<class T>(T) {
    parallel_for(x.shape[0] * k, grain_of(inner), [&](int64_t begin, int64_t end) {
      gather_rows(static_cast<T*>(out.data), static_cast<const T*>(x.data), static_cast<const int64_t*>(indices.data),
                  n, k, inner, begin, end);
    });
  };
  if (size_of(x.dtype) == 1) return rows_of(std::uint8_t{});
  if (size_of(x.dtype) == 4) return rows_of(std::uint32_t{});
  rows_of(std::uint64_t{});
}

void scatter_add(const Context& context, View gx, ConstView g, ConstView indices) {
  const int64_t outer = gx.shape[0], n = gx.shape[1], inner = gx.shape[2], k = indices.shape.numel();
  check_indices(indices, n);
  if (gx.shape.numel() == 0) return;
  const auto add_rows = context.tables.move.add_rows[static_cast<int>(gx.dtype)];
  constexpr int64_t strip = 64;
  const int64_t strips = divide_up(inner, strip);
  parallel_for(outer * strips, grain_of(std::max(k, n) * std::min(inner, strip)), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t o = item / strips, first = item % strips * strip, m = std::min(strip, inner - first);
      void* to = at(gx.data, o * n * inner + first, gx.dtype);
      const std::size_t bytes = static_cast<std::size_t>(m) * size_of(gx.dtype);
      if (m == inner)
        std::memset(to, 0, static_cast<std::size_t>(n) * bytes);
      else
        for (int64_t i = 0; i < n; ++i) std::memset(at(to, i * inner, gx.dtype), 0, bytes);
      add_rows(to, at(g.data, o * k * inner + first, g.dtype), static_cast<const int64_t*>(indices.data), k, inner, m);
    }
  });
}

void gather_pictures(const Context& context, View out, ConstView pictures, ConstView all_indices,
                     const BatchArgs& args) {
  const ConstView indices = picked(all_indices, args.first, out.shape[0]);
  const int64_t n = pictures.shape[0], k = indices.shape.numel();
  const double scale = args.scale, shift = args.shift;
  check_indices(indices, n);
  if (args.draws) return gather_drawn(context, out, pictures, indices, scale, shift, *args.draws);
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
