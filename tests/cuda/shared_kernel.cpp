// A kernel in a file of its own, since the emulator finds shared memory by the file (emulator/shared.ld).
#include "../../cuda/launch.h"

/// What a block finds in its shared memory, which it then writes to.
__global__ void show_shared(unsigned* out) {
  __shared__ unsigned value;
  if (threadIdx.x == 0) out[blockIdx.x] = value;
  __syncthreads();
  value = threadIdx.x;
}
