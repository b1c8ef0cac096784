// The ops that are methods too.
#include "../ops.h"

namespace elbo {

Tensor Tensor::slice(int axis, std::int64_t begin, std::int64_t end, std::int64_t step) const {
  return elbo::slice(*this, axis, begin, end, step);
}
Tensor Tensor::index_select(int axis, const Tensor& indices) const { return elbo::index_select(*this, axis, indices); }
Tensor Tensor::reshape(std::initializer_list<std::int64_t> sizes) const { return elbo::reshape(*this, sizes); }
Tensor Tensor::reshape(const Shape& shape) const { return elbo::reshape(*this, shape); }
Tensor Tensor::clone() const { return elbo::clone(*this); }
Tensor Tensor::flatten(int start) const { return elbo::flatten(*this, start); }
Tensor Tensor::transpose(int axis_a, int axis_b) const { return elbo::transpose(*this, axis_a, axis_b); }
Tensor Tensor::permute(const std::vector<int>& dims) const { return elbo::permute(*this, dims); }
Tensor Tensor::unsqueeze(int axis) const { return elbo::unsqueeze(*this, axis); }
Tensor Tensor::squeeze(const Axes& axes) const { return elbo::squeeze(*this, axes); }
Tensor Tensor::expand(const Shape& shape) const { return elbo::expand(*this, shape); }
std::vector<Tensor> Tensor::split(std::int64_t size, int axis) const { return elbo::split(*this, size, axis); }
std::vector<Tensor> Tensor::split(std::initializer_list<std::int64_t> sizes, int axis) const {
  return elbo::split(*this, sizes, axis);
}
std::vector<Tensor> Tensor::chunk(std::int64_t chunks, int axis) const { return elbo::chunk(*this, chunks, axis); }
Tensor Tensor::repeat(const std::vector<std::int64_t>& repeats) const { return elbo::repeat(*this, repeats); }
Tensor Tensor::flip(const Axes& axes) const { return elbo::flip(*this, axes); }
Tensor Tensor::tril(std::int64_t diagonal) const { return elbo::tril(*this, diagonal); }
Tensor Tensor::triu(std::int64_t diagonal) const { return elbo::triu(*this, diagonal); }
Tensor Tensor::gather(int axis, const Tensor& indices) const { return elbo::gather(*this, axis, indices); }
Tensor Tensor::scatter_add(int axis, const Tensor& indices, const Tensor& source) const {
  return elbo::scatter_add(*this, axis, indices, source);
}
Tensor Tensor::masked_fill(const Tensor& mask, const Operand& value) const {
  return elbo::masked_fill(*this, mask, value);
}
Tensor Tensor::neg() const { return elbo::neg(*this); }
Tensor Tensor::square() const { return elbo::square(*this); }
Tensor Tensor::sqrt() const { return elbo::sqrt(*this); }
Tensor Tensor::exp() const { return elbo::exp(*this); }
Tensor Tensor::log() const { return elbo::log(*this); }
Tensor Tensor::abs() const { return elbo::abs(*this); }
Tensor Tensor::relu() const { return elbo::relu(*this); }
Tensor Tensor::sigmoid() const { return elbo::sigmoid(*this); }
Tensor Tensor::tanh() const { return elbo::tanh(*this); }
Tensor Tensor::sign() const { return elbo::sign(*this); }
Tensor Tensor::round() const { return elbo::round(*this); }
Tensor Tensor::floor() const { return elbo::floor(*this); }
Tensor Tensor::ceil() const { return elbo::ceil(*this); }
Tensor Tensor::trunc() const { return elbo::trunc(*this); }
Tensor Tensor::expm1() const { return elbo::expm1(*this); }
Tensor Tensor::log1p() const { return elbo::log1p(*this); }
Tensor Tensor::sin() const { return elbo::sin(*this); }
Tensor Tensor::cos() const { return elbo::cos(*this); }
Tensor Tensor::erf() const { return elbo::erf(*this); }
Tensor Tensor::lgamma() const { return elbo::lgamma(*this); }
Tensor Tensor::pow(const Operand& exponent) const { return elbo::pow(*this, exponent); }
Tensor Tensor::pow(double exponent) const { return elbo::pow(*this, exponent); }
Tensor Tensor::clamp(std::optional<double> lo, std::optional<double> hi) const { return elbo::clamp(*this, lo, hi); }
Tensor Tensor::maximum(const Operand& other) const { return elbo::maximum(*this, other); }
Tensor Tensor::minimum(const Operand& other) const { return elbo::minimum(*this, other); }
Tensor Tensor::isnan() const { return elbo::isnan(*this); }
Tensor Tensor::isfinite() const { return elbo::isfinite(*this); }
Tensor Tensor::sum(const Axes& axes, bool keepdim) const { return elbo::sum(*this, axes, keepdim); }
Tensor Tensor::mean(const Axes& axes, bool keepdim) const { return elbo::mean(*this, axes, keepdim); }
Tensor Tensor::var(const Axes& axes, double correction, bool keepdim) const {
  return elbo::var(*this, axes, correction, keepdim);
}
Tensor Tensor::std(const Axes& axes, double correction, bool keepdim) const {
  return elbo::std(*this, axes, correction, keepdim);
}
Tensor Tensor::norm(double p, const Axes& axes, bool keepdim) const { return elbo::norm(*this, p, axes, keepdim); }
Tensor Tensor::max(const Axes& axes, bool keepdim) const { return elbo::max(*this, axes, keepdim); }
Tensor Tensor::min(const Axes& axes, bool keepdim) const { return elbo::min(*this, axes, keepdim); }
Tensor Tensor::multinomial(std::int64_t count, bool replacement, Generator* generator) const {
  return elbo::multinomial(*this, count, replacement, generator);
}
TopK Tensor::topk(std::int64_t k, int axis, bool largest) const { return elbo::topk(*this, k, axis, largest); }
Tensor Tensor::argmax(int axis, bool keepdim) const { return elbo::argmax(*this, axis, keepdim); }
Tensor Tensor::argmin(int axis, bool keepdim) const { return elbo::argmin(*this, axis, keepdim); }
Tensor Tensor::all(const Axes& axes, bool keepdim) const { return elbo::all(*this, axes, keepdim); }
Tensor Tensor::any(const Axes& axes, bool keepdim) const { return elbo::any(*this, axes, keepdim); }
Tensor Tensor::cumsum(int axis) const { return elbo::cumsum(*this, axis); }
Tensor Tensor::logsumexp(const Axes& axes, bool keepdim) const { return elbo::logsumexp(*this, axes, keepdim); }
Tensor Tensor::softmax(int axis) const { return elbo::softmax(*this, axis); }
Tensor Tensor::log_softmax(int axis) const { return elbo::log_softmax(*this, axis); }
Tensor Tensor::matmul(const Tensor& other) const { return elbo::matmul(*this, other); }
Tensor Tensor::to(DType dtype) const { return cast(*this, dtype); }

}  // namespace elbo
