// Weights from PyTorch and back: reads what `safetensors.torch.save_file(vae.state_dict(), "theirs.safetensors")`
// writes for a VAE of plain nn.Linear layers (named fc1, fc21, fc22, fc3, fc4, 784 pixels) into a models::VAE, draws
// samples, and saves it under PyTorch's names again. Without WEIGHTS it makes a file of untrained ones.
// pytorch_weights [WEIGHTS] [--quick] [--out DIR] [--seed N]
#include <elbo/elbo.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>

using namespace elbo;

namespace {

struct Args {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  std::filesystem::path weights;
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
    } else if (!word.starts_with("-") && args.weights.empty()) {
      args.weights = word;
    } else {
      throw ValueError("cannot use '" + word + "': expected [WEIGHTS] [--quick] [--out DIR] [--seed N]");
    }
  }
  if (args.out.empty()) args.out = args.quick ? "runs/pytorch_weights-quick" : "runs/pytorch_weights";
  return args;
}

/// The usual layout of a small VAE in PyTorch, with nn.Linear layers as members.
struct TorchVAE : nn::Module {
  nn::Linear fc1{784, 400}, fc21{400, 20}, fc22{400, 20}, fc3{20, 400}, fc4{400, 784};
  TorchVAE() {
    register_module("fc1", fc1);
    register_module("fc21", fc21);
    register_module("fc22", fc22);
    register_module("fc3", fc3);
    register_module("fc4", fc4);
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
  Args args = parse(argc, argv);
  std::filesystem::create_directories(args.out);
  if (args.weights.empty()) {
    manual_seed(args.seed);
    args.weights = args.out / "theirs.safetensors";
    save_safetensors(args.weights, TorchVAE().state_dict());
    std::printf("no weights given: made %s, untrained\n", args.weights.c_str());
  }

  NamedArrays theirs = load_safetensors(args.weights).arrays;
  for (const auto& [name, array] : theirs) std::cout << "  " << name << " " << array.shape() << "\n";
  models::VAE vae(
      {.hidden = {find(theirs, "fc1.weight").shape()[0]}, .latent = find(theirs, "fc21.weight").shape()[0]});
  vae.load_state_dict(theirs, names);  // complains of every name and shape that does not fit

  vae.eval();
  Generator generator(args.seed, Stream::pictures);
  std::cout << "mean of 64 samples: " << mean(vae.sample(64, {}, &generator)) << "\n";
  viz::write_png(args.out / "samples.png",
                 viz::sample_figure({{"VAE", vae}}, {.rows = 4, .columns = 8, .seed = args.seed}));

  // Back again, for `vae.load_state_dict(safetensors.torch.load_file("ours.safetensors"))`.
  save_safetensors(args.out / "ours.safetensors", torch_state_dict(vae));
  bool same = true;
  for (const auto& [name, array] : load_safetensors(args.out / "ours.safetensors").arrays)
    same = same && array.to_vector<float>() == find(theirs, name).to_vector<float>();
  std::cout << "written back: " << (same ? "every number is the same" : "NOT the same") << "\n";
  for (const char* name : {"samples.png", "ours.safetensors"}) std::cout << (args.out / name).string() << "\n";
  if (!same) return 1;
} catch (const std::exception& error) {
  std::cerr << "pytorch_weights: " << error.what() << "\n";
  return 2;
}
