// The commands that draw pictures of trained models, as a user meets them. Bad input ends in one line on standard
// error, exit status 2, and no file.
#include <elbo/datasets/idx.h>
#include <elbo/models/training/trained.h>
#include <elbo/models/training/trainer.h>
#include <elbo/viz/image.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "catch.h"
#include "program.h"
#include "small_data.h"

using namespace elbo;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

void write_half(const fs::path& dir, const std::string& prefix, std::int64_t count, std::int64_t size, bool labelled) {
  datasets::Dataset data = bars(count, size);
  std::vector<std::uint8_t> labels(data.labels.begin(), data.labels.end());
  // Each class is trained on.
  for (std::size_t i = 0; prefix == "train" && i < labels.size(); ++i) labels[i] = static_cast<std::uint8_t>(i % 10);
  datasets::write_idx<std::uint8_t>(dir / (prefix + "-images-idx3-ubyte"), {count, size, size}, data.pictures());
  if (labelled) datasets::write_idx<std::uint8_t>(dir / (prefix + "-labels-idx1-ubyte"), {count}, labels);
}

/// A trained model of each kind, made once for all tests of this file.
class Runs {
 public:
  Runs() {
    make_data("fashion-mnist", 12, true);
    make_data("large", 16, true);
    make_data("bare", 12, false);
    for (const char* model : {"vae", "ae", "cvae", "conv-vae"}) train(model, model, 3);
    train("two", "vae", 2);
    train("two-labels", "cvae", 2);
    train("other", "vae", 5);
    train("large", "vae", 3, "large");
    train("bare", "vae", 3, "bare");
    fs::create_directories(dir_ / "again");
    fs::copy(dir_ / "vae", dir_ / "again/vae", fs::copy_options::recursive);
  }
  std::string operator[](const std::string& name) const { return (dir_ / name).string(); }

 private:
  fs::path data(const std::string& name) const { return dir_ / ("data-" + name); }
  void make_data(const std::string& name, std::int64_t size, bool labelled) {
    fs::create_directories(data(name));
    write_half(data(name), "train", 60, size, labelled);
    write_half(data(name), "t10k", 20, size, labelled);
  }
  void train(const std::string& name, const std::string& model, std::int64_t latent,
             const std::string& dataset = "fashion-mnist") {
    models::RunConfig config;
    config.model.model = model;
    config.model.hidden = {8};
    config.model.channels = {4, 8};
    config.model.latent = latent;
    config.train = {.epochs = 1, .batch_size = 20, .val_size = 0};
    config.data.dataset = dataset == "fashion-mnist" ? dataset : "idx";
    config.data.dir = data(dataset);
    models::train(dir_ / name, config, models::load_data(config.data, datasets::Split::train));
  }

  TempDir dir_;
};

const Runs& runs() {
  static const Runs all;
  return all;
}

/// Width and height in the header of a PNG file.
std::pair<std::int64_t, std::int64_t> png_size(const fs::path& file) {
  std::string bytes = read_file(file);
  REQUIRE(bytes.substr(1, 3) == "PNG");
  auto number = [&](std::size_t at) {
    std::int64_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value * 256 + static_cast<std::uint8_t>(bytes[at + i]);
    return value;
  };
  return {number(16), number(20)};
}

/// Runs a command that must succeed, with `--out` and `--json`, and checks what it says of the file.
nlohmann::json drawn(std::vector<std::string> args) {
  TempDir dir;
  fs::path file = dir / "picture.png";
  args.insert(args.end(), {"--out", file.string(), "--json"});
  Ended ended = run_elbo(args);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  CHECK(ended.err.empty());
  CHECK(std::count(ended.out.begin(), ended.out.end(), '\n') == 1);
  auto json = nlohmann::json::parse(ended.out);
  CHECK(json.at("file") == file.string());
  CHECK(png_size(file) == std::pair<std::int64_t, std::int64_t>(json.at("width"), json.at("height")));
  CHECK(std::distance(fs::directory_iterator(dir.path()), {}) == 1);
  return json;
}

/// The bytes of the picture that a command draws.
std::string picture_of(std::vector<std::string> args) {
  TempDir dir;
  fs::path file = dir / "picture.png";
  args.insert(args.end(), {"--out", file.string()});
  Ended ended = run_elbo(args);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  return read_file(file);
}

void check_refused(std::vector<std::string> args, const std::vector<std::string>& words) {
  TempDir dir;
  args.insert(args.end(), {"--out", (dir / "picture.png").string()});
  std::string line;
  for (const std::string& arg : args) line += arg + " ";
  INFO(line);
  Ended ended = run_elbo(args);
  INFO(ended.err);
  CHECK(ended.status == 2);
  CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
  CHECK(ended.out.empty());
  CHECK(fs::is_empty(dir.path()));
  for (const std::string& word : words) CHECK_THAT(ended.err, Contains(word));
}

using Indices = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("picture commands write into the first run's folder and say what one sees", "[cli]") {
  TempDir dir;
  fs::path copy = dir / "mine", plane = dir / "plane";
  fs::copy(runs()["vae"], copy, fs::copy_options::recursive);
  fs::copy(runs()["two"], plane, fs::copy_options::recursive);
  struct Case {
    std::string command, file;
    fs::path run;
    std::vector<std::string> words;
  };
  for (const Case& c : std::vector<Case>{
           {"sample", "samples.png", copy, {"8 x 12 samples of mine", "N(0, 1)", "seed 0"}},
           {"reconstruct", "reconstructions.png", copy, {"20 test pictures", "mine: mean squared error 0."}},
           {"interpolate", "interpolation.png", copy, {"10 steps of mine", "Trouser", "T-shirt/top"}},
           {"traverse", "traversal.png", copy, {"mine", "0, 1, 2", "test picture 0", "10 values from -3 to 3"}},
           {"manifold", "manifold.png", plane, {"plane", "20 x 20", "-3 to 3"}}}) {
    INFO(c.command);
    Ended ended = run_elbo({c.command, c.run.string()});
    INFO(ended.err);
    REQUIRE(ended.status == 0);
    CHECK(ended.err.empty());
    CHECK_THAT(ended.out, Contains((c.run / c.file).string()));
    for (const std::string& word : c.words) CHECK_THAT(ended.out, Contains(word));
    CHECK(png_size(c.run / c.file).first > 100);

    Ended help = run_elbo({c.command, "--help"});
    CHECK(help.status == 0);
    CHECK_THAT(help.out, Contains("Example:\n  elbo " + c.command + " runs/"));
  }
}

TEST_CASE("elbo sample", "[cli]") {
  const Runs& r = runs();
  auto one = drawn({"sample", r["vae"], "--rows", "3", "--columns", "4", "--seed", "5", "--temperature", "0.5"});
  CHECK(one.at("rows") == 3);
  CHECK(one.at("columns") == 4);
  CHECK(one.at("seed") == 5);
  CHECK(one.at("temperature") == 0.5);
  CHECK(one.at("runs").size() == 1);
  CHECK(one.at("runs")[0].at("name") == "vae");
  CHECK(one.at("runs")[0].at("codes") == "prior");

  auto several = drawn({"sample", r["vae"], r["ae"], r["conv-vae"]});
  CHECK(several.at("rows") == 3);
  CHECK(several.at("columns") == 12);
  CHECK(several.at("runs")[1].at("codes") == "fitted");
  CHECK(several.at("runs")[1].at("fitted_pictures") == 60);

  // What is fitted to codes may stand for a prior too.
  auto mixture = drawn({"sample", r["ae"], r["vae"], "--sampler", "gmm"});
  for (const auto& run : mixture.at("runs")) {
    CHECK(run.at("codes") == "fitted");
    CHECK(run.at("sampler") == "gmm");
  }
  CHECK(drawn({"sample", r["vae"], "--sampler", "normal"}).at("runs")[0].at("sampler") == "normal");
  check_refused({"sample", r["ae"], "--sampler", "prior"}, {"--sampler prior", "normal or gmm"});
  check_refused({"sample", r["vae"], "--data", r["data"]}, {"--data", "no effect on codes from a prior"});
  check_refused({"sample", r["ae"], "--sampler", "gmm", "--temperature", "0.5"}, {"temperature"});

  auto labels = drawn({"sample", r["cvae"]});
  CHECK(labels.at("rows") == 10);
  CHECK(labels.at("columns") == 12);
  CHECK_FALSE(labels.contains("label"));
  CHECK(drawn({"sample", r["cvae"], "--label", "Sneaker"}).at("label") == 7);
  CHECK(drawn({"sample", r["cvae"], "--label", "7", "--rows", "2"}).at("label") == 7);

  // Equal names are told apart by the folders they lie in.
  CHECK_THAT(drawn({"sample", r["vae"], r["again/vae"]}).at("runs")[1].at("name").get<std::string>(),
             Contains("again/vae"));

  auto picture = [&](const std::string& run, std::vector<std::string> more) {
    more.insert(more.begin(), {"sample", r[run], "--rows", "2", "--columns", "2"});
    return picture_of(more);
  };
  CHECK((picture("vae", {"--seed", "1"}) == picture("vae", {"--seed", "1", "--threads", "2"})));
  CHECK((picture("vae", {"--seed", "1"}) != picture("vae", {"--seed", "2"})));
  CHECK((picture("cvae", {"--label", "1"}) == picture("cvae", {"--label", "Trouser"})));
  CHECK((picture("cvae", {"--label", "1"}) != picture("cvae", {"--label", "2"})));
  CHECK((picture("vae", {}) != picture("vae", {"--scale", "1"})));
  CHECK((picture("vae", {}) != picture("vae", {"--title", "A title"})));

  Ended ended = run_elbo({"sample", r["ae"], "--out", r["again/ae.png"]});
  CHECK_THAT(ended.out, Contains("Gaussian fitted to the codes of 60 training pictures"));

  check_refused({"sample", r["none"]}, {"none", "expected a run folder"});
  check_refused({"sample", r["data-bare"]}, {"data-bare"});
  check_refused({"sample", r["vae"], r["large"]}, {"large", "[1, 16, 16]", "[1, 12, 12]"});
  check_refused({"sample", r["vae"], "--label", "1"}, {"--label 1", "takes no labels"});
  check_refused({"sample", r["cvae"], "--label", "Hat"}, {"--label", "0 to 9", "Ankle boot", "'Hat'"});
  check_refused({"sample", r["cvae"], "--label", "10"}, {"--label", "0 to 9", "'10'"});
  check_refused({"sample", r["vae"], "--rows", "0"}, {"--rows", "at least 1", "found 0"});
  check_refused({"sample", r["vae"], "--columns", "-2"}, {"--columns", "found -2"});
  check_refused({"sample", r["vae"], "--temperature", "-1"}, {"--temperature", "found -1"});
  check_refused({"sample", r["vae"], "--scale", "0"}, {"--scale", "found 0"});
  check_refused({"sample", r["vae"], "--rows", "1000000", "--columns", "1000000"}, {"2^30 bytes"});
  check_refused({"sample", r["ae"], "--data", r["none"]}, {"none"});
  check_refused({"sample"}, {"run"});
  Ended nowhere = run_elbo({"sample", r["vae"], "--out", r["none/a.png"]});
  CHECK(nowhere.status == 2);
  CHECK_THAT(nowhere.err, Contains("none/a.png"));
}

TEST_CASE("elbo reconstruct", "[cli]") {
  const Runs& r = runs();
  auto json = drawn({"reconstruct", r["vae"], r["ae"], r["cvae"], "--indices", "0,5,19"});
  CHECK(json.at("indices") == Indices{0, 5, 19});
  CHECK(json.at("labels") == Indices{0, 1, 1});
  CHECK(json.at("split") == "test");
  CHECK(json.at("rows") == 4);
  CHECK(json.at("columns") == 3);
  for (const auto& run : json.at("runs")) CHECK((run.at("mse") > 0 && run.at("mse") < 1));

  auto spread = drawn({"reconstruct", r["conv-vae"], "--count", "5", "--columns", "3", "--split", "train"});
  CHECK(spread.at("indices") == Indices{0, 14, 29, 44, 59});
  CHECK(spread.at("rows") == 4);
  CHECK(spread.at("columns") == 3);
  CHECK_FALSE(drawn({"reconstruct", r["bare"]}).contains("labels"));

  TempDir dir;
  viz::Image mine(40, 30, 3, {200, 10, 10});
  viz::write_png(dir / "mine.png", mine);
  auto input = drawn({"reconstruct", r["vae"], "--input", (dir / "mine.png").string(), (dir / "mine.png").string()});
  CHECK(input.at("input").size() == 2);
  CHECK(input.at("columns") == 2);
  CHECK_FALSE(input.contains("indices"));
  CHECK(drawn({"reconstruct", r["cvae"], r["vae"], "--label", "Bag", "--input", (dir / "mine.png").string()})
            .at("label") == 8);
  CHECK((picture_of({"reconstruct", r["cvae"], "--indices", "0"}) ==
         picture_of({"reconstruct", r["cvae"], "--indices", "0", "--label", "0"})));
  CHECK((picture_of({"reconstruct", r["cvae"], "--indices", "0"}) !=
         picture_of({"reconstruct", r["cvae"], "--indices", "0", "--label", "1"})));

  write_file(dir / "text.png", "no picture");
  check_refused({"reconstruct", r["vae"], "--indices", "20"}, {"20"});
  check_refused({"reconstruct", r["vae"], "--indices", "-1"}, {"--indices", "found -1"});
  check_refused({"reconstruct", r["vae"], "--indices", "a"}, {"--indices", "a"});
  check_refused({"reconstruct", r["vae"], "--count", "0"}, {"--count", "found 0"});
  check_refused({"reconstruct", r["vae"], "--count", "3", "--indices", "1"}, {"--count", "--indices"});
  check_refused({"reconstruct", r["vae"], "--label", "1"}, {"--label 1", "takes no labels"});
  check_refused({"reconstruct", r["cvae"], "--input", (dir / "mine.png").string()}, {"cvae", "--label", "Sneaker"});
  check_refused({"reconstruct", r["vae"], "--input", (dir / "text.png").string()}, {"text.png"});
  check_refused({"reconstruct", r["vae"], "--input", (dir / "none.png").string()}, {"none.png"});
  check_refused({"reconstruct", r["vae"], "--data", r["data-large"]}, {"data-large", "[1, 16, 16]"});
  check_refused({"reconstruct", r["vae"], "--split", "half"}, {"--split", "half"});
}

TEST_CASE("elbo interpolate", "[cli]") {
  const Runs& r = runs();
  auto json = drawn({"interpolate", r["vae"], r["ae"], r["cvae"], "--pictures", "1,4,3,2", "--steps", "5"});
  CHECK(json.at("from") == "pictures");
  CHECK(json.at("pictures") == Indices{1, 4, 3, 2});
  CHECK(json.at("classes") == std::vector<std::string>{"Trouser", "T-shirt/top", "Trouser", "T-shirt/top"});
  CHECK(json.at("rows") == 6);
  CHECK(json.at("columns") == 5);

  auto random = drawn({"interpolate", r["vae"], "--from", "codes", "--rows", "3", "--seed", "2"});
  CHECK(random.at("pictures").size() == 6);
  CHECK(random.at("columns") == 10);
  CHECK(random.at("classes")[0] != random.at("classes")[1]);
  CHECK(drawn({"interpolate", r["vae"], "--from", "codes", "--rows", "3", "--seed", "3"}).at("pictures") !=
        random.at("pictures"));

  auto prior = drawn({"interpolate", r["vae"], r["ae"], r["other"], "--from", "prior", "--rows", "2", "--steps", "2"});
  CHECK(prior.at("rows") == 6);
  CHECK(prior.at("runs")[0].at("codes") == "prior");
  CHECK(prior.at("runs")[1].at("codes") == "fitted");
  CHECK_FALSE(prior.contains("pictures"));

  auto picture = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"interpolate", r["cvae"], "--pictures", "1,4"});
    return picture_of(more);
  };
  CHECK((picture({}) == picture({"--label", "Trouser"})));  // the first picture's
  CHECK((picture({}) != picture({"--label", "0"})));
  CHECK((picture({}) != picture({"--from", "codes"})));

  check_refused({"interpolate", r["vae"], "--pictures", "1,2,3"}, {"--pictures", "pairs", "found 3"});
  check_refused({"interpolate", r["vae"], "--pictures", "1,20"}, {"20"});
  check_refused({"interpolate", r["vae"], "--pictures", "1,2", "--rows", "2"}, {"--rows 2", "1 pair\n"});
  check_refused({"interpolate", r["vae"], "--pictures", "1,2", "--from", "prior"}, {"--pictures", "prior"});
  check_refused({"interpolate", r["vae"], "--steps", "1"}, {"--steps", "at least 2", "found 1"});
  check_refused({"interpolate", r["vae"], "--rows", "0"}, {"--rows", "found 0"});
  check_refused({"interpolate", r["vae"], "--from", "dreams"}, {"--from", "dreams"});
  check_refused({"interpolate", r["vae"], "--label", "1"}, {"takes no labels"});
  check_refused({"interpolate", r["vae"], r["large"]}, {"[1, 16, 16]"});
  check_refused({"interpolate", r["vae"], r["none"]}, {"none"});
}

TEST_CASE("elbo traverse", "[cli]") {
  const Runs& r = runs();
  auto json = drawn({"traverse", r["vae"], "--dims", "2,0", "--values", "-3,0,3", "--picture", "7"});
  CHECK(json.at("dims") == Indices{2, 0});
  CHECK(json.at("values") == std::vector<double>{-3, 0, 3});
  CHECK(json.at("rows") == 2);
  CHECK(json.at("columns") == 3);
  CHECK(json.at("around") == "picture");
  CHECK(json.at("picture") == 7);
  auto origin = drawn({"traverse", r["ae"], "--origin", "--low", "-1", "--high", "1", "--steps", "3"});
  CHECK(origin.at("values") == std::vector<double>{-1, 0, 1});
  CHECK(origin.at("dims") == Indices{0, 1, 2});
  CHECK(origin.at("around") == "origin");
  CHECK(drawn({"traverse", r["cvae"], "--origin", "--label", "Coat"}).at("label") == 4);
  CHECK((picture_of({"traverse", r["cvae"], "--picture", "1"}) ==
         picture_of({"traverse", r["cvae"], "--picture", "1", "--label", "1"})));

  check_refused({"traverse", r["vae"], "--dims", "0,3"}, {"--dims", "3 latent dimensions", "found 3"});
  check_refused({"traverse", r["vae"], "--dims", "-1"}, {"--dims", "found -1"});
  check_refused({"traverse", r["vae"], "--picture", "20"}, {"20"});
  check_refused({"traverse", r["vae"], "--values", "nan"}, {"--values", "nan"});
  check_refused({"traverse", r["vae"], "--values", "1,b"}, {"--values", "b"});
  check_refused({"traverse", r["vae"], "--values", "1", "--low", "0"}, {"--low", "--values"});
  check_refused({"traverse", r["vae"], "--low", "3", "--high", "3"}, {"--low", "--high", "found 3"});
  check_refused({"traverse", r["vae"], "--steps", "1"}, {"--steps", "found 1"});
  check_refused({"traverse", r["vae"], "--origin", "--picture", "1"}, {"--origin", "--picture"});
  check_refused({"traverse", r["cvae"], "--origin"}, {"--label", "Sneaker"});
  check_refused({"traverse", r["vae"], "--origin", "--label", "1"}, {"takes no labels"});
  check_refused({"traverse", r["vae"], r["ae"]}, {"ae"});
}

TEST_CASE("elbo manifold", "[cli]") {
  const Runs& r = runs();
  auto json = drawn({"manifold", r["two"], "-n", "5", "--low", "-2", "--high", "2"});
  CHECK(json.at("rows") == 5);
  CHECK(json.at("columns") == 5);
  CHECK(json.at("low") == -2);
  CHECK(json.at("high") == 2);
  CHECK(drawn({"manifold", r["two-labels"], "--size", "3", "--label", "Bag"}).at("label") == 8);

  check_refused({"manifold", r["vae"]}, {"2 latent dimensions", "found 3"});
  check_refused({"manifold", r["two-labels"]}, {"--label", "Sneaker"});
  check_refused({"manifold", r["two"], "--label", "1"}, {"takes no labels"});
  check_refused({"manifold", r["two"], "-n", "1"}, {"--size", "at least 2", "found 1"});
  check_refused({"manifold", r["two"], "-n", "1000000"}, {"2^30 bytes"});
  check_refused({"manifold", r["two"], "--low", "1", "--high", "0"}, {"--low", "--high"});
  check_refused({"manifold", r["none"]}, {"none"});
}

TEST_CASE("codes that float32 cannot hold are refused, and pictures of nan are a fault", "[cli]") {
  const Runs& r = runs();
  check_refused({"sample", r["vae"], "--temperature", "1e300"}, {"--temperature", "float32", "found 1e300"});
  check_refused({"traverse", r["vae"], "--values", "0,1e39"}, {"--values", "float32", "found 1e39"});
  check_refused({"traverse", r["vae"], "--low", "-1e39"}, {"--low", "float32"});
  check_refused({"traverse", r["vae"], "--high", "1e39"}, {"--high", "float32"});
  check_refused({"manifold", r["two"], "--low", "-1e300", "--high", "1e300"}, {"--low", "float32"});
  check_refused({"manifold", r["two"], "--high", "1e300"}, {"--high", "float32"});
  TempDir dir;
  const Ended ended = run_elbo({"sample", r["vae"], "--temperature", "3.4e38", "--out", (dir / "a.png").string()});
  INFO(ended.err);
  CHECK(ended.status == 1);
  CHECK_THAT(ended.err, Contains("no finite numbers"));
  CHECK(fs::is_empty(dir.path()));
  const Ended small = run_elbo({"traverse", r["vae"], "--low", "1000000.1", "--high", "1000000.2", "--out", "-"});
  CHECK(small.status == 0);
  CHECK_THAT(run_elbo({"manifold", r["two"], "--low", "1000000.1", "--high", "1000000.2"}).out,
             Contains("from 1000000.1 to 1000000.2"));
}

TEST_CASE("what is said of codes, labels and counts is true of each model", "[cli]") {
  const Runs& r = runs();
  TempDir dir;
  const std::string png = (dir / "a.png").string(), csv = (dir / "a.csv").string();
  check_refused({"interpolate", r["ae"], "--from", "codes"}, {"--from codes", "autoencoder"});
  check_refused({"interpolate", r["ae"], "--from", "codes", "--pictures", "0,1", "--seed", "3"}, {"--from codes"});
  const Ended both = run_elbo({"interpolate", r["vae"], r["ae"], "--from", "codes", "--out", png});
  CHECK(both.status == 0);
  CHECK_THAT(both.out, Contains("ae, an autoencoder, with the encoder's own codes"));
  const auto json = drawn({"interpolate", r["vae"], r["ae"], "--from", "codes"});
  CHECK(json.at("runs")[0].at("codes") == "sampled");
  CHECK(json.at("runs")[1].at("codes") == "encoder");
  for (const auto& [model, codes] : {std::pair{"ae", "encoder"}, std::pair{"vae", "sampled"}}) {
    CHECK(nlohmann::json::parse(run_elbo({"eval", r[model], "--json"}).out).at("codes") == codes);
    CHECK(nlohmann::json::parse(run_elbo({"score", r[model], "--json", "--out", csv}).out).at("codes") == codes);
  }
  CHECK_THAT(run_elbo({"score", r["ae"], "--out", csv}).out, Contains("at the encoder's own codes"));
  CHECK_THAT(run_elbo({"sample", r["vae"], r["cvae"], "--label", "1", "--out", png}).out,
             Contains("; all of cvae of class Trouser\n"));
  CHECK_THAT(run_elbo({"sample", r["cvae"], "--label", "1", "--out", png}).out, Contains("; all of class Trouser\n"));
  for (const char* count : {"21", "4294967297"}) {
    check_refused({"reconstruct", r["vae"], "--count", count}, {"--count: expected at most 20", "test", count});
    check_refused(run_elbo({"embed", r["vae"], "--count", count}), {"--count: expected at most 20", "test", count});
  }
  CHECK(drawn({"reconstruct", r["vae"]}).at("indices").size() == 20);
  CHECK(drawn({"reconstruct", r["vae"], "--count", "20"}).at("indices").size() == 20);
}

TEST_CASE("a run folder with another model's weights is refused", "[cli]") {
  TempDir dir;
  fs::copy(runs()["vae"], dir / "mixed", fs::copy_options::recursive);
  fs::copy_file(fs::path(runs()["other"]) / "model.safetensors", dir / "mixed/model.safetensors",
                fs::copy_options::overwrite_existing);
  check_refused({"sample", (dir / "mixed").string()}, {"model.safetensors"});
  write_file(dir / "mixed/model.safetensors", "");
  check_refused({"reconstruct", (dir / "mixed").string()}, {"model.safetensors"});
}
