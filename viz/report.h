#pragma once
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "../core/api.h"
#include "../datasets/dataset.h"
#include "../models/model.h"
#include "../models/training/run.h"

namespace ELBO_API elbo {
namespace viz {

/// A run to report on. What it refers to must outlive the call.
struct ReportRun {
  std::string name;
  const models::Run& run;
  models::Model& model;
  /// The pictures to measure and show; null where they are not at hand, then all that needs them is left out.
  const datasets::Dataset* pictures = nullptr;
  std::string split = "test";  ///< which half they are
};

struct ReportOptions {
  std::string title = {};          ///< empty: the runs' names
  bool tsne = true;                ///< it takes the most time
  std::int64_t tsne_count = 2000;  ///< pictures it places, at most; spread evenly over all
  std::int64_t tsne_iterations = 1000;
  std::uint64_t seed = 0;                                     ///< of samples, evaluation and t-SNE
  std::function<void(std::string_view doing)> on_stage = {};  ///< told what is computed next
};

/// One HTML page about trained models, complete in itself: it asks for no other file and no network. It holds the
/// configs, losses and errors, the loss curves, samples, reconstructions, traversals, embeddings of the codes and, for
/// two latent dimensions, the manifold. Several runs share curves and tables; their pictures follow one another.
/// Charts are SVG, pictures PNG. Without scripts all is still there but the values under the pointer. Equal runs and
/// options give equal bytes. Throws ValueError for no runs, and ShapeError or ValueError where a model does not fit its
/// pictures.
std::string report(std::span<const ReportRun> runs, const ReportOptions& options = {});

/// Writes it whole, or not at all. Throws IoError naming the path.
void write_report(const std::filesystem::path& path, std::span<const ReportRun> runs,
                  const ReportOptions& options = {});

}  // namespace viz
}  // namespace elbo
