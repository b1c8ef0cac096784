#pragma once
// What the tests share that want the CPU's bits of the GPU: operands on both, wherever they lie, and comparison.
#include <dlfcn.h>
#include <elbo/core/kernels.h>

#include <cstdlib>

#include "backend_calls.h"

namespace against_cpu {

using namespace backend_calls;

/// Around a group of four, a block of threads and its elements; and one of many blocks.
inline const std::vector<int64_t> sizes = {0, 1, 3, 4, 5, 255, 257, 1023, 1025, 100003};

/// Whether the CPU has math::fma as the GPU has it; without, float32 functions may differ in the last bit.
inline bool cpu_has_fma() {
  if (std::string(backend(cpu).description()) != "baseline") return true;
  WARN("skipped: the CPU's baseline kernels have no fma");
  return false;
}

/// Calls fn(T{}) for the four element types.
template <class Fn>
void for_types(const Fn& fn) {
  fn(float{});
  fn(double{});
  fn(std::uint8_t{});
  fn(int64_t{});
}

/// The place of the first element that differs, or -1. NaN agrees with NaN.
template <class T>
int64_t first_difference(const Array& a, const Array& b) {
  const std::vector<T> x = a.to_vector<T>(), y = b.to_vector<T>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if constexpr (std::is_floating_point_v<T>)
      if (std::isnan(x[i]) && std::isnan(y[i])) continue;
    if (std::memcmp(&x[i], &y[i], sizeof(T)) != 0) return static_cast<int64_t>(i);
  }
  return -1;
}
inline void same(const Array& found, const Array& expected) {
  REQUIRE(found.shape() == expected.shape());
  REQUIRE(found.dtype() == expected.dtype());
  for_types([&]<class T>(T) {
    if (found.dtype() != dtype_of<T>) return;
    const int64_t place = first_difference<T>(found, expected);
    if (place < 0) return;
    const auto at = static_cast<std::size_t>(place);
    INFO("element " << place << " of " << found.numel() << ": expected " << +expected.to_vector<T>()[at] << ", found "
                    << +found.to_vector<T>()[at]);
    FAIL();
  });
}

/// The same elements on both devices, `shift` elements behind an aligned address, with a margin that nobody may write.
class Twin {
 public:
  template <class T>
  Twin(const std::vector<T>& values, const Shape& shape, int64_t shift = 0)
      : shape_(shape), begin_(shift), end_(shift + static_cast<int64_t>(values.size())) {
    std::vector<T> all(static_cast<std::size_t>(end_ + 5), T(77));
    std::copy(values.begin(), values.end(), all.begin() + shift);
    on_cpu_ = Array::from(all, {end_ + 5});
    on_gpu_ = on_cpu_.to(backend_calls::gpu);
  }
  /// Nothing written yet.
  static Twin unwritten(DType dtype, const Shape& shape, int64_t shift = 0) {
    std::vector<Twin> made;
    for_types([&]<class T>(T) {
      const T nothing = std::is_floating_point_v<T> ? std::numeric_limits<T>::quiet_NaN() : T(55);
      if (dtype == dtype_of<T>) made.emplace_back(std::vector<T>(std::size_t(shape.numel()), nothing), shape, shift);
    });
    return made.front();
  }

  Array array(Device device) const {
    return (device == backend_calls::gpu ? on_gpu_ : on_cpu_).slice(begin_, end_).reshape(shape_);
  }
  View view(Device device) const { return array(device).mutable_view(); }
  DType dtype() const { return on_cpu_.dtype(); }
  /// The devices agree, margins too.
  void check() const { same(on_gpu_, on_cpu_); }

 private:
  Shape shape_;
  int64_t begin_, end_;
  Array on_cpu_, on_gpu_;
};

/// call(backend, device) on both.
template <class Call>
void on_both(const Call& call) {
  for (Device device : both) ok(call(backend(device), device));
}

/// Numbers of all kinds: drawn from [lo, hi], and in between zeros, infinities, NaN, the largest and the smallest.
template <class T>
std::vector<T> odd_values(int64_t n, double lo = -3, double hi = 3, unsigned seed = 1) {
  using Limits = std::numeric_limits<T>;
  std::vector<T> out = values<T>(n, lo, hi, seed);
  const std::vector<T> odd = {T(0),
                              -T(0),
                              Limits::infinity(),
                              -Limits::infinity(),
                              Limits::max(),
                              -Limits::max(),
                              Limits::quiet_NaN(),
                              Limits::denorm_min(),
                              -Limits::min(),
                              T(1),
                              T(-1),
                              T(1e-20)};
  for (std::size_t i = seed % 7; i < out.size(); i += 7) out[i] = odd[(i / 7 + seed) % odd.size()];
  return out;
}
/// Elements of any type: integers draw from what fits them all.
template <class T>
std::vector<T> any_values(int64_t n, unsigned seed = 1) {
  if constexpr (std::is_floating_point_v<T>)
    return odd_values<T>(n, -3, 3, seed);
  else
    return values<T>(n, 0, 4, seed);
}

/// Calls so far that gave the emulated GPU work; -1 on a real one, where nobody counts.
inline long long launches() {
  static const auto count = [] {
    const char* library = std::getenv("ELBO_CUDA_LIBRARY");
    void* plugin = library ? dlopen(library, RTLD_NOW | RTLD_NOLOAD) : nullptr;
    return plugin ? reinterpret_cast<long long (*)()>(dlsym(plugin, "elbo_emulator_launches")) : nullptr;
  }();
  return count ? count() : -1;
}
/// What `call` gives the GPU is one launch, where they are counted.
template <class Call>
void one_launch(const Call& call, long long expected = 1) {
  const long long before = launches();
  call();
  if (before >= 0) CHECK(launches() - before == expected);
}

}  // namespace against_cpu
