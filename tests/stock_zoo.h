#pragma once
#include <elbo/models/registry.h>

#include <set>
#include <string>
#include <vector>

/// The models and parts that the library has by itself: tests add some.
inline const std::vector<std::string> stock = elbo::models::known_models();
/// "prior vamp".
inline const std::set<std::string> stock_parts = [] {
  std::set<std::string> out;
  for (const elbo::models::PartKind& kind : elbo::models::part_kinds())
    for (const elbo::models::Entry* part : kind.parts) out.insert(kind.name + " " + part->name);
  return out;
}();
