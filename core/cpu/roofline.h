#pragma once

/// What this machine can do at most, measured: the two lines of a roofline, for profiles and benchmarks to quote their
/// speed as a share of. Each takes a fraction of a second.
namespace elbo::cpu_kernels {

/// Operations per second of independent multiply-adds in registers (two operations each) on `threads` threads, in the
/// best instruction set that the processor and the build have.
double fma_peak(int threads);

/// Bytes per second of a = b + s * c over arrays much larger than the caches on `threads` threads, counting one write
/// and two reads (McCalpin's STREAM triad).
double memory_bandwidth(int threads);

}  // namespace elbo::cpu_kernels
