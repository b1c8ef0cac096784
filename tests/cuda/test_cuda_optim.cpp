// Optimiser steps on the GPU: the CPU's bits, in float32 and float64.
#include <elbo/core/optimizer_math.h>

#include "against_cpu.h"

using namespace against_cpu;

namespace {

/// A parameter with its gradient and buffers, on both devices.
struct Parameter {
  Twin param, grad, first, second;
  int64_t count;
  bool has_grad, has_buffer;  // Adam has its buffers always

  OptimizerSlot slot(Device device, bool adam) const {
    const auto data = [&](const Twin& twin, bool there) { return there ? twin.view(device).data : nullptr; };
    return {data(param, true), data(grad, has_grad), data(first, adam || has_buffer), data(second, adam), count,
            param.dtype()};
  }
};

template <class T>
Parameter parameter(int64_t count, int64_t shift, bool has_grad, bool has_buffer, unsigned seed) {
  const Shape shape{count};
  return {Twin(values<T>(count, -1, 1, seed), shape, shift),
          Twin(values<T>(count, -0.1, 0.1, seed + 1), shape, shift),
          Twin(values<T>(count, -0.1, 0.1, seed + 2), shape),
          Twin(values<T>(count, 0, 0.01, seed + 3), shape),
          count,
          has_grad,
          has_buffer};
}

/// More than one launch takes: of both types, of all sizes, some aligned and some not, some without gradient or buffer.
std::vector<Parameter> parameters(int how_many) {
  std::vector<Parameter> all;
  for (int i = 0; i < how_many; ++i) {
    const auto seed = static_cast<unsigned>(10 * i);
    const int64_t count = i == how_many / 2 ? 100003 : sizes[static_cast<std::size_t>(i) % (sizes.size() - 1)];
    const int64_t shift = i % 3 == 1 ? 1 : 0;
    const bool has_grad = i % 7 != 3, has_buffer = i % 4 != 2;
    all.push_back(i % 5 == 4 ? parameter<double>(count, shift, has_grad, has_buffer, seed)
                             : parameter<float>(count, shift, has_grad, has_buffer, seed));
  }
  return all;
}

std::vector<OptimizerSlot> slots_of(const std::vector<Parameter>& parameters, Device device, bool adam) {
  std::vector<OptimizerSlot> slots;
  for (const Parameter& p : parameters) slots.push_back(p.slot(device, adam));
  return slots;
}

void check(const std::vector<Parameter>& parameters) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    INFO("parameter " << i << " of " << parameters.size());
    parameters[i].param.check();
    parameters[i].grad.check();
    parameters[i].first.check();
    parameters[i].second.check();
  }
}

const std::vector<int> counts = {0, 1, 5, 72, 73, 200};

}  // namespace

TEST_CASE("SGD on the GPU: the CPU's bits", "[cuda][optim]") {
  for (int how_many : counts)
    for (const SgdArgs& args : {SgdArgs{0, 0}, SgdArgs{0.9, 0.01}}) {
      INFO(how_many << " parameters, momentum " << args.momentum);
      const std::vector<Parameter> all = parameters(how_many);
      const Twin lr(std::vector<double>{0.05}, {});
      for (int step = 0; step < 2; ++step) {
        on_both([&](Backend& backend, Device device) {
          return backend.sgd(slots_of(all, device, false), args, static_cast<const double*>(lr.view(device).data));
        });
        check(all);
      }
    }
}

TEST_CASE("Adam and AdamW on the GPU: the CPU's bits, and each step counted once", "[cuda][optim]") {
  for (int how_many : counts)
    for (const AdamArgs& args : {AdamArgs{0.9, 0.999, 1e-8, 0, false}, AdamArgs{0.8, 0.99, 1e-6, 0.01, false},
                                 AdamArgs{0.9, 0.999, 1e-8, 0.01, true}})
      for (int64_t before : {int64_t{0}, int64_t{12344}, int64_t{1} << 33}) {
        if (before > 0 && how_many != 5) continue;
        INFO(how_many << " parameters, beta1 " << args.beta1 << ", " << before << " steps before");
        const std::vector<Parameter> all = parameters(how_many);
        const Twin lr(std::vector<double>{1e-3}, {}), steps(std::vector<int64_t>{before}, {});
        const Twin scales(std::vector<std::uint8_t>(sizeof(AdamScales)), {sizeof(AdamScales)});
        for (int64_t step = 1; step <= 2; ++step) {
          on_both([&](Backend& backend, Device device) {
            const Errand next{.kind = Errand::Kind::adam_step,
                              .to = scales.view(device).data,
                              .from = lr.view(device).data,
                              .step = static_cast<int64_t*>(steps.view(device).data),
                              .adam = args};
            ok(backend.run_errands({&next, 1}));
            return backend.adam(slots_of(all, device, true), static_cast<AdamScales*>(scales.view(device).data), {});
          });
          scales.check();
          CHECK(steps.array(gpu).to_vector<int64_t>()[0] == before + step);
          CHECK(steps.array(cpu).to_vector<int64_t>()[0] == before + step);
          check(all);
        }
      }
}

TEST_CASE("powers of Adam's bias correction", "[cuda][optim]") {
  for (double base : {0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0})
    for (int64_t n : {0, 1, 2, 3, 7, 100, 1023, 12345, 1000000}) {
      const double exact = static_cast<double>(powl(base, static_cast<long double>(n)));
      INFO(base << " to the power of " << n);
      // What is left of 1 is what counts: squaring doubles the relative error, while the power shrinks.
      CHECK(std::fabs(optimizer::power(base, n) - exact) <= 1e-12);
      if (n < 3) CHECK(optimizer::power(base, n) == exact);
    }
}

TEST_CASE("optimisers on the GPU: as few launches as the slots need", "[cuda][optim]") {
  const Twin lr(std::vector<double>{1e-3}, {});
  const Twin scales(std::vector<std::uint8_t>(sizeof(AdamScales)), {sizeof(AdamScales)});
  const auto* rate = static_cast<const double*>(lr.view(gpu).data);
  const auto* factors = static_cast<const AdamScales*>(scales.view(gpu).data);
  const auto run = [&](int how_many, long long expected) {
    std::vector<Parameter> all;
    for (int i = 0; i < how_many; ++i) all.push_back(parameter<float>(3000, 0, true, true, 1));
    const std::vector<OptimizerSlot> slots = slots_of(all, gpu, true);
    Backend& backend = elbo::backend(gpu);
    one_launch([&] { ok(backend.adam(slots, factors, {})); }, expected);
    one_launch([&] { ok(backend.sgd(slots, {0.9, 0}, rate)); }, expected);
  };
  run(1, 1);
  run(64, 1);
  run(100, 2);
}
