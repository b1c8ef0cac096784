#include <algorithm>
#include <mutex>
#include <vector>

#include "../index_kernels.h"
#include "../parallel_for.h"
#include "gemm.h"
#include "kernels.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

/// The sizes of one picture's matrices.
struct Sizes {
  int64_t x, y, taps, points, columns;
  explicit Sizes(const Conv2dArgs& a)
      : x(a.c_in * a.h * a.w),
        y(a.c_out * a.out_h * a.out_w),
        taps(a.c_in * a.kh * a.kw),
        points(a.out_h * a.out_w),
        columns(taps * points) {}
};

/// A kernel of one element that walks over all pixels: the picture is its own matrix of columns.
bool is_pointwise(const Conv2dArgs& a) {
  return a.kh == 1 && a.kw == 1 && a.stride_h == 1 && a.stride_w == 1 && a.pad_h == 0 && a.pad_w == 0;
}

/// The outputs [begin, end) along one dimension at which a tap at `shift` = tap * dilation - pad meets [0, size).
struct Span {
  int64_t begin, end;
  Span(int64_t shift, int64_t stride, int64_t size, int64_t outputs) {
    begin = shift >= 0 ? 0 : std::min(outputs, divide_up(-shift, stride));
    end = size <= shift ? 0 : std::min(outputs, divide_up(size - shift, stride));
    end = std::max(begin, end);
  }
};

/// index::im2col for a whole picture.
template <class T>
void im2col(const Conv2dArgs& a, T* columns, const T* x) {
  const int64_t taps = a.c_in * a.kh * a.kw;
  for (int64_t row = 0; row < taps; ++row) {
    const index::Tap t = index::tap(a, row);
    const Span span(t.j * a.dilation_w - a.pad_w, a.stride_w, a.w, a.out_w);
    for (int64_t out_y = 0; out_y < a.out_h; ++out_y, columns += a.out_w) {
      const int64_t line = index::tap_line(a, t, out_y);
      if (line < 0 || line >= a.h) {
        std::fill_n(columns, a.out_w, T(0));
        continue;
      }
      std::fill(columns, columns + span.begin, T(0));
      const T* from = x + (t.channel * a.h + line) * a.w + index::tap_column(a, t, 0);
      if (a.stride_w == 1)
        std::copy(from + span.begin, from + span.end, columns + span.begin);
      else
        for (int64_t i = span.begin; i < span.end; ++i) columns[i] = from[i * a.stride_w];
      std::fill(columns + span.end, columns + a.out_w, T(0));
    }
  }
}

/// index::col2im for a whole picture: each pixel's sum in the same order, that of the kernel's elements.
template <class T>
void col2im(const Conv2dArgs& a, T* x, const T* columns) {
  std::fill_n(x, a.c_in * a.h * a.w, T(0));
  const int64_t taps = a.c_in * a.kh * a.kw;
  for (int64_t row = 0; row < taps; ++row) {
    const index::Tap t = index::tap(a, row);
    const Span span(t.j * a.dilation_w - a.pad_w, a.stride_w, a.w, a.out_w);
    for (int64_t out_y = 0; out_y < a.out_h; ++out_y, columns += a.out_w) {
      const int64_t line = index::tap_line(a, t, out_y);
      if (line < 0 || line >= a.h) continue;
      T* to = x + (t.channel * a.h + line) * a.w + index::tap_column(a, t, 0);
      for (int64_t i = span.begin; i < span.end; ++i) to[i * a.stride_w] += columns[i];
    }
  }
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

/// One scratch block for each thread that may work at once, all taken before the work begins: nothing may be thrown
/// inside it, and how many are taken must not depend on how the threads happen to run.
class Scratch {
 public:
  Scratch(Pool& pool, std::size_t bytes, int64_t items)
      : bytes_(divide_up(static_cast<int64_t>(bytes), 64) * 64),
        count_(std::min<int64_t>(items, num_threads())),
        block_(pool, static_cast<std::size_t>(bytes_ * count_)) {
    free_.reserve(static_cast<std::size_t>(count_));
    for (int64_t i = 0; i < count_; ++i) free_.push_back(i);
  }
  /// Runs fn(item, scratch) for all items on several threads.
  template <class Fn>
  void for_items(int64_t items, const Fn& fn) {
    parallel_for(items, 1, [&](int64_t begin, int64_t end) {
      const int64_t mine = take();
      for (int64_t i = begin; i < end; ++i) fn(i, block_.as<std::byte>() + mine * bytes_);
      give(mine);
    });
  }

 private:
  int64_t take() {
    const std::lock_guard lock(mutex_);
    const int64_t last = free_.back();
    free_.pop_back();
    return last;
  }
  void give(int64_t i) {
    const std::lock_guard lock(mutex_);
    free_.push_back(i);
  }

  int64_t bytes_, count_;
  Workspace block_;
  std::mutex mutex_;
  std::vector<int64_t> free_;
};

std::size_t round_up(std::size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

template <class T>
void forward(const Context& context, const Conv2dArgs& a, T* y, const T* x, const T* weight, const T* bias) {
  const Sizes size(a);
  MatmulArgs args = product(a, a.c_out, size.points, size.taps);
  args.a = weight;
  const bool direct = is_pointwise(a);
  const std::size_t columns_bytes = direct ? 0 : round_up(static_cast<std::size_t>(size.columns) * sizeof(T));
  Scratch scratch(context.pool, columns_bytes + gemm_workspace(args, context.isa), a.n);
  scratch.for_items(a.n, [&](int64_t i, std::byte* memory) {
    MatmulArgs own = args;
    own.out = y + i * size.y;
    own.b = x + i * size.x;
    if (!direct) {
      im2col(a, reinterpret_cast<T*>(memory), x + i * size.x);
      own.b = memory;
    }
    gemm(own, memory + columns_bytes, context.isa);
    if (bias) add_per_channel(y + i * size.y, bias, a.c_out, size.points);
  });
}

template <class T>
void grad_data(const Context& context, const Conv2dArgs& a, T* gx, const T* gy, const T* weight, const T* bias) {
  const Sizes size(a);
  MatmulArgs args = product(a, size.taps, size.points, a.c_out);
  args.a = weight;
  args.transpose_a = true;
  const bool direct = is_pointwise(a);
  const std::size_t columns_bytes = direct ? 0 : round_up(static_cast<std::size_t>(size.columns) * sizeof(T));
  Scratch scratch(context.pool, columns_bytes + gemm_workspace(args, context.isa), a.n);
  scratch.for_items(a.n, [&](int64_t i, std::byte* memory) {
    MatmulArgs own = args;
    T* to = gx + i * size.x;
    own.b = gy + i * size.y;
    own.out = direct ? to : reinterpret_cast<T*>(memory);
    gemm(own, memory + columns_bytes, context.isa);
    if (!direct) col2im(a, to, reinterpret_cast<const T*>(memory));
    if (bias) add_per_channel(to, bias, a.c_in, a.h * a.w);
  });
}

template <class T>
void grad_weight(const Context& context, const Conv2dArgs& a, T* gw, const T* gy, const T* x) {
  const Sizes size(a);
  const int64_t weights = a.c_out * size.taps;
  if (a.n == 0) {
    std::fill_n(gw, weights, T(0));
    return;
  }
  MatmulArgs args = product(a, a.c_out, size.taps, size.points);
  args.transpose_b = true;
  const bool direct = is_pointwise(a);
  const std::size_t columns_bytes = direct ? 0 : round_up(static_cast<std::size_t>(size.columns) * sizeof(T));
  const std::size_t product_bytes = round_up(static_cast<std::size_t>(weights) * sizeof(T));
  // Pictures are added up in chunks whose number depends on the batch alone, the chunks then in order.
  const int64_t chunks = std::min<int64_t>(a.n, 16);
  const Workspace sums(context.pool, static_cast<std::size_t>(chunks * weights) * sizeof(T));
  Scratch scratch(context.pool, columns_bytes + product_bytes + gemm_workspace(args, context.isa), chunks);
  scratch.for_items(chunks, [&](int64_t c, std::byte* memory) {
    T* sum = sums.as<T>() + c * weights;
    T* one = reinterpret_cast<T*>(memory + columns_bytes);
    const int64_t first = a.n * c / chunks;
    for (int64_t i = first; i < a.n * (c + 1) / chunks; ++i) {
      MatmulArgs own = args;
      own.a = gy + i * size.y;
      own.b = x + i * size.x;
      if (!direct) {
        im2col(a, reinterpret_cast<T*>(memory), x + i * size.x);
        own.b = memory;
      }
      own.out = i == first ? sum : one;
      gemm(own, memory + columns_bytes + product_bytes, context.isa);
      if (i != first)
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
