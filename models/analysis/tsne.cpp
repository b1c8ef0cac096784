#include "tsne.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "../../core/kernels.h"
#include "../../core/parallel_for.h"
#include "pca.h"
#include "tsne_forces.h"

namespace elbo::models {
namespace {

using std::int64_t;

// Iterations after which the points are put in the order of the curve again.
constexpr int64_t reorder_every = 10;
// Beyond this a squared distance says nothing in float32; embeddings are some hundreds wide.
constexpr float far_away = 1e8f;

void check_options(int64_t n, const TsneOptions& options) {
  ELBO_CHECK(n >= 2, ValueError, "[tsne] expected at least 2 points, found ", n);
  ELBO_CHECK(options.perplexity >= 1 && options.perplexity < static_cast<double>(n), ValueError,
             "[tsne] perplexity: expected at least 1 and less than the number of points, ", n, ", found ",
             options.perplexity);
  ELBO_CHECK(options.iterations >= 1, ValueError, "[tsne] iterations: expected at least 1, found ", options.iterations);
  ELBO_CHECK(options.learning_rate >= 0 && std::isfinite(options.learning_rate), ValueError,
             "[tsne] learning rate: expected at least 0, found ", options.learning_rate);
  ELBO_CHECK(options.early_exaggeration >= 1 && std::isfinite(options.early_exaggeration), ValueError,
             "[tsne] early exaggeration: expected at least 1, found ", options.early_exaggeration);
  ELBO_CHECK(options.theta >= 0 && std::isfinite(options.theta), ValueError,
             "[tsne] theta: expected at least 0, found ", options.theta);
}

// The codes times the power of two that makes the largest magnitude 1/2 to 1: the result does not depend on their
// scale, and nothing overflows.
Array of_unit_size(const Array& codes) {
  const std::vector<double> values = internal::checked_codes("[tsne] codes", codes);
  double largest = 0;
  for (double value : values) largest = std::max(largest, std::abs(value));
  int exponent = 0;
  std::frexp(largest, &exponent);
  std::vector<float> scaled(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) scaled[i] = static_cast<float>(std::ldexp(values[i], -exponent));
  return Array::from(scaled, codes.shape());
}

// The first two principal components, with a standard deviation of 1e-4 for the first, and a jitter of 1 % of that.
// An axis along which the codes do not vary begins with random places instead: from a line nothing leaves a line.
std::vector<float> first_places(const Array& codes, std::uint64_t seed) {
  const int64_t n = codes.shape()[0];
  constexpr double spread = 1e-4;
  Generator generator(seed, Stream::pictures);
  const std::vector<float> noise =
      kernels::random(RandomKind::normal, {n, 2}, DType::float32, generator).to_vector<float>();
  const Pca components = pca(codes, std::min<int64_t>(2, codes.shape()[1]));
  const std::vector<float> projected = components.project(codes).to_vector<float>();
  const std::size_t axes = components.explained_variance_ratio.size();
  double squares = 0;
  for (std::size_t i = 0; i < projected.size(); i += axes) squares += static_cast<double>(projected[i]) * projected[i];
  const double deviation = std::sqrt(squares / static_cast<double>(n));
  std::vector<float> places(noise.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::size_t axis = i % 2;
    const bool varies = axis < axes && deviation > 0 && components.explained_variance_ratio[axis] > 1e-6;
    const double place = varies ? projected[i / 2 * axes + axis] / deviation + 0.01 * noise[i] : noise[i];
    places[i] = static_cast<float>(spread * place);
  }
  return places;
}

// The state of the descent, all of it in the order of the curve.
class Descent {
 public:
  Descent(const Array& codes, const TsneOptions& options);
  void step(bool exaggerate);
  void reorder();
  void keep_spread();
  bool flown_apart() const;
  Tsne result();

 private:
  double forces();

  const TsneOptions& options_;
  int64_t n_;
  float rate_;
  internal::Affinities p_;
  internal::BoxTree tree_;
  std::vector<std::int32_t> original_;  // the number that a point had in the codes
  std::vector<float> places_, moves_, gains_, attraction_, repulsion_, z_;
};

Descent::Descent(const Array& codes, const TsneOptions& options)
    : options_(options), n_(codes.shape()[0]), tree_(n_), places_(first_places(codes, options.seed)) {
  p_ = internal::affinities(internal::TiledPoints(internal::checked_codes("[tsne] codes", codes), n_, codes.shape()[1]),
                            options.perplexity);
  rate_ = static_cast<float>(options.learning_rate > 0
                                 ? options.learning_rate
                                 : std::max(static_cast<double>(n_) / options.early_exaggeration / 4, 50.0));
  original_.resize(static_cast<std::size_t>(n_));
  std::iota(original_.begin(), original_.end(), 0);
  moves_.assign(places_.size(), 0);
  gains_.assign(places_.size(), 1);
  attraction_.resize(places_.size());
  repulsion_.resize(places_.size());
  z_.resize(static_cast<std::size_t>(n_));
}

// Centres the points, and widens an axis along which they have come closer than they began. Exaggerated attraction may
// draw codes without clusters together ever faster, down to where float32 knows no differences. While all are that
// close the forces are linear in the places, so that a factor changes nothing else.
void Descent::keep_spread() {
  constexpr double least = 1e-5;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    double mean = 0, variance = 0;
    for (std::size_t i = axis; i < places_.size(); i += 2) mean += places_[i] / static_cast<double>(n_);
    for (std::size_t i = axis; i < places_.size(); i += 2)
      variance += (places_[i] - mean) * (places_[i] - mean) / static_cast<double>(n_);
    const double factor = variance > 0 && variance < least * least ? least / std::sqrt(variance) : 1;
    for (std::size_t i = axis; i < places_.size(); i += 2) {
      places_[i] = static_cast<float>((places_[i] - mean) * factor);
      moves_[i] = static_cast<float>(moves_[i] * factor);
    }
  }
}

void Descent::reorder() {
  const std::vector<std::int32_t> order = internal::curve_order(places_);
  auto permute = [&order](auto& values, std::size_t width) {
    auto old = values;
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = old[static_cast<std::size_t>(order[i / width]) * width + i % width];
  };
  permute(original_, 1);
  permute(places_, 2);
  permute(moves_, 2);
  permute(gains_, 2);
  p_ = internal::reordered(p_, order);
}

// Fills in both forces and returns Z.
double Descent::forces() {
  tree_.build(places_);
  parallel_for(tree_.groups(), 1, [&](int64_t begin, int64_t end) {
    constexpr int64_t size = internal::BoxTree::group_size;
    for (int64_t group = begin; group < end; ++group) tree_.repel(group, options_.theta, repulsion_.data(), z_.data());
    internal::attract(p_, places_, begin * size, std::min(end * size, n_), attraction_.data());
  });
  double z = 0;
  for (float point : z_) z += point;
  return std::max(z, 1e-30);
}

void Descent::step(bool exaggerate) {
  const double z = forces();
  const auto factor = static_cast<float>(exaggerate ? options_.early_exaggeration : 1);
  const auto repel = static_cast<float>(1 / z), momentum = exaggerate ? 0.5f : 0.8f;
  parallel_for(2 * n_, 4096, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const float gradient = 4 * (factor * attraction_[i] - repel * repulsion_[i]);
      // Jacobs (1988): faster while the sign stays.
      const float gain = moves_[i] * gradient < 0 ? gains_[i] + 0.2f : gains_[i] * 0.8f;
      gains_[i] = std::max(gain, 0.01f);
      moves_[i] = momentum * moves_[i] - rate_ * gains_[i] * gradient;
      places_[i] += moves_[i];
    }
  });
}

bool Descent::flown_apart() const {
  return !std::all_of(places_.begin(), places_.end(), [](float place) { return std::abs(place) < far_away; });
}

Tsne Descent::result() {
  Tsne out;
  out.kl = internal::divergence(p_, places_, forces());
  out.points = Array::empty({n_, 2});
  float* to = out.points.mutable_values<float>().data();
  for (std::size_t i = 0; i < original_.size(); ++i)
    std::copy_n(places_.data() + 2 * i, 2, to + 2 * static_cast<int64_t>(original_[i]));
  return out;
}

}  // namespace

Tsne tsne(const Array& codes, const TsneOptions& options) {
  const Array unit = of_unit_size(codes);
  check_options(codes.shape()[0], options);
  Descent descent(unit, options);
  const int64_t exaggerated = std::min<int64_t>(250, options.iterations / 2);
  for (int64_t i = 0; i < options.iterations; ++i) {
    if (i % reorder_every == 0) {
      if (i <= exaggerated) descent.keep_spread();
      descent.reorder();
    }
    descent.step(i < exaggerated);
    ELBO_CHECK(!descent.flown_apart(), ValueError, "[tsne] the points fly apart in iteration ", i + 1,
               ": the learning rate is too high");
    if (options.on_iteration) options.on_iteration(i + 1);
  }
  return descent.result();
}

}  // namespace elbo::models
