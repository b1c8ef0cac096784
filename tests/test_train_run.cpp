#include <elbo/models/evaluate.h>
#include <elbo/models/trained.h>
#include <elbo/models/trainer.h>

#include <filesystem>

#include "catch.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::models;

namespace {

RunConfig small(std::int64_t epochs) {
  return {.model = {.hidden = {16}, .latent = 3}, .train = {.epochs = epochs, .batch_size = 32, .val_size = 20}};
}

}  // namespace

TEST_CASE("train() leaves a run folder that names the data it was trained on", "[models]") {
  TempDir folder;
  datasets::Dataset data = bars(100);
  data.class_names = {"down", "across"};
  int epochs = 0;
  Run run =
      train(folder / "deep" / "vae", small(2), data, {.on_epoch = [&](const EpochRecord&, bool) { ++epochs; }}).run;
  CHECK(epochs == 2);
  CHECK(run.history().size() == 2);
  CHECK(run.config().data.dataset == "bars");
  CHECK(run.config().data.class_names == data.class_names);
  CHECK(Run::open(folder / "deep" / "vae").config().to_json() == run.config().to_json());
  CHECK(evaluate(*load(run.folder()), data).count == 100);
}

TEST_CASE("train() leaves a finished run alone and refuses another's folder", "[models]") {
  TempDir folder;
  datasets::Dataset data = bars(100);
  Run first = train(folder / "vae", small(2), data).run;
  auto time = std::filesystem::last_write_time(first / "model.safetensors");
  int epochs = 0;
  FitCallbacks count{.on_epoch = [&](const EpochRecord&, bool) { ++epochs; }};
  RunConfig same = small(2);
  same.data.dir = "elsewhere";  // where the files lie is no matter
  CHECK(train(folder / "vae", same, data, count).run.history().size() == 2);
  CHECK(epochs == 0);
  CHECK(std::filesystem::last_write_time(first / "model.safetensors") == time);

  RunConfig other = small(2);
  other.train.lr = 0.5;
  CHECK_THROWS_AS(train(folder / "vae", other, data, count), ValueError);
  CHECK(epochs == 0);
  CHECK(first.history().size() == 2);
}
