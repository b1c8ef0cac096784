#include <elbo/viz/report.h>

#include <cstdio>
#include <iostream>

#include "commands.h"
#include "inputs.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

namespace fs = std::filesystem;
using datasets::Split;

struct ReportArgs {
  std::vector<fs::path> runs;
  fs::path data, out;
  viz::ReportOptions options;
  bool no_tsne = false, json = false;
};

/// The pictures to measure a run on, and which half of its dataset they are.
struct Pictures {
  std::optional<datasets::Dataset> data;
  std::string split = "test", missing;
};

/// The test pictures; the training ones where the dataset has no test half; none where the files are gone.
Pictures pictures_of(const Trained& trained, const fs::path& dir) {
  Pictures out;
  for (Split split : {Split::test, Split::train}) {
    out.split = split == Split::test ? "test" : "train";
    try {
      out.data = open_dataset(trained, split, dir);
      return out;
    } catch (const IoError& error) {
      // The folder that --data names is a mistake where nothing lies in it; a folder of long ago may be gone.
      if (split == Split::train && !dir.empty()) throw;
      out.missing = error.what();
    }
  }
  return out;
}

int report(const ReportArgs& args) {
  const std::vector<Trained> runs = open_trained(args.runs);
  const fs::path out = args.out.empty() ? args.runs.front() / "report.html" : args.out;
  check_output(out);
  std::vector<Pictures> pictures;
  pictures.reserve(runs.size());
  for (const Trained& trained : runs) pictures.push_back(pictures_of(trained, args.data));
  std::vector<viz::ReportRun> parts;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const datasets::Dataset* data = pictures[i].data ? &*pictures[i].data : nullptr;
    parts.push_back({runs[i].name, runs[i].run, *runs[i].model, data, pictures[i].split});
    if (!data)
      std::cerr << "elbo report: note: " << runs[i].name << " without its pictures: " << pictures[i].missing << "\n";
  }
  viz::ReportOptions options = args.options;
  options.tsne = !args.no_tsne;
  {
    Status status;
    options.on_stage = [&](std::string_view doing) { status.show(std::string(doing)); };
    viz::write_report(out, parts, options);
  }
  if (args.json) {
    nlohmann::ordered_json json;
    json["file"] = out.string();
    json["bytes"] = fs::file_size(out);
    for (const Trained& trained : runs)
      json["runs"].push_back({{"run", trained.run.folder().string()}, {"name", trained.name}});
    print_json(json);
  } else {
    std::printf("%s: one page about %s, complete in itself (%.1f MB)\n", out.c_str(),
                counted(static_cast<std::int64_t>(runs.size()), "run", "runs").c_str(),
                static_cast<double>(fs::file_size(out)) / 1e6);
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
  command->add_option("run", args->runs, "The run folders")->required()->type_name("RUN...");
  command->add_option("--data", args->data, "The folder with the dataset's files (default: where each was trained)")
      ->type_name("DIR");
  command->add_option("--out", args->out, "The HTML file to write (default: report.html in the first run's folder)")
      ->type_name("FILE");
  command->add_option("--title", args->options.title, "Of the page (default: the runs' names)")->type_name("TEXT");
  command->add_flag("--no-tsne", args->no_tsne, "Leave out t-SNE, which takes the most time");
  command->add_option("--seed", args->options.seed, "Of samples, evaluation and t-SNE")
      ->type_name("N")
      ->capture_default_str();
  add_json(*command, args->json);
  add_threads(*command);
  command->final_callback([args, &run] { run = [args] { return report(*args); }; });
}

}  // namespace elbo::cli
