// A small classifier whose last layer but one gives features of pictures.
#include <elbo/core/errors.h>
#include <elbo/core/kernels.h>
#include <elbo/core/ops.h>
#include <elbo/models/analysis/features.h>
#include <elbo/models/analysis/precision_recall.h>

#include <algorithm>

#include "catch.h"
#include "datasets_support.h"

using namespace elbo;
using namespace elbo::models;
using datasets::Dataset;
using std::int64_t;

namespace {

/// n pictures of 6 x 6 pixels: a bright bar, whose row pair is the class, on noise.
Dataset bars(int64_t n, std::uint32_t seed) {
  std::uint32_t state = seed;
  std::vector<std::uint8_t> pixels;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < n; ++i) {
    labels.push_back(i % 3);
    for (int64_t p = 0; p < 36; ++p) {
      state = state * 1664525u + 1013904223u;
      pixels.push_back(static_cast<std::uint8_t>((state >> 25) + (p / 12 == i % 3 ? 100 : 0)));
    }
  }
  return Dataset::from(Array::from(pixels, {n, 1, 6, 6}), Array::from(labels, {n}));
}

const FeatureNetOptions small = {.hidden = 16, .features = 8, .epochs = 8, .batch_size = 20, .lr = 1e-2};

}  // namespace

TEST_CASE("features: a network learns the classes, and its features tell good pictures from bad ones") {
  FeatureNet net = train_feature_net(bars(300, 1), small);
  const Dataset others = bars(300, 2);
  CHECK(net.accuracy(others) > 0.98);
  const Array real = net.features(others.pictures_array());
  CHECK(real.shape() == Shape{300, 8});
  const std::vector<float> values = real.to_vector<float>();
  CHECK(*std::min_element(values.begin(), values.end()) >= 0);
  CHECK(*std::max_element(values.begin(), values.end()) > 0);
  // Other pictures of the same kind; pictures of one class in three; plain grey.
  CHECK(precision_recall(real, net.features(bars(300, 3).pictures_array())).precision > 0.7);
  std::vector<int64_t> first;
  for (int64_t i = 0; i < 300; i += 3) first.push_back(i);
  const PrecisionRecall third = precision_recall(real, net.features(others.subset(first).pictures_array()));
  CHECK(third.precision == 1);
  CHECK(third.recall == Approx(1.0 / 3).margin(0.03));
  CHECK(precision_recall(real, net.features(Array::full({300, 1, 6, 6}, 90, {DType::uint8}))).precision == 0);
}

TEST_CASE("features: the same bits from the same seed, from bytes and from numbers, and for any batch") {
  const Dataset data = bars(60, 1);
  const Array pictures = data.pictures_array();
  FeatureNet net = train_feature_net(data, small), same = train_feature_net(data, small);
  const std::vector<float> found = net.features(pictures).to_vector<float>();
  CHECK(same.features(pictures).to_vector<float>() == found);
  // Hardly trained, so that all of the difference is the initial weights'.
  FeatureNetOptions still = small;
  still.lr = 1e-9;
  const Array before = train_feature_net(data, still).features(pictures);
  still.seed = 1;
  const Array other = train_feature_net(data, still).features(pictures);
  CHECK(max(abs(Tensor(before) - Tensor(other))).item() > 0.01);
  CHECK(net.features(pictures, 7).to_vector<float>() == found);
  CHECK(net.features(kernels::scale(kernels::cast(pictures, DType::float32), 1.0 / 255)).to_vector<float>() == found);
  CHECK(net.features(pictures.slice(0, 0)).shape() == Shape{0, 8});
  // Drawing it leaves the default generator where it was.
  Generator outer(3), untouched(3);
  const GeneratorScope scope(outer);
  train_feature_net(data, small);
  CHECK(outer.offset().item() == untouched.offset().item());
}

TEST_CASE("features: the logits are a layer on the features, and the network can be saved and loaded") {
  const Dataset data = bars(30, 1);
  FeatureNet net = train_feature_net(data, small);
  FeatureNet read({1, 6, 6}, 3, small);
  const NamedArrays state = net.state_dict();
  std::vector<std::string> names;
  for (const auto& [name, array] : state) names.push_back(name);
  CHECK(names == std::vector<std::string>{"hidden.weight", "hidden.bias", "features.weight", "features.bias",
                                          "classes.weight", "classes.bias"});
  read.load_state_dict(state);
  const Array features = read.features(data.pictures_array());
  CHECK(features.to_vector<float>() == net.features(data.pictures_array()).to_vector<float>());
  const Tensor x(kernels::scale(kernels::cast(data.pictures_array(), DType::float32), 1.0 / 255));
  const Tensor expected = linear(Tensor(features), Tensor(state[4].second), Tensor(state[5].second));
  CHECK(max(abs(net(x) - expected)).item() < 1e-5);
}

TEST_CASE("features: refusals") {
  FeatureNet net({1, 6, 6}, 3, small);
  CHECK(error_of<ShapeError>([&] {
          net.features(Array::zeros({2, 1, 6, 5}));
        }) == "[FeatureNet] expected pictures of [1, 6, 6] each, found [2, 1, 6, 5]");
  CHECK(error_of<DTypeError>([&] {
          net.features(Array::zeros({2, 1, 6, 6}, {DType::float64}));
        }) == "[FeatureNet] expected pictures of uint8 or float32, found float64");
  CHECK(error_of<DTypeError>([&] { net.features({}); }) ==
        "[FeatureNet] expected pictures of uint8 or float32, found nothing");
  CHECK(error_of<ValueError>([&] {
          net.features(Array::zeros({2, 1, 6, 6}), 0);
        }) == "batch size: expected at least 1, found 0");
  CHECK(error_of<ShapeError>([&] {
          net(ones({2, 36}));
        }) == "[FeatureNet] expected pictures of [1, 6, 6] each, found [2, 36]");
  CHECK(error_of<ShapeError>([] { FeatureNet({36}, 3); }) ==
        "[FeatureNet] expected a picture [channels, height, width], found [36]");
  const Dataset unlabelled = Dataset::from(Array::zeros({4, 1, 6, 6}, {DType::uint8}));
  CHECK(error_of<ValueError>([&] { train_feature_net(unlabelled); }) ==
        "[FeatureNet] expected a label for each of 4 pictures, at least one, found 0");
  CHECK(error_of<ValueError>([&] { net.accuracy(unlabelled); }) ==
        "[FeatureNet] expected a label for each of 4 pictures, at least one, found 0");
  const Dataset one = Dataset::from(unlabelled.features, Array::zeros({4}, {DType::int64}));
  CHECK(error_of<ValueError>([&] { train_feature_net(one); }) ==
        "[train_feature_net] expected at least 2 classes, found 1");
  CHECK(error_of<DTypeError>([] {
          train_feature_net(Dataset::from(Array::zeros({4, 3})));
        }) == "[FeatureNet] expected pictures, uint8 [count, channels, height, width], found float32 [4, 3]");
  CHECK(error_of<ValueError>([] { train_feature_net(bars(6, 1), {.epochs = 0}); }) ==
        "[train_feature_net] epochs: expected at least 1, found 0");
}
