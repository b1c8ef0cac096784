// `--device` on a machine without a GPU, as a user meets it: `auto` takes the CPU, a GPU that is asked for and not
// there is a fault with its reason, and ends with status 1 before anything is written.
#include <elbo/models/training/trained.h>

#include <nlohmann/json.hpp>

#include "program.h"

using namespace elbo;
using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> training(const fs::path& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {"train", "--dataset", "shapes", "--count",  "60",        "--hidden",
                                   "8",     "--latent",  "2",      "--epochs", "1",         "--batch-size",
                                   "20",    "--threads", "1",      "--out",    out.string()};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

struct Trained {
  TempDir dir;
  std::string run = (dir / "run").string();
  Trained() { REQUIRE(run_elbo(training(run)).status == 0); }
};

int entries(const fs::path& folder) {
  return static_cast<int>(std::distance(fs::recursive_directory_iterator(folder), {}));
}

}  // namespace

TEST_CASE("a plugin that was named and cannot be loaded is said, also where auto takes the CPU") {
  TempDir dir;
  const Ended missing = run_elbo(training((dir / "run").string()), "ELBO_CUDA_LIBRARY=/nowhere/x.so");
  CHECK(missing.status == 0);
  CHECK_THAT(missing.err,
             Contains("elbo: note: --device auto takes the CPU: the CUDA plugin /nowhere/x.so cannot be loaded: "));
  CHECK(std::count(missing.err.begin(), missing.err.end(), '\n') == 1);
}

TEST_CASE("without a GPU, auto is the CPU, and nothing complains") {
  TempDir dir;
  const std::string run = (dir / "run").string();
  Ended trained = run_elbo(training(run, {"--no-graph"}));
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(trained.err == "elbo train: note: --no-graph has no effect on the CPU, which --device auto takes here\n");
  CHECK(run_elbo(training((dir / "plain").string())).err.empty());
  CHECK_THAT(trained.out, Contains("likelihood bernoulli, on cpu\n"));
  CHECK(models::Run::open(run).config().train.device == cpu);
  CHECK_FALSE(models::Run::open(run).config().train.graph);
  const std::vector<std::vector<std::string>> commands = {
      {"eval", run},     {"sample", run}, {"reconstruct", run}, {"interpolate", run, "--steps", "2"}, {"traverse", run},
      {"manifold", run}, {"embed", run},  {"score", run},       {"report", run, "--no-tsne"}};
  for (std::vector<std::string> args : commands) {
    INFO(args[0]);
    Ended text = run_elbo(args);
    CHECK(text.status == 0);
    CHECK(text.err.empty());
    CHECK_THAT(text.out, Contains("on cpu\n"));
    args.insert(args.end(), {"--device", "cpu", "--json"});
    Ended ended = run_elbo(args);
    REQUIRE(ended.status == 0);
    CHECK(json::parse(ended.out).at("device") == "cpu");
  }
}

TEST_CASE("a GPU that is asked for and not there is a fault that says why, and leaves nothing behind") {
  Trained trained;
  const std::string& run = trained.run;
  const int before = entries(trained.dir.path());
  const std::string other = (trained.dir / "other").string();
  const std::vector<std::vector<std::string>> commands = {
      training(other),   {"eval", run},     {"sample", run}, {"reconstruct", run}, {"interpolate", run},
      {"traverse", run}, {"manifold", run}, {"embed", run},  {"score", run},       {"report", run}};
  for (std::vector<std::string> args : commands) {
    INFO(args[0]);
    args.insert(args.end(), {"--device", "cuda"});
    check_refused(run_elbo(args), {"cuda:0", "cannot be used", "ELBO_CUDA_LIBRARY"}, 1);
    args.back() = "cuda:3";
    check_refused(run_elbo(args), {"cuda:3"}, 1);
    args.back() = "gpu";
    check_refused(run_elbo(args), {"--device", "'gpu'", "auto, cpu, cuda"});
    CHECK(entries(trained.dir.path()) == before);
  }
}

TEST_CASE("a run that was trained on a GPU goes on without one only where it is told to") {
  Trained trained;
  const fs::path file = fs::path(trained.run) / "config.json";
  std::string config = read_file(file);
  const std::string device = "\"device\": \"cpu\"";
  REQUIRE_THAT(config, Contains(device));
  config.replace(config.find(device), device.size(), "\"device\": \"cuda:0\"");
  write_file(file, config);
  const std::vector<std::string> more = {"train", "--resume", "--epochs", "2", "--out", trained.run};
  check_refused(run_elbo(more), {"cuda:0", "--device cpu"}, 1);
  CHECK(read_file(file) == config);
  std::vector<std::string> there = more;
  there.insert(there.end(), {"--device", "cpu"});
  Ended ended = run_elbo(there);
  INFO(ended.err);
  CHECK(ended.status == 0);
  CHECK(ended.err.empty());
  CHECK(models::Run::open(trained.run).config().train.device == cpu);
  CHECK(models::Run::open(trained.run).history().size() == 2);
}

TEST_CASE("the CPU knows no precision but float32") {
  TempDir dir;
  const fs::path run = dir / "run";
  for (const char* precision : {"tf32", "bf16"})
    check_refused(run_elbo(training(run, {"--precision", precision})), {"precision", precision, "GPU"});
  check_refused(run_elbo(training(run, {"--precision", "float16"})), {"--precision", "float16", "tf32"});
  CHECK_FALSE(fs::exists(run));
  CHECK(run_elbo(training(run, {"--precision", "float32"})).status == 0);
}

TEST_CASE("--binarize trains on other pictures, anew each epoch, and the run remembers it") {
  TempDir dir;
  const fs::path grey = dir / "grey", drawn = dir / "drawn";
  REQUIRE(run_elbo(training(grey)).status == 0);
  Ended ended = run_elbo(training(drawn, {"--binarize"}));
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  CHECK_THAT(ended.out, Contains("black or white"));
  CHECK(models::Run::open(drawn).config().train.binarize);
  CHECK(models::Run::open(drawn).history()[0].train.loss != models::Run::open(grey).history()[0].train.loss);
  CHECK_THAT(run_elbo({"info", drawn.string()}).out, Contains("black or white"));
}
