#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../core/api.h"
#include "../core/device.h"
#include "../core/precision.h"
#include "../core/shape.h"
#include "../datasets/dataset.h"
#include "fields.h"

namespace ELBO_API elbo {
namespace models {

/// What rebuilds a model: its name in the zoo, its parts, its sizes. A part that is left empty is the one of the
/// model's preset; what only other parts use has no effect. `models::preset(name)` gives a config with the settings of
/// the paper.
struct ModelConfig {
  std::string model = "vae";    ///< a row of the registry, for `make`
  Shape picture = {1, 28, 28};  ///< [channels, height, width]

  // Networks.
  std::string architecture = {};  ///< `mlp`, `conv`; see architectures()
  std::vector<std::int64_t> hidden = {
      400};  ///< mlp: hidden layers of the encoder; the decoder mirrors them. hvae: of each network
  std::string activation = "relu";  ///< between layers: relu, tanh, elu, silu, gelu, or gated
  /// conv: channels after each of the encoder's convolutions, each of which halves height and width. Empty for
  /// {16, 32, 128} where the picture can be halved three times, else {32, 64}. vq-vae: the same, empty for {64, 128}.
  std::vector<std::int64_t> channels = {};
  /// conv: channels before each of the decoder's transposed convolutions. Empty for the last of `channels`, halved at
  /// each step: {128, 64, 32}, {64, 32}.
  std::vector<std::int64_t> decoder_channels = {};
  std::int64_t kernel = 4;   ///< conv: of the encoder's convolutions, 3 or 4; the decoder's is 4
  bool decoder_relu = true;  ///< conv: an activation between the decoder's linear layer and its first convolution
  std::vector<std::int64_t> fc = {};  ///< conv: fully connected layers behind the encoder's; the decoder mirrors them
  std::string norm = "none";          ///< conv: after each convolution: none, batch or group
  std::int64_t blocks = 0;            ///< conv: residual blocks after each convolution; vq-vae: after the last
  std::string down = "stride";        ///< conv: what halves a picture: stride, max (pooling) or average

  // Codes.
  std::int64_t latent = 20;
  bool labels = false;             ///< it takes labels, of as many classes as the data have
  std::int64_t classes = 0;        ///< labels are 0 to classes - 1; 0 for a model without labels
  std::string posterior = {};      ///< `diagonal`, `full`, `planar`, `iaf`, `point`; see posteriors()
  std::int64_t flows = 4;          ///< posteriors planar, iaf: how many on top of the Gaussian
  std::int64_t flow_hidden = 320;  ///< posterior iaf: hidden units of each
  std::string prior = {};          ///< `normal`, `mixture`, `vamp`, `realnvp`; see priors()
  std::int64_t components = 10;    ///< priors mixture, vamp: of the mixture
  std::int64_t prior_flows = 6;    ///< prior realnvp: coupling layers
  std::int64_t prior_hidden = 256;

  // Pictures.
  std::string likelihood = {};         ///< `bernoulli`, `gaussian`; see likelihoods()
  double variance = 0.5;               ///< gaussian
  std::string output = "sigmoid";      ///< of Gaussian and logistic means: sigmoid, or identity for data not in [0, 1]
  std::int64_t mixtures = 5;           ///< logistic-mixture
  std::array<double, 2> pixels{0, 1};  ///< what a picture's bytes 0 and 255 become
  bool allow_range_mismatch = false;   ///< train on pixels that the decoder's mean cannot reach

  // What is minimised.
  std::string objective = {};      ///< `elbo`; see objectives()
  double beta = 1;                 ///< weight of the KL divergence (Higgins et al. 2017), or of what stands for it
  double warmup = 0;               ///< epochs over which that weight grows linearly from 0 (Bowman et al. 2016)
  std::int64_t cycles = 0;         ///< it grows anew so often in `cycle_epochs` (Fu et al. 2019); 0 for no cycles
  double cycle_epochs = 0;         ///< epochs that all cycles take
  double free_bits = 0;            ///< elbo: nats of each latent dimension that cost nothing (Kingma et al. 2016)
  double capacity = 0;             ///< elbo: nats that the KL is drawn to (Burgess et al. 2018); 0 for none
  double capacity_epochs = 0;      ///< elbo: epochs over which the capacity grows linearly from 0
  std::int64_t samples = 5;        ///< iwae and its kin: importance samples of each picture
  std::int64_t groups = 8;         ///< miwae, piwae: independent estimates of so many samples each, at least 2
  double mix = 0.5;                ///< ciwae: the share of the ELBO
  bool dreg = false;               ///< iwae and its kin: the doubly reparameterised gradient (Tucker et al. 2019)
  std::string dip = "i";           ///< dip: i or ii (Kumar et al. 2018)
  double dip_diagonal = 100;       ///< dip: weight of the diagonal's distance from 1
  double dip_off_diagonal = 10;    ///< dip: weight of the rest's from 0
  double mmd_weight = 10;          ///< mmd: lambda
  std::string mmd_kernel = "imq";  ///< mmd: imq or rbf
  double tc_weight = 10;           ///< factor: weight of the total correlation, gamma
  std::vector<std::int64_t> discriminator = {256, 256};  ///< factor, adversarial: hidden layers of the discriminator
  double code_weight = 1e-2;                             ///< rae: of the codes' squared length
  double decoder_weight = 1e-4;                          ///< rae: of the decoder's weights' squared length
  std::int64_t codebook = 512;                           ///< vq-vae: entries of the codebook
  std::int64_t code_channels = 64;                       ///< vq-vae: numbers of an entry
  double commitment = 0.25;                              ///< vq-vae: weight of the encoder's distance from its entry
  double codebook_decay = 0.99;                          ///< vq-vae: of the running means that make the codebook
  std::int64_t latent2 = 20;                             ///< hvae: dimensions of the lower layer

  /// The settings of a model of your own: see OwnField.
  std::map<std::string, double> own = {};
  /// What a config.json has of a model that nobody registered here, as JSON, which is kept as it is: only what all
  /// models have is read of it. Empty for others.
  std::string unread = {};

  /// All settings but `model`, `own` and those that the data say.
  void fields(FieldVisitor& visitor);
  /// Throws ValueError naming the first field that makes no sense by itself; `filled` checks them together.
  void validate() const;

 private:
  void network_fields(FieldVisitor& visitor);
  void latent_fields(FieldVisitor& visitor);
  void objective_fields(FieldVisitor& visitor);
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
  std::string optimizer = "adam";  ///< adam, adamw, rmsprop or sgd
  double weight_decay = 0;         ///< L2; decoupled from the gradient for adamw
  double momentum = 0;             ///< sgd, rmsprop
  double clip_norm = 0;            ///< the gradients' norm is cut to this; 0 for none
  double ema = 0;                  ///< decay of running means of the weights, which are validated and kept; 0 for none

  /// All settings.
  void fields(FieldVisitor& visitor);
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
