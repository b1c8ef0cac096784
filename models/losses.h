#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/api.h"

namespace ELBO_API elbo {
namespace models {

/// What was minimised, and its terms, by name and in the model's order, before their weights: nats per picture.
struct Losses {
  double loss = 0;
  std::vector<std::pair<std::string, double>> terms = {};

  /// Null for a name that is none.
  const double* find(std::string_view name) const;
  /// Throws ValueError, listing the names, for one that is none.
  double operator[](std::string_view name) const;
};

/// A term's name for people to read: `reconstruction`, `KL`, `KL 1`, `dimension KL`, `total correlation`.
std::string term_title(std::string_view name);

/// What a term is counted in: `nats`; for a perplexity `entries`; empty for what is neither, a squared distance, the
/// squares of weights or the mean of a kernel.
const char* term_unit(std::string_view name);

/// A loss for people to read, in at most `width` characters, at least 7: with so many decimals, below 1 with at least
/// four, and with an exponent where that would not fit or would look like 0. `nan`, `inf` or `-inf` for what is no
/// number.
std::string loss_text(double nats, int width, int decimals = 2);

}  // namespace models
}  // namespace elbo
