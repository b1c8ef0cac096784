#include "report.h"

#include <map>
#include <vector>

#include "../core/errors.h"
#include "../core/file.h"
#include "../models/analysis/terms.h"
#include "axis.h"
#include "report_facts.h"
#include "report_html.h"
#include "report_parts.h"
#include "svg.h"

namespace elbo::viz {
namespace {

using detail::Reported;

/// "reconstruction + 4 KL", without what is always 0.
std::string minimised(models::Model& model) {
  std::vector<models::TermInfo> terms = models::terms_of(model);
  const bool draws = model.draws_codes();
  std::erase_if(terms, [&](const models::TermInfo& term) { return term.weight == 0 || (term.name == "kl" && !draws); });
  return models::loss_formula(terms);
}

/// Runs as they are shown: measured, and with names that differ.
std::vector<Reported> measured(std::vector<ReportRun>& named, const ReportOptions& options) {
  std::map<std::string, int> times;
  for (ReportRun& run : named)
    if (const int time = ++times[run.name]; time > 1) run.name += " (" + std::to_string(time) + ")";
  std::vector<Reported> out;
  for (const ReportRun& run : named) {
    Reported one{&run, run.run.history(), {}, {}, {}};
    if (options.on_stage) options.on_stage("losses of " + run.name);
    if (const datasets::Dataset* pictures = one.pictures()) {
      one.evaluation = models::evaluate(run.model, *pictures, {.seed = options.seed});
      one.minimised = minimised(run.model);
      if (!one.has_prior() && run.model.code_size() > 0) one.fitted = models::fit_codes(run.model, *pictures);
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::string title_of(const std::vector<Reported>& runs, const ReportOptions& options) {
  if (!options.title.empty()) return options.title;
  std::string out;
  for (const Reported& run : runs) out += (out.empty() ? "" : ", ") + run.name();
  return out;
}

/// What the page is about, in one sentence.
std::string lead_of(const std::vector<Reported>& runs) {
  if (runs.size() > 1) return thousands(static_cast<std::int64_t>(runs.size())) + " trained models side by side";
  const Reported& run = runs[0];
  const models::RunConfig& config = run.run->run.config();
  const std::string layers = layer_sizes(run.run->model.config());
  std::string out = config.model.model + (layers.empty() ? "" : " " + layers) + " on " + config.data.dataset;
  if (run.evaluation)
    out += ": " + std::string(run.run->split == "test" ? "test" : "training") + " loss " +
           models::loss_text(run.evaluation->losses.loss, 12) + " nats per picture";
  return out;
}

struct Section {
  std::string id, name, html;
};

std::string contents(const std::vector<Section>& sections) {
  std::string out = "<nav aria-label=\"Contents\">\n<ul>\n";
  for (const Section& section : sections)
    if (!section.html.empty()) out += "<li><a href=\"#" + section.id + "\">" + escape_xml(section.name) + "</a></li>\n";
  return out + "</ul>\n</nav>\n";
}

}  // namespace

std::string report(std::span<const ReportRun> runs, const ReportOptions& options) {
  ELBO_CHECK(!runs.empty(), ValueError, "[report] expected at least one run, found none");
  std::vector<ReportRun> named(runs.begin(), runs.end());
  const std::vector<Reported> all = measured(named, options);
  const auto stage = [&](const char* doing) {
    if (options.on_stage) options.on_stage(doing);
  };
  std::vector<Section> sections;
  sections.push_back({"results", "Results", detail::results_section(all)});
  sections.push_back({"curves", "Training", detail::curves_section(all)});
  stage("samples");
  sections.push_back({"samples", "Samples", detail::samples_section(all, options)});
  stage("reconstructions");
  sections.push_back({"reconstructions", "Reconstructions", detail::reconstructions_section(all)});
  stage("traversals");
  sections.push_back({"traversals", "Traversals", detail::traversals_section(all)});
  sections.push_back({"manifold", "Manifold", detail::manifold_section(all)});
  sections.push_back({"embedding", "Embedding", detail::embedding_section(all, options)});
  sections.push_back({"config", "Settings", detail::config_section(all)});
  const std::string title = title_of(all, options);
  std::string body = "<header>\n<h1>" + escape_xml(title) + "</h1>\n<p class=\"lead\">" + escape_xml(lead_of(all)) +
                     "</p>\n</header>\n" + contents(sections) + "<main>\n";
  for (const Section& section : sections) body += section.html;
  body += "</main>\n<footer>Written by elbo " ELBO_VERSION " (<code>elbo report</code>).</footer>\n";
  return detail::page(title, body);
}

void write_report(const std::filesystem::path& path, std::span<const ReportRun> runs, const ReportOptions& options) {
  write_file_atomically(path, report(runs, options));
}

}  // namespace elbo::viz
