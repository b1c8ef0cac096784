#include <elbo/datasets/sources_detail.h>

#include "target.h"

using namespace elbo::datasets;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return survive([&] { read_idx(*ByteSource::over({data, size}, "f"), "f"); });
}
