#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "../core/api.h"
#include "../core/device.h"
#include "../core/shape.h"

/// Settings that are declared once. A struct of settings has one function `fields(FieldVisitor&)`, which names each of
/// its members; the check of their values, JSON, the command line and its help all come from there.
namespace ELBO_API elbo {
namespace models {

/// What there is to say of a setting.
struct Field {
  const char* name;       ///< in JSON and in messages; the option on the command line has `-` for `_` and `--` in front
  const char* what = "";  ///< one line of help
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool above = false;                     ///< `least` itself is not allowed
  bool below = false;                     ///< nor is `most`
  std::vector<std::string> choices = {};  ///< of a text or a choice; empty for any text
  bool only_in_file = false;              ///< no option on the command line says it
  const char* json_name = nullptr;        ///< where it is not `name`
};

/// Is shown one member after the other.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void operator()(const Field& field, bool& value) = 0;
  virtual void operator()(const Field& field, std::int64_t& value) = 0;
  virtual void operator()(const Field& field, std::uint64_t& value) = 0;
  virtual void operator()(const Field& field, double& value) = 0;
  virtual void operator()(const Field& field, std::string& value) = 0;
  virtual void operator()(const Field& field, std::vector<std::int64_t>& value) = 0;
  virtual void operator()(const Field& field, std::array<double, 2>& value) = 0;
  virtual void operator()(const Field& field, Shape& value) = 0;
  virtual void operator()(const Field& field, Device& value) = 0;
  /// One of the field's choices, by its place among them.
  virtual void choice(const Field& field, int& place) = 0;
  template <class Enum>
  void choose(const Field& field, Enum& value) {
    int place = static_cast<int>(value);
    choice(field, place);
    value = static_cast<Enum>(place);
  }
};

/// Visits the fields of a struct of settings: `[&](FieldVisitor& v) { config.fields(v); }`.
using VisitFields = std::function<void(FieldVisitor&)>;

/// Throws ValueError naming the first field whose value is none that it may have.
void check_fields(const VisitFields& visit);
/// The name of each field and its value as text: `512,256`, `0.5`, `true`, `none` for an empty list.
std::vector<std::pair<std::string, std::string>> field_texts(const VisitFields& visit);

}  // namespace models
}  // namespace elbo
