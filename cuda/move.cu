#include <algorithm>

#include "../core/index_kernels.h"
#include "cuda_kernels.h"
#include "draw.h"
#include "errands.h"

namespace elbo::cuda {
namespace {

using std::int64_t;
using std::uint8_t;

// ---- boxes ---------------------------------------------------------------------------------------------------------

using index::Box;

/// Where element i (row-major) of the first `rank` dimensions of a box lies on both sides.
struct Place {
  int64_t to, from;
};
__device__ inline Place place_of(const Box& box, int64_t i, int rank) {
  Place place{0, 0};
  for (int d = rank - 1; d >= 0; --d) {
    const int64_t rest = divide(i, box.sizes[d]), coordinate = i - rest * box.sizes[d];
    place.to += coordinate * box.to[d];
    place.from += coordinate * box.from[d];
    i = rest;
  }
  return place;
}

template <class T>
__global__ void copy_kernel(Box box, T* to, const T* from) {
  wait_for_earlier();
  const int64_t i = thread_index();
  if (i >= box.numel) return;
  const Place place = place_of(box, i, box.rank);
  to[place.to] = from[place.from];
}

constexpr unsigned tile = 32, tile_lines = 8;

/// The last dimension lies side by side in `to`, the one before it in `from`: square tiles go through shared memory, so
/// that both sides are walked along their lines. A block of 32 x 8 threads a tile.
template <class T>
__global__ void transpose_kernel(Box box, T* to, const T* from) {
  wait_for_earlier();
  __shared__ T kept[tile][tile + 1];  // one more, so that a column lies in as many banks as a line
  const int r = box.rank - 2, c = box.rank - 1;
  const int64_t tiles_down = (box.sizes[r] + tile - 1) / tile, tiles_across = (box.sizes[c] + tile - 1) / tile;
  const int64_t strip = divide(blockIdx.x, tiles_across), plane = divide(strip, tiles_down);
  const int64_t i0 = (strip - plane * tiles_down) * tile, j0 = (blockIdx.x - strip * tiles_across) * tile;
  const Place place = place_of(box, plane, r);
  for (unsigned line = threadIdx.y; line < tile; line += tile_lines) {
    const int64_t i = i0 + threadIdx.x, j = j0 + line;
    if (i < box.sizes[r] && j < box.sizes[c]) kept[line][threadIdx.x] = from[place.from + i + j * box.from[c]];
  }
  __syncthreads();
  for (unsigned line = threadIdx.y; line < tile; line += tile_lines) {
    const int64_t i = i0 + line, j = j0 + threadIdx.x;
    if (i < box.sizes[r] && j < box.sizes[c]) to[place.to + i * box.to[r] + j] = kept[threadIdx.x][line];
  }
}

template <class T>
void copy_box(const Context& context, Box box, void* to, const void* from) {
  T* out = static_cast<T*>(to);
  const T* in = static_cast<const T*>(from);
  if (box.transpose()) {
    const int last = box.rank - 1;
    const int64_t down = (box.sizes[last - 1] + tile - 1) / tile, across = (box.sizes[last] + tile - 1) / tile;
    const int64_t planes = box.numel / (box.sizes[last - 1] * box.sizes[last]);
    return launch(context.stream, transpose_kernel<T>, blocks_for(planes * down * across, 1), dim3(tile, tile_lines),
                  box, out, in);
  }
  launch(context.stream, copy_kernel<T>, blocks_for(box.numel), block_threads, box, out, in);
}

// ---- rows of bytes, moved in units as large as sizes and addresses allow -------------------------------------------

struct alignas(16) Sixteen {
  std::uint64_t low, high;
};

/// fn(T{}) with the largest T of 16, 8, 4 or 1 bytes that divides `bits`: sizes and addresses in bytes, or'ed together.
template <class Fn>
void for_unit(std::uintptr_t bits, const Fn& fn) {
  if (bits % 16 == 0) return fn(Sixteen{});
  if (bits % 8 == 0) return fn(std::uint64_t{});
  if (bits % 4 == 0) return fn(std::uint32_t{});
  fn(uint8_t{});
}
std::uintptr_t address(const void* data) { return reinterpret_cast<std::uintptr_t>(data); }

/// Copies a box of lines, `size` bytes an element.
void copy_lines(const Context& context, Box box, int64_t size, void* to, const void* from) {
  const int last = box.rank - 1;
  std::uintptr_t bits = address(to) | address(from) | static_cast<std::uintptr_t>(box.sizes[last] * size);
  for (int d = 0; d < last; ++d) bits |= static_cast<std::uintptr_t>((box.to[d] | box.from[d]) * size);
  for_unit(bits, [&]<class T>(T) {
    const auto in_units = [&](int64_t elements) { return elements * size / static_cast<int64_t>(sizeof(T)); };
    box.sizes[last] = in_units(box.sizes[last]);
    box.numel = in_units(box.numel);
    for (int d = 0; d < last; ++d) box.to[d] = in_units(box.to[d]), box.from[d] = in_units(box.from[d]);
    launch(context.stream, copy_kernel<T>, blocks_for(box.numel), block_threads, box, static_cast<T*>(to),
           static_cast<const T*>(from));
  });
}

// ---- rows at indices -----------------------------------------------------------------------------------------------

/// Where nothing is moved, indices are still looked at.
__global__ void check_kernel(const int64_t* indices, int64_t k, int64_t limit, DataFault* fault) {
  wait_for_earlier();
  const int64_t i = thread_index();
  if (i < k) checked_index(indices[i], i, limit, fault);
}
void check_indices(const Context& context, const ConstView& indices, int64_t limit) {
  const int64_t k = indices.shape.numel();
  launch(context.stream, check_kernel, blocks_for(k), block_threads, static_cast<const int64_t*>(indices.data), k,
         limit, context.data_fault);
}

/// The indices of a batch: those from *first on, 0 where that is null, of `all`.
struct Picks {
  const int64_t *indices, *first;
  int64_t all;
  DataFault* fault;

  /// The one at `place`, which is in [0, limit) or reported.
  __device__ int64_t at(int64_t place, int64_t limit) const {
    const int64_t from = first ? checked_index(*first + place, place, all, fault) : place;
    return checked_index(indices[from], place, limit, fault);
  }
};
Picks picks(const Context& context, const ConstView& indices, const int64_t* first) {
  return {static_cast<const int64_t*>(indices.data), first, indices.shape.numel(), context.data_fault};
}

/// One unit of out [outer, k, inner] a thread.
template <class T>
__global__ void gather_kernel(T* out, const T* x, Picks picks, int64_t total, int64_t n, int64_t k, int64_t inner) {
  wait_for_earlier();
  const int64_t i = thread_index();
  if (i >= total) return;
  const int64_t row = divide(i, inner), outer = divide(row, k), place = row - outer * k;
  const int64_t index = picks.at(place, n);
  out[i] = n > 0 ? x[(outer * n + index) * inner + (i - row * inner)] : T{};
}

constexpr unsigned warp = 32;

/// A warp sums a strip of 32 elements of one row of gx [outer, n, inner]: its threads look through the indices side by
/// side, then add the rows of g [outer, k, inner] that belong here, in the order of k, starting from 0. These are the
/// sums of index::scatter_add_column, by output instead of by input.
template <class T>
__global__ void scatter_add_kernel(T* gx, const T* g, const int64_t* indices, int64_t outer, int64_t n, int64_t k,
                                   int64_t inner, DataFault* fault) {
  wait_for_earlier();
  const int64_t strips = (inner + warp - 1) / warp, item = thread_index() / warp;
  if (item >= outer * n * strips) return;
  const unsigned lane = threadIdx.x % warp;
  const int64_t row = divide(item, strips), column = (item - row * strips) * warp + lane;
  const int64_t o = divide(row, n), here = row - o * n;
  T sum = T(0);
  for (int64_t first = 0; first < k; first += warp) {
    const int64_t j = first + lane;
    bool found = false;
    if (j < k) {
      // An index outside counts as 0, so the warps of row 0 meet them all.
      const int64_t index = here == 0 ? checked_index(indices[j], j, n, fault) : indices[j];
      found = index == here;
    }
    for (unsigned rows = __ballot_sync(0xffffffffu, found); rows != 0; rows &= rows - 1) {
      const int64_t from = first + __ffs(static_cast<int>(rows)) - 1;
      if (column < inner) sum = static_cast<T>(sum + g[(o * k + from) * inner + column]);
    }
  }
  if (column < inner) gx[row * inner + column] = sum;
}

// ---- pictures ------------------------------------------------------------------------------------------------------

struct Pictures {
  const uint8_t* bytes;
  Picks picks;
  int64_t count, size, total;  // how many, bytes of each, elements of the output
};

/// Byte i of the pictures at the indices, one after the other.
__device__ inline const uint8_t* picture_byte(const Pictures& p, int64_t i) {
  const int64_t row = divide(i, p.size);
  return p.bytes + p.picks.at(row, p.count) * p.size + (i - row * p.size);
}

/// Four elements of out a thread. `in_rows`: they lie in one picture, whose rows are aligned. draws.offset is null for
/// none.
template <class T>
__global__ void gather_pictures_kernel(T* out, Pictures p, T scale, T shift, bool in_rows, bool whole_out,
                                       RandomArgs draws, unsigned* ticket, Errands errands) {
  wait_for_earlier();
  if (runs_errands(errands)) return;
  const int64_t group = thread_index(), first = per_thread * group;
  if (first < p.total && p.count > 0) {
    Pack<uint8_t, per_thread> bytes{};
    if (in_rows) {
      bytes = load(picture_byte(p, first), 0, per_thread, true);
    } else {
      for (int i = 0; i < per_thread; ++i)
        if (first + i < p.total) bytes.values[i] = *picture_byte(p, first + i);
    }
    Pack<T, per_thread> result;
    for (int i = 0; i < per_thread; ++i) result.values[i] = static_cast<T>(bytes.values[i]);
    if (draws.offset) {
      const auto drawn = four_numbers(RandomKind::uniform, source_of(draws), group, T(0));
      for (int i = 0; i < per_thread; ++i)
        result.values[i] = drawn.values[i] < result.values[i] / T(255) ? T(255) : T(0);
    }
    for (int i = 0; i < per_thread; ++i) result.values[i] = result.values[i] * scale + shift;
    store(out, first, p.total, whole_out, result);
  }
  if (draws.offset) advance(draws.offset, ticket, errands.count > 0 ? gridDim.x - 1 : gridDim.x);
}

}  // namespace

void copy_strided(const Context& context, DType dtype, const Shape& shape, Strided to, ConstStrided from) {
  if (shape.numel() == 0) return;
  const Box box(shape, to.steps, from.steps);
  const std::size_t size = size_of(dtype);
  if (box.in_lines() && box.rank == 1) {
    const std::size_t bytes = static_cast<std::size_t>(box.numel) * size;
    return check(cudaMemcpyAsync(to.data, from.data, bytes, cudaMemcpyDeviceToDevice, context.stream),
                 "cudaMemcpyAsync");
  }
  if (box.in_lines()) return copy_lines(context, box, static_cast<int64_t>(size), to.data, from.data);
  if (size == 1) return copy_box<uint8_t>(context, box, to.data, from.data);
  if (size == 4) return copy_box<std::uint32_t>(context, box, to.data, from.data);
  copy_box<std::uint64_t>(context, box, to.data, from.data);
}

void gather(const Context& context, View out, ConstView x, ConstView indices, const int64_t* first) {
  const int64_t n = x.shape[1], k = out.shape[1];
  if (out.shape.numel() == 0) return check_indices(context, indices, n);
  const int64_t row = x.shape[2] * static_cast<int64_t>(size_of(x.dtype));
  for_unit(address(out.data) | address(x.data) | static_cast<std::uintptr_t>(row), [&]<class T>(T) {
    const int64_t inner = row / static_cast<int64_t>(sizeof(T)), total = x.shape[0] * k * inner;
    launch(context.stream, gather_kernel<T>, blocks_for(total), block_threads, static_cast<T*>(out.data),
           static_cast<const T*>(x.data), picks(context, indices, first), total, n, k, inner);
  });
}

void scatter_add(const Context& context, View gx, ConstView g, ConstView indices) {
  const int64_t outer = gx.shape[0], n = gx.shape[1], inner = gx.shape[2], k = indices.shape.numel();
  if (gx.shape.numel() == 0) return check_indices(context, indices, n);
  for_any(gx.dtype, [&]<class T>(T) {
    const int64_t warps = outer * n * ((inner + warp - 1) / warp);
    launch(context.stream, scatter_add_kernel<T>, blocks_for(warps, block_threads / warp), block_threads,
           static_cast<T*>(gx.data), static_cast<const T*>(g.data), static_cast<const int64_t*>(indices.data), outer, n,
           k, inner, context.data_fault);
  });
}

void gather_pictures(const Context& context, View out, ConstView pictures, ConstView indices, const BatchArgs& args) {
  const int64_t k = out.shape[0], total = out.shape.numel();
  const Pictures p{static_cast<const uint8_t*>(pictures.data), picks(context, indices, args.first), pictures.shape[0],
                   k == 0 ? 0 : total / k, total};
  if (total == 0 || p.count == 0) check_indices(context, indices, p.count);
  const RandomArgs drawn = args.draws ? *args.draws : RandomArgs{};
  const unsigned blocks = pack_blocks(total);
  const Errands errands = errands_of(context, args.errands);
  for_floating(out.dtype, [&]<class T>(T) {
    T* to = static_cast<T*>(out.data);
    const bool in_rows = p.size % per_thread == 0 && aligned(p.bytes);
    launch(context.stream, gather_pictures_kernel<T>, with_errands(args.draws ? std::max(blocks, 1u) : blocks, errands),
           block_threads, to, p, static_cast<T>(args.scale), static_cast<T>(args.shift), in_rows, aligned(to), drawn,
           context.ticket, errands);
  });
}

}  // namespace elbo::cuda
