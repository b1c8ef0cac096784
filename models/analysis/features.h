#pragma once
#include <cstdint>
#include <functional>

#include "../../core/api.h"
#include "../../datasets/dataset.h"
#include "../../nn/layers.h"

namespace ELBO_API elbo {
namespace models {

struct FeatureNetOptions {
  std::int64_t hidden = 256;   ///< of the first layer
  std::int64_t features = 64;  ///< of the second, whose output they are
  std::int64_t epochs = 5;
  std::int64_t batch_size = 128;
  double lr = 1e-3;  ///< Adam's
  std::uint64_t seed = 0;
  std::function<void(std::int64_t pictures)> on_batch = {};  ///< so many have passed, in all epochs together
};

/// A small classifier of pictures, pixels -> hidden -> features -> classes with ReLU between the layers, for the
/// features of its last layer but one: what precision_recall() compares. It is no Inception network, and its numbers
/// are not those of papers: compare only numbers of the same network, trained on the same pictures from the same seed,
/// or saved (state_dict) and loaded.
class FeatureNet : public nn::Module {
 public:
  /// With weights from the default generator. picture: [channels, height, width]. Throws ShapeError, ValueError for
  /// sizes that make no sense.
  FeatureNet(const Shape& picture, std::int64_t classes, const FeatureNetOptions& options = {});

  /// The logits [n, classes] of pictures x [n, channels, height, width], floating, with pixels in [0, 1].
  Tensor forward(const Tensor& x);
  Tensor operator()(const Tensor& x) { return forward(x); }
  /// The features of pictures [n, channels, height, width], uint8 (divided by 255) or float32 with pixels in [0, 1], on
  /// any device: float32 [n, features] on the host, each at least 0. In batches, so that n may be large. Throws
  /// DTypeError and ShapeError.
  Array features(const Array& pictures, std::int64_t batch_size = 500);
  /// The share of a dataset's pictures whose label has the largest logit. Throws DTypeError and ShapeError for other
  /// pictures, ValueError for none, or without labels.
  double accuracy(const datasets::Dataset& dataset, std::int64_t batch_size = 500);

  const Shape& picture() const { return picture_; }

 private:
  Tensor penultimate(const Tensor& x);
  void for_batches(const Array& pictures, std::int64_t batch_size,
                   const std::function<void(const Tensor& x)>& on_batch);

  Shape picture_;
  nn::Linear hidden_, features_, classes_;
};

/// Trains such a network on the pictures and labels of a dataset, on the CPU, with cross-entropy and Adam. The same
/// bits for the same dataset and options. Throws DTypeError for what are no pictures, ValueError without labels, with
/// fewer than two classes, or for options that make no sense.
///
///     FeatureNet net = train_feature_net(train, {.seed = 1});
///     PrecisionRecall measured = precision_recall(net.features(test.pictures_array()), net.features(drawn));
FeatureNet train_feature_net(const datasets::Dataset& dataset, const FeatureNetOptions& options = {});

}  // namespace models
}  // namespace elbo
