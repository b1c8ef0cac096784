// The dataset npz on the command line: a file in the form of dSprites (tests/stored.npz: 30 pictures of 3 x 4).
#include <nlohmann/json.hpp>

#include "program.h"

namespace {

const std::string source = ELBO_SOURCE_DIR "/tests/stored.npz";

std::vector<std::string> train(const std::string& data, const std::string& out, std::vector<std::string> more = {}) {
  std::vector<std::string> all{"train",    "--dataset", "npz",      "--data", data,    "--hidden", "4",
                               "--latent", "2",         "--epochs", "1",      "--out", out};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

nlohmann::json json_of(std::vector<std::string> args) {
  args.emplace_back("--json");
  const Ended ended = run_elbo(args);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  return nlohmann::json::parse(ended.out);
}

}  // namespace

TEST_CASE("npz: a file is trained on, measured and gone on with", "[cli][npz]") {
  const TempDir dir;
  const std::string file = (dir / "sprites.npz").string(), run = (dir / "run").string();
  std::filesystem::copy_file(source, file);
  const Ended ended = run_elbo(train(file, run));
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  CHECK(json_of({"eval", run})["count"] == 3);
  CHECK(json_of({"eval", run, "--split", "train"})["count"] == 27);
  CHECK(json_of({"train", "--resume", "--epochs", "2", "--out", run})["epochs"] == 2);
  CHECK(run_elbo({"sample", run}).status == 0);
  check_refused(run_elbo({"sample", run, "--out", file}), {"--out"});
  // Elsewhere, and in a folder.
  const std::filesystem::path moved = dir / "moved";
  std::filesystem::create_directory(moved);
  std::filesystem::rename(file, moved / "other.npz");
  check_refused(run_elbo({"eval", run}), {"elbo eval: " + file + ": expected an .npz file", "found nothing there"});
  for (const std::filesystem::path& place : {moved, moved / "other.npz"})
    CHECK(json_of({"eval", run, "--data", place.string()})["count"] == 3);
}

TEST_CASE("npz: --count takes the first pictures", "[cli][npz]") {
  const TempDir dir;
  const std::string run = (dir / "run").string();
  REQUIRE(run_elbo(train(source, run, {"--count", "10"})).status == 0);
  CHECK(json_of({"eval", run, "--split", "train"})["count"] == 10);
  CHECK(json_of({"eval", run})["count"] == 3);  // all there are to test
  const nlohmann::json data = json_of({"data", "--dataset", "npz", "--data", source, "--count", "2"});
  CHECK(data["train"] == 2);
  CHECK(data["test"] == 2);
  check_refused(run_elbo(train(source, (dir / "more").string(), {"--count", "28"})),
                {"expected a count from 1 to 27 pictures to train on", "found 28"});
  check_refused(run_elbo({"train", "--dataset", "mnist", "--count", "9", "--out", (dir / "no").string()}),
                {"--count: only for --dataset shapes or npz"});
}

TEST_CASE("npz: a file that is missing or odd is refused in one line, and no run is left", "[cli][npz]") {
  const TempDir dir;
  const std::string out = (dir / "run").string();
  check_refused(run_elbo(train((dir / "none.npz").string(), out)),
                {"none.npz: expected an .npz file", "nothing there"});
  write_file(dir / "text.npz", "no archive");
  check_refused(run_elbo(train((dir / "text.npz").string(), out)), {"text.npz: expected a ZIP archive"});
  write_file(dir / "cut.npz", read_file(source).substr(0, 2000));
  check_refused(run_elbo(train((dir / "cut.npz").string(), out)), {"cut.npz: expected a ZIP archive"});
  check_refused(run_elbo(train(dir.path().string(), out)),
                {"expected one file that ends in .npz", "cut.npz, text.npz"});
  check_refused(run_elbo({"data", "--dataset", "npz", "--data", (dir / "text.npz").string()}), {"ZIP archive"});
  // Without --data it is looked for where datasets lie.
  check_refused(run_elbo({"train", "--dataset", "npz", "--out", out}, "HOME=" + dir.path().string()),
                {"dataset npz: expected its files in one of ", "--data"});
  CHECK_FALSE(std::filesystem::exists(out));
}

TEST_CASE("elbo data says that npz is a file of one's own", "[cli][npz]") {
  const TempDir dir;
  const Ended ended = run_elbo({"data"}, "HOME=" + dir.path().string());
  CHECK_THAT(ended.out, Catch::Contains("a file of your own, in the form of dSprites: give it with --data"));
}
