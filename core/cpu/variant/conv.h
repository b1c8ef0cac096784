#pragma once
#include "variant.h"

namespace elbo::cpu_kernels {

/// A row of the result of `multiply`: where its values begin in a, and where it goes.
struct ConvRow {
  std::int64_t from, to;
};
/// A stretch of the sum over which both operands advance by constant steps: where it begins in a, beyond a row's
/// `from`, and in b.
struct ConvRun {
  std::int64_t a, b, length;
};

/// A variant's part of convolutions in one type.
template <class T>
struct ConvKernels {
  /// Rows and columns of the register tile.
  int tile_rows, tile_cols;
  /// For each of `count` rows, and j < cols <= tile_cols:
  ///   out[row.to + j] = (or with `add` +=) the sum over the runs and p < run.length of
  ///   a[row.from + run.a + p a_step] b[run.b + p b_step + j].
  /// Whole vectors are read from b and written, so that both must have room for tile_cols. No cut of the rows changes a
  /// bit.
  void (*multiply)(const ConvRow* rows, std::int64_t count, const ConvRun* runs, std::int64_t n, const T* a,
                   std::int64_t a_step, const T* b, std::int64_t b_step, T* out, std::int64_t cols, bool add);
  /// The same for at most 3 rows, and few_cols[count - 1] columns: for results of few channels, a row each, whose
  /// neighbouring pixels are the columns.
  int few_cols[3];
  void (*multiply_few)(const ConvRow* rows, std::int64_t count, const ConvRun* runs, std::int64_t n, const T* a,
                       std::int64_t a_step, const T* b, std::int64_t b_step, T* out);
  /// to[j ld_to + i] = from[i ld_from + j] (+ bias[j], unless it is null) for i < rows, j < cols.
  void (*transpose)(T* to, std::int64_t ld_to, const T* from, std::int64_t ld_from, std::int64_t rows,
                    std::int64_t cols, const T* bias);
  /// to[c] = the sum over a picture's pixels, [channels, size] or with `last` [size, channels], of channel c: sixteen
  /// sums, of every sixteenth pixel each, and then those, so that the bits are the same both ways.
  void (*channel_sums)(T* to, const T* picture, std::int64_t channels, std::int64_t size, bool last);
};

struct ConvTable {
  ConvKernels<float> f32;
  ConvKernels<double> f64;
};

extern const ConvTable elbo_conv_table_baseline, elbo_conv_table_v3, elbo_conv_table_v4;

}  // namespace elbo::cpu_kernels
