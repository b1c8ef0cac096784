#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../models/analysis/codes.h"
#include "../models/analysis/evaluate.h"
#include "report.h"

/// Internal to viz: the sections of a report, as HTML.
namespace elbo::viz::detail {

/// What a report computes once and needs in several places.
struct Reported {
  const ReportRun* run = nullptr;
  std::vector<models::EpochRecord> history;
  std::optional<models::Evaluation> evaluation;    ///< of the run's pictures, where there are any
  std::string minimised;                           ///< "reconstruction + 4 KL"; empty where there are no pictures
  std::optional<models::CodeDistribution> fitted;  ///< to their codes, for an autoencoder: it has no prior

  const std::string& name() const { return run->name; }
  std::int64_t since() const { return run->run.config().data.since; }
  /// The run's pictures; null where there are none.
  const datasets::Dataset* pictures() const {
    return run->pictures && run->pictures->size() > 0 ? run->pictures : nullptr;
  }
  bool has_prior() const { return run->model.has_prior(); }
  /// "12 test pictures".
  std::string half(std::int64_t count) const;
};

/// Runs of the same pictures, which can stand in one figure and whose losses compare; those without any are left out.
std::vector<std::vector<const Reported*>> by_pictures(const std::vector<Reported>& runs);

/// Loss, reconstruction and KL by epoch, on a linear and a logarithmic scale, with their values.
std::string curves_section(const std::vector<Reported>& runs);
/// Losses of the last and best epoch and of the pictures.
std::string results_section(const std::vector<Reported>& runs);
std::string config_section(const std::vector<Reported>& runs);

/// These three are empty where no run has a code for each picture.
std::string samples_section(const std::vector<Reported>& runs, const ReportOptions& options);
std::string traversals_section(const std::vector<Reported>& runs);
std::string embedding_section(const std::vector<Reported>& runs, const ReportOptions& options);
std::string reconstructions_section(const std::vector<Reported>& runs);
/// Empty where no run has two latent dimensions.
std::string manifold_section(const std::vector<Reported>& runs);

}  // namespace elbo::viz::detail
