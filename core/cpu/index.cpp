// The index kernels of core/index_kernels.h, on the CPU.
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

}  // namespace

void index(IndexOp op, View out, const IndexArgs& args) {
  BadIndex bad;
  if (op == IndexOp::one_hot) {
    out.dtype == DType::float32 ? one_hot<float>(out, args, bad) : one_hot<double>(out, args, bad);
    return bad.check();
  }
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
