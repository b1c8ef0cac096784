// A model of your own: a VAE whose decoder sees the code again in each of its layers (skip-VAE, Dieng et al. 2019),
// with a setting of its own, trained by the library on `shapes`, pictures that it draws itself. Leaves a run folder
// with figures in runs/own_model.
// own_model [--quick]
#include <elbo/elbo.h>

#include <cstdio>
#include <iostream>

using namespace elbo;

namespace {

/// Layers are members, registered under the names that they have in the file of weights. Prior, likelihood and
/// objective are the config's; trainer, evaluation and figures need nothing but the two functions at the end.
class SkipVAE : public models::LatentModel {
 public:
  explicit SkipVAE(const models::ModelConfig& config)
      : LatentModel(config, OwnNetworks{}),
        width(static_cast<std::int64_t>(config.own.at("width"))),
        in(config.picture.numel(), width),
        mu(width, config.latent),
        logvar(width, config.latent),
        first(config.latent, width),
        second(width + config.latent, width),
        out(width + config.latent, config.picture.numel()) {
    register_module("in", &SkipVAE::in);
    register_module("mu", &SkipVAE::mu);
    register_module("logvar", &SkipVAE::logvar);
    register_module("first", &SkipVAE::first);
    register_module("second", &SkipVAE::second);
    register_module("out", &SkipVAE::out);
  }

  std::int64_t width;
  nn::Linear in, mu, logvar, first, second, out;

 private:
  models::Encoded encode_pictures(const Tensor& x, const Tensor&) override {
    Tensor h = gelu(in(x.flatten()));
    return {mu(h), logvar(h)};
  }

  Tensor decode_codes(const Tensor& z, const Tensor&) override {
    Tensor h = gelu(first(z));
    h = gelu(second(concatenate({h, z}, 1)));
    Tensor logits = out(concatenate({h, z}, 1));
    return logits.reshape(config().picture.insert(0, z.size(0)));
  }
};

/// From here on `train`, `load` and, in a program that has them, the commands know it by its name.
void add_to_the_zoo() {
  models::ModelRow row;
  row.what = "a VAE whose decoder sees the code in each layer (Dieng et al. 2019)";
  row.parts = {"posterior", "prior", "likelihood", "objective"};  // the architecture is its own
  row.own = {{.name = "width", .what = "Units of each hidden layer", .value = 256}};
  models::register_model(
      "skip-vae", [](const models::ModelConfig& config) { return std::make_unique<SkipVAE>(config); }, row);
}

}  // namespace

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: own_model [--quick]");
  const std::filesystem::path out = quick ? "runs/own_model-quick" : "runs/own_model";

  datasets::Dataset data = datasets::load("shapes", datasets::Split::train, {}, {.count = quick ? 2000 : 20000});
  datasets::Dataset test = datasets::load("shapes", datasets::Split::test, {}, {.count = 1000});

  add_to_the_zoo();
  models::RunConfig config{.model = models::preset("skip-vae"), .train = {.epochs = quick ? 1 : 10}};
  config.model.latent = 10;
  config.model.own["width"] = 200;
  models::Trained skip = models::train(out, config, data, models::print_epochs(std::cout, "skip-vae"));
  std::cout << skip.model->num_parameters() << " parameters, " << data.size() << " pictures\n";

  models::Evaluation found = models::evaluate(*skip.model, test);
  std::printf("test loss %.2f nats a picture, of which KL %.2f; MSE %.4f\n", found.losses.loss, found.losses["kl"],
              found.mse);

  viz::write_png(out / "reconstructions.png", viz::reconstruction_figure({{"skip-VAE", *skip.model}}, test,
                                                                         viz::first_indices(8), {.errors = true}));
  viz::write_png(out / "traversal.png", viz::traversal_figure(*skip.model, test, 0));
  std::cout << "run folder: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "own_model: " << error.what() << "\n";
  return 2;
}
