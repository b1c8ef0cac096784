// A plugin of somebody else's program with a static libelbo inside: tests/consumer/check looks at what it exports.
#include <elbo/elbo.h>

namespace {

struct Square : elbo::nn::Layer {
  elbo::Tensor forward(const elbo::Tensor& x) override { return elbo::square(x); }
};

}  // namespace

extern "C" [[gnu::visibility("default")]] double plugin_entry(double x) try {
  Square square;
  return elbo::sum(square(elbo::tensor({x}))).item();
} catch (const elbo::Error&) {
  return -1;
}
