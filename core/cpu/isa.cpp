#include "isa.h"

#include <cstdlib>
#include <string_view>

#include "../errors.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace elbo::cpu_kernels {
namespace {

#if defined(__x86_64__)

// The parts of x86-64-v3 that not every compiler's __builtin_cpu_supports knows.
bool has_bits(unsigned leaf, unsigned ecx_bits) {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(leaf, &eax, &ebx, &ecx, &edx) && (ecx & ecx_bits) == ecx_bits;
}

// __builtin_cpu_supports also asks whether the operating system saves the wide registers.
bool runs_v3() {
  constexpr unsigned movbe = 1u << 22, f16c = 1u << 29, lzcnt = 1u << 5;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && has_bits(1, movbe | f16c) && has_bits(0x80000001u, lzcnt);
}

bool runs_v4() {
  return runs_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

// AMD family 0x19 is Zen 3 (no AVX-512) and Zen 4; the models are those of Zen 4.
bool is_zen4() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx)) return false;
  const bool amd = ebx == signature_AMD_ebx && edx == signature_AMD_edx && ecx == signature_AMD_ecx;
  if (!amd || !__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return false;
  const unsigned family = ((eax >> 8) & 0xf) + ((eax >> 20) & 0xff);
  const unsigned model = ((eax >> 4) & 0xf) | ((eax >> 12) & 0xf0);
  return family == 0x19 &&
         ((model >= 0x10 && model <= 0x1f) || (model >= 0x60 && model <= 0x7f) || (model >= 0xa0 && model <= 0xaf));
}

#else

bool runs_v3() { return false; }
bool runs_v4() { return false; }
bool is_zen4() { return false; }

#endif

bool is_available(Isa isa) {
  for (Isa each : available_isas())
    if (each == isa) return true;
  return false;
}

Isa best_isa() {
  const std::vector<Isa> isas = available_isas();
  if (isas.back() == Isa::v4 && is_zen4() && is_available(Isa::v3)) return Isa::v3;
  return isas.back();
}

Isa choose_isa() {
  const char* forced = std::getenv("ELBO_ISA");
  if (!forced || !*forced) return best_isa();
  for (Isa isa : {Isa::baseline, Isa::v3, Isa::v4}) {
    if (std::string_view(forced) != name(isa)) continue;
    ELBO_CHECK(is_available(isa), ValueError, "ELBO_ISA: expected a variant that this processor can run, at most ",
               name(available_isas().back()), ", found ", forced);
    return isa;
  }
  fail<ValueError>("ELBO_ISA: expected baseline, v3 or v4, found \"", forced, "\"");
}

}  // namespace

const char* name(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return "baseline";
    case Isa::v3:
      return "v3";
    case Isa::v4:
      return "v4";
  }
  return "?";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas = {Isa::baseline};
#if defined(ELBO_HAS_VARIANT_V3)
  if (runs_v3()) isas.push_back(Isa::v3);
#endif
#if defined(ELBO_HAS_VARIANT_V4)
  if (runs_v4()) isas.push_back(Isa::v4);
#endif
  return isas;
}

Isa active_isa() {
  static const Isa isa = choose_isa();
  return isa;
}

}  // namespace elbo::cpu_kernels
