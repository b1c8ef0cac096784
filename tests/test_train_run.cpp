#include <elbo/models/analysis/evaluate.h>
#include <elbo/models/training/trained.h>
#include <elbo/models/training/trainer.h>
#include <elbo/viz/run_pictures.h>

#include <filesystem>
#include <limits>
#include <sstream>

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

TEST_CASE("train() refuses to go on with other pictures", "[models]") {
  TempDir folder;
  datasets::Dataset data = bars(100);
  train(folder / "vae", small(1), data);
  data.features.mutable_values<std::uint8_t>()[0] ^= 1;
  CHECK_THROWS_WITH(train(folder / "vae", small(1), data),
                    Catch::Contains("expected the data that the run was trained on") && Catch::Contains("found other"));
}

TEST_CASE("losses are written with the decimals that tell", "[models]") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(loss_text(240.816, 8) == "240.82");
  CHECK(loss_text(0.00894, 8) == "0.0089");
  CHECK(loss_text(0.00894, 10, 6) == "0.008940");
  CHECK(loss_text(0, 8) == "0.00");
  CHECK(loss_text(nan, 8) == "nan");
  CHECK(loss_text(-nan, 8) == "nan");
  CHECK(loss_text(-infinity, 8) == "-inf");
}

TEST_CASE("tables of results keep their columns apart", "[models]") {
  TempDir folder;
  datasets::Dataset data = bars(100);
  std::vector<Trained> runs;
  runs.push_back(train(folder / "vae", small(1), data));
  runs.front().name = std::string(300, 'n');
  std::vector<EpochRecord> history = runs.front().run.history();
  history[0].train = {1e30, {{"reconstruction", -123456789.1}, {"kl", 1e-9}}};
  runs.front().run.write_history(history);
  std::ostringstream out;
  print_results(out, runs, data);
  CHECK_THAT(out.str(), Catch::Contains(runs.front().name + "  1.00e+30  -1.2e+08  1.00e-09  "));
}

TEST_CASE("pictures of a run stay small where its pictures are large", "[models][viz]") {
  TempDir folder;
  const std::int64_t side = 1500;
  RunConfig config{.model = {.hidden = {1}, .latent = 1}, .train = {.epochs = 1, .batch_size = 4, .val_size = 0}};
  datasets::Dataset data;
  data.name = "large";
  data.features = Array::full({4, 1, side, side}, 7, {DType::uint8});
  const Trained trained = train(folder / "vae", config, data);
  viz::write_run_pictures(trained.run, *trained.model, data);
  for (const char* name : {"samples.png", "reconstructions.png"}) {
    const std::string png = read_file(trained.run / name);
    const auto number = [&](std::size_t at) {
      std::int64_t out = 0;
      for (std::size_t i = at; i < at + 4; ++i) out = out * 256 + static_cast<unsigned char>(png[i]);
      return out;
    };
    INFO(name);
    CHECK(number(16) * number(20) < 8'500'000);  // 8 million, and margins
    CHECK(number(16) * number(20) >= side * side);
  }
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
