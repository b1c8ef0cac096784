#pragma once
#include <cstddef>

/// What tests can set and ask of the emulator inside the plugin: they find these with dlsym. At the start they follow
/// the environment: ELBO_EMULATOR_MEMORY (bytes), ELBO_EMULATOR_DEVICES, ELBO_EMULATOR_DRIVER, ELBO_EMULATOR_ORDER.
/// With ELBO_EMULATOR_FAULT=n, n launches go well and the next one meets an illegal address; with
/// ELBO_EMULATOR_OLD_GPU=1 no kernel was compiled for the GPU.
extern "C" {

/// The memory of each device, 2 GiB unless set; what is allocated beyond it fails with cudaErrorMemoryAllocation.
__attribute__((visibility("default"))) void elbo_emulator_set_memory(std::size_t bytes);
/// How many devices there are (1 unless set). 0: cudaErrorNoDevice.
__attribute__((visibility("default"))) void elbo_emulator_set_devices(int count);
/// The driver's CUDA version (13000 unless set). 0: no driver; below the runtime's: cudaErrorInsufficientDriver.
__attribute__((visibility("default"))) void elbo_emulator_set_driver(int version);
/// The order in which the blocks of a grid and the threads of a block run: 0 forward, 1 reverse, 2 shuffled, anew at
/// each launch and each barrier. ELBO_EMULATOR_ORDER says forward, reverse or shuffle.
__attribute__((visibility("default"))) void elbo_emulator_set_order(int order);
/// Calls so far that gave the device work: kernels and cuBLASLt's products, run or recorded, and replays of graphs,
/// each of which counts once. Copies and memsets do not count.
__attribute__((visibility("default"))) long long elbo_emulator_launches();
/// After `more` launches without a fault, one returns cudaErrorLaunchOutOfResources and does nothing. Negative: none.
__attribute__((visibility("default"))) void elbo_emulator_fail_launch(long long more);
/// After `more` calls that begin, fill, end, make or replay a graph, one returns `error`, a cudaError_t. Negative:
/// none.
__attribute__((visibility("default"))) void elbo_emulator_fail_graph(long long more, int error);
/// Bytes of device memory that are allocated now, on all devices.
__attribute__((visibility("default"))) std::size_t elbo_emulator_memory_in_use();
/// Forgets a fault of the device, as a new process would. Memory stays as it is.
__attribute__((visibility("default"))) void elbo_emulator_revive();
}
