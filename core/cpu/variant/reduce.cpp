#include "reduce.h"

#include "reduce_loops.h"

namespace elbo::cpu_kernels {
namespace {

template <class T>
const T* as(const void* p) {
  return static_cast<const T*>(p);
}

template <class T>
double sum(int64_t n, const void* x) {
  return sum_terms(n, Plain<T>{as<T>(x)});
}
template <class T>
double dot(int64_t n, const void* x, const void* y) {
  return sum_terms(n, Product<T>{as<T>(x), as<T>(y)});
}
template <class T>
double squared_deviation(int64_t n, const void* x, double mean) {
  return sum_terms(n, SquaredDeviation<T>{as<T>(x), mean});
}
template <class T, int sign>
double extremum(int64_t n, const void* x) {
  return row_extreme<sign>(n, as<T>(x));
}

template <class T>
void sum_of_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x) {
  const T* p = as<T>(x);
  sum_columns(k, m, step, acc, [p](int64_t i, int64_t) { return static_cast<double>(p[i]); });
}
template <class T>
void dot_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x, const void* y) {
  const T *p = as<T>(x), *q = as<T>(y);
  sum_columns(k, m, step, acc,
              [p, q](int64_t i, int64_t) { return static_cast<double>(p[i]) * static_cast<double>(q[i]); });
}
template <class T>
void squared_deviation_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x, const double* mean) {
  const T* p = as<T>(x);
  sum_columns(k, m, step, acc, [p, mean](int64_t i, int64_t j) {
    const double d = static_cast<double>(p[i]) - mean[j];
    return d * d;
  });
}
template <class T, int sign>
void extremum_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x) {
  extreme_columns<sign>(k, m, step, acc, as<T>(x));
}

}  // namespace

extern const ReduceTable ELBO_VARIANT_NAME(elbo_reduce_table_) = {
    {sum<float>, sum<double>},
    {dot<float>, dot<double>},
    {squared_deviation<float>, squared_deviation<double>},
    {extremum<float, 1>, extremum<double, 1>},
    {extremum<float, -1>, extremum<double, -1>},
    {sum_of_columns<float>, sum_of_columns<double>},
    {dot_columns<float>, dot_columns<double>},
    {squared_deviation_columns<float>, squared_deviation_columns<double>},
    {extremum_columns<float, 1>, extremum_columns<double, 1>},
    {extremum_columns<float, -1>, extremum_columns<double, -1>}};

}  // namespace elbo::cpu_kernels
