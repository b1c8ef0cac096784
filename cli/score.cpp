#include <elbo/core/file.h>
#include <elbo/core/text.h>
#include <elbo/models/analysis/metrics.h>
#include <elbo/viz/figures.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "figure_options.h"
#include "help.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

namespace fs = std::filesystem;

struct ScoreArgs : RunArgs {
  fs::path out, odd_data;
  std::vector<fs::path> input;
  std::vector<std::string> odd;
  std::string codes = "sampled", label, odd_dataset;
  std::int64_t samples = 1;
  std::uint64_t seed = 0;
  bool sort = false;

  bool has_odd() const { return !odd.empty() || !odd_dataset.empty(); }
};

/// One picture and how unlike the training pictures the model finds it.
struct Scored {
  std::string source;  ///< its dataset, or its file
  std::int64_t index = 0, label = -1;
  std::string class_name;
  models::Losses losses;
  std::int64_t odd = 0;
};

/// Adds numbers of the same terms.
void add_to(models::Losses& sum, const models::Losses& one) {
  if (sum.terms.empty())
    for (const auto& [term, nats] : one.terms) sum.terms.emplace_back(term, 0);
  sum.loss += one.loss;
  for (std::size_t i = 0; i < sum.terms.size(); ++i) sum.terms[i].second += one.terms[i].second;
}

void divide(models::Losses& sum, double by) {
  sum.loss /= by;
  for (auto& [term, nats] : sum.terms) nats /= by;
}

/// The model's score of each picture, the mean over draws of the code.
std::vector<models::Losses> mean_scores(const ScoreArgs& args, models::Model& model, const datasets::Dataset& pictures,
                                        Status& status) {
  models::EvaluateOptions options;
  options.codes = codes_of(args.codes);
  std::vector<models::Losses> sum;
  for (std::int64_t k = 0; k < args.samples; ++k) {
    status.show("scores: draw " + std::to_string(k + 1) + " of " + std::to_string(args.samples));
    options.seed = args.seed + static_cast<std::uint64_t>(k);
    const std::vector<models::Losses> one = models::score(model, pictures, options);
    sum.resize(one.size());
    for (std::size_t i = 0; i < one.size(); ++i) add_to(sum[i], one[i]);
  }
  for (models::Losses& l : sum) divide(l, static_cast<double>(args.samples));
  return sum;
}

void append(std::vector<Scored>& to, const std::vector<models::Losses>& scores, const datasets::Dataset& pictures,
            std::int64_t odd) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    Scored one{pictures.name, static_cast<std::int64_t>(i), -1, "", scores[i], odd};
    if (!pictures.labels.empty()) {
      one.label = pictures.labels[i];
      one.class_name = viz::class_name(pictures.class_names, one.label);
    }
    to.push_back(std::move(one));
  }
}

/// The classes that `--odd` names, by name or number.
std::vector<std::int64_t> odd_labels(const ScoreArgs& args, const datasets::Dataset& pictures) {
  std::vector<std::int64_t> out;
  ELBO_CHECK(args.odd.empty() || !pictures.labels.empty(), ValueError, "--odd: expected a dataset with labels, found ",
             pictures.name, " without");
  for (const std::string& text : args.odd)
    out.push_back(parse_class("--odd", text, pictures.class_names, pictures.classes()));
  return out;
}

/// Gives all pictures one label, where the model takes labels.
void set_label(datasets::Dataset& pictures, const std::optional<std::int64_t>& label) {
  if (label) pictures.labels.assign(static_cast<std::size_t>(pictures.size()), *label);
}

std::vector<Scored> score_input(const ScoreArgs& args, const Trained& trained) {
  const std::optional<std::int64_t> label = needed_label(trained, args.label);
  datasets::Dataset pictures = read_input(trained, args.input);
  pictures.class_names = trained.run.config().data.class_names;
  set_label(pictures, label);
  Status status;
  std::vector<Scored> out;
  append(out, mean_scores(args, *trained.model, pictures, status), pictures, 0);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].source = args.input[i].string();
  return out;
}

/// The second dataset, whose pictures are all odd.
datasets::Dataset read_odd(const ScoreArgs& args, const Trained& trained) {
  models::DataOptions options = trained.run.config().data;
  options.dataset = args.odd_dataset;
  options.dir = args.odd_data;
  options.class_names.clear();  // its classes are its own
  datasets::Dataset out = models::load_data(options, args.half());
  const Shape &wanted = trained.model->config().picture, found{out.channels(), out.height(), out.width()};
  ELBO_CHECK(found == wanted, ValueError, "--odd-dataset ", args.odd_dataset, ": the model ",
             trained.run.folder().string(), " takes pictures ", wanted, ", found ", found);
  args.notes->add(out);
  return out;
}

std::vector<Scored> score_dataset(const ScoreArgs& args, const Trained& trained) {
  ELBO_CHECK(args.label.empty() || !args.odd_dataset.empty(), ValueError,
             "--label: expected --input or --odd-dataset beside it; a dataset's pictures have labels of their own");
  std::optional<std::int64_t> odd_label;
  std::optional<datasets::Dataset> strange;
  if (!args.odd_dataset.empty()) {
    odd_label = needed_label(trained, args.label);
    strange = read_odd(args, trained);
  }
  const datasets::Dataset pictures = open_dataset(trained, args.half(), args);
  const std::vector<std::int64_t> odd = odd_labels(args, pictures);
  Status status;
  std::vector<Scored> out;
  append(out, mean_scores(args, *trained.model, pictures, status), pictures, 0);
  for (Scored& one : out) one.odd = std::find(odd.begin(), odd.end(), one.label) != odd.end() ? 1 : 0;
  if (strange) {
    // The model is told the label of --label; the table has the dataset's own.
    std::vector<std::int64_t> own = strange->labels;
    set_label(*strange, odd_label);
    const std::vector<models::Losses> scores = mean_scores(args, *trained.model, *strange, status);
    strange->labels = std::move(own);
    append(out, scores, *strange, 1);
  }
  return out;
}

std::string csv_of(const ScoreArgs& args, const std::vector<Scored>& all) {
  const bool files = !args.input.empty(), two = !args.odd_dataset.empty(), odd = args.has_odd();
  std::string out =
      std::string(two ? "dataset," : "") + (files ? "file" : "index") + ",label,class" + (odd ? ",odd" : "") + ",score";
  if (!all.empty())
    for (const auto& [term, nats] : all.front().losses.terms) out += "," + term;
  out += "\n";
  for (const Scored& one : all) {
    if (two) out += csv_cell(one.source) + ",";
    out += files ? csv_cell(one.source) : std::to_string(one.index);
    out += "," + (one.label < 0 ? "" : std::to_string(one.label)) + "," + csv_cell(one.class_name);
    if (odd) out += "," + std::to_string(one.odd);
    out += "," + csv_number(one.losses.loss);
    for (const auto& [term, nats] : one.losses.terms) out += "," + csv_number(nats);
    out += "\n";
  }
  return out;
}

/// Score and terms of pictures that belong together.
struct Group {
  std::int64_t count = 0;
  models::Losses mean;
};

Group mean_of(const std::vector<Scored>& all, std::int64_t odd) {
  Group out;
  for (const Scored& one : all) {
    if (one.odd != odd) continue;
    ++out.count;
    add_to(out.mean, one.losses);
  }
  divide(out.mean, std::max(1.0, static_cast<double>(out.count)));
  return out;
}

/// How well each tells odd from normal pictures.
models::Losses auroc_of(const std::vector<Scored>& all) {
  std::vector<std::int64_t> odd;
  odd.reserve(all.size());
  for (const Scored& one : all) odd.push_back(one.odd);
  const std::int64_t count = std::count(odd.begin(), odd.end(), 1), of_all = std::ssize(odd);
  ELBO_CHECK(count > 0 && count < of_all, ValueError, "--odd: expected odd and normal pictures, found ", count,
             " odd among ", of_all);
  const auto of = [&](const auto& nats_of) {
    std::vector<double> scores;
    scores.reserve(all.size());
    for (const Scored& one : all) scores.push_back(nats_of(one.losses));
    return models::auroc(scores, odd);
  };
  models::Losses out{.loss = of([](const models::Losses& l) { return l.loss; })};
  for (std::size_t i = 0; i < all.front().losses.terms.size(); ++i)
    out.terms.emplace_back(all.front().losses.terms[i].first,
                           of([i](const models::Losses& l) { return l.terms[i].second; }));
  return out;
}

int width_of(const std::string& term) { return std::max(9, static_cast<int>(models::term_title(term).size())); }

/// Columns of what the rows are called: as many as the longest takes, or the terminal leaves beside the numbers.
int name_width(const std::vector<std::string>& names, const models::Losses& of) {
  std::size_t longest = 14;
  for (const std::string& name : names) longest = std::max(longest, name.size());
  int numbers = 2 + 11;
  for (const auto& [term, nats] : of.terms) numbers += 2 + width_of(term);
  return std::min(static_cast<int>(longest), std::max(help_width() - numbers, 14));
}

void print_titles(const std::string& name, const models::Losses& of, int width) {
  std::printf("  %-*s %10s", width, name.c_str(), "score");
  for (const auto& [term, nats] : of.terms) std::printf("  %*s", width_of(term), models::term_title(term).c_str());
  std::printf("\n");
}

/// A longer name has a line of its own.
void print_row(const std::string& name, const models::Losses& l, int width, int decimals) {
  const bool fits = name.size() <= static_cast<std::size_t>(width);
  if (!fits) std::printf("  %s\n", name.c_str());
  std::printf("  %-*s %10s", width, fits ? name.c_str() : "", models::loss_text(l.loss, 10, decimals).c_str());
  for (const auto& [term, nats] : l.terms) {
    const int own = width_of(term);
    std::printf("  %*s", own, models::loss_text(nats, own, decimals).c_str());
  }
  std::printf("\n");
}

std::string row_name(const char* what, std::int64_t count) {
  return std::string(what) + ", " + counted(count, "picture", "pictures");
}

/// The pictures that the model finds strangest, or those of the user's own.
void print_pictures(const ScoreArgs& args, const std::vector<Scored>& all) {
  constexpr std::size_t most = 10;
  std::vector<const Scored*> shown;
  shown.reserve(all.size());
  for (const Scored& one : all) shown.push_back(&one);
  if (args.input.empty() || args.sort)
    std::stable_sort(shown.begin(), shown.end(),
                     [](const Scored* a, const Scored* b) { return a->losses.loss > b->losses.loss; });
  if (args.input.empty() && shown.size() > most) shown.resize(most);
  std::vector<std::string> names;
  for (const Scored* one : shown) {
    names.push_back(args.input.empty() ? one->source + " " + std::to_string(one->index) : one->source);
    if (!one->class_name.empty()) names.back() += " (" + one->class_name + ")";
    names.back() = printable(names.back());
  }
  const int width = name_width(names, all.front().losses);
  std::printf("\n");
  print_titles(args.input.empty() ? "highest scores" : "picture", all.front().losses, width);
  for (std::size_t i = 0; i < shown.size(); ++i) print_row(names[i], shown[i]->losses, width, 2);
}

/// What the score is: the negative ELBO of a model that draws codes, which others do not have.
std::string score_text(const ScoreArgs& args, const Trained& trained) {
  if (!draws_codes(trained)) {
    const bool grid = trained.model->code_size() == 0;
    return std::string("reconstruction") + (grid ? " and code length" : "") + " in nats, at the encoder's own codes";
  }
  return "negative ELBO in nats, " + (args.codes == "mean"
                                          ? "at the posterior mean"
                                          : counted(args.samples, "draw", "draws") + " of the code for each picture");
}

void print_text(const ScoreArgs& args, const Trained& trained, const std::vector<Scored>& all, const fs::path& file) {
  std::printf("%s", wrapped(printable(trained.name) + ": " + score_text(args, trained), 2, help_width()).c_str());
  if (args.input.empty()) {
    const Group normal = mean_of(all, 0), odd = mean_of(all, 1);
    const std::string first = row_name(args.has_odd() ? "normal" : args.split.c_str(), normal.count),
                      second = row_name("odd", odd.count);
    const int width = name_width({first, second}, all.front().losses);
    std::printf("\n");
    print_titles("mean", all.front().losses, width);
    print_row(first, normal.mean, width, 2);
    if (args.has_odd()) {
      print_row(second, odd.mean, width, 2);
      print_row("AUROC", auroc_of(all), width, 4);
    }
  }
  print_pictures(args, all);
  std::printf("\n%s\n", printable(file.native()).c_str());
  print_device(trained);
}

nlohmann::ordered_json scores_json(const models::Losses& l) { return losses_json(l, "score"); }

void print_result(const ScoreArgs& args, const Trained& trained, const std::vector<Scored>& all, const fs::path& file) {
  nlohmann::ordered_json out;
  out["run"] = trained.run.folder().string();
  out["count"] = all.size();
  if (args.input.empty()) out["split"] = args.split;
  out["skipped"] = args.notes->skipped();
  out["codes"] = codes_text(args.codes, trained);
  out["samples"] = args.samples;
  out["device"] = trained.model->device().to_string();
  const auto group = [&](std::int64_t odd) {
    const Group found = mean_of(all, odd);
    nlohmann::ordered_json json{{"count", found.count}};
    json.update(scores_json(found.mean));
    return json;
  };
  if (args.has_odd()) {
    out["normal"] = group(0);
    out["odd"] = group(1);
    out["auroc"] = scores_json(auroc_of(all));
  } else {
    out["mean"] = scores_json(mean_of(all, 0).mean);
  }
  for (const Scored& one : all) {
    if (args.input.empty()) break;
    nlohmann::ordered_json picture{{"file", one.source}};
    picture.update(scores_json(one.losses));
    out["pictures"].push_back(picture);
  }
  out["file"] = file.string();
  print_json(out);
}

int score(const ScoreArgs& args) {
  const std::vector<Trained> runs = open_trained(args);
  const Trained& trained = runs.front();
  Sources sources = sources_of(runs, args);
  sources.files = args.input;
  if (!args.odd_dataset.empty()) sources.data.push_back(datasets::find_data_dir(args.odd_dataset, args.odd_data));
  const fs::path file = checked_output("--out", args.out.empty() ? args.runs.front() / "scores.csv" : args.out,
                                       Format::csv, sources, args.json);
  std::vector<Scored> all = args.input.empty() ? score_dataset(args, trained) : score_input(args, trained);
  // Throws where all pictures are of one kind, before anything is written.
  if (args.has_odd()) auroc_of(all);
  if (args.sort)
    std::stable_sort(all.begin(), all.end(),
                     [](const Scored& a, const Scored& b) { return a.losses.loss > b.losses.loss; });
  write_file_atomically(file, csv_of(args, all));
  if (is_stdout(file)) return 0;
  if (args.json)
    print_result(args, trained, all, file);
  else
    print_text(args, trained, all, file);
  return 0;
}

void add_odd_options(CLI::App& command, ScoreArgs& args) {
  command.add_option("--input", args.input, "Picture files of your own instead, cut and scaled to the model's size")
      ->type_name("FILE...");
  command.add_option("--odd", args.odd, "Classes of the dataset that count as odd, by name or number: adds the AUROC")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("LABEL,...")
      ->check(not_with("--input"));
  command.add_option("--odd-dataset", args.odd_dataset, "A second dataset whose pictures are all odd")
      ->check(one_of(datasets::known_datasets()))
      ->type_name("NAME")
      ->check(not_with("--input"))
      ->check(not_with("--odd"));
  command.add_option("--odd-data", args.odd_data, "The folder with its files (default: the usual places)")
      ->check(only_with("--odd-dataset"))
      ->check(not_for("--odd-dataset", {"shapes"}))
      ->type_name("DIR");
  command
      .add_option("--label", args.label,
                  "With --input or --odd-dataset, the class a model with labels is to take the pictures for")
      ->type_name("NAME|N");
}

}  // namespace

void add_score(CLI::App& app, Command& run) {
  auto args = std::make_shared<ScoreArgs>();
  CLI::App* command = app.add_subcommand("score", "Score pictures by how unlike the training pictures they are");
  command->footer(
      "The score is the negative ELBO, reconstruction + KL, in nats, or the reconstruction alone of a model without a\n"
      "distribution of codes: the higher, the stranger.\n"
      "Example:\n  elbo score runs/fashion --odd-dataset mnist\n"
      "  elbo score runs/mnist --odd 8,9 --sort --out scores.csv\n"
      "  elbo score runs/mnist --input mine.png yours.jpg");
  add_run(*command, *args);
  for (CLI::Option* option : add_data(*command, *args, true)) option->check(not_with("--input"));
  add_odd_options(*command, *args);
  add_codes(*command, args->codes);
  command->add_option("--samples", args->samples, "Draws to average over (with seeds from --seed on)")
      ->check(at_least(1))
      ->check(not_for("--codes", {"mean"}))
      ->check(not_for("--posterior", {"point"}))
      ->check(not_for("--model", {"vq-vae"}))
      ->type_name("K")
      ->capture_default_str();
  add_seed(*command, args->seed, "Of the draws")
      ->check(not_for("--codes", {"mean"}))
      ->check(not_for("--posterior", {"point"}))
      ->check(not_for("--model", {"vq-vae"}));
  command->add_flag("--sort", args->sort, "The highest scores first");
  command
      ->add_option("--out", args->out,
                   "The CSV file to write, - for standard output (default: scores.csv in the run folder)")
      ->type_name("FILE");
  add_common(*command, *args);
  command->final_callback([args, &run] { run = [args] { return score(*args); }; });
}

}  // namespace elbo::cli
