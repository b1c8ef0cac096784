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

/// "nats per picture"; empty for a term that has no unit.
std::string unit_of(const std::string& name) {
  const std::string unit = models::term_unit(name);
  return unit == "nats" ? unit + " per picture" : unit;
}

std::string chart_of(const std::string& name, const std::vector<Series>& series) {
  const std::string title = curve_title(name);
  const auto draw = [&](bool log) {
    Panel panel{.x_label = "epoch", .y_label = unit_of(name), .series = series};
    panel.log_y = log;
    panel.integer_x = true;
    const std::string label = title + " by epoch" + (log ? ", logarithmic scale" : "");
    return labelled(chart({&panel, 1}, {.width = 430, .height = 300, .legend = false}), label);
  };
  return "<div class=\"chart\">\n" + heading3(title) + "<div class=\"linear\">\n" + draw(false) +
         "</div>\n<div class=\"log\">\n" + draw(true) + "</div>\n<script type=\"application/json\">" + json_of(series) +
         "</script>\n</div>\n";
}

/// As the program prints it: a large number has an exponent.
std::string loss_text(double value, int decimals = 2) { return models::loss_text(value, 12, decimals); }

/// The terms of a run that are not 0 throughout, the loss first.
std::vector<std::string> terms_of(const Reported& run) {
  const LossCurves curves = loss_curves(run.history);
  return curve_names({&curves, 1});
}

std::string value_of(const models::Losses* losses, const std::string& name, int decimals = 2) {
  if (!losses) return "-";
  if (name == "loss") return loss_text(losses->loss, decimals);
  const double* nats = losses->find(name);
  return nats ? loss_text(*nats, decimals) : "-";
}

/// Whether the losses are sums of the same terms, as far as that is known.
bool minimise_the_same(const std::vector<Reported>& runs) {
  const auto known = [](const Reported& run) { return !run.minimised.empty(); };
  const auto first = std::find_if(runs.begin(), runs.end(), known);
  return std::all_of(first, runs.end(),
                     [&](const Reported& run) { return !known(run) || run.minimised == first->minimised; });
}

constexpr const char* losses_differ =
    "The runs do not minimise the same sum of terms: their losses do not compare, only terms of the same name do.";

std::string value_table(const Reported& run) {
  const std::vector<std::string> names = terms_of(run);
  std::vector<std::string> head{"Epoch"};
  for (const char* half : {"Training loss", "Validation loss"})
    for (const std::string& name : names)
      head.push_back(name == "loss" ? half : name == "kl" ? "KL" : curve_title(name));
  head.emplace_back("Seconds");
  Table out{.caption = run.name() + ": nats per picture, by epoch", .rows = {head}};
  for (const models::EpochRecord& record : run.history) {
    std::vector<std::string> row = {std::to_string(record.epoch)};
    for (const models::Losses* losses : {&record.train, record.val ? &*record.val : nullptr})
      for (const std::string& name : names) row.push_back(value_of(losses, name, 3));
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
  const std::vector<Series> named = curve_series(curves, "loss");
  std::vector<Key> keys;
  keys.reserve(named.size());
  for (const Series& series : named) keys.push_back({series.name, series.color, series.dashed, /*line=*/true});
  std::string html = "<input type=\"checkbox\" id=\"log-scale\"><label for=\"log-scale\">Logarithmic scale</label>\n";
  if (!minimise_the_same(runs)) html += paragraph(losses_differ);
  html += "<div class=\"legend-row\"></div>\n" + legend(keys) + "<div class=\"charts\">\n";
  for (const std::string& name : curve_names(curves)) html += chart_of(name, curve_series(curves, name));
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
  const std::int64_t size = run.run->model.code_size();
  if (run.evaluation) {
    const models::Evaluation& e = *run.evaluation;
    const std::string half = run.run->split == "test" ? "Test" : "Training";
    out.push_back({half + " loss", loss_text(e.losses.loss), "nats per picture"});
    for (const auto& [name, nats] : e.losses.terms) out.push_back({curve_title(name), loss_text(nats), unit_of(name)});
    out.push_back({"Squared error", mse_text(e.mse), "per pixel"});
    if (size > 0)
      out.push_back({"Active units", std::to_string(e.active_units),
                     "of " + counted(size, "latent dimension", "latent dimensions")});
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
  const bool same = minimise_the_same(runs);
  Table out{
      .caption = "Losses in nats per picture, squared error per pixel",
      .rows = {{"Run", "Epochs", "Epoch kept", "Training loss", "Validation loss", "Test loss", "Test reconstruction",
                "Test KL", "Test squared error", "Active units", "Measured on", "Parameters"}}};
  if (!same) out.rows[0].insert(out.rows[0].begin() + 1, "The loss is");
  for (const Reported& run : runs) {
    const models::EpochRecord* best = models::best_epoch(run.history, run.since());
    std::vector<std::string> row = {run.name(), epochs_text(run), best ? std::to_string(best->epoch) : "-",
                                    best ? loss_text(best->train.loss) : "-",
                                    best && best->val ? loss_text(best->val->loss) : "-"};
    if (run.evaluation) {
      const models::Evaluation& e = *run.evaluation;
      const std::string mark = run.run->split == "test" ? "" : " (training pictures)";
      row.insert(row.end(),
                 {loss_text(e.losses.loss) + mark, value_of(&e.losses, "reconstruction"), value_of(&e.losses, "kl"),
                  mse_text(e.mse), std::to_string(e.active_units) + " of " + std::to_string(run.run->model.code_size()),
                  run.half(e.count) + " of " + run.pictures()->name});
    } else {
      row.insert(row.end(), 6, "-");
    }
    row.push_back(thousands(run.run->model.num_parameters()));
    if (!same) row.insert(row.begin() + 1, run.minimised.empty() ? "-" : run.minimised);
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
  if (!minimise_the_same(runs)) html += paragraph(losses_differ);
  if (groups.size() > 1)
    html +=
        paragraph("The runs are not all measured on the same pictures: losses of different pictures do not compare.");
  if (!groups.empty())
    html += paragraph(
        "Measured on all " +
        (runs.size() == 1 ? runs[0].half(runs[0].evaluation->count) : "the pictures that the table names") +
        ", with one draw of the code for each where it is drawn. A latent dimension is active where its posterior "
        "mean varies by more than 0.01 over the pictures.");
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
