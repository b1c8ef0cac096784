#include "fields.h"

#include <charconv>
#include <cmath>

#include "../core/errors.h"
#include "../core/text.h"

namespace elbo::models {
namespace {

/// More would overflow products of two.
constexpr std::int64_t most_size = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t most_layers = 1000;

/// "a number above 0 and at most 1".
std::string range_text(const Field& field) {
  std::string out = "a number";
  const char* bound = field.below ? "below " : std::isfinite(field.least) ? "at most " : "of at most ";
  if (std::isfinite(field.least)) out += detail::concat(field.above ? " above " : " of at least ", field.least);
  if (std::isfinite(field.most)) out += detail::concat(std::isfinite(field.least) ? " and " : " ", bound, field.most);
  return std::isfinite(field.least) || std::isfinite(field.most) ? out : "a finite number";
}

class Check : public FieldVisitor {
 public:
  void operator()(const Field&, bool&) override {}
  void operator()(const Field& field, std::int64_t& value) override {
    size(field, value, static_cast<double>(most_size));
  }
  void operator()(const Field&, std::uint64_t&) override {}
  void operator()(const Field& field, double& value) override {
    const bool fits = std::isfinite(value) && value >= field.least && value <= field.most &&
                      !(field.above && value == field.least) && !(field.below && value == field.most);
    ELBO_CHECK(fits, ValueError, field.name, ": expected ", range_text(field), ", found ", value);
  }
  void operator()(const Field& field, std::string& value) override {
    if (field.choices.empty() || value.empty()) return;
    for (const std::string& one : field.choices)
      if (one == value) return;
    fail<ValueError>(field.name, ": expected ", either(field.choices, 100), ", found ", in_quotes(value));
  }
  void operator()(const Field& field, std::vector<std::int64_t>& value) override {
    ELBO_CHECK(value.size() <= most_layers, ValueError, field.name, ": expected at most ", most_layers,
               " layers, found ", value.size());
    for (const std::int64_t one : value) size(field, one, static_cast<double>(most_size));
  }
  void operator()(const Field& field, std::array<double, 2>& value) override {
    ELBO_CHECK(std::isfinite(value[0]) && std::isfinite(value[1]) && value[0] < value[1], ValueError, field.name,
               ": expected two numbers, the lower one first, found ", value[0], " and ", value[1]);
  }
  void operator()(const Field& field, Shape& value) override {
    ELBO_CHECK(value.rank() == 3 && value.numel() > 0 && value.numel() <= most_size, ValueError, field.name,
               ": expected [channels, height, width], all at least 1, their product at most ", most_size, ", found ",
               value);
  }
  void operator()(const Field&, Device&) override {}
  void choice(const Field&, int&) override {}

 private:
  static void size(const Field& field, std::int64_t value, double most) {
    const double least = std::isfinite(field.least) ? field.least : -most;
    most = std::min(most, field.most);
    if (least == 3 && most == 4)
      ELBO_CHECK(value == 3 || value == 4, ValueError, field.name, ": expected 3 or 4, found ", value);
    ELBO_CHECK(static_cast<double>(value) >= least, ValueError, field.name, ": expected at least ",
               static_cast<std::int64_t>(least), ", found ", value);
    ELBO_CHECK(static_cast<double>(value) <= most, ValueError, field.name, ": expected at most ",
               static_cast<std::int64_t>(most), ", found ", value);
  }
};

class Texts : public FieldVisitor {
 public:
  std::vector<std::pair<std::string, std::string>> out;

  void operator()(const Field& field, bool& value) override { add(field, value ? "yes" : "no"); }
  void operator()(const Field& field, std::int64_t& value) override { add(field, std::to_string(value)); }
  void operator()(const Field& field, std::uint64_t& value) override { add(field, std::to_string(value)); }
  void operator()(const Field& field, double& value) override { add(field, text(value)); }
  void operator()(const Field& field, std::string& value) override { add(field, value); }
  void operator()(const Field& field, std::vector<std::int64_t>& value) override { list(field, value); }
  void operator()(const Field& field, std::array<double, 2>& value) override { list(field, value); }
  void operator()(const Field& field, Shape& value) override { list(field, value); }
  void operator()(const Field& field, Device& value) override { add(field, value.to_string()); }
  void choice(const Field& field, int& place) override { add(field, field.choices[static_cast<std::size_t>(place)]); }

 private:
  void add(const Field& field, std::string value) { out.emplace_back(field.name, std::move(value)); }
  /// The shortest that comes back the same.
  static std::string text(double value) {
    char shortest[40];
    return {shortest, std::to_chars(shortest, shortest + sizeof shortest, value).ptr};
  }
  static std::string text(std::int64_t value) { return std::to_string(value); }
  template <class Numbers>
  void list(const Field& field, const Numbers& values) {
    std::string all;
    for (const auto& value : values) all += (all.empty() ? "" : ",") + text(value);
    add(field, all.empty() ? "none" : all);
  }
};

}  // namespace

void check_fields(const VisitFields& visit) {
  Check check;
  visit(check);
}

std::vector<std::pair<std::string, std::string>> field_texts(const VisitFields& visit) {
  Texts texts;
  visit(texts);
  return std::move(texts.out);
}

}  // namespace elbo::models
