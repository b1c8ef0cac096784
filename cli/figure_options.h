#pragma once
#include <elbo/viz/figures.h>

#include <optional>

#include "commands.h"
#include "inputs.h"

/// What the commands that draw pictures of trained models have in common.
namespace elbo::cli {

struct FigureArgs : RunArgs {
  std::filesystem::path out;
  std::string label, title;
  std::uint64_t seed = 0;
  int scale = 0;
};

/// `--out`, by default `name` in the first run's folder, `--title`, `--scale`, and what all commands on runs have.
void add_figure_options(CLI::App& command, FigureArgs& args, const std::string& name);
void add_label(CLI::App& command, FigureArgs& args, const std::string& what);

/// The models with the names their rows carry.
std::vector<viz::Row> rows_of(const std::vector<Trained>& runs);
/// `--label` for those of the models that take labels; nothing where it was not given. Throws ValueError for one that
/// does not exist, and where no model takes labels.
std::optional<std::int64_t> label_of(const std::vector<Trained>& runs, const std::string& text);
/// The same for one model that needs a label: throws ValueError where it was not given.
std::optional<std::int64_t> needed_label(const Trained& trained, const std::string& text);
/// The half of the first run's dataset that `--split` names, see open_dataset.
datasets::Dataset pictures_of(const std::vector<Trained>& runs, const FigureArgs& args);

/// Picture files of the user's own, in the size that the model takes, without labels.
datasets::Dataset read_input(const Trained& trained, const std::vector<std::filesystem::path>& files);

/// What autoencoders draw their codes from, and models with a prior: for `sample` and `interpolate`. `fitted` is the
/// number of training pictures whose codes an autoencoder's were fitted to, or 0.
struct DrawnFrom {
  std::vector<models::CodeDistribution> codes;
  std::vector<std::int64_t> fitted;
  std::string kind = {};  ///< of what was fitted
};
/// `sampler`: `prior`, where a model has one, `normal` or `gmm`, fitted to the codes of pictures, its start drawn with
/// `seed`; empty for the prior, or normal where there is none. Throws ValueError for a model without what is asked for.
DrawnFrom codes_to_draw(const std::vector<Trained>& runs, const RunArgs& args, std::uint64_t seed,
                        const std::string& sampler);
/// The same for a figure. Throws ValueError for `--data` where nothing is fitted.
DrawnFrom drawn_from(const std::vector<Trained>& runs, const FigureArgs& args, const std::string& sampler = "");
/// `--sampler`, for these.
CLI::Option* add_sampler(CLI::App& command, std::string& sampler);
/// What the codes of the i-th of the runs are drawn from, into its JSON object.
void add_codes_json(nlohmann::ordered_json& out, const DrawnFrom& from, std::size_t i, const std::string& sampler);
/// "N(0, 1)", or what an autoencoder's are, for the eye.
std::string describe(const std::vector<Trained>& runs, const DrawnFrom& from);

/// The file to write: `--out`, or `name` in the first run's folder, see checked_output. `input` are the files of
/// `--input`.
std::filesystem::path output_of(const FigureArgs& args, const std::vector<Trained>& runs, const std::string& name,
                                const std::vector<std::filesystem::path>& input = {});
/// The beginning of a command's JSON object: file, its size, the device, the pictures that were left out, and the runs
/// with their models and names.
nlohmann::ordered_json figure_json(const FigureArgs& args, const std::filesystem::path& file, const viz::Image& image,
                                   const std::vector<Trained>& runs);
/// "one, two and three", for the eye.
std::string names_of(const std::vector<std::string>& names);
std::string names_of(const std::vector<Trained>& runs);

}  // namespace elbo::cli
