#include <utility>

#include "../core/index_kernels.h"
#include "cuda_kernels.h"
#include "vector.h"

namespace elbo::cuda {
namespace {

using std::int64_t;
using std::uint8_t;

/// An elementwise op over operands that broadcast.
template <int count>
struct Plan {
  index::Broadcast<count> broadcast;
  int64_t numel;
  bool in_rows;       // four elements from a multiple of four on lie in one row
  bool whole[count];  // four such of the operand are a pack
  bool whole_out;

  Plan(const View& out, const ConstView (&in)[count]);
};

template <class T>
bool aligned_for(const void* data) {
  return aligned(static_cast<const T*>(data));
}
bool aligned_for(const ConstView& x) {
  return size_of(x.dtype) == 1 ? aligned_for<uint8_t>(x.data)
                               : (size_of(x.dtype) == 4 ? aligned_for<float>(x.data) : aligned_for<double>(x.data));
}

template <int count>
Plan<count>::Plan(const View& out, const ConstView (&in)[count]) : broadcast(out.shape, in), numel(out.shape.numel()) {
  in_rows = broadcast.rank == 1 || broadcast.sizes[broadcast.last()] % per_thread == 0;
  whole_out = aligned_for(ConstView(out));
  // An operand with rows of its own has them one after the other, so all are aligned if the first one is.
  for (int i = 0; i < count; ++i) whole[i] = in_rows && aligned_for(in[i]);
}

/// Where the operands' elements are that meet an element of the output.
template <int count>
struct Places {
  int64_t at[count];
};
template <int count>
__device__ inline Places<count> places_of(const Plan<count>& plan, int64_t i) {
  const index::Broadcast<count>& b = plan.broadcast;
  Places<count> places{};
  for (int d = b.rank - 1; d > 0; --d) {
    const int64_t rest = divide(i, b.sizes[d]), coordinate = i - rest * b.sizes[d];
    for (int k = 0; k < count; ++k) places.at[k] += coordinate * b.steps[k][d];
    i = rest;
  }
  for (int k = 0; k < count; ++k) places.at[k] += i * b.steps[k][0];
  return places;
}

/// Operand `which` at the four elements of the output from `first` on.
template <int which, class T, int count>
__device__ inline Pack<T, per_thread> operand(const Plan<count>& plan, const T* x,
                                              const Places<count> (&places)[per_thread], int64_t first) {
  const int64_t left = plan.numel - first;
  if (plan.in_rows && plan.broadcast.steps[which][plan.broadcast.rank - 1] != 0)
    return load(x + places[0].at[which], 0, left, plan.whole[which]);
  Pack<T, per_thread> pack{};
  for (int i = 0; i < per_thread; ++i)
    if (i < left) pack.values[i] = x[places[i].at[which]];
  return pack;
}

/// out = f(operands), four elements of the output a thread. All are loaded before any is stored, so that an operand of
/// the output's shape may be the output.
template <class F, class Out, class... In, std::size_t... which>
__device__ inline void compute(const Plan<sizeof...(In)>& plan, const F& f, std::index_sequence<which...>, Out* out,
                               const In*... in) {
  constexpr int count = sizeof...(In);
  const int64_t first = per_thread * thread_index();
  if (first >= plan.numel) return;
  Places<count> places[per_thread];
  places[0] = places_of(plan, first);
  for (int i = 1; i < per_thread; ++i) places[i] = plan.in_rows ? places[0] : places_of(plan, first + i);
  Pack<Out, per_thread> result;
  const auto apply = [&](const Pack<In, per_thread>&... x) {
    for (int i = 0; i < per_thread; ++i) result.values[i] = f(x.values[i]...);
  };
  apply(operand<static_cast<int>(which)>(plan, in, places, first)...);
  store(out, first, plan.numel, plan.whole_out, result);
}

// ---- kernels -------------------------------------------------------------------------------------------------------

template <class F, class T>
__global__ void binary_kernel(Plan<2> plan, T* out, const T* a, const T* b) {
  wait_for_earlier();
  compute(plan, F{}, std::index_sequence<0, 1>{}, out, a, b);
}

template <class F>
struct GradA {
  template <class T>
  __device__ T operator()(T a, T b, T g) const {
    return F{}.grad_a(a, b, g);
  }
};
template <class F>
struct GradB {
  template <class T>
  __device__ T operator()(T a, T b, T g) const {
    return F{}.grad_b(a, b, g);
  }
};
struct Select {
  template <class T>
  __device__ T operator()(uint8_t condition, T a, T b) const {
    return condition != 0 ? a : b;
  }
};
template <class F, class A, class T>
__global__ void ternary_kernel(Plan<3> plan, T* out, const A* a, const T* b, const T* c) {
  wait_for_earlier();
  compute(plan, F{}, std::index_sequence<0, 1, 2>{}, out, a, b, c);
}

template <class F>
struct AsByte {
  template <class T>
  __device__ uint8_t operator()(T a, T b) const {
    return static_cast<uint8_t>(F{}(a, b));
  }
};
template <class F, class T>
__global__ void compare_kernel(Plan<2> plan, uint8_t* out, const T* a, const T* b) {
  wait_for_earlier();
  compute(plan, AsByte<F>{}, std::index_sequence<0, 1>{}, out, a, b);
}

// ---- dispatch ------------------------------------------------------------------------------------------------------

using BinaryFn = void (*)(const Context&, View, ConstView, ConstView);

template <class T>
const T* elements(const ConstView& x) {
  return static_cast<const T*>(x.data);
}

template <class F, class T>
void binary_of(const Context& context, View out, ConstView a, ConstView b) {
  launch(context.stream, binary_kernel<F, T>, pack_blocks(out.shape.numel()), block_threads, Plan<2>(out, {a, b}),
         static_cast<T*>(out.data), elements<T>(a), elements<T>(b));
}

/// Of bytes, or of int64, in the type that the functor names; none if it names none.
template <template <class> class F>
constexpr BinaryFn binary_bytes() {
  if constexpr (requires { typename F<uint8_t>::Int64; }) return binary_of<F<uint8_t>, uint8_t>;
  return nullptr;
}
template <template <class> class F>
constexpr BinaryFn binary_int64() {
  if constexpr (requires { typename F<int64_t>::Int64; }) {
    using T = typename F<int64_t>::Int64;
    return binary_of<F<T>, T>;
  }
  return nullptr;
}

template <class F, class A, class T>
void ternary_of(const Context& context, View out, ConstView a, ConstView b, ConstView c) {
  launch(context.stream, ternary_kernel<F, A, T>, pack_blocks(out.shape.numel()), block_threads,
         Plan<3>(out, {a, b, c}), static_cast<T*>(out.data), elements<A>(a), elements<T>(b), elements<T>(c));
}

template <class F, class T>
void compare_of(const Context& context, View out, ConstView a, ConstView b) {
  launch(context.stream, compare_kernel<F, T>, pack_blocks(out.shape.numel()), block_threads, Plan<2>(out, {a, b}),
         static_cast<uint8_t*>(out.data), elements<T>(a), elements<T>(b));
}

using TernaryFn = void (*)(const Context&, View, ConstView, ConstView, ConstView);

#define ELBO_BINARY(op, F, ...) \
  {binary_of<F<float>, float>, binary_of<F<double>, double>, binary_bytes<F>(), binary_int64<F>()},
#define ELBO_BINARY_GRAD(op, F, ...)                                                          \
  {{ternary_of<GradA<F<float>>, float, float>, ternary_of<GradA<F<double>>, double, double>}, \
   {ternary_of<GradB<F<float>>, float, float>, ternary_of<GradB<F<double>>, double, double>}},
#define ELBO_COMPARE(op, F) \
  {compare_of<F, float>, compare_of<F, double>, compare_of<F, uint8_t>, compare_of<F, int64_t>},
// The last index is the element type as in enum class DType.
constexpr BinaryFn binary_table[][4] = {ELBO_BINARY_OPS(ELBO_BINARY) ELBO_LOSS_OPS(ELBO_BINARY)};
constexpr TernaryFn binary_grad_table[][2][2] = {ELBO_BINARY_OPS(ELBO_BINARY_GRAD) ELBO_LOSS_OPS(ELBO_BINARY_GRAD)};
constexpr BinaryFn compare_table[][4] = {ELBO_COMPARE_OPS(ELBO_COMPARE)};
#undef ELBO_BINARY
#undef ELBO_BINARY_GRAD
#undef ELBO_COMPARE

}  // namespace

void binary(const Context& context, BinaryOp op, View out, ConstView a, ConstView b) {
  binary_table[static_cast<int>(op)][static_cast<int>(out.dtype)](context, out, a, b);
}

void binary_grad(const Context& context, BinaryOp op, int side, View out, ConstView a, ConstView b, ConstView g) {
  binary_grad_table[static_cast<int>(op)][side][static_cast<int>(out.dtype)](context, out, a, b, g);
}

void compare(const Context& context, CompareOp op, View out, ConstView a, ConstView b) {
  compare_table[static_cast<int>(op)][static_cast<int>(a.dtype)](context, out, a, b);
}

void where(const Context& context, View out, ConstView condition, ConstView a, ConstView b) {
  // Elements are only moved: their size is all that matters.
  switch (size_of(out.dtype)) {
    case 1:
      return ternary_of<Select, uint8_t, uint8_t>(context, out, condition, a, b);
    case 4:
      return ternary_of<Select, uint8_t, std::uint32_t>(context, out, condition, a, b);
    default:
      return ternary_of<Select, uint8_t, std::uint64_t>(context, out, condition, a, b);
  }
}

}  // namespace elbo::cuda
