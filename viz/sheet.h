#pragma once
#include <string>
#include <vector>

#include "image.h"

/// Internal to viz: lays out what the figures of figures.h have in common. `grid` is for plain grids.
namespace elbo::viz::detail {

/// One row of pictures.
struct SheetRow {
  std::vector<Image> pictures;
  std::string label = {};                  ///< left of the row; a second line, after a line feed, is grey
  std::vector<std::string> captions = {};  ///< below each picture; none, or one for each
};

/// Rows that belong together, under common column headers.
struct SheetBlock {
  std::vector<SheetRow> rows;
  /// Above the columns; none, or one for each. One that is too long for its column spreads over empty neighbours.
  std::vector<std::string> headers = {};
};

struct SidePicture {
  Image picture;
  std::string caption = {};  ///< below it
};

/// A figure. All pictures are of one size. No text is cut: text too large shrinks, then columns or the figure widen.
struct Sheet {
  std::string title = {};
  std::vector<SheetBlock> blocks = {};  ///< one below the other, set apart
  /// Below all pictures: at the left, in the middle and at the right; none, or three. Where there is no room for three,
  /// the middle one is left out.
  std::vector<std::string> below = {};
  std::vector<SidePicture> side = {};  ///< left of everything, one below the other
  int scale = 1;                       ///< each pixel of a picture becomes a square of scale * scale
  int gap = 2;                         ///< between pictures
};

/// Throws ValueError for a sheet without pictures or of more than 2^30 bytes, ShapeError for pictures of several sizes.
Image draw(const Sheet& sheet);

}  // namespace elbo::viz::detail
