#include <algorithm>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <vector>

#include "columns.h"
#include "cpu_kernels.h"
#include "gemm.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

/// How a convolution becomes products: the columns of a few pictures, side by side, are one operand.
struct Plan {
  int64_t x, y;          // elements of a picture and of its output
  int64_t taps, points;  // rows and columns of its matrix of columns
  int64_t group;         // pictures to a product: more where one has few columns. It depends on the shape alone.
  int64_t groups;
  bool direct;  // a kernel of one element that walks over all pixels, and no more: the picture is the matrix
  Combs combs;

  explicit Plan(const Conv2dArgs& a)
      : x(a.c_in * a.h * a.w),
        y(a.c_out * a.out_h * a.out_w),
        taps(a.c_in * a.kh * a.kw),
        points(a.out_h * a.out_w),
        combs(a) {
    constexpr int64_t enough_columns = 256, enough_groups = 16;
    group = std::clamp<int64_t>(enough_columns / std::max<int64_t>(1, points), 1,
                                std::max<int64_t>(1, a.n / enough_groups));
    groups = divide_up(a.n, group);
    // A transposed one with output padding has more pixels than it walks over.
    direct = group == 1 && a.kh == 1 && a.kw == 1 && a.stride_h == 1 && a.stride_w == 1 && a.pad_h == 0 &&
             a.pad_w == 0 && a.out_h == a.h && a.out_w == a.w;
  }
  int64_t first(int64_t item) const { return item * group; }
  int64_t count(int64_t item, int64_t n) const { return std::min(group, n - item * group); }
};

/// out [channels, group * points] = y [group, channels, points], or the other way round.
template <class T>
void side_by_side(T* out, const T* y, int64_t group, int64_t channels, int64_t points) {
  for (int64_t i = 0; i < group; ++i)
    for (int64_t c = 0; c < channels; ++c)
      std::copy_n(y + (i * channels + c) * points, points, out + (c * group + i) * points);
}
template <class T>
void picture_by_picture(T* y, const T* in, int64_t group, int64_t channels, int64_t points) {
  for (int64_t i = 0; i < group; ++i)
    for (int64_t c = 0; c < channels; ++c)
      std::copy_n(in + (c * group + i) * points, points, y + (i * channels + c) * points);
}

template <class T>
void add_per_channel(T* x, const T* bias, int64_t channels, int64_t size) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < size; ++i) x[c * size + i] += bias[c];
}

MatmulArgs product(const Conv2dArgs& a, int64_t m, int64_t n, int64_t k) {
  MatmulArgs args{};
  args.dtype = a.dtype;
  args.m = m, args.n = n, args.k = k, args.batch = 1;
  return args;
}

/// Products and their scratch memory, for `items` pieces of work. Where there are pieces enough, each runs on a thread
/// of its own; otherwise one after the other, each on all threads. No bit depends on which.
///
/// There is one block for each thread that may work at once, all taken before the work begins: nothing may be thrown
/// inside it, and how many are taken must not depend on how the threads happen to run.
class Products {
 public:
  /// `bytes`: what a piece needs beside the products' own. `shapes`: all products that will be asked for.
  Products(const Context& context, std::size_t bytes, std::initializer_list<MatmulArgs> shapes, int64_t items)
      : context_(context), own_(round_up(bytes)), items_(items), concurrent_(items >= num_threads()) {
    std::size_t most = 0;
    for (const MatmulArgs& each : shapes) most = std::max(most, gemm_workspace(each, context.isa));
    bytes_ = own_ + (concurrent_ ? round_up(most) : 0);
    const int64_t blocks = concurrent_ ? num_threads() : 1;
    memory_.emplace(context.pool, bytes_ * static_cast<std::size_t>(blocks));
    for (int64_t i = 0; i < blocks; ++i)
      free_.push_back(memory_->as<std::byte>() + static_cast<std::size_t>(i) * bytes_);
  }

  /// fn(item, scratch) for all items.
  template <class Fn>
  void run(const Fn& fn) {
    if (!concurrent_) {
      for (int64_t i = 0; i < items_; ++i) fn(i, free_.back());
      return;
    }
    parallel_for(items_, 1, [&](int64_t begin, int64_t end) {
      std::byte* block = take();
      for (int64_t i = begin; i < end; ++i) fn(i, block);
      give(block);
    });
  }
  /// A product within fn.
  void multiply(const MatmulArgs& args, std::byte* scratch) const {
    if (concurrent_)
      gemm(args, scratch + own_, context_.isa);
    else
      gemm(args, context_.pool, context_.isa);
  }

  static std::size_t round_up(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

 private:
  std::byte* take() {
    const std::lock_guard lock(mutex_);
    std::byte* block = free_.back();
    free_.pop_back();
    return block;
  }
  void give(std::byte* block) {
    const std::lock_guard lock(mutex_);
    free_.push_back(block);
  }

  const Context& context_;
  std::size_t own_, bytes_ = 0;
  int64_t items_;
  bool concurrent_;
  std::optional<Workspace> memory_;
  std::mutex mutex_;
  std::vector<std::byte*> free_;
};

template <class T>
std::size_t bytes_of(int64_t elements) {
  return Products::round_up(static_cast<std::size_t>(elements) * sizeof(T));
}

/// What a piece of work needs for itself: the columns of its pictures, their outputs side by side, a combed picture.
template <class T>
struct Scratch {
  T *columns = nullptr, *outputs = nullptr, *combed = nullptr;
  std::size_t bytes;

  /// Without memory it only says how much it takes.
  explicit Scratch(const Plan& plan, std::byte* memory = nullptr) {
    const std::size_t columns_bytes = bytes_of<T>(plan.direct ? 0 : plan.taps * plan.group * plan.points);
    const std::size_t outputs_bytes = bytes_of<T>(plan.group == 1 ? 0 : plan.group * plan.y);
    bytes = columns_bytes + outputs_bytes + bytes_of<T>(plan.direct ? 0 : plan.combs.size);
    if (!memory) return;
    columns = reinterpret_cast<T*>(memory);
    outputs = reinterpret_cast<T*>(memory + columns_bytes);
    combed = reinterpret_cast<T*>(memory + columns_bytes + outputs_bytes);
  }
};

/// The columns of `count` pictures, side by side.
template <class T>
void columns_of(const Conv2dArgs& a, const Plan& plan, const Scratch<T>& scratch, const T* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    im2col(a, plan.combs, scratch.columns + i * plan.points, count * plan.points, x + i * plan.x, scratch.combed);
}

template <class T>
void forward(const Context& context, const Conv2dArgs& a, T* y, const T* x, const T* weight, const T* bias) {
  const Plan plan(a);
  auto shape = [&](int64_t count) { return product(a, a.c_out, count * plan.points, plan.taps); };
  Products products(context, Scratch<T>(plan).bytes, {shape(plan.group), shape(plan.count(plan.groups - 1, a.n))},
                    plan.groups);
  products.run([&](int64_t item, std::byte* memory) {
    const int64_t first = plan.first(item), count = plan.count(item, a.n);
    const Scratch<T> scratch(plan, memory);
    const T* from = x + first * plan.x;
    T* to = y + first * plan.y;
    MatmulArgs args = shape(count);
    args.a = weight;
    args.b = plan.direct ? from : scratch.columns;
    args.out = count == 1 ? to : scratch.outputs;
    if (!plan.direct) columns_of(a, plan, scratch, from, count);
    products.multiply(args, memory);
    if (count > 1) picture_by_picture(to, scratch.outputs, count, a.c_out, plan.points);
    if (bias)
      for (int64_t i = 0; i < count; ++i) add_per_channel(to + i * plan.y, bias, a.c_out, plan.points);
  });
}

template <class T>
void grad_data(const Context& context, const Conv2dArgs& a, T* gx, const T* gy, const T* weight, const T* bias) {
  const Plan plan(a);
  auto shape = [&](int64_t count) {
    MatmulArgs args = product(a, plan.taps, count * plan.points, a.c_out);
    args.transpose_a = true;
    return args;
  };
  Products products(context, Scratch<T>(plan).bytes, {shape(plan.group), shape(plan.count(plan.groups - 1, a.n))},
                    plan.groups);
  products.run([&](int64_t item, std::byte* memory) {
    const int64_t first = plan.first(item), count = plan.count(item, a.n);
    const Scratch<T> scratch(plan, memory);
    const T* from = gy + first * plan.y;
    T* to = gx + first * plan.x;
    MatmulArgs args = shape(count);
    args.a = weight;
    args.b = count == 1 ? from : scratch.outputs;
    args.out = plan.direct ? to : scratch.columns;
    if (count > 1) side_by_side(scratch.outputs, from, count, a.c_out, plan.points);
    products.multiply(args, memory);
    if (plan.direct) {
      if (bias) add_per_channel(to, bias, a.c_in, a.h * a.w);
      return;
    }
    for (int64_t i = 0; i < count; ++i)
      col2im(a, plan.combs, to + i * plan.x, scratch.columns + i * plan.points, count * plan.points, bias,
             scratch.combed);
  });
}

/// The sum over pictures: in chunks whose number depends on the batch alone, each group by group, and then the chunks
/// in order.
template <class T>
void grad_weight(const Context& context, const Conv2dArgs& a, T* gw, const T* gy, const T* x) {
  const Plan plan(a);
  const int64_t weights = a.c_out * plan.taps, chunks = std::min<int64_t>(plan.groups, 16);
  if (chunks == 0 || plan.points == 0) {
    std::fill_n(gw, weights, T(0));
    return;
  }
  auto shape = [&](int64_t count) {
    MatmulArgs args = product(a, a.c_out, plan.taps, count * plan.points);
    args.transpose_b = true;
    return args;
  };
  const std::size_t bytes = Scratch<T>(plan).bytes;
  const Workspace sums(context.pool, static_cast<std::size_t>(chunks * weights) * sizeof(T));
  Products products(context, bytes + bytes_of<T>(weights), {shape(plan.group), shape(plan.count(plan.groups - 1, a.n))},
                    chunks);
  products.run([&](int64_t chunk, std::byte* memory) {
    const Scratch<T> scratch(plan, memory);
    T *one = reinterpret_cast<T*>(memory + bytes), *sum = sums.as<T>() + chunk * weights;
    const int64_t begin = plan.groups * chunk / chunks, end = plan.groups * (chunk + 1) / chunks;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = plan.first(item), count = plan.count(item, a.n);
      MatmulArgs args = shape(count);
      const T *from = gy + first * plan.y, *pictures = x + first * plan.x;
      args.a = count == 1 ? from : scratch.outputs;
      args.b = plan.direct ? pictures : scratch.columns;
      args.out = item == begin ? sum : one;
      if (count > 1) side_by_side(scratch.outputs, from, count, a.c_out, plan.points);
      if (!plan.direct) columns_of(a, plan, scratch, pictures, count);
      products.multiply(args, memory);
      if (item != begin)
        for (int64_t j = 0; j < weights; ++j) sum[j] += one[j];
    }
  });
  parallel_for(weights, grain_of(chunks), [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) gw[j] = sums.as<T>()[j];
    for (int64_t c = 1; c < chunks; ++c)
      for (int64_t j = begin; j < end; ++j) gw[j] += sums.as<T>()[c * weights + j];
  });
}

}  // namespace

void conv2d(const Context& context, const Conv2dArgs& a, void* y, const void* x, const void* weight, const void* bias) {
  if (a.n * a.c_out * a.out_h * a.out_w == 0) return;
  if (a.dtype == DType::float32)
    forward(context, a, static_cast<float*>(y), static_cast<const float*>(x), static_cast<const float*>(weight),
            static_cast<const float*>(bias));
  else
    forward(context, a, static_cast<double*>(y), static_cast<const double*>(x), static_cast<const double*>(weight),
            static_cast<const double*>(bias));
}

void conv2d_grad_data(const Context& context, const Conv2dArgs& a, void* gx, const void* gy, const void* weight,
                      const void* bias) {
  if (a.n * a.c_in * a.h * a.w == 0) return;
  if (a.dtype == DType::float32)
    grad_data(context, a, static_cast<float*>(gx), static_cast<const float*>(gy), static_cast<const float*>(weight),
              static_cast<const float*>(bias));
  else
    grad_data(context, a, static_cast<double*>(gx), static_cast<const double*>(gy), static_cast<const double*>(weight),
              static_cast<const double*>(bias));
}

void conv2d_grad_weight(const Context& context, const Conv2dArgs& a, void* gw, const void* gy, const void* x) {
  if (a.c_out * a.c_in * a.kh * a.kw == 0) return;
  if (a.dtype == DType::float32)
    grad_weight(context, a, static_cast<float*>(gw), static_cast<const float*>(gy), static_cast<const float*>(x));
  else
    grad_weight(context, a, static_cast<double*>(gw), static_cast<const double*>(gy), static_cast<const double*>(x));
}

}  // namespace elbo::cpu_kernels
