#pragma once
#include <compare>
#include <map>
#include <memory>
#include <mutex>

#include "context.h"

namespace elbo::cuda {

/// What the multipliers take. Sums are float32, or float64 for float64.
enum class Arithmetic : int {
  float32,
  tf32,  ///< float32 operands, rounded to 10 bits of mantissa on the way
  bf16,  ///< bfloat16 operands, a float32 result
  float64
};

/// out[i] = act(op(a[i]) op(b[i]) + bias) for i < batch, as MatmulArgs, with rows that may lie further apart than their
/// elements need. m, n, k and batch are at least 1.
struct Product {
  const void* a;
  const void* b;
  void* out;
  const void* bias = nullptr;  ///< [n] or null
  Activation activation = Activation::none;
  bool transpose_a = false, transpose_b = false;
  std::int64_t m, n, k, batch = 1;
  std::int64_t row_a, row_b, row_out;                       ///< elements from one stored row to the next
  std::int64_t stride_a = 0, stride_b = 0, stride_out = 0;  ///< elements from one matrix to the next
  Arithmetic arithmetic = Arithmetic::float32;
};

/// cuBLASLt: its handle, its workspace, and what it chose for each kind of product, so that a warm call asks nothing.
///
/// The same product gives the same bits every time: the first algorithm that the library's heuristic names is taken,
/// always the same, and of those that cut the sum only the ones that add the pieces in a step of their own.
/// Thread-safe, but the workspace serves one stream.
class Blas {
 public:
  /// "13.1.0": the library's own, which decides what bits a product has.
  static std::string version();

  /// Takes the workspace from the driver, so that no product ever allocates, also not while a graph is captured.
  Blas();
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  /// Queues a product. False where bias and activation are still to be applied, because the library does not: it has no
  /// epilogue for float64, we give it no bias that is not 16-byte aligned, and no activation: its ReLU makes 0 of NaN,
  /// and a training that has diverged would go on unseen.
  [[nodiscard]] bool multiply(cudaStream_t stream, const Product& product);

 private:
  /// All that the library's choice depends on.
  struct Key {
    std::int64_t m, n, k, row_a, row_b, row_out, stride_a, stride_b, stride_out;
    std::int32_t batch;
    Arithmetic arithmetic;
    std::uint32_t epilogue;
    bool transpose_a, transpose_b;
    std::uint32_t align_a, align_b, align_out;  // bytes
    auto operator<=>(const Key&) const = default;
  };
  struct Plan;

  bool multiply_some(cudaStream_t stream, const Product& product);
  Plan& plan_for(const Key& key, const void* bias);
  std::unique_ptr<Plan> make_plan(const Key& key, const void* bias) const;

  std::mutex mutex_;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

}  // namespace elbo::cuda
