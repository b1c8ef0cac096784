#include "blas.h"

#include <algorithm>
#include <type_traits>

namespace elbo::cuda {
namespace {

constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  // NVIDIA's advice for Hopper; elsewhere less would do
constexpr std::size_t most_plans = 4096;
constexpr std::int64_t most_batch = 65535;  // at once: a dimension of the grid

template <auto destroy>
struct Destroyer {
  template <class T>
  void operator()(T* x) const {
    destroy(x);
  }
};
template <class Handle, auto destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroyer<destroy>>;
using Desc = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

struct Types {
  cublasComputeType_t compute;
  cudaDataType_t scale, operand, out;
};
Types types_of(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::tf32:
      return {CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F};
    case Arithmetic::bf16:
      return {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16BF, CUDA_R_32F};
    case Arithmetic::float64:
      return {CUBLAS_COMPUTE_64F, CUDA_R_64F, CUDA_R_64F, CUDA_R_64F};
    case Arithmetic::float32:
      break;
  }
  return {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F};
}
std::int64_t bytes_of(cudaDataType_t type) { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }

/// The largest power of two up to 256, what the library assumes by itself, that divides the address.
std::uint32_t alignment_of(const void* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data) | 256;
  return static_cast<std::uint32_t>(address & (~address + 1));
}

template <class T>
void set(const Desc& desc, cublasLtMatmulDescAttributes_t which, const T& value) {
  check(cublasLtMatmulDescSetAttribute(desc.get(), which, &value, sizeof(value)), "cublasLtMatmulDescSetAttribute");
}
template <class T>
void set(const Layout& layout, cublasLtMatrixLayoutAttribute_t which, const T& value) {
  check(cublasLtMatrixLayoutSetAttribute(layout.get(), which, &value, sizeof(value)),
        "cublasLtMatrixLayoutSetAttribute");
}
template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t which, const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference.get(), which, &value, sizeof(value)),
        "cublasLtMatmulPreferenceSetAttribute");
}

/// Matrices of `rows` rows of `cols` elements, each row `row` elements from the next, as the library sees them: their
/// transposes, column by column.
Layout make_layout(cudaDataType_t type, std::int64_t rows, std::int64_t cols, std::int64_t row, std::int32_t batch,
                   std::int64_t stride) {
  cublasLtMatrixLayout_t made = nullptr;
  check(
      cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(cols), static_cast<std::uint64_t>(rows), row),
      "cublasLtMatrixLayoutCreate");
  Layout layout(made);
  if (batch > 1) {
    set(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, batch);
    set(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, stride);
  }
  return layout;
}

bool bias_in_epilogue(const Product& p) {
  return p.bias && p.activation == Activation::none && p.arithmetic != Arithmetic::float64 &&
         alignment_of(p.bias) >= 16;
}

}  // namespace

struct Blas::Plan {
  Desc desc;
  Layout a, b, out;
  cublasLtMatmulAlgo_t algo;
  bool has_bias;
  bool found = false;
};

std::string Blas::version() {
  const std::size_t number = cublasLtGetVersion();
  return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." + std::to_string(number % 100);
}

Blas::Blas() {
  check(cublasLtCreate(&handle_), "cublasLtCreate");
  const cudaError_t error = cudaMalloc(&workspace_, workspace_bytes);
  if (error != cudaSuccess) {
    cublasLtDestroy(handle_);
    check(error, "cudaMalloc of cuBLASLt's workspace");
  }
}

Blas::~Blas() {
  plans_.clear();
  cudaFree(workspace_);
  cublasLtDestroy(handle_);
}

// The library is column-major: it sees the transposes of all operands and computes out^T = op(b)^T op(a)^T.
std::unique_ptr<Blas::Plan> Blas::make_plan(const Key& key, const void* bias) const {
  const Types types = types_of(key.arithmetic);
  auto plan = std::make_unique<Plan>();
  plan->has_bias = (key.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0;

  cublasLtMatmulDesc_t made = nullptr;
  check(cublasLtMatmulDescCreate(&made, types.compute, types.scale), "cublasLtMatmulDescCreate");
  plan->desc.reset(made);
  const std::int32_t as_is = CUBLAS_OP_N, transposed = CUBLAS_OP_T;
  set(plan->desc, CUBLASLT_MATMUL_DESC_TRANSA, key.transpose_b ? transposed : as_is);
  set(plan->desc, CUBLASLT_MATMUL_DESC_TRANSB, key.transpose_a ? transposed : as_is);
  set(plan->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, key.epilogue);
  if (plan->has_bias) set(plan->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);

  plan->a = make_layout(types.operand, key.transpose_a ? key.k : key.m, key.transpose_a ? key.m : key.k, key.row_a,
                        key.batch, key.stride_a);
  plan->b = make_layout(types.operand, key.transpose_b ? key.n : key.k, key.transpose_b ? key.k : key.n, key.row_b,
                        key.batch, key.stride_b);
  plan->out = make_layout(types.out, key.m, key.n, key.row_out, key.batch, key.stride_out);

  cublasLtMatmulPreference_t wanted = nullptr;
  check(cublasLtMatmulPreferenceCreate(&wanted), "cublasLtMatmulPreferenceCreate");
  const Preference preference(wanted);
  const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace_bytes});
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.align_b);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.align_a);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.align_out);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.align_out);

  cublasLtMatmulHeuristicResult_t result{};
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle_, plan->desc.get(), plan->b.get(), plan->a.get(), plan->out.get(),
                                     plan->out.get(), preference.get(), 1, &result, &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "cublasLtMatmulAlgoGetHeuristic");
  plan->found = status == CUBLAS_STATUS_SUCCESS && count > 0 && result.state == CUBLAS_STATUS_SUCCESS;
  plan->algo = result.algo;
  return plan;
}

Blas::Plan& Blas::plan_for(const Key& key, const void* bias) {
  const auto known = plans_.find(key);
  if (known != plans_.end()) return *known->second;
  if (plans_.size() >= most_plans) plans_.clear();
  return *plans_.emplace(key, make_plan(key, bias)).first->second;
}

bool Blas::multiply_some(cudaStream_t stream, const Product& p) {
  Key key{p.m,
          p.n,
          p.k,
          p.row_a,
          p.row_b,
          p.row_out,
          p.stride_a,
          p.stride_b,
          p.stride_out,
          static_cast<std::int32_t>(p.batch),
          p.arithmetic,
          static_cast<std::uint32_t>(bias_in_epilogue(p) ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT),
          p.transpose_a,
          p.transpose_b,
          alignment_of(p.a),
          alignment_of(p.b),
          alignment_of(p.out)};
  const std::lock_guard lock(mutex_);
  Plan* plan = &plan_for(key, p.bias);
  if (!plan->found && key.epilogue != CUBLASLT_EPILOGUE_DEFAULT) {
    key.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    plan = &plan_for(key, nullptr);
  }
  if (!plan->found)
    throw Failure(StatusCode::unsupported, "cuBLASLt has no algorithm for a product of " + std::to_string(p.m) + " x " +
                                               std::to_string(p.k) + " by " + std::to_string(p.k) + " x " +
                                               std::to_string(p.n) + ", " + std::to_string(p.batch) + " at once");
  if (plan->has_bias) set(plan->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  const float alpha = 1, beta = 0;
  const double alpha_double = 1, beta_double = 0;
  const bool wide = p.arithmetic == Arithmetic::float64;
  check(cublasLtMatmul(handle_, plan->desc.get(), wide ? static_cast<const void*>(&alpha_double) : &alpha, p.b,
                       plan->b.get(), p.a, plan->a.get(), wide ? static_cast<const void*>(&beta_double) : &beta, p.out,
                       plan->out.get(), p.out, plan->out.get(), &plan->algo, workspace_, workspace_bytes, stream),
        "cublasLtMatmul");
  const bool nothing_else = !p.bias && p.activation == Activation::none;
  return nothing_else || key.epilogue != CUBLASLT_EPILOGUE_DEFAULT;
}

bool Blas::multiply(cudaStream_t stream, const Product& product) {
  if (product.batch <= most_batch) return multiply_some(stream, product);
  const Types types = types_of(product.arithmetic);
  bool finished = true;
  for (std::int64_t first = 0; first < product.batch; first += most_batch) {
    Product some = product;
    some.batch = std::min(most_batch, product.batch - first);
    some.a = static_cast<const std::byte*>(product.a) + first * product.stride_a * bytes_of(types.operand);
    some.b = static_cast<const std::byte*>(product.b) + first * product.stride_b * bytes_of(types.operand);
    some.out = static_cast<std::byte*>(product.out) + first * product.stride_out * bytes_of(types.out);
    finished = multiply_some(stream, some) && finished;
  }
  return finished;
}

}  // namespace elbo::cuda
