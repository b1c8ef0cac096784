#pragma once
#include <cstdint>

#include "api.h"
#include "array.h"
#include "random_kinds.h"

namespace ELBO_API elbo {

/// A source of random numbers: a seed, a stream and an offset. Element i of the next call is a pure function of (seed,
/// stream, offset, i), by Philox4x32-10 (Salmon et al. 2011), the same on every device and for any number of threads;
/// the call then adds one to the offset. The offset lies on the device, so that a captured training step draws new
/// numbers at each replay. Several threads may draw from one: each call takes an offset of its own, so that no two draw
/// the same numbers, but which thread draws which is not determined.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0, Stream stream = Stream::user, Device device = cpu);
  /// A copy goes on by itself, from the same state.
  Generator(const Generator& other);
  Generator& operator=(const Generator& other);
  Generator(Generator&&) = default;
  Generator& operator=(Generator&&) = default;
  ~Generator() = default;

  std::uint64_t seed() const { return seed_; }
  Stream stream() const { return stream_; }
  Device device() const { return offset_.device(); }
  /// The number of calls so far: int64, shape []. Saving and assigning it saves and restores the state.
  Array& offset() { return offset_; }
  const Array& offset() const { return offset_; }
  /// Starts again from `seed`, at offset 0.
  void manual_seed(std::uint64_t seed);
  /// Throws ValueError for an offset below 0.
  void set_offset(std::int64_t offset);

 private:
  std::uint64_t seed_;
  Stream stream_;
  Array offset_;
};

/// The generator that random ops use when none is given: that of the innermost GeneratorScope for this device, else one
/// a device, made at first use and living as long as the program. All draw the same numbers from the same seed. Throws
/// DeviceError for a device that cannot be used.
Generator& default_generator(Device device = cpu);
/// While one lives, what draws on this thread from the default generator of `generator`'s device draws from `generator`
/// instead: initial weights for example. Scopes nest; they end in the reverse order of their beginning, on the thread
/// on which they began. `generator` must outlive the scope.
///
///     Generator init(7, Stream::init);
///     GeneratorScope scope(init);
///     nn::Linear layer(3, 2);  // drawn from `init`
class GeneratorScope {
 public:
  explicit GeneratorScope(Generator& generator);
  ~GeneratorScope();
  GeneratorScope(const GeneratorScope&) = delete;
  GeneratorScope& operator=(const GeneratorScope&) = delete;

 private:
  friend Generator& default_generator(Device device);
  Generator& generator_;
  GeneratorScope* outer_;
};

/// Seeds the default generators, also those that are made later; before, the seed is 0.
void manual_seed(std::uint64_t seed);

}  // namespace elbo
