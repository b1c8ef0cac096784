#include "svg_writer.h"

#include "../core/errors.h"
#include "../core/text.h"
#include "axis.h"
#include "font.h"
#include "svg.h"

namespace elbo::viz {

std::string escape_xml(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character next = first_character(text);
    const std::string_view bytes = text.substr(0, next.bytes);
    text.remove_prefix(next.bytes);
    // XML allows no control characters, not even escaped ones, and nothing but UTF-8.
    if (!next.valid || next.code == 0xFFFE || next.code == 0xFFFF)
      out += "\uFFFD";
    else if (next.code == '&')
      out += "&amp;";
    else if (next.code == '<')
      out += "&lt;";
    else if (next.code == '>')
      out += "&gt;";
    else if (next.code == '"')
      out += "&quot;";
    else if (next.code == '\'')
      out += "&#39;";
    else if (next.code >= 0x20 || next.code == '\t' || next.code == '\n')
      out += bytes;
  }
  return out;
}

namespace detail {
namespace {

std::string attribute(std::string_view name, std::string_view value) {
  std::string out = " ";
  out.append(name).append("=\"").append(escape_xml(value)).append("\"");
  return out;
}

std::string attribute(std::string_view name, double value) { return attribute(name, number(value)); }

}  // namespace

std::string number(double value) {
  std::string text = format_fixed(value, 2);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

double guess_width(std::string_view text, double size) {
  constexpr double capitals = 0.729;  // of the size, in DejaVu Sans
  return advance(text, capitals * size);
}

SvgWriter::SvgWriter(int width, int height, std::string_view title) {
  const std::string w = std::to_string(width), h = std::to_string(height);
  out_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w + "\" height=\"" + h + "\" viewBox=\"0 0 " + w + " " +
         h +
         "\" role=\"img\" font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, "
         "'Liberation Sans', sans-serif\">\n";
  if (!title.empty()) out_.append("<title>").append(escape_xml(title)).append("</title>\n");
  rect(0, 0, width, height, "#ffffff");
}

void SvgWriter::text(double x, double y, std::string_view content, const TextStyle& style) {
  out_ += "<text" + attribute("x", x) + attribute("y", y) + attribute("font-size", style.size) +
          attribute("fill", style.color);
  if (style.anchor == Anchor::middle) out_ += attribute("text-anchor", "middle");
  if (style.anchor == Anchor::end) out_ += attribute("text-anchor", "end");
  if (style.bold) out_ += attribute("font-weight", "600");
  if (style.rotate != 0)
    out_ += attribute("transform",
                      elbo::detail::concat("rotate(", number(style.rotate), " ", number(x), " ", number(y), ")"));
  out_.append(">").append(escape_xml(content)).append("</text>\n");
}

void SvgWriter::line(double x1, double y1, double x2, double y2, std::string_view color, double width, bool dashed) {
  out_ += "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2) +
          attribute("stroke", color) + attribute("stroke-width", width);
  if (dashed) out_ += attribute("stroke-dasharray", "6 4");
  out_ += "/>\n";
}

void SvgWriter::rect(double x, double y, double width, double height, std::string_view color, std::string_view hover) {
  out_ += "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) + attribute("height", height) +
          attribute("fill", color);
  close_with_hover("rect", hover);
}

void SvgWriter::plot_area(double x, double y, double width, double height, double low, double high) {
  out_ += "<rect" + attribute("class", "plot") + attribute("x", x) + attribute("y", y) + attribute("width", width) +
          attribute("height", height) + attribute("fill", "none") + attribute("data-low", format_fixed(low, 6)) +
          attribute("data-high", format_fixed(high, 6)) + "/>\n";
}

void SvgWriter::marker(double x, double y, double radius, std::string_view color, bool hollow, std::string_view hover) {
  out_ += "<circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", radius) +
          attribute("fill", hollow ? "#ffffff" : color);
  if (hollow) out_ += attribute("stroke", color) + attribute("stroke-width", 1.5);
  close_with_hover("circle", hover);
}

void SvgWriter::path(std::string_view data, std::string_view color, double width, double opacity, bool dashed) {
  out_ += "<path" + attribute("d", data) + attribute("fill", "none") + attribute("stroke", color) +
          attribute("stroke-width", width) + attribute("stroke-linecap", dashed ? "butt" : "round") +
          attribute("stroke-linejoin", "round");
  if (opacity < 1) out_ += attribute("stroke-opacity", opacity);
  if (dashed) out_ += attribute("stroke-dasharray", "6 4");
  out_ += "/>\n";
}

void SvgWriter::close_with_hover(std::string_view element, std::string_view hover) {
  if (hover.empty())
    out_ += "/>\n";
  else
    out_.append("><title>").append(escape_xml(hover)).append("</title></").append(element).append(">\n");
}

std::string SvgWriter::finish() { return std::move(out_) + "</svg>\n"; }

}  // namespace detail
}  // namespace elbo::viz
