// Two records of CIFAR-10, or of CIFAR-100, by the first byte; whole datasets are too large to be tried often.
#include <elbo/datasets/sources_detail.h>

#include "target.h"

using namespace elbo::datasets;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  return survive([&] {
    const std::span<const std::uint8_t> file(data + 1, size - 1);
    read_cifar_records(*ByteSource::over(file, "f"), "f", data[0] % 2 == 0, 2);
  });
}
