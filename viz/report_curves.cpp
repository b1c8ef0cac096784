#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "../models/training/trainer.h"
#include "axis.h"
#include "report_facts.h"
#include "report_html.h"
#include "report_parts.h"
#include "run_pictures.h"
#include "svg.h"

namespace elbo::viz::detail {
namespace {

using nlohmann::ordered_json;

/// One of the three charts.
struct Part {
  const char* title;
  std::vector<double> LossCurves::*train;
  std::vector<double> LossCurves::*val;
};
constexpr Part parts[] = {{"Loss", &LossCurves::loss, &LossCurves::val_loss},
                          {"Reconstruction", &LossCurves::reconstruction, &LossCurves::val_reconstruction},
                          {"KL divergence", &LossCurves::kl, &LossCurves::val_kl}};

bool has_values(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

/// Every training curve, then its validation; all with a colour of their own.
std::vector<Series> series_of(const std::vector<LossCurves>& runs, const Part& part) {
  std::vector<Series> out;
  const bool several = runs.size() > 1;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string prefix = several ? runs[i].name + ", " : "";
    out.push_back({prefix + "training", runs[i].epoch, runs[i].*part.train, palette(several ? i : 0)});
    if (has_values(runs[i].*part.val))
      out.push_back({prefix + "validation", runs[i].epoch, runs[i].*part.val, palette(several ? i : 1), several});
  }
  return out;
}

/// For the script of the page; no text in it can end the element that it stands in.
std::string json_of(const std::vector<Series>& series) {
  ordered_json all = ordered_json::array();
  for (const Series& one : series)
    all.push_back({{"name", one.name}, {"color", one.color}, {"dashed", one.dashed}, {"x", one.x}, {"y", one.y}});
  const std::string text = all.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  std::string out;
  for (char c : text) c == '<' ? out += "\\u003c" : out += c;
  return out;
}

std::string chart_of(const Part& part, const std::vector<Series>& series) {
  const auto draw = [&](bool log) {
    Panel panel{.x_label = "epoch", .y_label = "nats per picture", .series = series};
    panel.log_y = log;
    panel.integer_x = true;
    const std::string label = std::string(part.title) + " by epoch" + (log ? ", logarithmic scale" : "");
    return labelled(chart({&panel, 1}, {.width = 430, .height = 300, .legend = false}), label);
  };
  return "<div class=\"chart\">\n" + heading3(part.title) + "<div class=\"linear\">\n" + draw(false) +
         "</div>\n<div class=\"log\">\n" + draw(true) + "</div>\n<script type=\"application/json\">" + json_of(series) +
         "</script>\n</div>\n";
}

/// As the program prints it: a large number has an exponent.
std::string loss_text(double value, int decimals = 2) { return models::loss_text(value, 12, decimals); }

std::string value_table(const Reported& run) {
  const auto text = [](const models::Losses& l) {
    return std::vector<std::string>{loss_text(l.loss, 3), loss_text(l.reconstruction, 3), loss_text(l.kl, 3)};
  };
  Table out{.caption = run.name() + ": nats per picture, by epoch",
            .rows = {{"Epoch", "Training loss", "Reconstruction", "KL", "Validation loss", "Reconstruction", "KL",
                      "Seconds"}}};
  for (const models::EpochRecord& record : run.history) {
    std::vector<std::string> row = {std::to_string(record.epoch)}, train = text(record.train);
    std::vector<std::string> val = record.val ? text(*record.val) : std::vector<std::string>(3, "-");
    row.insert(row.end(), train.begin(), train.end());
    row.insert(row.end(), val.begin(), val.end());
    row.push_back(format_fixed(record.seconds, 1));
    out.rows.push_back(row);
  }
  return table(out);
}

}  // namespace

std::string curves_section(const std::vector<Reported>& runs) {
  std::vector<LossCurves> curves;
  curves.reserve(runs.size());
  for (const Reported& run : runs) curves.push_back(loss_curves(run.history, run.name()));
  const bool empty = std::all_of(runs.begin(), runs.end(), [](const Reported& run) { return run.history.empty(); });
  if (empty) return section("curves", "Training", paragraph("No epoch has been trained yet."));
  const auto flat = [](const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return v == 0 || std::isnan(v); });
  };
  const bool no_kl =
      std::all_of(curves.begin(), curves.end(), [&](const LossCurves& c) { return flat(c.kl) && flat(c.val_kl); });
  const std::vector<Series> named = series_of(curves, parts[0]);
  std::vector<Key> keys;
  keys.reserve(named.size());
  for (const Series& series : named) keys.push_back({series.name, series.color, series.dashed, /*line=*/true});
  std::string html = "<input type=\"checkbox\" id=\"log-scale\"><label for=\"log-scale\">Logarithmic scale</label>\n";
  html += "<div class=\"legend-row\"></div>\n" + legend(keys) + "<div class=\"charts\">\n";
  for (const Part& part : std::span(parts, no_kl ? 2 : 3)) html += chart_of(part, series_of(curves, part));
  html += "</div>\n";
  std::string tables;
  for (const Reported& run : runs) tables += value_table(run);
  return section("curves", "Training", html + details("All values as a table", tables));
}

namespace {

std::string mse_text(double value) { return loss_text(value, 5); }

std::string epochs_text(const Reported& run) {
  if (run.history.empty()) return "0";
  return std::to_string(run.history.size()) + " of " + std::to_string(run.run->run.config().train.epochs);
}

std::string constant_note(const Reported& run) {
  if (!run.evaluation || run.evaluation->constant == 0) return "";
  return paragraph(run.name() + ": the Gaussian's reconstruction leaves out a constant of " +
                   loss_text(run.evaluation->constant) + " nats per picture.");
}

std::string result_tiles(const Reported& run) {
  std::vector<std::vector<std::string>> out;
  const std::string latent = counted(run.run->model.config().latent, "latent dimension", "latent dimensions");
  if (run.evaluation) {
    const models::Evaluation& e = *run.evaluation;
    const std::string half = run.run->split == "test" ? "Test" : "Training";
    out.push_back({half + " loss", loss_text(e.losses.loss), "nats per picture"});
    out.push_back({"Reconstruction", loss_text(e.losses.reconstruction), "nats per picture"});
    out.push_back({"KL divergence", loss_text(e.losses.kl), "nats per picture"});
    out.push_back({"Squared error", mse_text(e.mse), "per pixel"});
    out.push_back({"Active units", std::to_string(e.active_units), "of " + latent});
  }
  if (const models::EpochRecord* best = models::best_epoch(run.history, run.since())) {
    const std::string of = "of " + std::to_string(run.history.size()) + " trained";
    out.push_back({"Epoch kept", std::to_string(best->epoch), best->val ? of + "; best validation loss" : of});
    out.push_back({"Its training loss", loss_text(best->train.loss), "nats per picture"});
    if (best->val) out.push_back({"Its validation loss", loss_text(best->val->loss), "nats per picture"});
  }
  return out.empty() ? "" : tiles(out);
}

std::string result_table(const std::vector<Reported>& runs) {
  Table out{
      .caption = "Losses in nats per picture, squared error per pixel",
      .rows = {{"Run", "Epochs", "Epoch kept", "Training loss", "Validation loss", "Test loss", "Test reconstruction",
                "Test KL", "Test squared error", "Active units", "Measured on", "Parameters"}}};
  for (const Reported& run : runs) {
    const models::EpochRecord* best = models::best_epoch(run.history, run.since());
    std::vector<std::string> row = {run.name(), epochs_text(run), best ? std::to_string(best->epoch) : "-",
                                    best ? loss_text(best->train.loss) : "-",
                                    best && best->val ? loss_text(best->val->loss) : "-"};
    if (run.evaluation) {
      const models::Evaluation& e = *run.evaluation;
      const std::string mark = run.run->split == "test" ? "" : " (training pictures)";
      row.insert(row.end(), {loss_text(e.losses.loss) + mark, loss_text(e.losses.reconstruction),
                             loss_text(e.losses.kl), mse_text(e.mse),
                             std::to_string(e.active_units) + " of " + std::to_string(run.run->model.config().latent),
                             run.half(e.count) + " of " + run.pictures()->name});
    } else {
      row.insert(row.end(), 6, "-");
    }
    row.push_back(thousands(run.run->model.num_parameters()));
    out.rows.push_back(row);
  }
  return table(out);
}

}  // namespace

std::string results_section(const std::vector<Reported>& runs) {
  const auto groups = by_pictures(runs);
  std::string html = runs.size() == 1 ? result_tiles(runs[0]) : result_table(runs);
  for (const Reported& run : runs) {
    html += constant_note(run);
    if (!run.evaluation)
      html += "<p class=\"note\">" +
              escape_xml(run.name() + ": its pictures were not at hand, so nothing is measured on them here.") +
              "</p>\n";
  }
  if (groups.size() > 1)
    html +=
        paragraph("The runs are not all measured on the same pictures: losses of different pictures do not compare.");
  if (!groups.empty())
    html +=
        paragraph("Measured on all " +
                  (runs.size() == 1 ? runs[0].half(runs[0].evaluation->count) : "the pictures that the table names") +
                  ", with one draw of the code for each. A latent dimension is active where its posterior mean "
                  "varies by more than 0.01 over the pictures.");
  return section("results", "Results", html);
}

namespace {

const Fact* find(const std::vector<Fact>& facts, const std::string& name) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const Fact& one) { return one.name == name; });
  return found == facts.end() ? nullptr : &*found;
}

/// What any of the runs has, once: as they order it, and what changed in the midst of the training by its time.
std::vector<Fact> all_of(const std::vector<std::vector<Fact>>& runs) {
  std::vector<Fact> out;
  for (const std::vector<Fact>& facts : runs) {
    std::size_t at = 0;  // behind what the run's last fact is
    for (const Fact& fact : facts) {
      if (const Fact* there = find(out, fact.name))
        at = static_cast<std::size_t>(there - out.data()) + 1;
      else
        out.insert(out.begin() + static_cast<std::ptrdiff_t>(at++), fact);
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const Fact& a, const Fact& b) { return a.since < b.since; });
  return out;
}

}  // namespace

std::string config_section(const std::vector<Reported>& runs) {
  Table out{.caption = "What was trained, and how", .rows = {{"Setting"}}, .numbers = false, .emphasised = {false}};
  std::vector<std::vector<Fact>> facts;
  for (const Reported& run : runs) {
    out.rows[0].push_back(run.name());
    facts.push_back(describe(run.run->run.config(), run.run->model.config(), run.run->model.num_parameters()));
  }
  for (const Fact& fact : all_of(facts)) {
    std::vector<std::string> row = {fact.name};
    for (const std::vector<Fact>& one : facts) {
      const Fact* own = find(one, fact.name);
      row.push_back(own ? own->value : "");
    }
    out.emphasised.push_back(std::any_of(row.begin() + 2, row.end(), [&](const auto& v) { return v != row[1]; }));
    out.rows.push_back(row);
  }
  return section("config", "Settings", table(out));
}

}  // namespace elbo::viz::detail
