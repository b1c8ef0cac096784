#include <elbo/core/text.h>

#include <cmath>
#include <cstdio>

#include "figure_options.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

constexpr const char* manifold_name = "manifold.png";

struct ManifoldArgs : FigureArgs {
  std::int64_t n = 20;
  double low = -3, high = 3;
};

int manifold(const ManifoldArgs& args) {
  std::vector<Trained> runs = open_trained(args);
  std::filesystem::path file = output_of(args, runs, manifold_name);
  models::Model& model = *runs[0].model;
  ELBO_CHECK(model.code_size() == 2, ValueError, "the model of ", runs[0].run.folder().string(),
             ": expected 2 latent dimensions, found ", model.code_size());
  ELBO_CHECK(std::isfinite(args.low) && std::isfinite(args.high) && args.low < args.high, ValueError,
             "expected --low below --high, found ", csv_number(args.low), " and ", csv_number(args.high));
  viz::ManifoldOptions options{.title = args.title,
                               .n = args.n,
                               .low = args.low,
                               .high = args.high,
                               .label = needed_label(runs[0], args.label),
                               .scale = args.scale};
  viz::Image image = viz::manifold_figure(model, options);
  viz::write_png(file, image);
  if (is_stdout(file)) return 0;
  if (!args.json) {
    std::printf("%s: what %s decodes on a grid of %lld x %lld codes\n", printable(file.native()).c_str(),
                printable(runs[0].name).c_str(), static_cast<long long>(args.n), static_cast<long long>(args.n));
    std::printf("from %s to %s; z[0] grows to the right, z[1] upwards\n", csv_number(args.low).c_str(),
                csv_number(args.high).c_str());
    print_device(runs[0]);
    return 0;
  }
  nlohmann::ordered_json out = figure_json(args, file, image, runs);
  out["rows"] = out["columns"] = args.n;
  out["low"] = args.low;
  out["high"] = args.high;
  if (options.label) out["label"] = *options.label;
  print_json(out);
  return 0;
}

}  // namespace

void add_manifold(CLI::App& app, Command& run) {
  auto args = std::make_shared<ManifoldArgs>();
  CLI::App* command = app.add_subcommand("manifold", "Show all of a two-dimensional latent space");
  command->footer("Example:\n  elbo manifold runs/two-dimensions -n 20 --low -3 --high 3");
  add_run(*command, *args);
  command->add_option("-n,--size", args->n, "Pictures in a row and in a column")
      ->check(at_least(2))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--low", args->low, "The lowest value of both dimensions")
      ->check(any_number())
      ->check(float32_number())
      ->type_name("X")
      ->capture_default_str();
  command->add_option("--high", args->high, "The highest")
      ->check(any_number())
      ->check(float32_number())
      ->type_name("X")
      ->capture_default_str();
  add_label(*command, *args, "The class to decode, where the model takes labels");
  add_figure_options(*command, *args, manifold_name);
  command->final_callback([args, &run] { run = [args] { return manifold(*args); }; });
}

}  // namespace elbo::cli
