#include <algorithm>

#include "../parallel_for.h"
#include "cpu_kernels.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

/// fn(slot, first element, how many) for all elements of all slots, as if they lay end to end.
template <class Fn>
void for_slots(std::span<const OptimizerSlot> slots, const Fn& fn) {
  int64_t total = 0;
  for (const OptimizerSlot& slot : slots) total += slot.count;
  parallel_for(total, element_grain, [&](int64_t begin, int64_t end) {
    int64_t start = 0;  // of the slot
    for (const OptimizerSlot& slot : slots) {
      const int64_t from = std::max(begin, start), to = std::min(end, start + slot.count);
      if (from < to && slot.grad) fn(slot, from - start, to - from);
      start += slot.count;
    }
  });
}

void* maybe_at(void* p, int64_t elements, DType dtype) { return p ? at(p, elements, dtype) : nullptr; }

}  // namespace

void sgd(const Context& context, std::span<const OptimizerSlot> slots, const SgdArgs& args, const double* lr) {
  const OptimizerTable& table = context.tables.optimizers;
  for_slots(slots, [&](const OptimizerSlot& s, int64_t first, int64_t n) {
    table.sgd[floating(s.dtype)](n, at(s.param, first, s.dtype), at(s.grad, first, s.dtype),
                                 maybe_at(s.first, first, s.dtype), *lr, args.momentum, args.weight_decay);
  });
}

void adam(const Context& context, std::span<const OptimizerSlot> slots, const AdamScales& scales) {
  const OptimizerTable& table = context.tables.optimizers;
  for_slots(slots, [&](const OptimizerSlot& s, int64_t first, int64_t n) {
    table.adam[floating(s.dtype)](n, at(s.param, first, s.dtype), at(s.grad, first, s.dtype),
                                  at(s.first, first, s.dtype), at(s.second, first, s.dtype), scales);
  });
}

}  // namespace elbo::cpu_kernels
