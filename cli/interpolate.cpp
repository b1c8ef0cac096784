#include <elbo/core/text.h>

#include <algorithm>
#include <cstdio>

#include "figure_options.h"
#include "help.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

constexpr const char* file_name = "interpolation.png";

struct InterpolateArgs : FigureArgs {
  std::string from = "pictures";
  std::vector<std::int64_t> pictures;
  std::int64_t rows = 0, steps = 10;
};

void check(const InterpolateArgs& args) {
  std::size_t given = args.pictures.size();
  ELBO_CHECK(given % 2 == 0, ValueError, "--pictures: expected pairs A,B or A,B,C,D and so on, found ", given,
             " pictures");
  ELBO_CHECK(given == 0 || args.rows == 0 || given == static_cast<std::size_t>(args.rows) * 2, ValueError, "--rows ",
             args.rows, ": --pictures names ", given / 2, given == 2 ? " pair" : " pairs");
  const bool draws = given == 0 || args.from != "pictures";
  ELBO_CHECK(draws || args.command->count("--seed") == 0, ValueError,
             "--seed: nothing is drawn between the means of --pictures, only with --from codes or prior");
}

/// The rows of each run and what they lie between.
struct Drawn {
  viz::Image image;
  std::int64_t pairs = 0;
  std::vector<std::int64_t> pictures;       ///< a0, b0, a1, b1, ...
  std::vector<std::string> picture_labels;  ///< their classes
  DrawnFrom codes;                          ///< --from prior
};

Drawn draw(const InterpolateArgs& args, const std::vector<Trained>& runs, const viz::InterpolationOptions& options) {
  Drawn out;
  out.pairs = std::max<std::int64_t>(args.rows, 1);
  if (args.from == "prior") {
    viz::InterpolationOptions with_codes = options;
    out.codes = drawn_from(runs, args);
    with_codes.codes = out.codes.codes;
    out.image = viz::prior_interpolation_figure(rows_of(runs), out.pairs, with_codes);
    return out;
  }
  datasets::Dataset data = pictures_of(runs, args);
  check_indices("--pictures", args.pictures, data);
  ELBO_CHECK(data.size() >= 2, ValueError, "expected at least two pictures to go from one to another, found ",
             data.size(), " in ", data.name);
  out.pictures = args.pictures.empty() ? viz::random_pairs(data, out.pairs, args.seed) : args.pictures;
  out.pairs = static_cast<std::int64_t>(out.pictures.size() / 2);
  out.image = viz::interpolation_figure(rows_of(runs), data, out.pictures, options);
  for (std::int64_t i : out.pictures)
    if (!data.labels.empty())
      out.picture_labels.push_back(viz::class_name(data.class_names, data.labels[static_cast<std::size_t>(i)]));
  return out;
}

void print_text(const InterpolateArgs& args, const std::vector<Trained>& runs, const Drawn& drawn,
                const std::filesystem::path& file) {
  std::printf("%s: %lld steps of %s, in straight lines between\n", printable(file.native()).c_str(),
              static_cast<long long>(args.steps), names_of(runs).c_str());
  if (args.from == "prior") {
    const std::string line = "  " + counted(drawn.pairs, "pair", "pairs") + " of codes from " +
                             describe(runs, drawn.codes) + ", seed " + std::to_string(args.seed);
    std::printf("  %s", wrapped(line, 4, help_width() - 2).c_str());
    return;
  }
  const char* of = args.from == "codes" ? "codes drawn from q(z|x) of" : "the posterior means of";
  auto picture = [&](std::size_t i) {
    std::string name = drawn.picture_labels.empty() ? "" : " (" + printable(drawn.picture_labels[i]) + ")";
    return std::to_string(drawn.pictures[i]) + name;
  };
  for (const Trained& trained : runs)
    if (args.from == "codes" && !draws_codes(trained))
      std::printf("  %s, an autoencoder, with the encoder's own codes\n", printable(trained.name).c_str());
  for (std::size_t i = 0; i < drawn.pictures.size(); i += 2)
    std::printf("  %s %s pictures %s and %s\n", of, args.split.c_str(), picture(i).c_str(), picture(i + 1).c_str());
}

int interpolate(const InterpolateArgs& args) {
  check(args);
  std::vector<Trained> runs = open_trained(args);
  std::filesystem::path file = output_of(args, runs, file_name);
  ELBO_CHECK(args.from != "codes" || std::any_of(runs.begin(), runs.end(), draws_codes), ValueError,
             "--from codes: an autoencoder (ae) draws no codes from q(z|x), expected --from pictures");
  viz::InterpolationOptions options{.title = args.title,
                                    .steps = args.steps,
                                    .ends = args.from == "codes" ? models::Codes::sampled : models::Codes::mean,
                                    .seed = args.seed,
                                    .label = label_of(runs, args.label),
                                    .class_names = class_names_of(runs),
                                    .scale = args.scale};
  Drawn drawn = draw(args, runs, options);
  viz::write_png(file, drawn.image);
  if (is_stdout(file)) return 0;
  if (!args.json) {
    print_text(args, runs, drawn, file);
    print_device(runs.front());
    return 0;
  }
  nlohmann::ordered_json out = figure_json(args, file, drawn.image, runs);
  out["from"] = args.from;
  out["rows"] = drawn.pairs * static_cast<std::int64_t>(runs.size());
  out["columns"] = args.steps;
  out["seed"] = args.seed;
  if (options.label) out["label"] = *options.label;
  if (args.from != "prior") {
    out["split"] = args.split;
    out["pictures"] = drawn.pictures;
    if (!drawn.picture_labels.empty()) out["classes"] = drawn.picture_labels;
  }
  for (std::size_t i = 0; args.from == "codes" && i < runs.size(); ++i)
    out["runs"][i]["codes"] = codes_text("sampled", runs[i]);
  for (std::size_t i = 0; i < drawn.codes.fitted.size(); ++i)
    out["runs"][i]["codes"] = drawn.codes.fitted[i] > 0 ? "fitted" : "prior";
  print_json(out);
  return 0;
}

}  // namespace

void add_interpolate(CLI::App& app, Command& run) {
  auto args = std::make_shared<InterpolateArgs>();
  CLI::App* command = app.add_subcommand("interpolate", "Walk in straight lines through the latent space");
  command->footer(
      "Example:\n  elbo interpolate runs/vae runs/ae --pictures 0,1\n"
      "  elbo interpolate runs/vae --from prior --rows 12 --steps 12");
  add_runs(*command, *args);
  command
      ->add_option("--from", args->from,
                   "pictures: between posterior means; codes: between draws from q(z|x); prior: between draws from the "
                   "prior")
      ->check(one_of({"pictures", "codes", "prior"}))
      ->capture_default_str();
  add_list(*command, "--pictures", args->pictures, "Pairs of pictures A,B,C,D (default: at random, of two classes)")
      ->check(not_for("--from", {"prior"}));
  command->add_option("--rows", args->rows, "Pairs to walk between (default: 1, or those of --pictures)")
      ->check(at_least(1))
      ->type_name("N");
  command->add_option("--steps", args->steps, "Pictures in a row, both ends among them")
      ->check(at_least(2))
      ->type_name("N")
      ->capture_default_str();
  add_label(*command, *args,
            "The class to decode, where a model takes labels (default: the first picture's; with --from prior each in "
            "turn)");
  add_seed(*command, args->seed, "Of what is drawn at random");
  const std::vector<CLI::Option*> data = add_data(*command, *args, true);
  data.back()->check(not_for("--from", {"prior"}));
  add_figure_options(*command, *args, file_name);
  command->final_callback([args, &run] { run = [args] { return interpolate(*args); }; });
}

}  // namespace elbo::cli
