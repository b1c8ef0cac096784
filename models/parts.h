#pragma once
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "../core/api.h"
#include "../core/errors.h"
#include "../core/text.h"

namespace ELBO_API elbo {
namespace models {

struct ModelConfig;

/// What every row of a registry has: of models, and of each kind of part.
struct Entry {
  std::string name = {};                 ///< as the command line and JSON have it
  std::string what = {};                 ///< one line, with its paper
  std::vector<std::string> fields = {};  ///< which fields of ModelConfig it uses, beside those of all models
  /// Throws ValueError for a config that it cannot serve, all of it filled in. May be empty.
  std::function<void(const ModelConfig&)> check = {};
  /// Beside what a field of its has no effect, as on the command line: `--posterior point`. Empty for one that has. It
  /// is asked for a config whose parts are all named. May be empty.
  std::function<std::string(const ModelConfig&, const std::string& field)> idle_with = {};
};

/// The rows by name, in order. A program of your own adds to them before it makes a model; not while another thread
/// does.
template <class Row>
class Registry {
 public:
  /// `kind` is a word for messages, such as `prior`.
  Registry(const char* kind, std::vector<Row> rows) : kind_(kind), rows_(std::move(rows)) {}

  const std::vector<Row>& rows() const { return rows_; }
  const char* kind() const { return kind_; }
  /// Throws ValueError where the name is taken or empty.
  void add(Row row) {
    ELBO_CHECK(!row.name.empty() && !find(row.name), ValueError, kind_, ": expected a new name, found ",
               in_quotes(row.name));
    rows_.push_back(std::move(row));
  }
  /// Null for a name that is none.
  const Row* find(const std::string& name) const {
    const auto is = [&](const Row& row) { return row.name == name; };
    const auto found = std::find_if(rows_.begin(), rows_.end(), is);
    return found == rows_.end() ? nullptr : &*found;
  }
  /// Throws ValueError, listing names, for one that is none.
  const Row& at(const std::string& name) const {
    const Row* row = find(name);
    ELBO_CHECK(row, ValueError, kind_, ": expected one of ", either(names(), 100), ", found ", in_quotes(name));
    return *row;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const Row& row : rows_) out.push_back(row.name);
    return out;
  }

 private:
  const char* kind_;
  std::vector<Row> rows_;
};

}  // namespace models
}  // namespace elbo
