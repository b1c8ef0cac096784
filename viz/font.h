#pragma once
#include <array>
#include <cstdint>

/// The bitmap font that `draw_text` uses.
namespace elbo::viz::detail {

/// Nine rows from the top, the last two below the baseline; bit 4 is the leftmost of five columns.
using Glyph = std::array<std::uint8_t, 9>;

/// The glyph of an ASCII character; that of `?` for any other.
const Glyph& glyph(char character);

/// The columns [begin, end) that a glyph fills: letters are as wide as they need.
struct Extent {
  int begin, end;
};
Extent extent(const Glyph& glyph);

}  // namespace elbo::viz::detail
