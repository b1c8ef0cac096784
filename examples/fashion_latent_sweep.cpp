// How many latent dimensions? VAEs on Fashion-MNIST with 2, 10, 20 and 50: their losses, what they rebuild and make
// up, and the two-dimensional one as a map. Writes the run folders and figures into runs/fashion_latent_sweep.
// fashion_latent_sweep [--quick]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: fashion_latent_sweep [--quick]");
  const std::filesystem::path out = quick ? "runs/fashion_latent_sweep-quick" : "runs/fashion_latent_sweep";

  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  models::RunConfig config{.model = {.hidden = {400}}, .train = {.epochs = quick ? 1 : 15}};
  std::vector<models::Trained> runs;
  for (std::int64_t latent : {2, 10, 20, 50}) {
    config.model.latent = latent;
    const std::string name = "z" + std::to_string(latent);
    runs.push_back(models::train(out / name, config, data, models::print_epochs(std::cout, name)));
  }
  models::print_results(std::cout, runs, test);

  std::vector<viz::Row> rows;
  viz::Panel training{.title = "training loss", .x_label = "epoch", .y_label = "nats a picture", .integer_x = true};
  viz::Panel validation{.title = "validation loss", .x_label = "epoch", .integer_x = true};
  for (models::Trained& one : runs) {
    rows.push_back({one.name, *one.model});
    const viz::LossCurves curves = viz::loss_curves(one.run.history());
    const viz::LossCurves::Curve& loss = *curves.find("loss");
    training.series.push_back({.name = one.name, .x = curves.epoch, .y = loss.train});
    validation.series.push_back({.name = one.name, .x = curves.epoch, .y = loss.val});
  }
  std::vector<viz::Panel> panels{training, validation};
  viz::write_svg(out / "loss.svg", viz::chart(panels, {.width = 900, .height = 360}));

  std::vector<std::int64_t> one_picture{0};
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, one_picture, {.errors = true, .models_across = true}));
  viz::write_png(out / "samples.png", viz::sample_figure(rows, {.rows = 1, .columns = 10}));
  viz::write_png(out / "manifold_z2.png", viz::manifold_figure(*runs[0].model, {.n = 20, .low = -3, .high = 3}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_latent_sweep: " << error.what() << "\n";
  return 2;
}
