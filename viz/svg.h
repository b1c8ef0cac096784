#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/api.h"

/// Charts as SVG text, drawn by hand: no scripts, no fonts of their own, colours that colour-blind readers can tell
/// apart (Okabe and Ito's). The same text is a file, or goes into a web page as it is.
namespace ELBO_API elbo {
namespace viz {

/// What one name in the legend stands for. NaN, infinities, and on a logarithmic axis values that are not positive,
/// are gaps.
struct Series {
  std::string name = {};  ///< in the legend; without a name it is not listed
  std::vector<double> x = {}, y = {};
  std::string color = {};  ///< any SVG colour; empty: the next of the palette, the same for the same name in all panels
  bool dashed = false;     ///< a line's pattern
};

/// How a panel draws its series.
enum class Mark {
  lines,   ///< points joined in their order; marked where there are at most 60, with their values as hover text
  points,  ///< a scatter plot; where there are many, no series lies on top of all others
  bars     ///< y[i] is the bar of category i, side by side for several series; x stays empty
};

/// One chart of several that share a title and a legend.
struct Panel {
  std::string title = {}, x_label = {}, y_label = {};
  std::vector<Series> series = {};
  Mark mark = Mark::lines;
  bool log_x = false, log_y = false;         ///< log_x: not for bars
  bool integer_x = false;                    ///< ticks of x at whole numbers only
  std::vector<std::string> categories = {};  ///< names under the bars
};

struct ChartOptions {
  std::string title = {};
  int width = 640, height = 400;  ///< pixels, in all
  bool legend = true;             ///< without it, say what the colours mean elsewhere
};

/// Panels side by side, of one width. An empty one says "no data".
/// Throws ValueError for no panels or a size too small to draw in, ShapeError when a series has unequal numbers of
/// x and y, or of y and categories.
std::string chart(std::span<const Panel> panels, const ChartOptions& options = {});

/// One panel of lines.
struct LineChartOptions {
  std::string title = {};
  int width = 640, height = 400;
  std::string x_label = {}, y_label = {};
  bool log_y = false;
  bool integer_x = false;
};
std::string line_chart(std::span<const Series> series, const LineChartOptions& options = {});

/// The loss of one run by epoch, in nats per sample. Validation may be empty, or NaN where there is none.
struct LossCurves {
  std::string name = {};  ///< of the run; only shown where there are several
  std::vector<double> epoch = {};
  /// In training and in validation, NaN where there is none.
  struct Curve {
    std::string name;  ///< of a term, such as `kl`; `loss` for their weighted sum
    std::vector<double> train = {}, val = {};
  };
  std::vector<Curve> curves = {};  ///< the loss first

  /// Null for a name that is none.
  const Curve* find(std::string_view curve) const;
};

/// The names of all curves of several runs, each once, those left out that are 0 throughout (the KL of an autoencoder).
std::vector<std::string> curve_names(std::span<const LossCurves> runs);
/// `Loss`, `Reconstruction`, `KL divergence`, `Total correlation`.
std::string curve_title(const std::string& name);
/// What the chart of one curve shows: every run that has it, its training, then its validation. One run has a colour
/// for each of the two; several have a colour each, with validation dashed.
std::vector<Series> curve_series(std::span<const LossCurves> runs, const std::string& name);

/// A panel for each curve, the loss first: see curve_names and curve_series.
std::string loss_chart(std::span<const LossCurves> runs, bool log_y = false);

/// Writes a chart, or any other text, to a file: whole, or not at all. Throws IoError naming the path.
void write_svg(const std::filesystem::path& path, std::string_view chart);

/// `text` with the characters that XML and HTML reserve replaced, and control characters left out.
std::string escape_xml(std::string_view text);

/// The colour a series of that index takes, as `#rrggbb`. After ten they repeat.
std::string palette(std::size_t index);

}  // namespace viz
}  // namespace elbo
