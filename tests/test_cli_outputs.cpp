#include <sys/stat.h>

#include <thread>

#include "program.h"

namespace fs = std::filesystem;

namespace {

/// A small model, trained once for all of these tests.
const fs::path& trained() {
  static const TempDir dir;
  static const fs::path run = [] {
    const fs::path out = dir / "run";
    REQUIRE(run_elbo({"train", "--dataset", "shapes", "--count", "40", "--hidden", "8", "--latent", "2", "--epochs",
                      "1", "--val-size", "8", "--threads", "1", "--out", out.string()})
                .status == 0);
    return out;
  }();
  return run;
}

/// What a shell makes of it: "elbo" stands for the program.
Ended in_shell(const std::string& command) {
  TempDir dir;
  const std::string script = "elbo() { ELBO_CUDA_LIBRARY=none " + shell_quoted(ELBO_PROGRAM) + " \"$@\"; }\n" + command;
  const std::string line = "bash -c " + shell_quoted(script) + " >" + shell_quoted((dir / "out").string()) + " 2>" +
                           shell_quoted((dir / "err").string()) + " </dev/null";
  const int ended = std::system(line.c_str());
  return {WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended), read_file(dir / "out"),
          read_file(dir / "err")};
}

/// Each command that writes one file by an option, without that option's value.
std::vector<std::vector<std::string>> writers() {
  const std::string run = trained().string();
  return {{"sample", run, "--out"},
          {"reconstruct", run, "--out"},
          {"interpolate", run, "--out"},
          {"traverse", run, "--out"},
          {"manifold", run, "--out"},
          {"score", run, "--out"},
          {"embed", run, "--out"},
          {"embed", run, "--csv"},
          {"report", run, "--no-tsne", "--out"},
          {"data", "--dataset", "shapes", "--count", "40", "--preview"}};
}

std::vector<std::string> with(std::vector<std::string> args, const std::string& last) {
  args.push_back(last);
  return args;
}

std::string joined(const std::vector<std::string>& args) {
  std::string out = "elbo";
  for (const std::string& arg : args) out += " " + shell_quoted(arg);
  return out;
}

}  // namespace

TEST_CASE("a device, a pipe and a link as the file to write stay what they are", "[cli][outputs][unsanitized]") {
  TempDir dir;
  for (const std::vector<std::string>& command : writers()) {
    INFO(joined(command));
    check_refused(run_elbo(with(command, "/dev/full")), {"cannot write /dev/full: No space left on device (after 0 of"},
                  1);
    CHECK(fs::is_character_file("/dev/full"));
    CHECK_FALSE(fs::exists("/dev/full.csv"));
    CHECK(run_elbo(with(command, "/dev/null")).status == 0);
    CHECK(fs::is_character_file("/dev/null"));

    const fs::path plain = dir / "plain", real = dir / "real", link = dir / "link", fifo = dir / "fifo";
    CHECK(run_elbo(with(command, plain.string())).status == 0);
    write_file(real, "old");
    fs::create_symlink("real", link);
    CHECK(run_elbo(with(command, link.string())).status == 0);
    CHECK(fs::is_symlink(link));
    CHECK(read_file(real) == read_file(plain));
    REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
    std::string seen;
    std::thread reader([&] { seen = read_file(fifo); });
    CHECK(run_elbo(with(command, fifo.string())).status == 0);
    reader.join();
    CHECK(seen == read_file(plain));
    CHECK(fs::is_fifo(fifo));
    for (const fs::directory_entry& entry : fs::directory_iterator(dir.path())) fs::remove(entry);
  }
}

TEST_CASE("standard output as the file to write gets nothing else", "[cli][outputs][unsanitized]") {
  TempDir dir;
  const fs::path file = dir / "file";
  for (const std::vector<std::string>& command : writers()) {
    INFO(joined(command));
    REQUIRE(run_elbo(with(command, file.string())).status == 0);
    for (const char* name : {"-", "/dev/stdout", "/dev/fd/1"}) {
      const Ended ended = run_elbo(with(command, name));
      CHECK(ended.status == 0);
      CHECK(ended.out == read_file(file));
      CHECK(ended.err.empty());
    }
    for (const char* name : {"-", "/dev/stdout.csv", "/dev/fd/1.csv"}) CHECK_FALSE(fs::exists(name));
    check_refused(run_elbo(with(with(command, "-"), "--json")), {command.back() + " -: ", "--json"});
    // After what is there already, as the shell's >> has it.
    const Ended twice = in_shell(joined(with(command, "-")) + " >>" + shell_quoted(file.string()));
    CHECK(twice.status == 0);
    CHECK(read_file(file).size() == 2 * run_elbo(with(command, "-")).out.size());
  }
  check_refused(run_elbo({"embed", trained().string(), "--out", "-", "--csv", "-"}), {"--csv"});
  check_refused(run_elbo({"train", "--dataset", "shapes", "--count", "40", "--out", "-"}), {"--out -: ", "folder"});
}

TEST_CASE("standard output that cannot be written is a fault that is said", "[cli][outputs][unsanitized]") {
  const std::string run = trained().string();
  const std::vector<std::string> commands = {"elbo --help",
                                             "elbo --version",
                                             "elbo train --help",
                                             "elbo eval " + run,
                                             "elbo eval --json " + run,
                                             "elbo info " + run,
                                             "elbo info --json " + run,
                                             "elbo data",
                                             "elbo data --json",
                                             "elbo doctor",
                                             "elbo doctor --json",
                                             "elbo score " + run + " --out -",
                                             "elbo sample " + run + " --out /dev/null"};
  for (const std::string& command : commands) {
    INFO(command);
    check_refused(in_shell(command + " >/dev/full"), {"No space left on device"}, 1);
    check_refused(in_shell(command + " >&-"), {command.ends_with("--out -") ? "Bad file descriptor" : "it is closed"},
                  1);
    const Ended pipe = in_shell(command + " | true; exit ${PIPESTATUS[0]}");
    CHECK((pipe.status == 141 || pipe.status == 0));  // 0 where it was written before the pipe closed
    CHECK(pipe.err.empty());
    // Waits until nobody can read any more. A shell that ignores the signal hands that down.
    for (const char* before : {"", "trap '' PIPE; "}) {
      const Ended closed =
          in_shell(std::string(before) + "{ sleep 0.2; " + command + "; } | true; exit ${PIPESTATUS[0]}");
      CHECK(closed.status == 141);
      CHECK(closed.err.empty());
    }
  }
}

TEST_CASE("a training whose output cannot be written is kept; a closed pipe ends it", "[cli][outputs][unsanitized]") {
  TempDir dir;
  const std::string train =
      "elbo train --dataset shapes --count 40 --hidden 8 --latent 2 --epochs 3 --val-size 8 --out ";
  const std::string full = (dir / "full").string(), closed = (dir / "closed").string(), pipe = (dir / "pipe").string();
  check_refused(in_shell(train + full + " >/dev/full"), {"No space left on device"}, 1);
  check_refused(in_shell(train + closed + " >&-"), {"it is closed"}, 1);
  for (const std::string& run : {full, closed}) {
    const Ended ended = run_elbo({"eval", run});
    CHECK(ended.status == 0);
    // What was printed went into no file.
    CHECK(std::count_if(fs::directory_iterator(run), {}, [](const auto&) { return true; }) == 7);
  }
  CHECK(read_file(fs::path(full) / "history.jsonl").find("\"epoch\":3") != std::string::npos);
  const Ended ended = in_shell("{ sleep 0.2; " + train + pipe + "; } | true; exit ${PIPESTATUS[0]}");
  CHECK(ended.status == 141);
  CHECK(ended.err.empty());
  const Ended resumed = run_elbo({"train", "--resume", "--out", pipe});
  INFO(resumed.err);
  CHECK((resumed.status == 0 || !fs::exists(fs::path(pipe) / "config.json")));
}

TEST_CASE("pictures that cannot be drawn are no fault of a training", "[cli][outputs]") {
  TempDir dir;
  const fs::path run = dir / "run";
  const std::vector<std::string> train = {"train",    "--dataset",  "shapes",   "--count", "40",
                                          "--hidden", "8",          "--latent", "2",       "--epochs",
                                          "1",        "--val-size", "8",        "--out",   run.string()};
  REQUIRE(run_elbo(train).status == 0);
  fs::remove(run / "loss.svg");
  fs::create_directories(run / "loss.svg" / "in the way");
  const Ended ended = run_elbo({"train", "--resume", "--epochs", "2", "--out", run.string()});
  INFO(ended.err);
  CHECK(ended.status == 0);
  CHECK_THAT(ended.err, Catch::Contains("elbo train: note: ") && Catch::Contains("loss.svg: Is a directory"));
  CHECK_THAT(ended.out, Catch::Contains("samples.png") && !Catch::Contains("loss.svg"));
}

TEST_CASE("a file larger than the shell allows is an error that leaves the old one", "[cli][outputs]") {
  TempDir dir;
  const fs::path file = dir / "scores.csv";
  write_file(file, "old");
  check_refused(in_shell("ulimit -f 1; elbo score " + trained().string() + " --out " + file.string()),
                {"cannot write " + file.string() + ": File too large (after 1024 of "}, 1);
  CHECK(read_file(file) == "old");
}

namespace {

/// The bytes of all files below a folder.
std::vector<std::pair<std::string, std::string>> contents(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) out.emplace_back(entry.path().string(), read_file(entry.path()));
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("no command writes over the files of a run or over what it reads", "[cli][outputs]") {
  TempDir dir;
  const fs::path run = dir / "run", other = dir / "other", data = dir / "data";
  fs::copy(trained(), run, fs::copy_options::recursive);
  fs::copy(trained(), other, fs::copy_options::recursive);
  for (const char* name : {"train/a/1.png", "train/a/2.png", "train/b/3.png", "test/a/4.png"}) {
    fs::create_directories((data / name).parent_path());
    REQUIRE(
        run_elbo({"sample", run.string(), "--rows", "1", "--columns", "1", "--out", (data / name).string()}).status ==
        0);
  }
  const fs::path input = dir / "in.png", named = dir / "named", hard = dir / "hard";
  fs::copy(data / "train/a/1.png", input);
  fs::create_symlink(run / "model.safetensors", named);
  fs::create_hard_link(run / "history.jsonl", hard);
  const auto before = contents(dir.path());
  for (std::vector<std::string> command : writers()) {
    INFO(joined(command));
    const std::string option = command.back();
    if (command[0] != "data") command[1] = run.string();
    std::vector<fs::path> files = {run / "config.json",
                                   run / "history.jsonl",
                                   run / "model.safetensors",
                                   run / "lock",
                                   run / "checkpoint" / "new",
                                   run / "../run/checkpoint/.." / "config.json",
                                   named,
                                   other / "model.safetensors"};
    for (const fs::directory_entry& entry : fs::directory_iterator(run / "checkpoint")) files.push_back(entry.path());
    if (command[0] != "data") files.push_back(hard);
    for (const fs::path& file : files)
      check_refused(run_elbo(with(command, file.string())), {option + " " + file.string() + ": ", "of the run"});
  }
  for (const char* command : {"reconstruct", "score"}) {
    fs::create_symlink("in.png", dir / "link.png");
    for (const char* name : {"in.png", "link.png"})
      check_refused(run_elbo({command, run.string(), "--input", input.string(), "--out", (dir / name).string()}),
                    {"--out ", name, "--input"});
    fs::remove(dir / "link.png");
  }
  for (const char* name : {"train/a/1.png", "test/a/4.png"}) {
    check_refused(run_elbo({"data", "--dataset", "folder", "--data", data.string(), "--size", "8", "--preview",
                            (data / name).string()}),
                  {"--preview ", name, "dataset"});
  }
  CHECK(contents(dir.path()) == before);
  // What training itself draws may be drawn anew, and a new file may lie in the run folder.
  CHECK(run_elbo({"sample", run.string(), "--out", (run / "samples.png").string()}).status == 0);
  CHECK(run_elbo({"embed", run.string(), "--out", (run / "config.svg").string()}).status == 0);
  // The pictures that a run was trained on are its own too.
  const fs::path own = dir / "own";
  REQUIRE(run_elbo({"train", "--dataset", "folder", "--data", data.string(), "--size", "8", "--hidden", "4", "--latent",
                    "2", "--epochs", "1", "--val-size", "0", "--out", own.string()})
              .status == 0);
  check_refused(run_elbo({"sample", own.string(), "--out", (data / "train/b/3.png").string()}),
                {"--out ", "3.png", "dataset"});
  check_refused(run_elbo({"score", own.string(), "--odd-dataset", "folder", "--odd-data", data.string(), "--out",
                          (data / "train/b/3.png").string()}),
                {"--out ", "3.png", "dataset"});
  // A table among the pictures is none of them, and may be written again.
  for (int i = 0; i < 2; ++i)
    CHECK(run_elbo({"score", own.string(), "--out", (data / "scores.csv").string()}).status == 0);
}

TEST_CASE("names on standard output are one line of text", "[cli][outputs]") {
  TempDir dir;
  const std::string odd = "a\nb\x1b[31m", shown = "a\\x0ab\\x1b[31m";
  const fs::path data = dir / ("data" + odd), run = dir / ("run" + odd);
  for (const char* name : {"train/1.png", "train/2.png", "train/3.png", "test/1.png", "test/2.png"}) {
    const fs::path file = data / fs::path(name).parent_path() / odd / fs::path(name).filename();
    fs::create_directories(file.parent_path());
    REQUIRE(run_elbo({"sample", trained().string(), "--rows", "1", "--columns", "1", "--out", file.string()}).status ==
            0);
  }
  const auto check_text = [&](const std::vector<std::string>& args) {
    INFO(joined(args));
    const Ended ended = run_elbo(args);
    INFO(ended.err);
    CHECK(ended.status == 0);
    CHECK_THAT(ended.out, Catch::Contains(shown));
    CHECK_THAT(ended.out, !Catch::Contains("\x1b") && !Catch::Contains("a\nb"));
  };
  const std::string picture = (data / "test" / odd / "1.png").string();
  check_text({"train", "--dataset", "folder", "--data", data.string(), "--size", "8", "--hidden", "4", "--latent", "2",
              "--model", "cvae", "--epochs", "1", "--val-size", "0", "--out", run.string()});
  check_text({"info", run.string()});
  check_text({"data", "--dataset", "folder", "--data", data.string(), "--size", "8", "--preview",
              (dir / (odd + ".png")).string()});
  check_text({"sample", run.string(), "--label", "0"});
  check_text({"reconstruct", run.string()});
  check_text({"reconstruct", run.string(), "--input", picture, "--label", "0"});
  check_text({"interpolate", run.string(), "--pictures", "0,1"});
  check_text({"traverse", run.string()});
  check_text({"manifold", run.string(), "--label", "0"});
  check_text({"embed", run.string()});
  check_text({"score", run.string()});
  check_text({"score", run.string(), "--input", picture, "--label", "0"});
  check_text({"report", run.string(), "--no-tsne"});
}

TEST_CASE("two outputs of a command are two files", "[cli][outputs]") {
  TempDir dir;
  const std::string run = trained().string();
  const fs::path z = dir / "z";
  fs::create_directory_symlink(dir.path(), dir / "same");
  fs::create_symlink("z", dir / "link");  // nothing there yet
  for (const fs::path& csv : {z, dir.path() / "." / "z", dir / "same/z", dir / "link"}) {
    INFO(csv);
    check_refused(run_elbo({"embed", run, "--out", z.string(), "--csv", csv.string()}),
                  {"--csv " + csv.string(), "--out " + z.string()});
    CHECK_FALSE(fs::exists(z));
  }
  write_file(z, "old");
  fs::create_hard_link(z, dir / "hard");
  check_refused(run_elbo({"embed", run, "--out", z.string(), "--csv", (dir / "hard").string()}), {"--csv ", "--out "});
  CHECK(read_file(z) == "old");
}

TEST_CASE("a file name that promises another format is refused", "[cli][outputs]") {
  TempDir dir;
  for (const std::vector<std::string>& command : writers()) {
    const bool svg = command[0] == "embed" && command.back() == "--out", csv = command.back() == "--csv";
    const bool html = command[0] == "report", table = csv || command[0] == "score";
    const std::string own = svg ? ".svg" : html ? ".html" : table ? ".csv" : ".png";
    for (const char* ending :
         {".png", ".svg", ".html", ".csv", ".JPG", ".jpeg", ".gif", ".webp", ".bmp", ".tiff", ".pdf", ".json"}) {
      if (own == ending) continue;
      const fs::path file = dir / (std::string("file") + ending);
      INFO(joined(with(command, file.string())));
      check_refused(run_elbo(with(command, file.string())), {command.back() + " " + file.string(), own, ending});
    }
  }
  CHECK(fs::is_empty(dir.path()));
  for (const char* name : {"plain", "a.b", "A.PNG", ".png"})
    CHECK(run_elbo({"sample", trained().string(), "--out", (dir / name).string()}).status == 0);
}
