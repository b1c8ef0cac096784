// usage: numbers RUN: the same as numbers.c, by the C++ interface.
#include <elbo/elbo.h>

#include <cstdio>

using namespace elbo;

namespace {

void print(const char* what, const std::vector<float>& numbers, std::size_t n) {
  std::printf("%s", what);
  for (std::size_t i = 0; i < n; ++i) std::printf(" %.9g", static_cast<double>(numbers[i]));
  std::printf("\n");
}

}  // namespace

int main(int, char** argv) {
  const NoGradGuard no_grad;
  const auto model = models::load(argv[1]);
  const Shape picture = model->config().picture, shape = picture.insert(0, 3);
  std::vector<float> pictures;
  for (std::size_t i = 0; i < static_cast<std::size_t>(shape.numel()); ++i)
    pictures.push_back(static_cast<float>(i * 37 % 251) / 250.0f);
  const Tensor x(Array::from(pictures, shape));

  std::printf("sizes %d %d %d %d\n", int(picture[0]), int(picture[1]), int(picture[2]), int(model->config().latent));
  const models::Encoded q = models::as_latent(*model).encode(x);
  const auto codes = static_cast<std::size_t>(q.mu.numel());
  print("mean", q.mu.array().to_vector<float>(), codes);
  print("logvar", q.logvar.array().to_vector<float>(), codes);
  print("decoded", models::decode_pictures(*model, q.mu).to_vector<float>(), 20);
  print("reconstructed", model->reconstruct(x).array().to_vector<float>(), 20);

  std::vector<double> sum(3);
  for (std::uint64_t seed : {3, 4}) {
    Generator noise(seed, Stream::validation);
    const models::Terms terms = model->elbo({.x = x, .noise = &noise, .per_picture = true});
    const auto reconstruction = terms.find("reconstruction")->nats.array().to_vector<float>();
    const auto kl = terms.find("kl")->nats.array().to_vector<float>();
    for (std::size_t i = 0; i < 3; ++i) sum[i] += static_cast<double>(reconstruction[i]) + static_cast<double>(kl[i]);
  }
  std::vector<float> scores;
  for (double each : sum) scores.push_back(static_cast<float>(each / 2));
  print("scores", scores, 3);
  Generator generator(9, Stream::pictures);
  print("samples", model->sample(3, {}, &generator).array().to_vector<float>(), 20);
}
