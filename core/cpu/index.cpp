// The index kernels of core/index_kernels.h, on the CPU.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "../errors.h"
#include "../index_kernels.h"
#include "../parallel_for.h"
#include "cpu_kernels.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

/// The index outside its range that lies first in its operand, whichever thread met it.
class BadIndex {
 public:
  void report(int64_t index, int64_t place, int64_t limit) {
    const std::lock_guard lock(mutex_);
    if (found_ && place_ <= place) return;
    found_ = true, index_ = index, place_ = place, limit_ = limit;
  }
  /// Throws IndexError if there was one.
  void check() const {
    ELBO_CHECK(!found_, IndexError, "index ", index_, " at position ", place_, " is outside [0, ", limit_, ")");
  }

 private:
  std::mutex mutex_;
  bool found_ = false;
  int64_t index_ = 0, place_ = 0, limit_ = 0;
};

struct IndexCheck {
  BadIndex* bad;
  int64_t operator()(int64_t index, int64_t place, int64_t limit) const {
    if (index >= 0 && index < limit) return index;
    bad->report(index, place, limit);
    return -1;
  }
};

template <class T, template <class> class Kernel>
void run_items(View out, const IndexArgs& args, BadIndex& bad) {
  const int64_t columns = args.items[2], rows = args.items[1], count = args.items[0] * rows * columns;
  if (count == 0) return;
  T* to = static_cast<T*>(out.data);
  parallel_for(count, grain_of(out.shape.numel() / count), [&](int64_t begin, int64_t end) {
    index::Item item = index::item_at(args, begin);
    for (; item.number < end; ++item.number) {
      Kernel<T>{}(item, to, args, IndexCheck{&bad});
      if (++item.k < columns) continue;
      item.k = 0;
      if (++item.j == rows) item.j = 0, ++item.i;
    }
  });
}

// What the list says of a kernel's output.
template <template <class> class Kernel>
void floating_index(View out, const IndexArgs& args, BadIndex& bad) {
  if (out.dtype == DType::float32) return run_items<float, Kernel>(out, args, bad);
  run_items<double, Kernel>(out, args, bad);
}
template <template <class> class Kernel>
void any_index(View out, const IndexArgs& args, BadIndex& bad) {
  if (out.dtype == DType::uint8) return run_items<std::uint8_t, Kernel>(out, args, bad);
  if (out.dtype == DType::int64) return run_items<int64_t, Kernel>(out, args, bad);
  floating_index<Kernel>(out, args, bad);
}
template <template <class> class Kernel>
void places_index(View out, const IndexArgs& args, BadIndex& bad) {
  run_items<int64_t, Kernel>(out, args, bad);
}

/// index::OneHot, a row at a time: zeros, and a one among them.
template <class T>
void one_hot(View out, const IndexArgs& args, BadIndex& bad) {
  const int64_t classes = args.items[2];
  const int64_t* labels = index::operand<int64_t>(args, 0);
  parallel_for(args.items[0], grain_of(classes), [&](int64_t begin, int64_t end) {
    T* rows = static_cast<T*>(out.data);
    std::memset(rows + begin * classes, 0, static_cast<std::size_t>((end - begin) * classes) * sizeof(T));
    for (int64_t i = begin; i < end; ++i)
      if (const int64_t label = IndexCheck{&bad}(labels[i], i, classes); label >= 0) rows[i * classes + label] = T(1);
  });
}

/// index::MaxPool2dGrad, a plane at a time, and in it one gradient after the other: the same sums in the same order.
template <class T>
void max_pool2d_grad(View out, const IndexArgs& args) {
  const index::PooledSide h(args.numbers), w(args.numbers + 5);
  const int64_t pixels = h.size * w.size, windows = h.out * w.out;
  parallel_for(args.items[0], grain_of(pixels), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      T* gx = static_cast<T*>(out.data) + plane * pixels;
      const T* g = index::operand<T>(args, 0) + plane * windows;
      const int64_t* places = index::operand<int64_t>(args, 1) + plane * windows;
      std::fill_n(gx, pixels, T(0));
      for (int64_t i = 0; i < windows; ++i) gx[places[i]] += g[i];
    }
  });
}

/// index::AvgPool2dGrad in the same way.
template <class T>
void avg_pool2d_grad(View out, const IndexArgs& args) {
  const index::PooledSide h(args.numbers), w(args.numbers + 5);
  const int64_t pixels = h.size * w.size;
  const T size = static_cast<T>(h.kernel) * static_cast<T>(w.kernel);
  parallel_for(args.items[0], grain_of(pixels), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      T* gx = static_cast<T*>(out.data) + plane * pixels;
      const T* g = index::operand<T>(args, 0) + plane * h.out * w.out;
      std::fill_n(gx, pixels, T(0));
      for (int64_t i = 0; i < h.out; ++i)
        for (int64_t j = 0; j < w.out; ++j, ++g) {
          const index::Range lines = h.covered(i), columns = w.covered(j);
          for (int64_t y = lines.first; y < lines.last; ++y)
            for (int64_t x = columns.first; x < columns.last; ++x) gx[y * w.size + x] += *g;
        }
      for (int64_t i = 0; i < pixels; ++i) gx[i] /= size;
    }
  });
}

/// Sums up `count` rows of n elements, each after the other or all at once: no addition then waits for the one before.
template <int count, class T>
void sum_up(int64_t n, bool backwards, T* out, const T* x) {
  double sums[count] = {};
  for (int64_t j = 0; j < n; ++j) {
    const int64_t place = backwards ? n - 1 - j : j;
    for (int r = 0; r < count; ++r)
      out[r * n + place] = static_cast<T>(sums[r] += static_cast<double>(x[r * n + place]));
  }
}
/// index::Cumsum along the last axis.
template <class T>
void cumsum_rows(View out, const IndexArgs& args) {
  const int64_t n = args.numbers[0];
  const bool backwards = args.numbers[1] != 0;
  T* to = static_cast<T*>(out.data);
  const T* x = index::operand<T>(args, 0);
  parallel_for(args.items[0], grain_of(n), [&](int64_t row, int64_t end) {
    for (; row + 4 <= end; row += 4) sum_up<4>(n, backwards, to + row * n, x + row * n);
    for (; row < end; ++row) sum_up<1>(n, backwards, to + row * n, x + row * n);
  });
}

/// Runs `op` where there is a loop of its own for it.
template <class T>
bool run_whole(IndexOp op, View out, const IndexArgs& args, BadIndex& bad) {
  switch (op) {
    case IndexOp::one_hot:
      return one_hot<T>(out, args, bad), true;
    case IndexOp::max_pool2d_grad:
      return max_pool2d_grad<T>(out, args), true;
    case IndexOp::avg_pool2d_grad:
      return avg_pool2d_grad<T>(out, args), true;
    case IndexOp::cumsum:
      if (args.items[2] == 1) return cumsum_rows<T>(out, args), true;
      return false;
    default:
      return false;
  }
}

}  // namespace

void index(IndexOp op, View out, const IndexArgs& args) {
  BadIndex bad;
  if (out.dtype == DType::float32 && run_whole<float>(op, out, args, bad)) return bad.check();
  if (out.dtype == DType::float64 && run_whole<double>(op, out, args, bad)) return bad.check();
  switch (op) {
#define ELBO_INDEX_CASE(name, Kernel, types)      \
  case IndexOp::name:                             \
    types##_index<index::Kernel>(out, args, bad); \
    break;
    ELBO_INDEX_OPS(ELBO_INDEX_CASE)
#undef ELBO_INDEX_CASE
  }
  bad.check();
}

}  // namespace elbo::cpu_kernels
