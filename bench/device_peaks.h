#pragma once
#include <elbo/core/device.h>
#include <elbo/core/precision.h>

#include "bench.h"

/// What a device reaches at most by the library's own kernels, measured: as roofline.h does for the processor. Each
/// takes a fraction of a second; medians of a few turns. With `small` the sizes are too small to mean anything: for
/// trying a program out.
namespace elbo::bench {

/// Bytes per second, read and written, of a copy that no cache holds.
double copy_speed(Device device, bool small = false);
/// Operations per second of a large matrix product of random numbers.
double product_speed(Device device, Precision precision, bool small = false);
/// Both, in float32 or what `precision` says.
Peaks device_peaks(Device device, Precision precision = Precision::float32, bool small = false);
/// Seconds that a kernel with next to nothing to do takes up in a long row of them, launched one by one.
double launch_seconds(Device device);
/// Seconds of one replay in a long row of them, of a graph of `nodes` such kernels, each behind the one before. GPUs
/// only.
double graph_seconds(Device device, int nodes, bool small = false);

}  // namespace elbo::bench
