// `elbo train` when it is stopped, killed, run twice at once, resumed with other options, or diverges.
#include <elbo/models/training/trainer.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "catch.h"
#include "program.h"

using namespace elbo;
namespace fs = std::filesystem;

extern char** environ;

namespace {

/// Synthetic pictures, so that no files are needed.
std::vector<std::string> training(const fs::path& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {
      "train", "--dataset",  "shapes", "--count",      "300", "--hidden",  "16", "--latent", "3",         "--epochs",
      "40",    "--val-size", "60",     "--batch-size", "16",  "--threads", "1",  "--out",    out.string()};
  for (const std::string& word : more) {  // in place of the one that is there
    const auto same = std::find(args.begin() + 1, args.end(), word);
    if (word.starts_with("--") && same != args.end()) args.erase(same, same + 2);
  }
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

std::vector<std::string> resuming(const fs::path& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {"train", "--resume", "--threads", "1", "--out", out.string()};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

/// The program, while it runs.
struct Running {
  TempDir dir;
  pid_t pid = 0;

  explicit Running(std::vector<std::string> args) {
    args.insert(args.begin(), ELBO_PROGRAM);
    std::vector<char*> words;
    for (std::string& arg : args) words.push_back(arg.data());
    words.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    const int write = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&files, 1, (dir / "out").c_str(), write, 0644);
    posix_spawn_file_actions_addopen(&files, 2, (dir / "err").c_str(), write, 0644);
    setenv("ELBO_CUDA_LIBRARY", "none", 1);
    if (posix_spawn(&pid, ELBO_PROGRAM, &files, nullptr, words.data(), environ) != 0) throw std::runtime_error("spawn");
    posix_spawn_file_actions_destroy(&files);
  }
  ~Running() {
    if (pid) end(SIGKILL);
  }
  /// Sends the signal and waits.
  Ended end(int signal) {
    kill(pid, signal);
    int status = 0;
    waitpid(std::exchange(pid, 0), &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(dir / "out"),
            read_file(dir / "err")};
  }
  bool lives() const {
    siginfo_t ended{};
    return waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
  }
};

void sleep_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// Waits until the run has trained some epochs.
void await_epochs(const fs::path& run, std::size_t epochs) {
  for (int i = 0; i < 2000; ++i, sleep_for(0.005)) {
    std::error_code error;
    if (!fs::exists(run / "history.jsonl", error)) continue;
    const std::string text = read_file(run / "history.jsonl");
    if (static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) >= epochs) return;
  }
  FAIL("the training does not get on");
}

void check_same_run(const fs::path& a, const fs::path& b) {
  for (const char* name : {"model.safetensors", "checkpoint/state.safetensors", "samples.png"})
    CHECK((read_file(a / name) == read_file(b / name)));
}

}  // namespace

TEST_CASE("a training stopped by SIGINT or SIGTERM says how it goes on, and does so to the same bits", "[runs][bits]") {
  TempDir dir;
  REQUIRE(run_elbo(training(dir / "whole")).status == 0);
  for (const auto& [number, status, name] : {std::tuple{SIGINT, 130, "SIGINT"}, std::tuple{SIGTERM, 143, "SIGTERM"}}) {
    INFO(name);
    const fs::path run = dir / name;
    Running training_run(training(run));
    await_epochs(run, 2);
    const Ended ended = training_run.end(number);
    INFO(ended.err);
    REQUIRE(ended.status == status);
    CHECK_THAT(ended.err, Catch::Contains(std::string("elbo train: stopped by ") + name));
    CHECK_THAT(ended.err, Catch::EndsWith("\n  " + std::string(ELBO_PROGRAM) + " train --resume --out " + run.string() +
                                          " --threads 1\n"));
    CHECK_FALSE(fs::exists(run / "samples.png"));
    CHECK_FALSE(fs::exists(run / "lock"));
    const std::size_t line = ended.err.find("\n  ") + 3;
    const std::string command = ended.err.substr(line, ended.err.size() - line - 1);
    REQUIRE(std::system(("ELBO_CUDA_LIBRARY=none " + command + " >/dev/null 2>&1").c_str()) == 0);
    check_same_run(run, dir / "whole");
  }
}

TEST_CASE("the command that a stopped training goes on with is one that a terminal shows and a shell takes", "[runs]") {
  TempDir dir;
  const fs::path run = dir / "it's a\x1b[31m\nrun\\\xff";
  Running training_run(training(run, {"--epochs", "1000"}));
  await_epochs(run, 2);
  const Ended ended = training_run.end(SIGTERM);
  INFO(ended.err);
  REQUIRE(ended.status == 143);
  CHECK_THAT(ended.err, !Catch::Contains("\x1b") && !Catch::Contains("\xff") &&
                            Catch::Contains(R"(/it\'s a\033[31m\012run\\\377' --threads 1)"));
  const std::size_t line = ended.err.find("\n  ") + 3;
  const std::string command = ended.err.substr(line, ended.err.size() - line - 1) + " --epochs 3";
  CHECK(std::system(("ELBO_CUDA_LIBRARY=none bash -c " + shell_quoted(command) + " >/dev/null 2>&1").c_str()) == 0);
}

TEST_CASE("a training stopped or killed at any instant goes on to the same bits", "[runs][bits][unsanitized]") {
  TempDir dir;
  const std::vector<std::string> often = {"--checkpoint-every", "0.01", "--epochs", "25"};
  REQUIRE(run_elbo(training(dir / "whole", often)).status == 0);
  unsigned random = 12345;
  for (int number : {SIGKILL, SIGTERM, SIGINT}) {
    const fs::path run = dir / ("run" + std::to_string(number));
    int stops = 0;
    for (bool over = false; !over && stops < 60;) {
      // What is there is a run, or a new one can be made in its place.
      Running one(fs::exists(run / "config.json") ? resuming(run, often) : training(run, often));
      random = random * 1664525u + 1013904223u;
      sleep_for(0.02 + 0.15 * (random >> 16) / 65536.0);
      over = !one.lives();
      const Ended ended = one.end(number);
      INFO(ended.err);
      if (over)
        CHECK(ended.status == 0);
      else
        CHECK((ended.status == 128 + number || ended.status == 0));
      stops += ended.status != 0;
      over = over || ended.status == 0;
    }
    CHECK(stops >= 1);
    REQUIRE(run_elbo(resuming(run)).status == 0);
    check_same_run(run, dir / "whole");
  }
}

TEST_CASE("a second signal stops at once", "[runs]") {
  TempDir dir;
  Running one(training(dir / "run", {"--epochs", "100000"}));
  await_epochs(dir / "run", 1);
  kill(one.pid, SIGSTOP);  // so that both come between two steps
  kill(one.pid, SIGINT);
  kill(one.pid, SIGTERM);
  const Ended ended = one.end(SIGCONT);
  CHECK((ended.status == 130 || ended.status == 143));
  CHECK(ended.err.empty());
  CHECK(run_elbo(resuming(dir / "run", {"--epochs", "1"})).status == 0);
}

TEST_CASE("a run is trained once at a time; the second is told by whom, and readers are let in", "[runs]") {
  TempDir dir;
  const fs::path run = dir / "run";
  Running one(training(run, {"--epochs", "100000"}));
  await_epochs(run, 1);
  const std::string who = "process " + std::to_string(one.pid) + " on host ";
  check_refused(run_elbo(resuming(run)), {run.string(), "expected a run that nobody trains", who});
  CHECK(one.lives());
  const Ended eval = run_elbo({"eval", run.string(), "--json"});
  CHECK(eval.status == 0);
  const Ended info = run_elbo({"info", run.string()});
  CHECK(info.status == 0);
  CHECK_THAT(info.out, Catch::Contains(who));
  CHECK(one.end(SIGKILL).status == 137);
  CHECK(fs::exists(run / "lock"));
  CHECK(run_elbo(resuming(run, {"--epochs", "1"})).status == 0);
}

TEST_CASE("a run that goes on for other epochs says that its schedule bends", "[runs]") {
  TempDir dir;
  const fs::path run = dir / "run";
  REQUIRE(run_elbo(training(run, {"--epochs", "1", "--schedule", "cosine"})).status == 0);
  const Ended longer = run_elbo(resuming(run, {"--epochs", "2"}));
  CHECK(longer.status == 0);
  CHECK_THAT(longer.err, Catch::Contains("elbo train: note: --schedule cosine was for 1 epoch and now is for 2"));
}

TEST_CASE("a run that goes on takes the options that may change, and refuses the others by name", "[runs]") {
  TempDir dir;
  const fs::path run = dir / "run";
  REQUIRE(run_elbo(training(run, {"--epochs", "3"})).status == 0);
  const std::string config = read_file(run / "config.json"), model = read_file(run / "model.safetensors");
  struct Case {
    std::vector<std::string> options, words;
  };
  const std::vector<Case> cases = {
      {{"--latent", "10"}, {"--latent: the run has 3, found 10"}},
      {{"--hidden", "16,8"}, {"--hidden: the run has 16, found 16,8"}},
      {{"--model", "ae"}, {"--model: the run has vae, found ae"}},
      {{"--dataset", "mnist"}, {"--dataset: the run has shapes, found mnist"}},
      {{"--count", "301"}, {"--count: the run has 300, found 301"}},
      {{"--beta", "2"}, {"--beta: the run has 1, found 2"}},
      {{"--warmup", "0.5"}, {"--warmup: the run has 0, found 0.5"}},
      {{"--schedule", "cosine"}, {"--schedule: the run has constant, found cosine"}},
      {{"--lr-warmup", "0.5"}, {"--lr-warmup: the run has 0, found 0.5"}},
      {{"--lr-every", "3"}, {"--lr-every: only for --schedule step, found constant"}},
      {{"--batch-size", "17"}, {"--batch-size: the run has 16, found 17"}},
      {{"--drop-last"}, {"--drop-last: the run has no, found yes"}},
      {{"--seed", "1"}, {"--seed: the run has 0, found 1"}},
      {{"--binarize"}, {"--binarize: the run has no, found yes"}},
      {{"--likelihood", "gaussian"}, {"--likelihood: the run has bernoulli, found gaussian"}},
      {{"--architecture", "conv", "--kernel", "3"}, {"--architecture: the run has mlp, found conv"}},
      {{"--labels"}, {"--labels: the run has no, found yes"}},
      {{"--optimizer", "sgd", "--momentum", "0.9"}, {"--optimizer: the run has adam, found sgd"}},
      {{"--momentum", "0.9"}, {"--momentum: only for --optimizer sgd or rmsprop, found adam"}},
      {{"--clip-norm", "1"}, {"--clip-norm: the run has 0, found 1"}},
      {{"--val-size", "61"}, {"--val-size: the run has 60, found 61"}},
      {{"--lr", "-1"}, {"--lr"}},
      {{"--grey"}, {"--grey: only for --dataset folder, found shapes"}},
      {{"--size", "64"}, {"--size: only for --dataset folder, found shapes"}},
      {{"--data", "."}, {"--data: not for --dataset shapes"}},
      {{"--channels", "4"}, {"--channels: has no effect on this model; it is for --architecture conv"}},
      {{"--kernel", "4"}, {"--kernel: has no effect on this model; it is for --architecture conv"}},
      {{"--variance", "0.5"}, {"--variance: has no effect on this model; it is for --likelihood gaussian"}},
      {{"--device", "cpu", "--no-graph"}, {"--no-graph: not for --device cpu"}},
      {{"--graph"}, {"--graph: not for --device cpu"}},
  };
  for (const Case& one : cases) {
    INFO(one.options.front());
    check_refused(run_elbo(resuming(run, one.options)), one.words);
  }
  CHECK(read_file(run / "config.json") == config);

  // Given but equal is fine; what changes nothing says so.
  const Ended same = run_elbo(resuming(run, {"--latent", "3", "--val-size", "0.2", "--hidden", "16"}));
  INFO(same.err);
  CHECK(same.status == 0);
  CHECK_THAT(same.err,
             Catch::Contains("3 epochs are trained, as many as asked for") && Catch::Contains("nothing is changed"));
  const Ended fewer = run_elbo(resuming(run, {"--epochs", "2", "--lr", "0.5"}));
  CHECK(fewer.status == 0);
  CHECK_THAT(fewer.err,
             Catch::Contains("--epochs 2: 3 epochs are trained already") && Catch::Contains("nothing is changed"));
  CHECK(read_file(run / "config.json") == config);
  CHECK((read_file(run / "model.safetensors") == model));

  // Nor is what lies in the run by now; what a kill left out is drawn.
  REQUIRE(run_elbo({"sample", run.string(), "--seed", "77", "--rows", "2"}).status == 0);
  const std::string own = read_file(run / "samples.png");
  fs::remove(run / "loss.svg");
  REQUIRE(run_elbo(resuming(run)).status == 0);
  CHECK((read_file(run / "samples.png") == own));
  CHECK(fs::exists(run / "loss.svg"));

  REQUIRE(run_elbo(resuming(run, {"--epochs", "5", "--lr", "0.0001", "--patience", "7", "--checkpoint-every", "0"}))
              .status == 0);
  const models::RunConfig now = models::Run::open(run).config();
  CHECK(now.train.lr == 0.0001);
  CHECK(now.train.epochs == 5);
  REQUIRE(now.stretches.size() == 2);
  CHECK(now.stretches[0].train.lr == 0.001);
  CHECK(now.stretches[1].from_epoch == 4);
  CHECK(now.stretches[1].train.patience == 7);
  CHECK_THAT(run_elbo({"info", run.string()}).out,
             Catch::Contains("From epoch 4 on") && Catch::Contains("learning rate 0.0001, 5 epochs asked for"));
  // The learning rate was used: the weights moved a tenth as far.
  const auto checkpoint = models::Run::open(run).read_checkpoint();
  for (const auto& [name, array] : checkpoint->state)
    if (name == "optimizer.lr") CHECK(array.item() == 0.0001);
}

TEST_CASE("a learning rate changed within an epoch is written down with its step", "[runs]") {
  TempDir dir;
  const fs::path run = dir / "run";
  Running one(training(run, {"--count", "40000", "--hidden", "64"}));
  for (int i = 0; i < 2000 && !fs::exists(run / "checkpoint/state.safetensors"); ++i) sleep_for(0.005);
  sleep_for(0.05);
  one.end(SIGINT);
  const std::int64_t steps = models::standing(models::Run::open(run)).batch;
  REQUIRE(steps > 0);
  Running two(resuming(run, {"--lr", "0.01"}));
  for (int i = 0; i < 2000 && models::Run::open(run).config().train.lr == 0.001; ++i) sleep_for(0.005);
  two.end(SIGKILL);
  const models::RunConfig config = models::Run::open(run).config();
  REQUIRE(config.stretches.size() == 2);
  CHECK(config.stretches[0].train.lr == 0.001);
  CHECK(config.stretches[1].from_epoch == 1);
  CHECK(config.stretches[1].after_steps == steps);
  CHECK_THAT(run_elbo({"info", run.string()}).out,
             Catch::Contains("learning rate 0.001, then 0.01") &&
                 Catch::Contains("From step " + std::to_string(steps + 1) + " of epoch 1 on learning rate 0.01"));
}

TEST_CASE("options without effect on a run that goes on are refused as for a new one", "[runs]") {
  TempDir dir;
  REQUIRE(run_elbo(training(dir / "ae", {"--epochs", "1", "--model", "ae", "--val-size", "0"})).status == 0);
  for (const auto& [option, value, message] :
       {std::tuple{"--beta", "1", "--beta: has no effect with --posterior point"},
        {"--warmup", "0", "--warmup: has no effect with --posterior point"},
        {"--patience", "3", "--patience: not for --val-size 0"},
        {"--kernel", "3", "--kernel: has no effect on this model"}})
    check_refused(run_elbo(resuming(dir / "ae", {option, value})), {message});
  CHECK(run_elbo(resuming(dir / "ae", {"--likelihood", "bernoulli", "--val-size", "0"})).status == 0);
}

TEST_CASE("what a run has lost is named, and nothing is trained anew in its place", "[runs]") {
  TempDir dir;
  const fs::path whole = dir / "whole", run = dir / "run";
  REQUIRE(run_elbo(training(whole, {"--epochs", "3"})).status == 0);
  for (const char* lost : {"checkpoint", "checkpoint/state.safetensors", "model.safetensors", "history.jsonl"}) {
    INFO(lost);
    fs::remove_all(run);
    fs::copy(whole, run, fs::copy_options::recursive);
    fs::remove_all(run / lost);
    const std::string name = std::string(lost) == "checkpoint" ? "checkpoint/state.safetensors" : lost;
    check_refused(run_elbo(resuming(run, {"--epochs", "4", "--lr", "0.1"})), {(run / name).string(), "found no such"});
    CHECK(read_file(run / "config.json") == read_file(whole / "config.json"));
    if (name == "model.safetensors") {
      check_refused(run_elbo({"eval", run.string()}), {(run / name).string(), "found no such file"});
      CHECK_THAT(run_elbo({"info", run.string()}).out, Catch::Contains("model.safetensors is missing"));
    }
  }
  // Another run's checkpoint does not fit.
  fs::remove_all(run);
  REQUIRE(run_elbo(training(run, {"--epochs", "3", "--model", "cvae"})).status == 0);
  fs::copy(whole / "checkpoint", run / "checkpoint",
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  const Ended other = run_elbo(resuming(run, {"--epochs", "4"}));
  CHECK(other.status == 2);
  CHECK_THAT(other.err, Catch::Contains((run / "checkpoint/state.safetensors").string() + ": ") &&
                            Catch::Contains("encoder.0.weight"));
}

TEST_CASE("files that are removed while a run is trained come back, or end it with a fault", "[runs]") {
  TempDir dir;
  for (const std::string name : {"config.json", "history.jsonl", "lock", "model.safetensors"}) {
    INFO(name);
    const fs::path run = dir / name;
    const bool fault = name == "lock" || name == "model.safetensors";
    Running one(training(run, {"--epochs", "100000"}));
    await_epochs(run, 2);
    kill(one.pid, SIGSTOP);
    int status = 0;
    waitpid(one.pid, &status, WUNTRACED);
    fs::remove(run / name);
    kill(one.pid, SIGCONT);
    for (int i = 0; i < 2000 && one.lives() && (fault || !fs::exists(run / name)); ++i) sleep_for(0.005);
    CHECK(one.lives() != fault);
    const Ended ended = one.end(SIGINT);
    INFO(ended.err);
    CHECK(ended.status == (fault ? 1 : 130));
    if (fault) CHECK_THAT(ended.err, Catch::Contains((run / name).string() + ": expected"));
    CHECK((run_elbo({"info", run.string()}).status == 0));
    const bool over = name == "model.safetensors";
    CHECK(run_elbo(resuming(run, {"--epochs", "1"})).status == (over ? 2 : 0));
  }
}

TEST_CASE("elbo train --resume knows what to do with every option of elbo train", "[runs]") {
  TempDir dir;
  REQUIRE(run_elbo(training(dir / "run", {"--epochs", "1"})).status == 0);
  // The options that the help lists: each is taken, or refused by name as one that the run keeps.
  const std::string help = run_elbo({"train", "--help"}).out;
  int options = 0;
  for (std::size_t at = 0; (at = help.find("\n  --", at)) != std::string::npos; ++at) {
    const std::string name = help.substr(at + 3, help.find_first_of(" ,\n", at + 3) - at - 3);
    ++options;
    const Ended ended = run_elbo(resuming(dir / "run", {name}));
    INFO(name << ": " << ended.err);
    CHECK_THAT(ended.err, !Catch::Contains("not to be given with --resume"));
  }
  CHECK(options > 25);
}

TEST_CASE("a training that diverges ends with 1 and leaves nothing that is no number", "[runs]") {
  TempDir dir;
  const fs::path run = dir / "run";
  for (const char* val : {"0", "60"}) {
    const fs::path first = dir / (std::string("first") + val);
    const Ended ended = run_elbo(training(first, {"--lr", "1e30", "--val-size", val}));
    INFO(ended.err);
    CHECK(ended.status == 1);
    CHECK_THAT(ended.err, Catch::Contains("training diverged in epoch 1") && Catch::Contains("no model was kept"));
    check_refused(run_elbo({"eval", first.string()}), {first.string(), "expected a trained model, found none yet"});
    check_refused(run_elbo({"report", first.string()}), {first.string(), "expected a trained model, found none yet"});
    const Ended info = run_elbo({"info", first.string()});
    CHECK(info.status == 0);
    CHECK_THAT(info.out, Catch::Contains("there is no model yet"));
    CHECK(run_elbo(resuming(first, {"--lr", "0.001", "--epochs", "1"})).status == 0);
  }
  // The learning rate has no part in what the first step finds.
  const std::vector<std::vector<std::string>> hopeless = {
      {"--beta", "1e30"},
      {"--beta", "1e300"},
      {"--likelihood", "gaussian", "--variance", "1e-300"},
      {"--likelihood", "gaussian", "--pixels", "-1e38,1e38", "--allow-range-mismatch"}};
  for (const std::vector<std::string>& options : hopeless) {
    INFO(options.back());
    const Ended ended = run_elbo(training(dir / ("hopeless" + options.back()), options));
    INFO(ended.err);
    CHECK(ended.status == 1);
    CHECK_THAT(ended.err, Catch::Contains("training diverged in its first step: ") &&
                              Catch::Contains("start a new run with another beta (") &&
                              !Catch::Contains("smaller lr") && !Catch::Contains("--resume"));
  }
  REQUIRE(run_elbo(training(run, {"--epochs", "2"})).status == 0);
  const std::string model = read_file(run / "model.safetensors");
  const Ended ended = run_elbo(resuming(run, {"--lr", "1e30", "--epochs", "4"}));
  CHECK(ended.status == 1);
  CHECK_THAT(ended.err, Catch::Contains("training diverged in epoch 3") &&
                            Catch::Contains("the model of epoch 2 is kept") && Catch::Contains("--resume"));
  CHECK((read_file(run / "model.safetensors") == model));
  CHECK(run_elbo(resuming(run, {"--lr", "0.001"})).status == 0);
  CHECK(models::Run::open(run).history().size() == 4);
}
