#include <elbo/datasets/picture.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return survive([&] { elbo::datasets::decode_picture({data, size}, "f", 3, 4, 4); });
}
