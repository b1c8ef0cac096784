#include "inputs.h"

#include <charconv>
#include <iostream>
#include <map>

namespace elbo::cli {

namespace fs = std::filesystem;

std::vector<Trained> open_trained(const std::vector<fs::path>& folders) {
  std::vector<Trained> out;
  std::map<std::string, int> times;
  for (const fs::path& folder : folders) {
    out.push_back(models::open(folder));
    ++times[out.back().name];
    const Shape &first = out.front().model->config().picture, &found = out.back().model->config().picture;
    ELBO_CHECK(found == first, ValueError, folder.string(), ": expected a model of pictures ", first, ", as ",
               folders.front().string(), " is, found one of ", found);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (times[out[i].name] == 1) continue;
    fs::path absolute = fs::absolute(folders[i]).lexically_normal();
    if (!absolute.has_filename()) absolute = absolute.parent_path();
    out[i].name = absolute.parent_path().filename().string() + "/" + out[i].name;
  }
  return out;
}

datasets::Dataset open_dataset(const Trained& trained, datasets::Split split, const fs::path& data_dir) {
  models::DataOptions options = trained.run.config().data;
  if (!data_dir.empty()) options.dir = data_dir;
  datasets::Dataset data = models::load_data(options, split);
  Shape picture{data.channels(), data.height(), data.width()};
  ELBO_CHECK(picture == trained.model->config().picture, ValueError, options.dir.string(), ": the model ",
             trained.run.folder().string(), " takes pictures ", trained.model->config().picture, ", found ", picture);
  return data;
}

std::int64_t parse_label(const Trained& trained, const std::string& text) {
  const models::RunConfig& config = trained.run.config();
  ELBO_CHECK(trained.model->is_conditional(), ValueError, "--label ", text, ": the model of ",
             trained.run.folder().string(), " (", config.model.model, ") takes no labels");
  const std::vector<std::string>& names = config.data.class_names;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == text) return static_cast<std::int64_t>(i);
  std::int64_t label = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  bool valid = error == std::errc() && end == text.data() + text.size() && label >= 0 && label < config.model.classes;
  std::string list;
  for (const std::string& name : names) list += ", " + name;
  ELBO_CHECK(valid, ValueError, "--label: expected 0 to ", config.model.classes - 1, list, ", found '", text, "'");
  return label;
}

void add_json(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "Print one JSON object and nothing else");
}

void print_json(const nlohmann::ordered_json& object) {
  std::cout << object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

}  // namespace elbo::cli
