#include "features.h"

#include <algorithm>
#include <functional>

#include "../../core/kernels.h"
#include "../../core/ops.h"
#include "../../datasets/loader.h"
#include "../../nn/optim.h"

namespace elbo::models {
namespace {

std::int64_t pixels_of(const Shape& picture) {
  ELBO_CHECK(picture.rank() == 3 && picture.numel() > 0, ShapeError,
             "[FeatureNet] expected a picture [channels, height, width], found ", picture);
  return picture.numel();
}

void check_labelled(const datasets::Dataset& dataset) {
  dataset.check_pictures("FeatureNet");
  ELBO_CHECK(static_cast<std::int64_t>(dataset.labels.size()) == dataset.size() && dataset.size() > 0, ValueError,
             "[FeatureNet] expected a label for each of ", dataset.size(), " pictures, at least one, found ",
             dataset.labels.size());
}

}  // namespace

FeatureNet::FeatureNet(const Shape& picture, std::int64_t classes, const FeatureNetOptions& options)
    : picture_(picture),
      hidden_(pixels_of(picture), options.hidden),
      features_(options.hidden, options.features),
      classes_(options.features, classes) {
  register_module("hidden", &FeatureNet::hidden_);
  register_module("features", &FeatureNet::features_);
  register_module("classes", &FeatureNet::classes_);
}

Tensor FeatureNet::penultimate(const Tensor& x) {
  const Tensor flat = reshape(x, {x.shape()[0], picture_.numel()});
  return features_.forward(hidden_.forward(flat, Activation::relu), Activation::relu);
}

Tensor FeatureNet::forward(const Tensor& x) {
  ELBO_CHECK(x.shape().rank() == 4 && x.shape().without(0) == picture_, ShapeError,
             "[FeatureNet] expected pictures of ", picture_, " each, found ", x.shape());
  return classes_(penultimate(x));
}

void FeatureNet::for_batches(const Array& pictures, std::int64_t batch_size,
                             const std::function<void(const Tensor& x)>& on_batch) {
  ELBO_CHECK(batch_size >= 1, ValueError, "batch size: expected at least 1, found ", batch_size);
  ELBO_CHECK(pictures.defined() && (pictures.dtype() == DType::uint8 || pictures.dtype() == DType::float32), DTypeError,
             "[FeatureNet] expected pictures of uint8 or float32, found ",
             pictures.defined() ? name(pictures.dtype()) : "nothing");
  ELBO_CHECK(pictures.shape().rank() == 4 && pictures.shape().without(0) == picture_, ShapeError,
             "[FeatureNet] expected pictures of ", picture_, " each, found ", pictures.shape());
  NoGradGuard no_grad;
  const Device device = hidden_.weight.device();
  for (std::int64_t begin = 0; begin < pictures.shape()[0]; begin += batch_size) {
    const Array some = pictures.slice(begin, std::min(begin + batch_size, pictures.shape()[0])).to(device);
    const bool bytes = some.dtype() == DType::uint8;
    on_batch(Tensor(bytes ? kernels::scale(kernels::cast(some, DType::float32), 1.0 / 255) : some));
  }
}

Array FeatureNet::features(const Array& pictures, std::int64_t batch_size) {
  std::vector<Array> parts;
  for_batches(pictures, batch_size, [&](const Tensor& x) { parts.push_back(penultimate(x).array().to(cpu)); });
  return parts.empty() ? Array::zeros({0, features_.out_features}) : kernels::concatenate(parts, 0);
}

double FeatureNet::accuracy(const datasets::Dataset& dataset, std::int64_t batch_size) {
  check_labelled(dataset);
  std::int64_t right = 0;
  std::size_t at = 0;
  for_batches(dataset.pictures_array(), batch_size, [&](const Tensor& x) {
    for (const std::int64_t found : argmax(forward(x), 1).array().to_vector<std::int64_t>())
      right += found == dataset.labels[at++];
  });
  return static_cast<double>(right) / static_cast<double>(dataset.size());
}

FeatureNet train_feature_net(const datasets::Dataset& dataset, const FeatureNetOptions& options) {
  check_labelled(dataset);
  ELBO_CHECK(dataset.classes() >= 2, ValueError, "[train_feature_net] expected at least 2 classes, found ",
             dataset.classes());
  ELBO_CHECK(options.epochs >= 1, ValueError, "[train_feature_net] epochs: expected at least 1, found ",
             options.epochs);
  Generator init(options.seed, Stream::init);
  const GeneratorScope scope(init);
  FeatureNet net(dataset.shape().without(0), dataset.classes(), options);
  nn::Adam optimizer(net.parameters(), {.lr = options.lr});
  std::int64_t passed = 0;
  datasets::Batches batches(dataset, {.batch_size = options.batch_size, .seed = options.seed});
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    batches.begin_epoch(epoch);
    while (const auto batch = batches.next()) {
      optimizer.zero_grad();
      cross_entropy(net(Tensor(batch->pictures)), Tensor(batch->labels)).backward();
      optimizer.step();
      passed += batch->pictures.shape()[0];
      if (options.on_batch) options.on_batch(passed);
    }
  }
  return net;
}

}  // namespace elbo::models
