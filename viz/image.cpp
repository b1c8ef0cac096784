#include "image.h"

#include <algorithm>
#include <cmath>

#include "../core/errors.h"
#include "font.h"

namespace elbo::viz {
namespace {

std::size_t byte_count(int width, int height, int channels) {
  ELBO_CHECK(width > 0 && height > 0, ValueError, "[image] a picture of ", width, " x ", height, " pixels");
  ELBO_CHECK(channels == 1 || channels == 3, ValueError, "[image] ", channels, " channels: expected 1 or 3");
  const double bytes = static_cast<double>(width) * height * channels;
  ELBO_CHECK(bytes <= 1 << 30, ValueError, "[image] ", width, " x ", height, " pixels: expected at most 2^30 bytes");
  return static_cast<std::size_t>(bytes);
}

bool is_grey(Color color) { return color[0] == color[1] && color[1] == color[2]; }

/// Black or white, whichever stands out.
Color text_color(Color background) {
  const int light = 3 * background[0] + 6 * background[1] + background[2];
  return light > 1275 ? Color{0, 0, 0} : Color{255, 255, 255};
}

/// Copies `source` to (left, top), each pixel as a square; a grey picture spreads over the channels of an RGB one.
void paste(Image& target, const Image& source, int left, int top, int scale) {
  for (int y = 0; y < source.height * scale; ++y)
    for (int x = 0; x < source.width * scale; ++x)
      for (int c = 0; c < target.channels; ++c)
        target.at(left + x, top + y, c) = source.at(x / scale, y / scale, source.channels == 1 ? 0 : c);
}

/// `scale`, or 1 where a label would not fit into `width` in it.
int fitting_scale(const std::vector<std::string>& labels, int width, int scale) {
  for (const std::string& label : labels)
    if (text_width(label, scale) > width) return 1;
  return scale;
}

void check_labels(const char* what, std::size_t found, int expected) {
  ELBO_CHECK(found == 0 || found == static_cast<std::size_t>(expected), ShapeError, "[grid] ", found, " ", what,
             ": expected none or ", expected);
}

/// Sides stay well within an int, labels included.
constexpr int most_scale = 1000;
constexpr std::int64_t most_side = 500000000;

void check_grid(std::span<const Image> images, int columns, const GridOptions& options) {
  ELBO_CHECK(!images.empty(), ValueError, "[grid] no pictures");
  ELBO_CHECK(columns >= 1, ValueError, "[grid] ", columns, " columns: expected at least 1");
  ELBO_CHECK(options.gap >= 0 && options.gap <= most_scale, ValueError, "[grid] gap ", options.gap, ": expected 0 to ",
             most_scale);
  ELBO_CHECK(
      options.scale >= 1 && options.scale <= most_scale && options.text_scale >= 1 && options.text_scale <= most_scale,
      ValueError, "[grid] scale ", options.scale, ", text scale ", options.text_scale, ": expected 1 to ", most_scale);
  const Image& first = images.front();
  const auto across = std::min<std::int64_t>(columns, std::ssize(images)), down = std::ssize(images) / across + 1;
  ELBO_CHECK(first.width < most_side / options.scale && first.height < most_side / options.scale &&
                 across < most_side / (std::int64_t{first.width} * options.scale + options.gap + 1) &&
                 down < most_side / (std::int64_t{first.height} * options.scale + options.gap + 1),
             ValueError, "[grid] expected a side below ", most_side, " pixels, found more for ", images.size(),
             " pictures of ", first.width, " x ", first.height, " in scale ", options.scale);
  for (const Image& image : images) {
    ELBO_CHECK(image.width == first.width && image.height == first.height, ShapeError, "[grid] a picture of ",
               image.width, " x ", image.height, " pixels: expected ", first.width, " x ", first.height,
               " as the first");
    ELBO_CHECK(image.pixels.size() == byte_count(image.width, image.height, image.channels), ShapeError, "[grid] ",
               image.pixels.size(), " bytes in a picture of ", image.width, " x ", image.height, " x ", image.channels);
  }
  const int count = static_cast<int>(images.size());
  check_labels("captions", options.captions.size(), count);
  check_labels("column labels", options.column_labels.size(), std::min(columns, count));
  check_labels("row labels", options.row_labels.size(), (count + columns - 1) / columns);
}

/// Where the parts of a grid lie.
struct Layout {
  int columns, rows;
  int left, top;  ///< of the first picture
  int cell_width, cell_height;
  int line;  ///< the height of a line of text with the space below it

  Layout(int count, int wanted_columns, const Image& picture, const GridOptions& options)
      : columns(std::min(wanted_columns, count)),
        rows((count + columns - 1) / columns),
        left(options.gap),
        top(options.gap),
        cell_width(picture.width * options.scale),
        cell_height(picture.height * options.scale),
        line(text_height(options.text_scale) + 2 * options.text_scale) {
    if (!options.title.empty()) top += line + 2 * options.text_scale;
    if (!options.column_labels.empty()) top += line;
    if (!options.captions.empty()) cell_height += line;
    int widest = 0;
    for (const std::string& label : options.row_labels)
      widest = std::max(widest, text_width(label, options.text_scale));
    if (widest > 0) left += widest + 6 * options.text_scale;
  }
  int x(int column, int gap) const { return left + column * (cell_width + gap); }
  int y(int row, int gap) const { return top + row * (cell_height + gap); }
};

void draw_labels(Image& out, const Layout& layout, const GridOptions& options) {
  const Color color = text_color(options.background);
  const int scale = options.text_scale;
  const int column_scale = fitting_scale(options.column_labels, layout.cell_width, scale);
  const int caption_scale = fitting_scale(options.captions, layout.cell_width, scale);
  const auto centred = [&](std::string_view text, int column, int y, int size) {
    const std::string shown = detail::fitted(text, layout.cell_width, 7.0 * size);
    const int x = layout.x(column, options.gap) + (layout.cell_width - text_width(shown, size)) / 2;
    draw_text(out, x, y, shown, color, size);
  };
  // Above a picture, the text's two rows below the baseline already set it off.
  const int above = layout.top - text_height(column_scale);
  draw_text(out, layout.left, options.gap + 2 * scale,
            detail::fitted(options.title, out.width - layout.left, 7.0 * scale), color, scale);
  for (std::size_t i = 0; i < options.column_labels.size(); ++i)
    centred(options.column_labels[i], static_cast<int>(i), above, column_scale);
  const int picture_height = layout.cell_height - (options.captions.empty() ? 0 : layout.line);
  for (std::size_t i = 0; i < options.row_labels.size(); ++i)
    draw_text(out, options.gap + 2 * scale,
              layout.y(static_cast<int>(i), options.gap) + (picture_height - 7 * scale) / 2, options.row_labels[i],
              color, scale);
  for (std::size_t i = 0; i < options.captions.size(); ++i) {
    const int n = static_cast<int>(i);
    centred(options.captions[i], n % layout.columns,
            layout.y(n / layout.columns, options.gap) + picture_height + 2 * scale, caption_scale);
  }
}

}  // namespace

Image::Image(int width_, int height_, int channels_, Color fill) : width(width_), height(height_), channels(channels_) {
  pixels.resize(byte_count(width, height, channels));
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = fill[i % static_cast<std::size_t>(channels)];
}

Image from_planar(std::span<const float> data, int channels, int height, int width) {
  Image image(width, height, channels);
  ELBO_CHECK(data.size() == image.pixels.size(), ShapeError, "[from_planar] ", data.size(), " values: expected ",
             channels, " x ", height, " x ", width);
  const std::size_t plane = data.size() / static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < data.size(); ++i) {
    // Written so that NaN fails the comparison and becomes 0.
    const float value = data[i] > 0.0f ? std::min(data[i], 1.0f) : 0.0f;
    const std::size_t pixel = (i % plane) * static_cast<std::size_t>(channels) + i / plane;
    image.pixels[pixel] = static_cast<std::uint8_t>(std::lround(value * 255.0f));
  }
  return image;
}

Image grid(std::span<const Image> images, int columns, const GridOptions& options) {
  check_grid(images, columns, options);
  const Layout layout(static_cast<int>(images.size()), columns, images.front(), options);
  bool grey = is_grey(options.background);
  for (const Image& image : images) grey = grey && image.channels == 1;
  Image out(layout.x(layout.columns, options.gap), layout.y(layout.rows, options.gap), grey ? 1 : 3,
            options.background);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const int n = static_cast<int>(i);
    paste(out, images[i], layout.x(n % layout.columns, options.gap), layout.y(n / layout.columns, options.gap),
          options.scale);
  }
  draw_labels(out, layout, options);
  return out;
}

Image grid(std::span<const float> data, int count, int channels, int height, int width, int columns,
           const GridOptions& options) {
  ELBO_CHECK(count > 0, ValueError, "[grid] no pictures");
  const std::size_t one = byte_count(width, height, channels);
  ELBO_CHECK(data.size() == one * static_cast<std::size_t>(count), ShapeError, "[grid] ", data.size(),
             " values: expected ", count, " x ", channels, " x ", height, " x ", width);
  std::vector<Image> images;
  images.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    images.push_back(from_planar(data.subspan(static_cast<std::size_t>(i) * one, one), channels, height, width));
  return grid(images, columns, options);
}

void draw_text(Image& image, int x, int y, std::string_view text, Color color, int scale) {
  detail::draw_glyphs(image, x, y + 7 * scale, text, color, 7.0 * scale);
}

int text_width(std::string_view text, int scale) {
  return static_cast<int>(std::min(std::ceil(detail::advance(text, 7.0 * scale)), 1e9));
}

int text_height(int scale) { return 9 * scale; }

}  // namespace elbo::viz
