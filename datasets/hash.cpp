#include <bit>
#include <cstring>

#include "hash_detail.h"

namespace elbo::datasets {
namespace {

/// Eight bytes, or fewer at the end, the first the lowest.
std::uint64_t word_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  std::uint64_t word = 0;
  if (std::endian::native == std::endian::little && bytes.size() - at >= 8) {
    std::memcpy(&word, bytes.data() + at, 8);
    return word;
  }
  for (std::size_t i = 0; i < 8 && at + i < bytes.size(); ++i) word |= std::uint64_t{bytes[at + i]} << (8 * i);
  return word;
}

}  // namespace

void Hash::add(std::span<const std::uint8_t> bytes) {
  add(bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += 8) add(word_at(bytes, at));
}

void Hash::add(std::string_view text) {
  add(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::uint64_t Hash::value() const {
  // Two more rounds, so that each bit of the last word reaches each bit of the result.
  Hash end = *this;
  end.add(0);
  end.add(0);
  return end.value_;
}

}  // namespace elbo::datasets
