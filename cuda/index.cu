// The index kernels of core/index_kernels.h, on the GPU: a thread a work item.
#include "../core/index_kernels.h"

#include "cuda_kernels.h"
#include "vector.h"

namespace elbo::cuda {
namespace {

using std::int64_t;

struct IndexCheck {
  DataFault* fault;
  __device__ int64_t operator()(int64_t index, int64_t place, int64_t limit) const {
    return checked_index(index, place, limit, fault) == index ? index : -1;
  }
};

template <class T, template <class> class Kernel>
__global__ void index_kernel(T* out, IndexArgs args, int64_t count, DataFault* fault) {
  wait_for_earlier();
  for (int64_t number = thread_index(); number < count; number += thread_count()) {
    const int64_t row = divide(number, args.items[2]), i = divide(row, args.items[1]);
    const index::Item item{i, row - i * args.items[1], number - row * args.items[2], number};
    Kernel<T>{}(item, out, args, IndexCheck{fault});
  }
}

template <class T, template <class> class Kernel>
void run_items(const Context& context, View out, const IndexArgs& args) {
  const int64_t count = args.items[0] * args.items[1] * args.items[2];
  launch(context.stream, index_kernel<T, Kernel>, blocks_for(count), block_threads, static_cast<T*>(out.data), args,
         count, context.data_fault);
}

// What the list says of a kernel's output.
template <template <class> class Kernel>
void floating_index(const Context& context, View out, const IndexArgs& args) {
  for_floating(out.dtype, [&]<class T>(T) { run_items<T, Kernel>(context, out, args); });
}
template <template <class> class Kernel>
void any_index(const Context& context, View out, const IndexArgs& args) {
  for_any(out.dtype, [&]<class T>(T) { run_items<T, Kernel>(context, out, args); });
}
template <template <class> class Kernel>
void places_index(const Context& context, View out, const IndexArgs& args) {
  run_items<int64_t, Kernel>(context, out, args);
}

}  // namespace

void index(const Context& context, IndexOp op, View out, const IndexArgs& args) {
  switch (op) {
#define ELBO_INDEX_CASE(name, Kernel, types) \
  case IndexOp::name:                        \
    return types##_index<index::Kernel>(context, out, args);
    ELBO_INDEX_OPS(ELBO_INDEX_CASE)
#undef ELBO_INDEX_CASE
  }
}

}  // namespace elbo::cuda
