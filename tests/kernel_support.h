#pragma once
// What the tests of the CPU's kernels share: a backend for each variant, operands, and comparison with references.
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../core/cpu/cpu_backend.h"
#include "../core/cpu/isa.h"
#include "../core/parallel_for.h"
#include "catch.h"

namespace kernel_test {

using namespace elbo;
using std::int64_t;

/// One backend for each variant that this machine can run.
inline const std::vector<std::unique_ptr<Backend>>& backends() {
  static const auto all = [] {
    std::vector<std::unique_ptr<Backend>> made;
    for (cpu_kernels::Isa isa : cpu_kernels::available_isas()) made.push_back(cpu_kernels::make_cpu_backend(isa));
    return made;
  }();
  return all;
}

template <class T>
View view(std::vector<T>& data, const Shape& shape) {
  REQUIRE(static_cast<int64_t>(data.size()) == shape.numel());
  return {data.data(), shape, dtype_of<T>};
}
template <class T>
ConstView view(const std::vector<T>& data, const Shape& shape) {
  REQUIRE(static_cast<int64_t>(data.size()) == shape.numel());
  return {data.data(), shape, dtype_of<T>};
}
template <class T>
View flat(std::vector<T>& data) {
  return view(data, Shape{static_cast<int64_t>(data.size())});
}
template <class T>
ConstView flat(const std::vector<T>& data) {
  return view(data, Shape{static_cast<int64_t>(data.size())});
}

inline void ok(Status status) {
  INFO(status.message);
  REQUIRE(status.ok());
}

template <class T>
std::vector<T> values(int64_t n, double lo = -1, double hi = 1, unsigned seed = 1) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> draw(lo, hi);
  std::vector<T> out(static_cast<std::size_t>(n));
  for (T& x : out) x = static_cast<T>(draw(engine));
  return out;
}
/// Memory that shows where nothing was written, or something was only added.
template <class T>
std::vector<T> poison(int64_t n) {
  return std::vector<T>(static_cast<std::size_t>(n), static_cast<T>(std::is_floating_point_v<T> ? NAN : 77));
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// Within 1e-5 (float32) or 1e-12 (float64) of the largest magnitude of the reference.
template <class T>
void close(const std::vector<T>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::isfinite(expected[i])) {
      largest = std::max(largest, std::fabs(expected[i]));
      const double error = std::fabs(static_cast<double>(found[i]) - expected[i]);
      worst = error <= worst ? worst : error;  // NaN stays
    } else {
      INFO("element " << i << ": expected " << expected[i] << ", found " << found[i]);
      REQUIRE((std::isnan(expected[i]) ? std::isnan(found[i]) : static_cast<double>(found[i]) == expected[i]));
    }
  }
  INFO("largest " << largest << ", worst error " << worst);
  REQUIRE(worst <= (sizeof(T) == 4 ? 1e-5 : 1e-12) * largest);
}

/// Sets the number of threads for a scope.
class Threads {
 public:
  explicit Threads(int n) : before_(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

/// What `compute` returns, which must have the same bits with 1, 2 and 4 threads.
template <class Fn>
auto same_for_threads(const Fn& compute) {
  const auto alone = [&] {
    Threads one(1);
    return compute();
  }();
  for (int n : {2, 4}) {
    Threads several(n);
    INFO(n << " threads");
    REQUIRE(same_bits(alone, compute()));
  }
  return alone;
}

/// The element of an operand of `shape` that broadcasts to element i of `out`.
inline std::size_t broadcast_index(int64_t i, const Shape& out, const Shape& shape) {
  int64_t index = 0, step = 1;
  for (int d = 0; d < out.rank(); ++d) {
    const int64_t at = i % out[-1 - d];
    i /= out[-1 - d];
    if (d >= shape.rank()) continue;
    index += shape[-1 - d] == 1 ? 0 : at * step;
    step *= shape[-1 - d];
  }
  return static_cast<std::size_t>(index);
}

}  // namespace kernel_test
