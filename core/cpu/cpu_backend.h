#pragma once
#include <memory>

#include "../backend.h"
#include "isa.h"

namespace elbo::cpu_kernels {

/// The CPU as a backend, with a pool of its own. It computes with the variant in use, or with another of
/// available_isas(), which the tests ask for.
std::unique_ptr<Backend> make_cpu_backend();
std::unique_ptr<Backend> make_cpu_backend(Isa isa);

}  // namespace elbo::cpu_kernels
