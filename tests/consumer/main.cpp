// The least that a program of one's own does with elbo; tests/consumer/check builds it in every way that is promised.
#include <elbo/elbo.h>

#include <iostream>

int main() {
  const elbo::Tensor x = elbo::tensor({{1, 2}, {3, 4}});
  elbo::Tensor w = elbo::tensor({{0.5}, {-1}}).requires_grad_();
  elbo::Tensor loss = elbo::mean(elbo::square(elbo::matmul(x, w)));
  loss.backward();
  std::cout << "loss " << loss.item() << "\ngradient\n" << w.grad() << '\n';
  try {
    elbo::matmul(w, w);
  } catch (const elbo::ShapeError& error) {  // an error's type is known on both sides of a shared library
    std::cout << error.what() << '\n';
  }
}
