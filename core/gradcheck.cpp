#include "gradcheck.h"

#include <cmath>

#include "autograd.h"
#include "kernels.h"

namespace elbo {
namespace {

/// What the leaves' gradients hold before the check: a rule or a kernel that assigns where it should add is found out.
constexpr double known_start = 0.75;

/// One element of an input, moved for as long as this lives.
class Moved {
 public:
  Moved(Tensor& input, std::size_t index, double by)
      : input_(input), index_(index), before_(input.array().values<double>()[index]) {
    input_.mutable_array().mutable_values<double>()[index_] = before_ + by;
    // The step as it was taken, after rounding.
    step_ = input_.array().values<double>()[index_] - before_;
  }
  ~Moved() { input_.mutable_array().mutable_values<double>()[index_] = before_; }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;
  double step() const { return step_; }

 private:
  Tensor& input_;
  std::size_t index_;
  double before_, step_ = 0;
};

/// The leaves' own gradients, put aside for as long as this lives.
class GradsPutAside {
 public:
  explicit GradsPutAside(std::span<const Tensor> inputs) : inputs_(inputs.begin(), inputs.end()) {
    for (const Tensor& input : inputs_) before_.push_back(detail::gradient_of(input));
    for (const Tensor& input : inputs_)
      if (input.requires_grad()) input.node()->grad = Array::full(input.shape(), known_start, input.array().options());
  }
  ~GradsPutAside() {
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (inputs_[i].requires_grad()) inputs_[i].node()->grad = before_[i];
  }
  GradsPutAside(const GradsPutAside&) = delete;
  GradsPutAside& operator=(const GradsPutAside&) = delete;

 private:
  std::vector<Tensor> inputs_;
  std::vector<Array> before_;
};

class Check {
 public:
  Check(const std::function<Tensor(std::span<const Tensor>)>& fn, std::span<const Tensor> inputs,
        const GradcheckOptions& options)
      : fn_(fn), inputs_(inputs), options_(options) {}

  GradcheckResult run() {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i].requires_grad()) continue;
      ELBO_CHECK(inputs_[i].dtype() == DType::float64, DTypeError, "[gradcheck] expected inputs of float64, found ",
                 inputs_[i].dtype(), " for input ", i);
      ELBO_CHECK(inputs_[i].is_leaf(), AutogradError, "[gradcheck] expected leaves, found a computed tensor for input ",
                 i);
    }
    GradsPutAside put_aside(inputs_);
    Tensor y = fn_(inputs_);
    ELBO_CHECK(y.dtype() == DType::float64, DTypeError, "[gradcheck] expected an output of float64, found ", y.dtype());
    if (!y.requires_grad()) return {false, "the output depends on no input that requires a gradient"};
    // A generator of its own, so that the check neither moves nor depends on the default one.
    Generator generator(20240229);
    g_ = kernels::random(RandomKind::normal, y.shape(), DType::float64, generator);
    y.backward(g_);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i].requires_grad()) continue;
      GradcheckResult result = check_input(i);
      if (!result) return result;
    }
    return {};
  }

 private:
  GradcheckResult check_input(std::size_t i) {
    Tensor input = inputs_[i];
    std::span<const double> grads = detail::gradient_of(input).values<double>();
    for (std::size_t k = 0; k < grads.size(); ++k) {
      double rule = grads[k] - known_start, numeric = derivative(input, k);
      // NaN is never close.
      if (std::fabs(rule - numeric) <= options_.atol + options_.rtol * std::fabs(numeric)) continue;
      return {false, detail::concat("input ", i, " of shape ", input.shape(), ", element ", k,
                                    ": the gradient rule gives ", rule, ", finite differences give ", numeric)};
    }
    return {};
  }

  /// d sum(y g) / d input[k], by central differences.
  double derivative(Tensor& input, std::size_t k) const {
    double up = 0, down = 0;
    Array after = evaluate(input, k, options_.eps, up), before = evaluate(input, k, -options_.eps, down);
    auto y1 = after.values<double>(), y0 = before.values<double>(), g = g_.values<double>();
    double sum = 0;
    for (std::size_t j = 0; j < g.size(); ++j) sum += (y1[j] - y0[j]) * g[j];
    return sum / (up - down);
  }

  Array evaluate(Tensor& input, std::size_t k, double by, double& step) const {
    NoGradGuard no_grad;
    Moved moved(input, k, by);
    step = moved.step();
    Array y = fn_(inputs_).array();
    ELBO_CHECK(y.shape() == g_.shape(), ShapeError, "[gradcheck] the output's shape changed from ", g_.shape(), " to ",
               y.shape());
    // A view of the input would change with it.
    return y.copy();
  }

  const std::function<Tensor(std::span<const Tensor>)>& fn_;
  std::span<const Tensor> inputs_;
  GradcheckOptions options_;
  Array g_;
};

}  // namespace

GradcheckResult gradcheck(const std::function<Tensor(std::span<const Tensor>)>& fn, std::span<const Tensor> inputs,
                          const GradcheckOptions& options) {
  return Check(fn, inputs, options).run();
}

GradcheckResult gradcheck(const std::function<Tensor(std::span<const Tensor>)>& fn,
                          std::initializer_list<Tensor> inputs, const GradcheckOptions& options) {
  return gradcheck(fn, std::span(inputs.begin(), inputs.size()), options);
}

}  // namespace elbo
