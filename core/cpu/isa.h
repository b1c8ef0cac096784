#pragma once
#include <vector>

namespace elbo::cpu_kernels {

/// The instruction sets that kernels are compiled for: x86-64 (or whatever the compiler's baseline is), x86-64-v3
/// (AVX2, FMA) and x86-64-v4 (AVX-512).
enum class Isa { baseline, v3, v4 };

const char* name(Isa isa);
/// The variants that this processor can run and this build holds, slowest first.
std::vector<Isa> available_isas();
/// The variant in use: $ELBO_ISA if set, else the last of available_isas(). Chosen once, at first use. Throws
/// ValueError if $ELBO_ISA names an unknown variant or one that cannot run here.
Isa active_isa();

}  // namespace elbo::cpu_kernels
