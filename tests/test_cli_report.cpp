// Runs that differ stand side by side in `elbo report`, and what changed in a run is told by `elbo info` too.
#include <elbo/core/file.h>
#include <elbo/models/training/run.h>
#include <elbo/viz/image.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "program.h"

using namespace elbo;
using Catch::Matchers::Contains;

namespace {

Ended done(const std::vector<std::string>& args) {
  Ended ended = run_elbo(args);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  return ended;
}

std::vector<std::string> drawn(const std::filesystem::path& out, const std::string& count = "20") {
  return {"train", "--dataset", "shapes", "--count",    count, "--hidden", "4",         "--latent",
          "2",     "--epochs",  "2",      "--val-size", "4",   "--out",    out.string()};
}

void resume(const std::filesystem::path& run, std::vector<std::string> more) {
  more.insert(more.begin(), {"train", "--resume", "--out", run.string()});
  done(more);
}

std::string report(const TempDir& dir, const std::vector<std::string>& runs) {
  std::vector<std::string> args = {"report", "--no-tsne", "--out", (dir / "r.html").string()};
  for (const std::string& run : runs) args.push_back((dir / run).string());
  done(args);
  return read_file(dir / "r.html");
}

/// The cells of the row with that heading, each in brackets: "[0.001][]"; empty where there is no such row or several.
std::string row_of(const std::string& html, const std::string& heading) {
  const std::string begin = "<th scope=\"row\">" + heading + "</th>";
  const std::size_t at = html.rfind(begin);
  if (at == std::string::npos) return "";
  const std::size_t from = at + begin.size();
  const std::string cells =
      std::regex_replace(html.substr(from, html.find("</tr>", from) - from), std::regex("<td>"), "[");
  return std::regex_replace(cells, std::regex("</td>"), "]");
}

}  // namespace

TEST_CASE("a report joins the settings of its runs by name, whichever of them was resumed, and when", "[cli][report]") {
  TempDir dir;
  for (const char* name : {"plain", "third", "fourth"}) done(drawn(dir / name));
  resume(dir / "third", {"--epochs", "4", "--lr", "0.01"});
  resume(dir / "fourth", {"--epochs", "3"});
  resume(dir / "fourth", {"--epochs", "4", "--lr", "0.02"});

  std::string html = report(dir, {"third", "plain"});
  CHECK(row_of(html, "From epoch 3 on") == "[learning rate 0.01, 4 epochs asked for][]");
  CHECK(row_of(html, "Seed") == "[0][0]");
  html = report(dir, {"plain", "third"});
  CHECK(row_of(html, "From epoch 3 on") == "[][learning rate 0.01, 4 epochs asked for]");
  CHECK(row_of(html, "Optimiser") == "[Adam, learning rate 0.001][Adam, learning rate 0.001, then 0.01]");
  html = report(dir, {"plain", "fourth", "third"});
  CHECK(row_of(html, "From epoch 3 on") == "[][3 epochs asked for][learning rate 0.01, 4 epochs asked for]");
  CHECK(row_of(html, "From epoch 4 on") == "[][learning rate 0.02, 4 epochs asked for][]");
  CHECK(row_of(html, "Epochs asked for") == "[2][2, then 3, then 4][2, then 4]");
  // In the order of time, whoever comes first.
  CHECK(html.find("From epoch 3 on") < html.find("From epoch 4 on"));
}

TEST_CASE("info tells every learning rate that a run was trained with", "[cli][report]") {
  TempDir dir;
  done(drawn(dir / "run"));
  resume(dir / "run", {"--epochs", "3", "--lr", "0.01", "--checkpoint-every", "0"});
  CHECK_THAT(done({"info", (dir / "run").string()}).out,
             Contains("Adam, learning rate 0.001, then 0.01\n") && Contains("Epochs asked for   2, then 3\n") &&
                 Contains("From epoch 3 on    learning rate 0.01, 3 epochs asked for, checkpoints only\n"
                          "                   after epochs (a checkpoint every 60 s before)\n"));
  const auto config = nlohmann::json::parse(done({"info", (dir / "run").string(), "--json"}).out).at("config");
  REQUIRE(config.at("stretches").size() == 2);
  CHECK(config.at("stretches")[0].at("lr") == 0.001);
  CHECK(config.at("stretches")[1].at("lr") == 0.01);
}

TEST_CASE("a report says for each run what it was measured on", "[cli][report]") {
  TempDir dir;
  done(drawn(dir / "a", "20"));
  done(drawn(dir / "b", "40"));
  done(drawn(dir / "c", "20"));
  const std::string other = "losses of different pictures do not compare";
  std::string html = report(dir, {"a", "b"});
  CHECK_THAT(html, Contains(other) && Contains("<th scope=\"col\">Measured on</th>") &&
                       Contains("test pictures of shapes</td>") && !Contains("Measured on all 2"));
  CHECK(row_of(html, "Dataset") == "[shapes, 20 drawn][shapes, 40 drawn]");
  CHECK_THAT(report(dir, {"a", "c"}), !Contains(other));
  CHECK_THAT(report(dir, {"a"}), !Contains(other) && Contains("Measured on all "));
}

TEST_CASE("a report and info name the folder that a run's pictures are from; one picture is no several",
          "[cli][report]") {
  TempDir dir;
  for (const std::string name : {"one", "two"}) {
    for (int i = 0; i < 6; ++i) {
      const auto file = dir / name / (i == 5 ? "test" : "train") / "a" / (std::to_string(i) + ".png");
      std::filesystem::create_directories(file.parent_path());
      viz::write_png(file, viz::Image(8, 8, 1, {static_cast<std::uint8_t>(name == "one" ? 40 : 200), 90, 90}));
    }
    done({"train", "--dataset", "folder", "--data", (dir / name).string(), "--size", "8", "--hidden", "4", "--latent",
          "1", "--epochs", "1", "--batch-size", "1", "--val-size", "1", "--out", (dir / ("run-" + name)).string()});
  }
  const std::string html = report(dir, {"run-one", "run-two"});
  CHECK(row_of(html, "Data from") == "[" + (dir / "one").string() + "][" + (dir / "two").string() + "]");
  CHECK_THAT(html, Contains("1 test picture of folder") && Contains("losses of different pictures do not compare"));
  const std::string run = (dir / "run-one").string(), png = (dir / "r.png").string();
  const Ended info = done({"info", run}), eval = done({"eval", run}),
              shown = done({"reconstruct", run, "--count", "1", "--out", png}),
              own = done({"reconstruct", run, "--input", (dir / "one/test/a/5.png").string(), "--out", png});
  CHECK_THAT(info.out, Contains("Data from          " + (dir / "one").string() + "\n") && Contains("of 1 epoch in"));
  CHECK_THAT(eval.out, Contains("1 picture of folder (test)"));
  CHECK_THAT(shown.out, Contains("1 test picture of folder above what run-one makes of it"));
  CHECK_THAT(own.out, Contains("1 picture of your own above what run-one makes of it"));
  for (const std::string& text : {report(dir, {"run-one"}), info.out, eval.out, shown.out, own.out})
    for (const char* wrong : {" pictures", " epochs", " classes", " latent dimensions"})
      CHECK_FALSE(std::regex_search(text, std::regex("(^|[^0-9.,])1( test| training)?" + std::string(wrong))));
}
