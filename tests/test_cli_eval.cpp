#include <elbo/datasets/dataset.h>
#include <elbo/models/analysis/disentanglement/disentanglement.h>

#include <nlohmann/json.hpp>

#include "picture_files.h"
#include "program.h"

namespace {

void train(const TempDir& dir, const std::string& name, std::vector<std::string> options) {
  std::vector<std::string> all{"train",    "--dataset", "shapes",   "--count", "60",    "--hidden",           "8",
                               "--latent", "3",         "--epochs", "1",       "--out", (dir / name).string()};
  all.insert(all.end(), options.begin(), options.end());
  const Ended ended = run_elbo(all);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
}

nlohmann::json eval(const TempDir& dir, const std::string& name, std::vector<std::string> options) {
  std::vector<std::string> all{"eval", (dir / name).string(), "--json"};
  all.insert(all.end(), options.begin(), options.end());
  const Ended ended = run_elbo(all);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  return nlohmann::json::parse(ended.out);
}

}  // namespace

TEST_CASE("elbo eval estimates log p(x), and says what the codes say") {
  const TempDir dir;
  train(dir, "vae", {});
  const nlohmann::json plain = eval(dir, "vae", {});
  CHECK_FALSE(plain.contains("nll"));
  CHECK_FALSE(plain.contains("mutual_information"));
  const nlohmann::json found = eval(dir, "vae", {"--nll", "50", "--information", "--binarize"});
  // The bound of many samples lies below that of one.
  CHECK(found["nll"]["nats"].get<double>() < found["loss"].get<double>());
  CHECK(found["nll"]["samples"] == 50);
  CHECK(found["nll"]["standard_error"].get<double>() > 0);
  CHECK(found["nll"]["effective_samples"].get<double>() >= 1);
  CHECK(found["kl_of_dimensions"].size() == 3);
  CHECK(found["active_dimensions"].is_array());
  CHECK(found["mutual_information"].is_number());
  CHECK(found["marginal_kl"].is_number());
  // Drawn pictures are others than grey ones.
  CHECK(found["loss"] != plain["loss"]);
  const Ended text = run_elbo({"eval", (dir / "vae").string(), "--nll", "5", "--information"});
  for (const char* words :
       {"-log p(x)", "standard error", "I(x; z)", "marginal KL", "active: ", "KL of each latent dimension"})
    CHECK_THAT(text.out, Catch::Contains(words));
}

TEST_CASE("elbo eval gives bits per dimension where the likelihood is of bytes, and refuses what has no likelihood") {
  const TempDir dir;
  train(dir, "bytes", {"--likelihood", "logistic"});
  const nlohmann::json found = eval(dir, "bytes", {});
  CHECK(found["bits_per_dimension"].get<double>() ==
        Approx(found["loss"].get<double>() / (64 * 64 * std::log(2.0))).epsilon(1e-6));
  train(dir, "points", {"--model", "ae"});
  CHECK_FALSE(eval(dir, "points", {}).contains("bits_per_dimension"));
  check_refused(run_elbo({"eval", (dir / "points").string(), "--nll", "5"}), {"--nll", "not for posterior point"});
  check_refused(run_elbo({"eval", (dir / "points").string(), "--information"}), {"posterior", "point"});
}

TEST_CASE("elbo eval --disentanglement measures the codes by the known factors", "[cli][eval]") {
  const TempDir dir;
  train(dir, "vae", {});
  const nlohmann::json found = eval(dir, "vae", {"--disentanglement"})["disentanglement"];
  CHECK(found["pictures"] == 60);
  const std::vector<const char*> scores{
      "mig", "factor_vae", "sap", "dci_disentanglement", "dci_completeness", "dci_informativeness"};
  CHECK(found.size() == scores.size() + 2);
  double gaps = 0;
  for (const char* factor : {"shape", "scale", "orientation", "x", "y"})
    gaps += found["mig_of_factors"][factor].get<double>();
  CHECK(gaps / 5 == Approx(found["mig"].get<double>()));
  for (const char* name : scores) {
    CHECK(found[name].get<double>() >= 0);
    CHECK(found[name].get<double>() <= 1);
  }
  const std::unique_ptr<elbo::models::Model> model = elbo::models::load(dir / "vae");
  const auto test = elbo::datasets::load("shapes", elbo::datasets::Split::test, {}, {.count = 60});
  const elbo::models::Disentanglement expected = elbo::models::disentanglement(*model, test, {.seed = 7});
  const nlohmann::json seeded = eval(dir, "vae", {"--disentanglement", "--seed", "7", "--codes", "mean"});
  CHECK(seeded["disentanglement"]["mig"] == expected.mig.score);
  CHECK(seeded["disentanglement"]["factor_vae"] == expected.factor_vae.score);
  CHECK(seeded["disentanglement"]["dci_informativeness"] == expected.dci.informativeness);
  CHECK(eval(dir, "vae", {"--disentanglement", "--split", "train"})["disentanglement"]["mig"] != found["mig"]);
  const Ended text = run_elbo({"eval", (dir / "vae").string(), "--disentanglement"});
  for (const char* words : {"MIG ", "FactorVAE ", "SAP ", "DCI D ", "DCI C ", "DCI I ",
                            "of the codes (posterior means) of 60 pictures", "MIG of each factor: shape 0."})
    CHECK_THAT(text.out, Catch::Contains(words));
}

TEST_CASE("elbo eval --precision-recall compares samples with pictures", "[cli][eval]") {
  const TempDir dir;
  train(dir, "cvae", {"--model", "cvae"});
  const nlohmann::json found = eval(dir, "cvae", {"--precision-recall", "40"})["precision_recall"];
  for (const char* name : {"precision", "recall", "coverage", "classifier_accuracy"}) {
    CHECK(found[name].get<double>() >= 0);
    CHECK(found[name].get<double>() <= 1);
  }
  CHECK(found["density"].is_number());
  CHECK(found["samples"] == 40);
  CHECK(found["codes"] == "prior");
  CHECK(found["features"] == "classifier");
  CHECK(found["classifier_pictures"] == 60);
  for (const char* threads : {"1", "3"})
    CHECK(eval(dir, "cvae", {"--precision-recall", "40", "--threads", threads})["precision_recall"] == found);
  // The seed is the samples', the classifier stays the same, and so it does for another run.
  train(dir, "points", {"--model", "ae"});
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{{}, {"--sampler", "gmm"}}) {
    std::vector<std::string> options{"--precision-recall", "40", "--seed", "5"};
    options.insert(options.end(), more.begin(), more.end());
    const nlohmann::json other = eval(dir, "points", options)["precision_recall"];
    CHECK(other["codes"] == "fitted");
    CHECK(other["sampler"] == (more.empty() ? "normal" : "gmm"));
    CHECK(other["classifier_accuracy"] == found["classifier_accuracy"]);
  }
  const Ended text = run_elbo({"eval", (dir / "cvae").string(), "--precision-recall", "40", "--split", "train"});
  for (const char* words : {"precision ", "recall ", "density ", "coverage ", "of 40 samples", "codes from\n  N(0, 1).",
                            "40 training pictures", "classifier", "not Inception's"})
    CHECK_THAT(text.out, Catch::Contains(words));
  const std::string cvae = (dir / "cvae").string();
  check_refused(run_elbo({"eval", cvae, "--precision-recall", "61"}),
                {"--precision-recall: expected at most 60, all test pictures of shapes, found 61"});
  check_refused(run_elbo({"eval", cvae, "--precision-recall", "3"}), {"--precision-recall", "at least 4", "found 3"});
  check_refused(run_elbo({"eval", cvae, "--sampler", "gmm"}), {"--sampler: only with --precision-recall"});
  check_refused(run_elbo({"eval", cvae, "--precision-recall", "9", "--binarize"}), {"not with --binarize"});
  check_refused(run_elbo({"eval", (dir / "points").string(), "--precision-recall", "9", "--sampler", "prior"}),
                {"--sampler prior", "has none"});
}

TEST_CASE("elbo eval refuses measures that a dataset or a model has nothing for", "[cli][eval]") {
  const TempDir dir;
  for (int i = 0; i < 40; ++i) {
    std::filesystem::create_directories(dir / "pictures");
    write_file(dir / "pictures" / (std::to_string(i) + ".png"), grey(5 * i));
  }
  const std::string bare = (dir / "bare").string(), grid = (dir / "grid").string();
  REQUIRE(run_elbo({"train", "--dataset", "folder", "--data", (dir / "pictures").string(), "--size", "8", "--grey",
                    "--hidden", "4", "--latent", "2", "--epochs", "1", "--out", bare})
              .status == 0);
  check_refused(run_elbo({"eval", bare, "--disentanglement"}),
                {"--disentanglement: only for dataset shapes or npz, found folder"});
  check_refused(run_elbo({"eval", bare, "--precision-recall", "4"}),
                {"--precision-recall: expected pictures with labels", "found none in folder"});
  REQUIRE(run_elbo({"train", "--model", "vq-vae", "--dataset", "shapes", "--count", "60", "--channels", "2,2",
                    "--blocks", "1", "--codebook", "4", "--epochs", "1", "--out", grid})
              .status == 0);
  for (const std::vector<std::string>& option : std::vector<std::vector<std::string>>{
           {"--disentanglement"}, {"--precision-recall", "9"}, {"--codes", "mean"}, {"--nll", "5"}}) {
    std::vector<std::string> all{"eval", grid};
    all.insert(all.end(), option.begin(), option.end());
    check_refused(run_elbo(all), {option.front() + ": not for model vq-vae"});
  }
  check_refused(run_elbo({"eval", grid, "--seed", "3"}), {"--seed: has no effect, nothing is drawn by this model"});
  CHECK_THAT(run_elbo({"eval", grid}).out, Catch::Contains("codes: the encoder's own"));
}

TEST_CASE("elbo eval --codes mean says that its loss is no bound", "[cli][eval]") {
  const TempDir dir;
  train(dir, "bytes", {"--likelihood", "logistic", "--prior", "mixture"});
  const std::string run = (dir / "bytes").string();
  const Ended means = run_elbo({"eval", run, "--codes", "mean"});
  CHECK_THAT(means.out, Catch::Contains("no bound") && !Catch::Contains("per dimension"));
  CHECK_THAT(run_elbo({"eval", run}).out, !Catch::Contains("no bound") && Catch::Contains("per dimension"));
  CHECK_FALSE(eval(dir, "bytes", {"--codes", "mean"}).contains("bits_per_dimension"));
  CHECK(eval(dir, "bytes", {"--codes", "mean", "--nll", "3"}).contains("bits_per_dimension"));
}

TEST_CASE("elbo eval gives the variance that a training found", "[cli][eval]") {
  const TempDir dir;
  for (const std::string likelihood : {"gaussian-learned", "gaussian-optimal"}) {
    train(dir, likelihood, {"--model", "sigma-vae", "--likelihood", likelihood});
    const nlohmann::json found = eval(dir, likelihood, {});
    const double variance = found["variance"].get<double>();
    CHECK(found["sigma"].get<double>() == Approx(std::sqrt(variance)));
    const double nats = found["mse"].get<double>() / (2 * variance) + std::log(2 * std::acos(-1.0) * variance) / 2;
    CHECK(found["reconstruction"].get<double>() == Approx(64 * 64 * nats).epsilon(1e-4));
    CHECK_THAT(run_elbo({"eval", (dir / likelihood).string()}).out,
               Catch::Contains("variance ") && Catch::Contains("found by the training; sigma "));
  }
  train(dir, "fixed", {"--likelihood", "gaussian"});
  CHECK_FALSE(eval(dir, "fixed", {}).contains("variance"));
}

TEST_CASE("one sample, one pair", "[cli][eval]") {
  const TempDir dir;
  train(dir, "vae", {});
  const std::string run = (dir / "vae").string();
  CHECK_THAT(run_elbo({"eval", run, "--nll", "1"}).out, !Catch::Contains("samples"));
  CHECK_THAT(run_elbo({"interpolate", run, "--from", "prior", "--rows", "1"}).out, Catch::Contains("1 pair of codes"));
  CHECK_THAT(run_elbo({"sample", run, "--rows", "1", "--columns", "1"}).out, Catch::Contains("1 x 1 sample of"));
}
