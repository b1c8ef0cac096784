#include "meta.h"

#include <utility>

namespace elbo::nn {
namespace {

thread_local bool describing = false;  // within a MetaGuard

}  // namespace

MetaGuard::MetaGuard() : before_(std::exchange(describing, true)) {}
MetaGuard::~MetaGuard() { describing = before_; }

Tensor parameter(const Shape& shape) { return Tensor(Array::empty(shape, {.device = describing ? meta : cpu})); }

Tensor buffer(const Shape& shape, double value, DType dtype) {
  return Tensor(describing ? Array::empty(shape, {dtype, meta}) : Array::full(shape, value, {dtype, cpu}));
}

}  // namespace elbo::nn
