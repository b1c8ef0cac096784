#include "sheet.h"

#include <algorithm>

#include "../core/errors.h"

namespace elbo::viz::detail {
namespace {

constexpr int margin = 10;
constexpr int block_gap = 12;
constexpr int label_space = 10;          // between a row's label and its pictures
constexpr int side_space = 24;           // between the pictures at the side and the rest
constexpr int widest_large_label = 220;  // a label wider than that is written small
constexpr std::size_t few_columns = 6;
constexpr Color black{0, 0, 0}, grey{110, 110, 110}, white{255, 255, 255};

bool any(const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(), [](const std::string& text) { return !text.empty(); });
}

/// The height of a line with the space that sets it off from what follows.
int line_height(int text_scale) { return text_height(text_scale) + 2 * text_scale; }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines{{}};
  for (char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  return lines;
}

int label_width(const std::string& label, int text_scale) {
  int width = 0;
  for (const std::string& line : lines_of(label)) width = std::max(width, text_width(line, text_scale));
  return width;
}

/// Where everything lies.
class Layout {
 public:
  explicit Layout(const Sheet& sheet);

  int width = 0, height = 0;
  int left = 0;   ///< of the first column
  int top = 0;    ///< of the first block
  int pitch = 0;  ///< from one column to the next
  int right = 0;  ///< where the last column ends
  int picture_width = 0, picture_height = 0;
  int cell_height = 0;  ///< of a row: that of its picture or, where that is larger, of its label
  int title_scale = 2, label_scale = 2, header_scale = 2, caption_scale = 2, side_scale = 2;
  std::size_t columns = 0;

  /// The column's pictures begin here.
  int x(std::size_t column) const {
    return left + static_cast<int>(column) * pitch + (pitch - sheet_.gap - picture_width) / 2;
  }
  /// The pixels that header i may take: its column's, and those of empty neighbours on both sides of it, or on the
  /// only side there is.
  int room(const std::vector<std::string>& headers, std::size_t i) const;
  /// Where the left and the right text below the pictures end, with space between them.
  int below_end() const;
  int side_height(const SidePicture& side) const {
    return picture_height + (side.caption.empty() ? 0 : line_height(side_scale) + 4);
  }
  int header_line(const SheetBlock& block) const { return any(block.headers) ? line_height(header_scale) : 0; }
  int row_height(const SheetRow& row) const {
    return cell_height + (any(row.captions) ? line_height(caption_scale) + 6 : 0);
  }

 private:
  void measure_pictures();
  void choose_pitch();
  void choose_text_scales();
  int side_width() const;
  int labels_width(int text_scale) const;
  int labels_height(int text_scale) const;

  const Sheet& sheet_;
};

Layout::Layout(const Sheet& sheet) : sheet_(sheet) {
  measure_pictures();
  choose_pitch();
  choose_text_scales();
  int labels = labels_width(label_scale);
  left = margin + side_width() + (labels > 0 ? labels + label_space : 0);
  right = left + static_cast<int>(columns) * pitch - sheet.gap;
  if (text_width(sheet.title, title_scale) > right - margin) title_scale = 1;
  width = std::max({right, margin + text_width(sheet.title, title_scale), below_end()}) + margin;

  top = margin + (sheet.title.empty() ? 0 : line_height(title_scale) + 6);
  int y = top;
  for (const SheetBlock& block : sheet.blocks) {
    if (&block != &sheet.blocks.front()) y += block_gap;
    y += header_line(block);
    for (const SheetRow& row : block.rows) y += row_height(row) + (&row == &block.rows.back() ? 0 : sheet.gap);
  }
  if (any(sheet.below)) y += line_height(label_scale) + 2 * label_scale;
  int side = top + (sheet.blocks.empty() ? 0 : header_line(sheet.blocks.front()));
  for (const SidePicture& picture : sheet.side) side += side_height(picture) + block_gap;
  height = std::max(y, side - block_gap) + margin;
}

void Layout::measure_pictures() {
  const Image* first = nullptr;
  auto check = [&](const Image& image) {
    if (!first) first = &image;
    ELBO_CHECK(image.width == first->width && image.height == first->height, ShapeError, "[figure] a picture of ",
               image.width, " x ", image.height, " pixels: expected ", first->width, " x ", first->height,
               " as the first");
  };
  for (const SheetBlock& block : sheet_.blocks)
    for (const SheetRow& row : block.rows) {
      std::for_each(row.pictures.begin(), row.pictures.end(), check);
      columns = std::max(columns, row.pictures.size());
    }
  for (const SidePicture& side : sheet_.side) check(side.picture);
  ELBO_CHECK(columns > 0, ValueError, "[figure] no pictures");
  picture_width = first->width * sheet_.scale;
  picture_height = first->height * sheet_.scale;
}

void Layout::choose_pitch() {
  int cell = picture_width, header = 0, caption = 0;  // the widest small text that has only its column
  for (const SheetBlock& block : sheet_.blocks) {
    const std::vector<std::string>& texts = block.headers;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      bool alone = (i == 0 || texts[i - 1].empty()) && (i + 1 == texts.size() || texts[i + 1].empty());
      if (!alone || texts.size() == 1) header = std::max(header, text_width(texts[i], 1) + 6);
    }
    for (const SheetRow& row : block.rows)
      for (const std::string& text : row.captions) caption = std::max(caption, text_width(text, 1) + 6);
  }
  for (int text : {header, caption}) {
    // Few columns may be wider than their pictures for the sake of large text; many only where it must be.
    bool large = columns <= few_columns && 2 * text <= picture_width * 3 / 2;
    cell = std::max(cell, large ? 2 * text : text);
  }
  pitch = cell + sheet_.gap;
}

int Layout::room(const std::vector<std::string>& headers, std::size_t i) const {
  std::size_t before = i, after = i;
  while (before > 0 && headers[before - 1].empty()) --before;
  while (after + 1 < headers.size() && headers[after + 1].empty()) ++after;
  bool edge = i == 0 || i + 1 == headers.size();
  std::size_t cells = edge ? after - before + 1 : 1 + 2 * std::min(i - before, after - i);
  return static_cast<int>(cells) * pitch - sheet_.gap - 2;
}

void Layout::choose_text_scales() {
  bool headers_fit = true, captions_fit = true;
  auto check = [&](const std::vector<std::string>& headers) {
    for (std::size_t i = 0; i < headers.size(); ++i)
      headers_fit = headers_fit && text_width(headers[i], 2) <= room(headers, i);
  };
  for (const SheetBlock& block : sheet_.blocks) {
    check(block.headers);
    for (const SheetRow& row : block.rows) {
      for (const std::string& text : row.captions) captions_fit = captions_fit && text_width(text, 2) <= pitch - 4;
    }
  }
  header_scale = headers_fit ? 2 : 1;
  caption_scale = captions_fit ? 2 : 1;
  bool labels_fit = labels_width(2) <= widest_large_label && labels_height(2) <= picture_height;
  label_scale = labels_fit ? 2 : 1;
  // A seamless sheet stays seamless.
  cell_height = sheet_.gap > 0 ? std::max(picture_height, labels_height(label_scale)) : picture_height;
}

int Layout::labels_height(int text_scale) const {
  std::size_t lines = 0;
  for (const SheetBlock& block : sheet_.blocks)
    for (const SheetRow& row : block.rows)
      if (!row.label.empty()) lines = std::max(lines, lines_of(row.label).size());
  return static_cast<int>(lines) * line_height(text_scale);
}

int Layout::below_end() const {
  if (sheet_.below.empty()) return 0;
  return left + text_width(sheet_.below[0], label_scale) + label_space + text_width(sheet_.below[2], label_scale);
}

int Layout::labels_width(int text_scale) const {
  int widest = 0;
  for (const SheetBlock& block : sheet_.blocks)
    for (const SheetRow& row : block.rows) widest = std::max(widest, label_width(row.label, text_scale));
  return widest;
}

int Layout::side_width() const {
  if (sheet_.side.empty()) return 0;
  int widest = picture_width;
  for (const SidePicture& side : sheet_.side) widest = std::max(widest, text_width(side.caption, side_scale));
  return widest + side_space;
}

/// Copies `source` to (left, top), each pixel as a square; a grey picture spreads over the channels of an RGB one.
void paste(Image& target, const Image& source, int left, int top, int scale) {
  for (int y = 0; y < source.height * scale; ++y)
    for (int x = 0; x < source.width * scale; ++x)
      for (int c = 0; c < target.channels; ++c)
        target.at(left + x, top + y, c) = source.at(x / scale, y / scale, source.channels == 1 ? 0 : c);
}

/// Centred over its column; where it is wider, the first begins with its column and the last ends with it.
void draw_headers(Image& out, const Layout& layout, const std::vector<std::string>& headers, int y) {
  for (std::size_t i = 0; i < headers.size(); ++i) {
    int text = text_width(headers[i], layout.header_scale), x = layout.x(i), spare = layout.picture_width - text;
    bool wide = text > layout.pitch - 4;
    if (!wide || (i > 0 && i + 1 < headers.size())) {
      x += spare / 2;
    } else if (i > 0) {
      x += spare;
    }
    draw_text(out, x, y, headers[i], black, layout.header_scale);
  }
}

/// Right beside the row's pictures, in the middle of their height.
void draw_label(Image& out, const Layout& layout, const std::string& label, int y) {
  int scale = layout.label_scale;
  std::vector<std::string> lines = lines_of(label);
  int height = static_cast<int>(lines.size()) * line_height(scale) - 4 * scale;
  y += (layout.cell_height - height) / 2;
  for (const std::string& line : lines) {
    draw_text(out, layout.left - label_space - text_width(line, scale), y, line, &line == &lines[0] ? black : grey,
              scale);
    y += line_height(scale);
  }
}

void draw_row(Image& out, const Sheet& sheet, const Layout& layout, const SheetRow& row, int y) {
  draw_label(out, layout, row.label, y);
  y += (layout.cell_height - layout.picture_height) / 2;
  for (std::size_t i = 0; i < row.pictures.size(); ++i) paste(out, row.pictures[i], layout.x(i), y, sheet.scale);
  int scale = layout.caption_scale;
  for (std::size_t i = 0; i < row.captions.size(); ++i) {
    int x = layout.x(i) + (layout.picture_width - text_width(row.captions[i], scale)) / 2;
    draw_text(out, x, y + layout.picture_height + 2 * scale, row.captions[i], black, scale);
  }
}

void draw_below(Image& out, const Sheet& sheet, const Layout& layout, int y) {
  if (sheet.below.empty()) return;
  int scale = layout.label_scale, end = std::max(layout.right, layout.below_end());
  auto width_of = [&](std::size_t i) { return text_width(sheet.below[i], scale); };
  draw_text(out, layout.left, y, sheet.below[0], black, scale);
  draw_text(out, end - width_of(2), y, sheet.below[2], black, scale);
  int middle = (layout.left + layout.right - width_of(1)) / 2;
  bool fits =
      middle >= layout.left + width_of(0) + label_space && middle + width_of(1) + label_space <= end - width_of(2);
  if (fits) draw_text(out, middle, y, sheet.below[1], black, scale);
}

bool is_grey(const Sheet& sheet) {
  auto grey_picture = [](const Image& image) { return image.channels == 1; };
  for (const SheetBlock& block : sheet.blocks)
    for (const SheetRow& row : block.rows)
      if (!std::all_of(row.pictures.begin(), row.pictures.end(), grey_picture)) return false;
  return std::all_of(sheet.side.begin(), sheet.side.end(),
                     [](const SidePicture& side) { return side.picture.channels == 1; });
}

}  // namespace

Image draw(const Sheet& sheet) {
  const Layout layout(sheet);
  Image out(layout.width, layout.height, is_grey(sheet) ? 1 : 3, white);
  draw_text(out, margin, margin, sheet.title, black, layout.title_scale);
  int y = layout.top;
  int side = y + (sheet.blocks.empty() ? 0 : layout.header_line(sheet.blocks.front()));
  for (const SidePicture& picture : sheet.side) {
    paste(out, picture.picture, margin, side, sheet.scale);
    draw_text(out, margin, side + layout.picture_height + 4, picture.caption, black, layout.side_scale);
    side += layout.side_height(picture) + block_gap;
  }
  for (const SheetBlock& block : sheet.blocks) {
    if (&block != &sheet.blocks.front()) y += block_gap;
    draw_headers(out, layout, block.headers, y);
    y += layout.header_line(block);
    for (const SheetRow& row : block.rows) {
      draw_row(out, sheet, layout, row, y);
      y += layout.row_height(row) + (&row == &block.rows.back() ? 0 : sheet.gap);
    }
  }
  draw_below(out, sheet, layout, y + 2 * layout.label_scale);
  return out;
}

}  // namespace elbo::viz::detail
