#include "options.h"

#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/core/text.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "arguments.h"
#include "commands.h"

namespace elbo::cli {
namespace {

/// Reads all of `text` as a number: neither blanks, nor a plus, nor another base, nor what does not fit. CLI11 reads
/// with strtoll, which takes 0x10 and 010, and makes the largest number of what is larger.
template <class Number>
bool reads_as(const std::string& text, Number& value) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return false;
  if constexpr (std::is_floating_point_v<Number>) return std::isfinite(value);
  const std::size_t digits = text.find_first_of("0123456789");
  return digits != std::string::npos && (text[digits] != '0' || digits + 1 == text.size());
}

/// A check of a number; `what` says what is expected.
template <class Number, class Test>
CLI::Validator number_check(const std::string& what, Test test) {
  return {[what, test](std::string& text) {
            Number value{};
            bool fits = reads_as(text, value) && test(value);
            return fits ? std::string()
                        : "expected " + what + ", found " + (text.empty() ? "nothing" : printable(text, 80));
          },
          ""};
}

// CLI11 keeps an option's validators and their names: the names of those that check nothing hold the table's lines.

constexpr const char* choices_kind = "choices";
constexpr const char *only_kind = "only", *not_kind = "not";

/// Characters of choices that the help has room for beside an option's name.
constexpr std::size_t most_choices = 66;

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t to = std::min(text.find(at, from), text.size());
    out.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return out;
}

std::string joined(const std::vector<std::string>& words, const std::string& between_words,
                   const std::string& before_last) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i)
    out += (i == 0 ? "" : i + 1 < words.size() ? between_words : before_last) + words[i];
  return out;
}

CLI::Validator line(const std::string& kind, const std::string& subject, const std::vector<std::string>& values) {
  return {[](std::string&) { return std::string(); }, "", kind + " " + subject + " " + joined(values, "|", "|")};
}

std::vector<std::vector<std::string>> lines_of(const CLI::Option& option) {
  std::vector<std::vector<std::string>> out;
  try {
    // Reads alone; there is no such function of constant options.
    for (int i = 0;; ++i) {
      std::vector<std::string> words = split(const_cast<CLI::Option&>(option).get_validator(i)->get_name(), ' ');
      if (words.size() >= 2) out.push_back(words);
    }
  } catch (const CLI::OptionNotFound&) {
    return out;
  }
}

bool same_value(const std::string& a, const std::string& b) {
  double x = 0, y = 0;
  return a == b || (reads_as(a, x) && reads_as(b, y) && x == y);
}

bool is_among(const std::string& value, const std::vector<std::string>& values) {
  return std::any_of(values.begin(), values.end(), [&](const std::string& one) { return same_value(one, value); });
}

/// Whether the option has an effect where the setting has one of these values.
bool holds(const Condition& condition, const std::vector<std::string>& found) {
  return std::any_of(found.begin(), found.end(),
                     [&](const std::string& value) { return is_among(value, condition.values) == condition.only; });
}

const OptionFacts* named(const std::vector<OptionFacts>& options, const std::string& name) {
  for (const OptionFacts& option : options)
    if (option.name == name) return &option;
  return nullptr;
}

/// What a terminal would not show as it stands, in octal numbers, whose length the shell knows.
std::string escaped_word(std::string_view word) {
  std::string out = "$'";
  while (!word.empty()) {
    const std::string_view bytes = word.substr(0, first_character(word).bytes);
    const bool shown = printable(bytes) == bytes;
    for (char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      const auto octal = [&](int shift) { return static_cast<char>('0' + ((byte >> shift) & 7)); };
      if (!shown)
        out += {'\\', octal(6), octal(3), octal(0)};
      else if (c == '\'' || c == '\\')
        out += {'\\', c};
      else
        out += c;
    }
    word.remove_prefix(bytes.size());
  }
  return out + "'";
}

}  // namespace

std::string shell_word(const std::string& word) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) || std::strchr("_./-+=:,@%", c); };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  if (printable(word) != word) return escaped_word(word);
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string either(const std::vector<std::string>& words) { return elbo::either(words); }

CLI::Validator between(std::int64_t least, std::int64_t most) {
  std::string what = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  if (most == std::numeric_limits<std::int64_t>::max()) what = "a whole number of at least " + std::to_string(least);
  return number_check<std::int64_t>(what, [=](std::int64_t value) { return value >= least && value <= most; });
}

CLI::Validator at_least(std::int64_t least) { return between(least, std::numeric_limits<std::int64_t>::max()); }

CLI::Validator any_seed() {
  return number_check<std::uint64_t>(
      "a whole number from 0 to " + std::to_string(std::numeric_limits<std::uint64_t>::max()),
      [](std::uint64_t) { return true; });
}

CLI::Validator any_number() {
  return number_check<double>("a number", [](double) { return true; });
}

CLI::Validator float32_number() {
  return number_check<double>("a number from -3.4028234e+38 to 3.4028234e+38, as float32 holds",
                              [](double value) { return std::abs(value) <= std::numeric_limits<float>::max(); });
}

CLI::Validator number_between(double least, double most, bool above, bool below) {
  std::string what = "a number";
  if (std::isfinite(least)) what += detail::concat(above ? " above " : " of at least ", least);
  const char* bound = below ? "below " : std::isfinite(least) ? "at most " : "of at most ";
  if (std::isfinite(most)) what += detail::concat(std::isfinite(least) ? " and " : " ", bound, most);
  return number_check<double>(what, [=](double value) {
    return value >= least && value <= most && !(above && value == least) && !(below && value == most);
  });
}

CLI::Validator positive() { return number_between(0, std::numeric_limits<double>::infinity(), true); }

CLI::Validator not_negative() { return number_between(0, std::numeric_limits<double>::infinity()); }

CLI::Validator one_of(const std::vector<std::string>& choices) {
  return line(choices_kind, "-", choices).operation([choices](std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) != choices.end()) return std::string();
    const std::string all = either(choices), some = elbo::either(choices, 100);
    return "expected " + some + ", found " + printable(text, 80) + (some == all ? "" : suggestion(text, choices));
  });
}

CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<std::int64_t>& values,
                      const std::string& what, std::int64_t least) {
  return command.add_option(name, values, what)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(at_least(least))
      ->type_name("N,N...");
}

CLI::Validator only_for(const std::string& setting, const std::vector<std::string>& values) {
  return line(only_kind, setting, values);
}

CLI::Validator not_for(const std::string& setting, const std::vector<std::string>& values) {
  return line(not_kind, setting, values);
}

CLI::Validator only_with(const std::string& option) { return line(only_kind, option, {}); }

CLI::Validator not_with(const std::string& option) { return line(not_kind, option, {}); }

std::string Condition::text() const {
  const std::string which = only ? "only " : "not ";
  return which + (values.empty() ? "with " + shown : "for " + shown + " " + either(values));
}

std::vector<OptionFacts> options_of(const CLI::App& command) {
  std::vector<OptionFacts> out;
  for (const CLI::Option* option : command.get_options()) {
    OptionFacts facts;
    facts.positional = option->get_positional();
    facts.name = facts.positional ? option->get_name(true) : "--" + option->get_lnames().front();
    if (!facts.positional)
      for (std::size_t i = 1; i < option->get_lnames().size(); ++i)
        facts.other_names.push_back("--" + option->get_lnames()[i]);
    if (!facts.positional && !option->get_snames().empty()) facts.short_name = "-" + option->get_snames().front();
    facts.description = option->get_description();
    facts.heading = option->get_group();
    facts.default_text = option->get_default_str();
    // CLI11 writes a list as [400,200], which is not how one is given.
    if (facts.default_text.starts_with('['))
      facts.default_text = facts.default_text.substr(1, facts.default_text.size() - 2);
    facts.required = option->get_required();
    facts.given = option->count();
    facts.list = option->get_delimiter() != '\0';
    const bool takes_values = option->get_items_expected_max() > 0;
    facts.many = takes_values && !facts.list && option->get_items_expected_max() > 1 && option->get_allow_extra_args();
    for (const std::vector<std::string>& words : lines_of(*option)) {
      const std::vector<std::string> values = words.size() > 2 ? split(words[2], '|') : std::vector<std::string>();
      if (words[0] == choices_kind)
        facts.choices = values;
      else
        facts.conditions.push_back({words[0] == only_kind, words[1], values,
                                    command.get_option_no_throw(words[1]) ? words[1] : words[1].substr(2)});
    }
    if (takes_values) facts.type = facts.choices.empty() ? option->get_type_name() : joined(facts.choices, "|", "|");
    facts.choices_apart = !facts.choices.empty() && facts.type.size() > most_choices;
    if (facts.choices_apart) facts.type = "NAME";
    out.push_back(std::move(facts));
  }
  return out;
}

std::string as_given(const CLI::App& command, const std::string& option) {
  const CLI::Option* found = command.get_option_no_throw(option);
  const bool negated = found && found->get_items_expected_max() == 0 && found->get_lnames().size() > 1 &&
                       found->results() == std::vector<std::string>{"false"};
  return negated ? "--" + found->get_lnames()[1] : option;
}

void check_effects(const CLI::App& command, const Settings& found) {
  const std::vector<OptionFacts> options = options_of(command);
  const OptionFacts* resume = named(options, "--resume");
  const bool goes_on = resume && resume->given > 0;
  if (resume && found.empty()) return;
  const auto values_of = [&](const std::string& setting) -> std::vector<std::string> {
    if (const auto known = found.find(setting); known != found.end()) return known->second;
    const CLI::Option* option = command.get_option_no_throw(setting);
    if (!option) return {};
    return {option->count() > 0 ? option->results().front() : option->get_default_str()};
  };
  for (const OptionFacts& option : options) {
    if (option.given == 0) continue;
    for (const Condition& condition : option.conditions) {
      const OptionFacts* other = named(options, condition.setting);
      const std::string name = as_given(command, option.name);
      if (condition.values.empty()) {
        ELBO_CHECK(goes_on || (other && other->given > 0) == condition.only, ValueError, name, ": ", condition.text(),
                   condition.only ? ", which is not given" : "");
        continue;
      }
      const std::vector<std::string> values = values_of(condition.setting);
      if (values.empty() || holds(condition, values)) continue;
      const std::string value = values.front().empty() ? "no " + condition.setting : joined(values, ", ", " and ");
      fail<ValueError>(name, ": ", condition.text(), condition.only ? ", found " + value : "");
    }
  }
}

void add_threads(CLI::App& app) {
  app.add_option_function<int>(
         "--threads", [](int n) { set_num_threads(n); }, "Threads to compute with (default: all processors)")
      ->check(between(1, 1024))
      ->type_name("N");
}

}  // namespace elbo::cli
