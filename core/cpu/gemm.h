#pragma once
#include "../backend.h"
#include "isa.h"
#include "variant/gemm.h"

/// Matrix products on the CPU: float32 by a packed, tiled product of our own where the variant has one (v3, v4), by
/// Eigen in the baseline variant and in float64.
///
/// The tiles read one operand where it lies, and the other from panels, into which it is packed. A small operand, such
/// as a batch of pictures beside a layer's weights, is packed whole and once: it stays in the second-level cache while
/// the other is read. Where that is a, the transpose is computed, and turned on its way out.
///
/// No cut changes a bit of our own product: each output element is the sum, in order, of its sums over blocks of k,
/// whose size depends on k alone, each summed in order by fused multiply-adds. So a product on any number of threads, a
/// matrix of a batch or some rows of a product have the bits that they have alone. Products of up to eight rows, or of
/// one column, are summed in an order of their own: among them, too, a row has the bits that it has alone. Eigen's
/// tiles depend on the shape alone.
namespace elbo::cpu_kernels {

class Pool;

/// The kernels of a variant; `isa` is one of available_isas().
const GemmTable& gemm_table(Isa isa);

/// out = act(op(a) op(b) + bias), all as MatmulArgs says; k = 0 makes out = act(bias). Throws std::bad_alloc if the
/// pool has no room for the packed operands, and then has written nothing.
void gemm(const MatmulArgs& args, Pool& pool, Isa isa = active_isa());

/// Rows [row, row + rows) and columns [col, col + cols) of matrix `index` of a batch by Eigen, without the epilogue.
struct EigenTile {
  std::int64_t index, row, rows, col, cols;
};
void eigen_gemm(const MatmulArgs& args, const EigenTile& tile) noexcept;

}  // namespace elbo::cpu_kernels
