#include "conv.h"
#include "launch.h"
#include "tile.h"
#include "vector.h"

/// Convolutions element by element, for those that the tiles' indices cannot hold: kernels of more than 15 x 15,
/// pictures of more than 2^29 pixels. A thread an element, its terms summed in order in float64.
namespace elbo::cuda::direct {
namespace {

using std::int64_t;

/// Element i of [., channels, h, w].
struct Pixel {
  int64_t image, channel, line, column;
  __device__ Pixel(int64_t i, int64_t channels, int64_t h, int64_t w) {
    const int64_t row = divide(i, w), plane = divide(row, h);
    column = i - row * w, line = row - plane * h;
    image = divide(plane, channels), channel = plane - image * channels;
  }
};

/// Whether tap `tap` of a kernel meets line `line` of the picture at some output, which is *output.
__device__ inline bool meets(int64_t line, int64_t tap, int64_t pad, int64_t dilation, int64_t stride, int64_t outputs,
                             int64_t* output) {
  const int64_t from = line + pad - tap * dilation;
  *output = from / stride;
  return from >= 0 && from % stride == 0 && *output < outputs;
}

template <class T>
__global__ void forward_kernel(Conv2dArgs a, T* y, const T* x, const T* weight, const T* bias) {
  wait_for_earlier();
  const int64_t count = a.n * a.c_out * a.out_h * a.out_w;
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    const Pixel at(i, a.c_out, a.out_h, a.out_w);
    double sum = 0;
    for (int64_t c = 0; c < a.c_in; ++c)
      for (int64_t j = 0; j < a.kh; ++j) {
        const int64_t line = at.line * a.stride_h - a.pad_h + j * a.dilation_h;
        if (line < 0 || line >= a.h) continue;
        for (int64_t k = 0; k < a.kw; ++k) {
          const int64_t column = at.column * a.stride_w - a.pad_w + k * a.dilation_w;
          if (column < 0 || column >= a.w) continue;
          sum += static_cast<double>(x[((at.image * a.c_in + c) * a.h + line) * a.w + column]) *
                 static_cast<double>(weight[((at.channel * a.c_in + c) * a.kh + j) * a.kw + k]);
        }
      }
    y[i] = activated(a.activation, static_cast<T>(sum) + (bias ? bias[at.channel] : T(0)));
  }
}

template <class T>
__global__ void grad_data_kernel(Conv2dArgs a, T* gx, const T* gy, const T* weight, const T* bias) {
  wait_for_earlier();
  const int64_t count = a.n * a.c_in * a.h * a.w;
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    const Pixel at(i, a.c_in, a.h, a.w);
    double sum = 0;
    int64_t line, column;
    for (int64_t c = 0; c < a.c_out; ++c)
      for (int64_t j = 0; j < a.kh; ++j) {
        if (!meets(at.line, j, a.pad_h, a.dilation_h, a.stride_h, a.out_h, &line)) continue;
        for (int64_t k = 0; k < a.kw; ++k)
          if (meets(at.column, k, a.pad_w, a.dilation_w, a.stride_w, a.out_w, &column))
            sum += static_cast<double>(gy[((at.image * a.c_out + c) * a.out_h + line) * a.out_w + column]) *
                   static_cast<double>(weight[((c * a.c_in + at.channel) * a.kh + j) * a.kw + k]);
      }
    gx[i] = activated(a.activation, static_cast<T>(sum) + (bias ? bias[at.channel] : T(0)));
  }
}

template <class T>
__global__ void grad_weight_kernel(Conv2dArgs a, T* gw, const T* gy, const T* x) {
  wait_for_earlier();
  const int64_t count = a.c_out * a.c_in * a.kh * a.kw;
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    const Pixel at(i, a.c_in, a.kh, a.kw);  // output channel, input channel, tap
    double sum = 0;
    for (int64_t image = 0; image < a.n; ++image)
      for (int64_t oy = 0; oy < a.out_h; ++oy) {
        const int64_t line = oy * a.stride_h - a.pad_h + at.line * a.dilation_h;
        if (line < 0 || line >= a.h) continue;
        for (int64_t ox = 0; ox < a.out_w; ++ox) {
          const int64_t column = ox * a.stride_w - a.pad_w + at.column * a.dilation_w;
          if (column < 0 || column >= a.w) continue;
          sum += static_cast<double>(gy[((image * a.c_out + at.image) * a.out_h + oy) * a.out_w + ox]) *
                 static_cast<double>(x[((image * a.c_in + at.channel) * a.h + line) * a.w + column]);
        }
      }
    gw[i] = static_cast<T>(sum);
  }
}

}  // namespace

void forward(const Context& context, const Conv2dArgs& a, void* y, const void* x, const void* weight,
             const void* bias) {
  for_floating(a.dtype, [&]<class T>(T) {
    launch(context.stream, forward_kernel<T>, blocks_for(a.n * a.c_out * a.out_h * a.out_w), block_threads, a,
           static_cast<T*>(y), static_cast<const T*>(x), static_cast<const T*>(weight), static_cast<const T*>(bias));
  });
}

void grad_data(const Context& context, const Conv2dArgs& a, void* gx, const void* gy, const void* weight,
               const void* bias) {
  for_floating(a.dtype, [&]<class T>(T) {
    launch(context.stream, grad_data_kernel<T>, blocks_for(a.n * a.c_in * a.h * a.w), block_threads, a,
           static_cast<T*>(gx), static_cast<const T*>(gy), static_cast<const T*>(weight), static_cast<const T*>(bias));
  });
}

void grad_weight(const Context& context, const Conv2dArgs& a, void* gw, const void* gy, const void* x) {
  for_floating(a.dtype, [&]<class T>(T) {
    launch(context.stream, grad_weight_kernel<T>, blocks_for(a.c_out * a.c_in * a.kh * a.kw), block_threads, a,
           static_cast<T*>(gw), static_cast<const T*>(gy), static_cast<const T*>(x));
  });
}

}  // namespace elbo::cuda::direct
