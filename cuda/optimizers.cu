#include "../core/optimizer_math.h"
#include "cuda_kernels.h"
#include "vector.h"

namespace elbo::cuda {
namespace {

using std::int64_t;

/// Elements of a block.
constexpr int64_t chunk = per_thread * block_threads;
/// Slots of a launch: what fits into a kernel's 4 KiB of arguments, others left room.
constexpr int most_slots = 72;

/// The slots of a launch, passed by value: a captured graph then needs nothing else. Slot i has blocks
/// [begin[i], begin[i + 1]).
struct Slots {
  int count = 0;
  unsigned begin[most_slots + 1] = {};
  OptimizerSlot slots[most_slots] = {};

  void add(const OptimizerSlot& slot) {
    slots[count] = slot;
    begin[count + 1] = begin[count] + blocks_for(slot.count, chunk);
    ++count;
  }
  unsigned blocks() const { return begin[count]; }
};
static_assert(sizeof(Slots) <= 3900);

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

  __device__ Piece(const OptimizerSlot& slot, unsigned first_block)
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

__global__ void sgd_kernel(Slots all, SgdArgs args, const double* lr) {
  const int at = slot_of_block(all);
  const OptimizerSlot& slot = all.slots[at];
  if (slot.dtype == DType::float32)
    sgd_piece(Piece<float>(slot, all.begin[at]), args, *lr);
  else
    sgd_piece(Piece<double>(slot, all.begin[at]), args, *lr);
}

template <class T>
__device__ inline void adam_piece(const Piece<T>& piece, const optimizer::AdamFactors<T>& f) {
  if (piece.empty()) return;
  const auto g = piece.get(piece.grad);
  auto p = piece.get(piece.param), m = piece.get(piece.first), v = piece.get(piece.second);
  for (int i = 0; i < per_thread; ++i) optimizer::adam(f, p.values[i], g.values[i], m.values[i], v.values[i]);
  piece.put(piece.param, p);
  piece.put(piece.first, m);
  piece.put(piece.second, v);
}

/// `ticket` is null but for the last launch of a step, whose last block counts the step: all before it read the number
/// of steps done so far.
__global__ void adam_kernel(Slots all, AdamArgs args, const double* lr, int64_t* step_count, unsigned* ticket) {
  // Once for the block: many GPUs are slow in double.
  __shared__ optimizer::AdamFactors<float> factors32;
  __shared__ optimizer::AdamFactors<double> factors64;
  if (threadIdx.x == 0) {
    const AdamStep step = optimizer::adam_step(args, *lr, *step_count + 1);
    factors32 = optimizer::adam_factors<float>(step);
    factors64 = optimizer::adam_factors<double>(step);
  }
  __syncthreads();
  if (blockIdx.x < all.begin[all.count]) {
    const int at = slot_of_block(all);
    const OptimizerSlot& slot = all.slots[at];
    if (slot.dtype == DType::float32)
      adam_piece(Piece<float>(slot, all.begin[at]), factors32);
    else
      adam_piece(Piece<double>(slot, all.begin[at]), factors64);
  }
  if (ticket && last_block(ticket) && threadIdx.x == 0) *step_count += 1;
}

/// run(slots, whether they are the last) for as many as fit a launch at a time, at least once; slots without gradient
/// or elements are passed over.
template <class Run>
void in_launches(std::span<const OptimizerSlot> slots, const Run& run) {
  Slots now;
  for (const OptimizerSlot& slot : slots) {
    if (!slot.grad || slot.count == 0) continue;
    if (now.count == most_slots) {
      run(now, false);
      now = Slots{};
    }
    now.add(slot);
  }
  run(now, true);
}

}  // namespace

void sgd(const Context& context, std::span<const OptimizerSlot> slots, const SgdArgs& args, const double* lr) {
  in_launches(slots, [&](const Slots& some, bool) {
    launch(context.stream, sgd_kernel, some.blocks(), block_threads, some, args, lr);
  });
}

void adam(const Context& context, std::span<const OptimizerSlot> slots, const AdamArgs& args, const double* lr,
          std::int64_t* step) {
  in_launches(slots, [&](const Slots& some, bool last) {
    const unsigned blocks = some.blocks() > 0 ? some.blocks() : 1;
    launch(context.stream, adam_kernel, blocks, block_threads, some, args, lr, step, last ? context.ticket : nullptr);
  });
}

}  // namespace elbo::cuda
