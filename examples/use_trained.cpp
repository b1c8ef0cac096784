// A trained model in a program of your own: takes a run folder, as `elbo train` and models::train leave it, and
// encodes, decodes and scores test pictures. Without RUN it first trains a small model, on pictures that it draws
// itself. Writes two figures into runs/use_trained.
// use_trained [RUN]
#include <elbo/elbo.h>

#include <algorithm>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const std::filesystem::path out = "runs/use_trained", folder = argc > 1 ? argv[1] : out / "vae";
  if (argc < 2)  // for those who have no run yet
    models::train(folder, {.model = {.hidden = {256}, .latent = 10}, .train = {.epochs = 3}},
                  datasets::load("shapes", datasets::Split::train, {}, {.count = 4000}));

  auto [name, run, model] = models::open(folder);
  datasets::Dataset test = models::load_data(run.config().data, datasets::Split::test).first(500);
  std::cout << name << ": " << model->config().model << " with " << model->config().latent
            << " latent dimensions, trained on " << run.config().data.dataset << "\n";

  // Encode: the mean and the standard deviation of what the model takes the code of a picture for.
  std::vector<std::int64_t> two{0, 1};
  Tensor labels = models::input_labels(*model, test, two);  // undefined unless the model takes labels
  models::Encoded q = models::as_latent(*model).encode(models::input_pictures(*model, test, two), labels);
  std::cout << "codes of test pictures 0 and 1:\n" << q.mu << "\n";
  if (q.logvar.defined()) std::cout << "give or take:\n" << (q.logvar / 2).exp() << "\n";

  // Decode: pictures in [0, 1], float32 [n, channels, height, width], here of codes on the line between the two.
  Tensor z = models::interpolate_codes(q.mu.slice(0, 0, 1), q.mu.slice(0, 1, 2), 8);
  Tensor same = labels.defined() ? models::same_label(*model, test.labels[0], 8) : Tensor();
  Array pictures = models::decode_pictures(*model, z, same);
  const Shape& s = pictures.shape();
  viz::write_png(out / "from_0_to_1.png",
                 viz::grid(pictures.to_vector<float>(), int(s[0]), int(s[1]), int(s[2]), int(s[3]), 8));

  // Score: the negative ELBO in nats, the higher the less usual.
  std::vector<models::Losses> scores = models::score(*model, test);
  auto less = [](const models::Losses& a, const models::Losses& b) { return a.loss < b.loss; };
  auto [low, high] = std::minmax_element(scores.begin(), scores.end(), less);
  std::vector<std::int64_t> both{low - scores.begin(), high - scores.begin()};
  std::cout << "of " << test.size() << " test pictures, " << both[0] << " is the most usual (" << low->loss
            << " nats), " << both[1] << " the least (" << high->loss << ")\n";
  viz::write_png(out / "most_and_least_usual.png", viz::class_preview(test, both, {.columns = 2}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "use_trained: " << error.what() << "\n";
  return 2;
}
