#pragma once
#include <iosfwd>
#include <span>

#include "../../core/api.h"
#include "trainer.h"

namespace ELBO_API elbo {
namespace models {

/// A trained model with its run, and what tables and figures call it.
struct Trained {
  std::string name;  ///< the run folder's own name
  Run run;
  std::unique_ptr<Model> model;  ///< of the best epoch, in evaluation mode
};

/// Opens a run folder, the model on `device`. Throws IoError or FormatError for one that is none, or has no trained
/// model yet, DeviceError for a device that cannot be used.
Trained open(const std::filesystem::path& folder, Device device = cpu);

/// What a dataset says about the config of a model that trains on it: the size of its pictures, its name, its identity,
/// its class names, the number of them where the model takes labels, and how many of its pictures are there to validate
/// on, where they are told, or that they are held out. Throws ValueError for a conditional model and a dataset without
/// labels.
RunConfig completed(RunConfig config, const datasets::Dataset& data);

/// A training before its first step: what `fit` takes.
struct Training {
  RunConfig config = {};  ///< as the run's config.json is to have it
  std::unique_ptr<Model> model = {};
  std::unique_ptr<Trainer> trainer = {};
};

/// The model of a config that is `completed` from the data, and its trainer. It is made on the CPU, so that a seed
/// stands for the same weights on every device, and lies on the device that the config trains on. Throws what `make`
/// and Trainer do; a class without pictures is for the caller to refuse: see Trainer::class_note.
Training prepare(const RunConfig& config, const datasets::Dataset& data);

/// Throws ValueError where a run was trained on data of another identity than `found`, with both, and `way_out` behind.
/// A run that keeps none passes.
void check_data(const Run& run, const std::string& found, const std::string& way_out = "");

/// All in one call: makes a model by the config, `completed` from `data`, trains it on `data`, keeps it in the run
/// folder and opens that, on the device that the config trains on. A folder that holds a run of the same config is gone
/// on with, or left as it is where that run is over. Throws ValueError where it holds another run, or one that was
/// trained on other data, and for a model that takes labels and has a class without pictures to train on.
Trained train(const std::filesystem::path& folder, const RunConfig& config, const datasets::Dataset& data,
              const FitCallbacks& callbacks = {});

/// A line per epoch: "vae: epoch  3, training 252.46, validation 250.94, 1.8 s". `out` must outlive the training.
FitCallbacks print_epochs(std::ostream& out, const std::string& name);

/// A table with a line per run, in nats per sample: the last epoch's training loss in its parts, its validation loss
/// where there is one, the loss on `test` in its parts, each with the run's beta and a code drawn for each picture, and
/// the squared error per pixel there.
void print_results(std::ostream& out, std::span<const Trained> runs, const datasets::Dataset& test);

}  // namespace models
}  // namespace elbo
