// scripts/fetch-datasets, from folders instead of the network.
#include <elbo/datasets/dataset.h>
#include <sys/wait.h>

#include <cstdlib>

#include "catch.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::datasets;

namespace {

struct Result {
  int status = -1;
  std::string output;  // of both streams
};

/// Calls the script, with `dir`/data as the place for the datasets and `dir`/mirror instead of the network.
Result fetch(const TempDir& dir, const std::string& arguments) {
  const std::string place = "'" + dir.path().string() + "/";
  const std::string command = "bash '" ELBO_SOURCE_DIR "/scripts/fetch-datasets' " + arguments + " --out " + place +
                              "data' --from 'file://" + dir.path().string() + "/mirror' >" + place + "log' 2>&1";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(dir / "log")};
}

bool has_curl() {
  if (std::system("command -v curl >/dev/null") == 0) return true;
  WARN("skipped: no curl");
  return false;
}

std::size_t files_in(const std::filesystem::path& dir) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(dir), {}));
}

}  // namespace

TEST_CASE("fetch-datasets: arguments") {
  if (!has_curl()) return;
  TempDir dir;
  CHECK(fetch(dir, "--help").status == 0);
  CHECK(fetch(dir, "--help").output.find("usage: scripts/fetch-datasets") == 0);
  CHECK(fetch(dir, "minst").status == 2);
  CHECK(fetch(dir, "minst")
            .output.find("unknown dataset 'minst', expected one of mnist fashion-mnist cifar10 cifar100 "
                         "svhn") != std::string::npos);
  CHECK(fetch(dir, "--fast").status == 2);
  CHECK_FALSE(std::filesystem::exists(dir / "data"));
}

TEST_CASE("fetch-datasets: a missing or a wrong file leaves nothing behind") {
  if (!has_curl()) return;
  TempDir dir;
  std::filesystem::create_directories(dir / "mirror/svhn");
  const Result missing = fetch(dir, "svhn");
  CHECK(missing.status == 1);
  CHECK(missing.output.find("/mirror/svhn/train_32x32.mat: the download failed; nothing was changed") !=
        std::string::npos);
  CHECK(files_in(dir / "data/svhn") == 0);
  write_file(dir / "mirror/svhn/train_32x32.mat", "wrong");
  write_file(dir / "data/svhn/train_32x32.mat", "mine");
  const Result wrong = fetch(dir, "svhn");
  CHECK(wrong.status == 1);
  CHECK(wrong.output.find("train_32x32.mat: expected the md5 checksum e26dedcc434d2e4c54c9b2d4a06d8373, found "
                          "2bda2998d9b0ee197da142a0447f6725; nothing was changed") != std::string::npos);
  CHECK(files_in(dir / "data/svhn") == 1);
  CHECK(read_file(dir / "data/svhn/train_32x32.mat") == "mine");
}

TEST_CASE("fetch-datasets: what is right is kept, what is wrong is replaced") {
  const std::filesystem::path real = "/usr/share/datasets/fashion-mnist";
  if (!has_curl()) return;
  if (!std::filesystem::exists(real)) {
    WARN("skipped: no " << real.string() << " (apt install dataset-fashion-mnist)");
    return;
  }
  TempDir dir;
  std::filesystem::create_directories(dir / "mirror");
  std::filesystem::create_directory_symlink(real, dir / "mirror/fashion-mnist");
  const Result first = fetch(dir, "fashion-mnist");
  INFO(first.output);
  CHECK(first.status == 0);
  CHECK(files_in(dir / "data/fashion-mnist") == 4);
  CHECK(load("fashion-mnist", Split::test, dir / "data/fashion-mnist").size() == 10000);

  const std::string labels = "data/fashion-mnist/t10k-labels-idx1-ubyte", whole = read_file(dir / (labels + ".gz"));
  write_file(dir / (labels + ".gz"), whole.substr(0, whole.size() - 4));  // all of its content, but no checksum
  const Result again = fetch(dir, "fashion-mnist");
  CHECK(again.status == 0);
  CHECK(again.output.find("t10k-labels-idx1-ubyte.gz: downloading from") != std::string::npos);
  CHECK(again.output.find("t10k-images-idx3-ubyte.gz: there already") != std::string::npos);
  CHECK(read_file(dir / (labels + ".gz")) == whole);
}
