#include <algorithm>
#include <set>

#include "../core/philox.h"
#include "kernel_support.h"

using namespace kernel_test;

namespace {

template <class T>
std::vector<T> draw(Backend& backend, RandomKind kind, int64_t n, std::uint64_t seed = 1, std::uint32_t stream = 0,
                    int64_t offset = 0, double p = 0.5) {
  std::vector<T> out = poison<T>(n);
  ok(backend.random(kind, flat(out), {seed, stream, &offset}, p));
  return out;
}

struct Moments {
  double mean = 0, var = 0, skew = 0, kurtosis = 0;
};
template <class T>
Moments moments_of(const std::vector<T>& x) {
  Moments m;
  const double n = static_cast<double>(x.size());
  for (T each : x) m.mean += static_cast<double>(each);
  m.mean /= n;
  for (T each : x) {
    const double d = static_cast<double>(each) - m.mean;
    m.var += d * d / n, m.skew += d * d * d / n, m.kurtosis += d * d * d * d / n;
  }
  return m;
}

/// Kolmogorov and Smirnov: sqrt(n) times the largest distance of the empirical distribution from `cdf`. It exceeds
/// 1.95 with probability 0.001.
template <class T, class Cdf>
double ks(std::vector<T> x, const Cdf& cdf) {
  std::sort(x.begin(), x.end());
  const double n = static_cast<double>(x.size());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double f = cdf(static_cast<double>(x[i])), at = static_cast<double>(i);
    worst = std::max({worst, std::fabs(f - at / n), std::fabs(f - (at + 1) / n)});
  }
  return std::sqrt(n) * worst;
}
double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

}  // namespace

TEST_CASE("philox4x32-10 gives the published words") {
  using philox::Words;
  auto check = [](Words counter, philox::Key key, Words expected) {
    const Words w = philox::block(counter, key);
    REQUIRE(w.a == expected.a);
    REQUIRE(w.b == expected.b);
    REQUIRE(w.c == expected.c);
    REQUIRE(w.d == expected.d);
  };
  const std::uint32_t f = 0xffffffffu;
  check({0, 0, 0, 0}, {0, 0}, {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  check({f, f, f, f}, {f, f}, {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  check({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u},
        {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

TEST_CASE("philox: seed, stream, offset and the block's high half reach the counter and the key") {
  const philox::Source s = philox::source(0x1122334455667788u, 7, 0x0102030405060708);
  REQUIRE(s.key.low == 0x55667788u);
  REQUIRE(s.key.high == 0x11223344u);
  REQUIRE(s.offset_low == 0x05060708u);
  REQUIRE(s.offset_high == 0x01020304u);
  const philox::Words direct = philox::block({9, 7 + (3u << 16), 0x05060708u, 0x01020304u}, s.key);
  const philox::Words found = philox::block(s, (std::uint64_t{3} << 32) + 9);
  REQUIRE(direct.a == found.a);
  REQUIRE(direct.d == found.d);
}

TEST_CASE("random: element i does not depend on the length, the threads or the variant") {
  for (RandomKind kind : {RandomKind::uniform, RandomKind::normal, RandomKind::bernoulli}) {
    const std::vector<float> whole = draw<float>(*backends()[0], kind, 20011);
    const std::vector<double> whole64 = draw<double>(*backends()[0], kind, 20011);
    for (const auto& backend : backends()) {
      INFO(backend->description());
      REQUIRE(same_bits(whole, same_for_threads([&] { return draw<float>(*backend, kind, 20011); })));
      REQUIRE(same_bits(whole64, same_for_threads([&] { return draw<double>(*backend, kind, 20011); })));
      for (int64_t n = 0; n < 70; ++n) {
        REQUIRE(same_bits(draw<float>(*backend, kind, n), {whole.begin(), whole.begin() + n}));
        REQUIRE(same_bits(draw<double>(*backend, kind, n), {whole64.begin(), whole64.begin() + n}));
      }
    }
  }
}

TEST_CASE("random: the documented layout") {
  Backend& backend = *backends().back();
  const philox::Source s = philox::source(42, 3, 5);
  const auto u = draw<float>(backend, RandomKind::uniform, 11, 42, 3, 5);
  const auto z = draw<float>(backend, RandomKind::normal, 11, 42, 3, 5);
  const auto d = draw<double>(backend, RandomKind::uniform, 11, 42, 3, 5);
  const philox::Words third = philox::block(s, 2), sixth = philox::block(s, 5);
  REQUIRE(u[8] == static_cast<float>(third.a >> 8) / 16777216.0f);
  REQUIRE(u[10] == static_cast<float>(third.c >> 8) / 16777216.0f);
  REQUIRE(d[10] == std::ldexp(static_cast<double>((std::uint64_t{sixth.a} << 32 | sixth.b) >> 11), -53));
  const double radius = std::sqrt(-2 * std::log((static_cast<double>(third.a >> 1) + 0.5) * std::ldexp(1, -31)));
  const double angle = 2 * std::acos(-1.0) * static_cast<double>(third.b >> 8) / 16777216.0;
  REQUIRE(z[8] == Approx(radius * std::cos(angle)).margin(1e-5));
  REQUIRE(z[9] == Approx(radius * std::sin(angle)).margin(1e-5));
}

TEST_CASE("random: seeds, streams and offsets are different numbers, and a call adds one to the offset") {
  Backend& backend = *backends().back();
  std::set<float> seen;
  for (std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32})
    for (std::uint32_t stream : {0u, 1u, 8u})
      for (int64_t offset : {int64_t{0}, int64_t{1}, int64_t{1} << 32})
        seen.insert(draw<float>(backend, RandomKind::uniform, 1, seed, stream, offset)[0]);
  REQUIRE(seen.size() == 27);
  int64_t offset = 41;
  std::vector<float> out(3), none;
  ok(backend.random(RandomKind::normal, flat(out), {0, 0, &offset}, 0));
  REQUIRE(offset == 42);
  ok(backend.random(RandomKind::normal, flat(none), {0, 0, &offset}, 0));
  REQUIRE(offset == 43);
}

TEMPLATE_TEST_CASE("random: distributions", "", float, double) {
  constexpr int64_t n = 1000000;
  Backend& backend = *backends().back();
  const double sigma = 1 / std::sqrt(static_cast<double>(n));  // of a mean of unit variance
  const auto u = draw<TestType>(backend, RandomKind::uniform, n);
  REQUIRE(*std::min_element(u.begin(), u.end()) >= 0);
  REQUIRE(*std::max_element(u.begin(), u.end()) < 1);
  REQUIRE(std::fabs(moments_of(u).mean - 0.5) < 4 * sigma * std::sqrt(1.0 / 12));
  REQUIRE(std::fabs(moments_of(u).var - 1.0 / 12) < 4 * sigma * std::sqrt(1.0 / 180));
  REQUIRE(ks(u, [](double x) { return x; }) < 1.95);

  const auto z = draw<TestType>(backend, RandomKind::normal, n);
  const Moments m = moments_of(z);
  REQUIRE(std::fabs(m.mean) < 4 * sigma);
  REQUIRE(std::fabs(m.var - 1) < 4 * sigma * std::sqrt(2.0));
  REQUIRE(std::fabs(m.skew) < 4 * sigma * std::sqrt(15.0));
  REQUIRE(std::fabs(m.kurtosis - 3) < 4 * sigma * std::sqrt(96.0));
  REQUIRE(ks(z, normal_cdf) < 1.95);
  double neighbours = 0;  // the two numbers of a pair, and those beside them, are uncorrelated
  for (std::size_t i = 1; i < z.size(); ++i) neighbours += static_cast<double>(z[i]) * static_cast<double>(z[i - 1]);
  REQUIRE(std::fabs(neighbours / n) < 4 * sigma);

  for (double p : {0.0, 0.1, 0.5, 1.0}) {
    const auto b = draw<TestType>(backend, RandomKind::bernoulli, n, 1, 0, 0, p);
    for (TestType each : b)
      if (each != 0 && each != 1) FAIL("bernoulli gave " << each);
    REQUIRE(std::fabs(moments_of(b).mean - p) <= 4 * sigma * std::sqrt(p * (1 - p)));
  }
}

TEMPLATE_TEST_CASE("reparameterize has the bits of its parts, and draws once", "", float, double) {
  using T = TestType;
  for (int64_t n : {0, 1, 3, 4, 5, 1023, 1024, 1025, 20011}) {
    const auto mu = values<T>(n, -2, 2, 1), logvar = values<T>(n, -4, 3, 2);
    for (const auto& backend : backends()) {
      INFO(n << " elements, " << backend->description());
      const auto eps = draw<T>(*backend, RandomKind::normal, n, 42, 3, 5);
      auto noise = poison<T>(n), z = poison<T>(n);
      ok(backend->unary(UnaryOp::mul_scalar, flat(noise), flat(logvar), 0.5, 0));
      ok(backend->unary(UnaryOp::exp, flat(noise), flat(noise), 0, 0));
      ok(backend->binary(BinaryOp::mul, flat(noise), flat(noise), flat(eps)));
      ok(backend->binary(BinaryOp::add, flat(z), flat(mu), flat(noise)));
      z.insert(z.end(), noise.begin(), noise.end());
      REQUIRE(same_bits(
          same_for_threads([&] {
            auto found = poison<T>(n), found_noise = poison<T>(n);
            int64_t offset = 5;
            ok(backend->reparameterize(flat(found), flat(found_noise), flat(mu), flat(logvar), {42, 3, &offset}));
            REQUIRE(offset == 6);
            found.insert(found.end(), found_noise.begin(), found_noise.end());
            return found;
          }),
          z));
    }
  }
}

TEMPLATE_TEST_CASE("reparameterize_kl has the bits of its parts, and so has its gradient", "", float, double) {
  using T = TestType;
  for (int64_t n : {0, 1, 5, 511, 513, 20011}) {
    const auto mu = values<T>(n, -2, 2, 1), logvar = values<T>(n, -4, 3, 2), gz = values<T>(n, -1, 1, 3);
    const std::vector<T> gkl = {T(0.7)};
    for (const auto& backend : backends()) {
      INFO(n << " elements, " << backend->description());
      auto z = poison<T>(n), noise = poison<T>(n), kl = poison<T>(1);
      int64_t at = 5;
      ok(backend->reparameterize(flat(z), flat(noise), flat(mu), flat(logvar), {42, 3, &at}));
      ok(backend->binary_sum(BinaryOp::gaussian_kl, view(kl, {}), flat(mu), flat(logvar), {}, nullptr));
      z.insert(z.end(), noise.begin(), noise.end());
      z.insert(z.end(), kl.begin(), kl.end());
      REQUIRE(same_bits(same_for_threads([&] {
                          auto found = poison<T>(n), found_noise = poison<T>(n), found_kl = poison<T>(1);
                          int64_t offset = 5;
                          ok(backend->reparameterize_kl(flat(found), flat(found_noise), view(found_kl, {}), flat(mu),
                                                        flat(logvar), {42, 3, &offset}));
                          REQUIRE(offset == 6);
                          found.insert(found.end(), found_noise.begin(), found_noise.end());
                          found.insert(found.end(), found_kl.begin(), found_kl.end());
                          return found;
                        }),
                        z));

      for (const bool of_z : {true, false})
        for (const bool of_kl : {true, false}) {
          if (!of_z && !of_kl) continue;
          std::vector<std::vector<T>> expected(2, std::vector<T>(static_cast<std::size_t>(n), T(0)));
          auto part = poison<T>(n);
          for (const int side : {0, 1}) {
            auto& sum = expected[static_cast<std::size_t>(side)];
            if (of_kl)
              ok(backend->binary_grad(BinaryOp::gaussian_kl, side, flat(sum), flat(mu), flat(logvar), view(gkl, {})));
            if (!of_z) continue;
            part = gz;
            if (side == 1) ok(backend->binary(BinaryOp::mul, flat(part), flat(gz), flat(noise)));
            if (side == 1) ok(backend->unary(UnaryOp::mul_scalar, flat(part), flat(part), 0.5, 0));
            if (of_kl)
              ok(backend->binary(BinaryOp::add, flat(sum), flat(sum), flat(part)));
            else
              sum = part;
          }
          const ConstView none{};
          const auto gradient = [&](bool wants_mu, bool wants_logvar) {
            auto gmu = poison<T>(n), glogvar = poison<T>(n);
            ok(backend->reparameterize_kl_grad(wants_mu ? flat(gmu) : View{}, wants_logvar ? flat(glogvar) : View{},
                                               flat(mu), flat(logvar), flat(noise), of_z ? ConstView(flat(gz)) : none,
                                               of_kl ? ConstView(view(gkl, {})) : none));
            if (wants_mu) REQUIRE(same_bits(gmu, expected[0]));
            if (wants_logvar) REQUIRE(same_bits(glogvar, expected[1]));
            return gmu;
          };
          same_for_threads([&] { return gradient(true, true); });
          gradient(true, false);
          gradient(false, true);
        }
    }
  }
}
