// Autodiff basics: a straight line fitted to three points, with nothing but tensors and their gradients.
#include <elbo/elbo.h>

#include <iostream>

int main() {
  using namespace elbo;
  Tensor x = tensor({0, 1, 2}), y = tensor({1, 3, 5});
  Tensor slope = tensor(0.0).requires_grad_(), offset = tensor(0.0).requires_grad_();
  for (int step = 0; step <= 200; ++step) {
    Tensor loss = mean(square(slope * x + offset - y));
    if (step % 50 == 0) std::cout << "step " << step << ": loss " << loss << "\n";
    loss.backward();
    for (Tensor parameter : {slope, offset}) {
      NoGradGuard no_grad;
      parameter.mutable_array().assign((parameter - Tensor(parameter.grad()) * 0.2).array());
      parameter.zero_grad();
    }
  }
  std::cout << "y = " << slope << " x + " << offset << "\n";
}
