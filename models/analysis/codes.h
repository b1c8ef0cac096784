#pragma once
#include <functional>
#include <span>
#include <vector>

#include "../../core/api.h"
#include "../../datasets/dataset.h"
#include "../model.h"

/// Codes: how pictures become codes, how new codes are chosen, how codes become pictures. What is made for a model, or
/// from a tensor, lies on its device. Nothing here records a gradient.
namespace ELBO_API elbo {
namespace models {

/// The pictures of a dataset at `indices` as the model takes them: float32 [k, channels, height, width], scaled to the
/// config's pixels. Throws IndexError.
Tensor input_pictures(const Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices);
/// Their labels, int64 [k], where the model takes labels; else undefined. Throws ValueError where the dataset has none.
Tensor input_labels(const Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices);
/// One label for each of `count` codes, where the model takes labels; else undefined. Throws IndexError.
Tensor same_label(const Model& model, std::int64_t label, std::int64_t count);

/// The codes (posterior means) of all pictures of a dataset, in its order: float32 [n, latent]. The model is in
/// evaluation mode meanwhile. Throws ValueError where a conditional model finds no labels.
Array encode_means(Model& model, const datasets::Dataset& dataset, std::int64_t batch_size = 500);

/// The mean pictures of codes z [n, latent], for the eye: float32 [n, channels, height, width], the config's pixels
/// mapped to [0, 1] and clamped. In batches, so that n may be large.
Array decode_pictures(Model& model, const Tensor& z, const Tensor& labels = {}, std::int64_t batch_size = 500);
/// The same of samples: Model::drawn_picture.
Array draw_pictures(Model& model, const Tensor& z, const Tensor& labels, Generator& generator,
                    std::int64_t batch_size = 500);
/// Pictures as the model takes them, mapped in the same way.
Array shown_pictures(const Model& model, const Tensor& x);

/// What codes are drawn from: a normal distribution with independent dimensions, or anything else that draws.
struct CodeDistribution {
  std::vector<float> mean = {}, std = {};  ///< [latent]
  /// n draws [n, latent] on the generator's device; empty for the normal distribution.
  std::function<Tensor(std::int64_t n, Generator& generator)> draw = {};
};
/// N(0, 1).
CodeDistribution standard_normal(const Model& model);
/// The model's own prior, N(0, 1) or another. The model must outlive it. Throws ValueError for one that has none.
CodeDistribution prior_codes(Model& model);
/// The mean and standard deviation of the codes of a dataset, each dimension by itself: what to draw an autoencoder's
/// codes from, which has no prior. Throws ValueError for no pictures.
CodeDistribution fit_codes(Model& model, const datasets::Dataset& dataset);
/// A mixture of `components` Gaussians of full covariance, fitted to them by EM (GaussianMixture), its start drawn with
/// `seed`: it makes good generators of autoencoders (Ghosh et al. 2020, section 4). Throws what GaussianMixture::fit
/// does, for too few pictures among others.
CodeDistribution fit_mixture(Model& model, const datasets::Dataset& dataset, std::int64_t components = 10,
                             std::uint64_t seed = 0);
/// n draws [n, latent] on the generator's device, the standard deviation multiplied by `temperature`. Throws ValueError
/// for a negative one, and for any but 1 where the distribution is not normal.
Tensor draw_codes(const CodeDistribution& distribution, std::int64_t n, Generator& generator, double temperature = 1);

/// Straight lines between codes: from and to [r, latent] -> [r * steps, latent], each row of `steps` from one end to
/// the other. Throws ShapeError, ValueError for steps below 2.
Tensor interpolate_codes(const Tensor& from, const Tensor& to, std::int64_t steps);

/// z [1, latent] with one dimension after the other set to each of the values: [dims * values, latent]. Throws
/// IndexError for a dimension that does not exist.
Tensor traverse_codes(const Tensor& z, std::span<const std::int64_t> dims, std::span<const double> values);
/// `count` of `n` numbers from 0 to n - 1, evenly spaced, the first and the last among them; all where count >= n.
std::vector<std::int64_t> evenly_spaced(std::int64_t n, std::int64_t count);
/// `count` numbers from `low` to `high`, both among them. Throws ValueError for count below 2.
std::vector<double> evenly_spaced(double low, double high, std::int64_t count);

/// A square grid of 2-D codes [n * n, 2], row by row: the first dimension grows to the right, the second upwards, both
/// from `low` to `high`.
Tensor manifold_codes(std::int64_t n, double low, double high, Device device = cpu);

}  // namespace models
}  // namespace elbo
