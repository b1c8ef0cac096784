#include "gemm.h"

#include <algorithm>
#include <atomic>

#include "../parallel_for.h"
#include "cpu_kernels.h"
#include "pool.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

// GemmTable's epilogue takes the activation as a number.
static_assert(static_cast<int>(Activation::none) == 0 && static_cast<int>(Activation::relu) == 1 &&
              static_cast<int>(Activation::sigmoid) == 2 && static_cast<int>(Activation::tanh) == 3);

constexpr int64_t k_block = 256;              // a panel of b, this long, fits the first-level cache
constexpr int64_t block_cols = 32;            // of a block, the unit of work that is handed out
constexpr int64_t part_size = 1024;           // rows and columns that are packed at once
constexpr int64_t packed_floats = 2 << 20;    // about how much is packed at once
constexpr int64_t narrow_floats = 128 << 10;  // of an operand that stays in the second-level cache
constexpr int64_t way_floats = 1024;          // 4 KiB apart, lines share a set of the first-level cache
constexpr int64_t few_rows = 8;               // that are multiplied by a matrix where it lies
constexpr int64_t few_floats = 32 << 10;      // of such rows, which are read again for each strip of the matrix
constexpr int64_t along_cols = 64;            // of a matrix whose columns lie side by side
constexpr int64_t worth_a_thread = 1 << 16;   // multiply-adds, or elements times 4 to pack, that take a microsecond

// [0, n) in `count` pieces of nearly equal size, at most `most` long, which start at multiples of `unit`.
struct Cut {
  int64_t n = 0, unit = 1, units = 0, count = 0;
  Cut() = default;
  Cut(int64_t n_, int64_t most, int64_t unit_) : n(n_), unit(unit_), units(divide_up(n_, unit_)) {
    count = divide_up(units, std::max<int64_t>(1, most / unit));
  }
  int64_t begin(int64_t i) const { return std::min(n, units * i / count * unit); }
  int64_t size(int64_t i) const { return begin(i + 1) - begin(i); }
  int64_t largest() const { return count == 0 ? 0 : divide_up(units, count) * unit; }
};

template <class T>
void finish(const GemmTable& table, const MatmulArgs& args, T* out, int64_t col, int64_t rows, int64_t cols) {
  const T* bias = args.bias ? static_cast<const T*>(args.bias) + col : nullptr;
  if (!bias && args.activation == Activation::none) return;
  const int activation = static_cast<int>(args.activation);
  if constexpr (sizeof(T) == sizeof(float))
    table.finish_f32(out, args.n, rows, cols, bias, activation);
  else
    table.finish_f64(out, args.n, rows, cols, bias, activation);
}

// ---- our own product -----------------------------------------------------------------------------------------------

// Where an operand lies: with k_contiguous, element (i, p) is data[i * ld + p], otherwise data[p * ld + i].
struct Lies {
  const float* data;
  int64_t ld;
  bool k_contiguous;
  const float* at(int64_t i, int64_t p) const { return data + (k_contiguous ? i * ld + p : p * ld + i); }
};
Lies rows_of_a(const MatmulArgs& args, int64_t index) {
  return {static_cast<const float*>(args.a) + index * args.stride_a, args.transpose_a ? args.m : args.k,
          !args.transpose_a};
}
Lies columns_of_b(const MatmulArgs& args, int64_t index) {
  return {static_cast<const float*>(args.b) + index * args.stride_b, args.transpose_b ? args.k : args.n,
          args.transpose_b};
}

// A part [m0, m1) x [n0, n1) of the output over a part [k0, k1) of the sum: what is packed at once.
struct Part {
  int64_t m0, n0, k0;
  Cut rows, cols, ks;  // in blocks
  bool first, last;    // of the parts along k
};

// One float32 product, cut by its shape alone: into parts, one after the other; these into blocks, handed to threads.
class Product {
 public:
  Product(const MatmulArgs& args, const GemmTable& table) : args_(args), table_(table) {
    m_parts_ = Cut(args.m, part_size, 1);
    n_parts_ = Cut(args.n, part_size, table.tile_cols);
    const int64_t m = m_parts_.largest(), n = n_parts_.largest();
    all_ks_ = Cut(args.k, k_block, 1);
    k_parts_ = Cut(all_ks_.count, std::max<int64_t>(1, packed_floats / (m + n) / k_block), 1);
    while (block_rows_ > 32 && row_blocks(m).count * col_blocks(n).count < (block_rows_ > 64 ? 16 : 6))
      block_rows_ /= 2;
    const Cut rows = row_blocks(m), cols = col_blocks(n);
    const int64_t depth = all_ks_.largest(), ks = k_parts_.largest();
    b_block_ = table.tile_cols * divide_up(cols.largest(), table.tile_cols) * depth;
    b_floats_ = b_block_ * cols.count * ks;
    const Lies a = rows_of_a(args, 0);
    if (a.ld % way_floats == 0 && args.n >= 256) {
      a_ld_ = round_up(a.k_contiguous ? depth * ks : m) + 16;
      a_floats_ = a_ld_ * (a.k_contiguous ? m : depth * ks);
    }
    apart_ = rows.count * cols.count < 8 && ks >= 4;
    if (apart_) sums_floats_ = round_up(m * n) * ks;
  }

  int64_t workspace_floats() const { return b_floats_ + a_floats_ + sums_floats_; }
  bool apart() const { return apart_; }

  void run(int64_t index, float* workspace) const {
    const Lies a = rows_of_a(args_, index);
    Run run{a, columns_of_b(args_, index), static_cast<float*>(args_.out) + index * args_.stride_out, workspace,
            workspace + b_floats_ + a_floats_};
    for (int64_t n = 0; n < n_parts_.count; ++n)
      for (int64_t k = 0; k < k_parts_.count; ++k)
        for (int64_t m = 0; m < m_parts_.count; ++m) {
          const Part each = part(m, n, k);
          run.a = a_floats_ > 0 ? spread(a, each, workspace + b_floats_)
                                : Lies{a.at(each.m0, all_ks_.begin(each.k0)), a.ld, a.k_contiguous};
          if (m == 0 && !pack_late(each)) pack(run, each);
          apart_ ? multiply_apart(run, each) : multiply(run, each);
        }
  }

 private:
  struct Run {
    Lies a, b;  // a begins at the part that is computed
    float *out, *packed_b, *sums;
  };

  static int64_t round_up(int64_t floats) { return divide_up(floats, 16) * 16; }
  Cut row_blocks(int64_t m) const { return {m, block_rows_, 1}; }
  Cut col_blocks(int64_t n) const { return {n, block_cols, table_.tile_cols}; }

  Part part(int64_t m, int64_t n, int64_t k) const {
    Part part;
    part.m0 = m_parts_.begin(m), part.n0 = n_parts_.begin(n), part.k0 = k_parts_.begin(k);
    part.rows = row_blocks(m_parts_.size(m)), part.cols = col_blocks(n_parts_.size(n));
    part.ks = Cut(k_parts_.size(k), 1, 1);
    part.first = k == 0, part.last = k + 1 == k_parts_.count;
    return part;
  }

  // A part of a whose rows lie a multiple of way_floats apart, again with other distances: a tile's rows would drive
  // each other out of the caches.
  Lies spread(const Lies& a, const Part& part, float* to) const {
    const int64_t k0 = all_ks_.begin(part.k0), depth = all_ks_.begin(part.k0 + part.ks.count) - k0;
    const int64_t lines = a.k_contiguous ? part.rows.n : depth, along = a.k_contiguous ? depth : part.rows.n;
    const float* from = a.at(part.m0, k0);
    parallel_for(lines, divide_up(worth_a_thread, 4 * along), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) std::copy_n(from + i * a.ld, along, to + i * a_ld_);
    });
    return {to, a_ld_, a.k_contiguous};
  }

  float* b_at(const Run& run, const Part& part, int64_t j, int64_t k) const {
    return run.packed_b + (j * part.ks.count + k) * b_block_;
  }

  // What only one block of the output needs is packed by whoever computes that one.
  bool pack_late(const Part& part) const { return part.rows.count == 1; }

  void pack(const Run& run, const Part& part) const {
    const int64_t ks = part.ks.count, work = 4 * part.cols.largest() * all_ks_.largest();
    parallel_for(part.cols.count * ks, divide_up(worth_a_thread, work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) pack_b(run, part, i / ks, i % ks);
    });
  }

  void pack_b(const Run& run, const Part& part, int64_t j, int64_t k) const {
    const float* from = run.b.at(part.n0 + part.cols.begin(j), all_ks_.begin(part.k0 + k));
    table_.pack_b(b_at(run, part, j, k), from, run.b.ld, run.b.k_contiguous, part.cols.size(j),
                  all_ks_.size(part.k0 + k));
  }

  // Block (i, j) of the sum over block k.
  void multiply_block(const Run& run, const Part& part, int64_t i, int64_t j, int64_t k, float* out, int64_t ld,
                      bool add) const {
    if (pack_late(part)) pack_b(run, part, j, k);
    const float* a = run.a.at(part.rows.begin(i), all_ks_.begin(part.k0 + k) - all_ks_.begin(part.k0));
    table_.block(a, run.a.ld, run.a.k_contiguous, b_at(run, part, j, k), out, ld, part.rows.size(i), part.cols.size(j),
                 all_ks_.size(part.k0 + k), add);
  }

  // Each block of the output over all of k. A thread keeps to its share of the larger operand, which it has packed.
  void multiply(const Run& run, const Part& part) const {
    const int64_t rows = part.rows.count, cols = part.cols.count;
    const int64_t work = part.rows.largest() * part.cols.largest() * all_ks_.largest() * part.ks.count;
    parallel_for(rows * cols, divide_up(worth_a_thread, work), [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) {
        const bool by_rows = part.rows.n > part.cols.n;
        const int64_t i = by_rows ? block / cols : block % rows, j = by_rows ? block % cols : block / rows;
        const int64_t row = part.m0 + part.rows.begin(i), col = part.n0 + part.cols.begin(j);
        float* out = run.out + row * args_.n + col;
        for (int64_t k = 0; k < part.ks.count; ++k)
          multiply_block(run, part, i, j, k, out, args_.n, !part.first || k > 0);
        if (part.last) finish(table_, args_, out, col, part.rows.size(i), part.cols.size(j));
      }
    });
  }

  // Too few blocks for many threads, but a long sum: the sums over blocks of k apart, then added in the same order.
  void multiply_apart(const Run& run, const Part& part) const {
    const int64_t n = part.cols.n, sum_floats = round_up(part.rows.n * n);
    const int64_t rows = part.rows.count, cols = part.cols.count, ks = part.ks.count;
    parallel_for(rows * cols * ks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t each = begin; each < end; ++each) {
        const int64_t k = each % ks, i = each / ks % rows, j = each / ks / rows;
        float* sum = run.sums + k * sum_floats + part.rows.begin(i) * n + part.cols.begin(j);
        multiply_block(run, part, i, j, k, sum, n, false);
      }
    });
    parallel_for(part.rows.n, divide_up(worth_a_thread, 8 * n * ks), [&](int64_t begin, int64_t end) {
      float* out = run.out + (part.m0 + begin) * args_.n + part.n0;
      for (int64_t row = begin; row < end; ++row, out += args_.n) {
        for (int64_t k = 0; k < ks; ++k) {
          const float* sum = run.sums + k * sum_floats + row * n;
          if (part.first && k == 0)
            std::copy_n(sum, n, out);
          else
            for (int64_t j = 0; j < n; ++j) out[j] += sum[j];
        }
        if (part.last) finish(table_, args_, out, part.n0, 1, n);
      }
    });
  }

  const MatmulArgs& args_;
  const GemmTable& table_;
  Cut m_parts_, n_parts_;
  Cut all_ks_;   // blocks of k
  Cut k_parts_;  // parts along k, counted in such blocks
  int64_t block_rows_ = 128;
  bool apart_ = false;  // multiply_apart instead of multiply
  int64_t b_block_ = 0, b_floats_ = 0, sums_floats_ = 0;
  int64_t a_ld_ = 0, a_floats_ = 0;  // of the part of a that is copied, if it is
};

// A product with an operand so small that, packed, it stays in the second-level cache: the other is then read once,
// where it lies, however large it is. Where the small one is a, a batch of pictures against a layer's weights, that is
// the product out^T = op(b)^T op(a)^T, whose blocks are turned on their way out.
class NarrowProduct {
 public:
  NarrowProduct(const MatmulArgs& args, const GemmTable& table, const MoveTable& move)
      : args_(args), table_(table), move_(move), ks_(args.k, k_block, 1) {
    turned_ = panel_floats(args.n) > narrow_floats;
    rows_ = turned_ ? args.n : args.m, cols_ = turned_ ? args.m : args.n;
    // A block of a few register tiles, less high where that leaves too few for the threads.
    const int64_t high = divide_up(rows_, 4 * num_threads());
    row_blocks_ = Cut(rows_, std::clamp<int64_t>(high, 8, block_rows), 8);
    const int64_t beside = std::max<int64_t>(1, 4 * num_threads() / row_blocks_.count);
    const int64_t wide = std::max<int64_t>(table.tile_cols, cols_ / beside);
    col_blocks_ = Cut(cols_, turned_ ? std::min(wide, turned_cols) : wide, table.tile_cols);
  }

  static bool fits(const MatmulArgs& args, const GemmTable& table) {
    return divide_up(std::min(args.m, args.n), table.tile_cols) * table.tile_cols * args.k <= narrow_floats;
  }

  int64_t workspace_floats() const { return panel_floats(cols_); }

  void run(int64_t index, float* workspace) const {
    const Lies a = rows_of_a(args_, index), b = columns_of_b(args_, index);
    float* out = static_cast<float*>(args_.out) + index * args_.stride_out;
    pack(turned_ ? a : b, workspace);
    const int64_t blocks = row_blocks_.count * col_blocks_.count;
    const int64_t work = row_blocks_.largest() * col_blocks_.largest() * args_.k;
    parallel_for(blocks, divide_up(worth_a_thread, work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Block block = block_of(i);
        turned_ ? multiply_turned(block, b, workspace, out) : multiply(block, a, workspace, out);
      }
    });
  }

 private:
  static constexpr int64_t block_rows = 24, turned_cols = 256;
  struct Block {
    int64_t row, rows, col, cols;
  };

  Block block_of(int64_t i) const {
    const int64_t r = i / col_blocks_.count, c = i % col_blocks_.count;
    return {row_blocks_.begin(r), row_blocks_.size(r), col_blocks_.begin(c), col_blocks_.size(c)};
  }

  int64_t panel_floats(int64_t cols) const { return divide_up(cols, table_.tile_cols) * table_.tile_cols * args_.k; }
  // Panel after panel of one block of k, then of the next.
  float* packed_at(float* packed, int64_t col, int64_t k) const {
    return packed + ks_.begin(k) * panel_floats(cols_) / args_.k + col * ks_.size(k);
  }

  void pack(const Lies& from, float* packed) const {
    const Cut panels(cols_, table_.tile_cols, table_.tile_cols);
    const int64_t work = 4 * panels.largest() * ks_.largest();
    parallel_for(panels.count * ks_.count, divide_up(worth_a_thread, work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t panel = i / ks_.count, k = i % ks_.count, col = panels.begin(panel);
        table_.pack_b(packed_at(packed, col, k), from.at(col, ks_.begin(k)), from.ld, from.k_contiguous,
                      panels.size(panel), ks_.size(k));
      }
    });
  }

  void sum(const Block& block, const Lies& from, float* packed, float* to, int64_t ld) const {
    // Columns in calls of a few thousand cycles, between which what comes next is fetched.
    const int64_t depth = ks_.largest(),
                  once = table_.tile_cols * std::max<int64_t>(1, (1 << 16) / (block.rows * table_.tile_cols * depth));
    const int64_t calls = divide_up(block.cols, once);
    for (int64_t k = 0; k < ks_.count; ++k)
      for (int64_t call = 0; call < calls; ++call) {
        const int64_t col = call * once;
        fetch_next(block, from, k, call, calls);
        table_.block(from.at(block.row, ks_.begin(k)), from.ld, from.k_contiguous,
                     packed_at(packed, block.col + col, k), to + col, ld, block.rows, std::min(block.cols - col, once),
                     ks_.size(k), k > 0);
      }
  }

  // Part `part` of `parts` of what the next block of k, or of rows, reads: rows that far apart come from main memory,
  // and the processor does not see them coming.
  void fetch_next(const Block& block, const Lies& from, int64_t k, int64_t part, int64_t parts) const {
    const bool same_rows = k + 1 < ks_.count;
    const int64_t row = same_rows ? block.row : block.row + block.rows, next = same_rows ? k + 1 : 0;
    const int64_t rows = std::min(block.rows, rows_ - row), p = ks_.begin(next), depth = ks_.size(next);
    const int64_t lines = from.k_contiguous ? rows : depth, along = from.k_contiguous ? depth : rows;
    for (int64_t i = lines * part / parts; i < lines * (part + 1) / parts; ++i) {
      const float* line = from.k_contiguous ? from.at(row + i, p) : from.at(row, p + i);
      for (int64_t j = 0; j < along; j += 16) __builtin_prefetch(line + j, 0, 2);
    }
  }

  void multiply(const Block& block, const Lies& a, float* packed, float* out) const {
    float* to = out + block.row * args_.n + block.col;
    sum(block, a, packed, to, args_.n);
    finish(table_, args_, to, block.col, block.rows, block.cols);
  }

  void multiply_turned(const Block& block, const Lies& b, float* packed, float* out) const {
    alignas(64) float block_of_out[block_rows * turned_cols];
    sum(block, b, packed, block_of_out, turned_cols);
    const float* bias = args_.bias ? static_cast<const float*>(args_.bias) + block.row : nullptr;
    for (int64_t i = 0; bias && i < block.rows; ++i)
      for (int64_t j = 0; j < block.cols; ++j) block_of_out[i * turned_cols + j] += bias[i];
    if (args_.activation != Activation::none)
      table_.finish_f32(block_of_out, turned_cols, block.rows, block.cols, nullptr, static_cast<int>(args_.activation));
    move_.transpose[size_index(sizeof(float))](out + block.col * args_.n + block.row, args_.n, block_of_out,
                                               turned_cols, block.cols, block.rows);
  }

  const MatmulArgs& args_;
  const GemmTable& table_;
  const MoveTable& move_;
  Cut ks_, row_blocks_, col_blocks_;
  int64_t rows_ = 0, cols_ = 0;  // of the product that is computed
  bool turned_ = false;
};

// fn(product) with the product that suits the shape.
template <class Fn>
void with_product(const MatmulArgs& args, Isa isa, const Fn& fn) {
  const GemmTable& table = gemm_table(isa);
  const Product product(args, table);
  if (product.apart() || !NarrowProduct::fits(args, table)) return fn(product);
  fn(NarrowProduct(args, table, tables(isa).move));
}

// A product of few rows or one column: packing a matrix would be most of the work.
bool has_few_rows(const MatmulArgs& args) {
  return args.n == 1 || args.m == 1 || (args.m <= few_rows && !args.transpose_a && args.m * args.k <= few_floats);
}

void multiply_few_rows(const MatmulArgs& args, const GemmTable& table) {
  const bool column = args.n == 1;  // of its one row, the transpose is computed
  const int64_t rows = column ? 1 : args.m, n = column ? args.m : args.n;
  const bool k_contiguous = column ? !args.transpose_a : args.transpose_b;
  const int64_t ld = k_contiguous ? args.k : n;
  const Cut pieces = k_contiguous ? Cut(n, block_cols, rows == 1 ? 8 : 16) : Cut(n, along_cols, along_cols);
  const auto run = [&](int64_t index, int64_t piece) {
    const float* a = static_cast<const float*>(args.a) + index * args.stride_a;
    const float* b = static_cast<const float*>(args.b) + index * args.stride_b;
    const int64_t at = pieces.begin(piece), size = pieces.size(piece);
    const Lies m{column ? a : b, ld, k_contiguous};
    float* out = static_cast<float*>(args.out) + index * args.stride_out + at;
    // One row is a sum by itself; more have the sums over blocks of k that larger products have.
    const Cut ks(args.k, rows == 1 ? args.k : k_block, 1);
    for (int64_t k = 0; k < ks.count; ++k)
      table.few_rows(out, n, (column ? b : a) + ks.begin(k), args.k, m.at(at, ks.begin(k)), ld, k_contiguous, rows,
                     size, ks.size(k), k > 0);
    column ? finish(table, args, out, 0, size, 1) : finish(table, args, out, at, rows, size);
  };
  const int64_t work = (4 + rows) * pieces.largest() * args.k;
  parallel_for(args.batch * pieces.count, divide_up(worth_a_thread, work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run(i / pieces.count, i % pieces.count);
  });
}

// ---- Eigen's --------------------------------------------------------------------------------------------------------

void multiply_by_eigen(const MatmulArgs& args, const GemmTable& table) {
  // Tiles as large as leaves at least 16 of them, where there is that much to do.
  int64_t size = 192;
  while (size > 32 && args.batch * divide_up(args.m, size) * divide_up(args.n, size) < 16) size /= 2;
  const Cut rows(args.m, size, 8), cols(args.n, size, 8);
  const int64_t tiles = rows.count * cols.count;
  const int64_t work = std::max<int64_t>(1, rows.largest() * cols.largest() * args.k);
  parallel_for(args.batch * tiles, divide_up(worth_a_thread, work), [&](int64_t begin, int64_t end) {
    for (int64_t each = begin; each < end; ++each) {
      const int64_t index = each / tiles, i = each % tiles / cols.count, j = each % tiles % cols.count;
      const EigenTile tile{index, rows.begin(i), rows.size(i), cols.begin(j), cols.size(j)};
      eigen_gemm(args, tile);
      const int64_t at = index * args.stride_out + tile.row * args.n + tile.col;
      if (args.dtype == DType::float64)
        finish(table, args, static_cast<double*>(args.out) + at, tile.col, tile.rows, tile.cols);
      else
        finish(table, args, static_cast<float*>(args.out) + at, tile.col, tile.rows, tile.cols);
    }
  });
}

// ---- both -----------------------------------------------------------------------------------------------------------

template <class T>
void multiply_nothing(const MatmulArgs& args, const GemmTable& table) {
  for (int64_t i = 0; i < args.batch; ++i) {
    T* out = static_cast<T*>(args.out) + i * args.stride_out;
    std::fill_n(out, args.m * args.n, T(0));
    finish(table, args, out, 0, args.m, args.n);
  }
}

// True if this is done without a workspace of ours, which it then is.
bool done_without_packing(const MatmulArgs& args, const GemmTable& table) {
  if (args.m == 0 || args.n == 0 || args.batch == 0) return true;
  if (args.k == 0)
    args.dtype == DType::float64 ? multiply_nothing<double>(args, table) : multiply_nothing<float>(args, table);
  else if (args.dtype == DType::float64 || table.tile_rows == 0)
    multiply_by_eigen(args, table);
  else if (has_few_rows(args))
    multiply_few_rows(args, table);
  else
    return false;
  return true;
}

// A batch that shares b and lies row after row is one tall product.
MatmulArgs flattened(MatmulArgs args) {
  const bool tall = args.batch > 1 && args.stride_b == 0 && !args.transpose_a && args.stride_a == args.m * args.k &&
                    args.stride_out == args.m * args.n;
  if (tall) {
    args.m *= args.batch;
    args.batch = 1;
  }
  return args;
}

}  // namespace

const GemmTable& gemm_table(Isa isa) {
#if defined(ELBO_HAS_VARIANT_V3)
  if (isa == Isa::v3) return elbo_gemm_table_v3;
#endif
#if defined(ELBO_HAS_VARIANT_V4)
  if (isa == Isa::v4) return elbo_gemm_table_v4;
#endif
  static_cast<void>(isa);
  return elbo_gemm_table_baseline;
}

void gemm(const MatmulArgs& given, Pool& pool, Isa isa) {
  const GemmTable& table = gemm_table(isa);
  const MatmulArgs args = flattened(given);
  if (done_without_packing(args, table)) return;
  with_product(args, isa, [&](const auto& product) {
    const int64_t floats = product.workspace_floats();
    const int64_t blocks = divide_up(args.m, 64) * divide_up(args.n, 64);
    // Many small products: one thread each, with a workspace of its own. Otherwise all threads on each in turn.
    const int64_t at_once = blocks < args.batch ? std::min<int64_t>(args.batch, num_threads()) : 1;
    const Workspace workspace(pool, static_cast<std::size_t>(at_once * floats) * sizeof(float));
    std::atomic<int64_t> next{0};
    parallel_for(at_once, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t index = next++; index < args.batch; index = next++)
          product.run(index, workspace.as<float>() + i * floats);
    });
  });
}

}  // namespace elbo::cpu_kernels
