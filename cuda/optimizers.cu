#include "cuda_kernels.h"
#include "errands.h"
#include "vector.h"

namespace elbo::cuda {
namespace {

using std::int64_t;

/// Elements of a block.
constexpr int64_t chunk = per_thread * block_threads;
/// Slots of a launch: what fits into a kernel's 4 KiB of arguments, errands and others left room.
constexpr int most_slots = 70;

/// An OptimizerSlot without its type, which is the kernel's.
struct Slot {
  void* param;
  const void* grad;
  void *first, *second;
  int64_t count;
};

/// The slots of a launch, passed by value: a captured graph then needs nothing else. Slot i has blocks
/// [begin[i], begin[i + 1]).
struct Slots {
  int count = 0;
  unsigned begin[most_slots + 1] = {};
  Slot slots[most_slots] = {};

  void add(const OptimizerSlot& slot) {
    slots[count] = {slot.param, slot.grad, slot.first, slot.second, slot.count};
    begin[count + 1] = begin[count] + blocks_for(slot.count, chunk);
    ++count;
  }
  unsigned blocks() const { return begin[count]; }
};
static_assert(sizeof(Slots) + sizeof(Errands) <= 4000);

/// The slot that this block works on.
__device__ inline int slot_of_block(const Slots& all) {
  int low = 0, high = all.count - 1;
  while (low < high) {  // the last slot that begins here or before
    const int middle = (low + high + 1) / 2;
    if (all.begin[middle] <= blockIdx.x)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

/// This thread's elements of a slot.
template <class T>
struct Piece {
  T *param, *first, *second;
  const T* grad;
  int64_t begin, count;
  bool whole;

  __device__ Piece(const Slot& slot, unsigned first_block)
      : param(static_cast<T*>(slot.param)),
        first(static_cast<T*>(slot.first)),
        second(static_cast<T*>(slot.second)),
        grad(static_cast<const T*>(slot.grad)),
        begin((blockIdx.x - first_block) * chunk + threadIdx.x * per_thread),
        count(slot.count) {
    const auto bits = reinterpret_cast<std::uintptr_t>(param) | reinterpret_cast<std::uintptr_t>(first) |
                      reinterpret_cast<std::uintptr_t>(second) | reinterpret_cast<std::uintptr_t>(grad);
    whole = bits % alignof(Pack<T, per_thread>) == 0;
  }
  __device__ bool empty() const { return begin >= count; }
  __device__ Pack<T, per_thread> get(const T* x) const { return load(x, begin, count, whole); }
  __device__ void put(T* x, const Pack<T, per_thread>& values) const { store(x, begin, count, whole, values); }
};

template <class T>
__device__ inline void sgd_piece(const Piece<T>& piece, const SgdArgs& args, double lr) {
  if (piece.empty()) return;
  const optimizer::SgdFactors<T> f{static_cast<T>(lr), static_cast<T>(args.momentum),
                                   static_cast<T>(args.weight_decay)};
  const auto g = piece.get(piece.grad);
  auto p = piece.get(piece.param);
  if (piece.first) {
    auto b = piece.get(piece.first);
    for (int i = 0; i < per_thread; ++i) optimizer::sgd(f, p.values[i], g.values[i], b.values[i]);
    piece.put(piece.first, b);
  } else {
    for (int i = 0; i < per_thread; ++i) optimizer::sgd(f, p.values[i], g.values[i]);
  }
  piece.put(piece.param, p);
}

template <class T>
__global__ void sgd_kernel(Slots all, SgdArgs args, const double* lr) {
  wait_for_earlier();
  const int at = slot_of_block(all);
  sgd_piece(Piece<T>(all.slots[at], all.begin[at]), args, *lr);
}

template <class T>
__device__ inline void adam_piece(const Piece<T>& piece, const AdamFactors<T>& f) {
  if (piece.empty()) return;
  const auto g = piece.get(piece.grad);
  auto p = piece.get(piece.param), m = piece.get(piece.first), v = piece.get(piece.second);
  for (int i = 0; i < per_thread; ++i) optimizer::adam(f, p.values[i], g.values[i], m.values[i], v.values[i]);
  piece.put(piece.param, p);
  piece.put(piece.first, m);
  piece.put(piece.second, v);
}

template <class T>
__global__ void adam_kernel(Slots all, const AdamScales* scales, Errands errands) {
  wait_for_earlier();
  if (runs_errands(errands)) return;
  const int at = slot_of_block(all);
  adam_piece(Piece<T>(all.slots[at], all.begin[at]), optimizer::factors_of(*scales, T(0)));
}

__global__ void errands_kernel(Errands errands) {
  wait_for_earlier();
  runs_errands(errands);
}

/// run(slots of one type, T{}) for as many as fit a launch at a time; slots without gradient or elements are passed
/// over.
template <class Run>
void in_launches(std::span<const OptimizerSlot> slots, const Run& run) {
  for (const DType dtype : {DType::float32, DType::float64}) {
    Slots now;
    const auto go = [&] {
      if (now.count > 0) for_floating(dtype, [&](auto type) { run(now, type); });
      now = Slots{};
    };
    for (const OptimizerSlot& slot : slots) {
      if (slot.dtype != dtype || !slot.grad || slot.count == 0) continue;
      if (now.count == most_slots) go();
      now.add(slot);
    }
    go();
  }
}

}  // namespace

Errands errands_of(const Context& context, std::span<const Errand> errands) {
  const std::size_t most = Errands::most, kept = errands.size() < most ? errands.size() : most;
  run_errands(context, errands.first(errands.size() - kept));
  Errands out;
  for (const Errand& errand : errands.last(kept)) out.list[out.count++] = errand;
  return out;
}

void run_errands(const Context& context, std::span<const Errand> errands) {
  for (; !errands.empty(); errands = errands.subspan(errands.size() < Errands::most ? errands.size() : Errands::most)) {
    Errands some;
    for (const Errand& errand : errands.first(errands.size() < Errands::most ? errands.size() : Errands::most))
      some.list[some.count++] = errand;
    launch(context.stream, errands_kernel, 1, 32, some);
  }
}

void sgd(const Context& context, std::span<const OptimizerSlot> slots, const SgdArgs& args, const double* lr) {
  in_launches(slots, [&]<class T>(const Slots& some, T) {
    launch(context.stream, sgd_kernel<T>, some.blocks(), block_threads, some, args, lr);
  });
}

void adam(const Context& context, std::span<const OptimizerSlot> slots, const AdamScales* scales,
          std::span<const Errand> errands) {
  Errands along = errands_of(context, errands);
  in_launches(slots, [&]<class T>(const Slots& some, T) {
    launch(context.stream, adam_kernel<T>, with_errands(some.blocks(), along), block_threads, some, scales, along);
    along.count = 0;
  });
  if (along.count > 0) launch(context.stream, errands_kernel, 1, 32, along);
}

}  // namespace elbo::cuda
