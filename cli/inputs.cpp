#include "inputs.h"

#include <elbo/core/backend.h>
#include <elbo/core/cuda_loader.h>
#include <elbo/core/text.h>
#include <elbo/models/registry.h>
#include <elbo/viz/figures.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <map>

#include "commands.h"
#include "outputs.h"

namespace elbo::cli {

namespace fs = std::filesystem;

bool is_known(const models::Run& run) { return models::models().find(run.config().model.model) != nullptr; }

void add_runs(CLI::App& command, RunArgs& args) {
  command.add_option("run", args.runs, "The run folders")->required()->type_name("RUN...");
}

void add_run(CLI::App& command, RunArgs& args) {
  args.runs.resize(1);
  command.add_option("run", args.runs.front(), "The run folder")->required()->type_name("RUN");
}

std::vector<CLI::Option*> add_data(CLI::App& command, RunArgs& args, bool split) {
  args.notes = std::make_shared<DataNotes>(command.get_name());
  std::vector<CLI::Option*> out;
  out.push_back(command
                    .add_option("--data", args.data,
                                "The folder with the dataset's files, or npz's file (default: where it was trained)")
                    ->check(not_for("--dataset", {"shapes"}))
                    ->type_name("DIR"));
  if (!split) return out;
  out.push_back(command.add_option("--split", args.split, "Which half of the dataset: test or train")
                    ->check(one_of({"test", "train"}))
                    ->capture_default_str());
  return out;
}

void add_common(CLI::App& command, RunArgs& args) {
  args.command = &command;
  add_device(command, args.device);
  add_json(command, args.json);
  add_threads(command);
}

CLI::Option* add_device(CLI::App& command, std::string& device) {
  return command.add_option("--device", device, "cpu, cuda or cuda:N; auto: a GPU where one can be used, else the CPU")
      ->type_name("D")
      ->capture_default_str();
}

namespace {

/// Why `auto` took the CPU where a GPU was meant to be used: there is one, or a plugin that is there, or was named.
std::string why_no_gpu() {
  const CudaReport& cuda = cuda_report();
  if (!cuda.plugin.empty() && cuda.build.empty()) return cuda.why;
  if (cuda.devices.empty()) return "";
  try {
    backend({DeviceType::cuda, 0});
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

Device device_of(const std::string& text) {
  Device device;
  try {
    device = Device::parse(text);
  } catch (const DeviceError& error) {
    fail<ValueError>("--device: ", error.what());
  }
  backend(device);  // which throws where it cannot be used
  const std::string why = text == "auto" && device == cpu ? why_no_gpu() : "";
  if (!why.empty()) std::cerr << "elbo: note: --device auto takes the CPU: " << printable(why) << "\n";
  return device;
}

std::string described(Device device) {
  return device.to_string() + (device == cpu ? "" : std::string(" (") + backend(device).description() + ")");
}

void print_device(const Trained& trained) {
  std::printf("Computed on %s\n", described(trained.model->device()).c_str());
}

CLI::Option* add_codes(CLI::App& command, std::string& codes) {
  return command.add_option("--codes", codes, "sampled: drawn from q(z|x); mean: the posterior means")
      ->check(one_of({"sampled", "mean"}))
      ->check(not_for("--posterior", {"point"}))
      ->check(not_for("--model", {"vq-vae"}))
      ->capture_default_str();
}

bool draws_codes(const Trained& trained) { return trained.model->draws_codes(); }

models::Codes codes_of(const std::string& codes) {
  return codes == "mean" ? models::Codes::mean : models::Codes::sampled;
}

std::string codes_text(const std::string& codes, const Trained& trained) {
  return draws_codes(trained) ? codes : "encoder";
}

CLI::Option* add_seed(CLI::App& command, std::uint64_t& seed, const std::string& of_what) {
  return command.add_option("--seed", seed, of_what)->check(any_seed())->type_name("N")->capture_default_str();
}

namespace {

/// What decides which options have an effect on runs.
Settings settings_of(const std::vector<Trained>& runs) {
  Settings out;
  for (const Trained& trained : runs) {
    const std::string& posterior = trained.model->config().posterior;
    out["--posterior"].push_back(posterior.empty() ? "its own" : posterior);
    out["--model"].push_back(trained.model->config().model);
    out["--prior"].push_back(trained.model->has_prior() ? trained.model->config().prior : "none");
    out["--dataset"].push_back(trained.run.config().data.dataset);
  }
  return out;
}

}  // namespace

std::vector<Trained> open_trained(const RunArgs& args) {
  const Device device = device_of(args.device);
  std::vector<Trained> out;
  std::map<std::string, int> times;
  for (const fs::path& folder : args.runs) {
    out.push_back(models::open(folder, device));
    ++times[out.back().name];
    const Shape &first = out.front().model->config().picture, &found = out.back().model->config().picture;
    ELBO_CHECK(found == first, ValueError, folder.string(), ": expected a model of pictures ", first, ", as ",
               args.runs.front().string(), " is, found one of ", found);
  }
  check_effects(*args.command, settings_of(out));
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (times[out[i].name] == 1) continue;
    out[i].name = models::folder_name(args.runs[i] / "..") + "/" + out[i].name;
  }
  return out;
}

void DataNotes::say(const std::string& note) {
  if (said_.insert(note).second) std::cerr << "elbo " << command_ << ": note: " << printable(note) << "\n";
}

void DataNotes::add(const datasets::Dataset& data) {
  constexpr std::size_t shown = 5;
  for (const std::string& note : data.notes) say(note);
  std::vector<std::string> fresh;
  for (const std::string& one : data.skipped)
    if (said_.insert(one).second) fresh.push_back(one);
  if (fresh.empty()) return;
  std::cerr << "elbo " << command_
            << ": note: " << counted(static_cast<std::int64_t>(fresh.size()), "picture", "pictures")
            << " could not be read and " << (fresh.size() == 1 ? "is" : "are") << " left out\n";
  for (std::size_t i = 0; i < std::min(shown, fresh.size()); ++i) std::cerr << "  " << printable(fresh[i]) << "\n";
  if (fresh.size() > shown) std::cerr << "  ... ('elbo data' lists all)\n";
  skipped_.insert(skipped_.end(), fresh.begin(), fresh.end());
}

namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + printable(name);
  return out.empty() ? "numbers" : out;
}

/// The numbers of classes without names.
std::string range(std::int64_t classes) {
  return classes == 1 ? "0 (the only one)" : "0 to " + std::to_string(classes - 1);
}

/// The first run whose model takes labels, or the first.
const Trained& labelled(std::span<const Trained* const> runs) {
  for (const Trained* one : runs)
    if (one->model->is_conditional()) return *one;
  return *runs.front();
}

void check_same_classes(std::span<const Trained* const> runs) {
  const Trained& first = labelled(runs);
  const std::vector<std::string>& names = first.run.config().data.class_names;
  for (const Trained* one : runs) {
    const std::vector<std::string>& others = one->run.config().data.class_names;
    ELBO_CHECK(!one->model->is_conditional() || others == names, ValueError, one->run.folder().string(),
               ": expected a model of the same classes in the same order as ", first.run.folder().string(), " (",
               listed(names), "), found ", listed(others));
  }
}

void check_known_classes(const Trained& trained, const datasets::Dataset& data, const fs::path& dir) {
  if (!trained.model->is_conditional()) return;
  const models::RunConfig& config = trained.run.config();
  const std::vector<std::string>& names = config.data.class_names;
  const std::int64_t classes = config.model.classes;
  for (std::int64_t label : data.labels)
    ELBO_CHECK(label < classes, ValueError, dir.empty() ? data.name : dir.string(), ": the model ",
               trained.run.folder().string(), " knows the classes ", names.empty() ? range(classes) : listed(names),
               ", found pictures of another, ", printable(viz::class_name(data.class_names, label)),
               ": take them out, or train a model on pictures of that class too");
}

datasets::Dataset open_for(std::span<const Trained* const> runs, datasets::Split split, const RunArgs& args) {
  const Trained& first = *runs.front();
  check_same_classes(runs);
  models::DataOptions options = first.run.config().data;
  if (!args.data.empty()) options.dir = args.data;
  options.class_names = labelled(runs).run.config().data.class_names;
  datasets::Dataset data = models::load_data(options, split);
  Shape picture{data.channels(), data.height(), data.width()};
  ELBO_CHECK(picture == first.model->config().picture, ValueError, options.dir.string(), ": the model ",
             first.run.folder().string(), " takes pictures ", first.model->config().picture, ", found ", picture);
  for (const Trained* one : runs) check_known_classes(*one, data, options.dir);
  if (args.notes) args.notes->add(data);
  return data;
}

std::vector<const Trained*> pointers(const std::vector<Trained>& runs) {
  std::vector<const Trained*> out;
  out.reserve(runs.size());
  for (const Trained& one : runs) out.push_back(&one);
  return out;
}

}  // namespace

void check_indices(const std::string& option, const std::vector<std::int64_t>& indices, const datasets::Dataset& data) {
  for (std::int64_t i : indices)
    ELBO_CHECK(i < data.size(), IndexError, option, ": expected 0 to ", data.size() - 1, ", as there are ",
               counted(data.size(), "picture", "pictures"), ", found ", i);
}

datasets::Dataset open_dataset(const std::vector<Trained>& runs, datasets::Split split, const RunArgs& args) {
  return open_for(pointers(runs), split, args);
}

datasets::Dataset open_dataset(const Trained& trained, datasets::Split split, const RunArgs& args) {
  return open_for(std::array{&trained}, split, args);
}

void check_count(const RunArgs& args, std::int64_t count, const datasets::Dataset& data) {
  ELBO_CHECK(args.command->count("--count") == 0 || count <= data.size(), ValueError, "--count: expected at most ",
             data.size(), ", all ", args.split, " pictures of ", data.name, ", found ", count);
}

std::vector<std::string> class_names_of(const std::vector<Trained>& runs) {
  const std::vector<const Trained*> all = pointers(runs);
  check_same_classes(all);
  if (const Trained& one = labelled(all); one.model->is_conditional()) return one.run.config().data.class_names;
  for (const Trained& one : runs)
    if (!one.run.config().data.class_names.empty()) return one.run.config().data.class_names;
  return {};
}

TestPictures test_pictures(const std::function<datasets::Dataset(datasets::Split)>& read, DataNotes& notes) {
  try {
    return {read(datasets::Split::test), datasets::Split::test};
  } catch (const SystemFault&) {
    throw;
  } catch (const IoError& error) {
    TestPictures out{read(datasets::Split::train), datasets::Split::train};
    notes.say(std::string("pictures to train on stand in for pictures to test: ") + error.what());
    return out;
  }
}

std::string classes_text(const std::vector<std::string>& names, std::int64_t classes) {
  std::string out = "0 to " + std::to_string(classes - 1);
  for (const std::string& name : names) out += ", " + name;
  return out;
}

std::int64_t parse_class(const std::string& option, const std::string& text, const std::vector<std::string>& names,
                         std::int64_t classes) {
  auto named = std::find(names.begin(), names.end(), text);
  // As messages write a name that is not UTF-8.
  if (named == names.end()) named = std::find(names.begin(), names.end(), from_utf8(text));
  if (named != names.end()) return named - names.begin();
  std::int64_t label = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  const bool valid = error == std::errc() && end == text.data() + text.size() && label >= 0 && label < classes;
  ELBO_CHECK(valid, ValueError, option, ": expected ", classes_text(names, classes), ", found ", in_quotes(text));
  return label;
}

std::int64_t parse_label(const Trained& trained, const std::string& text) {
  const models::RunConfig& config = trained.run.config();
  ELBO_CHECK(trained.model->is_conditional(), ValueError, "--label ", text, ": the model of ",
             trained.run.folder().string(), " (", config.model.model, ") takes no labels");
  return parse_class("--label", text, config.data.class_names, config.model.classes);
}

void add_json(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "Print one JSON object and nothing else");
}

namespace {

/// JSON is UTF-8, names of files need not be.
void make_utf8(nlohmann::ordered_json& value) {
  if (value.is_structured()) {
    for (auto& one : value) make_utf8(one);
  } else if (value.is_string()) {
    auto& text = value.get_ref<std::string&>();
    if (!is_utf8(text)) text = to_utf8(text);
  }
}

}  // namespace

void print_json(nlohmann::ordered_json object) {
  make_utf8(object);
  std::cout << object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

}  // namespace elbo::cli
