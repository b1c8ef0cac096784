// The models of the zoo on the GPU: what they compute is the CPU's within the rounding of the contractions, what they
// draw is the CPU's bit for bit, and equal seeds begin with equal weights.
#include <elbo/core/backend.h>
#include <elbo/models/analysis/codes.h>
#include <elbo/models/analysis/evaluate.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/training/trained.h>
#include <elbo/viz/figures.h>
#include <elbo/viz/report.h>

#include <cmath>

#include "../catch.h"
#include "../small_data.h"
#include "../temp_dir.h"

using namespace elbo;
using namespace elbo::models;

namespace {

const Device gpu{DeviceType::cuda, 0};
constexpr std::int64_t side = 8, latent = 3;
/// Sums of at most 64 products of float32, in another order, and a network of them: relative to 1 + |value|.
constexpr double bound = 1e-5;

const std::vector<std::string> kinds = {"ae", "vae", "cvae", "conv-vae"};

ModelConfig config_of(const std::string& kind) {
  ModelConfig config{.model = kind, .picture = {1, side, side}, .hidden = {12}, .channels = {3, 4}, .latent = latent};
  if (kind == "cvae") config.classes = 2;
  config.beta = 2;
  return config;
}

/// Equal weights on both devices.
struct Pair {
  explicit Pair(const ModelConfig& config) {
    Generator first(5, Stream::init), second(5, Stream::init);
    on_cpu = make(config, &first);
    on_gpu = make(config, &second);
    on_gpu->to(gpu);
    on_cpu->eval();
    on_gpu->eval();
  }
  std::unique_ptr<Model> on_cpu, on_gpu;
};

void near(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double off = std::abs(static_cast<double>(found[i]) - expected[i]);
    if (off <= bound * (1 + std::abs(static_cast<double>(expected[i])))) continue;
    INFO("element " << i << ": expected " << expected[i] << ", found " << found[i]);
    FAIL();
  }
}
void near(const Array& found, const Array& expected) {
  CHECK(found.device() == gpu);
  CHECK(found.shape() == expected.shape());
  near(found.to_vector<float>(), expected.to_vector<float>());
}
void near(const Losses& found, const Losses& expected) {
  CHECK(found.loss == Approx(expected.loss).epsilon(bound));
  REQUIRE(found.terms.size() == expected.terms.size());
  for (const auto& [name, nats] : expected.terms) CHECK(found[name] == Approx(nats).epsilon(bound).margin(bound));
}

std::vector<std::int64_t> all_of(const datasets::Dataset& data) { return viz::first_indices(data.size()); }

}  // namespace

TEST_CASE("a forward pass on the GPU is the CPU's", "[cuda][models]") {
  const datasets::Dataset data = bars(11, side);
  for (const std::string& kind : kinds) {
    INFO(kind);
    Pair pair(config_of(kind));
    CHECK(pair.on_gpu->device() == gpu);
    const std::vector<std::int64_t> all = all_of(data);
    const auto run = [&](Model& model) {
      NoGradGuard no_grad;
      Generator noise(3, Stream::noise, model.device());
      return as_latent(model).forward(input_pictures(model, data, all), input_labels(model, data, all), &noise);
    };
    const Prediction found = run(*pair.on_gpu), expected = run(*pair.on_cpu);
    near(found.logits.array(), expected.logits.array());
    near(found.posterior.mu.array(), expected.posterior.mu.array());
    REQUIRE(found.posterior.logvar.defined() == expected.posterior.logvar.defined());
    if (found.posterior.logvar.defined()) near(found.posterior.logvar.array(), expected.posterior.logvar.array());
    // Bytes become pixels by elementwise arithmetic: the same bits.
    CHECK(input_pictures(*pair.on_gpu, data, all).array().to_vector<float>() ==
          input_pictures(*pair.on_cpu, data, all).array().to_vector<float>());
  }
}

TEST_CASE("evaluation, scores and codes on the GPU are the CPU's", "[cuda][models]") {
  const datasets::Dataset data = bars(53, side);
  for (const std::string& kind : kinds) {
    INFO(kind);
    Pair pair(config_of(kind));
    const EvaluateOptions options{.seed = 4, .batch_size = 20};
    const Evaluation found = evaluate(*pair.on_gpu, data, options), expected = evaluate(*pair.on_cpu, data, options);
    CHECK(found.count == 53);
    near(found.losses, expected.losses);
    CHECK(found.mse == Approx(expected.mse).epsilon(bound));
    CHECK(found.active_units == expected.active_units);
    const std::vector<Losses> each = score(*pair.on_gpu, data, options), on_cpu = score(*pair.on_cpu, data, options);
    REQUIRE(each.size() == 53);
    for (std::size_t i = 0; i < each.size(); ++i) near(each[i], on_cpu[i]);
    near(encode_means(*pair.on_gpu, data, 20), encode_means(*pair.on_cpu, data, 20));
    const CodeDistribution fitted = fit_codes(*pair.on_gpu, data), on_host = fit_codes(*pair.on_cpu, data);
    near(fitted.mean, on_host.mean);
    near(fitted.std, on_host.std);
  }
}

TEST_CASE("codes that are drawn or laid out on the GPU are the CPU's bit for bit", "[cuda][models]") {
  const CodeDistribution distribution{{0.5f, -1, 2}, {1, 0.25f, 3}};
  const auto on = [&](Device device) {
    Generator generator(7, Stream::pictures, device);
    const Tensor z = draw_codes(distribution, 6, generator, 0.7);
    CHECK(z.device() == device);
    const Tensor lines = interpolate_codes(slice(z, 0, 0, 3), slice(z, 0, 3, 6), 5);
    const std::vector<std::int64_t> dims{0, 2};
    const std::vector<double> values{-1, 5};
    const Tensor rows = traverse_codes(slice(z, 0, 0, 1), dims, values), grid = manifold_codes(4, -2, 2, device);
    std::vector<float> out;
    for (const Tensor& one : {z, lines, rows, grid}) {
      CHECK(one.device() == device);
      const std::vector<float> more = one.array().to_vector<float>();
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  };
  if (std::string(backend(cpu).description()) == "baseline") {
    WARN("skipped: the CPU's baseline kernels have no fma");
    return;
  }
  CHECK(on(gpu) == on(cpu));
}

TEST_CASE("samples and figures of a model on the GPU are the CPU's", "[cuda][models]") {
  const datasets::Dataset data = bars(30, side);
  for (const std::string& kind : kinds) {
    INFO(kind);
    ModelConfig config = config_of(kind);
    config.latent = 2;
    Pair pair(config);
    const auto sampled = [&](Model& model) {
      Generator generator(9, Stream::pictures, model.device());
      return model.sample(4, same_label(model, 1, 4), &generator).array();
    };
    near(sampled(*pair.on_gpu), sampled(*pair.on_cpu));
    const std::optional<std::int64_t> label = config.classes > 0 ? std::optional<std::int64_t>(1) : std::nullopt;
    const std::vector<std::int64_t> some{0, 3, 8, 9};
    const auto figures = [&](Model& model) {
      const std::vector<viz::Row> rows = {{"model", model}};
      return std::vector<viz::Image>{
          viz::sample_figure(rows, {.rows = 2, .columns = 3, .seed = 2, .codes = {viz::codes_to_draw(model, data)}}),
          viz::reconstruction_figure(rows, data, some, {.errors = true}),
          viz::interpolation_figure(rows, data, some, {.steps = 4, .ends = Codes::sampled, .seed = 2}),
          viz::prior_interpolation_figure(rows, 2, {.steps = 4, .seed = 2, .codes = {viz::codes_to_draw(model, data)}}),
          viz::traversal_figure(model, zeros({1, 2}), {.label = label}),
          viz::traversal_figure(model, data, 5),
          viz::manifold_figure(model, {.n = 3, .label = label})};
    };
    const std::vector<viz::Image> found = figures(*pair.on_gpu), expected = figures(*pair.on_cpu);
    for (std::size_t f = 0; f < found.size(); ++f) {
      INFO("figure " << f);
      REQUIRE(found[f].pixels.size() == expected[f].pixels.size());
      int most = 0;  // where a pixel lies between two bytes it may become the other
      for (std::size_t i = 0; i < found[f].pixels.size(); ++i)
        most = std::max(most, std::abs(found[f].pixels[i] - expected[f].pixels[i]));
      CHECK(most <= 1);
    }
  }
}

TEST_CASE("a model trains on the GPU from the CPU's weights to about the CPU's losses", "[cuda][models]") {
  const datasets::Dataset data = bars(60, side), test = bars(20, side);
  TempDir dir;
  RunConfig config;
  config.model = {.hidden = {12}, .latent = latent};
  config.train.epochs = 2;
  config.train.batch_size = 16;
  config.train.lr = 1e-4;
  const Trained on_cpu = train(dir / "cpu", config, data);
  config.train.device = gpu;
  const Trained on_gpu = train(dir / "gpu", config, data);
  CHECK(on_gpu.model->device() == gpu);
  CHECK(on_gpu.run.config().train.device == gpu);
  // Adam's steps are of the size of lr whatever the gradient's: rounding that turns a sign moves a weight by 2 lr.
  const auto found = on_gpu.run.history(), expected = on_cpu.run.history();
  REQUIRE(found.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(found[i].train.loss == Approx(expected[i].train.loss).epsilon(1e-3));
    CHECK(found[i].val->loss == Approx(expected[i].val->loss).epsilon(1e-3));
  }
  // What was trained on the GPU gives the same answers on the CPU.
  Trained back = open(dir / "gpu");
  CHECK(back.model->device() == cpu);
  near(evaluate(*on_gpu.model, test).losses, evaluate(*back.model, test).losses);
  CHECK(on_gpu.run.read_checkpoint()->kernels == backend(gpu).description());
}
