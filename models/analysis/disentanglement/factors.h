#pragma once
#include "../../../core/api.h"

namespace ELBO_API elbo {
namespace models {

/// What the values of a factor of variation mean, for the measures that predict it.
enum class FactorKind {
  ordinal,     ///< numbers: near values are alike, such as places and sizes
  categorical  ///< names: any two values differ alike, such as shapes
};

}  // namespace models
}  // namespace elbo
