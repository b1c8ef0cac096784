#include <elbo/core/text.h>
#include <elbo/viz/report_facts.h>

#include <algorithm>
#include <cstdio>

#include "figure_options.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

constexpr const char* reconstructions_name = "reconstructions.png";

struct ReconstructArgs : FigureArgs {
  std::vector<std::int64_t> indices;
  std::vector<std::filesystem::path> input;
  std::int64_t count = 24, columns = 12;
};

struct Chosen {
  datasets::Dataset pictures;
  std::vector<std::int64_t> indices;
  std::optional<std::int64_t> label;
};

Chosen choose(const ReconstructArgs& args, const std::vector<Trained>& runs) {
  Chosen out;
  out.label = label_of(runs, args.label);
  if (args.input.empty()) {
    out.pictures = pictures_of(runs, args);
    check_count(args, args.count, out.pictures);
    check_indices("--indices", args.indices, out.pictures);
    out.indices = args.indices.empty() ? models::evenly_spaced(out.pictures.size(), args.count) : args.indices;
    return out;
  }
  for (const Trained& trained : runs)
    if (!out.label) needed_label(trained, args.label);
  out.pictures = read_input(runs.front(), args.input);
  out.indices = viz::first_indices(out.pictures.size());
  return out;
}

void print_text(const ReconstructArgs& args, const std::vector<Trained>& runs, const Chosen& chosen,
                const std::vector<double>& errors, const std::filesystem::path& file) {
  const auto count = static_cast<std::int64_t>(chosen.indices.size());
  const std::string kind = args.input.empty() ? args.split + " " : "";
  const std::string of = args.input.empty() ? printable(chosen.pictures.name) : "your own";
  std::printf("%s: %s of %s above what %s %s of %s\n", printable(file.native()).c_str(),
              counted(count, kind + "picture", kind + "pictures").c_str(), of.c_str(), names_of(runs).c_str(),
              runs.size() == 1 ? "makes" : "make", count == 1 ? "it" : "them");
  for (std::size_t i = 0; i < runs.size(); ++i)
    std::printf("  %s: mean squared error %s per pixel\n", printable(runs[i].name).c_str(),
                models::loss_text(errors[i], 10, 6).c_str());
  print_device(runs.front());
}

nlohmann::ordered_json json_of(const ReconstructArgs& args, const std::vector<Trained>& runs, const Chosen& chosen,
                               const std::vector<double>& errors, const viz::Image& image,
                               const std::filesystem::path& file) {
  nlohmann::ordered_json out = figure_json(args, file, image, runs);
  for (std::size_t i = 0; i < runs.size(); ++i) out["runs"][i]["mse"] = errors[i];
  std::int64_t count = static_cast<std::int64_t>(chosen.indices.size()), columns = std::min(args.columns, count);
  out["rows"] = (count + columns - 1) / columns * (static_cast<std::int64_t>(runs.size()) + 1);
  out["columns"] = columns;
  if (chosen.label) out["label"] = *chosen.label;
  if (!args.input.empty()) {
    for (const std::filesystem::path& path : args.input) out["input"].push_back(path.string());
    return out;
  }
  out["split"] = args.split;
  out["indices"] = chosen.indices;
  for (std::int64_t i : chosen.indices)
    if (!chosen.pictures.labels.empty()) out["labels"].push_back(chosen.pictures.labels[static_cast<std::size_t>(i)]);
  return out;
}

int reconstruct(const ReconstructArgs& args) {
  std::vector<Trained> runs = open_trained(args);
  std::filesystem::path file = output_of(args, runs, reconstructions_name, args.input);
  Chosen chosen = choose(args, runs);
  std::vector<viz::Row> rows = rows_of(runs);
  viz::Image image = viz::reconstruction_figure(rows, chosen.pictures, chosen.indices,
                                                {.title = args.title,
                                                 .columns = args.columns,
                                                 .errors = runs.size() > 1,
                                                 .label = chosen.label,
                                                 .scale = args.scale});
  std::vector<double> errors;
  errors.reserve(rows.size());
  for (const viz::Row& row : rows)
    errors.push_back(viz::reconstruction_error(row.model, chosen.pictures, chosen.indices, chosen.label));
  viz::write_png(file, image);
  if (is_stdout(file)) return 0;
  if (args.json) {
    print_json(json_of(args, runs, chosen, errors, image, file));
  } else {
    print_text(args, runs, chosen, errors, file);
  }
  return 0;
}

}  // namespace

void add_reconstruct(CLI::App& app, Command& run) {
  auto args = std::make_shared<ReconstructArgs>();
  CLI::App* command = app.add_subcommand("reconstruct", "Show pictures above what trained models make of them");
  command->footer(
      "Example:\n  elbo reconstruct runs/vae runs/ae --indices 0,5,9\n"
      "  elbo reconstruct runs/vae --input mine.png yours.jpg --out mine-again.png");
  add_runs(*command, *args);
  add_list(*command, "--indices", args->indices, "Which pictures of the dataset, from 0");
  command->add_option("--count", args->count, "So many, spread over the dataset")
      ->check(at_least(1))
      ->type_name("N")
      ->capture_default_str()
      ->check(not_with("--indices"));
  command->add_option("--input", args->input, "Picture files of your own instead, cut and scaled to the model's size")
      ->type_name("FILE...")
      ->check(not_with("--indices"))
      ->check(not_with("--count"));
  command->add_option("--columns", args->columns, "Pictures side by side")
      ->check(at_least(1))
      ->type_name("N")
      ->capture_default_str();
  add_label(*command, *args, "The class to take the pictures for, where a model takes labels (default: their own)");
  for (CLI::Option* option : add_data(*command, *args, true)) option->check(not_with("--input"));
  add_figure_options(*command, *args, reconstructions_name);
  command->final_callback([args, &run] { run = [args] { return reconstruct(*args); }; });
}

}  // namespace elbo::cli
