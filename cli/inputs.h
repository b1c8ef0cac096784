#pragma once
#include <elbo/datasets/dataset.h>
#include <elbo/models/analysis/evaluate.h>
#include <elbo/models/training/trained.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

/// What the commands on trained models have in common.
namespace elbo::cli {

using models::Trained;

/// What a command says on standard error of the data it opened, each thing once.
class DataNotes {
 public:
  explicit DataNotes(std::string command) : command_(std::move(command)) {}

  /// A line after "elbo COMMAND: note: ".
  void say(const std::string& note);
  /// The notes of a dataset, and how many pictures were left out, with the first five.
  void add(const datasets::Dataset& data);
  /// All that were left out, for JSON.
  const std::vector<std::string>& skipped() const { return skipped_; }

 private:
  std::string command_;
  std::set<std::string> said_;
  std::vector<std::string> skipped_;
};

/// What they take on the command line.
struct RunArgs {
  std::vector<std::filesystem::path> runs;
  std::filesystem::path data;
  std::string split = "test", device = "auto";
  bool json = false;
  const CLI::App* command = nullptr;  ///< which knows what was given
  std::shared_ptr<DataNotes> notes;   ///< where there is `--data`

  datasets::Split half() const { return split == "train" ? datasets::Split::train : datasets::Split::test; }
};

/// Whether the model of a run is one that this program knows.
bool is_known(const models::Run& run);
/// The run folders: several, or one.
void add_runs(CLI::App& command, RunArgs& args);
void add_run(CLI::App& command, RunArgs& args);
/// `--data`, and with `split` `--split`.
/// Returns both, for what they have no effect with.
std::vector<CLI::Option*> add_data(CLI::App& command, RunArgs& args, bool split);
/// `--device`, `--json` and `--threads`.
void add_common(CLI::App& command, RunArgs& args);
/// `--codes`, sampled or mean, for codes_of.
CLI::Option* add_codes(CLI::App& command, std::string& codes);
models::Codes codes_of(const std::string& codes);
/// Whether codes are drawn from q(z|x): see models::Model::draws_codes.
bool draws_codes(const Trained& trained);
/// The same for JSON: `encoder` where nothing is drawn.
std::string codes_text(const std::string& codes, const Trained& trained);
CLI::Option* add_seed(CLI::App& command, std::uint64_t& seed, const std::string& of_what);

/// Adds `--device`, for device_of.
CLI::Option* add_device(CLI::App& command, std::string& device);
/// The device of that name: `auto` is a GPU where one can be used, else the CPU. Throws ValueError for what is no name,
/// DeviceError, saying why, where the device cannot be used.
Device device_of(const std::string& text);
/// "cpu", "cuda:0 (NVIDIA H100)".
std::string described(Device device);
/// The last line of a command's text: where the model was.
void print_device(const Trained& trained);

/// The models of several runs, on the device that `--device` names. Their pictures must be of one size (ValueError);
/// equal names get their parent folders' names in front.
std::vector<Trained> open_trained(const RunArgs& args);

/// The pictures that the first of the runs was trained on, or their test half; `--data` overrides where they are. Their
/// labels are numbered as the models that take labels number them. Throws ValueError for a class that one of these does
/// not know, and where they number them in different ways.
datasets::Dataset open_dataset(const std::vector<Trained>& runs, datasets::Split split, const RunArgs& args);
/// The same for one of them.
datasets::Dataset open_dataset(const Trained& trained, datasets::Split split, const RunArgs& args);
/// Throws ValueError where `--count` was given and asks for more pictures than there are.
void check_count(const RunArgs& args, std::int64_t count, const datasets::Dataset& data);
/// Throws IndexError, which names the option that has them, for a picture that a dataset does not have.
void check_indices(const std::string& option, const std::vector<std::int64_t>& indices, const datasets::Dataset& data);
/// The class names of the models that take labels; of the first run that has some, where none does. Throws ValueError
/// where they number them in different ways.
std::vector<std::string> class_names_of(const std::vector<Trained>& runs);

/// The pictures to show and to measure a model on.
struct TestPictures {
  datasets::Dataset data;
  datasets::Split split;
};
/// The test half or, where the dataset has none, the training half, which is said. Throws what `read` does, IoError
/// where neither is there.
TestPictures test_pictures(const std::function<datasets::Dataset(datasets::Split)>& read, DataNotes& notes);

/// "0 to 2, cat, dog, cow": what stands for a class.
std::string classes_text(const std::vector<std::string>& names, std::int64_t classes);
/// A class by name or by number; a name wins, where the names of classes are numbers too. Throws ValueError, listing
/// the names, for a `text` that is neither.
std::int64_t parse_class(const std::string& option, const std::string& text, const std::vector<std::string>& names,
                         std::int64_t classes);
/// The class that `--label` names, of a model. Throws ValueError for one that does not exist, and for a model without
/// labels.
std::int64_t parse_label(const Trained& trained, const std::string& text);

/// Adds `--json`: one JSON object on standard output, and nothing else there.
void add_json(CLI::App& command, bool& json);
void print_json(nlohmann::ordered_json object);

}  // namespace elbo::cli
