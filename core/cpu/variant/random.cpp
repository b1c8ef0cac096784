#include "random.h"

#include "../../philox.h"
#include "loops.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;
using std::uint32_t;
using std::uint64_t;

/// Blocks [first, first + count) of a call; no multiple of 2^32 lies strictly inside.
struct Range {
  int64_t first, count;
};

philox::Words block(const philox::Source& s, uint32_t low, uint32_t word1) {
  return philox::block({low, word1, s.offset_low, s.offset_high}, s.key);
}

template <RandomKind kind>
void blocks(Range range, float* out, const philox::Source& source, double p) {
  const philox::Source s = source;
  const float threshold = static_cast<float>(p);
  const uint32_t low = static_cast<uint32_t>(range.first);
  const uint32_t word1 = s.stream + (static_cast<uint32_t>(static_cast<uint64_t>(range.first) >> 32) << 16);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < range.count; ++i) {
    const philox::Four x = philox::numbers4(kind, block(s, low + static_cast<uint32_t>(i), word1), threshold);
    out[4 * i] = x.a;
    out[4 * i + 1] = x.b;
    out[4 * i + 2] = x.c;
    out[4 * i + 3] = x.d;
  }
}

template <RandomKind kind>
void blocks(Range range, double* out, const philox::Source& source, double p) {
  for (int64_t i = 0; i < range.count; ++i) {
    const philox::Words w = philox::block(source, static_cast<uint64_t>(range.first + i));
    const philox::Pair<double> x = philox::numbers2(kind, w, p);
    out[2 * i] = x.first;
    out[2 * i + 1] = x.second;
  }
}

template <RandomKind kind, class T>
void fill_kind(T* out, int64_t begin, int64_t end, const philox::Source& source, double p) {
  constexpr int64_t per_block = 16 / sizeof(T), wrap = int64_t{1} << 32;
  const int64_t last = end / per_block;  // the first block that is not filled whole
  for (int64_t at = begin / per_block; at < last;) {
    const int64_t next_wrap = (at / wrap + 1) * wrap, stop = last < next_wrap ? last : next_wrap;
    blocks<kind>({at, stop - at}, out + at * per_block, source, p);
    at = stop;
  }
  if (last * per_block == end) return;
  T rest[per_block];
  blocks<kind>({last, 1}, rest, source, p);
  for (int64_t i = last * per_block; i < end; ++i) out[i] = rest[i - last * per_block];
}

template <class T>
void fill(RandomKind kind, void* out, int64_t begin, int64_t end, uint64_t seed, uint32_t stream, int64_t offset,
          double p) {
  const philox::Source source = philox::source(seed, stream, offset);
  T* to = static_cast<T*>(out);
  switch (kind) {
    case RandomKind::uniform:
      return fill_kind<RandomKind::uniform>(to, begin, end, source, p);
    case RandomKind::normal:
      return fill_kind<RandomKind::normal>(to, begin, end, source, p);
    case RandomKind::bernoulli:
      return fill_kind<RandomKind::bernoulli>(to, begin, end, source, p);
  }
}

}  // namespace

extern const RandomTable ELBO_VARIANT_NAME(elbo_random_table_) = {{fill<float>, fill<double>}};

}  // namespace elbo::cpu_kernels
