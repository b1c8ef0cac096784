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

#else

bool runs_v3() { return false; }
bool runs_v4() { return false; }

#endif

bool is_available(Isa isa) {
  for (Isa each : available_isas())
    if (each == isa) return true;
  return false;
}

Isa choose_isa() {
  const char* forced = std::getenv("ELBO_ISA");
  if (!forced || !*forced) return available_isas().back();
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
