// Measures of disentanglement: codes whose scores are known, and NumPy's numbers for codes that are neither good nor
// bad (tests/oracle/disentanglement.py).
#include <elbo/core/errors.h>
#include <elbo/models/analysis/disentanglement/dci.h>
#include <elbo/models/analysis/disentanglement/factor_vae.h>
#include <elbo/models/analysis/disentanglement/mig.h>
#include <elbo/models/analysis/disentanglement/sap.h>

#include <cmath>
#include <limits>

#include "catch.h"
#include "datasets_support.h"
#include "golden_file.h"

using namespace elbo;
using namespace elbo::models;
using std::int64_t;

namespace {

struct Table {
  Array codes, factors;
};

class Uniform {
 public:
  double operator()() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<double>(state_ >> 8) / (1 << 24);
  }

 private:
  std::uint32_t state_ = 1;
};

using Row = std::vector<int64_t>;

/// Codes that `code` makes of the factors of each row.
template <class FactorsOf, class CodesOfRow>
Table make(int64_t n, FactorsOf&& factors_of, CodesOfRow&& codes_of) {
  std::vector<float> codes;
  std::vector<int64_t> factors;
  for (int64_t i = 0; i < n; ++i) {
    const Row row = factors_of(i);
    for (const double code : codes_of(row)) codes.push_back(static_cast<float>(code));
    factors.insert(factors.end(), row.begin(), row.end());
  }
  const auto columns = [n](std::size_t size) { return static_cast<int64_t>(size) / n; };
  const Shape code_shape{n, columns(codes.size())}, factor_shape{n, columns(factors.size())};
  return {Array::from(codes, code_shape), Array::from(factors, factor_shape)};
}

/// The table of the oracle.
Table oracle_table() {
  Uniform uniform;
  return make(
      900,
      [](int64_t i) {
        return Row{i % 3, i / 3 % 5, (i * 7 + i / 15) % 8};
      },
      [&](const Row& f) {
        const auto a = static_cast<double>(f[0]), b = static_cast<double>(f[1]), c = static_cast<double>(f[2]);
        std::vector<double> out = {a + uniform()};
        out.push_back(b * b * 0.125 + uniform());
        out.push_back(0.75 * c + 0.5 * b + uniform());
        out.push_back(4 * uniform());
        return out;
      });
}

/// Every combination of factors of 4, 5 and 6 values, `times` times.
template <class CodesOfRow>
Table grid(int64_t times, CodesOfRow&& codes_of) {
  return make(
      120 * times,
      [](int64_t i) {
        return Row{i % 4, i / 4 % 5, i / 20 % 6};
      },
      codes_of);
}

std::vector<double> permuted(const Row& f) {
  return {static_cast<double>(f[2]), static_cast<double>(f[0]), static_cast<double>(f[1])};
}
/// The first two dimensions turned by 45 degrees.
std::vector<double> rotated(const Row& f) {
  const auto a = static_cast<double>(f[0]) / 3, b = static_cast<double>(f[1]) / 4;
  return {a + b, a - b, static_cast<double>(f[2])};
}

/// Columns in another order, each times a power of two.
Array moved(const Array& codes) {
  const std::vector<float> values = codes.to_vector<float>();
  const auto d = static_cast<std::size_t>(codes.shape()[1]);
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < values.size(); i += d)
    for (std::size_t c = 0; c < d; ++c) out[i + (c + 1) % d] = values[i + c] * (c == 0 ? 0.25f : 8.0f);
  return Array::from(out, codes.shape());
}

void check_close(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("number " << i);
    CHECK(found[i] == Approx(expected[i]).epsilon(1e-9).margin(1e-12));
  }
}

/// Each measure of codes and factors by its score alone, for what all have in common.
using Measure = double (*)(const Array& codes, const Array& factors);
struct Named {
  const char* name;
  Measure measure;
};
constexpr Named measures[] = {
    {"mig", [](const Array& c, const Array& f) { return mig(c, f).score; }},
    {"sap", [](const Array& c, const Array& f) { return sap(c, f).score; }},
    {"factor_vae_score", [](const Array& c, const Array& f) { return factor_vae_score(c, f).score; }},
    {"dci", [](const Array& c, const Array& f) { return dci(c, f, c, f).disentanglement; }},
    {"dci", [](const Array& c, const Array& f) { return dci(c, f, c, f).completeness; }},
};

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("disentanglement: NumPy's numbers") {
  const auto expected = read_golden("golden_disentanglement.txt");
  const Table all = oracle_table();
  const Array codes = all.codes.slice(0, 600), factors = all.factors.slice(0, 600);
  const Mig m = mig(codes, factors);
  check_close(m.mutual_information, expected.at("mig.mutual_information"));
  check_close(m.entropies, expected.at("mig.entropies"));
  check_close(m.gaps, expected.at("mig.gaps"));
  CHECK(m.score == Approx((m.gaps[0] + m.gaps[1] + m.gaps[2]) / 3));
  const std::vector<FactorKind> kinds = {FactorKind::categorical, FactorKind::ordinal, FactorKind::ordinal};
  const Sap s = sap(codes, factors, kinds);
  check_close(s.predicts, expected.at("sap.predicts"));
  check_close(s.gaps, expected.at("sap.gaps"));
  const Dci d = dci(codes, factors, all.codes.slice(600, 900), all.factors.slice(600, 900),
                    {.kinds = kinds, .rounds = 100, .learning_rate = 0.2, .thresholds = 30});
  check_close(d.importances, expected.at("dci.importances"));
  check_close(d.disentanglements, expected.at("dci.disentanglements"));
  check_close(d.completenesses, expected.at("dci.completenesses"));
  check_close(d.informativenesses, expected.at("dci.informativenesses"));
  check_close({d.disentanglement, d.completeness, d.informativeness}, expected.at("dci.scores"));
}

TEST_CASE("disentanglement: codes that are the factors in another order score 1") {
  const Table t = grid(2, permuted);
  for (const Named& one : measures) {
    INFO(one.name);
    CHECK(one.measure(t.codes, t.factors) == Approx(1).epsilon(1e-12));
  }
  const Mig m = mig(t.codes, t.factors);
  check_close(m.mutual_information, {0, 0, std::log(6), std::log(4), 0, 0, 0, std::log(5), 0});
  CHECK(dci(t.codes, t.factors, t.codes, t.factors).informativeness == Approx(1).epsilon(1e-9));
  // A dimension for each of K names tells all of them: 1, and 1 / K by chance.
  const Sap named = sap(t.codes, t.factors, std::vector<FactorKind>(3, FactorKind::categorical));
  check_close(named.gaps, {1 - 1.0 / 4, 1 - 1.0 / 5, 1 - 1.0 / 6});
}

TEST_CASE("disentanglement: codes of noise score about 0") {
  Uniform uniform;
  const Table t = grid(40, [&](const Row&) { return std::vector<double>{uniform(), uniform(), uniform()}; });
  CHECK(mig(t.codes, t.factors).score < 0.01);
  CHECK(sap(t.codes, t.factors).score < 0.01);
  const Array first = t.codes.slice(0, 2400), rest = t.codes.slice(2400, 4800);
  const Dci d = dci(first, t.factors.slice(0, 2400), rest, t.factors.slice(2400, 4800));
  CHECK(d.informativeness < 0.02);
  CHECK(d.disentanglement < 0.2);
  CHECK(d.completeness < 0.2);
  // One vote in three is right by chance.
  CHECK(factor_vae_score(t.codes, t.factors, {.test_votes = 2000, .least_variance = 0.01}).score ==
        Approx(1.0 / 3).margin(0.06));
}

TEST_CASE("disentanglement: a pair of factors that is turned lowers every score") {
  const Table t = grid(2, rotated);
  for (const Named& one : measures) {
    INFO(one.name);
    const double score = one.measure(t.codes, t.factors);
    CHECK(score < 0.85);
    CHECK(score > 0.3);
  }
  // The two squared correlations are the same: only the third factor, one in three, has a gap.
  CHECK(sap(t.codes, t.factors).score == Approx(1.0 / 3));
}

TEST_CASE("disentanglement: the order of dimensions and their scale count for nothing") {
  Uniform uniform;
  const Table t = grid(4, [&](const Row& f) {
    std::vector<double> out = permuted(f);
    for (double& code : out) code += 2 * uniform();
    out.push_back(uniform() * 3);
    return out;
  });
  for (const Named& one : measures) {
    INFO(one.name);
    CHECK(one.measure(moved(t.codes), t.factors) == Approx(one.measure(t.codes, t.factors)).epsilon(1e-12));
  }
  // A monotone change of a dimension leaves what cuts it as it is.
  std::vector<float> cubed = t.codes.to_vector<float>();
  for (float& code : cubed) code = code * code * code;
  const std::vector<FactorKind> names(3, FactorKind::categorical);
  CHECK(sap(Array::from(cubed, t.codes.shape()), t.factors, names).score ==
        Approx(sap(t.codes, t.factors, names).score).epsilon(1e-12));
}

TEST_CASE("disentanglement: a factor of one value and a dimension that never varies are left out") {
  const Table t = make(
      120,
      [](int64_t i) {
        return Row{0, i % 4, i / 4 % 5};
      },
      [](const Row& f) {
        return std::vector<double>{3, static_cast<double>(f[1]), static_cast<double>(f[2])};
      });
  for (const Named& one : measures) {
    INFO(one.name);
    CHECK(one.measure(t.codes, t.factors) == Approx(1));
  }
  CHECK(std::isnan(mig(t.codes, t.factors).gaps[0]));
  CHECK(std::isnan(sap(t.codes, t.factors).gaps[0]));
  const Dci d = dci(t.codes, t.factors, t.codes, t.factors);
  CHECK(std::isnan(d.completenesses[0]));
  CHECK(std::isnan(d.informativenesses[0]));
  CHECK(d.disentanglements[0] == 0);
  const FactorVaeScore v = factor_vae_score(t.codes, t.factors);
  CHECK(v.votes[0] + v.votes[1] + v.votes[2] == 0);
  CHECK(v.votes[4] + v.votes[8] == 800);
}

TEST_CASE("mig: bins merge the values of a large factor") {
  // 40 values in 20 bins: half of the information is lost, but for the bins' ends.
  const Table t = make(
      40, [](int64_t i) { return Row{i}; },
      [](const Row& f) { return std::vector<double>{static_cast<double>(f[0])}; });
  CHECK(mig(t.codes, t.factors).score == Approx(std::log(20) / std::log(40)));
  CHECK(mig(t.codes, t.factors, {.bins = 40}).score == Approx(1));
}

TEST_CASE("sap: a name that lies between two others, or in two places") {
  // Names 0 and 1 alternate three times along the line; two pieces tell four of six runs.
  const Table runs = make(
      6,
      [](int64_t i) {
        return Row{i % 2, i};
      },
      [](const Row& f) { return std::vector<double>{static_cast<double>(f[1])}; });
  const Sap s = sap(runs.codes, runs.factors, {FactorKind::categorical, FactorKind::ordinal});
  CHECK(s.predicts[0] == Approx(4.0 / 6));
  CHECK(s.predicts[1] == Approx(1));
  // Equal codes cannot be told apart.
  const Table same = make(
      6, [](int64_t i) { return Row{i % 2}; }, [](const Row&) { return std::vector<double>{1}; });
  CHECK(sap(same.codes, same.factors, {FactorKind::categorical}).predicts[0] == Approx(0.5));
}

TEST_CASE("factor_vae_score: samples made to order") {
  const int64_t sizes[] = {4, 5, 6};
  int64_t calls = 0;
  const auto codes_of = [&](std::vector<double> (*code)(const Row&)) {
    return [&calls, code](const Array& factors) {
      ++calls;
      const std::vector<int64_t> all = factors.to_vector<int64_t>();
      return make(
                 factors.shape()[0], [&](int64_t i) { return Row(all.begin() + i * 3, all.begin() + i * 3 + 3); }, code)
          .codes;
    };
  };
  const FactorVaeScore right = factor_vae_score(codes_of(permuted), sizes, {.seed = 3});
  CHECK(calls == 1601);
  CHECK(right.score == 1);
  CHECK(right.train_score == 1);
  // Dimension 0 has factor 2 of 6 values: a variance of 35 / 12.
  CHECK(right.variances[0] == Approx(35.0 / 12).epsilon(0.05));
  CHECK(right.votes[2] + right.votes[3] + right.votes[7] == 800);
  CHECK(right.votes[2] > 200);
  const FactorVaeScore turned = factor_vae_score(codes_of(rotated), sizes, {.seed = 3});
  // Where one of the turned factors is the same, either dimension may vary less.
  CHECK(turned.score == Approx(2.0 / 3).margin(0.06));
  CHECK(factor_vae_score(codes_of(rotated), sizes, {.seed = 3}).votes == turned.votes);
  CHECK(factor_vae_score(codes_of(rotated), sizes, {.seed = 4}).votes != turned.votes);
  const auto collapsed = [](const Row& f) { return std::vector<double>(2, 0.01 * static_cast<double>(f[0])); };
  CHECK(factor_vae_score(codes_of(collapsed), sizes, {}).score == 0);
}

TEST_CASE("disentanglement: refusals") {
  const Array codes = Array::zeros({4, 2}), factors = Array::from(std::vector<int64_t>{0, 1, 2, 0}, {4, 1});
  for (const Named& one : measures) {
    const std::string at = "[" + std::string(one.name) + "] ";
    const auto with = [&](const Array& c, const Array& f) { return [&, c, f] { one.measure(c, f); }; };
    CHECK(error_of<DTypeError>(with(factors, factors)) == at + "codes: expected float32, found int64");
    CHECK(error_of<DTypeError>(with(codes, codes)) == at + "factors: expected int64, found float32");
    CHECK(error_of<DTypeError>(with(codes, {})) == at + "factors: expected int64, found nothing");
    CHECK(error_of<ShapeError>(with(codes, factors.slice(0, 3))) ==
          at + "factors: expected [4, factors] for codes [4, 2], found [3, 1]");
    CHECK(error_of<ShapeError>(with(codes, factors.reshape({4}))) ==
          at + "factors: expected [4, factors] for codes [4, 2], found [4]");
    CHECK(error_of<ValueError>(with(Array::full({4, 2}, nan_value), factors)) ==
          at + "codes: expected finite numbers, found nan at [0, 0]");
    CHECK(error_of<ValueError>(with(codes, Array::full({4, 1}, -1, {DType::int64}))) ==
          at + "factors: expected values from 0 to 65535, found -1 at [0, 0]");
    CHECK(error_of<ValueError>(with(codes, Array::full({4, 1}, 65536, {DType::int64}))) ==
          at + "factors: expected values from 0 to 65535, found 65536 at [0, 0]");
    CHECK(error_of<ValueError>(with(codes, Array::zeros({4, 3}, {DType::int64}))) ==
          at + "factors: expected one with more than one value, found none");
  }
  CHECK(error_of<ValueError>([&] { mig(codes, factors, {.bins = 1}); }) == "[mig] bins: expected 2 to 65536, found 1");
  CHECK(error_of<ShapeError>([&] { sap(codes, factors, std::vector<FactorKind>(2)); }) ==
        "[sap] kinds: expected one for each of 1 factors, found 2");
  CHECK(error_of<ShapeError>([&] {
          dci(codes, factors, Array::zeros({4, 1}), factors);
        }) == "[dci] expected test codes and factors of 2 dimensions and 1 factors, found [4, 1] and [4, 1]");
  CHECK(error_of<ValueError>([&] { dci(codes, factors, codes, factors, {.rounds = 0}); }) ==
        "[dci] rounds: expected at least 1, found 0");
  CHECK(error_of<ValueError>([&] { dci(codes, factors, codes, factors, {.learning_rate = nan_value}); }) ==
        "[dci] learning rate: expected it in (0, 1], found nan");
  CHECK(error_of<ValueError>([&] { dci(codes, factors, codes, factors, {.thresholds = 0}); }) ==
        "[dci] thresholds: expected 1 to 65535, found 0");
  const auto votes = [&](const FactorVaeOptions& options) {
    return error_of<ValueError>([&] { factor_vae_score(codes, factors, options); });
  };
  CHECK(votes({.train_votes = 0}) ==
        "[factor_vae_score] votes: expected at least 1 to train and to test, found 0 and 800");
  CHECK(votes({.batch_size = 1}) ==
        "[factor_vae_score] expected a batch and samples for the variance of at least 2, found 1 and 10000");
  CHECK(votes({.least_variance = nan_value}) == "[factor_vae_score] least variance: expected it above 0, found nan");
  const int64_t sizes[] = {3, 0}, ones[] = {1};
  const CodesOf short_of = [](const Array&) { return Array::zeros({3, 2}); };
  CHECK(error_of<ValueError>([&] { factor_vae_score(short_of, sizes); }) ==
        "[factor_vae_score] factor sizes: expected 1 to 65536, found 0");
  CHECK(error_of<ValueError>([&] { factor_vae_score(short_of, ones); }) ==
        "[factor_vae_score] factor sizes: expected one above 1, found none");
  CHECK(error_of<ShapeError>([&] { factor_vae_score(short_of, std::span(sizes).first(1)); }) ==
        "[factor_vae_score] expected codes [10000, dimensions] for factors [10000, 1], found [3, 2]");
}
