// elbo_step: training steps of the comparison with PyTorch on a GPU, timed. With --serve it is a contestant of
// bench/compare.py: it answers each line of JSON that it is sent with one.
#include <elbo/core/backend.h>
#include <elbo/core/cpu/roofline.h>
#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/models/training/trainer.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "bench.h"
#include "device_peaks.h"
#include "vae_training.h"

namespace bench = elbo::bench;
namespace cpu_kernels = elbo::cpu_kernels;
using nlohmann::json;

namespace {

struct Options {
  std::string device = "auto", workload = "fc-128", precision = "float32", data;
  int steps = 1000, turns = 1;
  bool graph = true, serve = false, floors = false, small = false;
};

/// What is trained, and on how much.
struct Workload {
  elbo::models::ModelConfig model;
  std::int64_t batch = 128;
  bool whole_epochs = false;  ///< times are of an epoch, its last, smaller batch included, and not of a step
};

/// By name, with the batch at the end of it; compare_device.py says the names in words.
const std::map<std::string, Workload>& workloads() {
  using Config = elbo::models::ModelConfig;
  const auto conv = [](std::int64_t batch) {
    return Workload{.model = {.model = "conv-vae", .picture = {3, 32, 32}, .latent = 128}, .batch = batch};
  };
  static const std::map<std::string, Workload> all{
      {"fc-128", {.model = bench::vae_config()}},
      {"fc2-128", {.model = Config{.hidden = {512, 256}, .latent = 20}}},
      {"fc3-128", {.model = Config{.hidden = {400, 400, 400}, .latent = 15}}},
      {"fc3072-32", {.model = Config{.picture = {3, 32, 32}, .hidden = {400}, .latent = 20}, .batch = 32}},
      {"conv28-128", {.model = Config{.model = "conv-vae", .channels = {32, 64}, .kernel = 3, .latent = 20}}},
      {"conv-32", conv(32)},
      {"conv-128", conv(128)},
      {"conv-2048", conv(2048)},
      {"conv64-64",
       {.model = Config{.model = "conv-vae",
                        .picture = {1, 64, 64},
                        .channels = {32, 32, 64, 64},
                        .decoder_channels = {64, 64, 32, 32},
                        .latent = 10},
        .batch = 64}},
      {"epoch", {.model = bench::vae_config(), .whole_epochs = true}}};
  return all;
}

const Workload& workload(const std::string& name) {
  const auto found = workloads().find(name);
  ELBO_CHECK(found != workloads().end(), ValueError, "workload: expected one that --help names, found ", name);
  return found->second;
}

/// The same from {"picture": [1, 28, 28], "hidden": [400], "latent": 20, "batch": 128}; with "channels" a ConvVAE, with
/// "decoder_channels" and "kernel" if they are there.
Workload described(const json& request) {
  Workload out;
  elbo::models::ModelConfig& model = out.model;
  model.picture = elbo::Shape(request.at("picture").get<std::vector<std::int64_t>>());
  model.latent = request.at("latent").get<std::int64_t>();
  model.hidden = request.value("hidden", model.hidden);
  if (request.contains("channels")) {
    model.model = "conv-vae";
    model.channels = request.at("channels").get<std::vector<std::int64_t>>();
    model.decoder_channels = request.value("decoder_channels", model.decoder_channels);
    model.kernel = request.value("kernel", model.kernel);
  }
  out.batch = request.at("batch").get<std::int64_t>();
  return out;
}

/// As many pictures as the steps pass, up to 60,000 of 28 x 28 and 150 MB of larger ones.
elbo::datasets::Dataset pictures(const Workload& work, const Options& options) {
  const std::int64_t wanted = std::max<std::int64_t>(options.steps, 2) * work.batch;
  if (work.model.picture == elbo::Shape{1, 28, 28}) return bench::training_pictures(options.data).first(wanted);
  const elbo::Shape& p = work.model.picture;
  const std::int64_t most = (150'000'000 / p.numel()) / work.batch * work.batch;
  return bench::made_up_pictures({std::min(wanted, std::max(most, work.batch)), p[0], p[1], p[2]});
}

/// One workload under training, turn by turn.
class Contestant {
 public:
  Contestant(const Workload& work, const Options& options, elbo::Device device)
      : work_(work),
        init_(0, elbo::Stream::init),
        model_(elbo::models::make(work_.model, &init_)),
        trainer_(*model_, pictures(work_, options), train_options(options, device)),
        device_(device),
        steps_in_epoch_((trainer_.samples_per_epoch() + work_.batch - 1) / work_.batch),
        epochs_(work_.whole_epochs ? 1 : std::max<std::int64_t>(1, options.steps / steps_in_epoch_)) {
    trainer_.run_epoch();  // warms up, and records the graphs
    elbo::synchronize(device_);
  }

  json facts() const {
    json out{{"parameters", model_->num_parameters()},
             {"device", elbo::backend(device_).description()},
             {"pictures", trainer_.train_count()},
             {"peak_bytes", elbo::memory_stats(device_).peak}};
    if (device_ == elbo::cpu) return out;
    out["replays"] = trainer_.replays();
    out["graph_note"] = trainer_.graph_note();
    if (const std::int64_t nodes = trainer_.graph_nodes(); nodes > 0) out["graph_nodes"] = nodes;
    return out;
  }

  /// The seconds of steps alone: behind an epoch the trainer looks at 500 pictures, which is no part of one.
  json turn() {
    double seconds = 0, loss = 0;
    for (std::int64_t i = 0; i < epochs_; ++i) {
      const elbo::models::EpochRecord record = trainer_.run_epoch();
      seconds += record.seconds;
      loss = record.train.loss;
    }
    const double units = static_cast<double>(work_.whole_epochs ? epochs_ : epochs_ * steps_in_epoch_);
    return {{"milliseconds", 1e3 * seconds / units}, {"steps", epochs_ * steps_in_epoch_}, {"loss", loss}};
  }

 private:
  elbo::models::TrainOptions train_options(const Options& options, elbo::Device device) const {
    elbo::models::TrainOptions out;
    out.batch_size = work_.batch;
    out.val_size = 0;
    out.drop_last = !work_.whole_epochs;
    out.device = device;
    out.precision = elbo::models::parse_precision(options.precision);
    out.graph = options.graph;
    return out;
  }

  Workload work_;
  elbo::Generator init_;
  std::unique_ptr<elbo::models::Model> model_;
  elbo::models::Trainer trainer_;
  elbo::Device device_;
  std::int64_t steps_in_epoch_, epochs_;
};

// ---- floors of the times above, and what they are made of

/// What the device can do at most, and what it costs to start work there, measured.
json floors(elbo::Device device, bool small) {
  json out;
  if (device != elbo::cpu) {
    for (const int nodes : {1, 10, 40, 80})
      out["graph_seconds"][std::to_string(nodes)] = bench::graph_seconds(device, nodes, small);
    out["replayed_launch_seconds"] = bench::graph_seconds(device, small ? 50 : 500, small) / (small ? 50 : 500);
  }
  const bench::Peaks exact = device == elbo::cpu ? bench::Peaks{cpu_kernels::fma_peak(elbo::num_threads()),
                                                                cpu_kernels::memory_bandwidth(elbo::num_threads())}
                                                 : bench::device_peaks(device, elbo::Precision::float32, small);
  out["launch_seconds"] = bench::launch_seconds(device);
  out["bytes_per_second"] = exact.bytes;
  out["float32_flops"] = exact.flops;
  if (device != elbo::cpu) out["tf32_flops"] = bench::product_speed(device, elbo::Precision::tf32, small);
  return out;
}

/// The median of the turns, and how far apart they are.
json timed(Contestant& contestant, int turns) {
  std::vector<double> times;
  json out;
  for (int i = 0; i < turns; ++i) {
    out = contestant.turn();
    times.push_back(out["milliseconds"].get<double>());
  }
  out["milliseconds"] = bench::median(times);
  out["fastest"] = *std::min_element(times.begin(), times.end());
  out["slowest"] = *std::max_element(times.begin(), times.end());
  return out;
}

// ---- the conversation

/// {"prepare": WORKLOAD, "precision": P, "steps": N}, then any number of {"turn": true}; or {"floors": true}, or for
/// the processor's peak alone {"peak": true}. The workload is a name or what `described` reads. With "threads" in it, a
/// request sets their number from there on.
json answer(const json& request, Options& options, elbo::Device device, std::unique_ptr<Contestant>& contestant) {
  if (request.contains("threads")) elbo::set_num_threads(request.at("threads").get<int>());
  if (request.contains("peak")) return {{"flops", cpu_kernels::fma_peak(elbo::num_threads())}};
  if (request.contains("prepare")) {
    contestant.reset();
    options.precision = request.at("precision").get<std::string>();
    options.steps = request.at("steps").get<int>();
    const json& work = request.at("prepare");
    contestant = std::make_unique<Contestant>(work.is_object() ? described(work) : workload(work.get<std::string>()),
                                              options, device);
    return contestant->facts();
  }
  if (request.contains("floors")) {
    contestant.reset();
    json out = floors(device, options.small);
    elbo::backend(device).trim();
    return out;
  }
  ELBO_CHECK(contestant, ValueError, "expected \"prepare\" before \"turn\"");
  return contestant->turn();
}

void serve(Options options, elbo::Device device) {
  std::unique_ptr<Contestant> contestant;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << answer(json::parse(line), options, device, contestant) << std::endl;
    } catch (const std::exception& error) {
      std::cout << json{{"error", error.what()}} << std::endl;
    }
  }
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--device", options.device, "cpu, cuda, cuda:N or auto")->capture_default_str();
  app.add_option("--workload", options.workload, "A step of a model, with the batch in the name, or an epoch of fc-128")
      ->check(CLI::IsMember(workloads()))
      ->capture_default_str();
  app.add_option("--precision", options.precision, "float32, tf32 or bf16")->capture_default_str();
  app.add_option("--steps", options.steps, "Steps to time")->check(CLI::Range(1, 1000000))->capture_default_str();
  app.add_option("--turns", options.turns, "How often; the time is the median")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--data", options.data, "Folder with Fashion-MNIST; searched, and made-up pictures without it");
  app.add_flag("--graph,!--no-graph", options.graph, "Replay steps as CUDA graphs, or launch kernel by kernel");
  app.add_flag("--floors", options.floors,
               "Instead: bandwidth, arithmetic, launches and replays that the device reaches");
  app.add_flag("--small", options.small, "Small --floors, to try this program out");
  app.add_flag("--serve", options.serve, "Answer requests from standard input; see bench/compare.py");
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app{
      "The training steps that bench/compare.py compares on a GPU, with the gathering of their pictures.\n\n"
      "Example: elbo_step --device cuda --workload conv-128 --steps 1000"};
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  const elbo::Device device = elbo::Device::parse(options.device);
  elbo::backend(device);  // which throws where it cannot be used
  if (options.serve) {
    serve(options, device);
  } else if (options.floors) {
    std::cout << floors(device, options.small).dump(2) << "\n";
  } else {
    Contestant contestant(workload(options.workload), options, device);
    json out = contestant.facts();
    out.update(timed(contestant, options.turns));
    std::cout << out.dump(2) << "\n";
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "elbo_step: " << error.what() << "\n";
  return 2;
}
