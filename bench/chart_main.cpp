// elbo_chart: reads a chart as JSON from standard input and prints it as SVG; scaling.py's pictures.
// {"title": T, "width": W, "height": H, "panels": [{"title", "x_label", "y_label", "log_x", "log_y",
//   "series": [{"name", "x": [...], "y": [...], "color", "dashed"}, ...]}, ...]}; see viz/svg.h. All but "panels",
// "series", "x" and "y" may be missing; a null in "y" is a gap.
#include <elbo/viz/svg.h>

#include <exception>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>

using nlohmann::json;

namespace {

std::vector<double> numbers(const json& values) {
  std::vector<double> out;
  for (const json& value : values)
    out.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>());
  return out;
}

elbo::viz::Panel panel_of(const json& from) {
  elbo::viz::Panel panel{.title = from.value("title", ""),
                         .x_label = from.value("x_label", ""),
                         .y_label = from.value("y_label", ""),
                         .log_x = from.value("log_x", false),
                         .log_y = from.value("log_y", false)};
  for (const json& series : from.at("series"))
    panel.series.push_back({series.value("name", ""), numbers(series.at("x")), numbers(series.at("y")),
                            series.value("color", ""), series.value("dashed", false)});
  return panel;
}

}  // namespace

int main() try {
  const json from = json::parse(std::cin);
  std::vector<elbo::viz::Panel> panels;
  for (const json& panel : from.at("panels")) panels.push_back(panel_of(panel));
  elbo::viz::ChartOptions options;
  options.title = from.value("title", "");
  options.width = from.value("width", options.width);
  options.height = from.value("height", options.height);
  std::cout << elbo::viz::chart(panels, options);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "elbo_chart: " << error.what() << "\n";
  return 2;
}
