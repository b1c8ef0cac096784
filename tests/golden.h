#pragma once
#include <elbo/core/ops.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

/// How the ops of tests/golden/ are called, by name. tests/oracle/torch_ops.py has PyTorch's side of this table.
namespace golden {

struct Call {
  std::vector<elbo::Tensor> x;  ///< the operands
  std::vector<double> p;        ///< the numbers, in the order of tests/oracle/torch_ops.py
  elbo::DType dtype;            ///< of the operands that are real
};
using Op = std::function<std::vector<elbo::Tensor>(const Call&)>;

const std::map<std::string, Op>& ops();

}  // namespace golden
