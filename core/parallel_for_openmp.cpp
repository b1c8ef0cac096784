// The one file that is compiled for OpenMP, where there is any.
#include "parallel_for_detail.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace elbo {

#if defined(_OPENMP)

bool has_openmp() { return true; }

void detail::run_on_openmp(Work& work) {
#pragma omp parallel num_threads(work.threads())
  {
    // OpenMP may give fewer threads than asked for; whoever comes takes over the shares of the others.
    work.run(omp_get_thread_num());
  }
}

bool detail::in_openmp() { return omp_in_parallel(); }

#else

bool has_openmp() { return false; }
void detail::run_on_openmp(Work& work) { work.run(0); }
bool detail::in_openmp() { return false; }

#endif

}  // namespace elbo
