#include "run_pictures.h"

#include <algorithm>
#include <limits>

#include "../core/file.h"
#include "figures.h"

namespace elbo::viz {

LossCurves loss_curves(const std::vector<models::EpochRecord>& history, std::string name) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  LossCurves out;
  out.name = std::move(name);
  const auto add = [&](const std::string& curve, double train, double val) {
    auto found = std::find_if(out.curves.begin(), out.curves.end(), [&](const auto& one) { return one.name == curve; });
    if (found == out.curves.end()) {
      // What came in late, as a term of other versions may, was missing before.
      const std::vector<double> before(out.epoch.size() - 1, none);
      found = out.curves.insert(found, {curve, before, before});
    }
    found->train.resize(out.epoch.size() - 1, none);
    found->val.resize(out.epoch.size() - 1, none);
    found->train.push_back(train);
    found->val.push_back(val);
  };
  for (const models::EpochRecord& record : history) {
    out.epoch.push_back(static_cast<double>(record.epoch));
    add("loss", record.train.loss, record.val ? record.val->loss : none);
    for (const auto& [term, nats] : record.train.terms) {
      const double* val = record.val ? record.val->find(term) : nullptr;
      add(term, nats, val ? *val : none);
    }
  }
  return out;
}

namespace {

/// Nobody asked for these figures: of large pictures they hold fewer, so that they stay small and quick. At least one.
std::int64_t most_pictures(const models::Model& model) {
  constexpr std::int64_t most_pixels = 8'000'000;
  const Shape& picture = model.config().picture;
  return std::max<std::int64_t>(most_pixels / (picture[1] * picture[2]), 1);
}

/// What `sample_figure` chooses, or where that is too much, fewer rows and columns, of one class.
SampleOptions bounded(SampleOptions options, const std::vector<Row>& rows, std::int64_t most) {
  const FigureSize size = sample_figure_size(rows, options);
  if (size.rows * size.columns <= most) return options;
  if (rows.front().model.is_conditional()) options.label = 0;
  options.columns = std::min(size.columns, most);
  options.rows = std::min(size.rows, most / options.columns);
  return options;
}

}  // namespace

void write_run_pictures(const models::Run& run, models::Model& model, const datasets::Dataset& test, bool replace) {
  const std::vector<Row> rows = {{"model", model}};
  const std::int64_t most = most_pictures(model);
  if (model.code_size() > 0 && (replace || !run.has("samples.png"))) {
    const Image samples = sample_figure(rows, bounded({.seed = run.config().train.seed,
                                                       .codes = {codes_to_draw(model, test)},
                                                       .class_names = run.config().data.class_names},
                                                      rows, most));
    write_png(run / "samples.png", samples);
  }
  if (replace || !run.has("reconstructions.png")) {
    // Each stands beside what the model makes of it.
    const auto count = std::clamp<std::int64_t>(most / 2, 1, 48);
    write_png(run / "reconstructions.png",
              reconstruction_figure(rows, test, models::evenly_spaced(test.size(), count)));
  }
  if (!replace && run.has("loss.svg")) return;
  LossCurves curves = loss_curves(run.history());
  write_file_atomically(run / "loss.svg", loss_chart(std::span(&curves, 1)));
}

}  // namespace elbo::viz
