#pragma once
#include <cstdint>

#include "api.h"

namespace ELBO_API elbo {

/// Threads that CPU work is handed out to: by default $ELBO_NUM_THREADS, else $OMP_NUM_THREADS, else the processors
/// this process may use.
int num_threads();
/// Throws ValueError unless 1 <= n <= 1024. No result depends on it, in any bit.
void set_num_threads(int n);

/// Whose threads these are. The work is cut the same way for both, and no bit of a result differs.
enum class Threading : int {
  own,    ///< the library's: a call waits for those alone that have begun
  openmp  ///< OpenMP's, which a program may share with other libraries: a call waits for all of them
};
/// By default $ELBO_THREADING, `own` or `openmp`, else the library's own.
Threading threading();
/// Holds for the calls that begin later, on any thread. Throws ValueError for OpenMP where has_openmp() is false.
void set_threading(Threading threading);
/// Whether the library was built with OpenMP.
bool has_openmp();

namespace detail {
using RangeFn = void (*)(void* context, std::int64_t begin, std::int64_t end);
void parallel_for(std::int64_t n, std::int64_t grain, RangeFn fn, void* context);
}  // namespace detail

/// Calls fn(begin, end) for consecutive ranges that cover [0, n), each a multiple of `grain` long but for the last, on
/// several threads; a call inside another runs on its own thread alone. Ranges may be cut differently for another
/// number of threads, so fn must compute each index by itself, whatever range it comes in. fn must not throw.
template <class Fn>
void parallel_for(std::int64_t n, std::int64_t grain, Fn&& fn) {
  detail::parallel_for(
      n, grain, [](void* context, std::int64_t begin, std::int64_t end) { (*static_cast<Fn*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&fn)));
}

}  // namespace elbo
