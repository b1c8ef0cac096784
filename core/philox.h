#pragma once
#include <cstdint>

#include "random_kinds.h"
#include "scalar_math.h"

/// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
/// 1, 2, 3", SC 2011). Element i of a call depends on (seed, stream, offset, i) alone, so any thread of any device
/// can compute it.
///
/// A block of four 32-bit words comes from the key, which is the seed, and the counter: word 0 is the low half of the
/// block's number, word 1 is stream + 65536 * (its high half), words 2 and 3 are the offset. Streams are below 65536
/// and blocks below 2^48. A block serves 4 elements of float32, or 2 of float64; block b those from 4 b, or 2 b, on.
/// float64 has numbers of its own, not float32's with more digits.
namespace elbo {
namespace {  // NOLINT(google-build-namespaces): see scalar_math.h
namespace philox {

struct Words {
  std::uint32_t a, b, c, d;
};
struct Key {
  std::uint32_t low, high;
};

ELBO_HD inline std::uint32_t high_product(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(a) * b) >> 32);
}

/// Round number `n` (from 0) of ten.
ELBO_HD inline Words round(Words x, Key key, std::uint32_t n) {
  constexpr std::uint32_t m0 = 0xd2511f53u, m1 = 0xcd9e8d57u, w0 = 0x9e3779b9u, w1 = 0xbb67ae85u;
  return {high_product(m1, x.c) ^ x.b ^ (key.low + n * w0), m1 * x.c, high_product(m0, x.a) ^ x.d ^ (key.high + n * w1),
          m0 * x.a};
}

ELBO_HD inline Words block(Words counter, Key key) {
  Words x = round(counter, key, 0);
  x = round(x, key, 1);
  x = round(x, key, 2);
  x = round(x, key, 3);
  x = round(x, key, 4);
  x = round(x, key, 5);
  x = round(x, key, 6);
  x = round(x, key, 7);
  x = round(x, key, 8);
  return round(x, key, 9);
}

/// Where a call's numbers come from.
struct Source {
  Key key;
  std::uint32_t stream, offset_low, offset_high;
};
ELBO_HD inline Source source(std::uint64_t seed, std::uint32_t stream, std::int64_t offset) {
  const std::uint64_t at = static_cast<std::uint64_t>(offset);
  return {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
          stream,
          static_cast<std::uint32_t>(at),
          static_cast<std::uint32_t>(at >> 32)};
}
ELBO_HD inline Words block(const Source& s, std::uint64_t number) {
  return block({static_cast<std::uint32_t>(number), s.stream + (static_cast<std::uint32_t>(number >> 32) << 16),
                s.offset_low, s.offset_high},
               s.key);
}

// ---- words to numbers ----------------------------------------------------------------------------------------------

/// Multiples of 2^-24 in [0, 1).
ELBO_HD inline float uniform(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 5.96046448e-8f;
}
/// Multiples of 2^-53 in [0, 1).
ELBO_HD inline double uniform(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t word = (static_cast<std::uint64_t>(high) << 32) | low;
  return static_cast<double>(static_cast<std::int64_t>(word >> 11)) * 0x1p-53;
}

/// Two independent standard normal numbers (Box and Muller 1958), float or double.
template <class T>
struct Pair {
  T first, second;
};
/// The radius has 31 random bits, so that the tails reach 6.6 standard deviations.
ELBO_HD inline Pair<float> normal(std::uint32_t word_radius, std::uint32_t word_angle) {
  // In (0, 1]: (word / 2 + 1/2) / 2^31.
  const float u = static_cast<float>(static_cast<std::int32_t>(word_radius >> 1)) * 4.65661287e-10f + 2.32830644e-10f;
  const float angle = uniform(word_angle), radius = math::sqrt(-2.0f * math::log(u));
  return {radius * math::cos2pi(angle), radius * math::sin2pi(angle)};
}
ELBO_HD inline Pair<double> normal(Words w) {
  const double radius = math::sqrt(-2.0 * math::log(1.0 - uniform(w.a, w.b)));  // of a number in (0, 1]
  const double angle = uniform(w.c, w.d);
  return {radius * math::cos2pi(angle), radius * math::sin2pi(angle)};
}

/// The elements of a block, for one kind of number.
struct Four {
  float a, b, c, d;
};
ELBO_HD inline Four numbers4(RandomKind kind, Words w, float p) {
  if (kind == RandomKind::normal) {
    const Pair<float> x = normal(w.a, w.b), y = normal(w.c, w.d);
    return {x.first, x.second, y.first, y.second};
  }
  const Four u = {uniform(w.a), uniform(w.b), uniform(w.c), uniform(w.d)};
  if (kind == RandomKind::uniform) return u;
  return {u.a < p ? 1.0f : 0.0f, u.b < p ? 1.0f : 0.0f, u.c < p ? 1.0f : 0.0f, u.d < p ? 1.0f : 0.0f};
}
ELBO_HD inline Pair<double> numbers2(RandomKind kind, Words w, double p) {
  if (kind == RandomKind::normal) return normal(w);
  const Pair<double> u = {uniform(w.a, w.b), uniform(w.c, w.d)};
  if (kind == RandomKind::uniform) return u;
  return {u.first < p ? 1.0 : 0.0, u.second < p ? 1.0 : 0.0};
}

}  // namespace philox
}  // namespace
}  // namespace elbo
