// The program on a GPU, as a user meets it: it trains there, measures and draws there, and says so; on the CPU the same
// run gives the same answers.
#ifdef ELBO_PROGRAM
#include <elbo/core/backend.h>
#include <elbo/models/training/trained.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "../program.h"

using namespace elbo;
using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// With the plugin that these tests run against, and in lines that hold a GPU's name.
Ended run_on_gpu(const std::vector<std::string>& args) {
  const char* library = std::getenv("ELBO_CUDA_LIBRARY");
  const std::string plugin = library ? "ELBO_CUDA_LIBRARY=" + shell_quoted(library) : "-u ELBO_CUDA_LIBRARY";
  return run_elbo(args, "env " + plugin + " COLUMNS=200");
}

json run_json(std::vector<std::string> args, const std::string& device) {
  args.insert(args.end(), {"--device", device, "--json"});
  const Ended ended = run_on_gpu(args);
  INFO(args[0] << ": " << ended.err);
  REQUIRE(ended.status == 0);
  CHECK(ended.err.empty());
  const json out = json::parse(ended.out);
  CHECK(out.at("device") == (device == "cpu" ? "cpu" : "cuda:0"));
  return out;
}

std::vector<std::string> training(const fs::path& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {
      "train", "--dataset", "shapes", "--count",      "40", "--hidden",   "6",  "--latent", "2",         "--epochs",
      "2",     "--lr",      "1e-4",   "--batch-size", "16", "--val-size", "10", "--out",    out.string()};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

/// One tiny run, trained on the GPU, for all tests.
struct Place {
  static const Place& get() {
    static const Place place;
    return place;
  }
  TempDir dir;
  std::string run = (dir / "run").string();
  Ended ended = run_on_gpu(training(run));
};

}  // namespace

TEST_CASE("elbo train takes the GPU by itself, and says so", "[cuda][cli]") {
  const Place& place = Place::get();
  INFO(place.ended.err);
  REQUIRE(place.ended.status == 0);
  CHECK(place.ended.err.empty());
  const Device gpu{DeviceType::cuda, 0};
  CHECK_THAT(place.ended.out, Contains(std::string(", on cuda:0 (") + backend(gpu).description() + ")\n"));
  const models::Run run = models::Run::open(place.run);
  CHECK(run.config().train.device == gpu);
  REQUIRE(run.history().size() == 2);
  for (const char* name : {"model.safetensors", "samples.png", "reconstructions.png", "loss.svg"})
    CHECK(fs::file_size(run / name) > 0);
  TempDir other;
  const Ended on_cpu = run_on_gpu(training(other / "run", {"--device", "cpu"}));
  REQUIRE(on_cpu.status == 0);
  CHECK_THAT(on_cpu.out, Contains(", on cpu\n"));
  const auto expected = models::Run::open(other / "run").history();
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(run.history()[i].train.loss == Approx(expected[i].train.loss).epsilon(1e-3));
}

TEST_CASE("what the GPU measures of a run is what the CPU measures", "[cuda][cli]") {
  const Place& place = Place::get();
  REQUIRE(place.ended.status == 0);
  TempDir out;
  const auto both = [&](const std::vector<std::string>& args, const std::vector<std::string>& numbers) {
    const json on_gpu = run_json(args, "cuda"), on_cpu = run_json(args, "cpu");
    for (const std::string& name : numbers) {
      INFO(args[0] << ": " << name);
      const json::json_pointer at("/" + name);
      CHECK(on_gpu.at(at).get<double>() == Approx(on_cpu.at(at).get<double>()).epsilon(1e-4));
    }
  };
  both({"eval", place.run, "--split", "train"}, {"loss", "reconstruction", "kl", "mse", "active_units"});
  both({"score", place.run, "--split", "train", "--out", (out / "scores.csv").string()}, {"mean/score", "mean/kl"});
  both({"embed", place.run, "--split", "train", "--out", (out / "codes.svg").string()},
       {"explained_variance/0", "trustworthiness"});
  both({"reconstruct", place.run, "--split", "train", "--count", "4", "--out", (out / "pictures.png").string()},
       {"runs/0/mse"});
}

TEST_CASE("the pictures that the GPU draws of a run are the CPU's", "[cuda][cli]") {
  const Place& place = Place::get();
  REQUIRE(place.ended.status == 0);
  TempDir out;
  const std::vector<std::vector<std::string>> commands = {{"sample", "--rows", "2", "--columns", "3"},
                                                          {"interpolate", "--from", "prior", "--steps", "3"},
                                                          {"traverse", "--origin", "--steps", "3"},
                                                          {"manifold", "-n", "3"}};
  for (std::vector<std::string> args : commands) {
    args.insert(args.begin() + 1, place.run);
    args.insert(args.end(), {"--out", (out / "picture.png").string()});
    const json on_gpu = run_json(args, "auto"), on_cpu = run_json(args, "cpu");
    CHECK(on_gpu.at("width") == on_cpu.at("width"));
    CHECK(on_gpu.at("height") == on_cpu.at("height"));
  }
  const Ended text = run_on_gpu({"sample", place.run, "--out", (out / "picture.png").string()});
  CHECK_THAT(text.out, Contains("Computed on cuda:0 ("));
}

TEST_CASE("a GPU that does not exist is a fault; a run goes on on another device", "[cuda][cli]") {
  const Place& place = Place::get();
  REQUIRE(place.ended.status == 0);
  check_refused(run_on_gpu({"eval", place.run, "--device", "cuda:99"}), {"cuda:99"}, 1);
  TempDir other;
  fs::copy(place.run, other / "run", fs::copy_options::recursive);
  const Ended more =
      run_on_gpu({"train", "--resume", "--epochs", "3", "--device", "cpu", "--out", (other / "run").string()});
  INFO(more.err);
  REQUIRE(more.status == 0);
  CHECK_THAT(more.err, Contains("note: the checkpoint was written with the kernels of"));
  const models::Run run = models::Run::open(other / "run");
  CHECK(run.config().train.device == cpu);
  CHECK(run.history().size() == 3);
}
#endif
