// Weights from PyTorch and back: reads what `safetensors.torch.save_file(vae.state_dict(), "theirs.safetensors")`
// writes for a VAE of plain nn.Linear layers (named fc1, fc21, fc22, fc3, fc4, 784 pixels) into a models::VAE, draws
// samples, and saves it under PyTorch's names again. Without WEIGHTS it makes a file of untrained ones.
// pytorch_weights [WEIGHTS] [--quick] [--out DIR] [--seed N]
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>

using namespace elbo;

namespace {

/// The usual layout of a small VAE in PyTorch, with nn.Linear layers as members.
struct TorchVAE : nn::Module {
  nn::Linear fc1{784, 400}, fc21{400, 20}, fc22{400, 20}, fc3{20, 400}, fc4{400, 784};
  TorchVAE() {
    register_module("fc1", &TorchVAE::fc1);
    register_module("fc21", &TorchVAE::fc21);
    register_module("fc22", &TorchVAE::fc22);
    register_module("fc3", &TorchVAE::fc3);
    register_module("fc4", &TorchVAE::fc4);
  }
};

/// What those layers are called in models::VAE.
const std::map<std::string, std::string> names{
    {"fc1", "encoder.0"}, {"fc21", "fc_mu"}, {"fc22", "fc_logvar"}, {"fc3", "decoder.0"}, {"fc4", "decoder.2"}};

/// The other way round: `encoder.0.weight` is `fc1.weight`.
NamedArrays torch_state_dict(const models::Model& model) {
  NamedArrays out;
  for (const auto& [name, array] : model.state_dict())
    for (const auto& [theirs, ours] : names)
      if (name.starts_with(ours + ".")) out.emplace_back(theirs + name.substr(ours.size()), array);
  return out;
}

const Array& find(const NamedArrays& arrays, const std::string& name) {
  for (const auto& [found, array] : arrays)
    if (found == name) return array;
  throw ValueError("expected an array " + name + ", found none");
}

}  // namespace

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out, weights;
  std::uint64_t seed = 0;
  CLI::App app("Weights from PyTorch, used and written back");
  app.add_option("weights", weights, "A .safetensors file; without one, it is made");
  app.add_flag("--quick", quick, "Into a folder of its own; nothing here takes long");
  app.add_option("--out", out, "Where run folders and figures go (runs/pytorch_weights)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/pytorch_weights-quick" : "runs/pytorch_weights";

  std::filesystem::create_directories(out);
  if (weights.empty()) {
    manual_seed(seed);
    weights = out / "theirs.safetensors";
    save_safetensors(weights, TorchVAE().state_dict());
    std::printf("no weights given: made %s, untrained\n", weights.c_str());
  }

  NamedArrays theirs = load_safetensors(weights).arrays;
  for (const auto& [name, array] : theirs) std::cout << "  " << name << " " << array.shape() << "\n";
  models::VAE vae(
      {.hidden = {find(theirs, "fc1.weight").shape()[0]}, .latent = find(theirs, "fc21.weight").shape()[0]});
  vae.load_state_dict(theirs, names);  // complains of every name and shape that does not fit

  vae.eval();
  Generator generator(seed, Stream::pictures);
  std::cout << "mean of 64 samples: " << mean(vae.sample(64, {}, &generator)) << "\n";
  viz::write_png(out / "samples.png", viz::sample_figure({{"VAE", vae}}, {.rows = 4, .columns = 8, .seed = seed}));

  // Back again, for `vae.load_state_dict(safetensors.torch.load_file("ours.safetensors"))`.
  save_safetensors(out / "ours.safetensors", torch_state_dict(vae));
  bool same = true;
  for (const auto& [name, array] : load_safetensors(out / "ours.safetensors").arrays)
    same = same && array.to_vector<float>() == find(theirs, name).to_vector<float>();
  std::cout << "written back: " << (same ? "every number is the same" : "NOT the same") << "\n";
  for (const char* name : {"samples.png", "ours.safetensors"}) std::cout << (out / name).string() << "\n";
  if (!same) return 1;
} catch (const std::exception& error) {
  std::cerr << "pytorch_weights: " << error.what() << "\n";
  return 2;
}
