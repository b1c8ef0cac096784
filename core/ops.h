#pragma once
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "api.h"
#include "backend_types.h"
#include "generator.h"
#include "indexing.h"

/// Every op on tensors. Each checks shapes, dtypes and devices before it computes and throws ShapeError, DTypeError,
/// DeviceError or IndexError with a message such as `[matmul] inner dimensions differ: a [2, 3], b [4, 5]`; operands
/// must agree in dtype and device. Unless it says otherwise an op takes float32 or float64, returns the dtype it was
/// given, and has a gradient for every floating operand. Axes may be negative, counted from the end. Where an operand
/// may be a number it takes the other one's dtype (DTypeError for a fraction beside integers, ValueError for one that
/// they cannot hold); one of them is a tensor. Integers are uint8 and int64; their arithmetic wraps around, and has no
/// gradient. They are not mixed with other dtypes: cast first.
namespace ELBO_API elbo {

// ---- elementwise, one operand (formulas: functors.h); neg, square, abs and clamp of integers too
Tensor neg(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
/// log(1 + x), exact for small x.
Tensor log1p(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
/// |x|; its derivative at 0 is 0.
Tensor abs(const Tensor& x);
/// max(x, 0); its derivative at 0 is 0.
Tensor relu(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
/// log(1 + exp(x)).
Tensor softplus(const Tensor& x);
/// x sigmoid(x).
Tensor silu(const Tensor& x);
/// x Phi(x), with the normal distribution function itself, not its tanh approximation.
Tensor gelu(const Tensor& x);
/// -1, 0 or 1, and 0 for NaN, as in PyTorch. Its derivative is 0, as are those of the four below.
Tensor sign(const Tensor& x);
/// To the nearest integer, of two the even one; down, up, and towards 0.
Tensor round(const Tensor& x);
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor trunc(const Tensor& x);
/// exp(x) - 1, exact for small x.
Tensor expm1(const Tensor& x);
/// The error function.
Tensor erf(const Tensor& x);
/// log|Gamma(x)|.
Tensor lgamma(const Tensor& x);
/// log(sigmoid(x)), without overflow.
Tensor log_sigmoid(const Tensor& x);
Tensor add_scalar(const Tensor& x, double c);
Tensor mul_scalar(const Tensor& x, double c);
Tensor div_scalar(const Tensor& x, double c);
/// x to a constant power. The derivative at 0 of the power 0 is 0.
Tensor pow(const Tensor& x, double exponent);
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
Tensor elu(const Tensor& x, double alpha = 1.0);
/// min(max(x, lo), hi), either of which may be left out: `clamp(x, 0, {})`. The gradient passes where lo <= x <= hi.
Tensor clamp(const Tensor& x, std::optional<double> lo, std::optional<double> hi);

// ---- elementwise, operands broadcast by NumPy's rules; all but div and pow of integers too
Tensor add(const Operand& a, const Operand& b);
Tensor sub(const Operand& a, const Operand& b);
Tensor mul(const Operand& a, const Operand& b);
Tensor div(const Operand& a, const Operand& b);
/// The larger of two; equal operands share the gradient equally.
Tensor maximum(const Operand& a, const Operand& b);
Tensor minimum(const Operand& a, const Operand& b);
/// base to the power exponent, NaN for a negative base beside a fraction. Where base is 0 and exponent at least 0 the
/// exponent's derivative is 0.
Tensor pow(const Operand& base, const Operand& exponent);
/// condition (uint8) ? a : b, of any dtype; of two numbers, float32. No gradient for the condition.
Tensor where(const Tensor& condition, const Operand& a, const Operand& b);

inline Tensor operator-(const Tensor& x) { return neg(x); }
inline Tensor operator+(const Operand& a, const Operand& b) { return add(a, b); }
inline Tensor operator-(const Operand& a, const Operand& b) { return sub(a, b); }
inline Tensor operator*(const Operand& a, const Operand& b) { return mul(a, b); }
inline Tensor operator/(const Operand& a, const Operand& b) { return div(a, b); }

// ---- without gradients: comparisons of any dtype, elementwise, to uint8. Beside integers a number that their type
// cannot hold is compared as float64. The result is a constant, whether or not the operands require a gradient.
Tensor eq(const Operand& a, const Operand& b);
Tensor ne(const Operand& a, const Operand& b);
Tensor lt(const Operand& a, const Operand& b);
Tensor le(const Operand& a, const Operand& b);
Tensor gt(const Operand& a, const Operand& b);
Tensor ge(const Operand& a, const Operand& b);
Tensor logical_and(const Operand& a, const Operand& b);
Tensor logical_or(const Operand& a, const Operand& b);
Tensor logical_xor(const Operand& a, const Operand& b);

inline Tensor operator==(const Operand& a, const Operand& b) { return eq(a, b); }
inline Tensor operator!=(const Operand& a, const Operand& b) { return ne(a, b); }
inline Tensor operator<(const Operand& a, const Operand& b) { return lt(a, b); }
inline Tensor operator<=(const Operand& a, const Operand& b) { return le(a, b); }
inline Tensor operator>(const Operand& a, const Operand& b) { return gt(a, b); }
inline Tensor operator>=(const Operand& a, const Operand& b) { return ge(a, b); }
Tensor logical_not(const Tensor& x);
/// uint8, of any dtype: 1 where x is NaN; 1 where x is neither NaN nor infinite.
Tensor isnan(const Tensor& x);
Tensor isfinite(const Tensor& x);
/// The index (int64) of the first maximum or minimum along `axis`, of any dtype; NaN counts as either. Throws
/// ShapeError over 0 elements.
Tensor argmax(const Tensor& x, int axis, bool keepdim = false);
Tensor argmin(const Tensor& x, int axis, bool keepdim = false);
/// Whether all elements, or any, are other than 0: uint8, of any dtype. Of nothing all are, and none is.
Tensor all(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor any(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
/// Another dtype. Between floating types it has a gradient; a cast to or from an integer type is a constant.
Tensor cast(const Tensor& x, DType dtype);

// ---- reductions over `axes`: one, several in braces, or all without them
/// Of integers too, as int64.
Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
/// The variance, divided by n - correction: 1 is Bessel's, PyTorch's default.
Tensor var(const Tensor& x, const Axes& axes = {}, double correction = 1, bool keepdim = false);
/// The square root of that; its derivative is 0 where it is 0. Written elbo::std(x) or x.std(): a bare std is the
/// standard library.
Tensor std(const Tensor& x, const Axes& axes = {}, double correction = 1, bool keepdim = false);
/// sum(|x|^p)^(1/p) for p > 0, max(|x|) for infinity; its derivative at 0 is 0. Throws ValueError for another p,
/// ShapeError for p = infinity over 0 elements.
Tensor norm(const Tensor& x, double p = 2, const Axes& axes = {}, bool keepdim = false);
/// The maximum, of any dtype; elements that tie for it share the gradient equally. Throws ShapeError over 0 elements.
Tensor max(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor min(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
/// log(sum(exp(x))), without overflow.
Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim = false);
Tensor softmax(const Tensor& x, int axis);
Tensor log_softmax(const Tensor& x, int axis);

// ---- contractions
/// Matrix product: a [..., M, K], b [..., K, N] -> [..., M, N]; leading dimensions broadcast. A vector is a row on the
/// left and a column on the right, and its dimension is not in the result.
Tensor matmul(const Tensor& a, const Tensor& b);
/// activation(x weight^T + bias): x [..., in], weight [out, in], bias [out] or undefined -> [..., out].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Activation activation = Activation::none);
/// linear(x, weights[i], biases[i]) for each i, at once: heads on the same x. A bias may be undefined.
std::vector<Tensor> linear_heads(const Tensor& x, std::span<const Tensor> weights, std::span<const Tensor> biases);

/// A pair of sizes, height first; one number stands for both.
struct Size2 {
  std::int64_t h, w;
  Size2(std::int64_t both) : h(both), w(both) {}  // NOLINT(google-explicit-constructor): stride = 2 means both
  Size2(std::int64_t h_, std::int64_t w_) : h(h_), w(w_) {}
  bool operator==(const Size2&) const = default;
};
/// `groups` cuts the channels of x and of the result into so many parts; each part of the result comes from one part of
/// x. As many groups as channels make a depthwise convolution. They are computed one after the other, which saves no
/// time.
struct Conv2dOptions {
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;
};
struct ConvTranspose2dOptions {
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 output_padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;
};
/// How pictures lie in memory: [N, C, H, W], or with the channels of a pixel side by side, [N, H, W, C].
enum class Layout { channels_first, channels_last };
/// The layouts of what goes into a convolution and of what comes out. Convolutions that follow each other are faster on
/// a CPU if what passes between them has its channels last: otherwise each turns its pictures that way and back.
/// nn::Sequential sees to it. No bit of a result or of a gradient depends on them. On a GPU, and for fewer than 4
/// channels, pictures are turned before and after.
struct ConvLayouts {
  Layout in = Layout::channels_first, out = Layout::channels_first;
};
/// x [N, Cin, H, W], weight [Cout, Cin / groups, KH, KW], bias [Cout] or undefined -> [N, Cout, OH, OW] with
/// OH = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1, rounded down, and the activation of that.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv2dOptions& options = {},
              Activation activation = Activation::none, ConvLayouts layouts = {});
/// x [N, Cin, H, W], weight [Cin, Cout / groups, KH, KW], bias [Cout] or undefined -> [N, Cout, OH, OW] with
/// OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1, and the activation of that.
/// output_padding < max(stride, dilation).
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose2dOptions& options = {}, Activation activation = Activation::none,
                        ConvLayouts layouts = {});

struct Conv1dOptions {
  std::int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
};
struct ConvTranspose1dOptions {
  std::int64_t stride = 1, padding = 0, output_padding = 0, dilation = 1, groups = 1;
};
/// The same of x [N, Cin, L] and weight [Cout, Cin / groups, K]: pictures of one row.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv1dOptions& options = {});
/// The same of x [N, Cin, L] and weight [Cin, Cout / groups, K].
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose1dOptions& options = {});

// ---- shape; these take any dtype
/// As many elements in another shape; one size may be -1. A view.
Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> sizes);
Tensor reshape(const Tensor& x, const Shape& shape);
/// Dimensions from `start` on become one. A view.
Tensor flatten(const Tensor& x, int start = 1);
/// The same elements in memory of their own, any dtype.
Tensor clone(const Tensor& x);
/// Repeated to a shape to which it broadcasts. A copy.
Tensor expand(const Tensor& x, const Shape& shape);
/// A new dimension of size 1 before axis `axis`, in [-rank - 1, rank]: behind the last for -1. A view.
Tensor unsqueeze(const Tensor& x, int axis);
/// Without the dimensions of size 1, or those among `axes`; others stay. A view.
Tensor squeeze(const Tensor& x, const Axes& axes = {});
/// Two axes change places. A copy.
Tensor transpose(const Tensor& x, int axis_a, int axis_b);
/// Axis i of the result is axis dims[i] of x. A copy.
Tensor permute(const Tensor& x, const std::vector<int>& dims);
/// Joins along `axis`; the other sizes must agree.
Tensor concatenate(std::span<const Tensor> parts, int axis);
Tensor concatenate(std::initializer_list<Tensor> parts, int axis);
/// Joins parts of one shape along a new dimension, which is `axis` of the result.
Tensor stack(std::span<const Tensor> parts, int axis = 0);
Tensor stack(std::initializer_list<Tensor> parts, int axis = 0);
/// Slices of `size` along `axis`, the last of what is left; or of these sizes, which add up to the axis's. Throws
/// ValueError for size < 1, or one of the sizes below 0.
std::vector<Tensor> split(const Tensor& x, std::int64_t size, int axis = 0);
std::vector<Tensor> split(const Tensor& x, std::span<const std::int64_t> sizes, int axis = 0);
std::vector<Tensor> split(const Tensor& x, std::initializer_list<std::int64_t> sizes, int axis = 0);
/// At most `chunks` slices of one size along `axis`, the last of what is left; of an axis of size 0 one slice, not
/// `chunks` as in PyTorch. Throws ValueError for chunks < 1.
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, int axis = 0);
/// x laid side by side repeats[i] times along axis i; repeats for more axes than x has stand for new ones in front. A
/// copy. Throws ValueError for one below 0.
Tensor repeat(const Tensor& x, const std::vector<std::int64_t>& repeats);
/// `value` where mask (uint8) is not 0, x elsewhere; all three broadcast.
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value);
/// The matrices x [..., M, N] with 0 above (tril) or below (triu) the diagonal j = i + diagonal.
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);
/// Elements begin, begin + step, ... below end along `axis`; negative bounds count from the end and bounds are cut to
/// the size, as in Python. step > 0. Along axis 0 with step 1 a view, otherwise a copy.
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1);
/// The elements of x at `indices` (int64, rank 1) along `axis`. An index may repeat: its gradients add up.
Tensor index_select(const Tensor& x, int axis, const Tensor& indices);
/// labels (int64) [...] -> [..., classes] of 0 and 1, without gradient.
Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype = DType::float32);
/// `value` around x: before[i] elements in front of axis i, after[i] behind it.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           double value = 0);
/// What lies around x: 0, x mirrored at its first and last element, without repeating them, or these repeated.
enum class PadMode { zeros, reflect, replicate };
/// The same by `mode`. Throws ShapeError where an axis is too short: reflection takes fewer elements than the axis has,
/// and an axis without elements has none to replicate.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           PadMode mode);

// ---- along an axis, element by element
/// out[i][j][k] = x[i][indices[i][j][k]][k] for axis 1 of three, and so on: PyTorch's gather. indices (int64) has x's
/// rank, and no size greater than x's but along `axis`. Any dtype. An index outside is an IndexError.
Tensor gather(const Tensor& x, int axis, const Tensor& indices);
/// x, then out[i][indices[i][j][k]][k] += source[i][j][k] in the order of j, so that the bits are the same every time.
/// indices (int64) and source have x's shape but along `axis`. Any dtype. An index outside is an IndexError.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& indices, const Tensor& source);
/// The sums of the elements up to each one along `axis`.
Tensor cumsum(const Tensor& x, int axis);
struct TopK {
  Tensor values = {}, indices = {};
};
/// The k largest elements along `axis`, or the smallest, in order, and their places (int64); of equal ones the first
/// comes first, and NaN is larger than all. Any dtype; the gradient goes to the elements that were taken. Throws
/// ValueError unless 0 <= k <= the axis's size.
TopK topk(const Tensor& x, std::int64_t k, int axis = -1, bool largest = true);
/// The elements in reverse order along `axes`, or along all for an empty list. Any dtype.
Tensor flip(const Tensor& x, const Axes& axes);

// ---- pictures: windows and sizes
struct Pool2dOptions {
  std::optional<Size2> stride = {};  ///< by default the kernel's size
  Size2 padding = 0;                 ///< at most half of the kernel
};
enum class UpsampleMode { nearest, bilinear };
struct UpsampleOptions {
  Size2 scale = 2;
  std::optional<Size2> size = {};  ///< instead of a scale; smaller ones are allowed too
  UpsampleMode mode = UpsampleMode::nearest;
};
/// The maximum of each window: x [N, C, H, W] -> [N, C, OH, OW] with OH = (H + 2 padding - kernel) / stride + 1,
/// rounded down. Of equal elements the first has the gradient; NaN wins.
Tensor max_pool2d(const Tensor& x, Size2 kernel_size, const Pool2dOptions& options = {});
/// The mean of each window, padding counted as zeros.
Tensor avg_pool2d(const Tensor& x, Size2 kernel_size, const Pool2dOptions& options = {});
/// Pictures [N, C, H, W] of another size: each pixel is the nearest one of x, or interpolated between the four around
/// it (PyTorch's align_corners = False).
Tensor upsample(const Tensor& x, const UpsampleOptions& options = {});

// ---- random numbers, from `generator` or the device's default one
/// Standard normal.
Tensor randn(const Shape& shape, TensorOptions options = {}, Generator* generator = nullptr);
/// Uniform in [0, 1).
Tensor rand(const Shape& shape, TensorOptions options = {}, Generator* generator = nullptr);
/// The same in the shape, dtype and on the device of x.
Tensor randn_like(const Tensor& x, Generator* generator = nullptr);
Tensor rand_like(const Tensor& x, Generator* generator = nullptr);
/// Whole numbers (int64) in [low, high). Their probabilities are equal but for a relative error of at most
/// (high - low) / 2^53. Throws ValueError unless low < high and low, high and high - low are at most 2^53 in magnitude.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Device device = cpu,
               Generator* generator = nullptr);
/// 0, 1, ..., n - 1 (int64) in an order that is drawn (Fisher and Yates 1938) on the host.
Tensor randperm(std::int64_t n, Device device = cpu, Generator* generator = nullptr);
/// 1 with probability p, else 0. In float32 that is p rounded up to a multiple of 2^-24, the step of uniform numbers.
Tensor bernoulli(double p, const Shape& shape, TensorOptions options = {}, Generator* generator = nullptr);
/// 1 with probability probs[i], else 0; probs in [0, 1]. Without gradient.
Tensor bernoulli(const Tensor& probs, Generator* generator = nullptr);
/// `count` places (int64) of each row of `weights` [C] or [N, C], drawn with probabilities proportional to them;
/// without replacement one after the other, so that none comes twice. Throws ValueError for a weight below 0, above
/// 2^1000 or NaN, for weights that are all 0, and without replacement for a count beyond the number of those above 0;
/// on a GPU the next call that waits for it does. Without gradient.
Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement = false, Generator* generator = nullptr);
/// In training, zeroes elements with probability p and divides the others by 1 - p (Srivastava et al. 2014); otherwise
/// x itself. 0 <= p < 1.
Tensor dropout(const Tensor& x, double p, bool training = true, Generator* generator = nullptr);

// ---- normalisation
/// Over all axes but 1: x [N, C, ...]; weight and bias [C] or undefined. In training the batch's own mean and (biased)
/// variance are used, and running_mean and running_var [C], if defined, move towards them by `momentum` in place (the
/// variance unbiased, as in PyTorch); otherwise the running ones are used (Ioffe and Szegedy 2015). Throws ValueError
/// for a momentum outside [0, 1] and an eps that is negative or not finite.
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                  bool training, double momentum = 0.1, double eps = 1e-5);
/// Over the last dimensions, as many as `weight` has: weight and bias of their shape or undefined (Ba et al. 2016).
/// Throws ValueError for an eps that is negative or not finite.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

// ---- losses; in nats where they are likelihoods. Of two operands one broadcasts to the shape of the other: they throw
// ---- ShapeError for others, such as [n, 1] and [n], whose losses would be [n, n]
enum class Reduction { none, mean, sum };
/// (input - target)^2.
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);
/// The sums of these two losses where the gradient that they will get is known beforehand: the array [], on their
/// device, that backward() will begin at. The input's gradient is then computed in the same pass. If another gradient
/// comes all the same, or that array was written since, it is computed anew.
Tensor mse_loss_sum(const Tensor& input, const Tensor& target, const Array& seed);
Tensor binary_cross_entropy_with_logits_sum(const Tensor& logits, const Tensor& target, const Array& seed);
/// -(t log p + (1 - t) log(1 - p)) for probabilities p; its logarithms are at least -100, as in PyTorch.
Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, Reduction reduction = Reduction::mean);
/// The same for p = sigmoid(logits), exact for large logits.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        Reduction reduction = Reduction::mean);
struct BceOptions {
  Tensor pos_weight = {};  ///< of the term t log p; broadcasts against the target
  Reduction reduction = Reduction::mean;
};
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target, const BceOptions& options);
/// |input - target|; its derivative is 0 where they are equal.
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);
/// d^2 / 2 up to |d| = delta, then delta (|d| - delta / 2), d = input - target (Huber 1964). Throws ValueError unless
/// delta is finite and above 0.
Tensor huber_loss(const Tensor& input, const Tensor& target, double delta = 1, Reduction reduction = Reduction::mean);
/// -log softmax(logits)[label] along axis 1: logits [N, C, ...], labels (int64) [N, ...]; or of probabilities q of the
/// logits' shape and dtype, -sum(q log softmax(logits)), where 0 times an infinity is 0.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, Reduction reduction = Reduction::mean);
struct CrossEntropyOptions {
  Tensor weight = {};  ///< [C], of each class. The mean over labels is divided by the sum of their weights.
  std::optional<std::int64_t> ignore_index = {};  ///< a label that does not count; PyTorch's default is -100
  double label_smoothing = 0;  ///< in [0, 1], the part that is spread evenly over the classes (Szegedy et al. 2016)
  Reduction reduction = Reduction::mean;
};
/// Throws ValueError for a label_smoothing outside its range. The mean over labels that are all ignored is NaN.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options);

// ---- logarithms of probability densities in nats, of operands that broadcast; exact in both tails
/// -(z^2 + logvar + log(2 pi)) / 2, z = (x - mu) exp(-logvar / 2).
Tensor gaussian_log_prob(const Tensor& x, const Tensor& mu, const Tensor& logvar);
/// x log p + (1 - x) log(1 - p), p = sigmoid(logits).
Tensor bernoulli_log_prob(const Tensor& x, const Tensor& logits);
/// -z - log_scale - 2 log(1 + exp(-z)), z = (x - mu) exp(-log_scale) (Johnson et al. 1995, chapter 23).
Tensor logistic_log_prob(const Tensor& x, const Tensor& mu, const Tensor& log_scale);
/// log(G((n + 1) / 2) / G(n / 2)) - log(n pi) / 2 - log_scale - (n + 1) / 2 log(1 + z^2 / n), n = degrees, G the gamma
/// function, z as above (Johnson et al. 1995, chapter 28). Throws ValueError unless degrees are finite and above 0.
Tensor student_t_log_prob(const Tensor& x, const Tensor& mu, const Tensor& log_scale, double degrees);
/// log softmax(logits)[label]: labels (int64) [...], logits [..., C] -> [...].
Tensor categorical_log_prob(const Tensor& labels, const Tensor& logits);

// ---- variational
/// KL(N(mu, exp(logvar)) || N(0, 1)) in nats, elementwise or summed over all: (mu^2 + exp(logvar) - 1 - logvar) / 2
/// (Kingma and Welling 2014, appendix B). One operand broadcasts to the shape of the other, as in a loss.
Tensor gaussian_kl(const Tensor& mu, const Tensor& logvar, Reduction reduction = Reduction::none);
/// KL(N(mu, exp(logvar)) || N(mu2, exp(logvar2))): (d^2 exp(-logvar2) + exp(v) - 1 - v) / 2 with d = mu - mu2 and
/// v = logvar - logvar2. The operands broadcast: mu, mu2 and logvar2 to the shape of all, or
/// logvar and logvar2.
Tensor gaussian_kl(const Tensor& mu, const Tensor& logvar, const Tensor& mu2, const Tensor& logvar2,
                   Reduction reduction = Reduction::none);
/// z = mu + exp(logvar / 2) eps with eps ~ N(0, 1) drawn from `generator` (Kingma and Welling 2014, section 2.4).
Tensor reparameterize(const Tensor& mu, const Tensor& logvar, Generator* generator = nullptr);
/// The same, and gaussian_kl(mu, logvar, Reduction::sum), by one kernel each way: what a VAE's step wants of them.
struct DrawnCode {
  Tensor z = {};
  Tensor kl = {};  ///< []
};
DrawnCode reparameterize_kl(const Tensor& mu, const Tensor& logvar, Generator* generator = nullptr);

}  // namespace elbo
