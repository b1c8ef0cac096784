#pragma once
#include <elbo/core/ops.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace elbo::bench {

/// An operand of an op: float32, drawn uniformly from [lo, hi); whole: int64 from lo to hi - 1.
struct RowInput {
  Shape shape = {};
  double lo = -1, hi = 1;
  bool whole = false;
};

/// An op to time beside PyTorch's.
struct OpRow {
  std::string torch;  ///< the same in PyTorch, a Python expression of the operands x, y, z; F is torch.nn.functional
  std::vector<RowInput> inputs;
  std::function<Tensor(std::span<const Tensor>)> fn;
  bool backward = true;  ///< timed with its gradients too
};

/// Trained models: the score of one picture, and 10,000 codes decoded.
void add_model_rows(std::vector<OpRow>& rows);

/// What compare_ops.py goes through.
std::vector<OpRow> op_rows();

}  // namespace elbo::bench
