#include "arguments.h"

#include <elbo/core/text.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "options.h"

namespace elbo::cli {
namespace {

/// How many letters have to be put in, taken away, replaced, or swapped with the next (optimal string alignment).
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  std::iota(d[0].begin(), d[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

class Scan {
 public:
  explicit Scan(const CLI::App& command) : options_(options_of(command)) {}

  std::optional<std::string> problem(const std::vector<std::string>& words) {
    // Help is given whatever else there is.
    for (const std::string& word : words)
      if (word == "--help" || word == "-h") return {};
    for (at_ = 0; at_ < words.size() && !problem_; ++at_) {
      const std::string& word = words[at_];
      if (word == "--" && !ended_)
        ended_ = true;
      else if (is_option(word) && !ended_)
        option(word, words);
      else
        positional(word);
    }
    return problem_;
  }

 private:
  static bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

  const OptionFacts* find(const std::string& name) const {
    for (const OptionFacts& one : options_)
      if (!one.positional && (one.name == name || one.short_name == name || contains(one.other_names, name)))
        return &one;
    return nullptr;
  }

  void option(const std::string& word, const std::vector<std::string>& words) {
    const bool is_long = word.starts_with("--");
    const std::size_t end = is_long ? std::min(word.find('='), word.size()) : 2;
    const std::string name = word.substr(0, end);
    const OptionFacts* option = find(name);
    if (!option) return unknown(is_long ? name : word);
    if (!given_.insert(option->name).second && !option->many) return complain(option->name + ": given twice");
    if (option->flag()) {
      if (end < word.size()) complain(option->name + ": takes no value, found " + in_quotes(word.substr(end)));
      return;
    }
    if (end < word.size()) return value(*option, word.substr(is_long ? end + 1 : end));
    const auto is_name = [&](const std::string& next) {
      return next.starts_with("--") || (!next.empty() && find(next));
    };
    const std::string expected = option->name + ": expected " + option->type + ", found ";
    if (at_ + 1 == words.size()) return complain(expected + "nothing");
    if (is_name(words[at_ + 1])) return complain(expected + "the option " + printable(words[at_ + 1], 80));
    do value(*option, words[++at_]);
    while (option->many && at_ + 1 < words.size() && !is_option(words[at_ + 1]));
  }

  void value(const OptionFacts& option, const std::string& text) {
    const std::string expected = option.name + ": expected " + option.type + ", found ";
    if (text.empty()) complain(expected + "an empty text");
    if (option.list && (text.starts_with(',') || text.ends_with(',') || text.find(",,") != std::string::npos))
      complain(expected + in_quotes(text) + ", with an empty part");
  }

  void positional(const std::string& word) {
    for (const OptionFacts& one : options_) {
      if (!one.positional || (!one.many && !given_.insert(one.name).second)) continue;
      if (word.empty()) complain(one.name + ": expected " + one.type + ", found an empty text");
      return;
    }
    complain("unexpected argument " + in_quotes(word) + " (--help says what is expected)");
  }

  void unknown(const std::string& name) {
    std::vector<std::string> names;
    for (const OptionFacts& one : options_)
      if (!one.positional) names.push_back(one.name);
    const std::string close = suggestion(name, names);
    complain("unknown option " + printable(name, 80) + (close.empty() ? " (--help lists what there is)" : close));
  }

  void complain(const std::string& message) {
    if (!problem_) problem_ = message;
  }

  std::vector<OptionFacts> options_;
  std::set<std::string> given_;
  std::size_t at_ = 0;
  bool ended_ = false;  ///< by "--": what follows is no option
  std::optional<std::string> problem_;
};

}  // namespace

std::optional<std::string> argument_problem(const CLI::App& command, const std::vector<std::string>& words) {
  return Scan(command).problem(words);
}

std::string suggestion(const std::string& word, const std::vector<std::string>& words) {
  const std::string* best = nullptr;
  std::size_t least = word.size() / 3 + 1;
  for (const std::string& one : words) {
    const bool begins = word.size() >= 4 && one.starts_with(word);
    const std::size_t d = begins ? 0 : distance(word, one);
    if (d < least) {
      least = d;
      best = &one;
    }
  }
  return best ? ": did you mean " + *best + "?" : "";
}

}  // namespace elbo::cli
