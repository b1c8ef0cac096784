// Do the generators' numbers look random? Each test below gives a p-value: the probability that a perfect generator
// would look at least as bad. A test fails below `alarm`, so that a perfect generator fails one test in 1 / alarm.
// There are fewer than 1,000 p-values in this file: for seeds drawn anew, the whole of it would raise a false alarm
// about once in a thousand runs. The seeds are fixed, so that it either does or does not. That each test can fail is
// shown with a generator that is bad on purpose.
#include <elbo/core/ops.h>
#include <elbo/datasets/split.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "catch.h"

using namespace elbo;

namespace {

constexpr double alarm = 1e-6;
using Numbers = std::vector<double>;

// ---- p-values ------------------------------------------------------------------------------------------------------

/// Both tails of the standard normal distribution.
double p_normal(double z) { return std::erfc(std::fabs(z) / std::sqrt(2.0)); }

/// The upper tail of chi-square with `degrees` degrees of freedom, by Wilson and Hilferty's cube root (1931); within a
/// few percent of the true value for 10 degrees and more, which is nothing beside a factor of ten.
double p_chi_square(double statistic, double degrees) {
  const double spread = 2 / (9 * degrees);
  return std::erfc((std::cbrt(statistic / degrees) - (1 - spread)) / std::sqrt(spread) / std::sqrt(2.0)) / 2;
}

/// Of Kolmogorov and Smirnov's largest distance between the numbers' distribution and `cdf`: the limit for many
/// numbers.
template <class Cdf>
double p_distribution(Numbers x, const Cdf& cdf) {
  std::sort(x.begin(), x.end());
  const double n = static_cast<double>(x.size());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double f = cdf(x[i]), at = static_cast<double>(i);
    worst = std::max({worst, f - at / n, (at + 1) / n - f});
  }
  const double t = std::sqrt(n) * worst;
  double p = 0;
  for (int k = 1; k <= 100; ++k) p += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * t * t);
  return t < 0.2 ? 1 : std::clamp(p, 0.0, 1.0);
}

/// Both tails of a count of rare events, of which `expected` are expected (Poisson's distribution).
double p_rare(double count, double expected) {
  double below = 0, at = 0;
  for (double k = 0; k <= count; ++k) {
    at = std::exp(k * std::log(expected) - expected - std::lgamma(k + 1));
    below += at;
  }
  return std::min(1.0, 2 * std::min(below, 1 - below + at));
}

/// Counts that are expected to be equal.
double p_equal_counts(const std::vector<double>& counts) {
  const double expected = std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());
  double statistic = 0;
  for (double count : counts) statistic += (count - expected) * (count - expected) / expected;
  return p_chi_square(statistic, static_cast<double>(counts.size()) - 1);
}

/// Of the mean, for numbers of this mean and variance.
double p_mean(const Numbers& x, double mean, double variance) {
  double sum = 0;
  for (double each : x) sum += each - mean;
  return p_normal(sum / std::sqrt(variance * static_cast<double>(x.size())));
}

/// Of the correlation between x and y, beginning `lag` further, both of this mean and variance.
double p_correlation(const Numbers& x, const Numbers& y, std::size_t lag, double mean, double variance) {
  double sum = 0;
  const std::size_t n = x.size() - lag;
  for (std::size_t i = 0; i < n; ++i) sum += (x[i] - mean) * (y[i + lag] - mean);
  return p_normal(sum / variance / std::sqrt(static_cast<double>(n)));
}

/// The joint distribution of x and y in [0, 1): squares of a chessboard, hit equally often.
double p_pairs(const Numbers& x, const Numbers& y, std::size_t lag) {
  constexpr int side = 32;
  std::vector<double> counts(side * side);
  for (std::size_t i = 0; i + lag < x.size(); ++i)
    ++counts[static_cast<std::size_t>(std::floor(x[i] * side)) * side +
             static_cast<std::size_t>(std::floor(y[i + lag] * side))];
  return p_equal_counts(counts);
}

/// Of how often bit `bit` of the fraction is set.
double p_bit(const Numbers& x, int bit) {
  Numbers set;
  for (double each : x) set.push_back(std::fmod(std::floor(std::ldexp(each, bit)), 2));
  return p_mean(set, 0.5, 0.25);
}

// ---- what is tested ------------------------------------------------------------------------------------------------

using Tests = std::map<std::string, double>;

/// The numbers of a generator that should be uniform in [0, 1).
Tests test_uniform(const Numbers& u, int bits) {
  Tests p;
  p["distribution"] = p_distribution(u, [](double x) { return x; });
  p["mean"] = p_mean(u, 0.5, 1.0 / 12);
  for (int bit = 1; bit <= bits; ++bit) p["bit " + std::to_string(bit)] = p_bit(u, bit);
  for (std::size_t lag : {1, 2, 3, 4, 7, 8, 64, 1024}) {
    p["correlation at " + std::to_string(lag)] = p_correlation(u, u, lag, 0.5, 1.0 / 12);
    p["pairs at " + std::to_string(lag)] = p_pairs(u, u, lag);
  }
  return p;
}

Tests test_normal(const Numbers& z) {
  Tests p;
  p["distribution"] = p_distribution(z, [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; });
  // Powers of a standard normal number: means 0, 1, 0, 3, and variances that are moments up to the eighth.
  Numbers power(z.size(), 1);
  const double means[] = {0, 1, 0, 3}, variances[] = {1, 2, 15, 96};
  for (int i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < z.size(); ++j) power[j] *= z[j];
    p["moment " + std::to_string(i + 1)] = p_mean(power, means[i], variances[i]);
  }
  for (double limit : {2.0, 3.0, 4.0})
    for (double sign : {-1.0, 1.0}) {
      const double share = std::erfc(limit / std::sqrt(2.0)) / 2;
      const auto beyond = std::count_if(z.begin(), z.end(), [&](double each) { return each * sign > limit; });
      p["tail beyond " + std::to_string(sign * limit)] =
          p_rare(static_cast<double>(beyond), share * static_cast<double>(z.size()));
    }
  for (std::size_t lag : {1, 2, 3, 4, 8}) p["correlation at " + std::to_string(lag)] = p_correlation(z, z, lag, 0, 1);
  return p;
}

Tests test_bernoulli(const Numbers& b, double p_one) {
  Tests p;
  p["mean"] = p_mean(b, p_one, p_one * (1 - p_one));
  for (std::size_t lag : {1, 2, 3, 4})
    p["correlation at " + std::to_string(lag)] = p_correlation(b, b, lag, p_one, p_one * (1 - p_one));
  return p;
}

/// Two sequences of uniform numbers that should know nothing of each other.
Tests test_independence(const Numbers& x, const Numbers& y) {
  return {{"correlation", p_correlation(x, y, 0, 0.5, 1.0 / 12)},
          {"correlation, one further", p_correlation(x, y, 1, 0.5, 1.0 / 12)},
          {"pairs", p_pairs(x, y, 0)}};
}

/// Permutations of few elements: each order equally often, and each element at each place.
Tests test_permutations(const std::vector<std::vector<std::int64_t>>& permutations) {
  const std::size_t size = permutations[0].size();
  std::map<std::vector<std::int64_t>, double> orders;
  std::vector<double> places(size * size);
  for (const auto& each : permutations) {
    ++orders[each];
    for (std::size_t i = 0; i < size; ++i) ++places[i * size + static_cast<std::size_t>(each[i])];
  }
  std::vector<double> counts;
  for (const auto& [order, count] : orders) counts.push_back(count);
  counts.resize(static_cast<std::size_t>(std::tgamma(static_cast<double>(size) + 1) + 0.5));
  // The places of a permutation are bound to each other: (size - 1)^2 of their counts are free.
  const double n = static_cast<double>(permutations.size()), k = static_cast<double>(size);
  double statistic = 0;
  for (double count : places) statistic += (count - n / k) * (count - n / k) / (n / k) * (k - 1) / k;
  return {{"orders", p_equal_counts(counts)}, {"places", p_chi_square(statistic, (k - 1) * (k - 1))}};
}

std::string alarms(const Tests& tests) {
  std::string out;
  for (const auto& [name, p] : tests)
    if (!(p >= alarm)) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "none" : out;
}

Numbers numbers(const Tensor& x) {
  if (x.dtype() == DType::float64) return x.array().to_vector<double>();
  const auto narrow = x.array().to_vector<float>();
  return {narrow.begin(), narrow.end()};
}

constexpr std::int64_t many = 400000;
constexpr std::uint64_t seeds[] = {0, 1, 2026, 0xffffffffffffffffu};

}  // namespace

TEST_CASE("generators: uniform numbers are uniform and unrelated", "[random][statistics][unsanitized]") {
  for (std::uint64_t seed : seeds) {
    for (DType dtype : {DType::float32, DType::float64}) {
      Generator generator(seed);
      INFO("seed " << seed << ", " << name(dtype));
      // float32 has 24 bits, float64 53; the deepest fall one by one.
      CHECK(alarms(test_uniform(numbers(rand({many}, {dtype}, &generator)), dtype == DType::float32 ? 24 : 32)) ==
            "none");
    }
  }
}

TEST_CASE("generators: normal numbers are normal and unrelated", "[random][statistics]") {
  for (std::uint64_t seed : seeds) {
    for (DType dtype : {DType::float32, DType::float64}) {
      Generator generator(seed, Stream::noise);
      INFO("seed " << seed << ", " << name(dtype));
      CHECK(alarms(test_normal(numbers(randn({many}, {dtype}, &generator)))) == "none");
    }
  }
}

TEST_CASE("generators: bernoulli numbers have their probability and are unrelated", "[random][statistics]") {
  for (std::uint64_t seed : seeds) {
    for (double p : {0.01, 0.3, 0.5, 0.9}) {
      Generator generator(seed);
      INFO("seed " << seed << ", p " << p);
      CHECK(alarms(test_bernoulli(numbers(bernoulli(p, {many}, {}, &generator)), p)) == "none");
      CHECK(alarms(test_bernoulli(numbers(bernoulli(full({many}, p), &generator)), static_cast<float>(p))) == "none");
    }
  }
}

TEST_CASE("generators: seeds, streams and calls know nothing of each other", "[random][statistics]") {
  const auto draw = [](std::uint64_t seed, Stream stream, std::int64_t call) {
    Generator generator(seed, stream);
    generator.set_offset(call);
    return numbers(rand({many}, {}, &generator));
  };
  const Numbers first = draw(5, Stream::user, 0);
  const auto check = [&](const std::string& what, const Numbers& other) {
    INFO(what);
    CHECK(alarms(test_independence(first, other)) == "none");
  };
  check("the next seed", draw(6, Stream::user, 0));
  check("a seed whose upper half differs", draw(5 + (std::uint64_t{1} << 32), Stream::user, 0));
  check("the next call", draw(5, Stream::user, 1));
  check("a call far away", draw(5, Stream::user, std::int64_t{1} << 32));
  for (Stream stream : {Stream::init, Stream::split, Stream::shuffle, Stream::noise}) {
    const Numbers other = draw(5, stream, 0);
    if (stream != Stream::user) check("stream " + std::to_string(static_cast<int>(stream)), other);
  }
  // Numbers of one place under neighbouring seeds, which a key that is hardly mixed would line up.
  Numbers across;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    Generator generator(seed);
    across.push_back(rand({1}, {}, &generator).item());
  }
  CHECK(alarms(test_uniform(across, 20)) == "none");
}

TEST_CASE("generators: every order of a permutation is as likely as any other", "[random][statistics]") {
  std::vector<std::vector<std::int64_t>> by_seed, by_epoch;
  for (int i = 0; i < 40000; ++i) {
    by_seed.push_back(datasets::permutation(5, static_cast<std::uint64_t>(i), Stream::shuffle));
    by_epoch.push_back(datasets::permutation(5, 3, Stream::shuffle, i));
  }
  CHECK(alarms(test_permutations(by_seed)) == "none");
  CHECK(alarms(test_permutations(by_epoch)) == "none");
  // Of many elements: where each comes to lie knows nothing of where it was.
  const std::vector<std::int64_t> order = datasets::permutation(many, 9, Stream::split);
  Numbers from, to;
  for (std::size_t i = 0; i < order.size(); ++i) {
    from.push_back((static_cast<double>(i) + 0.5) / many);
    to.push_back((static_cast<double>(order[i]) + 0.5) / many);
  }
  CHECK(alarms(test_independence(from, to)) == "none");
  CHECK(alarms({{"neighbours", p_pairs(to, to, 1)}}) == "none");
}

// ---- generators that are bad on purpose: the tests above are able to fail -------------------------------------------

namespace {

/// A multiplicative generator of modulus 2^bits, as a fraction.
Numbers congruential(std::uint64_t factor, int bits, std::uint64_t state, std::int64_t count) {
  Numbers out;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * factor & ((std::uint64_t{1} << bits) - 1);
    out.push_back(std::ldexp(static_cast<double>(state), -bits));
  }
  return out;
}

Numbers good(std::uint64_t seed, std::int64_t count = many) {
  Generator generator(seed);
  return numbers(rand({count}, {DType::float64}, &generator));
}

}  // namespace

TEST_CASE("generators: bad uniform numbers are found out", "[random][statistics][unsanitized]") {
  CHECK(alarms(test_uniform(good(1), 32)) == "none");
  // RANDU: its lowest bit is always set.
  CHECK_THAT(alarms(test_uniform(congruential(65539, 31, 1, many), 31)), Catch::Matchers::Contains("bit 31"));
  Numbers squeezed = good(1), pulled = good(1), walking = good(1), repeating = good(1), coarse = good(1);
  for (double& x : squeezed) x = 0.005 + 0.99 * x;
  for (double& x : pulled) x = std::pow(x, 1.02);
  for (std::size_t i = 1; i < walking.size(); ++i)
    if (walking[i - 1] < 1.0 / 32) walking[i] = std::min(walking[i], 1 - walking[i]);
  for (std::size_t i = 64; i < repeating.size(); i += 50) repeating[i] = repeating[i - 64];
  for (double& x : coarse) x = std::floor(x * 0x1p20) * 0x1p-20;
  CHECK_THAT(alarms(test_uniform(squeezed, 10)), Catch::Matchers::Contains("distribution"));
  CHECK_THAT(alarms(test_uniform(pulled, 10)), Catch::Matchers::Contains("mean"));
  CHECK_THAT(alarms(test_uniform(walking, 10)), Catch::Matchers::Contains("pairs at 1"));
  CHECK_THAT(alarms(test_uniform(repeating, 10)), Catch::Matchers::Contains("correlation at 64"));
  CHECK_THAT(alarms(test_uniform(coarse, 24)), Catch::Matchers::Contains("bit 21"));
}

TEST_CASE("generators: bad normal numbers are found out", "[random][statistics]") {
  Generator generator(1);
  Numbers z = numbers(randn({many}, {DType::float64}, &generator));
  CHECK(alarms(test_normal(z)) == "none");
  // The sum of twelve uniform numbers has no tails.
  const Numbers u = good(1, 12 * many);
  Numbers sums(many), wide = z, shifted = z, cut = z, doubled = z;
  for (std::size_t i = 0; i < u.size(); ++i) sums[i / 12] += u[i] - 0.5;
  CHECK_THAT(alarms(test_normal(sums)), Catch::Matchers::Contains("moment 4"));
  CHECK_THAT(alarms(test_normal(sums)), Catch::Matchers::Contains("tail beyond"));
  for (double& x : wide) x *= 1.01;
  for (double& x : shifted) x += 0.01;
  for (double& x : cut) x = std::min(x, 2.9);
  for (std::size_t i = 1; i < doubled.size(); i += 50) doubled[i] = doubled[i - 1];
  CHECK_THAT(alarms(test_normal(wide)), Catch::Matchers::Contains("moment 2"));
  CHECK_THAT(alarms(test_normal(shifted)), Catch::Matchers::Contains("moment 1"));
  CHECK_THAT(alarms(test_normal(cut)), Catch::Matchers::Contains("tail beyond 3"));
  CHECK_THAT(alarms(test_normal(doubled)), Catch::Matchers::Contains("correlation at 1"));
}

TEST_CASE("generators: bad coins, related sequences and bad shuffles are found out", "[random][statistics]") {
  Numbers coin = good(1), sticky = good(2);
  for (double& x : coin) x = x < 0.505 ? 1 : 0;
  for (double& x : sticky) x = x < 0.5 ? 1 : 0;
  for (std::size_t i = 1; i < sticky.size(); i += 50) sticky[i] = sticky[i - 1];
  CHECK(alarms(test_bernoulli(coin, 0.505)) == "none");
  CHECK_THAT(alarms(test_bernoulli(coin, 0.5)), Catch::Matchers::Contains("mean"));
  CHECK_THAT(alarms(test_bernoulli(sticky, 0.5)), Catch::Matchers::Contains("correlation at 1"));

  const Numbers x = good(3);
  Numbers late(x.begin() + 1, x.end()), mixed = good(4);
  late.push_back(0.5);
  for (std::size_t i = 0; i < mixed.size(); i += 20) mixed[i] = 1 - x[i] > 0.5 ? 1 - x[i] : mixed[i];
  CHECK(alarms(test_independence(x, good(4))) == "none");
  CHECK_THAT(alarms(test_independence(late, x)), Catch::Matchers::Contains("one further"));
  CHECK_THAT(alarms(test_independence(x, mixed)), Catch::Matchers::Contains("correlation"));

  // Each element swapped with any, instead of with one that is not yet at its place.
  std::vector<std::vector<std::int64_t>> naive;
  const Numbers u = good(5, 5 * 40000);
  for (std::size_t i = 0; i < 40000; ++i) {
    std::vector<std::int64_t> order{0, 1, 2, 3, 4};
    for (std::size_t k = 0; k < 5; ++k) std::swap(order[k], order[static_cast<std::size_t>(u[5 * i + k] * 5)]);
    naive.push_back(order);
  }
  CHECK(alarms(test_permutations(naive)) == "orders, places");
}
