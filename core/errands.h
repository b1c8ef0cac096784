#pragma once
#include "backend_types.h"
#include "optimizer_math.h"

/// What an Errand does, on every device.
namespace elbo {
namespace {  // NOLINT(google-build-namespaces): see scalar_math.h
namespace optimizer {

/// Runs an errand (backend_types.h).
ELBO_HD inline void run_errand(const Errand& errand) {
  const auto number = [&](const void* x) {
    return errand.dtype == DType::float32 ? static_cast<double>(*static_cast<const float*>(x))
                                          : *static_cast<const double*>(x);
  };
  switch (errand.kind) {
    case Errand::Kind::add: {
      // The product is rounded to the elements' type, as one of two arrays is.
      double value = number(errand.from);
      if (errand.factor) value *= number(errand.factor);
      if (errand.dtype == DType::float32) value = static_cast<double>(static_cast<float>(value));
      *static_cast<double*>(errand.to) += value;
      return;
    }
    case Errand::Kind::count:
      *static_cast<std::int64_t*>(errand.to) += errand.amount;
      return;
    case Errand::Kind::adam_step:
      *errand.step += 1;
      *static_cast<AdamScales*>(errand.to) =
          adam_scales(adam_step(errand.adam, *static_cast<const double*>(errand.from), *errand.step));
      return;
  }
}

}  // namespace optimizer
}  // namespace
}  // namespace elbo
