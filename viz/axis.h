#pragma once
#include <string>
#include <vector>

namespace elbo::viz {

/// How an axis is chosen for the values it must show.
struct AxisOptions {
  bool log = false;        ///< logarithmic, base 10; values that are not positive have no place on it
  bool integers = false;   ///< ticks at whole numbers only: epochs, counts
  bool from_zero = false;  ///< zero is part of it, and is its end where all values have one sign: bars
  double padding = 0.05;   ///< free space at either end, as a share of the axis
  int max_ticks = 6;
};

/// One axis of a chart: its ends and its labelled ticks.
struct Axis {
  double low = 0, high = 1;
  bool log = false;
  std::vector<double> ticks;
  std::vector<std::string> labels;

  /// Whether `value` has a place: finite, and positive on a logarithmic axis.
  bool shows(double value) const;
  /// Where `value` lies: 0 at the low end, 1 at the high one.
  double fraction(double value) const;
};

/// An axis that shows all of `values` that it can; from 0 to 1 when there are none.
Axis make_axis(const std::vector<double>& values, const AxisOptions& options = {});

/// Multiples of 1, 2 or 5 times a power of ten in [low, high]: the finest such step with at most `max_count` of them.
std::vector<double> nice_ticks(double low, double high, int max_count, bool integers = false);

/// Short labels that tell the values of a row apart: "-2.33", "0.001", "1e+300".
std::vector<std::string> value_labels(const std::vector<double>& values);

/// A number with `decimals` digits after the point, whatever the locale; "0" is never negative.
std::string format_fixed(double value, int decimals);

}  // namespace elbo::viz
