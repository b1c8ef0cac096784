#include "strict_load.h"

#include <cmath>
#include <set>
#include <unordered_map>

#include "../core/kernels.h"
#include "../core/text.h"

namespace elbo::nn::detail {
namespace {

using elbo::detail::concat;

/// The name under which `name` is looked for here: its longest beginning that `rename` knows is replaced. All that it
/// knows leave `unused`.
std::string renamed(const std::string& name, const std::map<std::string, std::string>& rename,
                    std::set<std::string>& unused) {
  std::string out;
  for (std::size_t end = name.size(); end != std::string::npos && end > 0; end = name.rfind('.', end - 1)) {
    const auto found = rename.find(name.substr(0, end));
    if (found == rename.end()) continue;
    unused.erase(found->first);
    if (out.empty()) out = found->second + name.substr(end);
  }
  return out.empty() ? name : out;
}

std::string described(const ArrayInfo& array) {
  return concat(printable(array.name, 80), " ", array.dtype, " ", array.shape);
}

bool converts(DType from, DType to) { return from == to || (is_floating(from) && is_floating(to)); }

/// Names with the same fault; of many, the first.
class Fault {
 public:
  explicit Fault(const char* kind) : kind_(kind) {}
  void add(const std::string& item) {
    if (++count_ <= most) text_ += (count_ == 1 ? "" : ", ") + item;
  }
  void append_to(std::string& message) const {
    if (count_ == 0) return;
    message += (message.empty() ? "" : "; ") + (kind_ + text_);
    if (count_ > most) message += concat(" and ", count_ - most, " more");
  }

 private:
  static constexpr int most = 8;
  const char* kind_;
  std::string text_;
  int count_ = 0;
};

ArrayInfo info_of(const std::string& name, const Array& array) { return {name, array.dtype(), array.shape()}; }

}  // namespace

std::string differences(const std::vector<ArrayInfo>& targets, const std::vector<ArrayInfo>& sources) {
  Fault missing("missing: "), unexpected("unexpected: "), doubled("twice: "), wrong("mismatched: ");
  std::unordered_map<std::string, const ArrayInfo*> given;
  for (const ArrayInfo& source : sources)
    if (!given.emplace(source.name, &source).second) doubled.add(printable(source.name, 80));
  for (const ArrayInfo& target : targets) {
    const auto found = given.find(target.name);
    if (found == given.end()) {
      missing.add(described(target));
      continue;
    }
    const ArrayInfo& source = *found->second;
    given.erase(found);
    if (source.shape != target.shape || !converts(source.dtype, target.dtype))
      wrong.add(concat(described(target), ", found ", source.dtype, " ", source.shape));
  }
  for (const ArrayInfo& source : sources) {  // in the order given, which the map does not keep
    const auto left = given.find(source.name);
    if (left != given.end() && left->second == &source) unexpected.add(described(source));
  }
  std::string message;
  for (const Fault* fault : {&missing, &unexpected, &doubled, &wrong}) fault->append_to(message);
  return message;
}

void load_strictly(const std::string& what, NamedArrays targets, const NamedArrays& sources,
                   const std::map<std::string, std::string>& rename) {
  std::vector<ArrayInfo> wanted, found;
  std::unordered_map<std::string, const Array*> given;
  std::set<std::string> unused;
  for (const auto& one : rename) unused.insert(one.first);
  for (const auto& [name, array] : sources) {
    ELBO_CHECK(array.defined(), ValueError, what, " ", name, " is undefined");
    found.push_back(info_of(renamed(name, rename, unused), array));
    given.emplace(found.back().name, &array);
  }
  for (const auto& [name, array] : targets) wanted.push_back(info_of(name, array));
  const std::string message = differences(wanted, found);
  ELBO_CHECK(message.empty(), ValueError, what, " ", message);
  ELBO_CHECK(unused.empty(), ValueError, what, " rename: expected names of the state, or their beginnings, found ",
             in_quotes(*unused.begin()), ", which is none");
  std::vector<Array> ready;  // converted and on the target's device, so that writing cannot fail half-way
  ready.reserve(targets.size());
  for (const auto& [name, array] : targets) {
    const Array& source = *given.at(name);
    ready.push_back(
        (source.dtype() == array.dtype() ? source : kernels::cast(source, array.dtype())).to(array.device()));
  }
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (targets[i].second.raw() != ready[i].raw()) targets[i].second.assign(ready[i]);
}

namespace {

template <class T>
void check_finite(const std::string& name, std::span<const T> values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    ELBO_CHECK(std::isfinite(values[i]), ValueError, printable(name, 80), ": expected finite numbers, found ",
               values[i], " at element ", i);
}

}  // namespace

void check_finite(const NamedArrays& arrays) {
  for (const auto& [name, array] : arrays) {
    const Array host = array.to(cpu);
    if (host.dtype() == DType::float32) check_finite(name, host.values<float>());
    if (host.dtype() == DType::float64) check_finite(name, host.values<double>());
  }
}

}  // namespace elbo::nn::detail
