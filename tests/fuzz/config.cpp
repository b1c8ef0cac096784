#include <elbo/models/config.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return survive([&] { elbo::models::RunConfig::from_json({reinterpret_cast<const char*>(data), size}, "f"); });
}
