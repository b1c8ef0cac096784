// Random numbers on the GPU: the CPU's bits, from the same seed, stream and offset.
#include <elbo/core/functors.h>
#include <elbo/core/generator.h>
#include <elbo/core/ops.h>
#include <elbo/datasets/loader.h>
#include <elbo/datasets/transforms.h>

#include "against_cpu.h"

using namespace against_cpu;

namespace {

/// Some seed, stream and offset that use all of their bits.
constexpr std::uint64_t seed = 0xfedcba9876543210u;
constexpr std::uint32_t stream = 4321;
constexpr int64_t start = (int64_t{7} << 32) + 0x80000001;

RandomArgs args_at(const Twin& offset, Device device) {
  return {seed, stream, static_cast<int64_t*>(offset.view(device).data)};
}

/// float64 takes the platform's sin, cos and log.
void check_close(const Array& found, const Array& expected) {
  const std::vector<double> x = found.to_vector<double>(), y = expected.to_vector<double>();
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::fabs(x[i] - y[i]));
  CHECK(worst <= 1e-14);
}

void check_random(RandomKind kind, DType dtype, int64_t n, int64_t shift, double p) {
  INFO("kind " << static_cast<int>(kind) << ", " << name(dtype) << ", " << n << " elements, shifted " << shift << ", p "
               << p);
  const Twin offset(std::vector<int64_t>{start}, {}), out = Twin::unwritten(dtype, {n}, shift);
  on_both([&](Backend& backend, Device device) {
    return backend.random(kind, out.view(device), args_at(offset, device), p);
  });
  if (dtype == DType::float64 && kind == RandomKind::normal)
    check_close(out.array(gpu), out.array(cpu));
  else
    out.check();
  CHECK(offset.array(gpu).item() == static_cast<double>(start + 1));
  offset.check();
}

}  // namespace

TEST_CASE("random numbers on the GPU: the CPU's bits", "[cuda][random]") {
  for (RandomKind kind : {RandomKind::uniform, RandomKind::normal, RandomKind::bernoulli})
    for (DType dtype : {DType::float32, DType::float64})
      for (int64_t n : sizes)
        for (int64_t shift : {0, 1}) check_random(kind, dtype, n, shift, 0.5);
  for (double p : {0.0, 0.1, 1.0}) check_random(RandomKind::bernoulli, DType::float32, 1000, 0, p);
}

TEST_CASE("random numbers on the GPU: a generator goes on, and starts again", "[cuda][random]") {
  Generator on_gpu(9, Stream::noise, gpu), on_cpu(9, Stream::noise);
  for (int call = 0; call < 3; ++call) {
    INFO("call " << call);
    const Array found = kernels::random(RandomKind::uniform, {33, 7}, DType::float32, on_gpu);
    const Array expected = kernels::random(RandomKind::uniform, {33, 7}, DType::float32, on_cpu);
    same(found, expected);
    CHECK(on_gpu.offset().item() == call + 1);
  }
  on_gpu.manual_seed(9), on_cpu.manual_seed(9);
  same(kernels::random(RandomKind::normal, {5}, DType::float32, on_gpu),
       kernels::random(RandomKind::normal, {5}, DType::float32, on_cpu));
  // Nothing drawn is a call as well.
  kernels::random(RandomKind::normal, {0}, DType::float32, on_gpu);
  CHECK(on_gpu.offset().item() == 2);
}

namespace {

template <class T>
void check_reparameterize(int64_t n, int64_t shift) {
  INFO(name(dtype_of<T>) << ", " << n << " elements, shifted " << shift);
  const Twin mu(values<T>(n, -3, 3), {n}), logvar(values<T>(n, -6, 3, 2), {n}, shift);
  const Twin offset(std::vector<int64_t>{start}, {});
  const Twin z = Twin::unwritten(dtype_of<T>, {n}, shift), noise = Twin::unwritten(dtype_of<T>, {n}, shift);
  on_both([&](Backend& backend, Device device) {
    return backend.reparameterize(z.view(device), noise.view(device), mu.view(device), logvar.view(device),
                                  args_at(offset, device));
  });
  if constexpr (std::is_same_v<T, float>) {
    z.check();
    noise.check();
  } else {
    // Noise is up to exp(1.5) times a number within 1e-14.
    const std::vector<double> x = z.array(gpu).template to_vector<double>(),
                              y = z.array(cpu).template to_vector<double>();
    for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(std::fabs(x[i] - y[i]) <= 1e-13);
  }
  CHECK(offset.array(gpu).item() == static_cast<double>(start + 1));
}

}  // namespace

TEST_CASE("reparameterize on the GPU: the CPU's bits", "[cuda][random]") {
  if (!cpu_has_fma()) return;
  for (int64_t n : sizes)
    for (int64_t shift : {0, 1}) {
      check_reparameterize<float>(n, shift);
      check_reparameterize<double>(n, shift);
    }
}

TEST_CASE("reparameterize on the GPU: the bits of the ops of its formula", "[cuda][random]") {
  const Shape shape{100, 20};
  const Array mu = Array::from(values<float>(2000, -3, 3), shape, gpu);
  const Array logvar = Array::from(values<float>(2000, -6, 3, 2), shape, gpu);
  Generator a(3, Stream::noise, gpu), b(3, Stream::noise, gpu);
  const kernels::Reparameterized found = kernels::reparameterize(mu, logvar, a);
  const Array eps = kernels::random(RandomKind::normal, shape, DType::float32, b);
  const Array noise = kernels::mul(kernels::unary(UnaryOp::exp, kernels::scale(logvar, 0.5)), eps);
  same(found.noise, noise);
  same(found.z, kernels::add(mu, noise));
}

TEST_CASE("multinomial on the GPU: the CPU's draws, and what it refuses", "[cuda][random]") {
  const Tensor weights = tensor({{1, 0, 2, 1}, {0, 5, 5, 0}}), on_gpu = weights.to(gpu);
  for (bool replacement : {false, true}) {
    Generator here(7), there(7, Stream::user, gpu);
    same(multinomial(on_gpu, 2, replacement, &there).array(), multinomial(weights, 2, replacement, &here).array());
  }
  CHECK_THROWS_AS(multinomial(on_gpu, 3).to(cpu), ValueError);
  CHECK_THROWS_AS(multinomial(-on_gpu, 1).to(cpu), ValueError);
}

TEST_CASE("batches on the GPU: the CPU's, what transforms draw too", "[cuda][random]") {
  namespace tf = datasets::transforms;
  const Array pictures = Array::from(values<float>(7 * 24, 0, 255), {7, 2, 3, 4}), labels = Array::zeros({7});
  const datasets::BatchOptions options{.batch_size = 3,
                                       .seed = 5,
                                       .transforms = {tf::random_crop({3, 2}, 1), tf::random_horizontal_flip(),
                                                      tf::scale(1.0 / 255), tf::gaussian_noise(0.1)}};
  datasets::Batches on_cpu({pictures, labels}, options), on_gpu({pictures.to(gpu), labels.to(gpu)}, options);
  on_cpu.begin_epoch(2), on_gpu.begin_epoch(2);
  while (const auto expected = on_cpu.next()) {
    const auto found = on_gpu.next();
    same(found->arrays[0], expected->arrays[0]);
    same(found->indices, expected->indices);
    CHECK(found->arrays[1].device() == gpu);
  }
}

TEST_CASE("random numbers on the GPU: one launch a call", "[cuda][random]") {
  Generator generator(1, Stream::noise, gpu);
  const Array mu = Array::zeros({500, 20}, {DType::float32, gpu});
  one_launch([&] { kernels::random(RandomKind::normal, {1000, 1000}, DType::float32, generator); });
  one_launch([&] { kernels::reparameterize(mu, mu, generator); });
}
