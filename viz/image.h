#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/api.h"

namespace ELBO_API elbo {
namespace viz {

/// Red, green, blue.
using Color = std::array<std::uint8_t, 3>;

/// A picture of 8-bit pixels, grey (1 channel) or RGB (3), by rows from the top, channels interleaved.
struct Image {
  int width = 0;
  int height = 0;
  int channels = 1;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  /// A picture filled with one colour; a grey one takes its first component.
  /// Throws ValueError for sizes below 1, above 2^30 bytes in all, or channels other than 1 and 3.
  Image(int width, int height, int channels, Color fill = {0, 0, 0});

  std::uint8_t& at(int x, int y, int channel = 0) { return pixels[index(x, y, channel)]; }
  std::uint8_t at(int x, int y, int channel = 0) const { return pixels[index(x, y, channel)]; }

 private:
  std::size_t index(int x, int y, int channel) const {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) *
               static_cast<std::size_t>(channels) +
           static_cast<std::size_t>(channel);
  }
};

/// A picture from floats in [0, 1] in planar order [channels, height, width]: clamped, scaled to 0..255 and rounded;
/// NaN becomes 0. Throws ShapeError when `data` does not hold channels * height * width values.
Image from_planar(std::span<const float> data, int channels, int height, int width);

/// How `grid` lays pictures out. All sizes are pixels of the result, and texts are those `draw_text` can draw.
struct GridOptions {
  int gap = 2;    ///< between pictures, and around them
  int scale = 1;  ///< each pixel of a picture becomes a square of scale * scale
  Color background = {255, 255, 255};
  int text_scale = 2;
  std::string title = {};                       ///< above everything
  std::vector<std::string> column_labels = {};  ///< above each column; none, or one for each
  std::vector<std::string> row_labels = {};     ///< left of each row; none, or one for each
  std::vector<std::string> captions = {};       ///< below each picture; none, or one for each
};

/// Pictures in rows of `columns`, the last row as long as it comes. The result is grey when all pictures and the
/// background are. Column labels and captions that are too long for their place shrink to text scale 1, then they are
/// cut. Throws ShapeError when the pictures differ in size or the labels in number, ValueError for no pictures,
/// `columns` < 1, `gap` < 0 or a scale < 1.
Image grid(std::span<const Image> images, int columns, const GridOptions& options = {});

/// The same from floats in [0, 1], planar: [count, channels, height, width].
Image grid(std::span<const float> data, int count, int channels, int height, int width, int columns,
           const GridOptions& options = {});

/// Draws one line of UTF-8 whose upper left corner is (x, y), its capitals 7 * scale pixels high, 2 * scale below them
/// for what hangs down; accents on capitals rise above y. Edges are smooth. The font has Latin, Greek, Cyrillic,
/// punctuation and some signs; a character that it lacks is a box. What leaves the picture is cut.
void draw_text(Image& image, int x, int y, std::string_view text, Color color, int scale = 1);

/// The width in pixels that `draw_text` needs, and its height.
int text_width(std::string_view text, int scale = 1);
int text_height(int scale = 1);

/// The picture as the bytes of a PNG file. Throws ShapeError for an image whose pixels don't match its sizes.
std::string encode_png(const Image& image);

/// Writes a PNG file: whole, or not at all. Throws IoError naming the path.
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace viz
}  // namespace elbo
