#pragma once
/// ELBO_INDEPENDENT before a loop: no iteration reads what another writes, so the vectoriser needs no check. An output
/// may then be exactly an input.
#if defined(__clang__)
// The same loops serve float64, where calls of the platform's functions stop the vectoriser.
#pragma clang diagnostic ignored "-Wpass-failed"
#define ELBO_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define ELBO_INDEPENDENT _Pragma("GCC ivdep")
#endif
/// After a lambda's parameters: it is part of whoever calls it, with the constants that it is called with.
#define ELBO_INLINE __attribute__((always_inline))
