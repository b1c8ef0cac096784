// A VAE beside a conditional VAE on Fashion-MNIST. The label tells the CVAE which garment it is, so that its codes
// need not: t-SNE finds the classes in the codes of the VAE, hardly in those of the CVAE. Writes two run folders and
// figures into runs/fashion_vae_cvae.
// fashion_vae_cvae [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  CLI::App app("A VAE and a conditional VAE on Fashion-MNIST");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/fashion_vae_cvae)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/fashion_vae_cvae-quick" : "runs/fashion_vae_cvae";

  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = seed;
    if (quick) run.train.epochs = 1;
    return models::train(out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{.model = {.hidden = {400}, .latent = 20},
                           .train = {.epochs = 20, .val_size = quick ? 400. : 12000.}};
  std::vector<models::Trained> runs;
  for (const char* model : {"vae", "cvae"}) {
    config.model.model = model;
    runs.push_back(train(model, config));
  }
  models::print_results(std::cout, runs, test);
  models::Model &vae = *runs[0].model, &cvae = *runs[1].model;

  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "VAE"),
                                      viz::loss_curves(runs[1].run.history(), "CVAE")};
  viz::write_svg(out / "loss.svg", viz::loss_chart(curves));
  viz::write_png(out / "samples_vae.png",
                 viz::sample_figure({{"VAE", vae}}, {.rows = 10, .columns = 10, .seed = seed}));
  viz::write_png(out / "samples_cvae.png",
                 viz::sample_figure({{"CVAE", cvae}}, {.columns = 10, .seed = seed, .class_names = data.class_names}));

  datasets::Dataset some = quick ? test.first(500) : test;
  Array vae_codes = models::encode_means(vae, some), cvae_codes = models::encode_means(cvae, some);
  std::vector<viz::EmbeddingPanel> panels{{"VAE", viz::embed(vae_codes, viz::EmbeddingMethod::tsne, {.seed = seed})},
                                          {"CVAE", viz::embed(cvae_codes, viz::EmbeddingMethod::tsne, {.seed = seed})}};
  viz::write_svg(out / "tsne.svg",
                 viz::embedding_chart(panels, some.labels, some.class_names, {.width = 1100, .height = 560}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_vae_cvae: " << error.what() << "\n";
  return 2;
}
