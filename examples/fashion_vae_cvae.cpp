// A VAE beside a conditional VAE on Fashion-MNIST. The label tells the CVAE which garment it is, so that its codes
// need not: t-SNE finds the classes in the codes of the VAE, hardly in those of the CVAE. Writes two run folders and
// figures into runs/fashion_vae_cvae.
// fashion_vae_cvae [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <cstdio>
#include <iostream>
#include <sstream>

using namespace elbo;

namespace {

struct Args {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
};

Args parse(int argc, char** argv) {
  Args args;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--quick") {
      args.quick = true;
    } else if (word == "--out" && !value.empty()) {
      args.out = argv[++i];
    } else if (word == "--seed" && std::istringstream(value) >> args.seed) {
      ++i;
    } else {
      throw ValueError("cannot use '" + word + "': expected [--quick] [--out DIR] [--seed N]");
    }
  }
  if (args.out.empty()) args.out = args.quick ? "runs/fashion_vae_cvae-quick" : "runs/fashion_vae_cvae";
  return args;
}

}  // namespace

int main(int argc, char** argv) try {
  Args args = parse(argc, argv);
  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (args.quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = args.seed;
    if (args.quick) run.train.epochs = 1;
    return models::train(args.out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{.model = {.hidden = {400}, .latent = 20},
                           .train = {.epochs = 20, .val_size = args.quick ? 400. : 12000.}};
  std::vector<models::Trained> runs;
  for (const char* model : {"vae", "cvae"}) {
    config.model.model = model;
    runs.push_back(train(model, config));
  }
  models::print_results(std::cout, runs, test);
  models::Model &vae = *runs[0].model, &cvae = *runs[1].model;

  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "VAE"),
                                      viz::loss_curves(runs[1].run.history(), "CVAE")};
  viz::write_svg(args.out / "loss.svg", viz::loss_chart(curves));
  viz::write_png(args.out / "samples_vae.png",
                 viz::sample_figure({{"VAE", vae}}, {.rows = 10, .columns = 10, .seed = args.seed}));
  viz::write_png(
      args.out / "samples_cvae.png",
      viz::sample_figure({{"CVAE", cvae}}, {.columns = 10, .seed = args.seed, .class_names = data.class_names}));

  datasets::Dataset some = args.quick ? test.first(500) : test;
  Array vae_codes = models::encode_means(vae, some), cvae_codes = models::encode_means(cvae, some);
  std::vector<viz::EmbeddingPanel> panels{
      {"VAE", viz::embed(vae_codes, viz::EmbeddingMethod::tsne, {.seed = args.seed})},
      {"CVAE", viz::embed(cvae_codes, viz::EmbeddingMethod::tsne, {.seed = args.seed})}};
  viz::write_svg(args.out / "tsne.svg",
                 viz::embedding_chart(panels, some.labels, some.class_names, {.width = 1100, .height = 560}));
  std::cout << "figures: " << args.out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_vae_cvae: " << error.what() << "\n";
  return 2;
}
