#include <array>
#include <utility>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"
#include "generators.h"

namespace elbo {

Tensor reparameterize(const Tensor& mu, const Tensor& logvar, Generator* generator) {
  const char* op = "reparameterize";
  const ops::CalledOp called(op);
  ops::check_floating_pair(op, mu, logvar);
  ops::check_shape(op, "logvar", mu.shape(), logvar.shape());
  const auto [z, noise] =
      kernels::reparameterize(mu.array(), logvar.array(), ops::choose_generator("randn", generator, mu.device()));
  return record(op, {mu, logvar}, z, [N = save_if(logvar.requires_grad(), noise)](const Array& g, const Needs& need) {
    Grads grads(2);
    if (need[0]) grads[0] = g;
    // dz / dlogvar = exp(logvar / 2) eps / 2.
    if (need[1]) grads[1] = kernels::scale(kernels::mul(g, N()), 0.5);
    return grads;
  });
}

DrawnCode reparameterize_kl(const Tensor& mu, const Tensor& logvar, Generator* generator) {
  const char* op = "reparameterize_kl";
  const ops::CalledOp called(op);
  ops::check_floating_pair(op, mu, logvar);
  ops::check_shape(op, "logvar", mu.shape(), logvar.shape());
  auto [z, noise, kl] =
      kernels::reparameterize_kl(mu.array(), logvar.array(), ops::choose_generator("randn", generator, mu.device()));
  std::vector<Tensor> out = record_many(
      op, std::array{mu, logvar}, {std::move(z), std::move(kl)},
      [M = save(mu), V = save(logvar), N = save(noise)](std::span<const Array> gs, const Needs& need) {
        const auto [gmu, glogvar] = kernels::reparameterize_kl_grad(M(), V(), N(), gs[0], gs[1], {need[0], need[1]});
        return Grads{gmu, glogvar};
      });
  return {out[0], out[1]};
}

}  // namespace elbo
