#pragma once
// A small training step with what a real one has: a batch gathered by indices that lie on the GPU, noise, a loss that
// is added up there, and Adam.
#include <elbo/core/kernels.h>
#include <elbo/core/ops.h>
#include <elbo/nn/layers.h>
#include <elbo/nn/optim.h>

#include <cstdint>
#include <vector>

#include "backend_calls.h"

namespace training_step {

using namespace backend_calls;

inline std::vector<double> numbers(const Array& array) {
  const auto as_doubles = [](const auto& values) { return std::vector<double>(values.begin(), values.end()); };
  if (array.dtype() == DType::float32) return as_doubles(array.to_vector<float>());
  if (array.dtype() == DType::float64) return as_doubles(array.to_vector<double>());
  if (array.dtype() == DType::int64) return as_doubles(array.to_vector<int64_t>());
  return as_doubles(array.to_vector<std::uint8_t>());
}

class Net : public nn::Module {
 public:
  Net() {
    register_module("encoder", &Net::encoder);
    register_module("mu", &Net::mu);
    register_module("decoder", &Net::decoder);
    to(gpu);
  }
  nn::Linear encoder{12, 9}, mu{9, 4}, decoder{4, 12};
};

class Training {
 public:
  static constexpr int64_t count = 40, batch = 16;

  Training() { pick(0); }

  /// The next step is on pictures `first`, first + 3, ...
  void pick(int64_t first) {
    std::vector<int64_t> chosen;
    for (int64_t i = 0; i < batch; ++i) chosen.push_back((first + 3 * i) % count);
    indices_.assign(Array::from(chosen, {batch}));
  }

  void operator()() {
    adam_.zero_grad();
    const Tensor x(kernels::gather(pictures_, indices_, 0));
    const Tensor mu = net_.mu.forward(net_.encoder.forward(x, Activation::relu));
    const Tensor z = reparameterize(mu, mul_scalar(mu, 0.5), &noise_);
    Tensor loss = mse_loss(sigmoid(net_.decoder.forward(z)), x);
    loss.backward();
    kernels::add_(losses_, loss.array());
    adam_.step();
  }

  /// All that the next steps depend on, and the sum of the losses.
  std::vector<double> state() const {
    std::vector<double> out;
    for (const Array& array : arrays()) {
      const std::vector<double> more = numbers(array);
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  }
  /// What the step's one in-place call for all parameters moves: they and their moments.
  std::vector<double> parameters() const {
    std::vector<double> out;
    for (const auto& [name, array] : net_.state_dict()) {
      const std::vector<double> more = numbers(array);
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  }
  std::vector<Array> copy() const {
    std::vector<Array> out;
    for (const Array& array : arrays()) out.push_back(array.copy());
    return out;
  }
  void restore(const std::vector<Array>& saved) {
    std::vector<Array> own = arrays();
    for (std::size_t i = 0; i < own.size(); ++i) own[i].assign(saved[i]);
  }
  /// As after a step that was given up: no gradients are left.
  void zero_grad() { adam_.zero_grad(); }

 private:
  std::vector<Array> arrays() const {
    std::vector<Array> out{noise_.offset(), losses_};
    for (const auto& [name, array] : net_.state_dict()) out.push_back(array);
    for (const auto& [name, array] : adam_.state()) out.push_back(array);
    return out;
  }

  static Net fresh_net() {
    Generator init(3, Stream::init);
    const GeneratorScope scope(init);
    return Net();
  }

  Net net_ = fresh_net();
  nn::Adam adam_{net_.named_parameters(), {.lr = 0.01}};
  Generator noise_{5, Stream::noise, gpu};
  Array pictures_ = Array::from(values<float>(count * 12, 0, 1), {count, 12}, gpu);
  Array indices_ = Array::zeros({batch}, {DType::int64, gpu});
  Array losses_ = Array::zeros({}, {DType::float32, gpu});
};

}  // namespace training_step
