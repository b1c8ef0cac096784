#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "../core/api.h"
#include "../core/device.h"
#include "../core/precision.h"
#include "../core/shape.h"
#include "../datasets/dataset.h"

namespace ELBO_API elbo {
namespace models {

/// How the decoder's logits explain a picture x in [0, 1]; the mean of either is sigmoid(logits).
/// - bernoulli: -log p(x) is the binary cross entropy. For grey pixels that is its mean over black and white pixels
///   drawn with the probability x, as is usual.
/// - gaussian: -log p(x) is the sum of (x - mean)^2 / (2 variance) over pixels, so with variance 1/2 the squared error.
///   The constant log(2 pi variance) / 2 of each pixel is left out.
enum class Likelihood { bernoulli, gaussian };

/// `bernoulli`, `gaussian`.
const char* name(Likelihood likelihood);

/// What rebuilds a model: its kind, its sizes and its likelihood.
struct ModelConfig {
  std::string model = "vae";                 ///< `ae`, `vae`, `cvae` or `conv-vae`, for `make`
  Shape picture = {1, 28, 28};               ///< [channels, height, width]
  std::vector<std::int64_t> hidden = {400};  ///< hidden layers of a fully connected encoder; the decoder mirrors them
  /// `conv-vae`: channels after each of the encoder's convolutions, each of which halves height and width. Empty for
  /// {16, 32, 128} where the picture can be halved three times, else {32, 64}.
  std::vector<std::int64_t> channels = {};
  /// `conv-vae`: channels before each of the decoder's transposed convolutions. Empty for the last of `channels`,
  /// halved at each step: {128, 64, 32}, {64, 32}.
  std::vector<std::int64_t> decoder_channels = {};
  std::int64_t kernel = 4;   ///< `conv-vae`: of the encoder's convolutions, 3 or 4; the decoder's is 4
  bool decoder_relu = true;  ///< `conv-vae`: a ReLU between the decoder's linear layer and its first convolution
  std::int64_t latent = 20;
  std::int64_t classes = 0;  ///< `cvae`: labels are 0 to classes - 1; 0 for the other models
  Likelihood likelihood = Likelihood::bernoulli;
  double variance = 0.5;               ///< of the Gaussian likelihood
  std::array<double, 2> pixels{0, 1};  ///< what a picture's bytes 0 and 255 become
  bool allow_range_mismatch = false;   ///< train on pixels that the decoder's sigmoid cannot produce

  /// Throws ValueError naming the first field that makes no sense.
  void validate() const;
};

/// Reads `float32`, `tf32` or `bf16`. Throws ValueError for anything else.
Precision parse_precision(std::string_view text);

/// How the learning rate moves while a model is trained; the functions of these names in nn/schedule.h.
enum class LrSchedule { constant, step, cosine, one_cycle, plateau };
/// `constant`, `step`, `cosine`, `one-cycle`, `plateau`.
const char* name(LrSchedule schedule);
/// Reads such a name. Throws ValueError for anything else.
LrSchedule parse_lr_schedule(std::string_view text);

/// How a model is trained.
struct TrainOptions {
  std::int64_t epochs = 20;
  std::int64_t batch_size = 128;
  bool drop_last = false;  ///< leave out the last, smaller batch of an epoch
  double lr = 1e-3;        ///< Adam's learning rate; with a schedule the highest
  /// How it moves. `step`, `cosine` and `one_cycle` go by the step, the last two over all epochs asked for, so that
  /// other `epochs` bend what is left of the curve; `plateau` goes by the validation loss after each epoch.
  LrSchedule schedule = LrSchedule::constant;
  double lr_warmup = 0;           ///< epochs over which it first grows to lr; not for one_cycle, which has its own
  std::int64_t lr_every = 10;     ///< `step`: epochs between falls
  double lr_factor = 0.1;         ///< `step`, `plateau`: what the rate is multiplied by
  std::int64_t lr_patience = 10;  ///< `plateau`: epochs without a better validation loss that it bears
  double beta = 1;                ///< weight of the KL divergence (Higgins et al. 2017)
  double warmup = 0;              ///< epochs over which that weight grows linearly from 0 (Bowman et al. 2016)
  double val_size = 0.1;          ///< held out for validation: a fraction below 1, or a number of pictures; 0 for none
  std::int64_t patience = 0;      ///< stop after so many epochs without a better validation loss; 0 to never stop early
  double checkpoint_every = 60;   ///< seconds between checkpoints within an epoch; 0 for none but after each epoch
  std::uint64_t seed = 0;
  Device device = cpu;
  Precision precision = Precision::float32;  ///< of matrix products and convolutions; the others need a GPU
  bool graph = true;                         ///< on a GPU, replay whole steps as CUDA graphs
  /// Each epoch draws black-or-white pictures anew, a pixel white with the probability that its byte stands for
  /// (Salakhutdinov and Murray 2008). Validation has the grey ones.
  bool binarize = false;

  /// Whether the learning rate is not the same in all steps.
  bool moves_lr() const { return schedule != LrSchedule::constant || lr_warmup > 0; }
  /// Throws ValueError naming the first field that makes no sense.
  void validate() const;
};

/// Epochs of a run with settings of their own. Only some may change: epochs, lr, patience, checkpoint_every, device,
/// precision and graph.
struct Stretch {
  std::int64_t from_epoch = 1;  ///< the first epoch with these settings
  TrainOptions train = {};
  std::int64_t after_steps = 0;  ///< how many steps of that epoch were trained before, with the settings before
};

/// Where the pictures come from.
struct DataOptions {
  std::string dataset = "fashion-mnist";
  std::filesystem::path dir = {};             ///< the folder with its files; empty to look in the usual places
  datasets::LoadOptions load = {};            ///< what only some datasets ask for
  std::vector<std::string> class_names = {};  ///< of its labels, as they were when the model was trained
  std::string validation = {};                ///< `half`: pictures of their own; `held-out`; empty: unknown
  std::string identity = {};  ///< `datasets::Dataset::identity` of what it is trained on; empty: unknown
  std::int64_t since = 1;     ///< the first epoch on these pictures; those before it were trained on others
};

/// Reads one half of it, its labels numbered by `class_names` (see `datasets::match_classes`). Throws what
/// `datasets::load` does.
datasets::Dataset load_data(const DataOptions& options, datasets::Split split);

/// All that `config.json` of a run folder holds.
struct RunConfig {
  ModelConfig model = {};
  TrainOptions train = {};
  DataOptions data = {};
  /// One for each change of settings, in order: the first is what the run began with, `train` is the last one's. Empty
  /// where they never changed.
  std::vector<Stretch> stretches = {};

  /// Other settings hold from that epoch on, behind its first `after_steps` steps. They become a new stretch, or take
  /// the place of the last one where that has trained no step. Equal settings change nothing.
  void change(const TrainOptions& to, std::int64_t from_epoch, std::int64_t after_steps = 0);
  /// As indented JSON.
  std::string to_json() const;
  /// Reads it back. Throws FormatError naming `where`, the field, what was expected and what was found.
  static RunConfig from_json(std::string_view text, const std::string& where);
};

}  // namespace models
}  // namespace elbo
