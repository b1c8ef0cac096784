#pragma once
#include <elbo/datasets/dataset.h>
#include <elbo/models/trained.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

/// What the commands on trained models have in common.
namespace elbo::cli {

using models::Trained;

/// Several runs, whose pictures must be of one size (ValueError); equal names get their parent folders' names in front.
std::vector<Trained> open_trained(const std::vector<std::filesystem::path>& folders);

/// The pictures a run was trained on, or its test half; `data_dir` overrides where they are.
datasets::Dataset open_dataset(const Trained& trained, datasets::Split split,
                               const std::filesystem::path& data_dir = {});

/// A label by number or by class name. Throws ValueError, listing the names, for one that is neither, and for a model
/// without labels.
std::int64_t parse_label(const Trained& trained, const std::string& text);

/// Adds `--json`: one JSON object on standard output, and nothing else there.
void add_json(CLI::App& command, bool& json);
void print_json(const nlohmann::ordered_json& object);

}  // namespace elbo::cli
