#pragma once
#include "../core/api.h"
#include "../core/tensor.h"

/// Models without numbers: as large as one likes, with the names and shapes of all parameters.
namespace ELBO_API elbo {
namespace nn {

/// While one lives, the layers of nn that are made on this thread make their parameters and buffers on the device meta:
/// they have shapes, take no memory, and draw from no generator. Guards nest.
///
///     nn::MetaGuard guard;
///     nn::Linear layer(1'000'000, 1'000'000);
///     layer.num_parameters();  // 1000001000000
class MetaGuard {
 public:
  MetaGuard();
  ~MetaGuard();
  MetaGuard(const MetaGuard&) = delete;
  MetaGuard& operator=(const MetaGuard&) = delete;

 private:
  bool before_;
};

/// What a module's parameters are made of: an uninitialised float32 tensor on the CPU, or one on meta within a
/// MetaGuard. The functions of init.h then give it its values, and leave one on meta as it is.
Tensor parameter(const Shape& shape);
/// The same for a buffer, of any dtype and full of `value`. Throws ValueError where an integer type cannot hold it.
Tensor buffer(const Shape& shape, double value, DType dtype = DType::float32);

}  // namespace nn
}  // namespace elbo
