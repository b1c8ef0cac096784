#pragma once
#include <elbo/core/safetensors.h>

#include <algorithm>
#include <string>

/// Every bit of a trainer's state but the seconds that it took, in an order of its own.
inline std::string bits(elbo::NamedArrays arrays) {
  std::sort(arrays.begin(), arrays.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string out;
  for (const auto& [name, array] : arrays) {
    if (name == "position.seconds") continue;
    out += name;
    out.append(static_cast<const char*>(array.raw()), array.bytes());
  }
  return out;
}
