#include <elbo/core/text.h>
#include <elbo/models/training/trainer.h>
#include <elbo/viz/report_facts.h>

#include <algorithm>
#include <cstdio>

#include "commands.h"
#include "help.h"
#include "inputs.h"
#include "outputs.h"
#include "progress.h"

namespace elbo::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct InfoArgs {
  fs::path run;
  bool json = false;
};

struct File {
  std::string name;
  std::uintmax_t bytes = 0;
};

/// All files below the run folder, by name.
std::vector<File> files_of(const fs::path& folder) {
  std::vector<File> out;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored))
      out.push_back({it->path().lexically_relative(folder).string(), it->file_size(ignored)});
  }
  std::sort(out.begin(), out.end(), [](const File& a, const File& b) { return a.name < b.name; });
  return out;
}

std::string size_text(std::uintmax_t bytes) {
  char text[64];
  if (bytes < 1000) return std::to_string(bytes) + " bytes";
  const double value = static_cast<double>(bytes);
  std::snprintf(text, sizeof text, bytes < 1000000 ? "%.1f kB" : "%.1f MB",
                bytes < 1000000 ? value / 1e3 : value / 1e6);
  return text;
}

void print_losses(const char* name, const models::Losses& l) {
  const auto text = [](double nats) { return models::loss_text(nats, 12, 4); };
  std::string terms;
  for (const auto& [term, nats] : l.terms) terms += ", " + models::term_title(term) + " " + text(nats);
  const std::string line = "loss " + text(l.loss) + terms + " nats per picture";
  std::printf("%s", row("  " + std::string(name), line, 15, help_width()).c_str());
}

void print_training(const std::vector<models::EpochRecord>& history, const models::Run& run) {
  const models::RunConfig& config = run.config();
  double seconds = 0;
  for (const models::EpochRecord& record : history) seconds += record.seconds;
  std::printf("\nTrained %zu of %s", history.size(), counted(config.train.epochs, "epoch", "epochs").c_str());
  if (history.empty()) {
    std::printf(": there is no model yet\n");
    return;
  }
  const models::EpochRecord* best = models::best_epoch(history, run.config().data.since);
  std::printf(" in %s (min:s), validation left out\n", format_duration(seconds).c_str());
  const auto print = [](const char* what, const models::EpochRecord& record) {
    std::printf("%s epoch %lld\n", what, static_cast<long long>(record.epoch));
    print_losses("training", record.train);
    if (record.val) print_losses("validation", *record.val);
  };
  const std::string kept = run.has("model.safetensors") ? "Model kept" : "Model kept, but model.safetensors is missing";
  if (best) print((kept + (best->val ? " (best validation loss):" : ":")).c_str(), *best);
  if (best != &history.back()) print("Last:", history.back());
}

bool is_buffer(const models::Outline& model, const std::string& name) {
  return std::find(model.buffers.begin(), model.buffers.end(), name) != model.buffers.end();
}

void print_text(const models::Run& run, const models::Outline& model, const std::vector<models::EpochRecord>& history) {
  std::printf("%s\n\n", printable(run.folder().native()).c_str());
  std::vector<viz::Fact> facts = viz::describe(run.config(), model.config, model.count);
  if (!is_known(run)) {
    std::erase_if(facts, [](const viz::Fact& fact) { return fact.name == "Layers"; });
    facts.push_back({"Its settings", run.config().model.unread});
  }
  if (!run.config().data.class_names.empty()) {
    std::string names;
    for (const std::string& name : run.config().data.class_names) names += (names.empty() ? "" : ", ") + name;
    facts.push_back({"Classes", names});
  }
  if (const auto holder = models::RunLock::holder(run.folder())) facts.push_back({"Being trained by", *holder});
  std::size_t longest = 18;
  for (const viz::Fact& fact : facts) longest = std::max(longest, fact.name.size());
  for (const viz::Fact& fact : facts)
    std::printf("%s", row(fact.name, printable(fact.value), longest + 1, help_width()).c_str());
  print_training(history, run);
  std::printf("\nParameters%s\n", model.buffers.empty() ? "" : ", and buffers, which are not trained");
  std::size_t widest = 7;
  for (const ArrayInfo& one : model.parameters) widest = std::max(widest, one.name.size());
  for (const ArrayInfo& one : model.parameters)
    std::printf("  %-*s  %-20s %12s%s\n", static_cast<int>(widest), one.name.c_str(), one.shape.to_string().c_str(),
                viz::thousands(one.shape.numel()).c_str(), is_buffer(model, one.name) ? "  buffer" : "");
  std::printf("  %-*s  %-20s %12s\n", static_cast<int>(widest), model.buffers.empty() ? "total" : "trained", "",
              viz::thousands(model.count).c_str());
  std::printf("\nFiles\n");
  for (const File& file : files_of(run.folder()))
    std::printf("  %-30s %12s\n", printable(file.name).c_str(), size_text(file.bytes).c_str());
}

ordered_json json_of(const models::EpochRecord* record) {
  if (!record) return nullptr;
  ordered_json out;
  out["epoch"] = record->epoch;
  out["train"] = losses_json(record->train);
  out["val"] = record->val ? losses_json(*record->val) : ordered_json();
  return out;
}

void print_json_of(const models::Run& run, const models::Outline& model,
                   const std::vector<models::EpochRecord>& history) {
  ordered_json out;
  out["run"] = run.folder().string();
  out["config"] = ordered_json::parse(run.config().to_json());
  out["layers"] = is_known(run) ? ordered_json(viz::layer_sizes(model.config)) : ordered_json();
  out["parameters"] = model.count;
  out["parameter_list"] = ordered_json::array();
  for (const auto& [name, dtype, shape] : model.parameters) {
    out["parameter_list"].push_back({{"name", name},
                                     {"shape", std::vector<std::int64_t>(shape.begin(), shape.end())},
                                     {"count", shape.numel()},
                                     {"trained", !is_buffer(model, name)}});
  }
  const std::optional<std::string> holder = models::RunLock::holder(run.folder());
  out["being_trained_by"] = holder ? ordered_json(*holder) : ordered_json();
  double seconds = 0;
  for (const models::EpochRecord& record : history) seconds += record.seconds;
  out["epochs_trained"] = history.size();
  out["seconds"] = seconds;
  out["best"] = json_of(models::best_epoch(history, run.config().data.since));
  out["last"] = json_of(history.empty() ? nullptr : &history.back());
  out["files"] = ordered_json::array();
  for (const File& file : files_of(run.folder())) out["files"].push_back({{"name", file.name}, {"bytes", file.bytes}});
  print_json(out);
}

/// What there is to know of a model that nobody registered here: what its weights are called.
models::Outline outline_of_unknown(const models::Run& run) {
  models::Outline out{.config = run.config().model};
  if (run.has("model.safetensors")) out.parameters = list_safetensors(run / "model.safetensors");
  for (const ArrayInfo& one : out.parameters) out.count += one.shape.numel();
  return out;
}

int info(const InfoArgs& args) {
  const models::Run run = models::Run::open(args.run);
  // Not loaded: a run that has not ended its first epoch has no weights yet, and a model may be larger than memory.
  const models::Outline model = is_known(run) ? run.outline() : outline_of_unknown(run);
  const std::vector<models::EpochRecord> history = run.history();
  if (args.json)
    print_json_of(run, model, history);
  else
    print_text(run, model, history);
  return 0;
}

}  // namespace

void add_info(CLI::App& app, Command& run) {
  auto args = std::make_shared<InfoArgs>();
  CLI::App* command = app.add_subcommand("info", "Say what a run is: settings, layers, losses, files");
  command->footer("Example:\n  elbo info runs/vae");
  command->add_option("run", args->run, "The run folder")->required()->type_name("RUN");
  add_json(*command, args->json);
  command->final_callback([args, &run] { run = [args] { return info(*args); }; });
}

}  // namespace elbo::cli
