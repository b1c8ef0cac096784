// Weights from PyTorch and back: reads what `safetensors.torch.save_file(vae.state_dict(), "theirs.safetensors")`
// writes for a VAE of plain nn.Linear layers (fc1, fc21, fc22, fc3, fc4; 784-400-20) into a VAE of the zoo, draws
// samples, and saves it under PyTorch's names again. Without WEIGHTS it makes a file of untrained ones. pytorch_weights
// [WEIGHTS]
#include <elbo/elbo.h>

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

}  // namespace

int main(int argc, char** argv) try {
  const std::filesystem::path out = "runs/pytorch_weights";
  std::filesystem::create_directories(out);
  manual_seed(0);
  const std::filesystem::path weights = argc > 1 ? argv[1] : out / "theirs.safetensors";
  if (argc < 2) save_safetensors(weights, TorchVAE().state_dict());

  // Their names and ours. What does not fit by name or shape is complained of, all at once.
  const std::map<std::string, std::string> names{
      {"fc1", "encoder.0"}, {"fc21", "fc_mu"}, {"fc22", "fc_logvar"}, {"fc3", "decoder.0"}, {"fc4", "decoder.2"}};
  NamedArrays theirs = load_safetensors(weights).arrays;
  for (const auto& [name, array] : theirs) std::cout << "  " << name << " " << array.shape() << "\n";
  models::LatentModel vae({.hidden = {400}, .latent = 20});
  vae.load_state_dict(theirs, names);
  vae.eval();
  std::cout << "mean of 64 samples: " << vae.sample(64).mean() << "\n";
  viz::write_png(out / "samples.png", viz::sample_figure({{"VAE", vae}}, {.rows = 4, .columns = 8}));

  // Back again, for `vae.load_state_dict(safetensors.torch.load_file("ours.safetensors"))`.
  std::map<std::string, std::string> back;
  for (const auto& [their_name, our_name] : names) back[our_name] = their_name;
  TorchVAE before, after;
  before.load_state_dict(theirs);
  after.load_state_dict(vae.state_dict(), back);
  save_safetensors(out / "ours.safetensors", after.state_dict());
  bool same = true;
  for (std::size_t i = 0; i < before.parameters().size(); ++i)
    same = same && (before.parameters()[i] == after.parameters()[i]).all().item() == 1;
  std::cout << "written back: " << (same ? "every number is the same" : "NOT the same") << "\n"
            << "files: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "pytorch_weights: " << error.what() << "\n";
  return 2;
}
