#include "axis.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace elbo::viz {
namespace {

/// Values beyond this leave no room for differences between them.
constexpr double largest = 1e150;

/// The step of at least `least`: 1, 2 or 5 times a power of ten.
double nice_step(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  // A little slack, so that 0.2 asked for as 0.20000000000000004 is still 0.2.
  for (double factor : {1.0, 2.0, 5.0})
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

/// Digits after the point that tell multiples of `step` apart.
int decimals_of(double step) { return std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 15); }

std::string format_general(double value, int digits) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits).ptr;
  return {buffer, end};
}

std::vector<std::string> labels_of(const std::vector<double>& ticks, bool log) {
  double step = 0, magnitude = 0;
  for (double tick : ticks) magnitude = std::max(magnitude, std::abs(tick));
  if (ticks.size() > 1) step = ticks[1] - ticks[0];
  const bool plain = !log && magnitude < 1e7 && step >= 1e-5;
  std::vector<std::string> labels;
  // As many digits as tell neighbours apart; 17 tell all doubles apart.
  for (int digits = 6; digits <= 17; ++digits) {
    labels.clear();
    for (double tick : ticks)
      labels.push_back(plain ? format_fixed(tick, decimals_of(step)) : format_general(tick, digits));
    if (plain || std::adjacent_find(labels.begin(), labels.end()) == labels.end()) break;
  }
  return labels;
}

/// Powers of ten, with 2 and 5 times them where there are few.
std::vector<double> log_ticks(double low, double high, int max_count) {
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
  const auto collect = [&](std::initializer_list<double> factors, int stride) {
    std::vector<double> ticks;
    for (int exponent = first; exponent <= last; exponent += stride)
      for (double factor : factors) {
        const double tick = factor * std::pow(10.0, exponent);
        if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
      }
    return ticks;
  };
  const std::size_t most = static_cast<std::size_t>(std::max(max_count, 2));
  const std::vector<double> fine = collect({1, 2, 5}, 1);
  if (fine.size() <= most) return fine.size() >= 3 ? fine : nice_ticks(low, high, max_count);
  int stride = 1;
  while (collect({1}, stride).size() > most) ++stride;
  return collect({1}, stride);
}

/// The ends of the values that count; false when there are none.
bool bounds(const std::vector<double>& values, const Axis& axis, double& low, double& high) {
  bool any = false;
  for (double value : values) {
    if (!axis.shows(value)) continue;
    low = any ? std::min(low, value) : value;
    high = any ? std::max(high, value) : value;
    any = true;
  }
  return any;
}

}  // namespace

bool Axis::shows(double value) const { return std::abs(value) <= largest && (!log || value >= 1 / largest); }

double Axis::fraction(double value) const {
  if (log) return std::log(value / low) / std::log(high / low);
  return (value - low) / (high - low);
}

std::vector<double> nice_ticks(double low, double high, int max_count, bool integers) {
  if (!(high > low)) return {low};
  // At most one tick more than steps fit in: where both ends carry one, the step found here is too fine.
  double step = nice_step((high - low) / (std::max(max_count, 1) + 1));
  if (integers) step = std::max(step, 1.0);
  const auto collect = [&] {
    std::vector<double> ticks;
    // Counted, so that no rounding can make the loop endless; 1 / step is exact where step is 0.1, 0.01...
    const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
    const double inverse = std::round(1 / step);
    for (double i = first; i <= last && ticks.size() < 1000; ++i)
      ticks.push_back(step < 1 && inverse * step > 1 - 1e-12 && inverse * step < 1 + 1e-12 ? i / inverse : i * step);
    return ticks;
  };
  std::vector<double> ticks = collect();
  while (ticks.size() > static_cast<std::size_t>(std::max(max_count, 2))) {
    step = nice_step(step * 1.5);
    ticks = collect();
  }
  return ticks;
}

Axis make_axis(const std::vector<double>& values, const AxisOptions& options) {
  Axis axis;
  axis.log = options.log;
  double low = options.log ? 0.1 : 0, high = 1;
  const bool any = bounds(values, axis, low, high);
  const bool zero = options.from_zero && !options.log;
  if (zero) low = std::min(low, 0.0), high = std::max(high, 0.0);
  const double least = std::max(std::abs(low), std::abs(high)) * 1e-9;
  if (options.log && high <= low * (1 + 1e-9)) {
    low /= 2, high *= 2;
  } else if (!options.log && high - low <= least) {
    const double room = options.integers || low == 0 ? 0.5 : std::abs(low) * 0.05;
    low -= room, high += room;
  } else if (any && options.log) {
    const double room = std::pow(high / low, options.padding);
    low /= room, high *= room;
  } else if (any) {
    const double room = (high - low) * options.padding;
    if (!(zero && low == 0)) low -= room;
    if (!(zero && high == 0)) high += room;
  }
  axis.low = low, axis.high = high;
  axis.ticks = options.log ? log_ticks(low, high, options.max_ticks)
                           : nice_ticks(low, high, options.max_ticks, options.integers);
  axis.labels = labels_of(axis.ticks, options.log);
  return axis;
}

namespace {

/// Without the zeros that end it.
std::string short_fixed(double value, int decimals) {
  std::string text = format_fixed(value, decimals);
  if (decimals > 0) text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

/// The smallest difference between two of the values, or where there is none, the largest of them.
double gap_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double gap = 0;
  for (double value : values) gap = std::max(gap, std::abs(value));
  for (std::size_t i = 1; i < values.size(); ++i)
    if (values[i] > values[i - 1]) gap = std::min(gap, values[i] - values[i - 1]);
  return gap;
}

/// Whether the labels tell the values apart: each is off by at most a hundredth of their gap, and only 0 is called 0.
bool tell(const std::vector<std::string>& labels, const std::vector<double>& values, double gap) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    double read = 0;
    std::from_chars(labels[i].data(), labels[i].data() + labels[i].size(), read);
    if (std::abs(read - values[i]) > gap / 100 || (read == 0) != (values[i] == 0)) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> value_labels(const std::vector<double>& values) {
  constexpr int least = 2, most_decimals = 8, most_digits = 17;
  const double gap = gap_of(values);
  double magnitude = 0;
  for (double value : values) magnitude = std::max(magnitude, std::abs(value));
  std::vector<std::string> labels(values.size());
  const auto fits = [&](auto&& text) {
    std::transform(values.begin(), values.end(), labels.begin(), text);
    return tell(labels, values, gap);
  };
  for (int decimals = least; magnitude < 1e7 && decimals <= most_decimals; ++decimals)
    if (fits([&](double value) { return short_fixed(value, decimals); })) return labels;
  for (int digits = least; digits < most_digits; ++digits)
    if (fits([&](double value) { return format_general(value, digits); })) return labels;
  fits([&](double value) { return format_general(value, most_digits); });
  return labels;
}

std::string format_fixed(double value, int decimals) {
  char buffer[400];  // the longest double has 309 digits before the point
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, decimals).ptr;
  std::string text(buffer, end);
  if (text[0] == '-' && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

}  // namespace elbo::viz
