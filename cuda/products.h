#pragma once
#include <span>

#include "context.h"

/// Small matrix products, several in one launch, with what goes with them: the bias and the activation of a layer, the
/// ReLU whose gradient an operand is, the bias's gradient. In float32 or float64; for tf32 and bf16 the operands are
/// rounded, and the arithmetic is float32's: there is too little of it for tensor cores.
namespace elbo::cuda {

/// A matrix of a product: element (i, j) lies at data[i * row + j], or with `transposed` at data[j * row + i].
struct Factor {
  const void* data;
  const void* relu;  ///< what the ReLU gave whose gradient this is, at the same places, or null
  std::int64_t row;
  bool transposed;
};

/// a [m, k] b [k, n].
struct Term {
  Factor a, b;
  std::int64_t k;
};

/// out [m, n] = act(the sum of the terms + bias).
struct SmallProduct {
  static constexpr int most_terms = 4;

  void* out;
  const void* bias;  ///< [n] or null
  void* row_sums;    ///< [m] or null: the sums of a's rows, of a single term
  Activation activation;
  std::int64_t m, n;
  int terms;
  Term term[most_terms];
};

/// How many products a launch has room for.
constexpr int most_products = 5;

/// Whether a product is computed here, not by cuBLASLt: where its tiles there would leave most of a GPU idle, so that
/// what counts is the launch. By shape alone, so that a shape has the same bits on every GPU. The
/// threshold is an estimate: nobody has measured it yet.
bool is_small(std::int64_t m, std::int64_t n, std::int64_t k);

/// All of them, in one launch. None has 0 rows; one of 0 columns is there for its row sums.
void multiply_small(const Context&, DType dtype, Precision precision, std::span<const SmallProduct> products);

}  // namespace elbo::cuda
