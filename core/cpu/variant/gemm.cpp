#include "gemm.h"

#include "../../functors.h"
#include "vectors.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

// ---- vectors -------------------------------------------------------------------------------------------------------

using Vec = decltype(all(0.0f));
constexpr int lanes = vector_bytes / static_cast<int>(sizeof(float));

#if defined(ELBO_VARIANT_V4)
constexpr int tile_rows = 12, tile_vecs = 2;
inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
inline Vec load_part(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
inline void store_part(float* p, Vec x, int64_t n) { _mm512_mask_storeu_ps(p, first(n), x); }
#elif defined(ELBO_VARIANT_V3)
constexpr int tile_rows = 6, tile_vecs = 2;
inline Vec zero() { return _mm256_setzero_ps(); }
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec x) { _mm256_storeu_ps(p, x); }
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline __m256i first(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec load_part(const float* p, int64_t n) { return _mm256_maskload_ps(p, first(n)); }
inline void store_part(float* p, Vec x, int64_t n) { _mm256_maskstore_ps(p, first(n), x); }
#endif

#ifdef ELBO_AVX
constexpr int tile_cols = tile_vecs * lanes;

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// ---- packing: to[p * step + i] = element (i, p) --------------------------------------------------------------------

// Where eight rows from row `first` on begin. Rows that aren't there repeat the last one: what is made of them is never
// stored.
inline void eight_rows(const float* (&row)[8], const float* from, int64_t ld, int64_t first, int64_t rows) {
  for (int64_t i = 0; i < 8; ++i) row[i] = from + smaller(first + i, rows - 1) * ld;
}

// Columns p to p + 3 of eight rows.
inline void columns(__m256 (&to)[4], const float* const (&row)[8], int64_t p) {
  transpose(to, halves(row[0] + p, row[4] + p), halves(row[1] + p, row[5] + p), halves(row[2] + p, row[6] + p),
            halves(row[3] + p, row[7] + p));
}

// Eight rows whose k lies side by side; the next ones are `ahead` further on.
void pack_eight_rows(float* to, int64_t step, const float* const (&row)[8], int64_t ahead, int64_t k) {
  int64_t p = 0;
  for (; p + 8 <= k; p += 8) {
    for (int i = 0; i < 8; ++i) __builtin_prefetch(row[i] + ahead + p);
    ELBO_UNROLL
    for (int64_t q = p; q < p + 8; q += 4) {
      __m256 column[4];
      columns(column, row, q);
      ELBO_UNROLL
      for (int i = 0; i < 4; ++i) _mm256_storeu_ps(to + (q + i) * step, column[i]);
    }
  }
  for (; p < k; ++p)
    for (int i = 0; i < 8; ++i) to[p * step + i] = row[i][p];
}

// `width` rows whose k lies side by side.
void pack_rows(float* to, int64_t step, const float* from, int64_t ld, int64_t width, int64_t k) {
  for (int64_t i = 0; i < width; i += 8) {
    const float* row[8];
    eight_rows(row, from, ld, i, width);
    pack_eight_rows(to + i, step, row, 8 * ld, k);
  }
  // The rest of the last vector, which a tile reads, though nobody needs the outcome.
  for (int64_t i = (width + 7) / 8 * 8; i < (width + lanes - 1) / lanes * lanes; i += 8)
    for (int64_t p = 0; p < k; ++p) _mm256_storeu_ps(to + p * step + i, _mm256_setzero_ps());
}

// Where the values of one k lie side by side, packing goes by so many k at a time, through all panels.
constexpr int64_t lines = 8;

// k <= lines: `width` values of each, of `there` that may be read.
inline void pack_lines(float* to, int64_t step, const float* from, int64_t ld, int64_t width, int64_t there,
                       int64_t k) {
  for (int64_t p = 0; p < k; ++p, to += step, from += ld)
    for (int64_t i = 0; i < step; i += lanes)
      store(to + i, i + lanes <= there ? load(from + i) : i < width ? load_part(from + i, width - i) : zero());
}

// The processor doesn't guess across pages which lines come next.
inline void fetch_lines(const float* from, int64_t ld, int64_t width) {
  for (int64_t p = 0; p < lines; ++p)
    for (int64_t i = 0; i < width; i += 16) __builtin_prefetch(from + p * ld + i);
}

// Panels of nearly equal height: 128 rows in tiles of 6 are 18 panels of 6 and 4 of 5, not 21 of 6 and a slow one of 2.
struct Panels {
  int64_t count, height, higher;  // the first `higher` panels have one row more
  int64_t height_of(int64_t i) const { return height + (i < higher); }
};
inline Panels row_panels(int64_t rows) {
  const int64_t count = (rows + tile_rows - 1) / tile_rows;
  return {count, rows / count, rows % count};
}

void pack_b(float* to, const float* from, int64_t ld, bool k_contiguous, int64_t cols, int64_t k) {
  if (k_contiguous) {
    for (int64_t j = 0; j < cols; j += tile_cols)
      pack_rows(to + j * k, tile_cols, from + j * ld, ld, smaller(cols - j, tile_cols), k);
    return;
  }
  for (int64_t p = 0; p < k; p += lines) {
    fetch_lines(from + (p + 2 * lines) * ld, ld, cols);
    for (int64_t j = 0; j < cols; j += tile_cols)
      pack_lines(to + j * k + p * tile_cols, tile_cols, from + p * ld + j, ld, cols - j, cols - j,
                 smaller(k - p, lines));
  }
}

// ---- the micro-kernel ----------------------------------------------------------------------------------------------

// c [rows, vecs * lanes] (of the last vector only `tail` columns) = or += a b, summed in registers in the order of k.
// Element (i, p) of a is a[i * ld_a + p] with `k_contiguous`, otherwise a[p * ld_a + i].
template <bool k_contiguous, int rows, int vecs>
void tile(int64_t k, const float* a, int64_t ld_a, const float* b, float* c, int64_t ld, int64_t tail,
          bool accumulate) {
  Vec sum[rows][vecs];
  ELBO_UNROLL
  for (int i = 0; i < rows; ++i) {
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v) {
      __builtin_prefetch(c + i * ld + v * lanes, 1);
      sum[i][v] = zero();
    }
  }
  const float* threes[(rows + 2) / 3];  // every third row: from there x86 addresses three
  ELBO_UNROLL
  for (int i = 0; i < (rows + 2) / 3; ++i) threes[i] = a + 3 * i * ld_a;
  for (int64_t p = 0; p < k; ++p, a += ld_a, b += tile_cols) {
    Vec y[vecs];
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v) y[v] = load(b + v * lanes);
    ELBO_UNROLL
    for (int i = 0; i < rows; ++i) {
      const Vec x = all(k_contiguous ? threes[i / 3][i % 3 * ld_a + p] : a[i]);
      ELBO_UNROLL
      for (int v = 0; v < vecs; ++v) sum[i][v] = fma(x, y[v], sum[i][v]);
    }
  }
  ELBO_UNROLL
  for (int i = 0; i < rows; ++i) {
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v) {
      float* to = c + i * ld + v * lanes;
      if (v + 1 < vecs || tail == lanes)
        store(to, accumulate ? add(load(to), sum[i][v]) : sum[i][v]);
      else
        store_part(to, accumulate ? add(load_part(to, tail), sum[i][v]) : sum[i][v], tail);
    }
  }
}

using Tile = void (*)(int64_t, const float*, int64_t, const float*, float*, int64_t, int64_t, bool);
template <bool k_contiguous>
constexpr Tile tiles[][tile_vecs] = {
    {tile<k_contiguous, 1, 1>, tile<k_contiguous, 1, 2>},   {tile<k_contiguous, 2, 1>, tile<k_contiguous, 2, 2>},
    {tile<k_contiguous, 3, 1>, tile<k_contiguous, 3, 2>},   {tile<k_contiguous, 4, 1>, tile<k_contiguous, 4, 2>},
    {tile<k_contiguous, 5, 1>, tile<k_contiguous, 5, 2>},   {tile<k_contiguous, 6, 1>, tile<k_contiguous, 6, 2>},
#if defined(ELBO_VARIANT_V4)
    {tile<k_contiguous, 7, 1>, tile<k_contiguous, 7, 2>},   {tile<k_contiguous, 8, 1>, tile<k_contiguous, 8, 2>},
    {tile<k_contiguous, 9, 1>, tile<k_contiguous, 9, 2>},   {tile<k_contiguous, 10, 1>, tile<k_contiguous, 10, 2>},
    {tile<k_contiguous, 11, 1>, tile<k_contiguous, 11, 2>}, {tile<k_contiguous, 12, 1>, tile<k_contiguous, 12, 2>},
#endif
};
static_assert(sizeof(tiles<true>) / sizeof(tiles<true>[0]) == tile_rows);

// A panel of b stays in the first-level cache while all rows of a pass by. The next panel is fetched meanwhile, unless
// the rows are few: then it is close already, or there is no time.
void block(const float* a, int64_t ld_a, bool k_contiguous, const float* b, float* c, int64_t ld, int64_t m, int64_t n,
           int64_t k, bool accumulate) {
  const Panels panels = row_panels(m);
  const int64_t fetch = panels.count > 4 ? (tile_cols * k / panels.count + 15) / 16 * 16 : 0;
  for (int64_t j = 0; j < n; j += tile_cols, b += tile_cols * k) {
    const float* next = b + tile_cols * k;
    const int64_t width = smaller(n - j, tile_cols), vecs = (width + lanes - 1) / lanes;
    const float* panel = a;
    float* to = c + j;
    for (int64_t i = 0; i < panels.count; ++i) {
      const int64_t height = panels.height_of(i);
      for (int64_t line = 0; line < fetch; line += 16) __builtin_prefetch(next + line, 0, 2);
      next += fetch;
      const Tile compute = k_contiguous ? tiles<true>[height - 1][vecs - 1] : tiles<false>[height - 1][vecs - 1];
      compute(k, panel, ld_a, b, to, ld, width - (vecs - 1) * lanes, accumulate);
      panel += k_contiguous ? height * ld_a : height;
      to += height * ld;
    }
  }
}

// ---- one row -------------------------------------------------------------------------------------------------------

// Up to eight columns of m, each of whose k lie side by side.
void row_across(float* y, const float* x, const float* m, int64_t ld, int64_t n, int64_t k) {
  const float* column[8];
  eight_rows(column, m, ld, 0, n);
  __m256 sum[8];
  ELBO_UNROLL
  for (int j = 0; j < 8; ++j) sum[j] = _mm256_setzero_ps();
  int64_t p = 0;
  for (; p + 8 <= k; p += 8) {
    const __m256 here = _mm256_loadu_ps(x + p);
    ELBO_UNROLL
    for (int j = 0; j < 8; ++j) sum[j] = _mm256_fmadd_ps(here, _mm256_loadu_ps(column[j] + p), sum[j]);
  }
  float lane[8][8];
  for (int j = 0; j < 8; ++j) _mm256_storeu_ps(lane[j], sum[j]);
  for (int64_t j = 0; j < n; ++j) {
    float total = 0;
    for (int i = 0; i < 8; ++i) total += lane[j][i];
    for (int64_t q = p; q < k; ++q) total = __builtin_fmaf(x[q], column[j][q], total);
    y[j] = total;
  }
}

// ---- few rows ------------------------------------------------------------------------------------------------------

// x [rows, k] and y [rows, n], a row ld_x and ld_y after the other; y is = or with `add` +=.
struct FewRows {
  float* y;
  const float* x;
  int64_t ld_y, ld_x, k;
  bool add;
};

// Up to sixteen columns of m, each of whose k lie side by side, turned in registers: so that the sums are those of a
// tile.
template <int rows>
void rows_across(const FewRows& few, const float* m, int64_t ld, int64_t n) {
  const float* column[2][8];
  __m256 sum[rows][2];
  for (int half = 0; half < 2; ++half) eight_rows(column[half], m, ld, 8 * half, n);
  ELBO_UNROLL
  for (int i = 0; i < rows; ++i) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
  int64_t p = 0;
  for (; p + 4 <= few.k; p += 4) {
    ELBO_UNROLL
    for (int half = 0; half < 2; ++half) {
      __m256 turned[4];
      columns(turned, column[half], p);
      ELBO_UNROLL
      for (int q = 0; q < 4; ++q) {
        ELBO_UNROLL
        for (int i = 0; i < rows; ++i)
          sum[i][half] = _mm256_fmadd_ps(_mm256_set1_ps(few.x[i * few.ld_x + p + q]), turned[q], sum[i][half]);
      }
    }
  }
  for (int i = 0; i < rows; ++i) {
    float total[16];
    _mm256_storeu_ps(total, sum[i][0]), _mm256_storeu_ps(total + 8, sum[i][1]);
    float* y = few.y + i * few.ld_y;
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t q = p; q < few.k; ++q)
        total[j] = __builtin_fmaf(few.x[i * few.ld_x + q], column[j / 8][j % 8][q], total[j]);
      y[j] = few.add ? y[j] + total[j] : total[j];
    }
  }
}

// n columns of m that lie side by side, in `vecs` vectors, the last one `whole` or not.
template <int rows, int vecs, bool whole>
void rows_along(const FewRows& few, const float* m, int64_t ld, int64_t n) {
  Vec sum[rows][vecs];
  ELBO_UNROLL
  for (int i = 0; i < rows; ++i) {
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v) sum[i][v] = zero();
  }
  const int64_t tail = n - (vecs - 1) * lanes;
  for (int64_t p = 0; p < few.k; ++p, m += ld) {
    Vec of_m[vecs];
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v)
      of_m[v] = whole || v + 1 < vecs ? load(m + v * lanes) : load_part(m + v * lanes, tail);
    ELBO_UNROLL
    for (int i = 0; i < rows; ++i) {
      const Vec here = all(few.x[i * few.ld_x + p]);
      ELBO_UNROLL
      for (int v = 0; v < vecs; ++v) sum[i][v] = fma(here, of_m[v], sum[i][v]);
    }
  }
  ELBO_UNROLL
  for (int i = 0; i < rows; ++i) {
    ELBO_UNROLL
    for (int v = 0; v < vecs; ++v) {
      float* y = few.y + i * few.ld_y + v * lanes;
      const int64_t size = v + 1 < vecs ? lanes : tail;
      store_part(y, few.add ? add(load_part(y, size), sum[i][v]) : sum[i][v], size);
    }
  }
}

// What the registers hold.
#if defined(ELBO_VARIANT_V4)
constexpr int most_across = 8, most_along = 4;
#else
constexpr int most_across = 4, most_along = 2;
#endif
constexpr int across = 16, along = 4 * lanes;
using Strip = void (*)(const FewRows&, const float*, int64_t, int64_t);
constexpr Strip strips_across[] = {
    rows_across<1>, rows_across<2>, rows_across<3>, rows_across<4>,
#if defined(ELBO_VARIANT_V4)
    rows_across<5>, rows_across<6>, rows_across<7>, rows_across<8>,
#endif
};
template <int rows>
constexpr Strip ends_along[] = {rows_along<rows, 1, false>, rows_along<rows, 2, false>, rows_along<rows, 3, false>,
                                rows_along<rows, 4, false>, rows_along<rows, 4, true>};
constexpr const Strip* strips_along[] = {
    ends_along<1>,
    ends_along<2>,
#if defined(ELBO_VARIANT_V4)
    ends_along<3>,
    ends_along<4>,
#endif
};
static_assert(sizeof(strips_across) / sizeof(Strip) == most_across &&
              sizeof(strips_along) / sizeof(Strip*) == most_along);

void few_rows(float* y, int64_t ld_y, const float* x, int64_t ld_x, const float* m, int64_t ld, bool k_contiguous,
              int64_t rows, int64_t n, int64_t k, bool accumulate) {
  if (k_contiguous && rows == 1) {
    for (int64_t j = 0; j < n; j += 8) row_across(y + j, x, m + j * ld, ld, smaller(n - j, 8), k);
    return;
  }
  const int64_t width = k_contiguous ? across : along, most = k_contiguous ? most_across : most_along;
  for (int64_t j = 0; j < n; j += width)
    for (int64_t i = 0; i < rows; i += most) {
      const int64_t cols = smaller(n - j, width), last = smaller(rows - i, most) - 1;
      const Strip strip =
          k_contiguous ? strips_across[last] : strips_along[last][cols == along ? 4 : (cols - 1) / lanes];
      strip({y + i * ld_y + j, x + i * ld_x, ld_y, ld_x, k, accumulate}, m + (k_contiguous ? j * ld : j), ld, cols);
    }
}
#endif  // ELBO_AVX

// ---- the epilogue --------------------------------------------------------------------------------------------------

template <class T>
struct Identity {
  T operator()(T x) const { return x; }
};

template <class T, class F>
void finish_rows(T* c, int64_t ld, int64_t rows, int64_t cols, const T* bias, F f) {
  for (int64_t i = 0; i < rows; ++i) {
    T* row = c + i * ld;
    if (bias)
      for (int64_t j = 0; j < cols; ++j) row[j] = f(row[j] + bias[j]);
    else
      for (int64_t j = 0; j < cols; ++j) row[j] = f(row[j]);
  }
}

template <class T>
void finish(T* c, int64_t ld, int64_t rows, int64_t cols, const T* bias, int activation) {
  switch (activation) {
    case 1:
      return finish_rows(c, ld, rows, cols, bias, Relu<T>{});
    case 2:
      return finish_rows(c, ld, rows, cols, bias, Sigmoid<T>{});
    case 3:
      return finish_rows(c, ld, rows, cols, bias, Tanh<T>{});
    default:
      if (bias) finish_rows(c, ld, rows, cols, bias, Identity<T>{});
  }
}

// ---- the peak ------------------------------------------------------------------------------------------------------

constexpr int chains = 12;  // more than latency times throughput of any processor in sight

float fma_rounds(int64_t n) {
  const Vec x = all(0.5f), y = all(0.25f);
  Vec sum[chains];
  ELBO_UNROLL
  for (int i = 0; i < chains; ++i) sum[i] = all(static_cast<float>(i));
  for (int64_t round = 0; round < n; ++round) {
    ELBO_UNROLL
    for (int i = 0; i < chains; ++i) sum[i] = fma(sum[i], x, y);
  }
  float total = 0;
  for (int i = 0; i < chains; ++i) total += sum[i][0];
  return total;
}

}  // namespace

const GemmTable ELBO_VARIANT_NAME(elbo_gemm_table_) = {
#ifdef ELBO_AVX
    tile_rows,     tile_cols,      pack_b,     block,
    few_rows,
#else
    0,             0,              nullptr,    nullptr,          nullptr,
#endif
    finish<float>, finish<double>, fma_rounds, 2 * chains* lanes};

}  // namespace elbo::cpu_kernels
