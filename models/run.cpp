#include "run.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "../core/errors.h"
#include "../core/file.h"
#include "model.h"

namespace elbo::models {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

ordered_json to_json(const Losses& losses) {
  return {{"loss", losses.loss}, {"reconstruction", losses.reconstruction}, {"kl", losses.kl}};
}

Losses losses_from(const ordered_json& value) {
  return {value.at("loss").get<double>(), value.at("reconstruction").get<double>(), value.at("kl").get<double>()};
}

EpochRecord record_from(const std::string& line) {
  ordered_json value = ordered_json::parse(line);
  EpochRecord record{
      value.at("epoch").get<std::int64_t>(), losses_from(value.at("train")), {}, value.at("seconds").get<double>()};
  if (!value.at("val").is_null()) record.val = losses_from(value.at("val"));
  return record;
}

std::string line_of(const EpochRecord& record) {
  ordered_json line;
  line["epoch"] = record.epoch;
  line["train"] = to_json(record.train);
  line["val"] = record.val ? to_json(*record.val) : ordered_json();
  line["seconds"] = record.seconds;
  return line.dump() + "\n";
}

/// Makes `folder`; what this call made is taken away again if the run cannot be written into it.
void make_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error)) {
    ELBO_CHECK(fs::is_directory(folder, error), IoError, folder.string(),
               ": expected a new folder for the run, found a file");
    ELBO_CHECK(fs::is_empty(folder, error) && !error, IoError, folder.string(),
               ": expected a new or empty folder for the run, found one with files in it");
    return;
  }
  fs::create_directories(folder, error);
  ELBO_CHECK(!error, IoError, folder.string(), ": cannot make the run folder: ", error.message());
}

}  // namespace

Run Run::create(const fs::path& folder, const RunConfig& config) {
  std::error_code ignored;
  bool existed = fs::exists(folder, ignored);
  make_folder(folder);
  try {
    write_file_atomically(folder / "config.json", config.to_json());
  } catch (...) {
    if (!existed) fs::remove(folder, ignored);
    throw;
  }
  return Run(folder, config);
}

Run Run::open(const fs::path& folder) {
  std::error_code error;
  ELBO_CHECK(fs::is_directory(folder, error), IoError, folder.string(), ": expected a run folder, found ",
             fs::exists(folder, error) ? "a file" : "nothing");
  fs::path config = folder / "config.json";
  ELBO_CHECK(fs::exists(config, error), IoError, folder.string(),
             ": expected a run folder, found no config.json in it");
  return Run(folder, RunConfig::from_json(read_whole_file(config), config.string()));
}

void Run::set_config(const RunConfig& config) {
  write_file_atomically(folder_ / "config.json", config.to_json());
  config_ = config;
}

std::vector<EpochRecord> Run::history() const {
  fs::path path = folder_ / "history.jsonl";
  std::error_code error;
  std::vector<EpochRecord> out;
  if (!fs::exists(path, error)) return out;
  std::string text = read_whole_file(path);
  text.resize(text.rfind('\n') + 1);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    try {
      out.push_back(record_from(line));
    } catch (const nlohmann::json::exception&) {
      fail<FormatError>(path.string(), ": line ", out.size() + 1, ": expected one epoch as JSON, found '",
                        line.substr(0, 60), "'");
    }
  }
  return out;
}

void Run::write_history(const std::vector<EpochRecord>& records) const {
  std::string text;
  for (const EpochRecord& record : records) text += line_of(record);
  write_file_atomically(folder_ / "history.jsonl", text);
}

void Run::append_history(const EpochRecord& record) const {
  append_to_file(folder_ / "history.jsonl", line_of(record));
}

void Run::write_model(const NamedArrays& state_dict) const {
  save_safetensors(folder_ / "model.safetensors", state_dict, {{"elbo", ELBO_VERSION}});
}

void Run::write_checkpoint(const NamedArrays& state) const {
  std::error_code error;
  fs::create_directories(folder_ / "checkpoint", error);
  ELBO_CHECK(!error, IoError, (folder_ / "checkpoint").string(), ": cannot make the folder: ", error.message());
  save_safetensors(folder_ / "checkpoint" / "state.safetensors", state,
                   {{"elbo", ELBO_VERSION}, {"kernels", backend(config_.train.device).description()}});
}

std::optional<Checkpoint> Run::read_checkpoint() const {
  fs::path path = folder_ / "checkpoint" / "state.safetensors";
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  SafetensorsFile file = load_safetensors(path);
  const bool older = file.metadata.contains("cpu_variant");
  return Checkpoint{std::move(file.arrays), file.metadata[older ? "cpu_variant" : "kernels"]};
}

std::string folder_name(const fs::path& folder) {
  const fs::path absolute = fs::absolute(folder).lexically_normal();
  return (absolute.has_filename() ? absolute : absolute.parent_path()).filename().string();
}

std::unique_ptr<Model> load(const fs::path& folder, Device device) {
  Run run = Run::open(folder);
  std::unique_ptr<Model> model = make(run.config().model);
  fs::path weights = folder / "model.safetensors";
  try {
    model->load_state_dict(load_safetensors(weights).arrays);
  } catch (const ShapeError& error) {
    fail<FormatError>(weights.string(), ": ", error.what());
  } catch (const ValueError& error) {
    fail<FormatError>(weights.string(), ": ", error.what());
  }
  model->to(device);
  model->eval();
  return model;
}

}  // namespace elbo::models
