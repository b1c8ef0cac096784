// A VAE beside a conditional VAE on Fashion-MNIST. The label tells the CVAE which garment it is, so that its codes
// need not: t-SNE finds the classes in the codes of the VAE, hardly in those of the CVAE. Writes two run folders and
// figures into runs/fashion_vae_cvae.
// fashion_vae_cvae [--quick]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: fashion_vae_cvae [--quick]");
  const std::filesystem::path out = quick ? "runs/fashion_vae_cvae-quick" : "runs/fashion_vae_cvae";

  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  models::RunConfig config{.model = {.hidden = {400}, .latent = 20},
                           .train = {.epochs = quick ? 1 : 20, .val_size = 0.2}};
  std::vector<models::Trained> runs;
  for (const char* model : {"vae", "cvae"}) {
    config.model.model = model;
    runs.push_back(models::train(out / model, config, data, models::print_epochs(std::cout, model)));
  }
  models::print_results(std::cout, runs, test);
  models::Model &vae = *runs[0].model, &cvae = *runs[1].model;

  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "VAE"),
                                      viz::loss_curves(runs[1].run.history(), "CVAE")};
  viz::write_svg(out / "loss.svg", viz::loss_chart(curves));
  viz::write_png(out / "samples_vae.png", viz::sample_figure({{"VAE", vae}}, {.rows = 10, .columns = 10}));
  viz::write_png(out / "samples_cvae.png",
                 viz::sample_figure({{"CVAE", cvae}}, {.columns = 10, .class_names = data.class_names}));

  Array vae_codes = models::encode_means(vae, test), cvae_codes = models::encode_means(cvae, test);
  std::vector<viz::EmbeddingPanel> panels{{"VAE", viz::embed(vae_codes, viz::EmbeddingMethod::tsne)},
                                          {"CVAE", viz::embed(cvae_codes, viz::EmbeddingMethod::tsne)}};
  viz::write_svg(out / "tsne.svg",
                 viz::embedding_chart(panels, test.labels, test.class_names, {.width = 1100, .height = 560}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_vae_cvae: " << error.what() << "\n";
  return 2;
}
