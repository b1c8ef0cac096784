// The program as a user meets it: what it writes, and what it says of bad input. Bad input ends in one line on standard
// error, exit status 2, and nothing left behind.
#include <elbo/core/parallel_for.h>
#include <elbo/datasets/idx.h>
#include <elbo/models/training/run.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "catch.h"
#include "program.h"
#include "small_data.h"

using namespace elbo;
namespace fs = std::filesystem;

namespace {

/// The labels in turn.
void write_pair(const fs::path& dir, const std::string& prefix, std::int64_t count,
                const std::vector<std::uint8_t>& turn = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
  datasets::Dataset data = bars(count, 12);
  std::vector<std::uint8_t> labels;
  for (std::int64_t i = 0; i < count; ++i) labels.push_back(turn[static_cast<std::size_t>(i) % turn.size()]);
  datasets::write_idx<std::uint8_t>(dir / (prefix + "-images-idx3-ubyte"), {count, 12, 12}, data.pictures());
  datasets::write_idx<std::uint8_t>(dir / (prefix + "-labels-idx1-ubyte"), {count}, labels);
}

/// A small dataset under MNIST's names, and a place for runs.
struct Place {
  TempDir dir;
  Place() {
    fs::create_directories(data());
    write_pair(data(), "train", 300);
    write_pair(data(), "t10k", 70);
  }
  fs::path data() const { return dir / "data"; }
  fs::path run() const { return dir / "runs/one"; }
  /// The options of a short training, with `more` behind them or in their place.
  std::vector<std::string> train(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args = {
        "train",    "--dataset", "mnist",    "--data", data().string(), "--out", run().string(), "--hidden", "16",
        "--latent", "4",         "--epochs", "2",      "--batch-size",  "32",    "--threads",    "1"};
    for (const std::string& word : more) {
      auto same = std::find(args.begin() + 1, args.end(), word);
      if (word.starts_with("--") && same != args.end()) args.erase(same, same + 2);
    }
    args.insert(args.end(), more.begin(), more.end());
    // Which has no hidden layers.
    if (std::find(args.begin(), args.end(), "conv-vae") != args.end())
      if (auto hidden = std::find(args.begin(), args.end(), "--hidden"); hidden != args.end())
        args.erase(hidden, hidden + 2);
    return args;
  }
};

}  // namespace

TEST_CASE("elbo train leaves a whole run folder, and elbo eval measures it") {
  Place place;
  Ended ended = run_elbo(place.train());
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  CHECK(ended.err.empty());
  CHECK_THAT(ended.out, Catch::Contains(place.run().string()));
  for (const char* name : {"config.json", "history.jsonl", "model.safetensors", "samples.png", "reconstructions.png",
                           "loss.svg", "checkpoint/state.safetensors"}) {
    INFO(name);
    CHECK(fs::file_size(place.run() / name) > 0);
  }
  CHECK(std::distance(fs::directory_iterator(place.run()), {}) == 7);  // no temporary file is left

  auto history = models::Run::open(place.run()).history();
  REQUIRE(history.size() == 2);
  CHECK(history[1].train.loss < history[0].train.loss);

  Ended eval = run_elbo({"eval", place.run().string(), "--split", "test", "--json"});
  REQUIRE(eval.status == 0);
  auto json = nlohmann::json::parse(eval.out);
  CHECK(json.at("split") == "test");
  CHECK(json.at("count") == 70);
  CHECK(json.at("loss").get<double>() == Approx(json.at("reconstruction").get<double>() + json.at("kl").get<double>()));
  CHECK(json.at("mse").get<double>() > 0);
  CHECK(json.at("active_units").get<int>() <= 4);
  CHECK(std::count(eval.out.begin(), eval.out.end(), '\n') == 1);
}

TEST_CASE("a training says in lines of 80 columns what is trained and how") {
  Place place;
  const Ended ended = run_elbo(place.train({"--schedule", "cosine", "--warmup", "1", "--binarize"}));
  INFO(ended.out << ended.err);
  REQUIRE(ended.status == 0);
  std::istringstream lines(ended.out.substr(0, ended.out.find("\n\n")));
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 80);
  CHECK_THAT(ended.out, Catch::Contains("along a cosine") && Catch::Contains("drawn anew each"));
}

TEST_CASE("a training killed by the system goes on to the same bits", "[bits]") {
  Place place;
  auto with_out = [&](const fs::path& out, std::vector<std::string> more) {
    more.insert(more.end(), {"--epochs", "300", "--out", out.string()});
    std::vector<std::string> args = {"train",    "--dataset", "mnist",    "--data", place.data().string(),
                                     "--hidden", "64",        "--latent", "4",      "--batch-size",
                                     "16",       "--threads", "1"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  };
  REQUIRE(run_elbo(with_out(place.dir / "whole", {})).status == 0);
  Ended killed = run_elbo(with_out(place.dir / "killed", {}), "timeout -s KILL 0.2");
  INFO(killed.err);
  if (killed.status == 0) WARN("the training ended before it could be killed");
  for (int i = 0; i < 3; ++i) {
    if (fs::exists(place.dir / "killed/config.json"))
      run_elbo(with_out(place.dir / "killed", {"--resume"}), "timeout -s KILL 0.15");
  }
  Ended resumed = run_elbo(with_out(place.dir / "killed", {"--resume"}));
  INFO(resumed.err);
  REQUIRE(resumed.status == 0);
  for (const char* name : {"model.safetensors", "checkpoint/state.safetensors", "samples.png"})
    CHECK((read_file(place.dir / "killed" / name) == read_file(place.dir / "whole" / name)));
}

TEST_CASE("options that make no sense are refused by name") {
  Place place;
  struct Case {
    std::vector<std::string> options, words;
  };
  std::vector<Case> cases = {
      {{"--batch-size", "0"}, {"--batch-size", "at least 1", "found 0"}},
      {{"--batch-size", "-3"}, {"--batch-size", "found -3"}},
      {{"--threads", "0"}, {"--threads", "from 1", "found 0"}},
      {{"--latent", "0"}, {"--latent", "at least 1", "found 0"}},
      {{"--hidden", "16,0"}, {"--hidden", "at least 1", "found 0"}},
      {{"--lr", "nan"}, {"--lr", "above 0", "found nan"}},
      {{"--lr", "-1"}, {"--lr", "above 0", "found -1"}},
      {{"--lr", "fast"}, {"--lr", "a number", "found fast"}},
      {{"--epochs", "2.5"}, {"--epochs", "whole number", "found 2.5"}},
      {{"--val-size", "300"}, {"300"}},
      {{"--val-size", "5000"}, {"5000", "300"}},
      {{"--val-size", "-1"}, {"--val-size", "found -1"}},
      {{"--model", "gan"}, {"--model", "vae", "gan"}},
      {{"--dataset", "imagenet"}, {"--dataset", "imagenet"}},
      {{"--device", "tpu"}, {"tpu", "cpu"}},
      {{"--beta", "-1"}, {"--beta", "found -1"}},
      {{"--bogus", "3"}, {"--bogus", "unknown option"}},
      {{"stray"}, {"stray"}},
  };
  for (const Case& c : cases) {
    INFO(c.options[0] << " " << c.options.back());
    auto args = place.train();
    // An option given once only: the case's value takes the place of the default one.
    auto found = std::find(args.begin(), args.end(), c.options[0]);
    if (found != args.end()) {
      *(found + 1) = c.options[1];
    } else {
      args.insert(args.end(), c.options.begin(), c.options.end());
    }
    check_refused(run_elbo(args), c.words);
    CHECK_FALSE(fs::exists(place.dir / "runs"));
  }
  check_refused(run_elbo({}), {"elbo"});
  check_refused(run_elbo({"fly"}), {"fly"});
  check_refused(run_elbo({"train"}), {"--out"});
  check_refused(run_elbo({"eval"}), {"run"});
}

TEST_CASE("data files that are not what they should be are refused by name") {
  Place place;
  const std::string images = "train-images-idx3-ubyte", labels = "train-labels-idx1-ubyte";
  std::string good_images = read_file(place.data() / images), good_labels = read_file(place.data() / labels);
  auto refused = [&](const std::string& name, const std::string& content, const std::vector<std::string>& words) {
    write_file(place.data() / name, content);
    check_refused(run_elbo(place.train()), words);
    CHECK_FALSE(fs::exists(place.dir / "runs"));
    write_file(place.data() / images, good_images);
    write_file(place.data() / labels, good_labels);
  };
  refused(images, "", {images, "empty"});
  refused(images, good_images.substr(0, good_images.size() / 2), {images});
  refused(images, good_images.substr(0, 7), {images});
  refused(images, good_images + "more", {images});
  refused(images, "\x01\x02" + good_images.substr(2), {images});
  refused(images, "<!DOCTYPE html><html><body>404</body></html>", {images, "HTML"});
  refused(images, good_labels, {images});
  refused(labels, good_images, {labels});
  refused(images, std::string("\0\0\x08\x03\x80\0\0\0\0\0\0\x0c\0\0\0\x0c", 16) + "few", {images});
  write_pair(place.dir.path(), "other", 299);
  refused(labels, read_file(place.dir / "other-labels-idx1-ubyte"), {"299", "300"});
  fs::remove(place.data() / images);
  check_refused(run_elbo(place.train()), {images});
  CHECK_FALSE(fs::exists(place.dir / "runs"));
  auto args = place.train();
  args[4] = (place.dir / "nowhere").string();
  check_refused(run_elbo(args), {"nowhere"});
}

TEST_CASE("run folders that cannot be are refused and left as they were") {
  Place place;
  write_file(place.dir / "file", "mine");
  auto args = place.train();
  args[6] = (place.dir / "file").string();
  check_refused(run_elbo(args), {"file", "expected a new folder", "found a file"});
  CHECK(read_file(place.dir / "file") == "mine");
  args[6] = (place.dir / "file/run").string();
  check_refused(run_elbo(args), {(place.dir / "file").string(), "File exists"});
  args[6] = place.data().string();
  check_refused(run_elbo(args), {"data", "new or empty"});
  args[6] = "/proc/elbo-run";
  check_refused(run_elbo(args), {"/proc/elbo-run"});
  check_refused(run_elbo(place.train({"--resume"})), {"runs/one", "expected a run folder"});
  check_refused(run_elbo({"eval", (place.dir / "none").string()}), {"none", "expected a run folder", "found nothing"});
  CHECK_FALSE(fs::exists(place.dir / "runs"));
}

TEST_CASE("help shows an example and doctor names the CPU variant") {
  for (const char* command : {"train", "eval", "doctor"}) {
    Ended ended = run_elbo({command, "--help"});
    CHECK(ended.status == 0);
    CHECK_THAT(ended.out, Catch::Contains("Example:"));
  }
  Ended doctor = run_elbo({"doctor"});
  CHECK(doctor.status == 0);
  CHECK_THAT(doctor.out, Catch::Contains("CPU kernels") && Catch::Contains("threading"));
  const auto json = nlohmann::json::parse(run_elbo({"doctor", "--json"}).out);
  CHECK(json.at("cpu_kernels").is_string());
  CHECK(json.at("threading") == (threading() == Threading::own ? "own" : "openmp"));
  CHECK(run_elbo({"--version"}).out.starts_with("elbo 0."));
}

TEST_CASE("every model of the zoo trains from the command line, and train --json prints one object") {
  Place place;
  for (const char* kind : {"ae", "vae", "cvae", "conv-vae"}) {
    INFO(kind);
    std::vector<std::string> options = {"--model", kind, "--drop-last", "--json", "--out", (place.dir / kind).string()};
    if (std::string(kind) == "conv-vae") options.insert(options.end(), {"--channels", "3,4"});
    if (std::string(kind) != "ae") options.insert(options.end(), {"--warmup", "1"});
    Ended ended = run_elbo(place.train(options));
    INFO(ended.err);
    REQUIRE(ended.status == 0);
    auto json = nlohmann::json::parse(ended.out);
    CHECK(json.at("epochs") == 2);
    CHECK(json.at("train").at("loss").get<double>() > 0);
    CHECK((json.at("train").at("kl").get<double>() > 0) == (std::string(kind) != "ae"));
    CHECK(json.at("val").is_object());
    CHECK(std::count(ended.out.begin(), ended.out.end(), '\n') == 1);
    Ended eval = run_elbo({"eval", (place.dir / kind).string()});
    INFO(eval.err);
    CHECK(eval.status == 0);
  }
}

TEST_CASE("a model that does not fit its options or its pictures is refused before anything is written") {
  Place place;
  struct Case {
    std::vector<std::string> options, words;
  };
  std::vector<Case> cases = {
      {{"--model", "gan"}, {"--model", "gan", "conv-vae"}},
      {{"--model", "conv-vae", "--channels", "3,4,5"}, {"3 convolutions", "12 x 12"}},
      {{"--model", "conv-vae", "--channels", "3", "--decoder-channels", "4,5"}, {"expected 1", "found 2"}},
      {{"--model", "conv-vae", "--kernel", "5"}, {"--kernel", "5"}},
      {{"--warmup", "-1"}, {"--warmup", "found -1"}},
      {{"--likelihood", "gaussian", "--pixels", "-1,1"}, {"[-1, 1]", "--allow-range-mismatch"}},
      {{"--pixels", "-1,1", "--allow-range-mismatch"}, {"bernoulli", "[-1, 1]"}},
      {{"--pixels", "1"}, {"--pixels"}},
      {{"--dataset", "imagenet"}, {"--dataset", "imagenet", "cifar10"}}};
  for (const Case& one : cases) {
    check_refused(run_elbo(place.train(one.options)), one.words);
    CHECK_FALSE(fs::exists(place.run()));
  }
  fs::remove(place.data() / "train-labels-idx1-ubyte");
  fs::remove(place.data() / "t10k-labels-idx1-ubyte");
  fs::rename(place.data(), place.dir / "unlabelled");
  check_refused(
      run_elbo(place.train({"--model", "cvae", "--dataset", "idx", "--data", (place.dir / "unlabelled").string()})),
      {"cvae", "labels", "found none"});
  CHECK_FALSE(fs::exists(place.run()));
}

TEST_CASE("a run that is over goes on for more epochs, as if it had been asked for them at once") {
  Place place;
  REQUIRE(run_elbo(place.train({"--epochs", "4", "--out", (place.dir / "whole").string()})).status == 0);
  REQUIRE(run_elbo(place.train()).status == 0);
  Ended more = run_elbo({"train", "--resume", "--epochs", "4", "--out", place.run().string()});
  INFO(more.err);
  REQUIRE(more.status == 0);
  models::RunConfig config = models::Run::open(place.run()).config();
  CHECK(config.train.epochs == 4);
  REQUIRE(config.stretches.size() == 2);
  CHECK(config.stretches[1].from_epoch == 3);
  config.stretches.clear();
  CHECK(config.to_json() == models::Run::open(place.dir / "whole").config().to_json());
  for (const char* name : {"model.safetensors", "checkpoint/state.safetensors"})
    CHECK((read_file(place.run() / name) == read_file(place.dir / "whole" / name)));
}

TEST_CASE("a model that takes labels is trained on pictures of each class, whatever the dataset", "[cli][classes]") {
  Place place;
  write_pair(place.data(), "train", 40, {0, 5});
  write_pair(place.data(), "t10k", 20, {0, 5});
  const std::vector<std::string> idx = {"--model", "cvae", "--dataset", "idx"};
  check_refused(run_elbo(place.train(idx)), {"--model cvae: expected pictures to train on of each class",
                                             "found none of 1, 2, 3, 4 among 36", "labels without gaps"});
  check_refused(run_elbo(place.train({"--model", "cvae"})), {"found none of '1', '2', '3', '4', '6'"});
  check_refused(run_elbo({"train", "--dataset", "shapes", "--count", "2", "--val-size", "0", "--model", "cvae",
                          "--epochs", "1", "--out", place.run().string()}),
                {"--model cvae", "found none of '", "among 2: try"});
  CHECK_FALSE(fs::exists(place.run()));
  CHECK(run_elbo(place.train({"--dataset", "idx"})).status == 0);  // it takes no labels
  fs::remove_all(place.run());
  write_pair(place.data(), "train", 40, {0, 1});
  write_pair(place.data(), "t10k", 20, {0, 1});
  CHECK(run_elbo(place.train(idx)).status == 0);
}

TEST_CASE("pictures to test of a class that is not trained on are left out of a run's figures and named",
          "[cli][classes]") {
  Place place;
  write_pair(place.data(), "train", 40, {0, 1});
  write_pair(place.data(), "t10k", 30, {0, 1, 2});
  const std::vector<std::string> idx = {"--model", "cvae", "--dataset", "idx"};
  const auto check_drawn = [&](const std::vector<std::string>& words) {
    fs::remove_all(place.run());
    const Ended ended = run_elbo(place.train(idx));
    INFO(ended.err);
    CHECK(ended.status == 0);
    for (const std::string& word : words) CHECK_THAT(ended.err, Catch::Contains(word));
    for (const char* word : {"one_hot", "not all pictures"}) CHECK_THAT(ended.err, !Catch::Contains(word));
    for (const char* name : {"samples.png", "reconstructions.png", "loss.svg"}) CHECK(fs::exists(place.run() / name));
  };
  check_drawn({"note: " + place.data().string() +
                   ": 10 of 30 pictures to test are of classes that the model is not trained on, such as 2:",
               "figures of the run leave them out", "train on pictures of their classes"});
  check_refused(run_elbo({"eval", place.run().string()}),
                {place.data().string() + ": the model " + place.run().string() +
                 " knows the classes 0 to 1, found "
                 "pictures of another, 2: take them out, or train a model on pictures of that class too"});
  write_pair(place.data(), "t10k", 30, {2, 3});
  check_drawn({"30 of 30 pictures to test", "pictures to train on stand in for pictures to test"});
  fs::remove(place.data() / "t10k-labels-idx1-ubyte");
  check_drawn({"the pictures to test have no labels", "pictures to train on stand in for pictures to test"});
}

TEST_CASE("a file that is passed over for its like is named once", "[cli][classes]") {
  Place place;
  const fs::path plain = place.data() / "t10k-images-idx3-ubyte";
  fs::copy_file(plain, plain.string() + ".gz");
  const std::string note =
      plain.string() + ": this file is read, and not " + plain.string() + ".gz, which is there too";
  const auto once = [&](const Ended& ended) {
    INFO(ended.err);
    CHECK(ended.status == 0);
    CHECK(ended.err.find(note) != std::string::npos);
    CHECK(ended.err.find(note) == ended.err.rfind(note));
  };
  once(run_elbo(place.train()));
  once(run_elbo({"eval", place.run().string()}));
  once(run_elbo({"data", "--dataset", "mnist", "--data", place.data().string()}));
}
