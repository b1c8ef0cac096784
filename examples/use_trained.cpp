// A trained model in a program of your own: takes a run folder, as `elbo train` and models::train leave it, and
// encodes, decodes and scores test pictures. Without RUN it first trains a small model, on pictures that it draws
// itself. Writes two figures into runs/use_trained.
// use_trained [RUN] [--quick] [--out DIR] [--seed N]
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>

using namespace elbo;

namespace {

/// A small VAE on `shapes`, for those who have no run folder yet.
std::filesystem::path train_small(const std::filesystem::path& out, bool quick, std::uint64_t seed) {
  datasets::Dataset data = datasets::load("shapes", datasets::Split::train, {}, {.count = quick ? 2000 : 10000});
  models::RunConfig config{.model = {.hidden = {256}, .latent = 10}, .train = {.epochs = quick ? 1 : 5, .seed = seed}};
  return models::train(out / "vae", config, data).run.folder();
}

}  // namespace

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out, folder;
  std::uint64_t seed = 0;
  CLI::App app("A trained model, used: codes, reconstructions, scores");
  app.add_option("run", folder, "A run folder; without one, a small model is trained");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/use_trained)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/use_trained-quick" : "runs/use_trained";

  if (folder.empty()) folder = train_small(out, quick, seed);
  auto [name, run, model] = models::open(folder);
  datasets::Dataset test = models::load_data(run.config().data, datasets::Split::test).first(500);
  std::printf("%s: %s with %d latent dimensions, trained on %s\n", name.c_str(), model->config().model.c_str(),
              int(model->config().latent), run.config().data.dataset.c_str());

  // Encode: the mean and the standard deviation of what the model takes the code of a picture for.
  std::vector<std::int64_t> two{0, 1};
  Tensor labels = models::input_labels(*model, test, two);  // undefined unless the model takes labels
  models::Posterior posterior = model->encode(models::input_pictures(*model, test, two), labels);
  std::cout << "codes of test pictures 0 and 1:\n" << posterior.mu << "\n";
  if (posterior.logvar.defined()) std::cout << "give or take:\n" << exp(posterior.logvar * 0.5) << "\n";

  // Decode: pictures in [0, 1], float32 [n, channels, height, width], here of codes on the line between the two.
  Tensor z = models::interpolate_codes(slice(posterior.mu, 0, 0, 1), slice(posterior.mu, 0, 1, 2), 8);
  Tensor same = labels.defined() ? models::same_label(*model, test.labels[0], 8) : Tensor();
  Array pictures = models::decode_pictures(*model, z, same);
  const Shape& s = pictures.shape();
  std::filesystem::create_directories(out);
  viz::write_png(out / "from_0_to_1.png",
                 viz::grid(pictures.to_vector<float>(), int(s[0]), int(s[1]), int(s[2]), int(s[3]), 8));

  // Score: the negative ELBO in nats, the higher the less usual.
  std::vector<models::Losses> scores = models::score(*model, test);
  auto less = [](const models::Losses& a, const models::Losses& b) { return a.loss < b.loss; };
  auto [low, high] = std::minmax_element(scores.begin(), scores.end(), less);
  std::vector<std::int64_t> both{low - scores.begin(), high - scores.begin()};
  std::printf("of %d test pictures, %d is the most usual (%.2f nats), %d the least (%.2f)\n", int(test.size()),
              int(both[0]), low->loss, int(both[1]), high->loss);
  viz::write_png(out / "most_and_least_usual.png", viz::class_preview(test, both, {.columns = 2}));
  for (const char* file : {"from_0_to_1.png", "most_and_least_usual.png"}) std::cout << (out / file).string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "use_trained: " << error.what() << "\n";
  return 2;
}
