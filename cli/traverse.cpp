#include <elbo/core/ops.h>
#include <elbo/core/text.h>
#include <elbo/models/analysis/information.h>

#include <cmath>
#include <cstdio>

#include "figure_options.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

constexpr const char* traversal_name = "traversal.png";

struct TraverseArgs : FigureArgs {
  std::vector<std::int64_t> dims;
  std::vector<double> values;
  double low = -3, high = 3;
  std::int64_t steps = 10, picture = 0;
  bool origin = false;
};

std::vector<double> values_of(const TraverseArgs& args) {
  for (double value : args.values)
    ELBO_CHECK(std::isfinite(value), ValueError, "--values: expected numbers, found ", value);
  if (!args.values.empty()) return args.values;
  ELBO_CHECK(std::isfinite(args.low) && std::isfinite(args.high) && args.low < args.high, ValueError,
             "expected --low below --high, found ", csv_number(args.low), " and ", csv_number(args.high));
  return models::evenly_spaced(args.low, args.high, args.steps);
}

std::string joined(const std::vector<std::int64_t>& numbers) {
  std::string out;
  for (std::int64_t number : numbers) out += (out.empty() ? "" : ", ") + std::to_string(number);
  return out;
}

int traverse(const TraverseArgs& args) {
  std::vector<Trained> runs = open_trained(args);
  std::filesystem::path file = output_of(args, runs, traversal_name);
  models::Model& model = *runs[0].model;
  const std::int64_t latent = model.code_size();
  ELBO_CHECK(latent > 0, ValueError, "the model of ", runs[0].run.folder().string(), " (", model.config().model,
             ") has no codes, one a picture, to change");
  const std::vector<double> columns = values_of(args);
  const auto given = [&](const char* option) { return args.command->count(option) > 0; };
  const bool in_deviations =
      !args.origin && !given("--values") && !given("--low") && !given("--high") && viz::spreads(model);
  viz::TraversalOptions options{.title = args.title,
                                .dims = args.dims,
                                .values = columns,
                                .in_deviations = in_deviations,
                                .label = args.origin ? needed_label(runs[0], args.label) : label_of(runs, args.label),
                                .scale = args.scale};
  for (std::int64_t dim : options.dims)
    ELBO_CHECK(dim < latent, IndexError, "--dims: the model of ", runs[0].run.folder().string(), " has ", latent,
               " latent dimensions, counted from 0, found ", dim);
  const auto around_picture = [&] {
    const datasets::Dataset data = pictures_of(runs, args);
    check_indices("--picture", {args.picture}, data);
    if (options.dims.empty()) options.dims = models::telling_dimensions(model, data, 10);
    return viz::traversal_figure(model, data, args.picture, options);
  };
  if (options.dims.empty() && args.origin) options.dims = models::evenly_spaced(latent, 10);
  viz::Image image = args.origin ? viz::traversal_figure(model, zeros({1, latent}), options) : around_picture();
  viz::write_png(file, image);
  if (is_stdout(file)) return 0;
  if (!args.json) {
    std::string around =
        args.origin ? "the origin" : "the code of " + args.split + " picture " + std::to_string(args.picture);
    std::printf("%s: %s, a row for each of the latent dimensions %s\n", printable(file.native()).c_str(),
                printable(runs[0].name).c_str(), joined(options.dims).c_str());
    std::printf("around %s, with %zu values from %s to %s%s\n", around.c_str(), columns.size(),
                csv_number(columns.front()).c_str(), csv_number(columns.back()).c_str(),
                in_deviations ? " standard\ndeviations of the codes in that dimension from their mean" : "");
    print_device(runs.front());
    return 0;
  }
  nlohmann::ordered_json out = figure_json(args, file, image, runs);
  out["rows"] = options.dims.size();
  out["columns"] = columns.size();
  out["dims"] = options.dims;
  out["values"] = columns;
  out["values_are"] = in_deviations ? "standard deviations" : "codes";
  out["around"] = args.origin ? "origin" : "picture";
  if (!args.origin) {
    out["split"] = args.split;
    out["picture"] = args.picture;
  }
  if (options.label) out["label"] = *options.label;
  print_json(out);
  return 0;
}

}  // namespace

void add_traverse(CLI::App& app, Command& run) {
  auto args = std::make_shared<TraverseArgs>();
  CLI::App* command = app.add_subcommand("traverse", "Change one latent dimension at a time");
  command->footer(
      "Example:\n  elbo traverse runs/vae --picture 7\n  elbo traverse runs/vae --dims 0,3,7 --values -3,0,3 --origin");
  add_run(*command, *args);
  add_list(*command, "--dims", args->dims,
           "Which dimensions, from 0 (default: the 10 that say most of the pictures; of the origin, 10 evenly spaced)");
  command->add_option("--values", args->values, "Which values each takes")
      ->check(any_number())
      ->check(float32_number())
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("X,X...");
  command
      ->add_option("--low", args->low,
                   "The lowest of them (default: -3; where the prior is learned, or none, 3 standard deviations of "
                   "the codes below their mean)")
      ->check(any_number())
      ->check(float32_number())
      ->type_name("X")
      ->check(not_with("--values"));
  command->add_option("--high", args->high, "The highest (default: 3, or as many above it)")
      ->check(any_number())
      ->check(float32_number())
      ->type_name("X")
      ->check(not_with("--values"));
  command->add_option("--steps", args->steps, "How many, evenly spaced")
      ->check(at_least(2))
      ->type_name("N")
      ->capture_default_str()
      ->check(not_with("--values"));
  command->add_option("--picture", args->picture, "Around the code of this picture, shown beside")
      ->check(at_least(0))
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--origin", args->origin, "Around the origin of the latent space instead")
      ->check(not_with("--picture"));
  add_label(*command, *args, "The class to decode, where the model takes labels (default: the picture's)");
  for (CLI::Option* option : add_data(*command, *args, true)) option->check(not_with("--origin"));
  add_figure_options(*command, *args, traversal_name);
  command->final_callback([args, &run] { run = [args] { return traverse(*args); }; });
}

}  // namespace elbo::cli
