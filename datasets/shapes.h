#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "../core/api.h"

/// The dataset `shapes`: white sprites on black, each with the factors that it was drawn from, after dSprites (Matthey,
/// Higgins, Hassabis and Lerchner, "dSprites: Disentanglement testing Sprites dataset", 2017). The factors are
/// dSprites' own; the outlines are not, and their edges are smooth.
namespace ELBO_API elbo {
namespace datasets {

/// What one picture shows; each number counts from 0.
struct ShapeFactors {
  std::int64_t shape = 0;        ///< of 3: square, ellipse, heart
  std::int64_t scale = 5;        ///< of 6: 0.5, 0.6, ..., 1
  std::int64_t orientation = 0;  ///< of 40: fortieths of a turn, clockwise
  std::int64_t x = 16;           ///< of 32: the centre from pixel 16 to 48, left to right
  std::int64_t y = 16;           ///< of 32: the same from top to bottom
};

/// The number of values of each factor, in the order of ShapeFactors, and their names.
inline constexpr std::array<std::int64_t, 5> shape_factor_sizes = {3, 6, 40, 32, 32};
inline constexpr std::array<const char*, 5> shape_factor_names = {"shape", "scale", "orientation", "x", "y"};
/// Side of a picture in pixels.
inline constexpr std::int64_t shape_side = 64;

/// The picture, 64 x 64 grey pixels by rows: 255 inside the outline, 0 outside, on the edge the part that lies inside.
/// The same bytes on every machine. (A square looks the same after a quarter of a turn, an ellipse after half a turn.)
/// Throws IndexError for a factor out of range.
std::vector<std::uint8_t> draw_shape(const ShapeFactors& factors);

}  // namespace datasets
}  // namespace elbo
