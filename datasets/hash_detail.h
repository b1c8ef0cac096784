#pragma once
#include <cstdint>
#include <span>
#include <string_view>

/// Internal to the datasets.
namespace elbo::datasets {

/// A hash of 64 bits, the same on every machine and in every version: splits and runs rest on it. Words of 8 bytes are
/// multiplied in, one after the other, so that two inputs that differ in one word never have the same. It keeps no
/// secrets: who wants to can make two inputs of one hash.
class Hash {
 public:
  void add(std::uint64_t word) {
    value_ = (value_ ^ word) * multiplier;
    value_ ^= value_ >> 32;
  }
  /// The number of bytes, and the bytes, the last word filled up with zeros.
  void add(std::span<const std::uint8_t> bytes);
  void add(std::string_view text);
  std::uint64_t value() const;

 private:
  static constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
  std::uint64_t value_ = 0;
};

}  // namespace elbo::datasets
