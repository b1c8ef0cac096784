#include "trained.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

#include "../analysis/evaluate.h"
#include "../registry.h"

namespace elbo::models {
namespace {

/// Whether two configs ask for the same run; where the files of the dataset lie, how often checkpoints come and what
/// settings it had once is no matter, and how the pictures were read is seen by them.
bool same_run(RunConfig a, RunConfig b) {
  for (RunConfig* one : {&a, &b}) {
    one->data.dir.clear();
    one->data.load.split_rule = {};
    one->data.identity.clear();
    one->data.validation.clear();
    one->train.checkpoint_every = 0;
    one->stretches.clear();
  }
  return a.to_json() == b.to_json();
}

template <class... Args>
std::string formatted(const char* format, Args... args) {
  char text[256];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

}  // namespace

Trained open(const std::filesystem::path& folder, Device device) {
  return {folder_name(folder), Run::open(folder), load(folder, device)};
}

RunConfig completed(RunConfig config, const datasets::Dataset& data) {
  config.model.picture = {data.channels(), data.height(), data.width()};
  if (!data.name.empty()) config.data.dataset = data.name;
  config.data.class_names = data.class_names;
  config.data.identity = data.identity();
  config.data.validation = data.val_count > 0 ? "half" : "held-out";
  if (data.val_count > 0) config.train.val_size = static_cast<double>(data.val_count);
  if (config.model.labels || preset(config.model.model).labels) {
    ELBO_CHECK(!data.labels.empty(), ValueError, "model ", config.model.model, ": it takes labels, found none in ",
               data.name);
    config.model.classes = data.classes();
  }
  return config;
}

Training prepare(const RunConfig& config, const datasets::Dataset& data) {
  Training out{.config = config};
  Generator init(config.train.seed, Stream::init);
  out.model = make(config.model, &init);
  out.config.model = out.model->config();
  out.trainer = std::make_unique<Trainer>(*out.model, data, out.config.train);
  return out;
}

void check_data(const Run& run, const std::string& found, const std::string& way_out) {
  const std::string& known = run.config().data.identity;
  ELBO_CHECK(known.empty() || found == known, ValueError, run.folder().string(),
             ": expected the data that the run was trained on (", known, "), found other (", found, ")", way_out);
}

Trained train(const std::filesystem::path& folder, const RunConfig& config, const datasets::Dataset& data,
              const FitCallbacks& callbacks) {
  const Training training = prepare(completed(config, data), data);
  const RunConfig& whole = training.config;
  Trainer& trainer = *training.trainer;
  std::error_code error;
  bool there = std::filesystem::exists(folder / "config.json", error);
  // Before there is a folder.
  ELBO_CHECK(there || trainer.class_note().empty(), ValueError, "model ", whole.model.model, ": ",
             trainer.class_note());
  Run run = there ? Run::open_to_train(folder) : Run::create(folder, whole);
  check_data(run, whole.data.identity);
  ELBO_CHECK(same_run(run.config(), whole), ValueError, folder.string(),
             ": expected a new folder, or one with a run of these settings, found one with others");
  fit(run, trainer, callbacks);
  return open(folder, whole.train.device);
}

FitCallbacks print_epochs(std::ostream& out, const std::string& name) {
  auto print = [&out, name](const EpochRecord& epoch, bool) {
    out << name << formatted(": epoch %2lld, training %.4g", static_cast<long long>(epoch.epoch), epoch.train.loss);
    if (epoch.val) out << formatted(", validation %.4g", epoch.val->loss);
    out << formatted(", %.1f s", epoch.seconds) << std::endl;
  };
  return {.on_epoch = print};
}

void print_results(std::ostream& out, std::span<const Trained> runs, const datasets::Dataset& test) {
  std::size_t width = 4;
  for (const Trained& one : runs) width = std::max(width, one.name.size());
  const auto name = [&](const std::string& text) { return text + std::string(width - text.size(), ' '); };
  const auto column = [](double value, std::size_t wide, int digits) {
    const std::string text = loss_text(value, static_cast<int>(wide), digits);
    return "  " + std::string(wide - text.size(), ' ') + text;
  };
  out << name("") << formatted("  %26s  %10s  %26s  %8s\n", "training", "validation", "test", "error");
  out << name("")
      << formatted("  %8s %8s %8s  %10s  %8s %8s %8s  %8s\n", "loss", "reconst.", "KL", "loss", "loss", "reconst.",
                   "KL", "/ pixel");
  for (const Trained& one : runs) {
    EpochRecord last = one.run.history().back();
    Evaluation found = evaluate(*one.model, test);
    // A loss per pixel is small.
    int digits = last.train.loss < 10 ? 4 : 2;
    auto losses = [&](const Losses& l) {
      const auto term = [&](const char* name) {
        return l.find(name) ? column(l[name], 8, digits) : formatted("  %8s", "-");
      };
      return column(l.loss, 8, digits) + term("reconstruction") + term("kl");
    };
    out << name(one.name) << losses(last.train);
    out << (last.val ? column(last.val->loss, 10, digits) : formatted("  %10s", "-"));
    out << losses(found.losses) << column(found.mse, 8, 4) << "\n";
  }
}

}  // namespace elbo::models
