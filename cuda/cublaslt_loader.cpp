// cuBLASLt's functions, as far as blas.cpp uses them: they find the library when the first of them is called. Linked
// in the ordinary way it would be loaded with the plugin, some hundred MB by each command on a machine without a GPU.
#include <cublasLt.h>
#include <dlfcn.h>

#include "error.h"

namespace elbo::cuda {
namespace {

#define ELBO_TEXT_OF(x) #x
#define ELBO_TEXT(x) ELBO_TEXT_OF(x)
constexpr char file[] = "libcublasLt.so." ELBO_TEXT(CUBLAS_VER_MAJOR);
#undef ELBO_TEXT
#undef ELBO_TEXT_OF

/// The library, which then stays loaded. Throws Failure where it is not there; the next call looks for it anew, since
/// the linker says why only once.
void* loaded() {
  void* const library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (library) return library;
  const char* why = dlerror();
  throw Failure(StatusCode::unsupported, std::string("cuBLASLt cannot be loaded: ") + (why ? why : file));
}

/// Throws Failure where the library or the function is not there.
void* find(const char* name) {
  static void* const library = loaded();  // initialised by the first call that does not throw
  void* function = dlsym(library, name);
  if (!function) throw Failure(StatusCode::unsupported, std::string("cuBLASLt: expected ") + name + " in " + file);
  return function;
}

/// Calls the library's function `name`, of the type of `declared`.
template <auto declared, class... Args>
auto call(const char* name, Args... args) {
  static const auto function = reinterpret_cast<decltype(declared)>(find(name));
  return function(args...);
}

}  // namespace
}  // namespace elbo::cuda

using elbo::cuda::call;

std::size_t cublasLtGetVersion() { return call<&cublasLtGetVersion>("cublasLtGetVersion"); }
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) { return call<&cublasLtCreate>("cublasLtCreate", handle); }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return call<&cublasLtDestroy>("cublasLtDestroy", handle); }
const char* cublasLtGetStatusString(cublasStatus_t status) {
  return call<&cublasLtGetStatusString>("cublasLtGetStatusString", status);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute, cudaDataType_t scale) {
  return call<&cublasLtMatmulDescCreate>("cublasLtMatmulDescCreate", desc, compute, scale);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  return call<&cublasLtMatmulDescDestroy>("cublasLtMatmulDescDestroy", desc);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t bytes) {
  return call<&cublasLtMatmulDescSetAttribute>("cublasLtMatmulDescSetAttribute", desc, attribute, value, bytes);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t cols, std::int64_t ld) {
  return call<&cublasLtMatrixLayoutCreate>("cublasLtMatrixLayoutCreate", layout, type, rows, cols, ld);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return call<&cublasLtMatrixLayoutDestroy>("cublasLtMatrixLayoutDestroy", layout);
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                std::size_t bytes) {
  return call<&cublasLtMatrixLayoutSetAttribute>("cublasLtMatrixLayoutSetAttribute", layout, attribute, value, bytes);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return call<&cublasLtMatmulPreferenceCreate>("cublasLtMatmulPreferenceCreate", preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return call<&cublasLtMatmulPreferenceDestroy>("cublasLtMatmulPreferenceDestroy", preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    std::size_t bytes) {
  return call<&cublasLtMatmulPreferenceSetAttribute>("cublasLtMatmulPreferenceSetAttribute", preference, attribute,
                                                     value, bytes);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int* found) {
  return call<&cublasLtMatmulAlgoGetHeuristic>("cublasLtMatmulAlgoGetHeuristic", handle, desc, a, b, c, d, preference,
                                               wanted, results, found);
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algo, void* workspace,
                              std::size_t workspace_bytes, cudaStream_t stream) {
  return call<&cublasLtMatmul>("cublasLtMatmul", handle, desc, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d,
                               d_layout, algo, workspace, workspace_bytes, stream);
}
