#include <algorithm>
#include <charconv>
#include <cmath>
#include <ostream>

#include "array.h"

// Printing, as NumPy's str() does it. All numbers of an array get one width: floating ones as many decimals as their
// shortest exact form needs, at most 8, and powers of ten where the sizes differ too much. Of an array with more than
// 1,000 elements only the first and last three along each axis are shown. Nothing here depends on the locale.
namespace elbo {
namespace {

constexpr std::int64_t summarize_above = 1000, edge = 3;
constexpr std::size_t line_width = 75;
constexpr int max_decimals = 8;

std::string spaces(std::size_t n) { return std::string(n, ' '); }

/// A number cut at its decimal point: "-12" and "5" for -12.5; "-1" and "25" with exponent "+03" for -1.25e+03.
struct Digits {
  std::string whole, decimals, exponent;
};

void strip_zeros(std::string& decimals) { decimals.resize(decimals.find_last_not_of('0') + 1); }

Digits cut(std::string text) {
  Digits out;
  if (std::size_t e = text.find('e'); e != std::string::npos) {
    out.exponent = text.substr(e + 1);
    text.resize(e);
  }
  std::size_t point = text.find('.');
  out.whole = text.substr(0, point);
  if (point != std::string::npos) out.decimals = text.substr(point + 1);
  return out;
}

/// With `decimals` digits after the point, rounded from the exact value.
template <class T>
Digits rounded(T x, std::chars_format format, int decimals) {
  char text[512];
  auto end = std::to_chars(text, text + sizeof text, x, format, decimals).ptr;
  return cut(std::string(text, end));
}

/// d.ddd and a power of ten: the fewest digits that read back as the same T, but at most `decimals` after the point.
template <class T>
Digits shortest_scientific(T x, int decimals) {
  char text[64];
  auto end = std::to_chars(text, text + sizeof text, x, std::chars_format::scientific).ptr;
  Digits out = cut(std::string(text, end));
  if (static_cast<int>(out.decimals.size()) > decimals) {
    out = rounded(x, std::chars_format::scientific, decimals);
    strip_zeros(out.decimals);
  }
  return out;
}

/// The same without a power of ten. Digits that the shortest form does not have are zeros.
template <class T>
Digits shortest_positional(T x, int decimals) {
  Digits s = shortest_scientific(x, 64);
  int power = std::stoi(s.exponent);
  bool negative = s.whole[0] == '-';
  std::string digits = s.whole.substr(negative ? 1 : 0) + s.decimals;
  if (power < 0) digits.insert(0, static_cast<std::size_t>(-power), '0');
  std::size_t whole = power < 0 ? 1 : static_cast<std::size_t>(power) + 1;
  if (digits.size() < whole) digits.append(whole - digits.size(), '0');
  Digits out;
  if (negative) out.whole = '-';
  out.whole += digits.substr(0, whole);
  out.decimals = digits.substr(whole);
  strip_zeros(out.decimals);
  if (static_cast<int>(out.decimals.size()) > decimals) {
    out = rounded(x, std::chars_format::fixed, decimals);
    strip_zeros(out.decimals);
  }
  return out;
}

template <class T>
std::string special(T x) {
  return std::isnan(x) ? "nan" : x < 0 ? "-inf" : "inf";
}

/// A number by itself: 1.5, 10000.0, 1e-05.
template <class T>
std::string format_scalar(T x) {
  if constexpr (std::is_integral_v<T>) {
    return std::to_string(x);
  } else {
    if (!std::isfinite(x)) return special(x);
    double size = std::fabs(static_cast<double>(x));
    if (size == 0 || (size >= 1e-4 && size < (sizeof(T) == 4 ? 1e6 : 1e16))) {
      Digits d = shortest_positional(x, 64);
      return d.whole + "." + (d.decimals.empty() ? "0" : d.decimals);
    }
    Digits d = shortest_scientific(x, 64);
    return d.whole + (d.decimals.empty() ? "" : "." + d.decimals) + "e" + d.exponent;
  }
}

/// How the numbers of one array are written, chosen from all of them.
template <class T>
class Format {
 public:
  explicit Format(const std::vector<T>& values) {
    if constexpr (std::is_integral_v<T>) {
      for (T value : values) whole_ = std::max(whole_, std::to_string(value).size());
    } else {
      choose(values);
    }
  }

  std::string operator()(T x) const {
    if constexpr (std::is_integral_v<T>) {
      return right(std::to_string(x), whole_);
    } else {
      if (!std::isfinite(x)) return right(special(x), whole_ + 1 + after_point());
      if (!scientific_) {
        Digits d = shortest_positional(x, max_decimals);
        return right(d.whole, whole_) + "." + d.decimals + spaces(decimals_ - d.decimals.size());
      }
      Digits d = rounded(x, std::chars_format::scientific, static_cast<int>(decimals_));
      d.exponent.insert(1, exponent_ - std::min(exponent_, d.exponent.size()), '0');
      return right(d.whole, whole_) + "." + d.decimals + "e" + d.exponent;
    }
  }

 private:
  static std::string right(const std::string& text, std::size_t width) {
    return spaces(width - std::min(width, text.size())) + text;
  }
  /// The width of what follows the decimal point.
  std::size_t after_point() const { return scientific_ ? decimals_ + 1 + exponent_ : decimals_; }

  void choose(const std::vector<T>& values) {
    T largest = 0, smallest = std::numeric_limits<T>::infinity();
    for (T value : values) {
      if (!std::isfinite(value) || value == 0) continue;
      largest = std::max(largest, std::fabs(value));
      smallest = std::min(smallest, std::fabs(value));
    }
    // float32 has six sure digits: above 10^6 the last places would be noise.
    const T too_large = sizeof(T) == 4 ? T(1e6) : T(1e8);
    scientific_ = largest > 0 && (largest >= too_large || smallest < T(1e-4) || largest / smallest > T(1000));
    std::size_t widest_special = 0;
    for (T value : values) {
      if (!std::isfinite(value)) {
        widest_special = std::max(widest_special, special(value).size());
        continue;
      }
      Digits d = scientific_ ? shortest_scientific(value, max_decimals) : shortest_positional(value, max_decimals);
      whole_ = std::max(whole_, d.whole.size());
      decimals_ = std::max(decimals_, d.decimals.size());
      exponent_ = std::max(exponent_, d.exponent.size());
    }
    std::size_t rest = after_point() + 1;
    if (widest_special > rest) whole_ = std::max(whole_, widest_special - rest);
  }

  bool scientific_ = false;
  std::size_t whole_ = 0, decimals_ = 0, exponent_ = 0;
};

template <class T>
class Printer {
 public:
  Printer(const Shape& shape, std::span<const T> values)
      : shape_(shape), values_(values), summarize_(shape.numel() > summarize_above), format_(all_shown()) {}

  std::string print() const {
    if (shape_.rank() == 0) return format_scalar(values_[0]);
    return shape_.numel() == 0 ? "[]" : block(0, 0, 1);
  }

 private:
  /// Calls fn with the index of each element of `dim` that is shown, and -1 for those left out.
  template <class Fn>
  void shown(int dim, Fn fn) const {
    std::int64_t n = shape_[dim];
    bool cut = summarize_ && n > 2 * edge;
    for (std::int64_t i = 0; i < (cut ? edge : n); ++i) fn(i);
    if (!cut) return;
    fn(-1);
    for (std::int64_t i = n - edge; i < n; ++i) fn(i);
  }

  std::vector<T> all_shown() const {
    std::vector<T> out;
    if (shape_.numel() > 0) collect(0, 0, out);
    return out;
  }

  void collect(int dim, std::int64_t index, std::vector<T>& out) const {
    if (dim == shape_.rank()) {
      out.push_back(values_[static_cast<std::size_t>(index)]);
      return;
    }
    shown(dim, [&](std::int64_t i) {
      if (i >= 0) collect(dim + 1, index * shape_[dim] + i, out);
    });
  }

  /// The elements below `index` of the dimensions before `dim`, in brackets; lines but the first begin with `indent`
  /// spaces.
  std::string block(int dim, std::int64_t index, std::size_t indent) const {
    if (dim + 1 == shape_.rank()) return row(index, indent);
    std::string out = "[", line_break = std::string(static_cast<std::size_t>(shape_.rank() - dim - 1), '\n');
    shown(dim, [&](std::int64_t i) {
      if (i != 0) out += line_break + spaces(indent);
      out += i < 0 ? "..." : block(dim + 1, index * shape_[dim] + i, indent + 1);
    });
    return out + "]";
  }

  std::string row(std::int64_t index, std::size_t indent) const {
    // Each bracket around this row takes a column at its end.
    const std::size_t width = line_width - static_cast<std::size_t>(shape_.rank());
    std::string out = "[", line = spaces(indent);
    bool first_line = true;
    shown(shape_.rank() - 1, [&](std::int64_t i) {
      std::string word = i < 0 ? "..." : format_(values_[static_cast<std::size_t>(index * shape_.back() + i)]);
      if (i != 0) line += ' ';
      if (line.size() + word.size() > width && line.size() > indent) {
        line.resize(line.find_last_not_of(' ') + 1);
        out += (first_line ? line.substr(indent) : line) + "\n";
        line = spaces(indent);
        first_line = false;
      }
      line += word;
    });
    return out + (first_line ? line.substr(indent) : line) + "]";
  }

  Shape shape_;
  std::span<const T> values_;
  bool summarize_;
  Format<T> format_;
};

}  // namespace

std::string Array::to_string() const {
  if (!defined()) return "undefined";
  Array host = to(elbo::cpu);
  auto print = [&]<class T>(std::span<const T> values) { return Printer<T>(shape_, values).print(); };
  switch (dtype_) {
    case DType::float32:
      return print(host.values<float>());
    case DType::float64:
      return print(host.values<double>());
    case DType::uint8:
      return print(host.values<std::uint8_t>());
    case DType::int64:
      return print(host.values<std::int64_t>());
  }
  return "";
}

std::ostream& operator<<(std::ostream& out, const Array& array) { return out << array.to_string(); }

}  // namespace elbo
