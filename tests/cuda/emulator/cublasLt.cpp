#include "cublasLt.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "cuda_bf16.h"
#include "emulator.h"

struct cublasLtContext {};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType type;
  std::int64_t rows, cols, ld;
  std::int32_t batch = 1;
  std::int64_t stride = 0;
};
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute;
  cudaDataType scale;
  std::int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct cublasLtMatmulPreferenceOpaque_t {
  std::uint64_t workspace = 0;
  std::uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_MASK;
  std::uint32_t align_a = 256, align_b = 256, align_c = 256, align_d = 256;
};

namespace {

using std::int64_t;
using Layout = cublasLtMatrixLayoutOpaque_t;
using Desc = cublasLtMatmulDescOpaque_t;

/// What an algorithm of ours holds: it was made for one kind of product and fits no other.
struct Algo {
  std::uint64_t made_for;   // a hash of the descriptor and layouts
  std::uint64_t workspace;  // bytes that it wants
  std::uint32_t align_a, align_b, align_c, align_d;
  std::uint32_t align_bias;  // the pointer that the heuristic saw had at least this
};
static_assert(sizeof(Algo) <= sizeof(cublasLtMatmulAlgo_t));

template <class T>
cublasStatus_t assign(T& to, const void* value, std::size_t bytes) {
  if (!value || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

template <class T, class Handle>
cublasStatus_t create(Handle* handle, const T& value) {
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = std::make_unique<T>(value).release();
  return CUBLAS_STATUS_SUCCESS;
}
template <class T>
cublasStatus_t destroy(T* handle) {
  const std::unique_ptr<T> owned(handle);
  return CUBLAS_STATUS_SUCCESS;
}

bool has_bias(const Desc& desc) { return (desc.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0; }
bool has_relu(const Desc& desc) { return (desc.epilogue & CUBLASLT_EPILOGUE_RELU) != 0; }
bool transposed(std::int32_t operation) { return operation != CUBLAS_OP_N; }

std::size_t size_of(cudaDataType type) { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }

/// Whether the layout can be one: dimensions that an int holds, columns that do not overlap.
bool sound(const Layout& x) {
  constexpr int64_t most = 0x7fffffff;
  return x.rows > 0 && x.cols > 0 && x.rows <= most && x.cols <= most && x.ld >= x.rows && x.batch > 0 && x.stride >= 0;
}

cublasStatus_t check(const Desc& desc, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  for (const Layout* each : {&a, &b, &c, &d})
    if (!sound(*each) || each->batch != a.batch) return CUBLAS_STATUS_INVALID_VALUE;
  const bool ta = transposed(desc.transpose_a), tb = transposed(desc.transpose_b);
  const int64_t m = ta ? a.cols : a.rows, k = ta ? a.rows : a.cols;
  const int64_t k_b = tb ? b.cols : b.rows, n = tb ? b.rows : b.cols;
  if (k != k_b || d.rows != m || d.cols != n || c.rows != m || c.cols != n) return CUBLAS_STATUS_INVALID_VALUE;
  if (d.batch > 1 && (d.stride < d.ld * (d.cols - 1) + d.rows)) return CUBLAS_STATUS_INVALID_VALUE;
  if (desc.transpose_a == CUBLAS_OP_C || desc.transpose_b == CUBLAS_OP_C) return CUBLAS_STATUS_NOT_SUPPORTED;
  // The rows of the library's table of types that are known here.
  if (a.type != b.type || c.type != d.type) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (desc.compute == CUBLAS_COMPUTE_64F) {
    if (desc.scale != CUDA_R_64F || a.type != CUDA_R_64F || d.type != CUDA_R_64F) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (desc.epilogue != CUBLASLT_EPILOGUE_DEFAULT) return CUBLAS_STATUS_NOT_SUPPORTED;
  } else {
    if (desc.scale != CUDA_R_32F || d.type != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (a.type != CUDA_R_32F && (a.type != CUDA_R_16BF || desc.compute != CUBLAS_COMPUTE_32F))
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return CUBLAS_STATUS_SUCCESS;
}

std::uint64_t hash(const Desc& desc, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  std::uint64_t h = 1469598103934665603ull;
  auto mix = [&](auto x) { h = (h ^ static_cast<std::uint64_t>(x)) * 1099511628211ull; };
  mix(desc.compute), mix(desc.transpose_a), mix(desc.transpose_b), mix(desc.epilogue);
  for (const Layout* each : {&a, &b, &c, &d})
    mix(each->type), mix(each->rows), mix(each->cols), mix(each->ld), mix(each->batch), mix(each->stride);
  return h;
}

bool aligned(const void* data, std::uint64_t bytes) { return reinterpret_cast<std::uintptr_t>(data) % bytes == 0; }

/// A product as it is queued: everything by value.
struct Product {
  Desc desc;
  Layout a, b, c, d;
  const void *data_a, *data_b, *data_c;
  void* data_d;
  double alpha, beta;
  void* workspace;
  std::size_t workspace_bytes;
};

/// Element i as the multipliers take it.
double load(const void* data, cudaDataType type, int64_t i) {
  if (type == CUDA_R_64F) return static_cast<const double*>(data)[i];
  if (type == CUDA_R_16BF) return static_cast<double>(__bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]));
  return static_cast<double>(static_cast<const float*>(data)[i]);
}
/// To 10 bits of mantissa, to nearest.
double to_tf32(double x) {
  const float f = static_cast<float>(x);
  if (!std::isfinite(f)) return x;
  std::uint32_t bits;
  std::memcpy(&bits, &f, sizeof(bits));
  bits = (bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu;
  float rounded;
  std::memcpy(&rounded, &bits, sizeof(rounded));
  return static_cast<double>(rounded);
}

/// op(x) of one matrix as doubles, `rows` x `cols`, column-major without gaps.
std::vector<double> unpacked(const Layout& x, const void* data, int64_t offset, bool transpose, bool tf32) {
  const int64_t rows = transpose ? x.cols : x.rows, cols = transpose ? x.rows : x.cols;
  std::vector<double> out(static_cast<std::size_t>(rows * cols));
  for (int64_t j = 0; j < cols; ++j)
    for (int64_t i = 0; i < rows; ++i) {
      const double value = load(data, x.type, offset + (transpose ? i * x.ld + j : j * x.ld + i));
      out[static_cast<std::size_t>(j * rows + i)] = tf32 ? to_tf32(value) : value;
    }
  return out;
}

/// What the epilogue makes of row i's element `x`. max(x, 0) has no NaN, as on the device.
double finished(const Product& p, int64_t row, double x) {
  if (has_bias(p.desc)) x += load(p.desc.bias, p.d.type, row);
  return has_relu(p.desc) ? std::fmax(x, 0.0) : x;
}

void multiply_one(const Product& p, int64_t batch) {
  const bool tf32 = p.desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const std::vector<double> a = unpacked(p.a, p.data_a, batch * p.a.stride, transposed(p.desc.transpose_a), tf32);
  const std::vector<double> b = unpacked(p.b, p.data_b, batch * p.b.stride, transposed(p.desc.transpose_b), tf32);
  const int64_t m = p.d.rows, n = p.d.cols, k = static_cast<int64_t>(a.size()) / m;
  std::vector<double> sums(static_cast<std::size_t>(m));
  for (int64_t j = 0; j < n; ++j) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (int64_t l = 0; l < k; ++l) {
      const double factor = b[static_cast<std::size_t>(j * k + l)];
      const double* column = a.data() + l * m;
      for (int64_t i = 0; i < m; ++i) sums[static_cast<std::size_t>(i)] += column[i] * factor;
    }
    for (int64_t i = 0; i < m; ++i) {
      double x = p.alpha * sums[static_cast<std::size_t>(i)];
      if (p.beta != 0) x += p.beta * load(p.data_c, p.c.type, batch * p.c.stride + j * p.c.ld + i);
      x = finished(p, i, x);
      const int64_t to = batch * p.d.stride + j * p.d.ld + i;
      if (p.d.type == CUDA_R_64F)
        static_cast<double*>(p.data_d)[to] = x;
      else
        static_cast<float*>(p.data_d)[to] = static_cast<float>(x);
    }
  }
}

bool on_device(const Layout& x, const void* data) {
  const int64_t elements = (x.batch - 1) * x.stride + (x.cols - 1) * x.ld + x.rows;
  return emulator::on_device(data, static_cast<std::size_t>(elements) * size_of(x.type));
}

void run(const Product& p) {
  const std::size_t bias_bytes = static_cast<std::size_t>(p.d.rows) * size_of(p.d.type);
  if (!on_device(p.a, p.data_a) || !on_device(p.b, p.data_b) || !on_device(p.d, p.data_d) ||
      (p.beta != 0 && !on_device(p.c, p.data_c)) ||
      (has_bias(p.desc) && !emulator::on_device(p.desc.bias, bias_bytes)) ||
      (p.workspace_bytes > 0 && !emulator::on_device(p.workspace, p.workspace_bytes)))
    return emulator::fail_device(cudaErrorIllegalAddress);
  // Whoever keeps something in the workspace shall notice.
  if (p.workspace_bytes > 0) std::memset(p.workspace, 0xff, p.workspace_bytes);
  for (std::int32_t batch = 0; batch < p.d.batch; ++batch) multiply_one(p, batch);
}

double scalar(const void* value, cudaDataType type) {
  return type == CUDA_R_64F ? *static_cast<const double*>(value)
                            : static_cast<double>(*static_cast<const float*>(value));
}

}  // namespace

const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}

std::size_t cublasLtGetVersion() { return 130000; }

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) { return create(handle, cublasLtContext{}); }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return destroy(handle); }

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t cols, std::int64_t ld) {
  return create(layout, Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(cols), ld});
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return destroy(layout); }
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t which,
                                                const void* value, std::size_t bytes) {
  if (!layout) return CUBLAS_STATUS_INVALID_VALUE;
  if (which == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return assign(layout->batch, value, bytes);
  return assign(layout->stride, value, bytes);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute, cudaDataType_t scale) {
  return create(desc, Desc{compute, scale});
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) { return destroy(desc); }
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t which,
                                              const void* value, std::size_t bytes) {
  if (!desc) return CUBLAS_STATUS_INVALID_VALUE;
  switch (which) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return assign(desc->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return assign(desc->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return assign(desc->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return assign(desc->bias, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return create(preference, cublasLtMatmulPreferenceOpaque_t{});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) { return destroy(preference); }
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t which, const void* value,
                                                    std::size_t bytes) {
  if (!preference) return CUBLAS_STATUS_INVALID_VALUE;
  switch (which) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return assign(preference->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return assign(preference->reduction, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      return assign(preference->align_a, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      return assign(preference->align_b, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      return assign(preference->align_c, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return assign(preference->align_d, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* found) {
  if (!handle || !desc || !a || !b || !c || !d || !preference || requested <= 0 || !results || !found)
    return CUBLAS_STATUS_INVALID_VALUE;
  *found = 0;
  const cublasStatus_t status = check(*desc, *a, *b, *c, *d);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  // In-place reductions are refused, so that nobody comes to depend on them: their order is not ours to fix.
  if ((preference->reduction & CUBLASLT_REDUCTION_SCHEME_INPLACE) != 0) return CUBLAS_STATUS_NOT_SUPPORTED;
  constexpr std::uint64_t most_workspace = 1 << 20;
  constexpr std::uint32_t vector_bytes = 16;
  const Algo algo{hash(*desc, *a, *b, *c, *d),
                  std::min(preference->workspace, most_workspace),
                  std::min(preference->align_a, vector_bytes),
                  std::min(preference->align_b, vector_bytes),
                  std::min(preference->align_c, vector_bytes),
                  std::min(preference->align_d, vector_bytes),
                  aligned(desc->bias, vector_bytes) ? vector_bytes : 4};
  results[0] = {};
  std::memcpy(&results[0].algo, &algo, sizeof(algo));
  results[0].workspaceSize = algo.workspace;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  results[0].wavesCount = 1;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t layout_a, const void* b, cublasLtMatrixLayout_t layout_b,
                              const void* beta, const void* c, cublasLtMatrixLayout_t layout_c, void* d,
                              cublasLtMatrixLayout_t layout_d, const cublasLtMatmulAlgo_t* given, void* workspace,
                              std::size_t workspace_bytes, cudaStream_t stream) {
  if (!handle || !desc || !alpha || !a || !layout_a || !b || !layout_b || !beta || !c || !layout_c || !d || !layout_d)
    return CUBLAS_STATUS_INVALID_VALUE;
  const cublasStatus_t status = check(*desc, *layout_a, *layout_b, *layout_c, *layout_d);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (has_bias(*desc) && !desc->bias) return CUBLAS_STATUS_INVALID_VALUE;
  if (!given) return CUBLAS_STATUS_NOT_SUPPORTED;  // the library would ask its heuristic; the backend never lets it
  Algo algo;
  std::memcpy(&algo, given, sizeof(algo));
  if (algo.made_for != hash(*desc, *layout_a, *layout_b, *layout_c, *layout_d)) return CUBLAS_STATUS_INVALID_VALUE;
  if (algo.workspace > workspace_bytes || (algo.workspace > 0 && !workspace)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!aligned(a, algo.align_a) || !aligned(b, algo.align_b) || !aligned(c, algo.align_c) ||
      !aligned(d, algo.align_d) || (has_bias(*desc) && !aligned(desc->bias, algo.align_bias)))
    return CUBLAS_STATUS_INVALID_VALUE;
  const Product product{*desc,
                        *layout_a,
                        *layout_b,
                        *layout_c,
                        *layout_d,
                        a,
                        b,
                        c,
                        d,
                        scalar(alpha, desc->scale),
                        scalar(beta, desc->scale),
                        workspace,
                        algo.workspace};
  const cudaError_t error = emulator::enqueue(stream, [product] { run(product); });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
