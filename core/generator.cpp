#include "generator.h"

#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace elbo {

Generator::Generator(std::uint64_t seed, Stream stream, Device device)
    : seed_(seed), stream_(stream), offset_(Array::zeros({}, {DType::int64, device})) {}

Generator::Generator(const Generator& other)
    : seed_(other.seed_), stream_(other.stream_), offset_(other.offset_.copy()) {}

Generator& Generator::operator=(const Generator& other) { return *this = Generator(other); }

void Generator::set_offset(std::int64_t offset) {
  ELBO_CHECK(offset >= 0, ValueError, "[Generator] offset: expected at least 0, found ", offset);
  // In place: a captured step reads it there. By a fill, which steps of black-or-white pictures do each time: a copy
  // from the host would make a GPU wait. A double holds any offset that is ever reached.
  constexpr std::int64_t exact = std::int64_t{1} << 53;
  if (offset <= exact)
    offset_.fill(static_cast<double>(offset));
  else
    offset_.assign(Array::from(std::vector<std::int64_t>{offset}, {}).to(device()));
}

void Generator::manual_seed(std::uint64_t seed) {
  seed_ = seed;
  set_offset(0);
}

namespace {

/// The default generators. Never destroyed: the pools that their offsets came from may be gone before them.
struct DefaultGenerators {
  std::mutex mutex;
  std::uint64_t seed = 0;
  std::map<std::pair<DeviceType, int>, Generator> by_device;
};

DefaultGenerators& default_generators() {
  static DefaultGenerators& instance = *std::make_unique<DefaultGenerators>().release();
  return instance;
}

/// CPUs are one device, whatever their index.
std::pair<DeviceType, int> key_of(Device device) {
  return {device.type, device.type == DeviceType::cpu ? 0 : device.index};
}

thread_local GeneratorScope* innermost_scope = nullptr;

}  // namespace

GeneratorScope::GeneratorScope(Generator& generator) : generator_(generator), outer_(innermost_scope) {
  innermost_scope = this;
}

GeneratorScope::~GeneratorScope() { innermost_scope = outer_; }

Generator& default_generator(Device device) {
  const std::pair key = key_of(device);
  for (GeneratorScope* scope = innermost_scope; scope; scope = scope->outer_)
    if (key_of(scope->generator_.device()) == key) return scope->generator_;
  DefaultGenerators& all = default_generators();
  const std::lock_guard lock(all.mutex);
  auto found = all.by_device.find(key);
  if (found == all.by_device.end()) found = all.by_device.try_emplace(key, all.seed, Stream::user, device).first;
  return found->second;
}

void manual_seed(std::uint64_t seed) {
  DefaultGenerators& all = default_generators();
  const std::lock_guard lock(all.mutex);
  all.seed = seed;
  for (auto& [device, generator] : all.by_device) generator.manual_seed(seed);
}

}  // namespace elbo
