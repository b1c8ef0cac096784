#pragma once
#include "context.h"
#include "launch.h"

/// Reductions within a block, and over a whole array in one launch. All sums are trees whose shape follows from the
/// sizes of the array alone, so that they have the same bits every time and on every GPU.
namespace elbo::cuda {

/// Which elements make up each output. Element (i, j) of output c, i < a, j < b, is at
/// c / inner * block + c % inner + i * step + j.
struct Lines {
  std::int64_t outputs, inner, block, a, step, b;
};

/// x [outer, n, inner] along n.
inline Lines lines_along(const Shape& x) { return {x[0] * x[2], x[2], x[1] * x[2], x[1], x[2], 1}; }
/// The groups of x [a, groups, b], in elements of x.
inline Lines lines_of_groups(std::int64_t a, std::int64_t groups, std::int64_t b) {
  if (a == 1) return {groups, 1, b, b, 1, 1};
  if (b == 1) return {groups, groups, 0, a, groups, 1};
  return {groups, 1, b, a, groups * b, b};
}

inline Lines lines_of_groups(const Shape& x) { return lines_of_groups(x[0], x[1], x[2]); }

/// How blocks and threads divide the work: a block takes `columns` neighbouring outputs, and `slices` threads each of
/// them, `slices_j` of which side by side along j. All are powers of 2. Each output is also cut in chunks_i * chunks_j
/// pieces, a block for each.
struct Cut {
  int columns, slices, slices_j;
  bool along_slices;  ///< neighbouring threads are slices of one output, not neighbouring outputs
  std::int64_t chunks_i, chunks_j, chunk_a, chunk_b;

  std::int64_t chunks() const { return chunks_i * chunks_j; }
  dim3 threads() const { return dim3(static_cast<unsigned>(columns * slices)); }
};

namespace detail {

/// The smallest power of 2 that is at least n, within [1, most].
inline int power_of_2(std::int64_t n, int most) {
  int power = 1;
  while (power < n && power < most) power *= 2;
  return power;
}
inline std::int64_t divide_up(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }
inline std::int64_t between(std::int64_t low, std::int64_t n, std::int64_t high) {
  return n < low ? low : n > high ? high : n;
}

}  // namespace detail

/// The cut of `lines`, by their sizes alone. Few outputs of many elements are cut in chunks if `chunked`.
inline Cut cut_lines(const Lines& lines, bool chunked) {
  using namespace detail;
  constexpr int most = static_cast<int>(block_threads);
  constexpr std::int64_t thread_elements = 4;         // loaded at once
  constexpr std::int64_t chunk_elements = 8 * most;   // at least so many in a block
  constexpr std::int64_t uncut_elements = 16 * most;  // so many are not worth a second phase
  constexpr std::int64_t most_blocks = 1024;          // of a reduction in chunks

  const std::int64_t n = lines.a * lines.b;
  Cut cut{};
  cut.along_slices = lines.inner == 1;
  // Threads side by side on columns read whole sectors of 32 bytes with 8 columns; more columns where there are many.
  const int most_slices = cut.along_slices ? most : lines.outputs >= 4096 ? 8 : 32;
  cut.slices = power_of_2(divide_up(n, thread_elements), most_slices);
  cut.columns = power_of_2(lines.outputs, most / cut.slices);
  cut.slices = power_of_2(divide_up(n, thread_elements), most / cut.columns);
  cut.slices_j = power_of_2(lines.b, cut.slices);

  const std::int64_t tiles = divide_up(lines.outputs, cut.columns), work = n * cut.columns;
  std::int64_t chunks = 1;
  if (chunked && work > uncut_elements)
    chunks = between(1, divide_up(work, chunk_elements), tiles < most_blocks ? most_blocks / tiles : 1);
  cut.chunk_a = lines.a > 0 ? divide_up(lines.a, between(1, chunks, lines.a)) : 0;
  cut.chunks_i = cut.chunk_a > 0 ? divide_up(lines.a, cut.chunk_a) : 1;
  const std::int64_t chunks_j = between(1, chunks / cut.chunks_i, divide_up(lines.b, cut.slices_j));
  cut.chunk_b = lines.b > 0 ? divide_up(lines.b, chunks_j) : 0;
  cut.chunks_j = cut.chunk_b > 0 ? divide_up(lines.b, cut.chunk_b) : 1;
  return cut;
}

/// Where a thread sits in its block: at slice `slice` of column `column`.
struct Seat {
  int column, slice, slices;
  int first, next;  ///< the thread of slice 0 of this column, and how far it is from a slice's thread to the next's
};
__device__ inline Seat take_seat(int columns, int slices, bool along_slices) {
  const int t = static_cast<int>(threadIdx.x);
  if (along_slices) return {t / slices, t % slices, slices, t - t % slices, 1};
  return {t % columns, t / columns, slices, t % columns, columns};
}

/// The total of `mine` over the slices of each column, for all of their threads. All threads of the block call it.
template <class Acc, class Combine>
__device__ Acc column_total(const Seat& seat, Acc mine, const Combine& combine) {
  __shared__ Acc shared[block_threads];
  const int t = static_cast<int>(threadIdx.x);
  __syncthreads();  // an earlier total has been read
  shared[t] = mine;
  __syncthreads();
  for (int half = seat.slices / 2; half > 0; half /= 2) {
    if (seat.slice < half) shared[t] = combine(shared[t], shared[t + half * seat.next]);
    __syncthreads();
  }
  return shared[seat.first];
}

/// One thread's share: the total of term(i) over i = begin, begin + step, ... < end. `start` combined with a value is
/// that value. Four at a time, so that four loads are on their way together; past the end the first is loaded again.
template <class Acc, class Term, class Combine>
__device__ Acc fold(std::int64_t begin, std::int64_t end, std::int64_t step, Acc start, const Term& term,
                    const Combine& combine) {
  Acc acc = start;
#pragma unroll 1  // four loads of each thread are enough, and leave registers for more threads
  for (std::int64_t i = begin; i < end; i += 4 * step) {
    Acc part[4];
    for (int u = 0; u < 4; ++u) {
      const std::int64_t k = i + u * step;
      const Acc value = term(k < end ? k : i);
      part[u] = k < end ? value : start;
    }
    acc = combine(acc, combine(combine(part[0], part[1]), combine(part[2], part[3])));
  }
  return acc;
}

/// The place of output c's element (0, 0).
__device__ inline std::int64_t line_begin(const Lines& lines, std::int64_t c) {
  return lines.inner == 1 ? c * lines.block : c / lines.inner * lines.block + c % lines.inner;
}

struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
/// The larger (sign 1) or smaller (sign -1) of two; NaN wins.
template <int sign>
struct Extreme {
  template <class T>
  __device__ T operator()(T a, T b) const {
    const bool better = sign > 0 ? b > a : b < a;
    return better || b != b ? b : a;
  }
};
/// Two sums at once.
struct Pair {
  double first, second;
};
struct SumPairs {
  __device__ Pair operator()(Pair a, Pair b) const { return {a.first + b.first, a.second + b.second}; }
};

/// What a reduction computes is a Job:
///   Acc, Combine       a partial result, and what combines two
///   Acc start()        which changes nothing when combined
///   line(c, begin)     for output c, whose first element is at `begin` (valid even where the output is not, if there
///                      is any element): a functor (offset from begin, i) -> Acc, the term of one element
///   store(c, begin, total)
template <class Job>
__global__ void reduce_lines_kernel(Job job, Lines lines, Cut cut, std::int64_t chunks, typename Job::Acc* partial,
                                    unsigned* ticket) {
  wait_for_earlier();
  using Acc = typename Job::Acc;
  const typename Job::Combine combine{};
  const Seat seat = take_seat(cut.columns, cut.slices, cut.along_slices);
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * cut.columns + seat.column;
  const std::int64_t chunk = blockIdx.y;
  const bool here = c < lines.outputs;
  const std::int64_t begin = here ? line_begin(lines, c) : 0;
  Acc mine = job.start();
  if (here) {
    const std::int64_t i0 = chunk / cut.chunks_j * cut.chunk_a, i1 = i0 + cut.chunk_a;
    const std::int64_t j0 = chunk % cut.chunks_j * cut.chunk_b, j1 = j0 + cut.chunk_b;
    const std::int64_t end_i = i1 < lines.a ? i1 : lines.a, end_j = j1 < lines.b ? j1 : lines.b;
    const auto line = job.line(c, begin);
    for (std::int64_t j = j0 + seat.slice % cut.slices_j; j < end_j; j += cut.slices_j) {
      auto term = [&](std::int64_t i) { return line(i * lines.step + j, i); };
      mine = combine(mine, fold(i0 + seat.slice / cut.slices_j, end_i,
                                static_cast<std::int64_t>(cut.slices / cut.slices_j), job.start(), term, combine));
    }
  }
  const Acc total = column_total(seat, mine, combine);
  if (chunks == 1) {
    if (here && seat.slice == 0) job.store(c, begin, total);
    return;
  }

  if (here && seat.slice == 0) partial[chunk * lines.outputs + c] = total;
  if (!last_block(ticket)) return;
  int slices = 1;
  while (slices * 4 < chunks && slices < static_cast<int>(blockDim.x)) slices *= 2;
  const int columns = static_cast<int>(blockDim.x) / slices;
  const Seat last = take_seat(columns, slices, false);
  for (std::int64_t tile = 0; tile < lines.outputs; tile += columns) {
    const std::int64_t out = tile + last.column;
    auto term = [&](std::int64_t k) { return partial[k * lines.outputs + out]; };
    const Acc sum = fold(last.slice, out < lines.outputs ? chunks : 0, static_cast<std::int64_t>(slices), job.start(),
                         term, combine);
    const Acc all = column_total(last, sum, combine);
    if (out < lines.outputs && last.slice == 0) job.store(out, line_begin(lines, out), all);
  }
}

/// Runs a job over all lines, in one launch.
template <class Job>
void reduce_lines(const Context& context, const Job& job, const Lines& lines) {
  if (lines.outputs == 0) return;
  const Cut cut = cut_lines(lines, true);
  const std::int64_t chunks = cut.chunks();
  const std::size_t bytes = sizeof(typename Job::Acc) * static_cast<std::size_t>(chunks * lines.outputs);
  const Workspace partial(context, chunks > 1 ? bytes : 0);
  const dim3 grid(blocks_for(lines.outputs, cut.columns), static_cast<unsigned>(chunks));
  launch(context.stream, reduce_lines_kernel<Job>, grid, cut.threads(), job, lines, cut, chunks,
         partial.as<typename Job::Acc>(), context.ticket);
}

}  // namespace elbo::cuda
