#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "json_detail.h"
#include "text.h"

namespace elbo::detail {

using nlohmann::json;

namespace {

/// Looks through JSON for names that come twice in an object, of which the parser would keep the last, and for deep
/// nesting; notes the names of the outermost object. The parser's own callback would do, but takes time that grows with
/// the square of the number of entries.
class Check final : public json::json_sax_t {
 public:
  Check(const std::string& where, std::size_t max_depth) : where_(where), max_depth_(max_depth) {}
  std::vector<std::string> names;

  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(std::string& name) override {
    ELBO_CHECK(keys_.back().insert(name).second, FormatError, where_, ": expected each name once, found ",
               in_quotes(name), " twice");
    if (keys_.size() == 1) names.push_back(name);
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(json::binary_t&) override { return true; }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override { return false; }

 private:
  bool enter() {
    ELBO_CHECK(keys_.size() < max_depth_, FormatError, where_, ": expected at most ", max_depth_,
               " levels of nesting, found more");
    keys_.emplace_back();
    return true;
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }

  const std::string& where_;
  std::size_t max_depth_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

json parse_json(std::string_view text, const std::string& where, std::size_t max_depth,
                std::vector<std::string>* names) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Check check(where, max_depth);
  json::sax_parse(text, &check);  // what is no JSON is said below
  if (names) *names = std::move(check.names);
  try {
    return json::parse(text);
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

void JsonFields::refuse_others_than(const std::vector<std::string>& names) const {
  for (const auto& [name, value] : value_->items())
    if (std::find(names.begin(), names.end(), name) == names.end())
      refuse(name.c_str(), "a field that this version of elbo knows", "another");
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
