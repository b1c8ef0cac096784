#include <cerrno>
#include <cstring>
#include <map>

#include "program.h"

// Each call with which a command writes fails once, by a library that is loaded before it (tests/write_faults). Not
// built with sanitizers, whose own libraries want to be the first.
#ifdef ELBO_WRITE_FAULTS

namespace fs = std::filesystem;

namespace {

std::string with_faults(long at, int reason, const fs::path& log = {}) {
  std::string out = "ELBO_FAIL_AT=" + std::to_string(at) + " ELBO_FAIL_WITH=" + std::to_string(reason);
  if (!log.empty()) out += " ELBO_FAIL_LOG=" + shell_quoted(log.string());
  return out + " LD_PRELOAD=" + shell_quoted(ELBO_WRITE_FAULTS);
}

/// How many such calls a command makes where none fails.
long calls_of(const std::vector<std::string>& args, const fs::path& log) {
  fs::remove(log);
  const Ended ended = run_elbo(args, with_faults(0, 0, log));
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  const std::string calls = read_file(log);
  return std::count(calls.begin(), calls.end(), '\n');
}

/// No checkpoint comes by the clock: a machine that stands still for a minute would have others write more.
std::vector<std::string> train(const fs::path& out) {
  return {"train", "--dataset", "shapes",    "--count",    "40", "--hidden",  "8", "--latent",
          "2",     "--epochs",  "2",         "--val-size", "8",  "--threads", "1", "--checkpoint-every",
          "0",     "--out",     out.string()};
}

std::map<std::string, std::string> contents(const fs::path& dir) {
  std::map<std::string, std::string> out;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(dir))
    if (entry.is_regular_file()) out[fs::relative(entry.path(), dir).string()] = read_file(entry.path());
  return out;
}

/// One line that names a file in `dir` and the reason, and status 1.
void check_fault(const Ended& ended, const fs::path& dir, int reason) {
  INFO(ended.err);
  CHECK(ended.status == 1);
  CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
  CHECK_THAT(ended.err,
             Catch::Contains("cannot ") && Catch::Contains(dir.string()) && Catch::Contains(std::strerror(reason)));
}

}  // namespace

TEST_CASE("every write of every command that fails leaves the old file or the new one, and says so", "[cli][faults]") {
  TempDir dir;
  const fs::path run = dir / "run", out = dir / "out";
  REQUIRE(run_elbo(train(run)).status == 0);
  fs::create_directory(out);
  const std::string r = run.string();
  const std::vector<std::vector<std::string>> commands = {
      {"sample", r, "--out", (out / "a.png").string()},
      {"reconstruct", r, "--out", (out / "a.png").string()},
      {"interpolate", r, "--out", (out / "a.png").string()},
      {"traverse", r, "--out", (out / "a.png").string()},
      {"manifold", r, "--out", (out / "a.png").string()},
      {"score", r, "--out", (out / "a.csv").string()},
      {"embed", r, "--out", (out / "a.svg").string()},
      {"report", r, "--no-tsne", "--out", (out / "a.html").string()},
      {"data", "--dataset", "shapes", "--count", "40", "--preview", (out / "a.png").string()}};
  for (const std::vector<std::string>& command : commands) {
    const long calls = calls_of(command, dir / "log");
    const std::map<std::string, std::string> made = contents(out);
    INFO(command[0]);
    CHECK(calls >= 5 * static_cast<long>(made.size()));  // open, write, sync, rename, sync of the folder
    for (const int reason : {ENOSPC, EIO})
      for (long at = 1; at <= calls; ++at) {
        INFO(at << " of " << calls << " calls, " << std::strerror(reason));
        for (const auto& [name, text] : made) write_file(out / name, "old");
        check_fault(run_elbo(command, with_faults(at, reason)), out, reason);
        const std::map<std::string, std::string> left = contents(out);
        CHECK(left.size() == made.size());
        for (const auto& [name, text] : left) CHECK((text == "old" || (made.count(name) && text == made.at(name))));
      }
    fs::remove_all(out);
    fs::create_directory(out);
  }
}

TEST_CASE("every write of a training that fails leaves a run that goes on to the same end", "[cli][faults][slow]") {
  TempDir dir;
  const fs::path whole = dir / "whole", run = dir / "run";
  const long calls = calls_of(train(whole), dir / "log");
  const std::string model = read_file(whole / "model.safetensors");
  const std::map<std::string, std::string> files = contents(whole);
  int trained = 0;
  for (const int reason : {ENOSPC, EIO})
    for (long at = 1; at <= calls; ++at) {
      INFO(at << " of " << calls << " calls, " << std::strerror(reason));
      fs::remove_all(run);
      const Ended ended = run_elbo(train(run), with_faults(at, reason));
      if (ended.status == 0) {
        // The training was over: only the pictures are missing.
        ++trained;
        CHECK_THAT(ended.err, Catch::Contains("note: ") && Catch::Contains(std::strerror(reason)));
        CHECK(read_file(run / "model.safetensors") == model);
      } else {
        check_fault(ended, run, reason);
      }
      const Ended again = fs::exists(run / "config.json") ? run_elbo({"train", "--resume", "--out", run.string()})
                                                          : run_elbo(train(run));
      INFO(again.err);
      CHECK(again.status == 0);
      CHECK(read_file(run / "model.safetensors") == model);
      for (const auto& [name, text] : contents(run)) CHECK(files.count(name) == 1);
    }
  CHECK(trained >= 2 * 3 * 5);  // samples, reconstructions, losses
}

#endif
