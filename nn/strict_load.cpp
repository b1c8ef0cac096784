#include "strict_load.h"

#include <unordered_map>

#include "../core/kernels.h"

namespace elbo::nn::detail {
namespace {

using elbo::detail::concat;

/// The name under which `name` is looked for here: its longest beginning that `rename` knows is replaced.
std::string renamed(const std::string& name, const std::map<std::string, std::string>& rename) {
  for (std::size_t end = name.size(); end != std::string::npos && end > 0; end = name.rfind('.', end - 1)) {
    const auto found = rename.find(name.substr(0, end));
    if (found != rename.end()) return found->second + name.substr(end);
  }
  return name;
}

std::string described(const std::string& name, const Array& array) {
  return concat(name, " ", array.dtype(), " ", array.shape());
}

bool converts(DType from, DType to) { return from == to || (is_floating(from) && is_floating(to)); }

/// What is wrong, by kind; each a list of names.
struct Faults {
  std::string missing, unexpected, doubled, wrong;

  static void add(std::string& list, const std::string& item) { list += (list.empty() ? "" : ", ") + item; }
  std::string message() const {
    std::string out;
    for (const auto& [kind, list] : {std::pair("missing: ", &missing),
                                     {"unexpected: ", &unexpected},
                                     {"twice: ", &doubled},
                                     {"mismatched: ", &wrong}})
      if (!list->empty()) out += (out.empty() ? "" : "; ") + (kind + *list);
    return out;
  }
};

}  // namespace

void load_strictly(const std::string& what, NamedArrays targets, const NamedArrays& sources,
                   const std::map<std::string, std::string>& rename) {
  Faults faults;
  std::unordered_map<std::string, const Array*> given;
  for (const auto& [name, array] : sources) {
    ELBO_CHECK(array.defined(), ValueError, what, " ", name, " is undefined");
    const std::string here = renamed(name, rename);
    if (!given.emplace(here, &array).second) Faults::add(faults.doubled, here);
  }
  std::vector<Array> ready;  // converted and on the target's device, so that writing cannot fail half-way
  ready.reserve(targets.size());
  for (const auto& [name, array] : targets) {
    const auto found = given.find(name);
    if (found == given.end()) {
      Faults::add(faults.missing, described(name, array));
      continue;
    }
    const Array& source = *found->second;
    given.erase(found);
    if (source.shape() == array.shape() && converts(source.dtype(), array.dtype())) {
      ready.push_back(
          (source.dtype() == array.dtype() ? source : kernels::cast(source, array.dtype())).to(array.device()));
    } else {
      Faults::add(faults.wrong, concat(described(name, array), ", found ", source.dtype(), " ", source.shape()));
    }
  }
  for (const auto& [name, array] : sources) {  // in the order given, which the map does not keep
    const auto left = given.find(renamed(name, rename));
    if (left != given.end() && left->second == &array) Faults::add(faults.unexpected, described(name, array));
  }
  const std::string message = faults.message();
  ELBO_CHECK(message.empty(), ValueError, what, " ", message);
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (targets[i].second.raw() != ready[i].raw()) targets[i].second.assign(ready[i]);
}

}  // namespace elbo::nn::detail
