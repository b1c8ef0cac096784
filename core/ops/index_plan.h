#pragma once
#include <array>
#include <span>

#include "../ops.h"

namespace elbo::ops {

/// What Tensor::index and index_put_ make of their indices: a box of elements of x, and the shape in which it comes
/// out.
struct IndexPlan {
  std::array<std::int64_t, Shape::max_rank> starts{}, steps{};  ///< of the box, for each dimension of x
  Shape box;                                                    ///< its sizes; 1 where a number is the index
  Shape out;                                                    ///< without those dimensions, with new ones
  Tensor picks;        ///< the index that is a tensor, or undefined: it picks from the box's result
  int picks_axis = 0;  ///< along this dimension of `out`
  bool view = true;    ///< numbers first, then at most one Slice of step 1, then whole ones: the box lies in one piece

  /// `op` is for messages. Throws IndexError for too many indices or one outside its dimension, ValueError for a step
  /// below 1, two ellipses or two tensors.
  IndexPlan(const char* op, const Tensor& x, std::span<const TensorIndex> indices);
};

}  // namespace elbo::ops
