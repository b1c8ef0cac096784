#pragma once
#include <string>
#include <string_view>

/// The few SVG elements that the charts are made of.
namespace elbo::viz::detail {

/// A coordinate or length: two decimals at most.
std::string number(double value);

/// A guess at the width of `text` in the reader's sans-serif font of that size: that of DejaVu Sans, a wide one.
double guess_width(std::string_view text, double size);

enum class Anchor { start, middle, end };

struct TextStyle {
  double size = 12;
  const char* color = "#333";
  Anchor anchor = Anchor::start;
  bool bold = false;
  double rotate = 0;  ///< degrees clockwise around the text's place
};

/// Collects elements; `finish` closes the document.
class SvgWriter {
 public:
  SvgWriter(int width, int height, std::string_view title);

  void text(double x, double y, std::string_view content, const TextStyle& style = {});
  void line(double x1, double y1, double x2, double y2, std::string_view color, double width, bool dashed = false);
  void rect(double x, double y, double width, double height, std::string_view color, std::string_view hover = {});
  /// Nothing to see: tells a script of the page where a panel's plot lies and which x its left and right edges stand
  /// for.
  void plot_area(double x, double y, double width, double height, double low, double high);
  /// A dot, or a ring that hides what is under it.
  void marker(double x, double y, double radius, std::string_view color, bool hollow, std::string_view hover = {});
  /// An open path through `data` (SVG path commands).
  void path(std::string_view data, std::string_view color, double width, double opacity = 1, bool dashed = false);
  std::string finish();

 private:
  void close_with_hover(std::string_view element, std::string_view hover);
  std::string out_;
};

}  // namespace elbo::viz::detail
