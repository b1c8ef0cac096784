// A classifier: a small convolutional network on MNIST, with a training loop of its own. After three epochs it knows
// about 99 of 100 test digits. Saves its weights into runs/mnist_classifier.
// mnist_classifier [--quick]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

namespace {

/// The share of pictures of which the network finds the class.
double accuracy(nn::Layer& net, datasets::Batches& batches) {
  const NoGradGuard no_grad;
  const nn::EvalGuard evaluation;
  double right = 0;
  batches.begin_epoch(0);
  while (auto batch = batches.next())
    right += (net(batch->pictures).argmax(1) == Tensor(batch->labels)).to(DType::float32).sum().item();
  return right / double(batches.samples());
}

}  // namespace

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: mnist_classifier [--quick]");
  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);
  datasets::Batches batches(data, {.batch_size = 64}), test_batches(test, {.batch_size = 500, .shuffle = false});

  manual_seed(0);
  nn::Sequential net{nn::Conv2d(1, 16, 3, {.padding = 1}),
                     nn::ReLU(),
                     nn::MaxPool2d(2),
                     nn::Conv2d(16, 32, 3, {.padding = 1}),
                     nn::ReLU(),
                     nn::MaxPool2d(2),
                     nn::Flatten(),
                     nn::Linear(32 * 7 * 7, 128),
                     nn::ReLU(),
                     nn::Linear(128, 10)};
  std::cout << nn::summary(net, {64, 1, 28, 28});
  nn::Adam adam(net.parameters(), {.lr = 1e-3});
  for (int epoch = 0; epoch < (quick ? 1 : 3); ++epoch) {
    double sum = 0;
    batches.begin_epoch(epoch);
    while (auto batch = batches.next()) {
      Tensor loss = cross_entropy(net(batch->pictures), batch->labels);
      adam.zero_grad();
      loss.backward();
      adam.step();
      sum += loss.item();
    }
    std::cout << "epoch " << epoch + 1 << ": loss " << sum / double(batches.batches()) << ", of the test digits "
              << 100 * accuracy(net, test_batches) << " % right" << std::endl;
  }
  std::filesystem::create_directories("runs/mnist_classifier");
  save_safetensors("runs/mnist_classifier/model.safetensors", net.state_dict());
} catch (const std::exception& error) {
  std::cerr << "mnist_classifier: " << error.what() << "\n";
  return 2;
}
