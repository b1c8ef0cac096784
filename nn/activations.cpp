#include "activations.h"

namespace elbo::nn {

Dropout::Dropout(double probability, Generator* generator) : p(probability), generator_(generator) {
  ELBO_CHECK(p >= 0 && p < 1, ValueError, "[Dropout] p: expected 0 <= p < 1, found ", p);
}

Unflatten::Unflatten(int dimension, const Shape& into) : dim(dimension), sizes(into) {
  ELBO_CHECK(sizes.rank() > 0, ValueError, "[Unflatten] sizes: expected one or more, found none");
  for (std::int64_t size : sizes)
    ELBO_CHECK(size >= 1, ValueError, "[Unflatten] sizes: expected at least 1 each, found ", sizes);
}

Tensor Unflatten::forward(const Tensor& x) {
  const int axis = x.shape().axis(dim, "Unflatten");
  ELBO_CHECK(x.shape()[axis] == sizes.numel(), ShapeError, "[Unflatten] dimension ", dim, ": expected ", sizes.numel(),
             " elements for sizes ", sizes, ", found ", x.shape());
  Shape shape = x.shape().without(axis);
  for (int i = 0; i < sizes.rank(); ++i) shape = shape.insert(axis + i, sizes[i]);
  return reshape(x, shape);
}

}  // namespace elbo::nn
