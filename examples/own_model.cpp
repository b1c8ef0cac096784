// A model of your own: a VAE whose decoder sees the code again in each of its layers (skip-VAE, Dieng et al. 2019),
// trained by the library's trainer on `shapes`, pictures that it draws itself. Writes weights and figures into
// runs/own_model.
// own_model [--quick]
#include <elbo/elbo.h>

#include <cstdio>
#include <iostream>

using namespace elbo;

namespace {

/// Layers are members, registered under the names that they have in the file of weights. Objective, trainer, evaluation
/// and figures need nothing but the two functions at the end.
class SkipVAE : public models::Model {
 public:
  explicit SkipVAE(const models::ModelConfig& config)
      : Model(config),
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

  static constexpr std::int64_t width = 256;
  nn::Linear in, mu, logvar, first, second, out;

 private:
  models::Posterior encode_pictures(const Tensor& x, const Tensor&) override {
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

}  // namespace

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: own_model [--quick]");
  const std::filesystem::path out = quick ? "runs/own_model-quick" : "runs/own_model";

  datasets::Dataset data = datasets::load("shapes", datasets::Split::train, {}, {.count = quick ? 2000 : 20000});
  datasets::Dataset test = datasets::load("shapes", datasets::Split::test, {}, {.count = 1000});

  manual_seed(0);
  SkipVAE model({.model = "skip-vae", .picture = test.shape().without(0), .latent = 10});
  std::cout << model.num_parameters() << " parameters, " << data.size() << " pictures\n";

  const int epochs = quick ? 1 : 10;
  models::Trainer trainer(model, data, {.epochs = epochs});
  std::printf("%5s %10s %10s %8s\n", "epoch", "training", "validation", "KL");
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    models::EpochRecord record = trainer.run_epoch();
    std::printf("%5d %10.2f %10.2f %8.2f\n", epoch, record.train.loss, record.val->loss, record.val->kl);
  }
  models::Evaluation found = models::evaluate(model, test);
  std::printf("test loss %.2f nats a picture, MSE %.4f\n", found.losses.loss, found.mse);

  std::filesystem::create_directories(out);
  save_safetensors(out / "model.safetensors", model.state_dict());
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure({{"skip-VAE", model}}, test, viz::first_indices(8), {.errors = true}));
  viz::write_png(out / "traversal.png", viz::traversal_figure(model, test, 0));
  std::cout << "files: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "own_model: " << error.what() << "\n";
  return 2;
}
