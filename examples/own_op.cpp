// An op of your own: logcumsumexp, y[i] = log(exp(x[0]) + ... + exp(x[i])), which elbo does not have, computed in plain
// C++ and recorded with its gradient. gradcheck compares that with differences; then Cox's regression (1972), whose
// likelihood is made of it, finds out what people's chances depend on. Needs no data.
#include <elbo/elbo.h>

#include <algorithm>
#include <cmath>
#include <iostream>

using namespace elbo;

namespace {

/// The numbers of a tensor of either float type, on any device, and a tensor like `like` of such numbers.
std::vector<double> numbers(const Tensor& x) { return x.to(DType::float64).to_vector<double>(); }
Tensor made_like(const Tensor& like, const std::vector<double>& values) {
  return Tensor(Array::from(values, like.shape(), like.device())).to(like.dtype());
}

/// x [n] -> [n].
Tensor logcumsumexp(const Tensor& x) {
  std::vector<double> sums = numbers(x.detach());
  for (std::size_t i = 1; i < sums.size(); ++i)
    sums[i] = std::max(sums[i - 1], sums[i]) + std::log1p(std::exp(-std::abs(sums[i - 1] - sums[i])));
  const Tensor result = made_like(x, sums);
  // From the gradient g of y to that of x: x[j] gets g[i] exp(x[j] - y[i]) of each i >= j. Arrays that the rule reads
  // are kept by save().
  auto rule = [kept_x = save(x), kept_y = save(result)](const Array& gradient, const Needs&) {
    std::vector<double> in = numbers(kept_x()), y = numbers(kept_y()), g = numbers(gradient);
    double sum = 0;  // of g[i] exp(y[j] - y[i])
    for (std::size_t j = g.size(); j-- > 0;) {
      sum = g[j] + (j + 1 < g.size() ? sum * std::exp(y[j] - y[j + 1]) : 0);
      in[j] = sum * std::exp(in[j] - y[j]);
    }
    return Grads{made_like(gradient, in).array()};
  };
  return record("logcumsumexp", {x}, result.array(), rule);
}

}  // namespace

int main() {
  manual_seed(0);
  Tensor some = randn({6}, {.dtype = DType::float64}).requires_grad_();
  GradcheckResult check = gradcheck([](std::span<const Tensor> in) { return logcumsumexp(in[0]); }, {some});
  std::cout << "gradcheck: " << (check ? "the gradient is right" : check.message) << "\n";

  // 1,000 people with three traits: how long each lives is exponential, with the hazard exp(traits . weights).
  Tensor weights = tensor({1, -0.5, 0}), traits = randn({1000, 3});
  std::vector<double> years = numbers(-log(1 - rand({1000})) / traits.matmul(weights).exp());
  std::vector<std::int64_t> order = viz::first_indices(1000);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return years[a] > years[b]; });
  traits = traits.index_select(0, Array::from(order, {1000}));

  // That it was this one who died, of all who lived as long or longer, has the chance exp(risk) / (sum of exp(risks)).
  Tensor found = zeros({3}).requires_grad_();
  for (int step = 0; step < 100; ++step) {
    Tensor risk = traits.matmul(found);
    Tensor loss = (logcumsumexp(risk) - risk).mean();
    loss.backward();
    if (step % 33 == 0) std::cout << "step " << step << ": loss " << loss << "\n";
    const NoGradGuard no_grad;
    found -= 0.5 * found.grad();
    found.zero_grad();
  }
  std::cout << "weights " << weights << ", found " << found << "\n";
}
