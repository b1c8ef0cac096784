#include <elbo/core/safetensors_detail.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return survive([&] { elbo::detail::load_safetensors(elbo::detail::memory_input({data, size}, "f")); });
}
