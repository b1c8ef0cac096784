// A VAE as an anomaly detector: trained on the sneakers of Fashion-MNIST alone, it finds other garments unlikely.
// Prints the area under the ROC curve for each class, by the negative ELBO and by its two parts; writes the run folder,
// the most usual and the oddest test pictures into runs/anomalies.
// anomalies [--quick]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

using namespace elbo;

namespace {

std::vector<std::int64_t> indices_of(const datasets::Dataset& data, std::int64_t label) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < data.size(); ++i)
    if (data.labels[i] == label) out.push_back(i);
  return out;
}

/// How well a score tells the pictures of one class from the normal ones: 1 is perfect, 0.5 is guessing.
double auroc_of(const std::vector<double>& scores, const datasets::Dataset& test, std::int64_t normal,
                std::int64_t label) {
  std::vector<double> both;
  std::vector<std::int64_t> odd;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (test.labels[i] != normal && test.labels[i] != label) continue;
    both.push_back(scores[i]);
    odd.push_back(test.labels[i] == label);
  }
  return models::auroc(both, odd);
}

}  // namespace

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: anomalies [--quick]");
  const std::filesystem::path out = quick ? "runs/anomalies-quick" : "runs/anomalies";

  datasets::Dataset all = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (quick) all = all.first(10000), test = test.first(500);
  const std::int64_t normal = 7;  // sneakers

  models::RunConfig config{.model = {.hidden = {400}, .latent = 10}, .train = {.epochs = quick ? 2 : 30}};
  models::Trained vae = models::train(out / "vae", config, all.subset(indices_of(all, normal)));

  std::vector<double> loss, reconstruction, kl;
  for (const models::Losses& one : models::score(*vae.model, test)) {
    loss.push_back(one.loss);
    reconstruction.push_back(one["reconstruction"]);
    kl.push_back(one["kl"]);
  }
  std::printf("AUROC against %s, by\n%-12s %9s %15s %9s\n", test.class_names[normal].c_str(), "", "-ELBO",
              "reconstruction", "KL");
  for (std::int64_t label = 0; label < test.classes(); ++label)
    if (label != normal)
      std::printf("%-12s %9.4f %15.4f %9.4f\n", test.class_names[label].c_str(), auroc_of(loss, test, normal, label),
                  auroc_of(reconstruction, test, normal, label), auroc_of(kl, test, normal, label));

  std::vector<std::int64_t> order = viz::first_indices(test.size());
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return loss[a] < loss[b]; });
  std::vector<std::int64_t> usual(order.begin(), order.begin() + 20), odd(order.rbegin(), order.rbegin() + 20);
  viz::write_png(out / "most_usual.png", viz::class_preview(test, usual, {.columns = 10}));
  viz::write_png(out / "oddest.png", viz::class_preview(test, odd, {.columns = 10}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "anomalies: " << error.what() << "\n";
  return 2;
}
