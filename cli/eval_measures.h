#pragma once
#include <elbo/models/analysis/disentanglement/disentanglement.h>
#include <elbo/models/analysis/information.h>
#include <elbo/models/analysis/nll.h>
#include <elbo/models/analysis/precision_recall.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "figure_options.h"
#include "inputs.h"

/// What `elbo eval` measures beside the loss, where it is asked for.
namespace elbo::cli {

struct EvalArgs : RunArgs {
  std::string codes = "sampled", sampler;
  std::uint64_t seed = 0;
  std::int64_t nll = 0, precision_recall = 0;
  bool binarize = false, information = false, disentanglement = false;
};

/// Numbers with their names before and their units behind them, printed when all names are known.
class Lines {
 public:
  void add(const std::string& name, double value, int decimals, const std::string& unit);
  void add(const std::string& name, const std::string& value, const std::string& unit);
  void print() const;

 private:
  std::vector<std::array<std::string, 3>> lines_;
  int width_ = 14;
};

/// How samples of a model and pictures of its dataset cover each other.
struct SampleQuality {
  models::PrecisionRecall found = {};
  std::int64_t count = 0;  ///< samples, and as many pictures
  DrawnFrom from = {};     ///< the samples' codes
  /// The classifier whose features are compared: how many pictures it was trained on, and the share of the pictures
  /// beside the samples that it tells right.
  std::int64_t trained_on = 0;
  double accuracy = 0;
};

struct Measures {
  std::optional<models::CodeInformation> information;
  std::optional<models::Nll> nll;
  std::optional<models::Disentanglement> disentanglement;
  std::optional<SampleQuality> quality;
};

void add_measure_options(CLI::App& command, EvalArgs& args);
/// Whether one of them draws by `--seed`.
bool measures_draw(const EvalArgs& args);
/// Of the only run, on pictures of its dataset. Throws ValueError for what has no meaning with them.
Measures measure(const EvalArgs& args, const std::vector<Trained>& runs, const datasets::Dataset& data);
/// The lines of the table.
void add_measures(Lines& lines, const Measures& measures);
/// What comes below the table: of which samples, in what space.
void print_notes(const EvalArgs& args, const std::vector<Trained>& runs, const Measures& measures);
void add_measures(nlohmann::ordered_json& out, const EvalArgs& args, const Measures& measures);

}  // namespace elbo::cli
