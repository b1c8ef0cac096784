#pragma once
#include "variant.h"

namespace elbo::cpu_kernels {

/// What moves elements without computing. Where there are three, the index is that of the elements' size: 1, 4, 8 bytes
/// (size_index in cpu_kernels.h). Operands do not overlap.
struct MoveTable {
  /// Lines: to[i * to_step + j] = from[i * from_step + j * from_next], for i < lines and j < n. Where from_next is 0 or
  /// 1 they are best short.
  void (*lines[3])(void* to, std::int64_t to_step, const void* from, std::int64_t from_step, std::int64_t from_next,
                   std::int64_t lines, std::int64_t n);
  /// to[i * to_step + j] = from[i + j * from_step], for i < rows and j < columns.
  void (*transpose[3])(void* to, std::int64_t to_step, const void* from, std::int64_t from_step, std::int64_t rows,
                       std::int64_t columns);
  /// to[indices[i] * step + j] += from[i * step + j], in the order of i < k, for j < n. The index is the dtype;
  /// integers wrap around.
  void (*add_rows[4])(void* to, const void* from, const std::int64_t* indices, std::int64_t k, std::int64_t step,
                      std::int64_t n);
  /// n elements of the value at `value`.
  void (*fill[3])(void* to, const void* value, std::int64_t n);
  /// A copy past the cache: whole lines of memory are written without being read. end_stream() follows the last one.
  void (*stream)(void* to, const void* from, std::int64_t bytes);
};

extern const MoveTable elbo_move_table_baseline, elbo_move_table_v3, elbo_move_table_v4;

}  // namespace elbo::cpu_kernels
