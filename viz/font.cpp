#include "font.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "../core/errors.h"
#include "../core/text.h"

#define STBTT_STATIC
#define STB_TRUETYPE_IMPLEMENTATION
#include <stb/stb_truetype.h>

namespace elbo::viz::detail {

// Made from font.ttf by cmake/ElboFont.cmake.
extern const unsigned char font_file[];

namespace {

/// The height of capitals and the width of a character that fills a square, as DejaVu Sans has them, in its units; the
/// former one more than it is, lest rounding takes a further row of pixels.
constexpr double capital_units = 1494, em_units = 2048;

const stbtt_fontinfo& font() {
  static const stbtt_fontinfo info = [] {
    stbtt_fontinfo out;
    ELBO_CHECK(stbtt_InitFont(&out, font_file, 0) != 0, Error, "[draw_text] the font that is built in is damaged");
    return out;
  }();
  return info;
}

/// Joiners, marks of direction, choices among variants: they change their neighbours in fonts that can, and have no
/// shape.
bool is_shapeless(char32_t code) {
  return code == 0xAD || (code >= 0x200B && code <= 0x200F) || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x206F) || (code >= 0xFE00 && code <= 0xFE0F) || code == 0xFEFF ||
         (code >= 0xE0000 && code <= 0xE0FFF);
}

/// Marks on the letter before them.
bool is_combining(char32_t code) {
  return (code >= 0x300 && code <= 0x36F) || (code >= 0x483 && code <= 0x489) || (code >= 0x1AB0 && code <= 0x1AFF) ||
         (code >= 0x1DC0 && code <= 0x1DFF) || (code >= 0x20D0 && code <= 0x20FF) || (code >= 0xFE20 && code <= 0xFE2F);
}

/// Chinese, Japanese and Korean characters and pictograms: as wide as they are high.
bool is_wide(char32_t code) {
  return (code >= 0x1100 && code <= 0x115F) || (code >= 0x2E80 && code <= 0xA4CF) ||
         (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0xF900 && code <= 0xFAFF) ||
         (code >= 0xFE30 && code <= 0xFE6F) || (code >= 0xFF00 && code <= 0xFF60) ||
         (code >= 0x1F000 && code <= 0x1FAFF) || (code >= 0x20000 && code <= 0x3FFFF);
}

/// A character in the font's units.
struct Glyph {
  int index = 0;  ///< 0 is the box
  double advance = 0;
  bool drawn = true;
};

Glyph glyph_of(char32_t code) {
  if (is_shapeless(code)) return {.drawn = false};
  Glyph out{.index = stbtt_FindGlyphIndex(&font(), static_cast<int>(code))};
  if (out.index == 0 && is_combining(code)) return {.drawn = false};
  int advance = 0, bearing = 0;
  stbtt_GetGlyphHMetrics(&font(), out.index, &advance, &bearing);
  out.advance = out.index == 0 && is_wide(code) ? em_units : is_combining(code) ? 0 : advance;
  return out;
}

void blend(Image& image, int x, int y, Color color, unsigned coverage) {
  constexpr unsigned least = 16;  // less than that cannot be seen, and may lie beside what was measured
  if (coverage < least || x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  for (int c = 0; c < image.channels; ++c) {
    const unsigned there = image.at(x, y, c), ink = color[static_cast<std::size_t>(c)];
    image.at(x, y, c) = static_cast<std::uint8_t>((there * (255 - coverage) + ink * coverage + 127) / 255);
  }
}

void draw_glyph(Image& image, double x, int y, int index, Color color, float scale) {
  const double whole = std::floor(x);
  const auto shift = static_cast<float>(x - whole);
  int left = 0, top = 0, right = 0, bottom = 0;
  stbtt_GetGlyphBitmapBoxSubpixel(&font(), index, scale, scale, shift, 0, &left, &top, &right, &bottom);
  const int width = right - left, height = bottom - top;
  if (width <= 0 || height <= 0) return;
  std::vector<unsigned char> coverage(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  stbtt_MakeGlyphBitmapSubpixel(&font(), coverage.data(), width, height, width, scale, scale, shift, 0, index);
  const int from = static_cast<int>(whole) + left;
  const unsigned char* ink = coverage.data();
  for (int j = 0; j < height; ++j)
    for (int i = 0; i < width; ++i) blend(image, from + i, y + top + j, color, *ink++);
}

/// Calls visit(character, glyph, where it begins, where it ends) for each while that returns true; returns how far it
/// came.
template <class Visit>
double walk(std::string_view text, double scale, const Visit& visit) {
  double x = 0;
  while (!text.empty()) {
    const Character next = first_character(text);
    const Glyph glyph = glyph_of(next.code);
    if (!visit(next, glyph, x, x + glyph.advance * scale)) break;
    x += glyph.advance * scale;
    text.remove_prefix(next.bytes);
  }
  return x;
}

}  // namespace

double advance(std::string_view text, double capitals) {
  return walk(text, capitals / capital_units, [](const Character&, const Glyph&, double, double) { return true; });
}

void draw_glyphs(Image& image, int x, int y, std::string_view text, Color color, double capitals) {
  const double scale = capitals / capital_units;
  walk(text, scale, [&](const Character&, const Glyph& glyph, double from, double) {
    if (x + from > image.width) return false;
    if (glyph.drawn) draw_glyph(image, x + from, y, glyph.index, color, static_cast<float>(scale));
    return true;
  });
}

std::string fitted(std::string_view text, int width, double capitals) {
  constexpr std::string_view dots = "\u2026";
  const double scale = capitals / capital_units, room = width - advance(dots, capitals);
  std::size_t bytes = 0, kept = 0;
  walk(text, scale, [&](const Character& next, const Glyph&, double, double to) {
    if (to > width) return false;
    bytes += next.bytes;
    if (to <= room) kept = bytes;
    return true;
  });
  if (bytes == text.size()) return std::string(text);
  return room < 0 ? std::string() : std::string(text.substr(0, kept)) + std::string(dots);
}

}  // namespace elbo::viz::detail
