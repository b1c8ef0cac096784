#pragma once
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "errors.h"

/// Internal: JSON that others wrote. Every file of it is read through here.
namespace elbo::detail {

/// The value of a whole text; a byte order mark before it is passed over. Throws FormatError, its message beginning
/// with `where`, for what is no JSON, a name that comes twice in an object, and for more than `max_depth` levels of
/// nesting, which would take more memory and stack than the text. `names` gets those of the outermost object in their
/// order, which the value does not keep.
nlohmann::json parse_json(std::string_view text, const std::string& where, std::size_t max_depth = 16,
                          std::vector<std::string>* names = nullptr);

/// A value for a message: on one line, cut at 80 characters.
std::string shown(const nlohmann::json& value);

/// The fields of an object, read by name and type. Messages name the file, the field, what was expected and what was
/// found.
class JsonFields {
 public:
  /// `name` is the object's own and goes before its fields', `model` before `latent`; empty for the outermost. Throws
  /// FormatError unless `value` is an object. Both must outlive this.
  JsonFields(const nlohmann::json& value, std::string where, std::string name = "");

  /// The object in a field.
  JsonFields object(const char* field) const;
  bool has(const char* field) const { return value_->contains(field); }
  bool is_null(const char* field) const { return has(field) && value_->at(field).is_null(); }

  template <class T>
  void read(const char* field, T& to) const {
    const nlohmann::json* value = has(field) ? &value_->at(field) : nullptr;
    if (!value || !get(*value, to)) refuse(field, expected(to), value ? shown(*value) : "nothing");
  }
  /// Leaves `to` as it is where the field is missing: files of earlier versions lack it.
  template <class T>
  void read_if_there(const char* field, T& to) const {
    if (has(field)) read(field, to);
  }
  /// Throws FormatError for a field of another name.
  void refuse_others_than(const std::vector<std::string>& names) const;
  /// A number; where the field is null, NaN: JSON has no other way to write it.
  void read_or_nan(const char* field, double& to) const;

  /// Throws FormatError.
  [[noreturn]] void refuse(const char* field, const std::string& wanted, const std::string& found) const;

 private:
  std::string full_name(const char* field) const;

  // Whether the value is of the type; strings come back through from_utf8.
  static bool get(const nlohmann::json& value, bool& to);
  static bool get(const nlohmann::json& value, std::int64_t& to);
  static bool get(const nlohmann::json& value, std::uint64_t& to);
  static bool get(const nlohmann::json& value, double& to);
  static bool get(const nlohmann::json& value, std::string& to);
  static bool get(const nlohmann::json& value, std::array<double, 2>& to);
  template <class T>
  static bool get(const nlohmann::json& value, std::vector<T>& to) {
    if (!value.is_array()) return false;
    to.assign(value.size(), T());
    for (std::size_t i = 0; i < to.size(); ++i)
      if (!get(value[i], to[i])) return false;
    return true;
  }

  static const char* expected(const bool&) { return "true or false"; }
  static const char* expected(const std::int64_t&) { return "a whole number"; }
  static const char* expected(const std::uint64_t&) { return "a whole number of at least 0"; }
  static const char* expected(const double&) { return "a number"; }
  static const char* expected(const std::string&) { return "a string"; }
  static const char* expected(const std::array<double, 2>&) { return "two numbers in a list"; }
  static const char* expected(const std::vector<std::int64_t>&) { return "a list of whole numbers"; }
  static const char* expected(const std::vector<std::string>&) { return "a list of strings"; }

  const nlohmann::json* value_;
  std::string where_, name_;
};

}  // namespace elbo::detail
