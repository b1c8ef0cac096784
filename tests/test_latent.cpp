#include <elbo/models/analysis/codes.h>
#include <elbo/models/latent_model.h>

#include <cmath>

#include "catch.h"
#include "small_data.h"

using namespace elbo;
using namespace elbo::models;

namespace {

std::unique_ptr<Model> small(const char* kind = "vae") {
  ModelConfig config{.model = kind, .picture = {1, 8, 8}, .hidden = {16}, .latent = 3};
  if (config.model == "cvae") config.classes = 2;
  Generator init(5, Stream::init);
  return make(config, &init);
}

}  // namespace

TEST_CASE("codes of a dataset come in its order, whatever the batches") {
  datasets::Dataset data = bars(23, 8);
  for (const char* kind : {"vae", "cvae", "ae"}) {
    auto model = small(kind);
    Array codes = encode_means(*model, data, 5);
    CHECK(codes.shape() == Shape{23, 3});
    std::vector<std::int64_t> one{17};
    const Tensor x = input_pictures(*model, data, one), y = input_labels(*model, data, one);
    auto alone = as_latent(*model).encode(x, y).mu.array();
    CHECK(model->code(x, y).array().to_vector<float>() == alone.to_vector<float>());
    std::vector<float> expected = alone.to_vector<float>(), row = codes.slice(17, 18).to_vector<float>();
    for (std::size_t i = 0; i < 3; ++i) CHECK(row[i] == Approx(expected[i]).epsilon(1e-5).margin(1e-6));
  }
}

TEST_CASE("a prediction tells its KL for the batch and for each picture, whichever it was made for") {
  auto model = small();
  LatentModel& vae = as_latent(*model);
  const datasets::Dataset data = bars(5, 8);
  const Tensor x = input_pictures(*model, data, std::vector<std::int64_t>{0, 1, 2, 3, 4});
  const StepInput whole{.x = x}, each{.x = x, .per_picture = true};
  for (const StepInput& in : {whole, each}) {
    const Prediction p = vae.forward(in);
    const Tensor all = vae.kl(p, whole), one = vae.kl(p, each);
    CHECK(all.shape() == Shape{});
    CHECK(one.shape() == Shape{5});
    CHECK(sum(one).item() == Approx(all.item()));
  }
}

TEST_CASE("decoded pictures are shown between 0 and 1, whatever the pixels' range") {
  ModelConfig config{.model = "vae", .picture = {1, 8, 8}, .hidden = {16}, .latent = 3};
  config.likelihood = "gaussian";
  config.pixels = {-1, 1};
  config.allow_range_mismatch = true;
  auto model = make(config);
  datasets::Dataset data = bars(7, 8);
  std::vector<std::int64_t> some{2, 5};
  Tensor x = input_pictures(*model, data, some);
  CHECK(min(x).item() < -0.8);
  std::vector<float> shown = shown_pictures(*model, x).to_vector<float>();
  for (std::size_t i = 0; i < 64; ++i) CHECK(shown[i] == Approx(data.picture(2)[i] / 255.0).margin(1e-6));
  // sigmoid(logits) = p lies at (p + 1) / 2 of the range from -1 to 1.
  Tensor z = zeros({3, 3});
  float p = model->mean(as_latent(*model).decode(z)).array().to_vector<float>()[5];
  CHECK(decode_pictures(*model, z, {}, 2).to_vector<float>()[5] == Approx((p + 1) / 2));
}

TEST_CASE("codes leave the model in the mode it was in, and ask for labels where it takes some") {
  datasets::Dataset data = bars(9, 8);
  auto model = small("cvae");
  CHECK(model->device() == cpu);
  for (bool training : {true, false}) {
    model->train(training);
    encode_means(*model, data);
    CHECK(model->is_training() == training);
  }
  model->train();
  data.labels.clear();
  CHECK_THROWS_WITH(encode_means(*model, data), "the model cvae takes labels, found none in bars");
  CHECK(model->is_training());
  std::vector<std::int64_t> outside{9};
  CHECK_THROWS_AS(input_pictures(*model, data, outside), IndexError);
  for (const std::int64_t label : {-1, 2})
    CHECK_THROWS_WITH(same_label(*model, label, 3), Catch::Contains("[same_label] expected a label from 0 to 1"));
}

TEST_CASE("an autoencoder's codes are drawn from a Gaussian fitted to them") {
  datasets::Dataset data = bars(200, 8);
  auto model = small("ae");
  std::vector<float> codes = encode_means(*model, data).to_vector<float>();
  double mean = 0, squares = 0;
  for (std::size_t i = 1; i < codes.size(); i += 3) mean += codes[i] / 200.0;
  for (std::size_t i = 1; i < codes.size(); i += 3) squares += (codes[i] - mean) * (codes[i] - mean) / 200.0;
  CodeDistribution fitted = fit_codes(*model, data);
  CHECK(fitted.mean[1] == Approx(mean));
  CHECK(fitted.std[1] == Approx(std::sqrt(squares)));
  Generator generator(1, Stream::pictures);
  std::vector<float> drawn = draw_codes({{2, -3}, {0.5, 4}}, 20000, generator, 0.5).array().to_vector<float>();
  double sum[2] = {}, square[2] = {};
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    sum[i % 2] += drawn[i] / 20000;
    square[i % 2] += static_cast<double>(drawn[i]) * drawn[i] / 20000;
  }
  CHECK(sum[0] == Approx(2).margin(0.01));
  CHECK(sum[1] == Approx(-3).margin(0.07));
  CHECK(std::sqrt(square[0] - sum[0] * sum[0]) == Approx(0.25).epsilon(0.03));
  CHECK(std::sqrt(square[1] - sum[1] * sum[1]) == Approx(2).epsilon(0.03));
  CHECK_THROWS_AS(draw_codes({{2}, {1}}, 1, generator, -1), ValueError);
}

TEST_CASE("interpolations are straight lines, row by row, ends included") {
  Tensor a(Array::from(std::vector<float>{0, 0, 1, 1}, {2, 2})),
      b(Array::from(std::vector<float>{4, 8, 1, -1}, {2, 2}));
  Tensor z = interpolate_codes(a, b, 5);
  CHECK(z.array().to_vector<float>() ==
        std::vector<float>{0, 0, 1, 2, 2, 4, 3, 6, 4, 8, 1, 1, 1, 0.5, 1, 0, 1, -0.5, 1, -1});
  CHECK_THROWS_AS(interpolate_codes(a, zeros({3, 2}), 5), ShapeError);
  CHECK_THROWS_AS(interpolate_codes(a, b, 1), ValueError);
}

TEST_CASE("traversals move one dimension at a time") {
  Tensor z(Array::from(std::vector<float>{1, 2, 3}, {1, 3}));
  std::vector<std::int64_t> dims{0, 2};
  std::vector<double> values{-1, 5};
  CHECK(traverse_codes(z, dims, values).array().to_vector<float>() ==
        std::vector<float>{-1, 2, 3, 5, 2, 3, 1, 2, -1, 1, 2, 5});
  dims = {3};
  CHECK_THROWS_WITH(traverse_codes(z, dims, values),
                    "latent dimension 3 does not exist: the model has 3, counted from 0");
  CHECK(evenly_spaced(128, 10) == std::vector<std::int64_t>{0, 14, 28, 42, 56, 70, 84, 98, 112, 127});
  CHECK(evenly_spaced(3, 10) == std::vector<std::int64_t>{0, 1, 2});
  CHECK(models::evenly_spaced(-3, 3, 4) == std::vector<double>{-3, -1, 1, 3});
}

TEST_CASE("a manifold's first dimension grows to the right, its second upwards") {
  CHECK(manifold_codes(2, -1, 1).array().to_vector<float>() == std::vector<float>{-1, 1, 1, 1, -1, -1, 1, -1});
}
