#pragma once
#include "kernels.h"

// What kernels.cpp and kernels_move.cpp share; not part of the interface.
namespace elbo::kernels {

inline Backend& on(const Array& x) { return backend(x.device()); }

/// Where the next call draws from, which will write the generator's offset.
inline RandomArgs random_args(Generator& generator) {
  generator.offset().mark_written();
  return {generator.seed(), static_cast<std::uint32_t>(generator.stream()),
          static_cast<std::int64_t*>(generator.offset().raw())};
}

/// A shape seen as [before axis, axis, after axis].
struct Axis {
  std::int64_t outer = 1, n = 1, inner = 1;
  /// Axes first to last count as one.
  Axis(const Shape& shape, int first, int last) {
    for (int i = 0; i < shape.rank(); ++i) (i < first ? outer : i <= last ? n : inner) *= shape[i];
  }
  Axis(const Shape& shape, int axis) : Axis(shape, axis, axis) {}
  Shape full() const { return {outer, n, inner}; }
  Shape reduced() const { return {outer, inner}; }
};

}  // namespace elbo::kernels
