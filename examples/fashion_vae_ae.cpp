// A VAE beside an autoencoder of the same layers on Fashion-MNIST, both trained until the validation loss stops
// falling: what they rebuild, what they make up, how their codes lie. Writes two run folders and figures into
// runs/fashion_vae_ae.
// fashion_vae_ae [--quick]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: fashion_vae_ae [--quick]");
  const std::filesystem::path out = quick ? "runs/fashion_vae_ae-quick" : "runs/fashion_vae_ae";

  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  models::RunConfig config{.model = {.hidden = {400}, .latent = 20},
                           .train = {.epochs = quick ? 1 : 30, .patience = 5}};
  std::vector<models::Trained> runs;
  for (const char* model : {"vae", "ae"}) {
    config.model.model = model;
    runs.push_back(models::train(out / model, config, data, models::print_epochs(std::cout, model)));
  }
  models::print_results(std::cout, runs, test);
  models::Model &vae = *runs[0].model, &ae = *runs[1].model;
  std::vector<viz::Row> rows{{"VAE", vae}, {"AE", ae}};

  std::vector<std::int64_t> ten = viz::first_indices(10), classes;
  for (std::int64_t label = 0; label < 10; ++label) classes.push_back(viz::first_of_class(data, label));
  for (const viz::Row& row : rows)
    std::printf("MSE of the first ten test pictures, %-4s %.4f\n", (row.name + ":").c_str(),
                viz::reconstruction_error(row.model, test, ten));
  viz::write_png(out / "classes.png", viz::class_preview(data, classes, {.columns = 5}));
  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "VAE"),
                                      viz::loss_curves(runs[1].run.history(), "AE")};
  viz::write_svg(out / "loss.svg", viz::loss_chart(curves));
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, ten, {.columns = 10, .errors = true}));
  std::vector<std::int64_t> ends{0, 100};
  viz::write_png(out / "interpolation.png", viz::interpolation_figure(rows, test, ends, {.steps = 10}));

  // The VAE's codes come from its prior. The autoencoder has none: a Gaussian fitted to the training pictures' codes.
  std::vector<models::CodeDistribution> drawn_from{models::standard_normal(vae), models::fit_codes(ae, data)};
  viz::write_png(out / "samples.png", viz::sample_figure(rows, {.rows = 1, .columns = 10, .codes = drawn_from}));

  auto draw_codes = [&](viz::EmbeddingMethod method, const datasets::Dataset& pictures) {
    std::vector<viz::EmbeddingPanel> panels;
    for (const viz::Row& row : rows)
      panels.push_back({row.name, viz::embed(models::encode_means(row.model, pictures), method)});
    viz::write_svg(out / (std::string(viz::name(method)) + ".svg"),
                   viz::embedding_chart(panels, pictures.labels, pictures.class_names, {.width = 1100, .height = 560}));
  };
  draw_codes(viz::EmbeddingMethod::tsne, test.first(2000));
  draw_codes(viz::EmbeddingMethod::pca, test);
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_vae_ae: " << error.what() << "\n";
  return 2;
}
