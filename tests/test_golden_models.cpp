// Losses and gradients of models of the zoo in float32 against PyTorch's in float64, for the same weights, pictures and
// noise. tests/oracle/models.py writes the numbers.
#include <elbo/models/latent_model.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "golden_file.h"

using namespace elbo;
using namespace elbo::models;

namespace {

constexpr std::int64_t batch = 5, latent = 3;
constexpr double beta = 0.75;

/// `1x8x8`, or `-` for nothing.
std::vector<std::int64_t> read_sizes(std::istream& in) {
  std::string word;
  in >> word;
  std::vector<std::int64_t> sizes;
  std::istringstream parts(word);
  for (std::string size; word != "-" && std::getline(parts, size, 'x');) sizes.push_back(std::stoll(size));
  return sizes;
}

std::vector<double> read_numbers(std::istream& in) {
  std::vector<double> out;
  for (std::string word; in >> word;) out.push_back(std::strtod(word.c_str(), nullptr));
  return out;
}

struct Golden {
  ModelConfig config;
  std::vector<double> losses;                                      ///< reconstruction, KL, objective
  std::vector<std::pair<std::string, std::vector<double>>> grads;  ///< sum, norm, five elements from first to last
};

std::vector<Golden> read_golden() {
  std::ifstream file(ELBO_SOURCE_DIR "/tests/golden_models.txt");
  REQUIRE(file);
  std::vector<Golden> all;
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string word, likelihood;
    in >> word;
    if (word == "model") {
      ModelConfig& c = all.emplace_back().config;
      c.latent = latent;
      in >> c.model >> likelihood >> c.variance;
      c.likelihood = likelihood;
      c.beta = beta;
      c.picture = Shape(read_sizes(in));
      c.hidden = read_sizes(in);
      c.channels = read_sizes(in);
      in >> c.classes;
    } else if (word == "losses") {
      all.back().losses = read_numbers(in);
    } else if (word == "grad") {
      in >> word;
      all.back().grads.emplace_back(word, read_numbers(in));
    }
  }
  return all;
}

Array floats(const std::vector<double>& values, const Shape& shape) {
  return Array::from(std::vector<float>(values.begin(), values.end()), shape);
}

/// A gradient as the file has it.
std::vector<double> summary(const Array& grad) {
  const std::vector<float> g = grad.to_vector<float>();
  double sum = 0, squares = 0;
  for (const double v : g) sum += v, squares += v * v;
  std::vector<double> out = {sum, std::sqrt(squares)};
  for (std::size_t i = 0; i < 5; ++i) out.push_back(static_cast<double>(g[i * (g.size() - 1) / 4]));
  return out;
}

void check(const Golden& golden) {
  const auto model = make(golden.config);
  auto named = model->named_parameters();
  REQUIRE(named.size() == golden.grads.size());
  std::map<std::string, Tensor> parameters(named.begin(), named.end());
  std::uint64_t k = 0;
  for (const auto& [name, expected] : golden.grads) {
    Tensor& p = parameters.at(name);
    p.mutable_array().assign(floats(filling(p.numel(), k++, 64), p.shape()));
  }
  const Shape shape = golden.config.picture.insert(0, batch);
  const Tensor x(floats(pixels(shape.numel()), shape));
  std::vector<std::int64_t> classes;
  for (std::int64_t i = 0; i < batch; ++i) classes.push_back(i % std::max<std::int64_t>(golden.config.classes, 1));
  const Tensor labels = model->is_conditional() ? Tensor(Array::from(classes, {batch})) : Tensor();
  Generator noise(11);
  const Terms terms = model->loss({.x = x, .labels = labels, .noise = &noise, .train_size = batch});
  Tensor loss = zeros({});
  for (const Term& term : terms.list) loss = loss + term.nats * (term.weight.last() / batch);
  loss.backward();

  // float32: each number is made of sums of up to some hundred products in a chain of six layers.
  const auto close = [](double value, double scale) { return Approx(value).epsilon(0).margin(2e-6 * scale); };
  CHECK(terms.find("reconstruction")->nats.item() == close(golden.losses[0], golden.losses[0]));
  CHECK(terms.find("kl")->nats.item() == close(golden.losses[1], golden.losses[1]));
  CHECK(loss.item() == close(golden.losses[2], golden.losses[2]));
  for (const auto& [name, expected] : golden.grads) {
    INFO(name);
    const std::vector<double> found = summary(parameters.at(name).grad().array());
    const double norm = expected[1], count = static_cast<double>(parameters.at(name).numel());
    CHECK(norm > 1e-3);
    CHECK(found[0] == close(expected[0], norm * std::sqrt(count)));
    for (std::size_t i = 1; i < expected.size(); ++i) CHECK(found[i] == close(expected[i], norm));
  }
}

}  // namespace

TEST_CASE("models' losses and gradients in float32 are PyTorch's", "[golden]") {
  const std::vector<Golden> all = read_golden();
  REQUIRE(all.size() == 8);
  for (const Golden& golden : all) DYNAMIC_SECTION(golden.config.model << " " << golden.config.likelihood) {
      check(golden);
    }
}
