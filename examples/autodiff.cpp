// Autodiff basics: the gradient of a formula, beside the one found by hand, and a straight line fitted to three points
// with nothing but tensors and their gradients. Prints what it finds; takes no options and needs no data.
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main() {
  // A tensor that asks for its gradient remembers what is made of it; backward() walks back from a single number.
  Tensor x = tensor({0.5, 1, 2}).requires_grad_();
  Tensor y = (x.square() * sin(x)).sum();
  y.backward();
  std::cout << "y = sum(x^2 sin x) = " << y << " at x = " << x << "\n";
  std::cout << "dy/dx, by autodiff:   " << x.grad() << "\n";
  std::cout << "2 x sin x + x^2 cos x " << (2 * x * sin(x) + x.square() * cos(x)).detach() << "\n";

  // Gradient descent: the gradients of the loss, a step against them, and the gradients are dropped for the next.
  Tensor inputs = tensor({0, 1, 2}), targets = tensor({1, 3, 5});
  Tensor slope = tensor(0.0).requires_grad_(), offset = tensor(0.0).requires_grad_();
  for (int step = 0; step <= 200; ++step) {
    Tensor loss = (slope * inputs + offset - targets).square().mean();
    if (step % 50 == 0) std::cout << "step " << step << ": loss " << loss << "\n";
    loss.backward();
    const NoGradGuard no_grad;
    for (Tensor parameter : {slope, offset}) {
      parameter -= 0.2 * parameter.grad();
      parameter.zero_grad();
    }
  }
  std::cout << "the line through (0, 1), (1, 3), (2, 5): y = " << slope << " x + " << offset << "\n";
}
