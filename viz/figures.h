#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/api.h"
#include "../datasets/dataset.h"
#include "../models/analysis/codes.h"
#include "../models/analysis/evaluate.h"
#include "../models/model.h"
#include "image.h"
#include "svg.h"

/// Figures of trained models, for PNG files. They record no gradient, and equal arguments give equal pixels. Where an
/// option says "0: chosen", the scale makes small pictures large enough to look at. All throw ValueError for no models
/// or a figure of more than 2^30 bytes, and ShapeError for models of pictures of several sizes.
///
///     Image image = reconstruction_figure({{"VAE", *vae}, {"AE", *ae}}, test, first_indices(10), {.errors = true});
///     write_png("reconstructions.png", image);
namespace ELBO_API elbo {
namespace viz {

/// A model, which must outlive the call, and the name that its rows carry.
struct Row {
  std::string name;
  models::Model& model;
};

/// The numbers 0 to count - 1: the first pictures of a dataset.
std::vector<std::int64_t> first_indices(std::int64_t count);
/// The first picture with that label. Throws ValueError where there is none.
std::int64_t first_of_class(const datasets::Dataset& dataset, std::int64_t label);
/// `count` pairs of pictures a0, b0, a1, b1, ... drawn at random, none twice while they last, the two of a pair of
/// different classes where the dataset has several. Throws ValueError for fewer than two pictures.
std::vector<std::int64_t> random_pairs(const datasets::Dataset& dataset, std::int64_t count, std::uint64_t seed);
/// The name of a class where it has one, else its number.
std::string class_name(const std::vector<std::string>& names, std::int64_t label);

/// What to draw a model's codes from: N(0, 1), or for an autoencoder, which has no prior, models::fit_codes of these
/// pictures.
models::CodeDistribution codes_to_draw(models::Model& model, const datasets::Dataset& dataset);

struct PreviewOptions {
  std::string title = {};
  std::int64_t columns = 5;
  bool names = true;  ///< the class's name below each picture, where the dataset has labels
  int scale = 0;      ///< 0: chosen
};
/// Pictures of a dataset. Throws IndexError.
Image class_preview(const datasets::Dataset& dataset, std::span<const std::int64_t> indices,
                    const PreviewOptions& options = {});

struct ReconstructionOptions {
  std::string title = {};
  std::int64_t columns = 12;  ///< pictures side by side; more go on in further blocks
  bool errors = false;        ///< each model's reconstruction_error, below its name
  /// The other way round: a row per picture, with the original first and a column per model. `columns` is not used.
  bool models_across = false;
  std::optional<std::int64_t> label = {};  ///< for conditional models, in place of the pictures' own labels
  int scale = 0;                           ///< 0: chosen
};
/// The pictures, and below them what each model makes of their posterior means. Throws IndexError.
Image reconstruction_figure(const std::vector<Row>& rows, const datasets::Dataset& dataset,
                            std::span<const std::int64_t> indices, const ReconstructionOptions& options = {});
/// The squared error of those reconstructions, mean over pictures and pixels, the pixels in [0, 1] as they are shown.
double reconstruction_error(models::Model& model, const datasets::Dataset& dataset,
                            std::span<const std::int64_t> indices, std::optional<std::int64_t> label = {});

struct SampleOptions {
  std::string title = {};
  std::int64_t rows = 0;     ///< of each model or, where labels go down, of each label; 0: 8 for one model, else 1
  std::int64_t columns = 0;  ///< 0: 12, or one for each label where labels go across
  std::uint64_t seed = 0;    ///< equal seeds draw equal codes, for all models with so many latent dimensions
  double temperature = 1;    ///< times the standard deviation of the codes
  /// What each model's codes are drawn from, such as its codes_to_draw; empty for its prior, N(0, 1) where it has none.
  std::vector<models::CodeDistribution> codes = {};
  std::optional<std::int64_t> label = {};  ///< of all pictures of conditional models, instead of all labels in turn
  bool labels_across = false;              ///< labels go along the columns, not down the rows
  std::vector<std::string> class_names = {};
  int scale = 0;  ///< 0: chosen
};
/// Mean pictures of random codes. One model gives a plain grid or, where it takes labels, a row of each (or with
/// `labels_across` a column of each); several give rows with their names, in which labels go along the columns.
Image sample_figure(const std::vector<Row>& rows, const SampleOptions& options = {});
/// How many rows and columns of pictures that has.
struct FigureSize {
  std::int64_t rows = 0, columns = 0;
};
FigureSize sample_figure_size(const std::vector<Row>& rows, const SampleOptions& options = {});

struct InterpolationOptions {
  std::string title = {};
  std::int64_t steps = 10;  ///< pictures in a row, both ends among them
  /// Between pictures: their posterior means, or a draw from q(z|x) each.
  models::Codes ends = models::Codes::mean;
  std::uint64_t seed = 0;                            ///< of what is drawn
  std::vector<models::CodeDistribution> codes = {};  ///< between prior codes: as in SampleOptions
  /// What conditional models decode; otherwise the label of a pair's first picture, or of prior codes each label in
  /// turn.
  std::optional<std::int64_t> label = {};
  std::vector<std::string> class_names = {};  ///< where there is no dataset to give them
  int scale = 0;                              ///< 0: chosen
};
/// Straight lines between the codes of pictures, which come in pairs a0, b0, a1, b1, ...: for each pair a row of each
/// model, one above the other, the names of the pair's classes over the ends. Throws IndexError, and ValueError for
/// an odd number of pictures or none.
Image interpolation_figure(const std::vector<Row>& rows, const datasets::Dataset& dataset,
                           std::span<const std::int64_t> pairs, const InterpolationOptions& options = {});
/// The same for `pairs` pairs of random codes, as sample_figure draws them.
Image prior_interpolation_figure(const std::vector<Row>& rows, std::int64_t pairs,
                                 const InterpolationOptions& options = {});

struct TraversalOptions {
  std::string title = {};
  /// Empty for at most 10: of a picture the models::telling_dimensions of its dataset, of a code evenly spaced ones.
  std::vector<std::int64_t> dims = {};
  std::vector<double> values = {};  ///< empty for 10 from -3 to 3, around a picture in_deviations where spreads(model)
  /// Around a picture: the values are standard deviations of the dataset's codes in each dimension from their mean.
  bool in_deviations = false;
  std::optional<std::int64_t> label = {};  ///< for conditional models; of a picture, otherwise its own
  int scale = 0;                           ///< 0: chosen
};
/// Whether the model's codes lie where they will, and not about N(0, 1): its prior is learned, or it has none.
bool spreads(const models::Model& model);
/// A row for each dimension, in which it takes the values while the others stay as in z [1, latent];
/// `zeros({1, latent})` is the origin, on any device. Throws IndexError for a dimension that does not exist, ValueError
/// for a conditional model without a label.
Image traversal_figure(models::Model& model, const Tensor& z, const TraversalOptions& options = {});
/// The same around the posterior mean of a picture, which is shown beside it with its reconstruction.
Image traversal_figure(models::Model& model, const datasets::Dataset& dataset, std::int64_t index,
                       const TraversalOptions& options = {});

struct ManifoldOptions {
  std::string title = {};
  std::int64_t n = 20;                     ///< pictures in a row and in a column
  double low = -3, high = 3;               ///< z[0] grows from left to right, z[1] from the bottom to the top
  std::optional<std::int64_t> label = {};  ///< for conditional models
  int scale = 0;                           ///< 0: chosen
};
/// What a 2-D latent space decodes to, seamless. Throws ValueError for any other latent space, n < 2, a span that is
/// none, and a conditional model without a label.
Image manifold_figure(models::Model& model, const ManifoldOptions& options = {});

/// Numbers by category, such as errors by latent dimension: a panel of bars for each series, named after it. An SVG.
/// Throws ShapeError where a series has another number of values than there are categories.
std::string bar_chart(const std::vector<std::string>& categories, const std::vector<Series>& series,
                      const std::string& x_label, const ChartOptions& options = {.width = 720, .height = 320});

}  // namespace viz
}  // namespace elbo
