#pragma once
#include <iosfwd>
#include <string>
#include <string_view>

#include "api.h"

namespace ELBO_API elbo {

enum class DeviceType { cpu, cuda, meta };

/// Where an array lives: `cpu`, `cuda:i` or `meta`.
struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;

  /// Reads `cpu`, `cuda` (meaning `cuda:0`), `cuda:3`, or `auto` (default_device()). Throws DeviceError for anything
  /// else, `meta` too, where nothing can be trained; not for a GPU that is not there: its first use does.
  static Device parse(std::string_view text);
  std::string to_string() const;
  bool operator==(const Device&) const = default;
};

inline constexpr Device cpu{};
/// No place at all: arrays on it have a shape and a dtype, no numbers, and take no memory. They describe what would be
/// too large to make: see nn::MetaGuard. Array::empty makes them, and their views are such arrays too. What would read
/// or write numbers, each op among it, throws DeviceError: "[exp] device meta holds no numbers".
inline constexpr Device meta{DeviceType::meta};

/// Whether a device can compute: true for the CPU, and for a GPU on which a matrix product has run. The first time that
/// opens it, which takes a fraction of a second. Where it is false of a GPU, `backend(device)` (storage.h) throws,
/// saying why.
bool available(Device device);
/// `cuda:0` where it can be used, else `cpu`.
Device default_device();

std::ostream& operator<<(std::ostream& out, Device device);

}  // namespace elbo
