#include "generator.h"

namespace elbo {

Generator::Generator(std::uint64_t seed, Stream stream, Device device)
    : seed_(seed), stream_(stream), offset_(Array::zeros({}, {DType::int64, device})) {}

void Generator::manual_seed(std::uint64_t seed) {
  seed_ = seed;
  set_offset(0);
}

Generator& default_generator(Device device) {
  ELBO_CHECK(device == cpu, DeviceError, "[default_generator] no generator on ", device);
  static Generator generator;
  return generator;
}

void manual_seed(std::uint64_t seed) { default_generator().manual_seed(seed); }

}  // namespace elbo
