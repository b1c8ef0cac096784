#pragma once
#include <functional>
#include <memory>

#include "../core/api.h"
#include "layers.h"

/// Layers that published autoencoders are built of, each made of the layers in layers.h.
namespace ELBO_API elbo {
namespace nn {

/// y = h(x) sigmoid(g(x)), h and g Linear: x [..., in] -> [..., out] (Dauphin et al. 2017, equation 1; the dense layer
/// of Tomczak and Welling 2018).
class GatedLinear : public Layer {
 public:
  GatedLinear(std::int64_t in_features, std::int64_t out_features, const LinearOptions& options = {});
  Tensor forward(const Tensor& x) override;

  Linear h, g;
};

/// The same of convolutions: x [N, in, H, W] -> [N, out, OH, OW].
class GatedConv2d : public Layer {
 public:
  GatedConv2d(std::int64_t in_channels, std::int64_t out_channels, Size2 kernel_size, const ConvOptions& options = {});
  Tensor forward(const Tensor& x) override;

  Conv2d h, g;
};

/// What a ResidualBlock2d normalises by.
enum class BlockNorm { none, batch, group };

struct ResidualBlock2dOptions {
  BlockNorm norm = BlockNorm::batch;
  std::int64_t groups = 8;  ///< of GroupNorm; they divide the channels
};

/// x + conv2(silu(norm2(conv1(silu(norm1(x)))))): x [N, C, H, W], convolutions 3 x 3 with padding 1 (He et al. 2016,
/// "Identity mappings in deep residual networks", figure 4e, with SiLU for ReLU).
class ResidualBlock2d : public Layer {
 public:
  explicit ResidualBlock2d(std::int64_t channels, const ResidualBlock2dOptions& options = {});
  Tensor forward(const Tensor& x) override;

  std::unique_ptr<Layer> norm1;  ///< BatchNorm2d, GroupNorm, or null
  Conv2d conv1;
  std::unique_ptr<Layer> norm2;
  Conv2d conv2;
};

/// y = x (mask weight)^T + bias, with a mask of 0 and 1 that is not trained: x [..., in] -> [..., out]. Masks that go
/// by degrees make a network autoregressive (Germain et al. 2015, equations 8 and 9).
class MaskedLinear : public Layer {
 public:
  /// mask[o, i] is 1 where keep(o, i); within a MetaGuard nobody asks. Throws ValueError for an empty `keep`.
  MaskedLinear(std::int64_t in_features, std::int64_t out_features,
               const std::function<bool(std::int64_t o, std::int64_t i)>& keep, const LinearOptions& options = {});
  Tensor forward(const Tensor& x) override { return linear(x, mask * weight, bias); }

  Tensor weight;  ///< [out, in]
  Tensor bias;    ///< [out], or undefined
  Tensor mask;    ///< [out, in], a buffer
};

}  // namespace nn
}  // namespace elbo
