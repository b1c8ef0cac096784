#pragma once
#include <array>
#include <span>
#include <vector>

#include "api.h"
#include "array.h"
#include "backend.h"
#include "generator.h"

/// Calls on arrays that allocate the result and find the backend: what gradient rules are written in. Shapes, dtypes
/// and devices of the ops above are checked there; these functions check only what an op could not have seen.
/// Every function works on the device of its first array.
namespace ELBO_API elbo {
namespace kernels {

Array unary(UnaryOp op, const Array& x, double p0 = 0, double p1 = 0);
/// The same in place.
void unary_(UnaryOp op, Array& x, double p0);
/// x and y may be undefined where the op's gradient does not read them.
Array unary_grad(UnaryOp op, const Array& x, const Array& y, const Array& g, double p0 = 0, double p1 = 0);
/// Operands broadcast to `shape`.
Array binary(BinaryOp op, const Array& a, const Array& b, const Shape& shape);
/// Operands of one shape.
Array binary(BinaryOp op, const Array& a, const Array& b);
/// The sum of binary(op, a, b), of one shape, as an array of shape [].
Array binary_sum(BinaryOp op, const Array& a, const Array& b);
/// The same, and binary_grad of side 0 for the gradient g, one number, in the same pass.
struct SumAndGradient {
  Array sum = {}, ga = {};
};
SumAndGradient binary_sum_and_grad(BinaryOp op, const Array& a, const Array& b, const Array& g);
/// The gradient of side 0 (a) or 1 (b) in the broadcast shape; g broadcasts too.
Array binary_grad(BinaryOp op, int side, const Array& a, const Array& b, const Array& g, const Shape& shape);
inline Array add(const Array& a, const Array& b) { return binary(BinaryOp::add, a, b); }
inline Array sub(const Array& a, const Array& b) { return binary(BinaryOp::sub, a, b); }
inline Array mul(const Array& a, const Array& b) { return binary(BinaryOp::mul, a, b); }
inline Array div(const Array& a, const Array& b) { return binary(BinaryOp::div, a, b); }
inline Array scale(const Array& a, double factor) { return unary(UnaryOp::mul_scalar, a, factor); }
inline Array divide(const Array& a, double divisor) { return unary(UnaryOp::div_scalar, a, divisor); }
/// a += b, in place; b of a's shape.
void add_(Array& a, const Array& b);
/// a = op(a, b), in place; b broadcasts to a's shape, and shares no memory with it unless it is a.
void binary_(BinaryOp op, Array& a, const Array& b);
Array compare(CompareOp op, const Array& a, const Array& b, const Shape& shape);
/// total (float64) += x (floating), in place; of one shape.
void accumulate_(Array& total, const Array& x);
Array where(const Array& condition, const Array& a, const Array& b, const Shape& shape);
/// As C++ converts: where an integer type cannot hold a number, anything; see check_range.
Array cast(const Array& x, DType dtype);
/// Throws ValueError unless all elements are in [least, most]; NaN is not. On a GPU the next call that waits for it
/// does.
void check_range(const Array& x, double least, double most);
/// x repeated to `shape`, which it broadcasts to.
Array expand(const Array& x, const Shape& shape);
/// The sum of x over the dimensions that broadcasting `shape` to x's shape repeated: expand's gradient.
Array sum_to(const Array& x, const Shape& shape);

/// Over `axes`, distinct and in [0, rank); the result has size 1 there. Sums of integers are int64. No axes: a copy, or
/// the squares.
Array reduce(ReduceOp op, const Array& x, std::span<const int> axes);
/// The full sum, of shape [].
Array sum_all(const Array& x);
Array argmax(const Array& x, int axis);
Array softmax(SoftmaxKind kind, const Array& x, int axis);
Array softmax_grad(SoftmaxKind kind, const Array& y, const Array& g, int axis);
/// With size 1 along the axis.
Array logsumexp(const Array& x, int axis);

struct Moments {
  Array mean = {}, var = {};  ///< [groups]
};
/// x is seen as [a, groups, b].
Moments moments(const Array& x, std::int64_t a, std::int64_t groups);
Array normalize(const Array& x, const Array& mean, const Array& var, double eps, std::int64_t a);
Array normalize_grad(const Array& xhat, const Array& var, const Array& g, double eps, std::int64_t a);

struct LayerNormed {
  Array y = {}, mean = {}, var = {};  ///< x's shape, [rows], [rows]
};
/// x is seen as [rows, n]; weight and bias have n elements, or are undefined.
LayerNormed layer_norm(const Array& x, std::int64_t rows, const Array& weight, const Array& bias, double eps);
/// The gradients of x, weight and bias that are wanted; of the two latter in `shape`.
std::array<Array, 3> layer_norm_grad(const Array& x, const Array& mean, const Array& var, const Array& weight,
                                     const Array& g, double eps, const std::array<bool, 3>& wanted, const Shape& shape);

struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;
  Activation activation = Activation::none;
};
/// a [..., m, k] and b [..., k, n] (as seen after transposing); leading dimensions equal, or absent on one side.
/// bias [n] or undefined.
Array matmul(const Array& a, const Array& b, MatmulOptions options = {}, const Array& bias = {});
inline Array matmul_nt(const Array& a, const Array& b) { return matmul(a, b, {.transpose_b = true}); }
inline Array matmul_tn(const Array& a, const Array& b) { return matmul(a, b, {.transpose_a = true}); }

/// x [m, k] times the transpose of each weight [n, k], plus its bias [n], undefined or not there.
std::vector<Array> linear(const Array& x, std::span<const Array> weights, std::span<const Array> biases);
/// One of the layers that `linear_grad` goes back through.
struct LinearGrad {
  Array gy = {};      ///< [m, n]: the gradient of the layer's output
  Array y = {};       ///< the output, after a relu; undefined where there is none
  Array weight = {};  ///< [n, k]; may be undefined where no gx is wanted
  std::int64_t n = 0;
  bool wants_weight = false, wants_bias = false;
  Array gweight = {}, gbias = {};  ///< results, where they are wanted
};
/// The gradients of layers on one x [m, k]; returns that of x, or an undefined array. x may be undefined where nobody
/// wants a weight's.
Array linear_grad(const Array& x, std::span<LinearGrad> layers, std::int64_t k, bool wants_x);

Array conv2d(const Conv2dArgs& args, const Array& x, const Array& weight, const Array& bias);
Array conv2d_grad_data(const Conv2dArgs& args, const Array& gy, const Array& weight, const Array& bias);
Array conv2d_grad_weight(const Conv2dArgs& args, const Array& gy, const Array& x);
/// The gradients of x, weight and bias that are wanted, of conv2d or of conv2d_grad_data (`transposed`), in the shapes
/// of `x` and `weight`. y is the output, after a relu, or undefined; x and weight are undefined where nobody needs
/// them.
std::array<Array, 3> conv2d_grad(const Conv2dArgs& args, bool transposed, const Array& gy, const Array& y,
                                 const Array& x, const Array& weight, const std::array<bool, 3>& wanted);

Array permute(const Array& x, std::span<const int> dims);
/// The box of `sizes` elements from `starts` on, every steps[i]-th along dimension i.
Array slice(const Array& x, std::span<const std::int64_t> starts, const Shape& sizes,
            std::span<const std::int64_t> steps);
/// Its gradient: g put at that place in an array of `shape`, the rest `value`. With steps of one, padding.
Array unslice(const Array& g, const Shape& shape, std::span<const std::int64_t> starts,
              std::span<const std::int64_t> steps, double value = 0);
/// The same into an array that is there, in place.
void assign_box(Array& to, const Array& from, std::span<const std::int64_t> starts,
                std::span<const std::int64_t> steps);
Array concatenate(std::span<const Array> parts, int axis);
Array gather(const Array& x, const Array& indices, int axis);
/// Which of an epoch's samples make a batch.
struct Picked {
  Array indices = {};  ///< int64 [n]
  Array first = {};    ///< int64 [], on their device: the batch is `count` from there on; undefined for all of them
  std::int64_t count = 0;
  std::span<const Errand> errands = {};  ///< which gathering pictures takes along
};
/// Rows of x [n, ...], [count, ...].
Array gather(const Array& x, const Picked& picked);
Array scatter_add(const Array& g, const Array& indices, const Shape& shape, int axis);
Array one_hot(const Array& labels, std::int64_t classes, DType dtype);
/// The output, of `shape` and `dtype`, of an index kernel (index_kernels.h) for `items` [i, j, k] work items. An
/// operand but the first may be undefined where the kernel says so.
Array index(IndexOp op, const Shape& shape, DType dtype, const Shape& items, std::initializer_list<Array> in,
            std::initializer_list<std::int64_t> numbers = {});
/// float32 pictures, batch first: byte * scale + shift. With `draws`, a generator on their device, a byte is first
/// drawn to be 255 or 0, with probability byte / 255 of 255. Throws DeviceError for a generator on another device.
Array gather_pictures(const Array& pictures, const Array& indices, double scale, double shift,
                      Generator* draws = nullptr);
Array gather_pictures(const Array& pictures, const Picked& picked, double scale, double shift,
                      Generator* draws = nullptr);

/// Draws from `generator`, on its device.
Array random(RandomKind kind, const Shape& shape, DType dtype, Generator& generator, double p = 0.5);

struct Reparameterized {
  Array z = {}, noise = {};
};
/// noise = exp(logvar / 2) eps, eps standard normal, and z = mu + noise; mu, logvar and the generator on one device.
Reparameterized reparameterize(const Array& mu, const Array& logvar, Generator& generator);
/// The same, with the KL to N(0, 1) summed over all elements, [].
struct ReparameterizedKl {
  Array z = {}, noise = {}, kl = {};
};
ReparameterizedKl reparameterize_kl(const Array& mu, const Array& logvar, Generator& generator);
/// The gradients of mu and logvar that are wanted, from those of z and kl, one of which may be undefined.
std::array<Array, 2> reparameterize_kl_grad(const Array& mu, const Array& logvar, const Array& noise, const Array& gz,
                                            const Array& gkl, const std::array<bool, 2>& wanted);

/// Runs errands that no other call takes along.
void run_errands(std::span<const Errand> errands, Device device);

}  // namespace kernels
}  // namespace elbo
