// A model of one's own, in the whole program: `own_model_program train --model small ...` trains it, and every other
// command (eval, sample, report, ...) reads its runs. See elbo/cli.h.
#include <elbo/cli.h>
#include <elbo/elbo.h>

#include <memory>

namespace {

using namespace elbo;
using models::ModelConfig;

/// A VAE of one hidden layer, h = tanh(scale (W x + b)), and no hidden layer in its decoder.
class Small : public models::LatentModel {
 public:
  explicit Small(const ModelConfig& c)
      : LatentModel(c, OwnNetworks{}),
        scale_(c.own.at("scale")),
        body_(c.picture.numel(), 64),
        mu_(64, c.latent),
        logvar_(64, c.latent),
        out_(c.latent, c.picture.numel()) {
    register_module("body", &Small::body_);
    register_module("mu", &Small::mu_);
    register_module("logvar", &Small::logvar_);
    register_module("out", &Small::out_);
  }

 private:
  models::Encoded encode_pictures(const Tensor& x, const Tensor&) override {
    const Tensor h = tanh(scale_ * body_(x.reshape({x.shape()[0], config().picture.numel()})));
    return {mu_(h), logvar_(h)};
  }
  Tensor decode_codes(const Tensor& z, const Tensor&) override {
    return out_(z).reshape(config().picture.insert(0, z.shape()[0]));
  }

  double scale_;
  nn::Linear body_, mu_, logvar_, out_;
};

}  // namespace

int main(int argc, char** argv) {
  models::ModelRow row;
  row.what = "a VAE of one hidden layer";
  row.own = {{.name = "scale", .what = "Of what goes into its tanh", .value = 1}};
  row.fields = {"latent"};
  row.parts = {"posterior", "prior", "likelihood", "objective"};  // its architecture is its own
  models::register_model(
      "small", [](const ModelConfig& config) { return std::make_unique<Small>(config); }, row);
  return run_cli(argc, argv);
}
