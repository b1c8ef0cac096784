#include "svg.h"

#include <algorithm>
#include <cmath>

#include "../core/errors.h"
#include "../core/file.h"
#include "../models/losses.h"
#include "axis.h"
#include "svg_writer.h"

namespace elbo::viz {
namespace {

using detail::Anchor;
using detail::guess_width;
using detail::number;
using detail::SvgWriter;
using detail::TextStyle;

constexpr double margin = 16, tick_size = 11, label_size = 12;
constexpr std::size_t max_marked = 60;
constexpr const char* grid_color = "#e4e4e4";
constexpr const char* axis_color = "#999999";
constexpr const char* tick_color = "#555555";

/// A name of the legend and how it looks.
struct Entry {
  std::string name, color;
  Mark mark;
  bool dashed;
};

/// The names of all panels in the order of their first appearance; a name has one colour everywhere.
class Legend {
 public:
  explicit Legend(std::span<const Panel> panels) {
    for (const Panel& panel : panels)
      for (const Series& series : panel.series)
        if (!find(series.name))
          entries_.push_back(
              {series.name, series.color.empty() ? palette(entries_.size()) : series.color, panel.mark, series.dashed});
  }
  const std::string& color(const Series& series) const {
    return series.color.empty() ? find(series.name)->color : series.color;
  }
  /// Draws the named entries in lines no wider than `width` and returns the height they take.
  double draw(SvgWriter& svg, double top, double width) const {
    double x = margin, y = top;
    bool any = false;
    for (const Entry& entry : entries_) {
      if (entry.name.empty()) continue;
      const double needed = 28 + guess_width(entry.name, label_size) + 18;
      if (x > margin && x + needed > width) x = margin, y += 20;
      draw_key(svg, entry, x, y + 10);
      svg.text(x + 28, y + 14, entry.name, {.size = label_size});
      x += needed;
      any = true;
    }
    return any ? y - top + 30 : 0;
  }

 private:
  const Entry* find(const std::string& name) const {
    const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
    return at == entries_.end() ? nullptr : &*at;
  }
  static void draw_key(SvgWriter& svg, const Entry& entry, double x, double y) {
    if (entry.mark == Mark::points) return svg.marker(x + 14, y, 5, entry.color, false);
    if (entry.mark == Mark::bars) return svg.rect(x + 9, y - 6, 12, 12, entry.color);
    svg.line(x, y, x + 22, y, entry.color, 2, entry.dashed);
    svg.marker(x + 11, y, 3, entry.color, entry.dashed);
  }
  std::vector<Entry> entries_;
};

/// A panel's axes and the rectangle between them.
struct Frame {
  Axis x, y;
  double left, right, top, bottom;

  double px(double value) const { return left + x.fraction(value) * (right - left); }
  double py(double value) const { return bottom - y.fraction(value) * (bottom - top); }
  bool shows(double a, double b) const { return x.shows(a) && y.shows(b); }
};

bool tilted(const Panel& panel, double width) {
  if (panel.categories.empty()) return false;
  double widest = 0;
  for (const std::string& name : panel.categories) widest = std::max(widest, guess_width(name, tick_size));
  return widest + 6 > width / static_cast<double>(panel.categories.size());
}

/// The space under the plot for the names and label of the x axis.
double bottom_space(const Panel& panel, double width) {
  double space = 24;
  if (tilted(panel, width)) {
    double widest = 0;
    for (const std::string& name : panel.categories) widest = std::max(widest, guess_width(name, tick_size));
    space = 20 + 0.6 * widest;
  }
  return space + (panel.x_label.empty() ? 0 : 20);
}

Axis y_axis(const Panel& panel, double height) {
  std::vector<double> values;
  for (const Series& series : panel.series)
    for (std::size_t i = 0; i < series.y.size(); ++i)
      if (panel.mark == Mark::bars || (std::isfinite(series.x[i]) && !(panel.log_x && series.x[i] <= 0)))
        values.push_back(series.y[i]);
  AxisOptions options;
  options.log = panel.log_y;
  options.from_zero = panel.mark == Mark::bars;
  options.max_ticks = std::clamp(static_cast<int>(height / 32), 2, 10);
  if (panel.mark == Mark::bars) options.padding = 0.08;  // for the figures above the bars
  return make_axis(values, options);
}

Axis x_axis(const Panel& panel, const Axis& y, double width) {
  if (panel.mark == Mark::bars) {
    Axis axis;
    axis.low = 0, axis.high = std::max(1.0, static_cast<double>(panel.categories.size()));
    return axis;
  }
  std::vector<double> values;
  for (const Series& series : panel.series)
    for (std::size_t i = 0; i < series.x.size(); ++i)
      if (y.shows(series.y[i])) values.push_back(series.x[i]);
  AxisOptions options;
  options.log = panel.log_x;
  options.integers = panel.integer_x;
  options.padding = panel.mark == Mark::lines ? 0.03 : 0.05;
  options.max_ticks = std::clamp(static_cast<int>(width / 45), 2, 12);
  return make_axis(values, options);
}

Frame make_frame(const Panel& panel, double left, double top, double width, double height) {
  Frame frame;
  frame.top = top + (panel.title.empty() ? 4 : 24);
  frame.bottom = top + height - bottom_space(panel, width - 60);
  frame.y = y_axis(panel, frame.bottom - frame.top);
  double widest = 0;
  for (const std::string& label : frame.y.labels) widest = std::max(widest, guess_width(label, tick_size));
  frame.left = left + widest + 8 + (panel.y_label.empty() ? 0 : 20);
  frame.right = left + width;
  ELBO_CHECK(frame.right - frame.left >= 20 && frame.bottom - frame.top >= 20, ValueError, "[chart] a panel of ",
             number(width), " x ", number(height), " pixels has no room for its plot");
  frame.x = x_axis(panel, frame.y, frame.right - frame.left);
  return frame;
}

void draw_x_names(SvgWriter& svg, const Panel& panel, const Frame& frame) {
  const bool tilt = tilted(panel, frame.right - frame.left);
  for (std::size_t i = 0; i < panel.categories.size(); ++i) {
    const double x = frame.px(static_cast<double>(i) + 0.5);
    if (tilt)
      svg.text(x + 4, frame.bottom + 14, panel.categories[i],
               {.size = tick_size, .color = tick_color, .anchor = Anchor::end, .rotate = -35});
    else
      svg.text(x, frame.bottom + 17, panel.categories[i],
               {.size = tick_size, .color = tick_color, .anchor = Anchor::middle});
  }
}

void draw_axes(SvgWriter& svg, const Panel& panel, const Frame& frame, double left, double bottom) {
  const TextStyle label{.size = label_size, .color = "#333", .anchor = Anchor::middle};
  if (!panel.title.empty())
    svg.text(frame.left, frame.top - 10, panel.title, {.size = 13, .color = "#222", .bold = true});
  for (std::size_t i = 0; i < frame.y.ticks.size(); ++i) {
    const double y = frame.py(frame.y.ticks[i]);
    svg.line(frame.left, y, frame.right, y, grid_color, 1);
    svg.text(frame.left - 6, y + 4, frame.y.labels[i], {.size = tick_size, .color = tick_color, .anchor = Anchor::end});
  }
  for (std::size_t i = 0; i < frame.x.ticks.size(); ++i) {
    const double x = frame.px(frame.x.ticks[i]);
    if (panel.mark == Mark::points) svg.line(x, frame.top, x, frame.bottom, grid_color, 1);
    svg.line(x, frame.bottom, x, frame.bottom + 4, axis_color, 1);
    svg.text(x, frame.bottom + 17, frame.x.labels[i],
             {.size = tick_size, .color = tick_color, .anchor = Anchor::middle});
  }
  if (panel.mark == Mark::bars) draw_x_names(svg, panel, frame);
  // Bars stand on zero, which may lie above the lower edge.
  const double base = panel.mark == Mark::bars && !frame.y.log ? frame.py(0) : frame.bottom;
  svg.line(frame.left, base, frame.right, base, axis_color, 1);
  if (!panel.x_label.empty()) svg.text((frame.left + frame.right) / 2, bottom - 4, panel.x_label, label);
  if (!panel.y_label.empty()) {
    TextStyle turned = label;
    turned.rotate = -90;
    svg.text(left + 11, (frame.top + frame.bottom) / 2, panel.y_label, turned);
  }
}

std::string hover_text(const Series& series, const std::string& place, double value) {
  return (series.name.empty() ? "" : series.name + ", ") + place + ": " + number(value);
}

void append_point(std::string& path, const char* command, const Frame& frame, double x, double y) {
  path.append(command).append(number(frame.px(x))).append(" ").append(number(frame.py(y)));
}

void draw_lines(SvgWriter& svg, const Panel& panel, const Series& series, const Frame& frame,
                const std::string& color) {
  const std::size_t count = series.x.size();
  const auto shown = [&](std::size_t i) { return i < count && frame.shows(series.x[i], series.y[i]); };
  std::string path;
  for (std::size_t i = 0; i < count; ++i) {
    if (!shown(i)) continue;
    const bool joined = i > 0 && shown(i - 1);
    append_point(path, joined ? "L" : "M", frame, series.x[i], series.y[i]);
  }
  if (!path.empty()) svg.path(path, color, 2, 1, series.dashed);
  for (std::size_t i = 0; i < count; ++i) {
    const bool alone = (i == 0 || !shown(i - 1)) && !shown(i + 1);
    if (!shown(i) || (count > max_marked && !alone)) continue;
    const std::string place = (panel.x_label.empty() ? "" : panel.x_label + " ") + number(series.x[i]);
    svg.marker(frame.px(series.x[i]), frame.py(series.y[i]), count > 30 ? 2 : 3, color, series.dashed,
               hover_text(series, place, series.y[i]));
  }
}

/// One path of dots for points [begin, end) of a series: a tenth of the size of as many circles.
void draw_dots(SvgWriter& svg, const Series& series, std::size_t begin, std::size_t end, const Frame& frame,
               const std::string& color, std::size_t total) {
  std::string path;
  for (std::size_t i = begin; i < end; ++i) {
    if (!frame.shows(series.x[i], series.y[i])) continue;
    // A tenth of a pixel places a dot well enough.
    path += "M" + number(std::round(10 * frame.px(series.x[i])) / 10) + " " +
            number(std::round(10 * frame.py(series.y[i])) / 10) + "h0";
  }
  if (!path.empty()) svg.path(path, color, total > 3000 ? 2.5 : total > 500 ? 4 : 6, total > 3000 ? 0.6 : 0.7);
}

/// A piece of each series in turn, so that none hides the others where there are many points.
void draw_points(SvgWriter& svg, const Panel& panel, const Frame& frame, const Legend& legend, std::size_t total) {
  const std::size_t pieces = total > 500 ? 16 : 1;
  for (std::size_t piece = 0; piece < pieces; ++piece)
    for (const Series& series : panel.series) {
      const std::size_t count = series.x.size();
      draw_dots(svg, series, piece * count / pieces, (piece + 1) * count / pieces, frame, legend.color(series), total);
    }
}

void draw_bars(SvgWriter& svg, const Panel& panel, const Frame& frame, const Legend& legend) {
  const double slot = (frame.right - frame.left) / frame.x.high;
  const double width = 0.76 * slot / static_cast<double>(panel.series.size());
  const double base = frame.y.log ? frame.bottom : frame.py(0);
  for (std::size_t s = 0; s < panel.series.size(); ++s) {
    const Series& series = panel.series[s];
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      if (!frame.y.shows(series.y[i])) continue;
      const double x = frame.left + (static_cast<double>(i) + 0.12) * slot + static_cast<double>(s) * width;
      const double y = frame.py(series.y[i]);
      svg.rect(x + 0.5, std::min(y, base), std::max(width - 1, 0.5), std::abs(base - y), legend.color(series),
               hover_text(series, panel.categories[i], series.y[i]));
      // Three digits that count: 0.0123, 1.23, 123.
      const double power = series.y[i] == 0 ? 2 : std::floor(std::log10(std::abs(series.y[i])));
      const std::string figure = format_fixed(series.y[i], static_cast<int>(std::clamp(2 - power, 0.0, 6.0)));
      if (guess_width(figure, tick_size) <= width + 4)
        svg.text(x + width / 2, series.y[i] < 0 ? y + 12 : y - 4, figure,
                 {.size = tick_size, .color = tick_color, .anchor = Anchor::middle});
    }
  }
}

void draw_panel(SvgWriter& svg, const Panel& panel, const Frame& frame, const Legend& legend) {
  std::size_t total = 0;
  bool any = false;
  for (const Series& series : panel.series)
    for (std::size_t i = 0; i < series.y.size(); ++i, ++total)
      any = any || (frame.y.shows(series.y[i]) && (panel.mark == Mark::bars || frame.x.shows(series.x[i])));
  if (!any)
    svg.text((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2, "no data",
             {.size = label_size, .color = tick_color, .anchor = Anchor::middle});
  if (panel.mark == Mark::bars) return draw_bars(svg, panel, frame, legend);
  if (panel.mark == Mark::points) return draw_points(svg, panel, frame, legend, total);
  svg.plot_area(frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top, frame.x.low, frame.x.high);
  for (const Series& series : panel.series) draw_lines(svg, panel, series, frame, legend.color(series));
}

void check_panel(const Panel& panel) {
  for (const Series& series : panel.series) {
    if (panel.mark == Mark::bars)
      ELBO_CHECK(series.y.size() == panel.categories.size(), ShapeError, "[chart] series '", series.name,
                 "': ", series.y.size(), " bars, expected ", panel.categories.size(), ", one for each category");
    else
      ELBO_CHECK(series.x.size() == series.y.size(), ShapeError, "[chart] series '", series.name,
                 "': ", series.x.size(), " values of x, ", series.y.size(), " of y");
  }
}

}  // namespace

std::string palette(std::size_t index) {
  // Okabe and Ito's colours, those that stand out on white first; their yellow, which does not, is a darker one.
  static constexpr const char* colors[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00",
                                           "#56B4E9", "#000000", "#882255", "#999999", "#B8A800"};
  return colors[index % std::size(colors)];
}

std::string chart(std::span<const Panel> panels, const ChartOptions& options) {
  ELBO_CHECK(!panels.empty(), ValueError, "[chart] no panels");
  for (const Panel& panel : panels) check_panel(panel);
  const Legend legend(panels);
  SvgWriter svg(options.width, options.height, options.title);
  double top = margin;
  if (!options.title.empty()) {
    svg.text(margin, top + 12, options.title, {.size = 16, .color = "#111", .bold = true});
    top += 26;
  }
  if (options.legend) top += legend.draw(svg, top, options.width - margin);
  const double count = static_cast<double>(panels.size()), space = 24;
  const double width = (options.width - 2 * margin - (count - 1) * space) / count;
  const double bottom = options.height - 10.0;
  double left = margin;
  for (const Panel& panel : panels) {
    const Frame frame = make_frame(panel, left, top, width, bottom - top);
    draw_axes(svg, panel, frame, left, bottom);
    draw_panel(svg, panel, frame, legend);
    left += width + space;
  }
  return svg.finish();
}

std::string line_chart(std::span<const Series> series, const LineChartOptions& options) {
  Panel panel;
  panel.x_label = options.x_label;
  panel.y_label = options.y_label;
  panel.log_y = options.log_y;
  panel.integer_x = options.integer_x;
  panel.series.assign(series.begin(), series.end());
  return chart({&panel, 1}, {.title = options.title, .width = options.width, .height = options.height});
}

const LossCurves::Curve* LossCurves::find(std::string_view curve) const {
  for (const Curve& one : curves)
    if (one.name == curve) return &one;
  return nullptr;
}

namespace {

bool all_of(const std::vector<double>& values, bool (*is)(double)) {
  return std::all_of(values.begin(), values.end(), is);
}
bool is_nothing(double v) { return v == 0 || std::isnan(v); }
bool is_missing(double v) { return std::isnan(v); }

}  // namespace

std::vector<std::string> curve_names(std::span<const LossCurves> runs) {
  std::vector<std::string> out;
  for (const LossCurves& run : runs)
    for (const LossCurves::Curve& one : run.curves) {
      const bool flat = all_of(one.train, is_nothing) && all_of(one.val, is_nothing);
      const bool known = std::find(out.begin(), out.end(), one.name) != out.end();
      if (!known && (!flat || one.name == "loss" || one.name == "reconstruction")) out.push_back(one.name);
    }
  return out;
}

std::string curve_title(const std::string& name) {
  std::string out = name == "kl" ? "KL divergence" : models::term_title(name);
  if (!out.empty()) out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  return out;
}

std::vector<Series> curve_series(std::span<const LossCurves> runs, const std::string& name) {
  std::vector<Series> out;
  const bool several = runs.size() > 1;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const LossCurves::Curve* curve = runs[i].find(name);
    if (!curve) continue;
    const std::string prefix = several ? runs[i].name + ", " : "";
    out.push_back({prefix + "training", runs[i].epoch, curve->train, palette(several ? i : 0)});
    if (!all_of(curve->val, is_missing))
      out.push_back({prefix + "validation", runs[i].epoch, curve->val, palette(several ? i : 1), /*dashed=*/several});
  }
  return out;
}

std::string loss_chart(std::span<const LossCurves> runs, bool log_y) {
  std::vector<Panel> panels;
  std::vector<std::string> names = curve_names(runs);
  if (names.empty()) names.emplace_back("loss");  // before the first epoch: no data
  for (const std::string& name : names) {
    Panel panel{.title = curve_title(name), .x_label = "epoch", .y_label = panels.empty() ? "nats per sample" : ""};
    panel.log_y = log_y;
    panel.integer_x = true;
    panel.series = curve_series(runs, name);
    panels.push_back(std::move(panel));
  }
  const int width = panels.size() <= 2 ? 720 : 1000 + 300 * (static_cast<int>(panels.size()) - 3);
  return chart(panels, {.title = "", .width = width, .height = 340});
}

void write_svg(const std::filesystem::path& path, std::string_view chart) { write_file_atomically(path, chart); }

}  // namespace elbo::viz
