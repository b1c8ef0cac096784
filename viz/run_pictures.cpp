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
  for (const models::EpochRecord& record : history) {
    out.epoch.push_back(static_cast<double>(record.epoch));
    out.loss.push_back(record.train.loss);
    out.reconstruction.push_back(record.train.reconstruction);
    out.kl.push_back(record.train.kl);
    out.val_loss.push_back(record.val ? record.val->loss : none);
    out.val_reconstruction.push_back(record.val ? record.val->reconstruction : none);
    out.val_kl.push_back(record.val ? record.val->kl : none);
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
  if (replace || !run.has("samples.png")) {
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
