#include "move.h"

#include "loops.h"
#include "vectors.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;
using std::uint32_t;
using std::uint64_t;
using std::uint8_t;

// ---- lines ---------------------------------------------------------------------------------------------------------

/// A constant that a lambda can take as a number.
template <int64_t value>
struct Constant {
  constexpr operator int64_t() const { return value; }
};

/// put(j) for pieces of `width` elements that cover [0, n), the last of which may cover some of the one before; n is at
/// least `width`.
template <int width, class Put>
inline void in_pieces(int64_t n, const Put& put) {
  int64_t j = 0;
  for (; j + width <= n; j += width) put(j);
  if (j < n) put(n - width);
}

/// A line of n elements: piece(j, bytes) writes 32 bytes, or 16, from element j on, one(j) a single element.
template <class T, class Piece, class One>
inline void put_line(int64_t n, const Piece& piece, const One& one) {
  constexpr int most = 32 / sizeof(T), some = 16 / sizeof(T);
  if (n >= most) return in_pieces<most>(n, [&](int64_t j) ELBO_INLINE { piece(j, Constant<32>{}); });
  if (n >= some) return in_pieces<some>(n, [&](int64_t j) ELBO_INLINE { piece(j, Constant<16>{}); });
  for (int64_t j = 0; j < n; ++j) one(j);
}

template <class T>
void copy_lines(T* to, int64_t to_step, const T* from, int64_t from_step, int64_t lines, int64_t n) {
  for (int64_t i = 0; i < lines; ++i, to += to_step, from += from_step)
    put_line<T>(
        n, [=](int64_t j, auto bytes) ELBO_INLINE { __builtin_memcpy(to + j, from + j, bytes); },
        [=](int64_t j) ELBO_INLINE { to[j] = from[j]; });
}

/// `T` is an integer.
template <class T>
void repeat_lines(T* to, int64_t to_step, const T* from, int64_t from_step, int64_t lines, int64_t n) {
  typedef T Vector __attribute__((vector_size(32)));
  for (int64_t i = 0; i < lines; ++i, to += to_step, from += from_step) {
    const T value = *from;
    const Vector values = Vector{} + value;
    put_line<T>(
        n, [&](int64_t j, auto bytes) ELBO_INLINE { __builtin_memcpy(to + j, &values, bytes); },
        [&](int64_t j) ELBO_INLINE { to[j] = value; });
  }
}

/// Lines of every from_next-th element, backwards where it is negative.
template <class T>
void pick_lines(T* to, int64_t to_step, const T* from, int64_t from_step, int64_t from_next, int64_t lines, int64_t n) {
  for (int64_t i = 0; i < lines; ++i, to += to_step, from += from_step) {
    if (from_next == 2) {
      ELBO_INDEPENDENT
      for (int64_t j = 0; j < n; ++j) to[j] = from[2 * j];
    } else if (from_next == -1) {
      ELBO_INDEPENDENT
      for (int64_t j = 0; j < n; ++j) to[j] = from[-j];
    } else {
      for (int64_t j = 0; j < n; ++j) to[j] = from[j * from_next];
    }
  }
}

/// fn(n), with a constant for the shortest lines, which saves them a loop.
template <class Fn>
inline void with_length(int64_t n, const Fn& fn) {
  if (n == 1) return fn(Constant<1>{});
  if (n == 2) return fn(Constant<2>{});
  if (n == 3) return fn(Constant<3>{});
  if (n == 4) return fn(Constant<4>{});
  if (n == 8) return fn(Constant<8>{});
  if (n == 16) return fn(Constant<16>{});
  fn(n);
}

template <class T>
void lines_of(void* to, int64_t to_step, const void* from, int64_t from_step, int64_t from_next, int64_t lines,
              int64_t n) {
  T* t = static_cast<T*>(to);
  const T* f = static_cast<const T*>(from);
  if (from_next != 0 && from_next != 1) return pick_lines(t, to_step, f, from_step, from_next, lines, n);
  with_length(n, [=](auto length) ELBO_INLINE {
    if (from_next == 0)
      repeat_lines(t, to_step, f, from_step, lines, length);
    else
      copy_lines(t, to_step, f, from_step, lines, length);
  });
}

// ---- transposes ----------------------------------------------------------------------------------------------------

template <class T>
void transpose_plain(T* to, int64_t to_step, const T* from, int64_t from_step, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) to[i * to_step + j] = from[i + j * from_step];
}

/// Pictures of few channels: a side so short that its step in memory is a constant, for which compilers shuffle.
template <int count, class T>
void interleave(T* to, const T* from, int64_t from_step, int64_t rows) {
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < rows; ++i)
    for (int j = 0; j < count; ++j) to[i * count + j] = from[i + j * from_step];
}
template <int count, class T>
void deinterleave(T* to, int64_t to_step, const T* from, int64_t columns) {
  ELBO_INDEPENDENT
  for (int64_t j = 0; j < columns; ++j)
    for (int i = 0; i < count; ++i) to[i * to_step + j] = from[i + j * count];
}

#ifdef ELBO_AVX
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Squares in registers: `side` rows of `to` from as many lines of `from`.

/// Four elements of eight lines: four rows of eight.
inline void four_rows(float* to, int64_t to_step, const float* from, int64_t from_step) {
  __m256 row[4];
  transpose(row, from, from_step);
  for (int i = 0; i < 4; ++i) _mm256_storeu_ps(to + i * to_step, row[i]);
}
template <class T>
constexpr int64_t side = sizeof(T) == 4   ? 8
                         : sizeof(T) == 8 ? 4
                                          : 1;

inline void square(uint32_t* to, int64_t to_step, const uint32_t* from, int64_t from_step) {
  float* t = reinterpret_cast<float*>(to);
  const float* f = reinterpret_cast<const float*>(from);
  four_rows(t, to_step, f, from_step);
  four_rows(t + 4 * to_step, to_step, f + 4, from_step);
}
inline __m256d halves(const double* low, const double* high) {
  return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1);
}
inline void square(uint64_t* to, int64_t to_step, const uint64_t* from, int64_t from_step) {
  double* t = reinterpret_cast<double*>(to);
  const double* f = reinterpret_cast<const double*>(from);
  for (int64_t i = 0; i < 4; i += 2) {
    const __m256d ac = halves(f + i, f + i + 2 * from_step);
    const __m256d bd = halves(f + i + from_step, f + i + 3 * from_step);
    _mm256_storeu_pd(t + i * to_step, _mm256_unpacklo_pd(ac, bd));
    _mm256_storeu_pd(t + (i + 1) * to_step, _mm256_unpackhi_pd(ac, bd));
  }
}
inline void square(uint8_t* to, int64_t, const uint8_t* from, int64_t) { *to = *from; }
#endif

template <class T>
void transpose_of(void* to, int64_t to_step, const void* from, int64_t from_step, int64_t rows, int64_t columns) {
  T* t = static_cast<T*>(to);
  const T* f = static_cast<const T*>(from);
  if (columns == to_step && columns == 2) return interleave<2>(t, f, from_step, rows);
  if (columns == to_step && columns == 3) return interleave<3>(t, f, from_step, rows);
  if (columns == to_step && columns == 4) return interleave<4>(t, f, from_step, rows);
  if (rows == from_step && rows == 2) return deinterleave<2>(t, to_step, f, columns);
  if (rows == from_step && rows == 3) return deinterleave<3>(t, to_step, f, columns);
  if (rows == from_step && rows == 4) return deinterleave<4>(t, to_step, f, columns);
#ifdef ELBO_AVX
  constexpr int64_t s = side<T>;
  if (s > 1 && rows >= s && columns >= s) {
    // The last squares of each side cover some of the ones before.
    for (int64_t i = 0; i < rows; i += s)
      for (int64_t j = 0; j < columns; j += s) {
        const int64_t row = smaller(i, rows - s), column = smaller(j, columns - s);
        square(t + row * to_step + column, to_step, f + row + column * from_step, from_step);
      }
    return;
  }
#endif
  transpose_plain(t, to_step, f, from_step, rows, columns);
}

// ---- sums and fills ------------------------------------------------------------------------------------------------

template <class T>
void add_rows(void* to, const void* from, const int64_t* indices, int64_t k, int64_t step, int64_t n) {
  T* t = static_cast<T*>(to);
  const T* f = static_cast<const T*>(from);
  if (n == 1) {
    for (int64_t i = 0; i < k; ++i) t[indices[i] * step] = static_cast<T>(t[indices[i] * step] + f[i * step]);
    return;
  }
  for (int64_t i = 0; i < k; ++i) {
    T* row = t + indices[i] * step;
    const T* more = f + i * step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < n; ++j) row[j] = static_cast<T>(row[j] + more[j]);
  }
}

template <class T>
void fill_of(void* to, const void* value, int64_t n) {
  T* t = static_cast<T*>(to);
  const T v = *static_cast<const T*>(value);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) t[i] = v;
}

void stream(void* to, const void* from, int64_t bytes) {
  char* t = static_cast<char*>(to);
  const char* f = static_cast<const char*>(from);
#if defined(__SSE2__)
  constexpr int64_t line = 64;
  const int64_t before = static_cast<int64_t>(-reinterpret_cast<uint64_t>(to) % line);
  if (bytes >= before + line) {
    __builtin_memcpy(t, f, static_cast<uint64_t>(before));
    t += before, f += before, bytes -= before;
    for (; bytes >= line; t += line, f += line, bytes -= line)
#if defined(ELBO_AVX)
      for (int64_t i = 0; i < line; i += 32)
        _mm256_stream_si256(reinterpret_cast<__m256i*>(t + i),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(f + i)));
#else
      for (int64_t i = 0; i < line; i += 16)
        _mm_stream_si128(reinterpret_cast<__m128i*>(t + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(f + i)));
#endif
  }
#endif
  __builtin_memcpy(t, f, static_cast<uint64_t>(bytes));
}

}  // namespace

extern const MoveTable ELBO_VARIANT_NAME(elbo_move_table_) = {
    {lines_of<uint8_t>, lines_of<uint32_t>, lines_of<uint64_t>},
    {transpose_of<uint8_t>, transpose_of<uint32_t>, transpose_of<uint64_t>},
    {add_rows<float>, add_rows<double>, add_rows<uint8_t>, add_rows<uint64_t>},
    {fill_of<uint8_t>, fill_of<uint32_t>, fill_of<uint64_t>},
    stream};

}  // namespace elbo::cpu_kernels
