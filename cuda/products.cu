#include "products.h"

#include <span>

#include "launch.h"
#include "tensor_cores.h"

namespace elbo::cuda {
namespace {

using std::int64_t;

// Many threads for few outputs: eight, or four, slices of threads share the steps along k.
using Small = Tile<float, 32, 32, 4, 4, 8, 32>;
using SmallDouble = Tile<double, 32, 32, 4, 4, 4, 16>;

/// A Factor and a Term in the elements' type. `whole`: rows of packs are aligned.
template <class T>
struct Operand {
  const T *data, *relu;
  int64_t row;
  bool transposed, whole;
};
template <class T>
struct Sum {
  Operand<T> a, b;
  int64_t k;
};
template <class T>
struct Job {
  T* out;
  const T* bias;
  T* row_sums;
  Activation activation;
  int terms;
  int64_t m, n;
  Sum<T> term[SmallProduct::most_terms];
};
/// Job i has blocks [begin[i], begin[i + 1]).
template <class T>
struct Jobs {
  int count;
  unsigned begin[most_products + 1];
  Job<T> job[most_products];
};
static_assert(sizeof(Jobs<double>) <= 4000);  // a kernel's arguments

/// One pack of a panel, which a thread brings from memory: of a [m, k] the first packs, of b [k, n] the others.
template <class Tile>
struct PackOfPanel {
  using T = typename Tile::Value;
  static constexpr int width = vec_size<T>, depth = Tile::depth;
  static constexpr int packs_a = Tile::rows * depth / width, packs_b = Tile::cols * depth / width;
  static constexpr int each = (packs_a + packs_b) / Tile::threads;
  static_assert(packs_a % Tile::threads == 0 || Tile::threads % packs_a == 0);
  static_assert((packs_a + packs_b) % Tile::threads == 0);

  Vec<T> values[each];

  /// Where pack `i` of this thread begins: `line` counts along the side of the output, `step` along k. `along_k`: its
  /// elements are neighbours along k.
  struct Spot {
    bool of_a, along_k;
    int line, step;
  };
  __device__ static Spot spot(int i, const Sum<T>& sum) {
    int pack = static_cast<int>(threadIdx.x) + i * Tile::threads;
    const bool of_a = pack < packs_a;
    if (!of_a) pack -= packs_a;
    const bool along_k = of_a ? !sum.a.transposed : sum.b.transposed;
    const int lines = of_a ? Tile::rows : Tile::cols, across = (along_k ? depth : lines) / width;
    const int outer = pack / across, inner = pack % across * width;
    return {of_a, along_k, along_k ? outer : inner, along_k ? inner : outer};
  }

  __device__ void load(const Job<T>& job, const Sum<T>& sum, int64_t row, int64_t col, int64_t k) {
    for (int i = 0; i < each; ++i) {
      const Spot at = spot(i, sum);
      const Operand<T>& from = at.of_a ? sum.a : sum.b;
      const int64_t line = (at.of_a ? row : col) + at.line, lines = at.of_a ? job.m : job.n, step = k + at.step;
      const int64_t outer = at.along_k ? line : step, inner = at.along_k ? step : line;
      const bool there = at.along_k ? line < lines : step < sum.k;
      const int64_t limit = !there ? 0 : at.along_k ? sum.k : lines, place = limit > 0 ? outer * from.row : 0;
      values[i] = cuda::load<width>(from.data + place, inner, limit, from.whole);
      if (!from.relu) continue;
      const Vec<T> y = cuda::load<width>(from.relu + place, inner, limit, from.whole);
      for (int e = 0; e < width; ++e) values[i].values[e] = through_relu(y.values[e], values[i].values[e]);
    }
  }
  __device__ void store(const Sum<T>& sum, typename Tile::Panel& panel) const {
    for (int i = 0; i < each; ++i) {
      const Spot at = spot(i, sum);
      for (int e = 0; e < width; ++e) {
        const int line = at.line + (at.along_k ? 0 : e), step = at.step + (at.along_k ? e : 0);
        (at.of_a ? panel.a[step][line] : panel.b[step][line]) = values[i].values[e];
      }
    }
  }
};

/// A tile of one of the products a block.
template <class Tile, class Rounding>
__global__ void __launch_bounds__(Tile::threads) products_kernel(Jobs<typename Tile::Value> jobs) {
  wait_for_earlier();
  using T = typename Tile::Value;
  __shared__ typename Tile::Shared shared;
  int which = 0;
  while (which + 1 < jobs.count && jobs.begin[which + 1] <= blockIdx.x) ++which;
  const Job<T>& job = jobs.job[which];
  const int64_t tile = blockIdx.x - jobs.begin[which], down = (job.m + Tile::rows - 1) / Tile::rows;
  const int64_t row = tile % down * Tile::rows, col = tile / down * Tile::cols;

  const Place<Tile> at;
  const int thread = static_cast<int>(threadIdx.x);
  Sums<Tile> sums = {};
  double row_sum = 0;
  const bool sums_rows = job.row_sums && col == 0 && thread < Tile::rows;
  PackOfPanel<Tile> pack;
  int now = 0;
  for (int t = 0; t < job.terms; ++t) {
    const Sum<T>& sum = job.term[t];
    for (int64_t k = 0; k < sum.k; k += Tile::depth, now ^= 1) {
      // What comes next is loaded while this panel is multiplied; the panel before it has been read by all.
      if (k == 0) {
        pack.load(job, sum, row, col, 0);
        pack.store(sum, shared.panels[now]);
        __syncthreads();
      }
      const bool more = k + Tile::depth < sum.k;
      if (more) pack.load(job, sum, row, col, k + Tile::depth);
      const typename Tile::Panel& panel = shared.panels[now];
      multiply<Tile, Rounding>(sums, panel, at);
      if (sums_rows)
        for (int step = 0; step < Tile::depth; ++step) row_sum += static_cast<double>(panel.a[step][thread]);
      if (!more) continue;
      pack.store(sum, shared.panels[now ^ 1]);
      __syncthreads();
    }
  }
  if (sums_rows && row + thread < job.m) job.row_sums[row + thread] = static_cast<T>(row_sum);
  add_slices<Tile>(sums, shared, at);
  if (at.slice > 0) return;
  for (int r = 0; r < Tile::thread_rows; ++r)
    for (int c = 0; c < Tile::thread_cols; ++c) {
      const int64_t i = row + at.row + r, j = col + at.col + c;
      if (i >= job.m || j >= job.n) continue;
      const T x = job.bias ? sums[r][c] + job.bias[j] : sums[r][c];
      job.out[i * job.n + j] = activated(job.activation, x);
    }
}

template <class T>
Operand<T> operand(const Factor& from) {
  const T *data = static_cast<const T*>(from.data), *relu = static_cast<const T*>(from.relu);
  constexpr int width = vec_size<T>;
  return {data, relu, from.row, from.transposed, from.row % width == 0 && aligned<width>(data, relu)};
}

template <class Tile, class Rounding = Exact>
void start(const Context& context, std::span<const SmallProduct> products) {
  using T = typename Tile::Value;
  Jobs<T> jobs{};
  for (const SmallProduct& p : products) {
    Job<T>& job = jobs.job[jobs.count];
    job = {static_cast<T*>(p.out),
           static_cast<const T*>(p.bias),
           static_cast<T*>(p.row_sums),
           p.activation,
           p.terms,
           p.m,
           p.n,
           {}};
    for (int t = 0; t < p.terms; ++t) job.term[t] = {operand<T>(p.term[t].a), operand<T>(p.term[t].b), p.term[t].k};
    // Of no columns, one tile all the same: it sums the rows.
    const int64_t across = p.n > 0 ? (p.n + Tile::cols - 1) / Tile::cols : 1;
    const int64_t tiles = (p.m + Tile::rows - 1) / Tile::rows * across;
    jobs.begin[jobs.count + 1] = jobs.begin[jobs.count] + static_cast<unsigned>(tiles);
    ++jobs.count;
  }
  launch(context.stream, (products_kernel<Tile, Rounding>), jobs.begin[jobs.count], Tile::threads, jobs);
}

}  // namespace

bool is_small(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t tile_rows = 128, tile_cols = 64;  // of a large product
  constexpr int64_t enough_tiles = 66;                // half as many as an H100 has multiprocessors
  constexpr int64_t most_k = 4096;                    // from there on cuBLASLt cuts k between blocks
  const int64_t down = (m + tile_rows - 1) / tile_rows, across = (n + tile_cols - 1) / tile_cols;
  return k <= most_k && down < enough_tiles && across < enough_tiles && down * across < enough_tiles;
}

void multiply_small(const Context& context, DType dtype, Precision precision, std::span<const SmallProduct> products) {
  if (dtype == DType::float64) return start<SmallDouble>(context, products);
  if (precision == Precision::tf32) return start<Small, Tf32>(context, products);
  if (precision == Precision::bf16) return start<Small, Bf16>(context, products);
  start<Small>(context, products);
}

}  // namespace elbo::cuda
