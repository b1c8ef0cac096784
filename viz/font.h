#pragma once
#include <string>
#include <string_view>

#include "image.h"

/// The font that `draw_text` uses: DejaVu Sans, cut down to Latin, Greek, Cyrillic, punctuation, arrows and signs of
/// mathematics (viz/font.ttf; its licence is in the file LICENSE).
namespace elbo::viz::detail {

/// How far `text`, UTF-8, goes in a font whose capitals are `capitals` pixels high.
double advance(std::string_view text, double capitals);

/// Draws `text` from x on, the feet of its capitals at y. What the font lacks is a box, a byte that is not UTF-8 a
/// question mark in a rhombus, and what has no shape of its own, such as a joiner, nothing.
void draw_glyphs(Image& image, int x, int y, std::string_view text, Color color, double capitals);

/// `text`, or where it is wider than `width` the longest beginning of it that fits with three dots behind it;
/// nothing where not even that fits.
std::string fitted(std::string_view text, int width, double capitals);

}  // namespace elbo::viz::detail
