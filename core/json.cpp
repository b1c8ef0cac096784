#include <cmath>
#include <limits>
#include <set>

#include "json_detail.h"
#include "text.h"

namespace elbo::detail {

using nlohmann::json;

json parse_json(std::string_view text, const std::string& where, std::size_t max_depth,
                std::vector<std::string>* names) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::set<std::string>> keys;
  auto look = [&](int, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        ELBO_CHECK(keys.size() < max_depth, FormatError, where, ": expected at most ", max_depth,
                   " levels of nesting, found more");
        keys.emplace_back();
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        keys.pop_back();
        break;
      case json::parse_event_t::key: {
        const std::string name = parsed.get<std::string>();
        ELBO_CHECK(keys.back().insert(name).second, FormatError, where, ": expected each name once, found ",
                   in_quotes(name), " twice");
        if (names && keys.size() == 1) names->push_back(name);
        break;
      }
      case json::parse_event_t::value:
        break;
    }
    return true;
  };
  try {
    return json::parse(text, look);
  } catch (const json::parse_error& error) {
    fail<FormatError>(where, ": expected JSON, found something else at byte ", error.byte);
  } catch (const json::exception&) {
    fail<FormatError>(where, ": expected JSON, found a number out of range");
  }
}

std::string shown(const json& value) {
  return printable(value.dump(-1, ' ', false, json::error_handler_t::replace), 80);
}

JsonFields::JsonFields(const json& value, std::string where, std::string name)
    : value_(&value), where_(std::move(where)), name_(std::move(name)) {
  ELBO_CHECK(value.is_object(), FormatError, where_, ": ",
             name_.empty() ? "" : "'" + name_ + "': ", "expected an object, found ", shown(value));
}

JsonFields JsonFields::object(const char* field) const {
  if (!has(field)) refuse(field, "an object", "nothing");
  return {value_->at(field), where_, full_name(field)};
}

void JsonFields::read_or_nan(const char* field, double& to) const {
  if (is_null(field))
    to = std::numeric_limits<double>::quiet_NaN();
  else
    read(field, to);
}

void JsonFields::refuse(const char* field, const std::string& wanted, const std::string& found) const {
  fail<FormatError>(where_, ": '", full_name(field), "': expected ", wanted, ", found ", found);
}

std::string JsonFields::full_name(const char* field) const { return name_.empty() ? field : name_ + "." + field; }

bool JsonFields::get(const json& value, bool& to) {
  if (!value.is_boolean()) return false;
  to = value.get<bool>();
  return true;
}

bool JsonFields::get(const json& value, std::int64_t& to) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<std::uint64_t>() > most)) return false;
  to = value.get<std::int64_t>();
  return true;
}

bool JsonFields::get(const json& value, std::uint64_t& to) {
  if (!value.is_number_unsigned()) return false;
  to = value.get<std::uint64_t>();
  return true;
}

bool JsonFields::get(const json& value, double& to) {
  if (!value.is_number()) return false;
  to = value.get<double>();
  return std::isfinite(to);
}

bool JsonFields::get(const json& value, std::string& to) {
  if (!value.is_string()) return false;
  to = from_utf8(value.get_ref<const std::string&>());
  return true;
}

bool JsonFields::get(const json& value, std::array<double, 2>& to) {
  return value.is_array() && value.size() == 2 && get(value[0], to[0]) && get(value[1], to[1]);
}

}  // namespace elbo::detail
