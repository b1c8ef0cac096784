#pragma once
// What the tests of single kernels share: operands on a device, calls, and references in long double.
#include <elbo/core/array.h>
#include <elbo/core/backend.h>
#include <elbo/core/device.h>
#include <elbo/core/storage.h>

#include <dlfcn.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../catch.h"

namespace backend_calls {

using namespace elbo;
using std::int64_t;

inline const Device gpu{DeviceType::cuda, 0};
/// The GPU and, for the same bounds, the CPU.
inline const std::vector<Device> both{cpu, gpu};

inline constexpr double inf = std::numeric_limits<double>::infinity();
template <class T>
inline constexpr double eps = static_cast<double>(std::numeric_limits<T>::epsilon());

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

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// An array that shows where nothing was written.
template <class T>
Array unwritten(const Shape& shape, Device device) {
  return Array::full(shape, std::is_floating_point_v<T> ? NAN : 77, {dtype_of<T>, device});
}

/// What call(backend, out) writes to an array of `shape` on `device`.
template <class T, class Call>
std::vector<T> output(Device device, const Shape& shape, const Call& call) {
  Array out = unwritten<T>(shape, device);
  ok(call(backend(device), out.mutable_view()));
  return out.to_vector<T>();
}

/// A function of the emulator (emulator/control.h); null where the plugin is a real one's.
template <class Function>
Function* emulator_function(const char* name) {
  backend(gpu);
  const char* plugin = std::getenv("ELBO_CUDA_LIBRARY");
  void* library = plugin ? dlopen(plugin, RTLD_LAZY | RTLD_NOLOAD) : nullptr;
  return library ? reinterpret_cast<Function*>(dlsym(library, name)) : nullptr;  // NOLINT: POSIX has it so
}

/// The order in which the emulator runs blocks and threads, for a scope. Changes nothing on a GPU.
class ThreadOrder {
 public:
  explicit ThreadOrder(int order) : set_(emulator_function<void(int)>("elbo_emulator_set_order")) {
    if (set_) set_(order);
  }
  ~ThreadOrder() {
    const char* usual = std::getenv("ELBO_EMULATOR_ORDER");
    const std::string name = usual ? usual : "";
    if (set_) set_(name == "reverse" ? 1 : name == "shuffle" ? 2 : 0);
  }
  ThreadOrder(const ThreadOrder&) = delete;
  ThreadOrder& operator=(const ThreadOrder&) = delete;

 private:
  void (*set_)(int);
};

/// Within `bound`, one for each element; infinity and NaN as expected.
template <class T>
void near(const std::vector<T>& found, const std::vector<long double>& expected, const std::vector<double>& bound) {
  REQUIRE(found.size() == expected.size());
  REQUIRE(bound.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double got = static_cast<double>(found[i]), want = static_cast<double>(expected[i]);
    const bool good = std::isnan(want)   ? std::isnan(got)
                      : std::isinf(want) ? got == want
                                         : std::fabs(static_cast<long double>(found[i]) - expected[i]) <= bound[i];
    if (good) continue;
    INFO("element " << i << ": expected " << want << ", found " << got << ", off by " << got - want << ", bound "
                    << bound[i]);
    FAIL();
  }
}

/// A sum in long double that carries along what each addition rounds away (Neumaier 1974).
class Total {
 public:
  void add(long double x) {
    const long double next = sum_ + x;
    lost_ += fabsl(sum_) >= fabsl(x) ? (sum_ - next) + x : (x - next) + sum_;
    sum_ = next;
    magnitudes_ += fabsl(x);
  }
  long double sum() const { return sum_ + lost_; }
  long double magnitudes() const { return magnitudes_; }

 private:
  long double sum_ = 0, lost_ = 0, magnitudes_ = 0;
};

/// Calls fn(line number, place of the line's element 0, step to its next) for each line along n of [outer, n, inner].
template <class Fn>
void for_lines(const Shape& x, const Fn& fn) {
  for (int64_t o = 0; o < x[0]; ++o)
    for (int64_t i = 0; i < x[2]; ++i) fn(o * x[2] + i, o * x[1] * x[2] + i, x[2]);
}
/// The elements of each line.
template <class T>
std::vector<std::vector<T>> lines_of(const std::vector<T>& x, const Shape& shape) {
  std::vector<std::vector<T>> lines(static_cast<std::size_t>(shape[0] * shape[2]));
  for_lines(shape, [&](int64_t line, int64_t first, int64_t step) {
    for (int64_t k = 0; k < shape[1]; ++k)
      lines[static_cast<std::size_t>(line)].push_back(x[static_cast<std::size_t>(first + k * step)]);
  });
  return lines;
}

}  // namespace backend_calls
