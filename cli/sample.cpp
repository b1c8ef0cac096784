#include <elbo/core/text.h>

#include <algorithm>
#include <cstdio>

#include "figure_options.h"
#include "help.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

constexpr const char* samples_name = "samples.png";

struct SampleArgs : FigureArgs {
  std::int64_t rows = 0, columns = 0;
  double temperature = 1;
  std::string sampler;
};

bool takes_labels(const Trained& trained) { return trained.model->is_conditional(); }

void print_text(const SampleArgs& args, const std::vector<Trained>& runs, const viz::SampleOptions& options,
                const DrawnFrom& from, viz::FigureSize size, const std::filesystem::path& file) {
  std::printf("%s: %lld x %lld %s of %s\n", printable(file.native()).c_str(), static_cast<long long>(size.rows),
              static_cast<long long>(size.columns), size.rows * size.columns == 1 ? "sample" : "samples",
              names_of(runs).c_str());
  std::string codes = "Codes from " + describe(runs, from) + ", temperature " + csv_number(args.temperature) +
                      ", seed " + std::to_string(args.seed);
  bool labels = std::any_of(runs.begin(), runs.end(), takes_labels);
  if (options.label) {
    const std::string name = printable(viz::class_name(options.class_names, *options.label));
    std::vector<std::string> of;
    for (const Trained& trained : runs)
      if (takes_labels(trained)) of.push_back(trained.name);
    codes += "; all" + (of.size() == runs.size() ? "" : " of " + names_of(of)) + " of class " + name;
  } else if (labels) {
    codes += runs.size() == 1 ? "; a row for each class" : "; where a model takes labels, a column for each";
  }
  std::printf("%s", wrapped(codes, 2, help_width()).c_str());
  print_device(runs.front());
}

int sample(const SampleArgs& args) {
  std::vector<Trained> runs = open_trained(args);
  std::filesystem::path file = output_of(args, runs, samples_name);
  viz::SampleOptions options{.title = args.title,
                             .rows = args.rows,
                             .columns = args.columns,
                             .seed = args.seed,
                             .temperature = args.temperature,
                             .label = label_of(runs, args.label),
                             .class_names = class_names_of(runs),
                             .scale = args.scale};
  const DrawnFrom from = drawn_from(runs, args, args.sampler);
  options.codes = from.codes;
  std::vector<viz::Row> rows = rows_of(runs);
  viz::FigureSize size = viz::sample_figure_size(rows, options);
  viz::Image image = viz::sample_figure(rows, options);
  viz::write_png(file, image);
  if (is_stdout(file)) return 0;
  if (!args.json) {
    print_text(args, runs, options, from, size, file);
    return 0;
  }
  nlohmann::ordered_json out = figure_json(args, file, image, runs);
  for (std::size_t i = 0; i < runs.size(); ++i) add_codes_json(out["runs"][i], from, i, args.sampler);
  out["rows"] = size.rows;
  out["columns"] = size.columns;
  out["seed"] = args.seed;
  out["temperature"] = args.temperature;
  if (options.label) out["label"] = *options.label;
  print_json(out);
  return 0;
}

}  // namespace

void add_sample(CLI::App& app, Command& run) {
  auto args = std::make_shared<SampleArgs>();
  CLI::App* command = app.add_subcommand("sample", "Draw new pictures from trained models");
  command->footer(
      "Example:\n  elbo sample runs/vae --seed 3\n  elbo sample runs/vae runs/ae --rows 2 --columns 10 --out both.png\n"
      "A model that takes labels gives a row of each class, or pictures of one:\n"
      "  elbo sample runs/cvae --label Sneaker");
  add_runs(*command, *args);
  command->add_option("--rows", args->rows, "Rows of each run, or of each class (default: 8 for a single run, else 1)")
      ->check(at_least(1))
      ->type_name("N");
  command->add_option("--columns", args->columns, "Pictures in a row (default: 12, or one for each class)")
      ->check(at_least(1))
      ->type_name("N");
  command->add_option("--temperature", args->temperature, "Times the standard deviation of the codes")
      ->check(not_negative())
      ->check(float32_number())
      ->type_name("X")
      ->capture_default_str();
  add_label(*command, *args, "Only pictures of this class (default: all classes)");
  add_seed(*command, args->seed, "Of the codes");
  add_sampler(*command, args->sampler);
  add_data(*command, *args, false);
  add_figure_options(*command, *args, samples_name);
  command->final_callback([args, &run] { run = [args] { return sample(*args); }; });
}

}  // namespace elbo::cli
