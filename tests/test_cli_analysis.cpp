// The commands that measure and tell, as a user meets them: embed, score, info, data, report. What they write, and what
// they say of bad input: one line on standard error, exit status 2, no file.
#include <elbo/datasets/idx.h>
#include <elbo/models/analysis/codes.h>
#include <elbo/models/analysis/metrics.h>
#include <elbo/models/training/trained.h>
#include <elbo/models/training/trainer.h>
#include <elbo/viz/image.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "catch.h"
#include "program.h"
#include "small_data.h"

using namespace elbo;
using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t side = 12, test_count = 70;

void write_pair(const fs::path& dir, const std::string& prefix, std::int64_t count, std::int64_t size = side) {
  fs::create_directories(dir);
  const datasets::Dataset data = bars(count, size);
  std::vector<std::uint8_t> labels(data.labels.begin(), data.labels.end());
  // Each class is trained on.
  for (std::size_t i = 0; prefix == "train" && i < labels.size(); ++i) labels[i] = static_cast<std::uint8_t>(i % 10);
  datasets::write_idx<std::uint8_t>(dir / (prefix + "-images-idx3-ubyte"), {count, size, size}, data.pictures());
  datasets::write_idx<std::uint8_t>(dir / (prefix + "-labels-idx1-ubyte"), {count}, labels);
}

/// A small dataset under MNIST's names, and models trained on it, once for all tests.
class Place {
 public:
  static const Place& get() {
    static const Place place;
    return place;
  }
  fs::path data() const { return dir_ / "data"; }
  fs::path vae() const { return dir_ / "runs/vae"; }
  fs::path cvae() const { return dir_ / "runs/cvae"; }
  fs::path narrow() const { return dir_ / "runs/narrow"; }  // one latent dimension
  fs::path small() const { return dir_ / "runs/small"; }    // of smaller pictures

 private:
  Place() {
    write_pair(data(), "train", 150);
    write_pair(data(), "t10k", test_count);
    fs::create_directories(dir_ / "runs");
    train(vae(), "vae", 3, "mnist");
    train(cvae(), "cvae", 2, "mnist");
    train(narrow(), "vae", 1, "mnist");
    write_pair(dir_ / "data-small", "train", 40, 8);
    write_pair(dir_ / "data-small", "t10k", 20, 8);
    train(small(), "vae", 2, "idx", dir_ / "data-small");
  }
  void train(const fs::path& folder, const std::string& model, std::int64_t latent, const std::string& dataset,
             fs::path from = {}) const {
    models::RunConfig config;
    config.model.model = model;
    config.model.hidden = {16};
    config.model.latent = latent;
    config.train.epochs = 2;
    config.train.batch_size = 32;
    config.data.dataset = dataset;
    config.data.dir = from.empty() ? data() : from;
    models::train(folder, config, models::load_data(config.data, datasets::Split::train));
  }
  TempDir dir_;
};

/// Runs a command that must succeed without a word on standard error, and gives its one JSON object.
json run_json(std::vector<std::string> args) {
  args.emplace_back("--json");
  const Ended ended = run_elbo(args);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  CHECK(ended.err.empty());
  CHECK(std::count(ended.out.begin(), ended.out.end(), '\n') == 1);
  return json::parse(ended.out);
}

/// The rows of a CSV file, whose cells hold no commas here.
std::vector<std::vector<std::string>> rows_of(const fs::path& path) {
  std::vector<std::vector<std::string>> out;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) {
    out.emplace_back();
    std::istringstream cells(line + ",");
    for (std::string cell; std::getline(cells, cell, ',');) out.back().push_back(cell);
  }
  return out;
}

int entries(const fs::path& folder) {
  return static_cast<int>(std::distance(fs::recursive_directory_iterator(folder), {}));
}

/// A picture file of the user's own, larger than the model takes.
fs::path write_picture(const fs::path& path, std::uint8_t grey) {
  viz::write_png(path, viz::Image(20, 20, 1, {grey, grey, grey}));
  return path;
}

}  // namespace

TEST_CASE("elbo embed writes a chart and a table of the codes", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const json result =
      run_json({"embed", place.vae().string(), "--method", "first2", "--out", (out / "a.svg").string()});
  CHECK(result.at("method") == "first2");
  CHECK(result.at("count") == test_count);
  CHECK(result.at("explained_variance").is_null());
  CHECK(result.at("kl").is_null());
  CHECK(result.at("trustworthiness").get<double>() <= 1);
  CHECK(result.at("files") == json({(out / "a.svg").string(), (out / "a.csv").string()}));
  const auto rows = rows_of(out / "a.csv");
  REQUIRE(rows.size() == test_count + 1);
  CHECK(rows[0] == std::vector<std::string>{"index", "label", "class", "x", "y"});
  const std::unique_ptr<models::Model> model = models::load(place.vae());
  const auto codes =
      models::encode_means(*model, datasets::load("mnist", datasets::Split::test, place.data())).to_vector<float>();
  for (std::size_t i = 0; i < test_count; ++i) {
    CHECK(rows[i + 1][0] == std::to_string(i));
    CHECK(rows[i + 1][1] == std::to_string(i % 2));
    CHECK(std::stof(rows[i + 1][3]) == codes[3 * i]);
    CHECK(std::stof(rows[i + 1][4]) == codes[3 * i + 1]);
  }
  CHECK_THAT(read_file(out / "a.svg"), Contains("vae: the first two latent dimensions of 70 test pictures of mnist"));

  const json pca = run_json({"embed", place.vae().string(), "--split", "train", "--count", "40", "--out",
                             (out / "b.svg").string(), "--csv", (out / "table").string()});
  CHECK(pca.at("method") == "pca");
  CHECK(pca.at("count") == 40);
  CHECK(pca.at("explained_variance")[0].get<double>() >= pca.at("explained_variance")[1].get<double>());
  CHECK(rows_of(out / "table").size() == 41);
  CHECK_THAT(read_file(out / "b.svg"), Contains("PC1 ("));
  CHECK(entries(out.path()) == 4);
}

TEST_CASE("elbo embed: t-SNE is the same from equal seeds; two models stand side by side", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const auto tsne = [&](const std::string& name, const std::string& threads) {
    const json result =
        run_json({"embed", place.vae().string(), "--method", "tsne", "--perplexity", "10", "--iterations", "100",
                  "--seed", "3", "--threads", threads, "--out", (out / name).string()});
    CHECK(result.at("kl").get<double>() > 0);
  };
  tsne("a.svg", "1");
  tsne("b.svg", "2");
  CHECK(read_file(out / "a.svg") == read_file(out / "b.svg"));
  CHECK(read_file(out / "a.csv") == read_file(out / "b.csv"));

  const json both = run_json({"embed", place.vae().string(), "--model-b", place.cvae().string()});
  CHECK(both.at("model_b").at("latent") == 2);
  const fs::path svg = place.vae() / "embedding-pca-with-cvae.svg", csv = place.vae() / "embedding-pca-with-cvae.csv";
  CHECK(both.at("files") == json({svg.string(), csv.string()}));
  CHECK_THAT(read_file(svg), Contains(">vae</text>") && Contains(">cvae</text>"));
  CHECK(rows_of(csv)[0] == std::vector<std::string>{"index", "label", "class", "x", "y", "x_b", "y_b"});
  fs::remove(svg);
  fs::remove(csv);
}

TEST_CASE("elbo embed refuses what it cannot draw, and writes nothing", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const std::string run = place.vae().string(), svg = (out / "x.svg").string();
  const int before = entries(place.vae());
  check_refused(run_elbo({"embed"}), {"run"});
  check_refused(run_elbo({"embed", (out / "none").string()}), {"none", "expected a run folder"});
  check_refused(run_elbo({"embed", run, "--method", "umap"}), {"--method", "umap"});
  check_refused(run_elbo({"embed", run, "--count", "1"}), {"--count", "at least 2", "found 1"});
  check_refused(run_elbo({"embed", run, "--iterations", "0"}), {"--iterations", "found 0"});
  check_refused(run_elbo({"embed", run, "--perplexity", "nan"}), {"--perplexity", "nan"});
  check_refused(run_elbo({"embed", run, "--method", "tsne", "--perplexity", "70", "--out", svg}),
                {"elbo embed: --perplexity: ", "70"});
  check_refused(run_elbo({"embed", run, "--out", (out / "no/x.svg").string()}), {"no/x.svg", "not a folder"});
  check_refused(run_elbo({"embed", run, "--out", out.path().string()}), {"found a folder"});
  check_refused(run_elbo({"embed", run, "--out", (out / "x.csv").string()}), {"--out", ".csv"});
  check_refused(run_elbo({"embed", run, "--data", (out / "none").string(), "--out", svg}), {"none"});
  check_refused(run_elbo({"embed", place.narrow().string(), "--out", svg}),
                {"narrow", "two latent dimensions", "found 1"});
  check_refused(run_elbo({"embed", run, "--model-b", place.small().string(), "--out", svg}), {"small", "[1, 12, 12]"});
  CHECK(entries(out.path()) == 0);
  CHECK(entries(place.vae()) == before);
}

TEST_CASE("elbo score writes a row for each picture that adds up to what eval measures", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const std::string run = place.vae().string(), csv = (out / "s.csv").string();
  for (const char* codes : {"sampled", "mean"}) {
    std::vector<std::string> score = {"score", run, "--codes", codes, "--out", csv};
    std::vector<std::string> evaluate = {"eval", run, "--codes", codes};
    if (codes == std::string("sampled"))  // means take no seed
      for (auto* words : {&score, &evaluate}) words->insert(words->end(), {"--seed", "5"});
    const json result = run_json(score);
    const json eval = run_json(evaluate);
    CHECK(result.at("count") == test_count);
    CHECK(result.at("mean").at("score").get<double>() == Approx(eval.at("loss").get<double>()).epsilon(1e-6));
    CHECK(result.at("mean").at("kl").get<double>() == Approx(eval.at("kl").get<double>()).epsilon(1e-6));
    const auto rows = rows_of(csv);
    REQUIRE(rows.size() == test_count + 1);
    CHECK(rows[0] == std::vector<std::string>{"index", "label", "class", "score", "reconstruction", "kl"});
    double sum = 0;
    for (std::size_t i = 1; i < rows.size(); ++i) {
      CHECK(rows[i][0] == std::to_string(i - 1));
      CHECK(std::stod(rows[i][3]) == Approx(std::stod(rows[i][4]) + std::stod(rows[i][5])));
      sum += std::stod(rows[i][3]);
    }
    CHECK(sum / test_count == Approx(eval.at("loss").get<double>()).epsilon(1e-6));
  }
  // The mean of two draws, and the highest first.
  const auto column = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args = {"score", run, "--out", csv};
    args.insert(args.end(), more.begin(), more.end());
    run_json(args);
    std::vector<double> scores;
    for (const auto& row : rows_of(csv))
      if (row[0] != "index") scores.push_back(std::stod(row[3]));
    return scores;
  };
  const auto a = column({"--seed", "1"}), b = column({"--seed", "2"}), both = column({"--seed", "1", "--samples", "2"});
  CHECK(a != b);
  for (std::size_t i = 0; i < both.size(); ++i) CHECK(both[i] == Approx((a[i] + b[i]) / 2));
  const auto sorted = column({"--seed", "1", "--sort"});
  CHECK(std::is_sorted(sorted.rbegin(), sorted.rend()));
  CHECK(sorted != a);
}

TEST_CASE("elbo score tells odd pictures from normal ones", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const std::string run = place.vae().string(), csv = (out / "s.csv").string();
  const json by_class = run_json({"score", run, "--odd", "1", "--out", csv});
  std::vector<double> scores, kl;
  std::vector<std::int64_t> odd;
  const auto rows = rows_of(csv);
  CHECK(rows[0][3] == "odd");
  for (std::size_t i = 1; i < rows.size(); ++i) {
    CHECK(rows[i][3] == rows[i][1]);
    odd.push_back(std::stol(rows[i][3]));
    scores.push_back(std::stod(rows[i][4]));
    kl.push_back(std::stod(rows[i][6]));
  }
  CHECK(by_class.at("auroc").at("score").get<double>() == models::auroc(scores, odd));
  CHECK(by_class.at("auroc").at("kl").get<double>() == models::auroc(kl, odd));
  CHECK(by_class.at("normal").at("count") == test_count / 2);

  // Bright pictures are nothing like the bars on a dark ground that the model knows.
  std::vector<std::uint8_t> bright(static_cast<std::size_t>(30 * side * side), 250);
  fs::create_directories(out / "bright");
  for (const char* half : {"train", "t10k"})
    datasets::write_idx<std::uint8_t>(out / "bright" / (std::string(half) + "-images-idx3-ubyte"), {30, side, side},
                                      bright);
  const json other =
      run_json({"score", run, "--odd-dataset", "idx", "--odd-data", (out / "bright").string(), "--out", csv});
  CHECK(other.at("odd").at("count") == 30);
  CHECK(other.at("auroc").at("score").get<double>() > 0.95);
  CHECK(other.at("odd").at("score").get<double>() > other.at("normal").at("score").get<double>());
  const auto both = rows_of(csv);
  REQUIRE(both.size() == test_count + 31);
  CHECK(both[1][0] == "mnist");
  CHECK(both.back()[0] == "idx");
  CHECK(both.back()[2].empty());  // no label
  CHECK(both.back()[4] == "1");
  const Ended text =
      run_elbo({"score", run, "--odd-dataset", "idx", "--odd-data", (out / "bright").string(), "--out", csv});
  CHECK(text.status == 0);
  CHECK_THAT(text.out, Contains("AUROC") && Contains("odd, 30 pictures") && Contains("normal, 70 pictures"));
}

TEST_CASE("elbo score takes pictures of the user's own", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const std::string a = write_picture(out / "a.png", 255).string(),
                    b = write_picture(out / "b, or not.png", 0).string();
  const std::string csv = (out / "s.csv").string();
  const json result = run_json({"score", place.vae().string(), "--input", a, b, "--out", csv});
  REQUIRE(result.at("pictures").size() == 2);
  CHECK(result.at("pictures")[0].at("file") == a);
  CHECK(result.at("pictures")[0].at("score").get<double>() > result.at("pictures")[1].at("score").get<double>());
  const std::string text = read_file(csv);
  CHECK(text.starts_with("file,label,class,score,reconstruction,kl\n"));
  CHECK_THAT(text, Contains("\n\"" + b + "\",,,"));
  // A name that is no UTF-8 is still a name; the table is UTF-8.
  const std::string odd_name = write_picture(out / "a\xff.png", 9).string();
  CHECK(run_json({"score", place.vae().string(), "--input", odd_name, "--out", csv}).at("count") == 1);
  CHECK_THAT(read_file(csv), Contains("/a\\xff.png,"));
  CHECK_THAT(run_elbo({"score", place.cvae().string(), "--input", a, "--label", "1", "--out", csv}).out, Contains(a));
  CHECK_THAT(read_file(csv), Contains(",1,1,"));
}

TEST_CASE("elbo score refuses what it cannot score, and writes nothing", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const std::string run = place.vae().string(), csv = (out / "s.csv").string();
  const std::string picture = write_picture(out / "a.png", 9).string();
  write_file(out / "broken.png", "not a picture");
  const auto refused = [&](std::vector<std::string> args, const std::vector<std::string>& words) {
    args.insert(args.begin(), "score");
    args.insert(args.end(), {"--out", csv});
    check_refused(run_elbo(args), words);
    CHECK_FALSE(fs::exists(csv));
  };
  refused({run, "--odd", "T-shirt"}, {"--odd", "0 to 9", "T-shirt"});
  refused({run, "--odd", "10"}, {"--odd", "0 to 9", "10"});
  refused({run, "--odd", "7"}, {"odd"});  // there is none
  refused({run, "--odd-data", place.data().string()}, {"--odd-data", "--odd-dataset"});
  refused({run, "--odd-dataset", "imagenet"}, {"--odd-dataset", "imagenet"});
  refused({run, "--odd-dataset", "shapes"}, {"shapes", "[1, 12, 12]", "64"});
  refused({run, "--odd", "1", "--odd-dataset", "shapes"}, {"--odd"});
  refused({run, "--input", picture, "--odd", "1"}, {"--input"});
  refused({run, "--input", (out / "none.png").string()}, {"none.png"});
  refused({run, "--input", (out / "broken.png").string()}, {"broken.png"});
  refused({run, "--input", picture, "--label", "1"}, {"--label", "takes no labels"});
  refused({run, "--label", "1"}, {"--label", "--input"});
  refused({place.cvae().string(), "--input", picture}, {"--label", "takes labels"});
  refused({place.cvae().string(), "--input", picture, "--label", "12"}, {"--label", "12"});
  refused({run, "--samples", "0"}, {"--samples", "found 0"});
  refused({run, "--codes", "some"}, {"--codes", "some"});
  check_refused(run_elbo({"score", run, "--out", (out / "no/s.csv").string()}), {"no/s.csv"});
  CHECK(entries(out.path()) == 2);
}

TEST_CASE("elbo info says what a run is", "[analysis]") {
  const Place& place = Place::get();
  const Ended text = run_elbo({"info", place.cvae().string()});
  CHECK(text.status == 0);
  for (const char* words : {"conditional VAE (cvae), labels of 10 classes", "144-16-2-16-144", "encoder.0.weight",
                            "[16, 154]", "Trained 2 of 2 epochs", "model.safetensors", "checkpoint/state.safetensors"})
    CHECK_THAT(text.out, Contains(words));
  const json info = run_json({"info", place.vae().string()});
  CHECK(info.at("epochs_trained") == 2);
  CHECK(info.at("config").at("model").at("latent") == 3);
  CHECK(info.at("best").at("val").at("loss").get<double>() <= info.at("last").at("val").at("loss").get<double>());
  std::int64_t sum = 0;
  for (const json& parameter : info.at("parameter_list")) sum += parameter.at("count").get<std::int64_t>();
  CHECK(sum == info.at("parameters").get<std::int64_t>());
  CHECK(sum == (144 + 1) * 16 + 2 * (16 + 1) * 3 + (3 + 1) * 16 + (16 + 1) * 144);

  // A run that was stopped in its first epoch has no more than a config.
  TempDir out;
  fs::copy_file(place.vae() / "config.json", out / "config.json");
  CHECK(run_json({"info", out.path().string()}).at("best").is_null());
  CHECK_THAT(run_elbo({"info", out.path().string()}).out, Contains("no model yet"));
  check_refused(run_elbo({"info", (out / "none").string()}), {"none", "expected a run folder"});
  write_file(out / "config.json", "{}");
  check_refused(run_elbo({"info", out.path().string()}), {"config.json", "model"});
  fs::copy_file(place.vae() / "config.json", out / "config.json", fs::copy_options::overwrite_existing);
  write_file(out / "history.jsonl", "{\"epoch\":\n");
  check_refused(run_elbo({"info", out.path().string()}), {"history.jsonl", "line 1"});
}

TEST_CASE("elbo data says what a dataset holds", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const json mnist =
      run_json({"data", "--dataset", "mnist", "--data", place.data().string(), "--preview", (out / "p.png").string()});
  CHECK(mnist.at("train") == 150);
  CHECK(mnist.at("test") == test_count);
  CHECK(mnist.at("picture") == json({1, side, side}));
  CHECK(mnist.at("classes").size() == 10);
  CHECK(mnist.at("classes")[1] == json({{"label", 1}, {"name", "1"}, {"train", 15}, {"val", 0}, {"test", 35}}));
  const datasets::Dataset data = bars(150, side);
  double sum = 0, squares = 0;
  for (std::uint8_t byte : data.pictures()) {
    const double value = byte / 255.0;
    sum += value;
    squares += value * value;
  }
  const double n = static_cast<double>(data.pictures().size()), mean = sum / n;
  CHECK(mnist.at("mean")[0].get<double>() == Approx(mean));
  CHECK(mnist.at("std")[0].get<double>() == Approx(std::sqrt(squares / n - mean * mean)));
  CHECK(read_file(out / "p.png").substr(1, 3) == "PNG");

  // Files that cannot be read are listed, all of them.
  fs::create_directories(out / "own/cats");
  fs::create_directories(out / "own/dogs");
  // Enough that both halves have some of each class.
  for (int i = 0; i < 60; ++i)
    for (const char* name : {"own/cats/", "own/dogs/"}) write_picture(out / (name + std::to_string(i) + ".png"), 100);
  for (int i = 0; i < 7; ++i) write_file(out / ("own/cats/bad" + std::to_string(i) + ".png"), "nothing");
  const Ended text =
      run_elbo({"data", "--dataset", "folder", "--data", (out / "own").string(), "--size", "8", "--grey"});
  INFO(text.err);
  CHECK(text.status == 0);
  CHECK_THAT(text.out, Contains("cats") && Contains("8 x 8 pixels, grey"));
  for (int i = 0; i < 7; ++i) CHECK_THAT(text.out, Contains("bad" + std::to_string(i) + ".png"));
  const json own = run_json({"data", "--dataset", "folder", "--data", (out / "own").string(), "--size", "8"});
  CHECK(own.at("picture") == json({3, 8, 8}));
  CHECK(own.at("skipped").size() == 7);

  const json shapes = run_json({"data", "--dataset", "shapes", "--count", "20"});
  CHECK(shapes.at("train") == 20);
  CHECK(shapes.at("dir").is_null());
  CHECK_FALSE(shapes.at("factors").empty());

  const json all = run_json({"data"});
  std::vector<std::string> names;
  for (const json& one : all.at("datasets")) names.push_back(one.at("name").get<std::string>());
  CHECK(names == datasets::known_datasets());
}

TEST_CASE("elbo data refuses what is no dataset", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const std::string png = (out / "p.png").string();
  check_refused(run_elbo({"data", "--dataset", "imagenet"}), {"--dataset", "imagenet"});
  check_refused(run_elbo({"data", "--dataset", "mnist", "--data", (out / "none").string(), "--preview", png}),
                {"none"});
  check_refused(run_elbo({"data", "--dataset", "cifar10", "--data", place.data().string(), "--preview", png}),
                {"data"});
  check_refused(run_elbo({"data", "--preview", png}), {"--preview", "--dataset"});
  check_refused(run_elbo({"data", "--data", out.path().string()}), {"--data", "--dataset"});
  check_refused(run_elbo({"data", "--dataset", "mnist", "--data", place.data().string(), "--preview",
                          (out / "no/p.png").string()}),
                {"no/p.png"});
  check_refused(run_elbo({"data", "--dataset", "shapes", "--count", "0"}), {"--count", "found 0"});
  CHECK(entries(out.path()) == 0);
}

TEST_CASE("elbo report writes one page about one run or several", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const std::string page = (out / "r.html").string();
  const json one = run_json({"report", place.vae().string(), "--no-tsne", "--out", page});
  CHECK(one.at("file") == page);
  const std::string html = read_file(page);
  CHECK(one.at("bytes") == html.size());
  CHECK_THAT(html, Contains("<title>vae</title>") && Contains("70 test pictures") && !Contains("t-SNE ("));
  const Ended several =
      run_elbo({"report", place.vae().string(), place.cvae().string(), "--title", "Two & two", "--out", page});
  CHECK(several.status == 0);
  CHECK(several.err.empty());
  CHECK_THAT(several.out, Contains(page) && Contains("2 runs"));
  CHECK_THAT(read_file(page), Contains("<h1>Two &amp; two</h1>") && Contains("t-SNE ("));
  CHECK(entries(out.path()) == 1);

  // A run whose pictures are gone still has curves and samples.
  fs::copy(place.vae(), out / "moved", fs::copy_options::recursive);
  std::string config = read_file(out / "moved/config.json");
  const std::string from = place.data().string();
  config.replace(config.find(from), from.size(), (out / "gone").string());
  write_file(out / "moved/config.json", config);
  const Ended moved = run_elbo({"report", (out / "moved").string()});
  CHECK(moved.status == 0);
  CHECK_THAT(moved.err, Contains("moved without its pictures") && Contains("gone"));
  CHECK_THAT(read_file(out / "moved/report.html"), Contains("moved: its pictures were not at hand"));
}

TEST_CASE("elbo report refuses what is no run, and writes nothing", "[analysis]") {
  const Place& place = Place::get();
  TempDir out;
  const std::string run = place.vae().string(), page = (out / "r.html").string();
  check_refused(run_elbo({"report"}), {"run"});
  check_refused(run_elbo({"report", run, (out / "none").string(), "--out", page}), {"none", "expected a run folder"});
  check_refused(run_elbo({"report", run, place.small().string(), "--out", page}), {"small", "[1, 12, 12]"});
  check_refused(run_elbo({"report", run, "--data", out.path().string(), "--out", page}), {"expected"});
  check_refused(run_elbo({"report", run, "--out", (out / "no/r.html").string()}), {"no/r.html"});
  check_refused(run_elbo({"report", run, "--bogus"}), {"--bogus"});
  fs::copy(place.vae(), out / "broken", fs::copy_options::recursive);
  write_file(out / "broken/model.safetensors", "short");
  check_refused(run_elbo({"report", (out / "broken").string(), "--out", page}), {"model.safetensors"});
  CHECK_FALSE(fs::exists(page));
}

TEST_CASE("the help of the commands that measure and tell shows an example", "[analysis]") {
  for (const char* command : {"embed", "score", "info", "data", "report"}) {
    INFO(command);
    const Ended ended = run_elbo({command, "--help"});
    CHECK(ended.status == 0);
    CHECK_THAT(ended.out, Contains("Example:") && Contains("--json"));
  }
}
