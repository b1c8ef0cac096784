#include "run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "../../core/backend.h"
#include "../../core/errors.h"
#include "../../core/file.h"
#include "../../core/json_detail.h"
#include "../../core/safetensors_detail.h"
#include "../../core/text.h"
#include "../../nn/strict_load.h"
#include "../model.h"
#include "../registry.h"
#include "checkpoint_detail.h"

namespace elbo::models {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

ordered_json to_json(const Losses& losses) {
  ordered_json out{{"loss", losses.loss}};
  for (const auto& [name, nats] : losses.terms) out[name] = nats;
  return out;
}

/// Losses that were not finite were written as null. The terms in the order of the line, which `ordered` has kept.
Losses losses_from(const detail::JsonFields& fields, const ordered_json& ordered) {
  Losses out;
  fields.read_or_nan("loss", out.loss);
  for (const auto& [name, value] : ordered.items()) {
    if (name == "loss") continue;
    out.terms.emplace_back(name, 0);
    fields.read_or_nan(name.c_str(), out.terms.back().second);
  }
  return out;
}

EpochRecord record_from(const std::string& line, const std::string& where) {
  const nlohmann::json value = detail::parse_json(line, where);
  const detail::JsonFields fields(value, where);
  EpochRecord record;
  fields.read("epoch", record.epoch);
  const ordered_json ordered = ordered_json::parse(line);
  record.train = losses_from(fields.object("train"), ordered["train"]);
  if (!fields.is_null("val")) record.val = losses_from(fields.object("val"), ordered["val"]);
  fields.read("seconds", record.seconds);
  double lr = -1;
  fields.read_if_there("lr", lr);
  if (lr >= 0) record.lr = lr;
  return record;
}

std::string line_of(const EpochRecord& record) {
  ordered_json line;
  line["epoch"] = record.epoch;
  line["train"] = to_json(record.train);
  line["val"] = record.val ? to_json(*record.val) : ordered_json();
  line["seconds"] = record.seconds;
  if (record.lr) line["lr"] = *record.lr;
  return line.dump() + "\n";
}

/// Nothing is in it but what a call of `create` leaves that is killed: the lock and a part of config.json.
bool holds_nothing(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name != "lock" && !is_temporary_name(name)) return false;
  }
  return !error;
}

/// The epochs that a run's checkpoint says are over; 0 where it is not there or damaged, which those say who go on from
/// it.
std::int64_t checkpoint_epochs(const Run& run) {
  try {
    const std::optional<CheckpointHead> head = run.checkpoint_head();
    return head ? head->epochs : 0;
  } catch (const Error&) {
    return 0;
  }
}

std::string kernels_of(std::map<std::string, std::string>& metadata) {
  const bool older = metadata.contains("cpu_variant");
  return metadata[older ? "cpu_variant" : "kernels"];
}

void check_empty(const fs::path& folder) {
  std::error_code error;
  ELBO_CHECK(fs::is_directory(folder, error), IoError, folder.string(),
             ": expected a new folder for the run, found a file");
  ELBO_CHECK(holds_nothing(folder), IoError, folder.string(),
             ": expected a new or empty folder for the run, found one with files in it");
}

}  // namespace

Run Run::create(const fs::path& folder, const RunConfig& config) {
  std::error_code ignored;
  const bool existed = fs::exists(folder, ignored);
  if (existed) check_empty(folder);
  make_folders(folder);
  Run run(folder, config);
  try {
    run.lock_ = std::make_shared<RunLock>(folder);
    check_empty(folder);  // once more: another process may have been faster
    write_file_atomically(folder / "config.json", config.to_json());
  } catch (...) {
    run.lock_.reset();
    if (!existed) fs::remove(folder, ignored);
    throw;
  }
  return run;
}

Run Run::open(const fs::path& folder) {
  std::error_code error;
  fs::path config = folder / "config.json";
  const bool found = fs::exists(config, error);
  ELBO_CHECK(!error || error == std::errc::not_a_directory, IoError, folder.string(),
             ": cannot read the run folder: ", error.message());
  ELBO_CHECK(fs::is_directory(folder, error), IoError, folder.string(), ": expected a run folder, found ",
             fs::exists(folder, error) ? "a file" : "nothing");
  ELBO_CHECK(found, IoError, folder.string(), ": expected a run folder, found no config.json in it");
  constexpr std::uintmax_t most = 64'000'000;
  const std::uintmax_t bytes = fs::file_size(config, error);
  ELBO_CHECK(error || bytes <= most, FormatError, config.string(), ": expected at most ", most, " bytes, found ",
             bytes);
  return Run(folder, RunConfig::from_json(read_whole_file(config), config.string()));
}

Run Run::open_to_train(const fs::path& folder) {
  open(folder);  // what is no run gets no lock
  auto lock = std::make_shared<RunLock>(folder);
  Run run = open(folder);  // as the one that had the lock before left it
  run.lock_ = std::move(lock);
  for (const fs::path& place : {folder, folder / "checkpoint"}) remove_dead_temporaries(place);
  return run;
}

std::shared_ptr<const RunLock> Run::lock() const { return lock_ ? lock_ : std::make_shared<RunLock>(folder_); }

void Run::set_config(const RunConfig& config) {
  config_ = config;
  write_config();
}

void Run::write_config() const { write_file_atomically(folder_ / "config.json", config_.to_json()); }

bool Run::has(const char* name) const {
  std::error_code error;
  const bool there = fs::exists(folder_ / name, error);
  ELBO_CHECK(!error, IoError, (folder_ / name).string(), ": cannot look for the file: ", error.message());
  return there;
}

Outline Run::outline() const {
  const std::string& name = config_.model.model;
  ELBO_CHECK(models().find(name), FormatError, (folder_ / "config.json").string(),
             ": expected a model that this program knows, found ", in_quotes(name),
             ": a program that registers it (models::register_model) and calls elbo::run_cli can read it");
  try {
    return models::outline(config_.model);
  } catch (const ValueError& error) {
    fail<FormatError>((folder_ / "config.json").string(), ": ", error.what());
  }
}

std::vector<EpochRecord> Run::history() const {
  const fs::path path = folder_ / "history.jsonl";
  // First: a training writes the history before the checkpoint, and before its first model.
  const std::int64_t least = checkpoint_epochs(*this);
  const bool trained = has("model.safetensors") || has(checkpoint_file);
  std::vector<EpochRecord> out;
  if (!has("history.jsonl")) {
    ELBO_CHECK(!trained, IoError, path.string(), ": expected the epochs that were trained, found no such file");
    return out;
  }
  std::string text = read_whole_file(path);
  text.resize(text.rfind('\n') + 1);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::int64_t number = std::ssize(out) + 1;
    const std::string where = detail::concat(path.string(), ": line ", number);
    out.push_back(record_from(line, where));
    ELBO_CHECK(out.back().epoch == number, FormatError, where, ": expected epoch ", number, ", found epoch ",
               out.back().epoch);
  }
  ELBO_CHECK(std::ssize(out) >= least, FormatError, path.string(), ": expected ", least,
             " epochs, as the checkpoint has, found ", out.size());
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
  make_folders(folder_ / "checkpoint");
  std::map<std::string, std::string> metadata{{"elbo", ELBO_VERSION},
                                              {"kernels", backend(config_.train.device).description()}};
  if (!config_.data.identity.empty()) metadata["data"] = config_.data.identity;
  save_safetensors(folder_ / checkpoint_file, state, metadata);
}

std::optional<Checkpoint> Run::read_checkpoint() const {
  if (!has(checkpoint_file)) return std::nullopt;
  SafetensorsFile file = load_safetensors(folder_ / checkpoint_file);
  return Checkpoint{std::move(file.arrays), kernels_of(file.metadata)};
}

std::optional<CheckpointHead> Run::checkpoint_head() const {
  if (!has(checkpoint_file)) return std::nullopt;
  SafetensorsFile file = detail::load_some(folder_ / checkpoint_file, {"epoch", "position.batch"});
  CheckpointHead out{.kernels = kernels_of(file.metadata), .data = {}};
  if (const auto data = file.metadata.find("data"); data != file.metadata.end()) out.data = data->second;
  try {
    for (const auto& [name, array] : file.arrays)
      if (array.numel() == 1) (name == "epoch" ? out.epochs : out.batch) = count_in(array, name.c_str());
  } catch (const FormatError& error) {
    fail<FormatError>((folder_ / checkpoint_file).string(), ": ", error.what());
  }
  return out;
}

std::string folder_name(const fs::path& folder) {
  const fs::path absolute = fs::absolute(folder).lexically_normal();
  return (absolute.has_filename() ? absolute : absolute.parent_path()).filename().string();
}

std::unique_ptr<Model> load_weights(const fs::path& weights, const ModelConfig& config, Device device) {
  const Outline expected = outline(config);
  // Before the model takes memory: what the config says need not be true.
  const std::string differences = nn::detail::differences(expected.parameters, list_safetensors(weights));
  ELBO_CHECK(differences.empty(), FormatError, weights.string(),
             ": expected the weights of the model in config.json: ", differences);
  Generator scratch;  // the weights come from the file: the user's generator draws nothing
  std::unique_ptr<Model> model = make(expected.config, &scratch);
  try {
    model->load_state_dict(load_safetensors(weights).arrays);
    nn::detail::check_finite(model->state_dict());  // only here: a double may be finite and a float not
  } catch (const ShapeError& error) {
    fail<FormatError>(weights.string(), ": ", error.what());
  } catch (const ValueError& error) {
    fail<FormatError>(weights.string(), ": ", error.what());
  }
  model->to(device);
  model->eval();
  return model;
}

std::unique_ptr<Model> load(const fs::path& folder, Device device) {
  Run run = Run::open(folder);
  const Outline expected = run.outline();
  fs::path weights = folder / "model.safetensors";
  if (!run.has("model.safetensors")) {
    // Once more after the history, which a training that goes on writes behind the model.
    const bool missing = !run.history().empty() && !run.has("model.safetensors");
    ELBO_CHECK(!missing, IoError, weights.string(), ": expected the model that was trained, found no such file");
    const std::optional<std::string> holder = RunLock::holder(folder);
    fail<IoError>(folder.string(), ": expected a trained model, found none yet: no epoch of its training is over",
                  holder ? detail::concat(" (", *holder, " is training it)") : "");
  }
  return load_weights(weights, expected.config, device);
}

}  // namespace elbo::models
