#include "shape.h"

#include <algorithm>
#include <ostream>

#include "called_op_detail.h"
#include "errors.h"

namespace elbo {
namespace {

const char* called() { return detail::CalledOp::name_or("shape"); }

}  // namespace

Shape::Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const std::int64_t> sizes) {
  ELBO_CHECK(sizes.size() <= max_rank, ShapeError, "[", called(), "] expected at most ", max_rank,
             " dimensions, found ", sizes.size());
  for (std::int64_t size : sizes) sizes_[static_cast<std::size_t>(rank_++)] = size;
  check();
}

void Shape::check() const {
  std::int64_t n = 1;
  for (int i = 0; i < rank_; ++i) {
    const std::int64_t size = (*this)[i];
    ELBO_CHECK(size >= 0, ShapeError, "[", called(), "] negative size ", size, " in dimension ", i);
    const bool wraps = size > 0 && __builtin_mul_overflow(n, size, &n);
    ELBO_CHECK(!wraps && n <= std::int64_t{1} << 62, ShapeError, "[", called(), "] ", *this,
               " has more than 2^62 elements");
  }
}

int Shape::axis(int dim, const char* op) const {
  ELBO_CHECK(dim >= -rank_ && dim < rank_, IndexError, "[", detail::CalledOp::name_or(op), "] axis ", dim,
             " is out of range for shape ", *this);
  return dim < 0 ? dim + rank_ : dim;
}

Shape Shape::with(int dim, std::int64_t size) const {
  Shape out = *this;
  out.sizes_[static_cast<std::size_t>(dim)] = size;
  out.check();
  return out;
}

Shape Shape::without(int dim) const {
  Shape out;
  for (int i = 0; i < rank_; ++i)
    if (i != dim) out.sizes_[static_cast<std::size_t>(out.rank_++)] = (*this)[i];
  return out;
}

Shape Shape::insert(int dim, std::int64_t size) const {
  ELBO_CHECK(rank_ < max_rank, ShapeError, "[", called(), "] ", *this, " has ", max_rank, " dimensions already");
  Shape out = *this;
  out.rank_ = rank_ + 1;
  for (int i = rank_; i > dim; --i) out.sizes_[static_cast<std::size_t>(i)] = (*this)[i - 1];
  out.sizes_[static_cast<std::size_t>(dim)] = size;
  out.check();
  return out;
}

std::string Shape::to_string() const { return detail::concat(*this); }

Shape broadcast(const Shape& a, const Shape& b, const char* op) {
  if (a == b) return a;
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape out = longer;
  for (int i = 0; i < shorter.rank(); ++i) {
    std::int64_t x = longer[-1 - i], y = shorter[-1 - i];
    ELBO_CHECK(x == y || x == 1 || y == 1, ShapeError, "[", detail::CalledOp::name_or(op),
               "] shapes do not broadcast: ", a, " and ", b);
    if (x == 1) out = out.with(longer.rank() - 1 - i, y);
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int i = 0; i < shape.rank(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ']';
}

}  // namespace elbo
