#include "run_pictures.h"

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

void write_run_pictures(const models::Run& run, models::Model& model, const datasets::Dataset& test) {
  const std::vector<Row> rows = {{"model", model}};
  Image samples = sample_figure(rows, {.seed = run.config().train.seed,
                                       .codes = {codes_to_draw(model, test)},
                                       .class_names = run.config().data.class_names});
  write_png(run / "samples.png", samples);
  std::vector<std::int64_t> indices = models::evenly_spaced(test.size(), 48);
  write_png(run / "reconstructions.png", reconstruction_figure(rows, test, indices));
  LossCurves curves = loss_curves(run.history());
  write_file_atomically(run / "loss.svg", loss_chart(std::span(&curves, 1)));
}

}  // namespace elbo::viz
