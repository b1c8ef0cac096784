// The only file that includes Eigen, compiled once, at the compiler's baseline.
// Tiles are small enough for Eigen to pack them on the stack: a warm step takes no memory from the system.
#define EIGEN_STACK_ALLOCATION_LIMIT (1024 * 1024)
#include <Eigen/Core>

#include "gemm.h"

namespace elbo::cpu_kernels {
namespace {

template <class T, int order>
using Matrix = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, order>, 0, Eigen::OuterStride<>>;

// order_a and order_b: RowMajor as MatmulArgs has them, ColMajor for a transposed operand.
template <class T, int order_a, int order_b>
void multiply(const MatmulArgs& args, const EigenTile& tile) {
  const T* a = static_cast<const T*>(args.a) + tile.index * args.stride_a;
  const T* b = static_cast<const T*>(args.b) + tile.index * args.stride_b;
  T* out = static_cast<T*>(args.out) + tile.index * args.stride_out + tile.row * args.n + tile.col;
  a += order_a == Eigen::RowMajor ? tile.row * args.k : tile.row;
  b += order_b == Eigen::RowMajor ? tile.col : tile.col * args.k;
  const Matrix<T, order_a> x(a, tile.rows, args.k, Eigen::OuterStride<>(order_a == Eigen::RowMajor ? args.k : args.m));
  const Matrix<T, order_b> y(b, args.k, tile.cols, Eigen::OuterStride<>(order_b == Eigen::RowMajor ? args.n : args.k));
  using Out = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Out, 0, Eigen::OuterStride<>>(out, tile.rows, tile.cols, Eigen::OuterStride<>(args.n)).noalias() = x * y;
}

template <class T>
void multiply(const MatmulArgs& args, const EigenTile& tile) {
  constexpr int row = Eigen::RowMajor, col = Eigen::ColMajor;
  if (args.transpose_a)
    args.transpose_b ? multiply<T, col, col>(args, tile) : multiply<T, col, row>(args, tile);
  else
    args.transpose_b ? multiply<T, row, col>(args, tile) : multiply<T, row, row>(args, tile);
}

}  // namespace

void eigen_gemm(const MatmulArgs& args, const EigenTile& tile) noexcept {
  if (args.dtype == DType::float64)
    multiply<double>(args, tile);
  else
    multiply<float>(args, tile);
}

}  // namespace elbo::cpu_kernels
