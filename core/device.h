#pragma once
#include <iosfwd>
#include <string>
#include <string_view>

namespace elbo {

enum class DeviceType { cpu, cuda };

/// Where an array lives: `cpu` or `cuda:i`.
struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;

  /// Reads `cpu`, `cuda` (meaning `cuda:0`) or `cuda:3`. Throws DeviceError for anything else.
  static Device parse(std::string_view text);
  std::string to_string() const;
  bool operator==(const Device&) const = default;
};

inline constexpr Device cpu{};

std::ostream& operator<<(std::ostream& out, Device device);

}  // namespace elbo
