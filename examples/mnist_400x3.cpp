// A VAE and a conditional VAE on MNIST with three hidden layers of 400 and 15 latent dimensions: samples, straight
// lines through the space of codes, digits on demand. Writes two run folders and figures into runs/mnist_400x3.
// mnist_400x3 [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets mnist
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
  if (args.out.empty()) args.out = args.quick ? "runs/mnist_400x3-quick" : "runs/mnist_400x3";
  return args;
}

/// The reparameterisation and the loss, on numbers small enough to check by hand.
void check_by_hand() {
  Tensor mu = zeros({1, 100000}), logvar = ones({1, 100000});
  Tensor z = reparameterize(mu, logvar);
  std::printf("z ~ N(0, exp(1)): mean %.4f, standard deviation %.4f; expected 0 and %.4f\n", mean(z).item(),
              sqrt(var(z)).item(), exp(tensor(0.5)).item());

  const TensorOptions f64{.dtype = DType::float64};
  Tensor logits = tensor({{2, 5}, {6, 7}}, f64), pixels = sigmoid(tensor({{1, 10}, {9, 3}}, f64));
  Tensor loss = binary_cross_entropy_with_logits(logits, pixels, Reduction::sum) +
                gaussian_kl(ones({1, 15}, f64), zeros({1, 15}, f64), Reduction::sum);
  std::printf("loss of four pixels and 15 latent dimensions: %.6f; expected 8.507862\n", loss.item());
}

struct Trained {
  std::string name;
  models::Run run;
  std::unique_ptr<models::Model> model;
};

/// Trains into the folder of that name, or takes what a finished run left there.
Trained train(const std::string& name, models::RunConfig config, const Args& args, const datasets::Dataset& data) {
  if (args.quick) config.train.epochs = 1;
  config.train.seed = args.seed;
  auto print = [&](const models::EpochRecord& epoch, bool) {
    std::printf("%s: epoch %2d, training %.2f", name.c_str(), int(epoch.epoch), epoch.train.loss);
    if (epoch.val) std::printf(", validation %.2f", epoch.val->loss);
    std::printf(", %.1f s\n", epoch.seconds);
    std::fflush(stdout);
  };
  models::Run run = models::train(args.out / name, config, data, {.on_epoch = print});
  return {name, run, models::load(run.folder())};
}

/// Nats a picture: of the last epoch's training, and of all test pictures, with a code drawn for each.
void print_table(std::span<const Trained> runs, const datasets::Dataset& test) {
  std::printf("\n%-16s %9s %8s %8s %9s %8s %8s %8s\n", "", "training", "recon.", "KL", "test", "recon.", "KL", "MSE");
  for (const Trained& one : runs) {
    models::Losses last = one.run.history().back().train;
    models::Evaluation found = models::evaluate(*one.model, test);
    std::printf("%-16s %9.2f %8.2f %8.2f %9.2f %8.2f %8.2f %8.4f\n", one.name.c_str(), last.loss, last.reconstruction,
                last.kl, found.losses.loss, found.losses.reconstruction, found.losses.kl, found.mse);
  }
  std::printf("\n");
}

void save(const std::filesystem::path& path, const viz::Image& figure) {
  viz::write_png(path, figure);
  std::cout << path.string() << "\n";
}

}  // namespace

int main(int argc, char** argv) try {
  Args args = parse(argc, argv);
  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (args.quick) data = data.first(4000), test = test.first(1000);

  check_by_hand();
  models::RunConfig config{.model = {.hidden = {400, 400, 400}, .latent = 15},
                           .train = {.epochs = 10, .drop_last = true, .val_size = 0}};
  std::vector<Trained> runs;
  for (const char* model : {"vae", "cvae"}) {
    config.model.model = model;
    runs.push_back(train(model, config, args, data));
  }
  print_table(runs, test);
  models::Model &vae = *runs[0].model, &cvae = *runs[1].model;

  save(args.out / "samples.png", viz::sample_figure({{"VAE", vae}}, {.rows = 1, .columns = 10, .seed = args.seed}));
  save(args.out / "interpolation.png",
       viz::prior_interpolation_figure({{"VAE", vae}}, 12, {.steps = 12, .seed = args.seed}));
  save(args.out / "digits.png",
       viz::sample_figure({{"CVAE", cvae}}, {.rows = 1, .seed = args.seed, .labels_across = true}));
} catch (const std::exception& error) {
  std::cerr << "mnist_400x3: " << error.what() << "\n";
  return 2;
}
