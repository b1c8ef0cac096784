#include <elbo/core/text.h>
#include <elbo/models/registry.h>

#include <algorithm>
#include <cstdio>

#include "commands.h"
#include "fields.h"
#include "help.h"
#include "inputs.h"

namespace elbo::cli {
namespace {

using nlohmann::ordered_json;

struct ModelsArgs {
  std::string model;
  bool parts = false, json = false;
  const CLI::App* app = nullptr;  ///< whose `train` says what a setting means
};

/// The model's preset, filled in as for grey pictures of 28 x 28 pixels and ten classes.
models::ModelConfig config_of(const models::ModelRow& row) {
  models::ModelConfig out = models::preset(row.name);
  if (out.labels) out.classes = 10;
  try {
    return models::filled(out);
  } catch (const ValueError&) {
    return out;  // it takes other pictures
  }
}

/// A setting of a model: its option, its value, what it means.
struct Setting {
  std::string option, value, what;
};

std::vector<Setting> settings_of(const ModelsArgs& args, models::ModelConfig config) {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const auto& field : models::field_texts([&](models::FieldVisitor& visitor) { config.fields(visitor); }))
    if (models::why_unused(config, field.first).empty()) texts.push_back(field);
  for (auto& own : config.own)
    for (const auto& field :
         models::field_texts([&](models::FieldVisitor& v) { v({.name = own.first.c_str()}, own.second); }))
      texts.push_back(field);
  std::vector<Setting> out;
  const std::vector<OptionFacts> options = options_of(command_named(*args.app, "train"));
  const std::vector<models::PartKind> kinds = models::part_kinds();
  for (const auto& [field, text] : texts) {
    const bool is_part = std::any_of(kinds.begin(), kinds.end(),
                                     [&name = field](const models::PartKind& kind) { return kind.name == name; });
    for (const OptionFacts& option : options)
      if (option.name == option_of(field) && !is_part) out.push_back({option.name, text, option.description});
  }
  return out;
}

/// The parts that a model is made of, by kind; empty for one that has its own.
std::vector<std::pair<models::PartKind, std::string>> parts_of(const models::ModelConfig& config) {
  std::vector<std::pair<models::PartKind, std::string>> out;
  for (const models::PartKind& kind : models::part_kinds()) out.emplace_back(kind, config.*kind.chosen);
  return out;
}

std::string what_is(const models::PartKind& kind, const std::string& part) {
  for (const models::Entry* one : kind.parts)
    if (one->name == part) return one->what;
  return "";
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, text.size()), ' ');
}

/// A row for each model, and below it what it is.
void print_zoo() {
  const auto width = help_width();
  std::vector<std::vector<std::string>> rows = {{""}};
  for (const models::PartKind& kind : models::part_kinds()) rows.front().push_back(kind.name);
  for (const models::ModelRow& model : models::models().rows()) {
    rows.push_back({model.name});
    for (const auto& [kind, part] : parts_of(config_of(model))) rows.back().push_back(part.empty() ? "its own" : part);
  }
  std::vector<std::size_t> widths(rows.front().size());
  for (const std::vector<std::string>& line : rows)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string line;
    for (std::size_t k = 0; k < rows[i].size(); ++k) line += padded(rows[i][k], widths[k] + 2);
    std::printf("%s\n", line.substr(0, line.find_last_not_of(' ') + 1).c_str());
    if (i > 0) std::printf("%s", row("", models::models().rows()[i - 1].what, widths[0] + 2, width).c_str());
  }
  std::printf("\n'elbo models NAME' says which settings one has,\n'elbo models --parts' which parts there are.\n");
}

void print_model(const ModelsArgs& args, const models::ModelRow& row) {
  const models::ModelConfig config = config_of(row);
  const auto width = help_width();
  const auto line = [&](const std::string& title, const std::string& what) {
    std::printf("%s", cli::row("  " + title, what, 33, width).c_str());
  };
  std::printf("%s\nParts\n", wrapped(row.name + ": " + row.what, 2, width).c_str());
  for (const auto& [kind, part] : parts_of(config))
    line(option_of(kind.name) + " " + (part.empty() ? "(its own)" : part), what_is(kind, part));
  std::printf("\nSettings\n");
  for (const Setting& one : settings_of(args, config)) line(one.option + " " + one.value, one.what);
}

void print_parts() {
  const auto width = help_width();
  for (const models::PartKind& kind : models::part_kinds()) {
    std::printf("%s\n", option_of(kind.name).c_str());
    for (const models::Entry* part : kind.parts) {
      std::printf("%s", row("  " + part->name, part->what, 23, width).c_str());
      std::string fields;
      for (const std::string& field : part->fields) fields += (fields.empty() ? "" : ", ") + option_of(field);
      if (!fields.empty()) std::printf("%s", row("", fields, 23, width).c_str());
    }
  }
}

ordered_json json_of(const ModelsArgs& args, const models::ModelRow& row) {
  const models::ModelConfig config = config_of(row);
  ordered_json out{{"name", row.name}, {"what", row.what}, {"parts", ordered_json::object()}};
  for (const auto& [kind, part] : parts_of(config))
    out["parts"][kind.name] = part.empty() ? ordered_json() : ordered_json(part);
  out["settings"] = ordered_json::array();
  for (const Setting& one : settings_of(args, config))
    out["settings"].push_back({{"option", one.option}, {"value", one.value}, {"what", one.what}});
  return out;
}

ordered_json parts_json() {
  ordered_json out;
  for (const models::PartKind& kind : models::part_kinds())
    for (const models::Entry* part : kind.parts) {
      ordered_json one{{"name", part->name}, {"what", part->what}, {"options", ordered_json::array()}};
      for (const std::string& field : part->fields) one["options"].push_back(option_of(field));
      out["parts"][kind.name].push_back(one);
    }
  return out;
}

int list_models(const ModelsArgs& args) {
  const models::ModelRow* row = args.model.empty() ? nullptr : &models::models().at(args.model);
  if (args.json) {
    ordered_json out = args.parts ? parts_json() : row ? json_of(args, *row) : ordered_json();
    if (!args.parts && !row)
      for (const models::ModelRow& one : models::models().rows()) out["models"].push_back(json_of(args, one));
    print_json(out);
  } else if (args.parts) {
    print_parts();
  } else if (row) {
    print_model(args, *row);
  } else {
    print_zoo();
  }
  return 0;
}

}  // namespace

void add_models(CLI::App& app, Command& run) {
  auto args = std::make_shared<ModelsArgs>();
  args->app = &app;
  CLI::App* command = app.add_subcommand("models", "Say which models there are, and what they are made of");
  command->footer("Example:\n  elbo models\n  elbo models conv-vae\n  elbo models --parts");
  command->add_option("model", args->model, "One of them (default: a table of them all)")->type_name("MODEL");
  command->add_flag("--parts", args->parts, "All parts that models are made of, by kind")->check(not_with("model"));
  add_json(*command, args->json);
  command->final_callback([args, &run] { run = [args] { return list_models(*args); }; });
}

}  // namespace elbo::cli
