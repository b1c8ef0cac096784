#include "report_html.h"

#include <cstdint>

#include "../core/errors.h"
#include "svg.h"

namespace elbo::viz::detail {
namespace {

using elbo::detail::concat;

std::string cell(const std::string& text, bool head, const char* scope) {
  const std::string tag = head ? "th" : "td";
  return "<" + tag + (head ? concat(" scope=\"", scope, "\"") : "") + ">" + escape_xml(text) + "</" + tag + ">";
}

std::string caption_of(std::string_view caption) {
  return caption.empty() ? "" : "<figcaption>" + escape_xml(caption) + "</figcaption>\n";
}

}  // namespace

std::string base64(std::string_view bytes) {
  static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (k < count ? static_cast<std::uint8_t>(bytes[i + k]) : std::uint32_t{0});
    for (std::size_t k = 0; k < 4; ++k) out += k <= count ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string page(std::string_view title, std::string_view body_html) {
  return concat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      // Nothing is loaded from anywhere, whatever a name may hold.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>",
      escape_xml(title), "</title>\n<style>\n", report_style, "</style>\n</head>\n<body>\n", body_html, "<script>\n",
      report_script, "</script>\n</body>\n</html>\n");
}

std::string section(std::string_view id, std::string_view heading, std::string_view html) {
  return concat("<section id=\"", escape_xml(id), "\">\n<h2>", escape_xml(heading), "</h2>\n", html, "</section>\n");
}

std::string heading3(std::string_view text) { return "<h3>" + escape_xml(text) + "</h3>\n"; }

std::string paragraph(std::string_view text) { return "<p>" + escape_xml(text) + "</p>\n"; }

std::string picture_figure(const Image& image, std::string_view alt, std::string_view caption) {
  return concat("<figure class=\"picture\">\n<img width=\"", image.width, "\" height=\"", image.height, "\" alt=\"",
                escape_xml(alt), "\" src=\"data:image/png;base64,", base64(encode_png(image)), "\">\n",
                caption_of(caption), "</figure>\n");
}

std::string labelled(std::string_view svg, std::string_view label) {
  constexpr std::string_view begin = "<svg ";
  return concat(begin, "aria-label=\"", escape_xml(label), "\" ", svg.substr(begin.size()));
}

std::string svg_figure(std::string_view svg, std::string_view label, std::string_view caption) {
  return concat("<figure class=\"plot-figure\">\n", labelled(svg, label), caption_of(caption), "</figure>\n");
}

std::string legend(const std::vector<Key>& keys) {
  std::string out = "<ul class=\"legend\">\n";
  for (const Key& key : keys) {
    const std::string color = escape_xml(key.color);
    out += "<li><svg class=\"key\" width=\"24\" height=\"12\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">";
    if (key.line)
      out += "<path d=\"M1 6H23\" fill=\"none\" stroke=\"" + color + "\" stroke-width=\"2.5\"" +
             (key.dashed ? " stroke-dasharray=\"6 4\"" : "") + "/>";
    else
      out += "<circle cx=\"16\" cy=\"6\" r=\"5\" fill=\"" + color + "\"/>";
    out += "</svg>" + escape_xml(key.name) + "</li>\n";
  }
  return out + "</ul>\n";
}

std::string table(const Table& table) {
  std::string out = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" + escape_xml(table.caption) +
                    "\">\n<table" + (table.numbers ? " class=\"numbers\"" : "") + ">\n<caption>" +
                    escape_xml(table.caption) + "</caption>\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (i == 0) out += "<thead>\n";
    if (i == 1) out += "<tbody>\n";
    out += i < table.emphasised.size() && table.emphasised[i] ? "<tr class=\"differs\">" : "<tr>";
    for (std::size_t c = 0; c < table.rows[i].size(); ++c)
      out += cell(table.rows[i][c], i == 0 || c == 0, i == 0 ? "col" : "row");
    out += "</tr>\n";
    if (i == 0) out += "</thead>\n";
  }
  return out + (table.rows.size() > 1 ? "</tbody>\n" : "") + "</table>\n</div>\n";
}

std::string tiles(const std::vector<std::vector<std::string>>& name_value_note) {
  std::string out = "<dl class=\"tiles\">\n";
  for (const std::vector<std::string>& tile : name_value_note)
    out += "<div><dt>" + escape_xml(tile[0]) + "</dt><dd>" + escape_xml(tile[1]) + "<small>" + escape_xml(tile[2]) +
           "</small></dd></div>\n";
  return out + "</dl>\n";
}

std::string details(std::string_view summary, std::string_view html) {
  return concat("<details>\n<summary>", escape_xml(summary), "</summary>\n", html, "</details>\n");
}

}  // namespace elbo::viz::detail
