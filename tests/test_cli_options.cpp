// The command line itself: every option of every command with values that are none, options without effect, help,
// completions and manual pages, all read from the program's own table.
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "catch.h"
#include "program.h"

namespace fs = std::filesystem;
using Catch::Contains;

namespace {

struct Option {
  std::string name, type;  ///< "--size", "N"; no type for a flag
};

const std::vector<std::string>& commands() {
  static const std::vector<std::string> all = {"train",    "eval",  "sample",  "reconstruct", "interpolate", "traverse",
                                               "manifold", "embed", "score",   "info",        "report",      "data",
                                               "doctor",   "help",  "version", "completion",  "man",         "models"};
  return all;
}

/// The options that a command's help lists: lines such as "  -n, --size N   ...".
std::vector<Option> options_of(const std::string& command) {
  std::vector<Option> out;
  std::istringstream lines(run_elbo({"help", command}, "COLUMNS=200").out);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  -")) continue;
    const std::size_t at = line.find("--"), end = std::min(line.find("  ", at), line.size());
    const std::string title = line.substr(at, end - at);
    const std::size_t space = title.find(' ');
    out.push_back(
        {title.substr(0, std::min(title.find(','), space)),
         title.find(", --") != std::string::npos || space == std::string::npos ? "" : title.substr(space + 1)});
  }
  return out;
}

bool takes_run(const std::string& command) {
  return run_elbo({"help", command}).out.find("RUN") != std::string::npos && command != "train";
}

/// The command with the option, and what it requires besides.
std::vector<std::string> with(const std::string& command, const Option& option, const std::string& value) {
  std::vector<std::string> args = {command};
  if (takes_run(command)) args.push_back("no-such-run");
  if (command == "train" && option.name != "--out") args.insert(args.end(), {"--out", "no-such-folder/run"});
  args.insert(args.end(), {option.name, value});
  return args;
}

}  // namespace

TEST_CASE("a number that is none is refused by every option that takes one, by name", "[cli][options][unsanitized]") {
  const std::set<std::string> whole = {"N", "K", "N,N..."};
  const std::set<std::string> numbers = {"N", "K", "X", "S", "N,N...", "X,X...", "LOW,HIGH"};
  const std::vector<std::string> bad_number = {"nan", "inf", "1e400", "0x10", "1_000", "3x",
                                               "x",   " 3",  "+3",    "-",    "3 "};
  const std::vector<std::string> bad_whole = {"1e3", "2.5", "99999999999999999999", "-99999999999999999999",
                                              "010", "-1"};
  int tried = 0;
  for (const std::string& command : commands()) {
    const std::vector<Option> options = options_of(command);
    for (const Option& option : options) {
      if (!numbers.contains(option.type)) continue;
      ++tried;
      std::vector<std::string> values = bad_number;
      if (whole.contains(option.type)) values.insert(values.end(), bad_whole.begin(), bad_whole.end());
      // Of many alike options each gets some of the values, all of them all.
      for (std::size_t i = static_cast<std::size_t>(tried) % 3; i < values.size(); i += 3) {
        INFO(command << " " << option.name << " '" << values[i] << "'");
        check_refused(run_elbo(with(command, option, values[i])),
                      {"elbo " + command + ": " + option.name + ": expected ", values[i]});
      }
    }
  }
  CHECK(tried > 40);
  CHECK_FALSE(fs::exists("no-such-folder"));
}

TEST_CASE("an option without a value, with an empty one, given twice or unknown is refused by name",
          "[cli][options][unsanitized]") {
  int tried = 0;
  for (const std::string& command : commands()) {
    if (command == "help" || command == "version") continue;
    for (const Option& option : options_of(command)) {
      if (option.name == "--help") continue;
      INFO(command << " " << option.name);
      ++tried;
      const std::string begin = "elbo " + command + ": " + option.name + ": ";
      if (option.type.empty()) {
        check_refused(run_elbo({command, option.name + "=3"}), {begin + "takes no value, found '=3'"});
        check_refused(run_elbo({command, option.name, option.name}), {begin + "given twice"});
        continue;
      }
      check_refused(run_elbo({command, option.name}), {begin + "expected", "found nothing"});
      check_refused(run_elbo({command, option.name, "--json"}), {begin + "expected", "found the option --json"});
      check_refused(run_elbo({command, option.name + "="}), {begin + "expected", "found an empty text"});
      check_refused(run_elbo({command, option.name, ""}), {begin + "expected", "found an empty text"});
      if (option.type.find("...") == std::string::npos || option.type.find(',') != std::string::npos)
        check_refused(run_elbo({command, option.name, "3", option.name, "4"}), {begin + "given twice"});
      if (option.type.find(',') != std::string::npos)
        for (const char* list : {"3,", ",3", "3,,3", ","})
          check_refused(run_elbo({command, option.name, list}), {begin + "expected", "an empty part"});
    }
    check_refused(run_elbo({command, "--no-such-thing", "3"}), {"unknown option --no-such-thing", "--help"});
  }
  CHECK(tried > 80);
  check_refused(run_elbo({"train", "--epoch", "3", "--out", "x"}), {"unknown option --epoch: did you mean --epochs?"});
  check_refused(run_elbo({"train", "--bacth-size=3", "--out", "x"}),
                {"unknown option --bacth-size: did you mean --batch-size?"});
  check_refused(run_elbo({"train", "--pixels", "0", "--out", "x"}), {"--pixels", "expected LOW,HIGH, found 0\n"});
  check_refused(run_elbo({"eval"}), {"elbo eval: run: expected RUN, found nothing"});
  check_refused(run_elbo({"completion"}), {"elbo completion: shell: expected ", ", found nothing"});
  check_refused(run_elbo({"train"}), {"elbo train: --out: expected RUN, found nothing"});
  check_refused(run_elbo({"trian"}), {"unknown command 'trian': did you mean train?"});
  check_refused(run_elbo({"help", "trian"}), {"unknown command 'trian': did you mean train?"});
  check_refused(run_elbo({"fly"}), {"unknown command 'fly': expected train, eval"});
  check_refused(run_elbo({"--bogus"}), {"unknown option --bogus"});
  check_refused(run_elbo({"eval", "one", "two"}), {"unexpected argument 'two'"});
  check_refused(run_elbo({"train", "--out", ""}), {"--out", "empty"});
}

TEST_CASE("options without effect are refused by name", "[cli][options]") {
  struct Case {
    std::vector<std::string> options;
    std::string message;
  };
  const std::vector<Case> train = {
      {{"--channels", "3"}, "--channels: has no effect on this model; it is for --architecture conv"},
      {{"--decoder-channels", "3"}, "--decoder-channels: has no effect on this model; it is for --architecture conv"},
      {{"--model", "ae", "--kernel", "3"}, "--kernel: has no effect on this model; it is for --architecture conv"},
      {{"--no-decoder-relu"}, "--no-decoder-relu: has no effect on this model; it is for --architecture conv"},
      {{"--model", "conv-vae", "--hidden", "3"}, "--hidden: has no effect on this model; it is for --architecture mlp"},
      {{"--architecture", "conv", "--hidden", "3"},
       "--hidden: has no effect on this model; it is for --architecture mlp"},
      {{"--model", "conv-vae", "--architecture", "mlp", "--kernel", "3"}, "--kernel: has no effect on this model"},
      {{"--momentum", "0.9"}, "--momentum: only for --optimizer sgd or rmsprop, found adam"},
      {{"--dataset", "mnist", "--size", "3"}, "--size: only for --dataset folder, found mnist"},
      {{"--dataset", "mnist", "--grey"}, "--grey: only for --dataset folder, found mnist"},
      {{"--dataset", "mnist", "--count", "3"}, "--count: only for --dataset shapes or npz, found mnist"},
      {{"--dataset", "shapes", "--data", "x"}, "--data: not for --dataset shapes"},
      {{"--model", "ae", "--beta", "1"}, "--beta: has no effect with --posterior point"},
      {{"--model", "ae", "--warmup", "1"}, "--warmup: has no effect with --posterior point"},
      {{"--beta", "0", "--warmup", "1"}, "--warmup: not for --beta 0"},
      {{"--model", "info-vae", "--cycles", "2", "--cycle-epochs", "2"}, "--cycles: not for --beta 0"},
      {{"--model", "wae-mmd", "--beta", "1"}, "--beta: has no effect with --posterior point"},
      {{"--model", "wae-mmd", "--cycles", "2"}, "--cycles: has no effect with --posterior point"},
      {{"--model", "ae", "--prior", "normal"}, "--prior: has no effect with --posterior point and --objective elbo"},
      {{"--model", "rae", "--prior", "vamp"}, "--prior: has no effect with --posterior point and --objective rae"},
      {{"--model", "miwae", "--groups", "1", "--dataset", "shapes"},
       "--groups: expected at least 2 for the objective miwae"},
      {{"--ema", "1"}, "--ema: expected a number of at least 0 and below 1, found 1"},
      {{"--model", "vq-vae", "--codebook-decay", "1"}, "--codebook-decay: expected a number of at least 0 and below 1"},
      {{"--model", "vq-vae", "--hidden", "3"}, "it is for --architecture mlp, --model hvae"},
      {{"--model", "vq-vae", "--labels"}, "--labels: the model vq-vae takes none"},
      {{"--model", "info-vea"}, "or 12 others, found info-vea: did you mean info-vae?"},
      {{"--lr-every", "3"}, "--lr-every: only for --schedule step, found constant"},
      {{"--schedule", "cosine", "--lr-factor", "0.5"},
       "--lr-factor: only for --schedule step or plateau, found cosine"},
      {{"--schedule", "step", "--lr-patience", "3"}, "--lr-patience: only for --schedule plateau, found step"},
      {{"--schedule", "one-cycle", "--lr-warmup", "1"}, "--lr-warmup: not for --schedule one-cycle"},
      {{"--variance", "1"}, "--variance: has no effect on this model; it is for --likelihood gaussian"},
      {{"--allow-range-mismatch"}, "--allow-range-mismatch: only with --pixels"},
      {{"--pixels", "0,0.5", "--allow-range-mismatch"},
       "--allow-range-mismatch: only with --pixels that leave 0 to 1, found 0,0.5"},
      {{"--val-size", "0.0", "--patience", "3"}, "--patience: not for --val-size 0"},
      {{"--dataset", "shapes", "--device", "cpu", "--no-graph"}, "--no-graph: not for --device cpu"},
      {{"--dataset", "shapes", "--device", "cpu", "--graph"}, "--graph: not for --device cpu"},
  };
  TempDir dir;
  for (const Case& one : train) {
    INFO(one.message);
    std::vector<std::string> args = {"train", "--out", (dir / "run").string()};
    args.insert(args.end(), one.options.begin(), one.options.end());
    check_refused(run_elbo(args), {"elbo train: ", one.message});
    CHECK_FALSE(fs::exists(dir / "run"));
  }
  const std::vector<Case> others = {
      {{"data", "--size", "3"}, "--size: only for --dataset folder, found no --dataset"},
      {{"data", "--grey"}, "--grey: only for --dataset folder, found no --dataset"},
      {{"data", "--dataset", "mnist", "--count", "3"}, "--count: only for --dataset shapes or npz, found mnist"},
      {{"data", "--preview", "x.png"}, "--preview: only with --dataset"},
      {{"data", "--dataset", "shapes", "--data", "x"}, "--data: not for --dataset shapes"},
      {{"embed", "r", "--perplexity", "3"}, "--perplexity: only for --method tsne, found pca"},
      {{"embed", "r", "--iterations", "3"}, "--iterations: only for --method tsne, found pca"},
      {{"embed", "r", "--method", "first2", "--seed", "3"}, "--seed: only for --method tsne, found first2"},
      {{"score", "r", "--codes", "mean", "--samples", "3"}, "--samples: not for --codes mean"},
      {{"score", "r", "--odd-data", "x"}, "--odd-data: only with --odd-dataset"},
      {{"score", "r", "--odd-dataset", "shapes", "--odd-data", "x"}, "--odd-data: not for --odd-dataset shapes"},
      {{"score", "r", "--input", "x", "--split", "train"}, "--split: not with --input"},
      {{"reconstruct", "r", "--input", "x", "--data", "y"}, "--data: not with --input"},
      {{"reconstruct", "r", "--count", "3", "--indices", "4"}, "--count: not with --indices"},
      {{"interpolate", "r", "--from", "prior", "--pictures", "0,1"}, "--pictures: not for --from prior"},
      {{"interpolate", "r", "--from", "prior", "--split", "train"}, "--split: not for --from prior"},
      {{"traverse", "r", "--origin", "--split", "train"}, "--split: not with --origin"},
      {{"traverse", "r", "--origin", "--picture", "3"}, "--origin: not with --picture"},
      {{"traverse", "r", "--values", "-1,1", "--low", "-3"}, "--low: not with --values"},
  };
  for (const Case& one : others) {
    INFO(one.message);
    check_refused(run_elbo(one.options), {"elbo " + one.options[0] + ": " + one.message});
  }
  // What a run was trained with decides too.
  for (const char* model : {"ae", "vae"})
    REQUIRE(run_elbo({"train", "--dataset", "shapes", "--count", "60", "--hidden", "4", "--latent", "2", "--epochs",
                      "1", "--model", model, "--out", (dir / model).string()})
                .status == 0);
  const std::string ae = (dir / "ae").string(), vae = (dir / "vae").string();
  check_refused(run_elbo({"eval", ae, "--codes", "mean"}), {"elbo eval: --codes: not for posterior point"});
  check_refused(run_elbo({"eval", ae, "--seed", "3"}), {"elbo eval: --seed: has no effect", "by this model"});
  CHECK(run_elbo({"eval", ae, "--seed", "3", "--binarize"}).status == 0);
  check_refused(run_elbo({"eval", vae, "--codes", "mean", "--seed", "3"}), {"--seed: has no effect", "--codes mean"});
  check_refused(run_elbo({"eval", vae, "--data", "x"}), {"elbo eval: --data: not for dataset shapes"});
  check_refused(run_elbo({"score", ae, "--samples", "3"}), {"elbo score: --samples: not for posterior point"});
  check_refused(run_elbo({"interpolate", vae, "--pictures", "0,1", "--seed", "3"}), {"elbo interpolate: --seed: "});
  check_refused(run_elbo({"sample", vae, "--data", "x"}), {"elbo sample: --data: not for dataset shapes"});
  CHECK(run_elbo({"eval", vae, "--codes", "mean"}).status == 0);
}

TEST_CASE("variables of the environment that hold nonsense are errors, OpenMP's a note", "[cli][options]") {
  const Ended noted = run_elbo({"doctor"}, "OMP_NUM_THREADS=abc");
  CHECK(noted.status == 0);
  // OpenMP's runtime, where it is, has said in its own way what it thinks of it before the program began.
  CHECK_THAT(noted.err,
             Catch::EndsWith("elbo: note: OMP_NUM_THREADS is left out: expected a number of threads from 1 to "
                             "1024, found \"abc\"\n"));
  CHECK(run_elbo({"doctor"}, "OMP_NUM_THREADS=2").err.empty());
  CHECK_THAT(run_elbo({"doctor", "--threads", "1"}, "OMP_NUM_THREADS=abc").err, !Contains("elbo:"));
  check_refused(run_elbo({"doctor"}, "ELBO_NUM_THREADS=abc"), {"ELBO_NUM_THREADS", "\"abc\""});
  check_refused(run_elbo({"doctor"}, "ELBO_THREADING=abc"), {"ELBO_THREADING: expected own or openmp", "\"abc\""});
  const Ended isa = run_elbo({"doctor"}, "ELBO_ISA=v9");  // which has begun to print
  CHECK(isa.status == 2);
  CHECK_THAT(isa.err, Contains(": ELBO_ISA: expected") && Contains("v9"));
  TempDir dir;
  for (const char* nonsense : {"ELBO_ISA=v9", "ELBO_NUM_THREADS=0", "ELBO_THREADING=tbb"})
    check_refused(
        run_elbo({"train", "--dataset", "shapes", "--count", "20", "--out", (dir / "run").string()}, nonsense),
        {"elbo train: ELBO_"});
}

TEST_CASE("help is as wide as the terminal", "[cli][help][unsanitized]") {
  for (int width : {60, 80, 120}) {
    for (const std::string& command : commands()) {
      const Ended help = run_elbo({"help", command}, "COLUMNS=" + std::to_string(width));
      INFO(command << " at " << width);
      CHECK(help.status == 0);
      CHECK(help.err.empty());
      CHECK(help.out == run_elbo({command, "--help"}, "COLUMNS=" + std::to_string(width)).out);
      std::istringstream lines(help.out.substr(0, help.out.find("Example")));
      for (std::string line; std::getline(lines, line);) {
        INFO(line);
        CHECK((line.size() <= static_cast<std::size_t>(width) || line.find("  ") == 0));
        CHECK(line.size() <= static_cast<std::size_t>(std::max(width, 80)));
      }
    }
  }
  CHECK(run_elbo({"help"}).out == run_elbo({"--help"}).out);
  CHECK(run_elbo({"version"}).out == run_elbo({"--version"}).out);
  CHECK_THAT(run_elbo({"help", "train"}, "COLUMNS=160").out,
             Contains("\nFor --architecture conv:\n") && Contains("default: vae"));
}

TEST_CASE("bash completes commands, options and values", "[cli][help]") {
  TempDir dir;
  write_file(dir / "elbo.bash", run_elbo({"completion", "bash"}).out);
  const auto completed = [&](const std::string& words) {
    const std::string script =
        "set -u; source " + shell_quoted((dir / "elbo.bash").string()) + "; COMP_WORDS=(" + words +
        "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _elbo; printf '%s ' \"${COMPREPLY[@]:-}\" > " +
        shell_quoted((dir / "out").string());
    INFO(words);
    REQUIRE(std::system(("bash -c " + shell_quoted(script)).c_str()) == 0);
    return read_file(dir / "out");
  };
  CHECK(completed("elbo tra") == "train traverse ");
  CHECK(completed("elbo train --ep") == "--epochs ");
  CHECK_THAT(completed("elbo train --model ''"), Catch::StartsWith("ae vae cvae conv-vae "));
  CHECK(completed("elbo train --model conv") == "conv-vae ");
  CHECK(completed("elbo eval run --split t") == "test train ");
  CHECK(completed("elbo train --epochs ''") == " ");
  CHECK(completed("elbo help tra") == "train traverse ");
  CHECK(completed("elbo completion ''") == "bash zsh fish ");
  CHECK(completed("elbo eval " + (dir / "elbo.b").string()) == (dir / "elbo.bash").string() + " ");
  for (const char* shell : {"zsh", "fish"}) {
    write_file(dir / shell, run_elbo({"completion", shell}).out);
    CHECK_THAT(read_file(dir / shell), Contains("conv-vae") && Contains("checkpoint-every"));
    if (std::system(("command -v " + std::string(shell) + " > /dev/null").c_str()) == 0)
      CHECK(std::system((std::string(shell) + " -n " + shell_quoted((dir / shell).string())).c_str()) == 0);
  }
}

TEST_CASE("there is a manual page for each command, which groff takes without a warning", "[cli][help]") {
  TempDir dir;
  REQUIRE(run_elbo({"man", "--out", dir.path().string()}).status == 0);
  CHECK(read_file(dir / "elbo.1") == run_elbo({"man"}).out);
  CHECK(read_file(dir / "elbo-train.1") == run_elbo({"man", "train"}).out);
  CHECK_THAT(read_file(dir / "elbo-train.1"), Contains("\\fB\\-\\-epochs\\fR \\fIN\\fR"));
  check_refused(run_elbo({"man", "trian"}), {"did you mean train?"});
  if (std::system("command -v groff > /dev/null") != 0) return;
  for (const std::string& command : commands()) {
    INFO(command);
    const std::string page = shell_quoted((dir / ("elbo-" + command + ".1")).string());
    CHECK(std::system(("groff -man -ww -z " + page + " 2> " + shell_quoted((dir / "warnings").string())).c_str()) == 0);
    CHECK(read_file(dir / "warnings").empty());
  }
}

TEST_CASE("quickstart links the program into ~/.local/bin, over nothing but its own link", "[cli][help]") {
  TempDir dir;
  const fs::path home = dir / "home", link = home / ".local/bin/elbo", program = dir / "tree/build/cli/elbo";
  fs::create_directories(home);
  fs::create_directories(program.parent_path());
  write_file(program, "#!/bin/sh\n");
  fs::permissions(program, fs::perms::owner_all);
  const auto linked = [&](const fs::path& on_path) {
    const std::string script = "set -euo pipefail; source <(sed -n '/^link_program() /,/^}/p' " +
                               shell_quoted(ELBO_SOURCE_DIR "/scripts/quickstart") +
                               "); root=" + shell_quoted((dir / "tree").string()) +
                               "; HOME=" + shell_quoted(home.string()) + "; PATH=" + shell_quoted(on_path.string()) +
                               ":/usr/bin:/bin; link_program > " + shell_quoted((dir / "out").string());
    REQUIRE(std::system(("bash -c " + shell_quoted(script)).c_str()) == 0);
    return read_file(dir / "out");
  };
  const std::string exports = "export PATH=" + program.parent_path().string() + ":$PATH";
  CHECK_THAT(linked("/nowhere"), Contains(exports));
  CHECK_FALSE(fs::exists(home / ".local"));  // a folder that nobody uses is not made
  CHECK_THAT(linked(link.parent_path()), Contains(link.string()));
  CHECK(fs::read_symlink(link) == program);
  fs::remove(link);
  fs::create_symlink("/elsewhere/build/cli/elbo", link);  // of another checkout
  CHECK_THAT(linked(link.parent_path()), Contains(link.string()));
  CHECK(fs::read_symlink(link) == program);
  fs::remove(link);
  fs::create_symlink("/elsewhere/tool", link);
  CHECK_THAT(linked(link.parent_path()), Contains(exports));
  CHECK(fs::read_symlink(link) == "/elsewhere/tool");
  fs::remove(link);
  write_file(link, "mine");
  CHECK_THAT(linked(link.parent_path()), Contains(exports));
  CHECK(read_file(link) == "mine");
}

TEST_CASE("what a model or a dataset refuses is named by its option", "[cli][options]") {
  TempDir dir;
  const std::string run = (dir / "run").string();
  const auto train = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"train", "--dataset", "shapes", "--count", "60", "--epochs", "1", "--out", run});
    return run_elbo(more);
  };
  check_refused(train({"--val-size", "60"}), {"elbo train: --val-size: expected fewer than the 60"});
  check_refused(train({"--latent", "99999999999"}), {"elbo train: --latent: expected"});
  check_refused(train({"--hidden", "99999999999"}), {"elbo train: --hidden: expected"});
  check_refused(train({"--pixels", "1,0"}), {"elbo train: --pixels: expected two numbers"});
  check_refused(train({"--pixels", "-1,1", "--allow-range-mismatch"}), {"--pixels: ", "needs --likelihood gaussian"});
  check_refused(train({"--device", "cpu", "--precision", "bf16"}), {"elbo train: --precision: the CPU"});
  check_refused(train({"--model", "conv-vae", "--channels", "2,2", "--decoder-channels", "2"}),
                {"elbo train: --decoder-channels: expected 2"});
  check_refused(train({"--model", "conv-vae", "--channels", "2,2,2,2,2,2,2,2"}), {"elbo train: --channels: 8"});
  check_refused(train({"--schedule", "step", "--lr-factor", "2"}),
                {"elbo train: --lr-factor: expected a number above 0 and at most 1, found 2"});
  check_refused(train({"--lr-warmup", "1"}),
                {"elbo train: --lr-warmup: expected fewer epochs than --epochs (1), found 1"});
  check_refused(train({"--drop-last", "--batch-size", "100"}),
                {"elbo train: --drop-last: expected at least one batch"});
  REQUIRE(train({"--hidden", "4", "--latent", "2"}).status == 0);
  const std::string out = (dir / "out.png").string();
  check_refused(run_elbo({"reconstruct", run, "--indices", "99999", "--out", out}),
                {"elbo reconstruct: --indices: expected 0 to", "found 99999"});
  check_refused(run_elbo({"interpolate", run, "--pictures", "0,99999", "--out", out}),
                {"elbo interpolate: --pictures: expected 0 to", "found 99999"});
  check_refused(run_elbo({"traverse", run, "--picture", "99999", "--out", out}),
                {"elbo traverse: --picture: expected 0 to", "found 99999"});
}

TEST_CASE("two dashes end the options", "[cli][options]") {
  check_refused(run_elbo({"eval", "--", "-dash"}), {"-dash: expected a run folder, found nothing"});
  check_refused(run_elbo({"eval", "--json", "--", "--json"}), {"--json: expected a run folder, found nothing"});
  check_refused(run_elbo({"eval", "--", "a", "-b"}), {"unexpected argument '-b'"});
}

TEST_CASE("elbo models lists the zoo, a model's settings, and the parts", "[cli][models]") {
  const Ended all = run_elbo({"models"});
  CHECK(all.status == 0);
  CHECK_THAT(all.out, Contains("\nconv-vae ") && Contains("\nvae ") && Contains("Kingma and Welling 2014"));
  const Ended one = run_elbo({"models", "beta-vae"});
  CHECK_THAT(one.out, Catch::StartsWith("beta-vae: ") && Contains("--objective elbo ") && Contains("--beta 4 ") &&
                          Contains("Weight of the KL divergence") && !Contains("--channels"));
  CHECK_THAT(run_elbo({"models", "--parts"}).out, Contains("--architecture\n") && Contains("--channels"));
  check_refused(run_elbo({"models", "vea"}), {"elbo models: model: expected one of ae, vae", "found 'vea'"});
  check_refused(run_elbo({"models", "vae", "--parts"}), {"--parts: not with model"});
  const auto json = nlohmann::json::parse(run_elbo({"models", "--json"}).out);
  CHECK(json.at("models").at(0).at("name") == "ae");
  CHECK(json.at("models").at(0).at("parts").at("posterior") == "point");
  CHECK(nlohmann::json::parse(run_elbo({"models", "--parts", "--json"}).out).at("parts").at("prior").size() > 0);
}

TEST_CASE("a model is what its preset says, and the options given in its place", "[cli][models]") {
  TempDir dir;
  const auto config = [&](const char* name, std::vector<std::string> more) {
    const std::string run = (dir / name).string();
    more.insert(more.begin(),
                {"train", "--dataset", "shapes", "--count", "60", "--epochs", "1", "--latent", "2", "--out", run});
    const Ended ended = run_elbo(more);
    INFO(ended.err);
    REQUIRE(ended.status == 0);
    return nlohmann::json::parse(read_file(dir / name / "config.json"));
  };
  const auto beta = config("a", {"--model", "beta-vae", "--hidden", "4"});
  CHECK(beta.at("train").at("beta") == 4);
  const auto other = config("b", {"--model", "beta-vae", "--beta", "2", "--hidden", "4", "--optimizer", "sgd",
                                  "--momentum", "0.5", "--lr", "1e-5", "--clip-norm", "1", "--ema", "0.9"});
  CHECK(other.at("train").at("beta") == 2);
  CHECK(other.at("train").at("optimizer") == "sgd");
  CHECK(other.at("train").at("ema") == 0.9);
  const auto conv = config("c", {"--architecture", "conv", "--labels", "--channels", "2,2,2"});
  CHECK(conv.at("model").at("name") == "vae");
  CHECK(conv.at("model").at("classes") == 3);
  CHECK(run_elbo({"sample", (dir / "c").string(), "--label", "heart"}).status == 0);
  const Ended again =
      run_elbo({"train", "--resume", "--architecture", "conv", "--epochs", "2", "--out", (dir / "c").string()});
  INFO(again.err);
  CHECK(again.status == 0);
}

TEST_CASE("what commands say of any model fits a terminal of 80 columns, and is true of it", "[cli][models]") {
  TempDir dir;
  const auto check_lines = [](const Ended& ended) {
    INFO(ended.err);
    CHECK(ended.status == 0);
    std::istringstream lines(ended.out);
    for (std::string line; std::getline(lines, line);) {
      INFO(line);
      CHECK(line.size() <= 80);
    }
  };
  check_lines(run_elbo({"models"}));
  check_lines(run_elbo({"models", "--parts"}));
  for (const char* model : {"ae", "vq-vae", "hvae", "beta-tc-vae", "vamp-vae"}) {
    INFO(model);
    check_lines(run_elbo({"models", model}));
    const std::string run = (dir / model).string();
    std::vector<std::string> train = {"train", "--model",  model, "--dataset", "shapes", "--count",
                                      "60",    "--epochs", "1",   "--out",     run,      "--json"};
    if (model == std::string("vq-vae"))
      train.insert(train.end(), {"--channels", "2,2", "--codebook", "8", "--code-channels", "2"});
    else
      train.insert(train.end(), {"--hidden", "4", "--latent", "2"});
    const Ended trained = run_elbo(train);
    CHECK(trained.status == 0);
    CHECK(trained.err.find("epoch") == std::string::npos);  // a file has no use for progress
    check_lines(run_elbo({"info", run}));
    const Ended scored = run_elbo({"score", run});
    check_lines(scored);
    const bool draws = model != std::string("ae") && model != std::string("vq-vae");
    CHECK((scored.out.find("negative ELBO") != std::string::npos) == draws);
    CHECK((scored.out.find("reconstruction") != std::string::npos));
    if (!draws) check_refused(run_elbo({"score", run, "--samples", "3"}), {"--samples: not for"});
    if (model != std::string("vq-vae")) check_lines(run_elbo({"sample", run}));
  }
  const auto json = [&](const char* model, std::vector<std::string> more) {
    more.insert(more.begin(), {"traverse", (dir / model).string(), "--json"});
    return nlohmann::json::parse(run_elbo(more).out);
  };
  CHECK(json("ae", {}).at("values_are") == "standard deviations");
  CHECK(json("vamp-vae", {"--steps", "3"}).at("values_are") == "standard deviations");
  CHECK(json("vamp-vae", {"--low", "-2"}).at("values_are") == "codes");
  CHECK(json("beta-tc-vae", {}).at("values_are") == "codes");
  CHECK_THAT(run_elbo({"info", (dir / "vq-vae").string()}).out, Contains("codebook") && Contains("  buffer\n"));
}
