#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "image.h"

/// Internal to viz: the pieces of HTML that a report is made of. Every text is escaped here; what is called `html` is
/// not.
namespace elbo::viz::detail {

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

/// A whole page.
std::string page(std::string_view title, std::string_view body_html);
/// `<section id=...>` with a heading.
std::string section(std::string_view id, std::string_view heading, std::string_view html);
std::string heading3(std::string_view text);
std::string paragraph(std::string_view text);
/// A picture as PNG inside the page. `alt` says what it shows to those who don't see it.
std::string picture_figure(const Image& image, std::string_view alt, std::string_view caption);
/// A chart inside the page, named for screen readers.
std::string svg_figure(std::string_view svg, std::string_view label, std::string_view caption);
/// The chart itself with that name.
std::string labelled(std::string_view svg, std::string_view label);

/// What one colour stands for.
struct Key {
  std::string name, color;
  bool dashed = false;  ///< a line's pattern
  bool line = false;    ///< a piece of line; otherwise a dot
};
std::string legend(const std::vector<Key>& keys);

/// Cells of text. The first row is the head; the first cell of each row is its heading.
struct Table {
  std::string caption;
  std::vector<std::vector<std::string>> rows;
  bool numbers = true;                ///< aligned at the right
  std::vector<bool> emphasised = {};  ///< rows whose cells stand out; none, or one for each
};
std::string table(const Table& table);
/// Names with large values.
std::string tiles(const std::vector<std::vector<std::string>>& name_value_note);
/// Shown when asked for.
std::string details(std::string_view summary, std::string_view html);

/// The style sheet and the script, for the page's head and end.
extern const char* const report_style;
extern const char* const report_script;

}  // namespace elbo::viz::detail
