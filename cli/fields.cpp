#include "fields.h"

#include <algorithm>
#include <cmath>

#include "options.h"

namespace elbo::cli {
namespace {

using models::Field;

std::int64_t whole(double limit, std::int64_t otherwise) {
  return std::isfinite(limit) ? static_cast<std::int64_t>(limit) : otherwise;
}

/// Adds an option for each field it is shown.
class Adder : public models::FieldVisitor {
 public:
  Adder(CLI::App& command, const HeadingOf& heading_of) : command_(command), heading_of_(heading_of) {}

  void operator()(const Field& field, bool& value) override {
    const std::string name = option_of(field.name);
    if (!wanted(field)) return;
    const std::string names = value ? name + ",!--no-" + name.substr(2) : name, what = field.what;
    finish(command_.add_flag(names, what), field);
  }
  void operator()(const Field& field, std::int64_t& value) override {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    if (auto* option = one(field, "N", std::to_string(value)))
      option->check(between(whole(field.least, -most), whole(field.most, most)));
  }
  void operator()(const Field& field, std::uint64_t& value) override {
    if (auto* option = one(field, "N", std::to_string(value))) option->check(any_seed());
  }
  void operator()(const Field& field, double& value) override {
    if (auto* option = one(field, "X", text_of(field, value)))
      option->check(number_between(field.least, field.most, field.above, field.below));
  }
  void operator()(const Field& field, std::string& value) override {
    if (auto* option = one(field, "TEXT", value); option && !field.choices.empty())
      option->check(one_of(field.choices));
  }
  void operator()(const Field& field, std::vector<std::int64_t>& value) override {
    if (auto* option = list(field, "N,N...", value.empty() ? "" : text_of(field, value)))
      option->check(at_least(whole(field.least, 0)));
  }
  void operator()(const Field& field, std::array<double, 2>& value) override {
    if (auto* option = list(field, "LOW,HIGH", text_of(field, value))) option->check(any_number());
  }
  void operator()(const Field&, Shape&) override {}  // only in files
  void operator()(const Field& field, Device& value) override { one(field, "D", value.to_string()); }
  void choice(const Field& field, int& place) override {
    if (auto* option = one(field, "TEXT", field.choices[static_cast<std::size_t>(place)]))
      option->check(one_of(field.choices));
  }

 private:
  bool wanted(const Field& field) const {
    return !field.only_in_file && !command_.get_option_no_throw(option_of(field.name)) &&
           !heading_of_(field.name).empty();
  }
  /// As JSON and messages have it.
  template <class Value>
  static std::string text_of(const Field& field, Value& value) {
    return models::field_texts([&](models::FieldVisitor& v) { v(field, value); }).front().second;
  }
  CLI::Option* finish(CLI::Option* option, const Field& field) { return option->group(heading_of_(field.name)); }
  CLI::Option* one(const Field& field, const char* type, const std::string& value) {
    if (!wanted(field)) return nullptr;
    CLI::Option* option = command_.add_option_function<std::string>(
        option_of(field.name), [](const std::string&) {}, field.what);
    return finish(option->type_name(type)->default_str(value), field);
  }
  CLI::Option* list(const Field& field, const char* type, const std::string& value) {
    if (!wanted(field)) return nullptr;
    CLI::Option* option = command_.add_option_function<std::vector<std::string>>(
        option_of(field.name), [](const std::vector<std::string>&) {}, field.what);
    option->delimiter(',')->allow_extra_args(false);
    return finish(option->type_name(type)->default_str(value), field);
  }

  CLI::App& command_;
  const HeadingOf& heading_of_;
};

/// Sets the fields whose options were given.
class Reader : public models::FieldVisitor {
 public:
  explicit Reader(const CLI::App& command) : command_(command) {}

  void operator()(const Field& field, bool& value) override { read(field, value); }
  void operator()(const Field& field, std::int64_t& value) override { read(field, value); }
  void operator()(const Field& field, std::uint64_t& value) override { read(field, value); }
  void operator()(const Field& field, double& value) override { read(field, value); }
  void operator()(const Field& field, std::string& value) override { read(field, value); }
  void operator()(const Field& field, std::vector<std::int64_t>& value) override { read(field, value); }
  void operator()(const Field& field, std::array<double, 2>& value) override {
    std::vector<double> both(value.begin(), value.end());
    read(field, both);
    if (both.size() != 2) throw CLI::ValidationError(option_of(field.name), "expected LOW,HIGH, found " + found(field));
    value = {both[0], both[1]};
  }
  void operator()(const Field&, Shape&) override {}
  void operator()(const Field&, Device&) override {}
  void choice(const Field& field, int& place) override {
    std::string text = field.choices[static_cast<std::size_t>(place)];
    read(field, text);
    place = static_cast<int>(std::find(field.choices.begin(), field.choices.end(), text) - field.choices.begin());
  }

 private:
  template <class Value>
  void read(const Field& field, Value& value) {
    const CLI::Option* option = command_.get_option_no_throw(option_of(field.name));
    if (option && option->count() > 0) value = option->as<Value>();
  }
  std::string found(const Field& field) const {
    std::string out;
    for (const std::string& one : command_.get_option(option_of(field.name))->results())
      out += (out.empty() ? "" : ",") + one;
    return out;
  }
  const CLI::App& command_;
};

}  // namespace

std::string option_of(const std::string& field) {
  std::string out = "--" + field;
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

std::string field_of(const std::string& option) {
  std::string out = option.substr(2);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

void add_fields(CLI::App& command, const models::VisitFields& visit, const HeadingOf& heading_of) {
  Adder adder(command, heading_of);
  visit(adder);
}

void read_fields(const CLI::App& command, const models::VisitFields& visit) {
  Reader reader(command);
  visit(reader);
}

}  // namespace elbo::cli
