#include <elbo/core/file.h>
#include <elbo/core/safetensors.h>
#include <elbo/core/text.h>
#include <elbo/nn/meta.h>
#include <elbo/viz/report.h>

#include <cstdio>
#include <iostream>

#include "commands.h"
#include "inputs.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

namespace fs = std::filesystem;

struct ReportArgs : RunArgs {
  fs::path out;
  viz::ReportOptions options;
  bool no_tsne = false;
};

/// A model that nobody registered here: how many numbers it has, and nothing that it could compute.
class Unknown : public models::Model {
 public:
  Unknown(const models::Run& run) : Model(run.config().model) {
    std::int64_t count = 0;
    if (run.has("model.safetensors"))
      for (const ArrayInfo& one : list_safetensors(run / "model.safetensors")) count += one.shape.numel();
    if (count == 0) return;
    const nn::MetaGuard no_memory;
    weights_ = nn::parameter({count});
    register_parameter("weights", &Unknown::weights_);
  }
  models::Terms loss(const models::StepInput&, int) override { refuse(); }
  Tensor mean(const Tensor&) const override { refuse(); }
  Tensor reconstruct(const Tensor&, const Tensor&) override { refuse(); }
  Tensor sample(std::int64_t, const Tensor&, Generator*) override { refuse(); }
  bool has_prior() const override { return false; }

 private:
  [[noreturn]] void refuse() const { fail<ValueError>("the model ", config().model, " is not known here"); }
  Tensor weights_;
};

/// The runs, those of unknown models too, of which there are config and history to show.
std::vector<Trained> open_to_report(const ReportArgs& args) {
  std::vector<Trained> out;
  for (const fs::path& folder : args.runs) {
    models::Run run = models::Run::open(folder);
    if (is_known(run)) continue;
    std::cerr << "elbo report: note: " << printable(folder.native()) << ": of the model "
              << in_quotes(run.config().model.model)
              << ", which this program does not know, there are settings and losses alone\n";
    auto unknown = std::make_unique<Unknown>(run);
    out.push_back({models::folder_name(folder), std::move(run), std::move(unknown)});
  }
  if (out.empty()) return open_trained(args);
  ELBO_CHECK(out.size() == args.runs.size(), ValueError, "expected runs of models that this program knows, found ",
             out.front().run.folder().string(), " of the model ", in_quotes(out.front().run.config().model.model));
  return out;
}

/// The pictures to measure a run on, or why there are none.
struct Pictures {
  std::optional<TestPictures> found;
  std::string missing;
};

/// None where the files are gone.
Pictures pictures_of(const Trained& trained, const ReportArgs& args) {
  if (!is_known(trained.run)) return {std::nullopt, "its model is not known here"};
  try {
    return {test_pictures([&](datasets::Split half) { return open_dataset(trained, half, args); }, *args.notes), ""};
  } catch (const SystemFault&) {
    throw;
  } catch (const IoError& error) {
    // The folder that --data names is a mistake where nothing lies in it; a folder of long ago may be gone.
    if (!args.data.empty()) throw;
    return {std::nullopt, error.what()};
  }
}

int report(const ReportArgs& args) {
  const std::vector<Trained> runs = open_to_report(args);
  const fs::path out = checked_output("--out", args.out.empty() ? args.runs.front() / "report.html" : args.out,
                                      Format::html, sources_of(runs, args), args.json);
  std::vector<Pictures> pictures;
  pictures.reserve(runs.size());
  for (const Trained& trained : runs) pictures.push_back(pictures_of(trained, args));
  std::vector<viz::ReportRun> parts;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::optional<TestPictures>& found = pictures[i].found;
    parts.push_back({runs[i].name, runs[i].run, *runs[i].model, found ? &found->data : nullptr,
                     found && found->split == datasets::Split::train ? "train" : "test"});
    if (!found && is_known(runs[i].run))
      std::cerr << "elbo report: note: " << printable(runs[i].name + " without its pictures: " + pictures[i].missing)
                << "\n";
  }
  viz::ReportOptions options = args.options;
  options.tsne = !args.no_tsne;
  std::string page;
  {
    Status status;
    options.on_stage = [&](std::string_view doing) { status.show(std::string(doing)); };
    page = viz::report(parts, options);
  }
  write_file_atomically(out, page);
  if (is_stdout(out)) return 0;
  if (args.json) {
    nlohmann::ordered_json json;
    json["file"] = out.string();
    json["bytes"] = page.size();
    json["skipped"] = args.notes->skipped();
    if (is_known(runs.front().run)) json["device"] = runs.front().model->device().to_string();
    for (const Trained& trained : runs)
      json["runs"].push_back({{"run", trained.run.folder().string()}, {"name", trained.name}});
    print_json(json);
  } else {
    std::printf("%s: one page about %s, complete in itself (%.1f MB)\n", printable(out.native()).c_str(),
                counted(static_cast<std::int64_t>(runs.size()), "run", "runs").c_str(),
                static_cast<double>(page.size()) / 1e6);
    if (is_known(runs.front().run)) print_device(runs.front());
  }
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Command& run) {
  auto args = std::make_shared<ReportArgs>();
  CLI::App* command = app.add_subcommand("report", "Write one web page about trained models, complete in itself");
  command->footer(
      "Example:\n  elbo report runs/vae\n"
      "Several runs on one page:\n  elbo report runs/vae runs/cvae --out comparison.html");
  add_runs(*command, *args);
  add_data(*command, *args, false);
  command
      ->add_option("--out", args->out,
                   "The HTML file to write, - for standard output (default: report.html in the first run's folder)")
      ->type_name("FILE");
  command->add_option("--title", args->options.title, "Of the page (default: the runs' names)")->type_name("TEXT");
  command->add_flag("--no-tsne", args->no_tsne, "Leave out t-SNE, which takes the most time");
  add_seed(*command, args->options.seed, "Of samples, evaluation and t-SNE");
  add_common(*command, *args);
  command->final_callback([args, &run] { run = [args] { return report(*args); }; });
}

}  // namespace elbo::cli
