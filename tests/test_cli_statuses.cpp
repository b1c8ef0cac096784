#include <functional>
#include <map>

#include "program.h"

namespace fs = std::filesystem;

// The exit statuses of docs/reliability.md, for each command and each kind of damage.

namespace {

std::vector<std::string> small(const fs::path& out) {
  return {"train",    "--dataset", "shapes",     "--count", "40",        "--hidden", "8",     "--latent",  "2",
          "--epochs", "1",         "--val-size", "8",       "--threads", "1",        "--out", out.string()};
}

/// Each command that opens a run, without the run.
const std::vector<std::vector<std::string>> commands = {{"eval"},
                                                        {"info"},
                                                        {"sample", "--out", "/dev/null"},
                                                        {"reconstruct", "--out", "/dev/null"},
                                                        {"embed", "--out", "/dev/null"},
                                                        {"interpolate", "--out", "/dev/null"},
                                                        {"traverse", "--out", "/dev/null"},
                                                        {"manifold", "--out", "/dev/null"},
                                                        {"score", "--out", "/dev/null"},
                                                        {"report", "--no-tsne", "--out", "/dev/null"},
                                                        {"train", "--resume", "--epochs", "2", "--out"}};

void cut(const fs::path& file) {
  const std::string text = read_file(file);
  write_file(file, text.substr(0, text.size() / 2));
}

struct Damage {
  std::string file;  ///< that messages name
  std::function<void(const fs::path& run)> inflict;
  std::vector<std::string> noticed_by;  ///< commands that read the file; empty: all
};

}  // namespace

TEST_CASE("exit statuses: files that are missing or damaged end every command that reads them with 2",
          "[cli][statuses][unsanitized]") {
  TempDir dir;
  const fs::path whole = dir / "whole";
  REQUIRE(run_elbo(small(whole)).status == 0);
  const std::vector<std::string> trains = {"train"}, histories = {"info", "report", "train"};
  const std::vector<std::string> models = {"eval",     "sample",   "reconstruct", "embed", "interpolate",
                                           "traverse", "manifold", "score",       "report"};
  std::vector<std::string> needs_model = models;
  needs_model.push_back("train");
  const std::vector<Damage> damages = {
      {"", [](const fs::path& run) { fs::remove_all(run); }, {}},
      {"",
       [](const fs::path& run) {
         fs::remove_all(run);
         write_file(run, "a file");
       },
       {}},
      {"config.json", [](const fs::path& run) { fs::remove(run / "config.json"); }, {}},
      {"config.json", [](const fs::path& run) { cut(run / "config.json"); }, {}},
      {"config.json",
       [](const fs::path& run) {
         fs::remove(run / "config.json");
         fs::create_directory(run / "config.json");
       },
       {}},
      {"model.safetensors", [](const fs::path& run) { fs::remove(run / "model.safetensors"); }, needs_model},
      {"model.safetensors", [](const fs::path& run) { cut(run / "model.safetensors"); }, models},
      {"model.safetensors", [](const fs::path& run) { write_file(run / "model.safetensors", ""); }, models},
      {"history.jsonl", [](const fs::path& run) { write_file(run / "history.jsonl", "{\"epoch\":\n"); }, histories},
      {"history.jsonl", [](const fs::path& run) { fs::remove(run / "history.jsonl"); }, histories},
      {"history.jsonl", [](const fs::path& run) { write_file(run / "history.jsonl", ""); }, histories},
      {"history.jsonl",
       [](const fs::path& run) {
         const std::string line = read_file(run / "history.jsonl");
         write_file(run / "history.jsonl", line + line);  // the same epoch twice
       },
       histories},
      {"state.safetensors", [](const fs::path& run) { fs::remove(run / "checkpoint/state.safetensors"); }, trains},
      {"checkpoint", [](const fs::path& run) { fs::remove_all(run / "checkpoint"); }, trains},
      {"state.safetensors", [](const fs::path& run) { cut(run / "checkpoint/state.safetensors"); }, trains}};
  for (std::size_t i = 0; i < damages.size(); ++i)
    for (std::vector<std::string> command : commands) {
      const Damage& damage = damages[i];
      const fs::path run = dir / "run";
      fs::remove_all(run);
      fs::copy(whole, run, fs::copy_options::recursive);
      damage.inflict(run);
      const std::string name = command[0];
      command.insert(name == "train" ? command.end() : command.begin() + 1, run.string());
      const bool notices = damage.noticed_by.empty() || std::find(damage.noticed_by.begin(), damage.noticed_by.end(),
                                                                  name) != damage.noticed_by.end();
      const Ended ended = run_elbo(command);
      INFO(name << ", damage " << i << " (" << damage.file << "): " << ended.err);
      if (notices) {
        CHECK(ended.status == 2);
        CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
        CHECK_THAT(ended.err, Catch::Contains("elbo " + name + ": ") && Catch::Contains(run.string()) &&
                                  Catch::Contains(damage.file));
      } else if (name != "info") {  // which says what it can of a run that has no model, or half of one
        CHECK(ended.status == 0);
      }
    }
}

TEST_CASE("exit statuses: paths that cannot be written are 2, a disk without room is 1", "[cli][statuses]") {
  TempDir dir;
  const fs::path run = dir / "run";
  REQUIRE(run_elbo(small(run)).status == 0);
  write_file(dir / "file", "");
  for (std::vector<std::string> command : commands) {
    const std::string name = command[0];
    if (command.size() < 2 || name == "train") continue;
    command.insert(command.begin() + 1, run.string());
    for (const fs::path& path : {dir / "none" / "out", dir / "file" / "out", dir.path()}) {
      command.back() = path.string();
      INFO(name);
      check_refused(run_elbo(command), {path.string()});
    }
    command.back() = "/dev/full";
    check_refused(run_elbo(command), {"/dev/full"}, 1);
  }
  check_refused(run_elbo(small(dir / "file" / "run")), {(dir / "file").string()});
  check_refused(run_elbo({"eval"}), {"run"});
  check_refused(run_elbo({"nothing"}), {"nothing"});
}
