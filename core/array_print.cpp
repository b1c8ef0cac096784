#include <algorithm>
#include <cmath>
#include <ostream>

#include "array.h"

// Printing, as NumPy does it: all numbers of an array get the same width and number of decimals; of an array with more
// than 1,000 elements, only the first and last three along each axis are shown.
namespace elbo {
namespace {

constexpr std::int64_t summarize_above = 1000, edge = 3;

/// How the numbers of one array are written.
struct Format {
  bool integral = false;
  bool scientific = false;
  int precision = 4;
  int width = 1;

  std::string operator()(double value) const {
    if (std::isnan(value)) return pad("nan");
    if (std::isinf(value)) return pad(value > 0 ? "inf" : "-inf");
    if (integral) return pad(std::to_string(static_cast<std::int64_t>(value)));
    char text[64];
    std::snprintf(text, sizeof text, scientific ? "%.*e" : "%.*f", precision, value);
    std::string out = text;
    // "1.5000" is written "1.5   ": the decimal points stay in one column.
    if (!scientific) {
      std::size_t kept = out.find_last_not_of('0') + 1;
      std::fill(out.begin() + static_cast<std::ptrdiff_t>(kept), out.end(), ' ');
    }
    return pad(out);
  }
  std::string pad(const std::string& text) const {
    auto missing = width - static_cast<int>(text.size());
    return missing > 0 ? std::string(static_cast<std::size_t>(missing), ' ') + text : text;
  }
};

class Printer {
 public:
  explicit Printer(const Array& array)
      : shape_(array.shape()), dtype_(array.dtype()), summarize_(array.numel() > summarize_above) {
    Array host = array.to(cpu);
    values_.reserve(static_cast<std::size_t>(array.numel()));
    switch (dtype_) {
      case DType::float32: append(host.values<float>()); break;
      case DType::float64: append(host.values<double>()); break;
      case DType::uint8: append(host.values<std::uint8_t>()); break;
      case DType::int64: append(host.values<std::int64_t>()); break;
    }
    choose_format();
  }

  std::string print() {
    out_.clear();
    if (shape_.numel() == 0 && shape_.rank() > 0) return "[]";
    block(0, 0, 0);
    return out_;
  }

 private:
  template <class T>
  void append(std::span<const T> values) {
    for (T value : values) values_.push_back(static_cast<double>(value));
  }

  /// Calls fn with the index of each element of `dim` that is shown, and -1 for those left out.
  template <class Fn>
  void shown(int dim, Fn fn) const {
    std::int64_t n = shape_[dim];
    if (!summarize_ || n <= 2 * edge) {
      for (std::int64_t i = 0; i < n; ++i) fn(i);
      return;
    }
    for (std::int64_t i = 0; i < edge; ++i) fn(i);
    fn(-1);
    for (std::int64_t i = n - edge; i < n; ++i) fn(i);
  }

  void collect(int dim, std::int64_t index, std::vector<double>& seen) const {
    if (dim == shape_.rank()) {
      seen.push_back(values_[static_cast<std::size_t>(index)]);
      return;
    }
    shown(dim, [&](std::int64_t i) {
      if (i >= 0) collect(dim + 1, index * shape_[dim] + i, seen);
    });
  }

  void choose_format() {
    format_.integral = !is_floating(dtype_);
    std::vector<double> seen;
    collect(0, 0, seen);
    double largest = 0, smallest = INFINITY;
    for (double value : seen) {
      if (!std::isfinite(value) || value == 0) continue;
      largest = std::max(largest, std::fabs(value));
      smallest = std::min(smallest, std::fabs(value));
    }
    format_.scientific = largest >= 1e8 || (largest > 0 && (smallest < 1e-4 || largest / smallest > 1e3 * 1e4));
    if (!format_.integral && !format_.scientific) format_.precision = decimals(seen);
    for (double value : seen) format_.width = std::max(format_.width, static_cast<int>(format_(value).size()));
  }

  /// The fewest decimals, at most 4, that show every number as well as 4 do.
  static int decimals(const std::vector<double>& seen) {
    int needed = 0;
    for (double value : seen) {
      if (!std::isfinite(value)) continue;
      char text[64];
      std::snprintf(text, sizeof text, "%.4f", value);
      std::string digits = text;
      std::size_t kept = digits.find_last_not_of('0') + 1;
      needed = std::max(needed, static_cast<int>(kept - digits.find('.')) - 1);
    }
    return needed;
  }

  void block(int dim, std::int64_t index, int indent) {
    if (dim == shape_.rank()) {
      out_ += format_(values_[static_cast<std::size_t>(index)]);
      return;
    }
    bool last = dim + 1 == shape_.rank();
    out_ += '[';
    bool first = true;
    shown(dim, [&](std::int64_t i) {
      if (!first) {
        out_ += last ? "," : ",";
        if (last) {
          out_ += ' ';
        } else {
          out_ += std::string(static_cast<std::size_t>(shape_.rank() - dim - 1), '\n');
          out_ += std::string(static_cast<std::size_t>(indent + 1), ' ');
        }
      }
      first = false;
      if (i < 0) {
        out_ += "...";
      } else {
        block(dim + 1, index * shape_[dim] + i, indent + 1);
      }
    });
    out_ += ']';
  }

  Shape shape_;
  DType dtype_;
  bool summarize_;
  std::vector<double> values_;
  Format format_;
  std::string out_;
};

}  // namespace

std::string Array::to_string() const { return defined() ? Printer(*this).print() : "undefined"; }

std::ostream& operator<<(std::ostream& out, const Array& array) { return out << array.to_string(); }

}  // namespace elbo
