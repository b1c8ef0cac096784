#include "conv.h"

#include "vectors.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

// ---- vectors -------------------------------------------------------------------------------------------------------

#if defined(ELBO_VARIANT_V4)
constexpr int tile_rows = 8;
#elif defined(ELBO_VARIANT_V3)
constexpr int tile_rows = 6;
#else
constexpr int tile_rows = 4;
#endif
template <class T>
using Vec = decltype(all(T{}));
template <class T>
constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));
constexpr int tile_vecs = 2;

template <class T>
inline Vec<T> load(const T* p) {
  Vec<T> x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
template <class T>
inline void store(T* p, Vec<T> x) {
  __builtin_memcpy(p, &x, sizeof x);
}

// ---- the product ---------------------------------------------------------------------------------------------------

// Read once, not again by every operation that takes it: lines of pictures lie across the cache's lines.
template <class V>
inline void in_register(V& x) {
#ifdef ELBO_AVX
  __asm__("" : "+v"(x));
#else
  static_cast<void>(x);
#endif
}

// Where the rows are fewer than the vectors, their values are the ones that stay in registers.
template <class T, int rows, int vecs>
inline void add_products(Vec<T> (&sum)[rows][vecs], const T* const (&from)[rows], int64_t at, const T* y) {
  if constexpr (rows < vecs) {
    Vec<T> value[rows];
    ELBO_UNROLL
    for (int i = 0; i < rows; ++i) value[i] = all(from[i][at]);
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v) {
      Vec<T> line = load(y + v * lanes<T>);
      in_register(line);
      ELBO_UNROLL
      for (int i = 0; i < rows; ++i) sum[i][v] = fma(line, value[i], sum[i][v]);
    }
  } else {
    Vec<T> line[vecs];
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v) line[v] = load(y + v * lanes<T>);
    ELBO_UNROLL
    for (int i = 0; i < rows; ++i) {
      const Vec<T> value = all(from[i][at]);
      ELBO_UNROLL
      for (int v = 0; v < vecs; ++v) sum[i][v] = fma(value, line[v], sum[i][v]);
    }
  }
}

template <class T, int rows, int vecs>
void tile(const ConvRow* row, const ConvRun* runs, int64_t n, const T* a, int64_t a_step, const T* b, int64_t b_step,
          T* out, bool add) {
  Vec<T> sum[rows][vecs];
  const T* from[rows];
  ELBO_UNROLL
  for (int i = 0; i < rows; ++i) {
    from[i] = a + row[i].from;
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v) sum[i][v] = all(T(0));
  }
  for (const ConvRun* run = runs; run != runs + n; ++run) {
    const T* y = b + run->b;
    int64_t at = run->a;
    for (int64_t left = run->length; left > 0; --left, at += a_step, y += b_step)
      add_products<T, rows, vecs>(sum, from, at, y);
  }
  ELBO_UNROLL
  for (int i = 0; i < rows; ++i) {
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v) {
      T* to = out + row[i].to + v * lanes<T>;
      store<T>(to, add ? load(to) + sum[i][v] : sum[i][v]);
    }
  }
}

template <class T>
using Tile = void (*)(const ConvRow*, const ConvRun*, int64_t, const T*, int64_t, const T*, int64_t, T*, bool);
template <class T>
constexpr Tile<T> tiles[][tile_vecs] = {
    {tile<T, 1, 1>, tile<T, 1, 2>}, {tile<T, 2, 1>, tile<T, 2, 2>},
    {tile<T, 3, 1>, tile<T, 3, 2>}, {tile<T, 4, 1>, tile<T, 4, 2>},
#ifdef ELBO_AVX
    {tile<T, 5, 1>, tile<T, 5, 2>}, {tile<T, 6, 1>, tile<T, 6, 2>},
#endif
#ifdef ELBO_VARIANT_V4
    {tile<T, 7, 1>, tile<T, 7, 2>}, {tile<T, 8, 1>, tile<T, 8, 2>},
#endif
};
static_assert(sizeof(tiles<float>) / sizeof(tiles<float>[0]) == tile_rows);

// Tiles of nearly equal height: 16 rows in tiles of 6 are 6, 5 and 5, not 6, 6 and a slow one of 4.
template <class T>
void multiply(const ConvRow* rows, int64_t count, const ConvRun* runs, int64_t n, const T* a, int64_t a_step,
              const T* b, int64_t b_step, T* out, int64_t cols, bool add) {
  const int64_t parts = (count + tile_rows - 1) / tile_rows, vecs = cols > lanes<T> ? 2 : 1;
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t height = count / parts + (i < count % parts);
    tiles<T>[height - 1][vecs - 1](rows, runs, n, a, a_step, b, b_step, out, add);
    rows += height;
  }
}

constexpr int few_vecs[] = {8, 4, 4};
template <class T>
constexpr Tile<T> few_tiles[] = {tile<T, 1, 8>, tile<T, 2, 4>, tile<T, 3, 4>};

template <class T>
void multiply_few(const ConvRow* rows, int64_t count, const ConvRun* runs, int64_t n, const T* a, int64_t a_step,
                  const T* b, int64_t b_step, T* out) {
  few_tiles<T>[count - 1](rows, runs, n, a, a_step, b, b_step, out, false);
}

// ---- transposition -------------------------------------------------------------------------------------------------

template <class T>
void transpose_plainly(T* to, int64_t ld_to, const T* from, int64_t ld_from, int64_t rows, int64_t cols,
                       const T* bias) {
  for (int64_t j = 0; j < cols; ++j)
    for (int64_t i = 0; i < rows; ++i)
      to[j * ld_to + i] = bias ? from[i * ld_from + j] + bias[j] : from[i * ld_from + j];
}

#ifdef ELBO_AVX
// Eight rows, four columns.
inline void transpose_eight(float* to, int64_t ld_to, const float* from, int64_t ld, const float* bias) {
  __m256 column[4];
  transpose(column, from, ld);
  for (int j = 0; j < 4; ++j) {
    if (bias) column[j] = _mm256_add_ps(column[j], _mm256_set1_ps(bias[j]));
    _mm256_storeu_ps(to + j * ld_to, column[j]);
  }
}

// By so many columns that each line of the cache is read once, and where the results lie further apart than what is
// read, by so many rows that it is written once: then few lines compete for one place. The last rows and columns, where
// they are no eight or four, are transposed together with some of those before them.
void transpose_floats(float* to, int64_t ld_to, const float* from, int64_t ld_from, int64_t rows, int64_t cols,
                      const float* bias) {
  if (rows < 8 || cols < 4) return transpose_plainly(to, ld_to, from, ld_from, rows, cols, bias);
  constexpr int64_t line = 16;
  const int64_t height = ld_to > ld_from ? line : 8;
  for (int64_t begin = 0; begin < cols; begin += line)
    for (int64_t first = 0; first < rows; first += height)
      for (int64_t next = begin; next < cols && next < begin + line; next += 4)
        for (int64_t after = first; after < rows && after < first + height; after += 8) {
          const int64_t i = after + 8 <= rows ? after : rows - 8;
          const int64_t j = next + 4 <= cols ? next : cols - 4;
          transpose_eight(to + j * ld_to + i, ld_to, from + i * ld_from + j, ld_from, bias ? bias + j : nullptr);
        }
}
#else
constexpr auto transpose_floats = transpose_plainly<float>;
#endif

// ---- sums of channels ----------------------------------------------------------------------------------------------

constexpr int64_t sums_at_once = 16;

template <class S>
inline S sum_of(S (&sums)[sums_at_once]) {
  ELBO_UNROLL
  for (int64_t half = sums_at_once / 2; half > 0; half /= 2) {
    ELBO_UNROLL
    for (int64_t i = 0; i < half; ++i) sums[i] = sums[i] + sums[i + half];
  }
  return sums[0];
}

template <class T>
T sum_of_plane(const T* plane, int64_t size) {
  constexpr int64_t vecs = sums_at_once / lanes<T>;
  Vec<T> across[vecs];
  ELBO_UNROLL
  for (int64_t v = 0; v < vecs; ++v) across[v] = all(T(0));
  int64_t p = 0;
  for (; p + sums_at_once <= size; p += sums_at_once) {
    ELBO_UNROLL
    for (int64_t v = 0; v < vecs; ++v) across[v] = across[v] + load(plane + p + v * lanes<T>);
  }
  T sums[sums_at_once];
  ELBO_UNROLL
  for (int64_t v = 0; v < vecs; ++v) store(sums + v * lanes<T>, across[v]);
  for (int64_t i = 0; p + i < size; ++i) sums[i] += plane[p + i];
  return sum_of(sums);
}

// S is a vector of channels, or one.
template <class S, class T, class Load>
S sum_of_pixels(const T* pixels, int64_t channels, int64_t size, const Load& load_one) {
  S sums[sums_at_once];
  for (int64_t i = 0; i < sums_at_once; ++i) sums[i] = S{};
  int64_t p = 0;
  for (; p + sums_at_once <= size; p += sums_at_once) {
    ELBO_UNROLL
    for (int64_t i = 0; i < sums_at_once; ++i) sums[i] = sums[i] + load_one(pixels + (p + i) * channels);
  }
  for (int64_t i = 0; p + i < size; ++i) sums[i] = sums[i] + load_one(pixels + (p + i) * channels);
  return sum_of(sums);
}

template <class T>
void channel_sums(T* to, const T* picture, int64_t channels, int64_t size, bool last) {
  int64_t c = 0;
  if (last) {
    for (; c + lanes<T> <= channels; c += lanes<T>)
      store<T>(to + c, sum_of_pixels<Vec<T>>(picture + c, channels, size, load<T>));
    for (; c < channels; ++c) to[c] = sum_of_pixels<T>(picture + c, channels, size, [](const T* x) { return *x; });
  } else {
    for (; c < channels; ++c) to[c] = sum_of_plane(picture + c * size, size);
  }
}

template <class T>
constexpr int few_cols(int rows) {
  return few_vecs[rows - 1] * lanes<T>;
}

}  // namespace

const ConvTable ELBO_VARIANT_NAME(elbo_conv_table_) = {{tile_rows,
                                                        tile_vecs* lanes<float>,
                                                        multiply<float>,
                                                        {few_cols<float>(1), few_cols<float>(2), few_cols<float>(3)},
                                                        multiply_few<float>,
                                                        transpose_floats,
                                                        channel_sums<float>},
                                                       {tile_rows,
                                                        tile_vecs* lanes<double>,
                                                        multiply<double>,
                                                        {few_cols<double>(1), few_cols<double>(2), few_cols<double>(3)},
                                                        multiply_few<double>,
                                                        transpose_plainly<double>,
                                                        channel_sums<double>}};

}  // namespace elbo::cpu_kernels
