#include <elbo/core/parallel_for.h>
#include <cmath>

#include "commands.h"

namespace elbo::cli {
namespace {

/// A check of a number; `what` says what is expected.
template <class Number, class Test>
CLI::Validator number_check(const std::string& what, Test test) {
  return {[what, test](std::string& text) {
            Number value{};
            bool fits = CLI::detail::lexical_cast(text, value) && test(value);
            return fits ? std::string() : "expected " + what + ", found " + text;
          },
          ""};
}

}  // namespace

CLI::Validator at_least(std::int64_t least) {
  return number_check<std::int64_t>("a whole number of at least " + std::to_string(least),
                                    [least](std::int64_t value) { return value >= least; });
}

CLI::Validator positive() {
  return number_check<double>("a number above 0", [](double value) { return std::isfinite(value) && value > 0; });
}

CLI::Validator not_negative() {
  return number_check<double>("a number of at least 0",
                              [](double value) { return std::isfinite(value) && value >= 0; });
}

void add_threads(CLI::App& app) {
  app.add_option_function<int>(
         "--threads", [](int n) { set_num_threads(n); }, "Threads to compute with (default: all processors)")
      ->check(number_check<std::int64_t>("a whole number from 1 to 1024",
                                         [](std::int64_t n) { return n >= 1 && n <= 1024; }))
      ->type_name("N");
}

}  // namespace elbo::cli
