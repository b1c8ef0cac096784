// Finding and loading datasets, and the messages for files that do not fit together.
#include <elbo/core/errors.h>
#include <elbo/datasets/dataset.h>
#include <elbo/datasets/idx.h>
#include <elbo/datasets/split.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <optional>

#include "catch.h"
#include "datasets_support.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::datasets;

namespace {

/// Sets an environment variable until the end of a block.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (old_)
      setenv(name_, old_->c_str(), 1);
    else
      unsetenv(name_);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

/// Pictures 2 x 3 whose bytes count up, and labels.
void write_pictures(const std::filesystem::path& path, std::int64_t count, std::uint8_t first = 0) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count * 6));
  std::iota(bytes.begin(), bytes.end(), first);
  write_idx<std::uint8_t>(path, {count, 2, 3}, bytes);
}
void write_labels(const std::filesystem::path& path, const std::vector<std::uint8_t>& labels) {
  write_idx<std::uint8_t>(path, {static_cast<std::int64_t>(labels.size())}, labels);
}

const char* const images = "train-images-idx3-ubyte";
const char* const labels = "train-labels-idx1-ubyte";

std::string complaint(const TempDir& dir, const char* file, const std::string& name = "mnist") {
  const std::string message = error_of<FormatError>([&] { load(name, Split::train, dir.path()); });
  const std::string prefix = (dir / file).string() + ": ";
  REQUIRE(message.substr(0, prefix.size()) == prefix);
  return message.substr(prefix.size());
}

void check_fashion_mnist(const Dataset& data, std::int64_t count) {
  CHECK(data.shape() == Shape{count, 1, 28, 28});
  REQUIRE(data.labels.size() == static_cast<std::size_t>(count));
  std::vector<std::int64_t> histogram(10);
  for (std::int64_t label : data.labels) ++histogram[static_cast<std::size_t>(label)];
  CHECK(histogram == std::vector<std::int64_t>(10, count / 10));
}

double mean(const Dataset& data) {
  const auto sum = std::accumulate(data.pictures().begin(), data.pictures().end(), std::uint64_t{0});
  return static_cast<double>(sum) / static_cast<double>(data.pictures().size());
}

}  // namespace

TEST_CASE("datasets: both halves are read, with their labels and class names") {
  TempDir dir;
  write_pictures(dir / images, 3);
  write_labels(dir / labels, {9, 0, 4});
  write_pictures(dir / "t10k-images.idx3-ubyte.gz", 2, 100);
  write_labels(dir / "t10k-labels.idx1-ubyte", {1, 2});

  const Dataset train = load("fashion-mnist", Split::train, dir.path());
  CHECK(train.name == "fashion-mnist");
  CHECK(train.shape() == Shape{3, 1, 2, 3});
  CHECK(train.size() == 3);
  CHECK(train.channels() == 1);
  CHECK(train.height() == 2);
  CHECK(train.width() == 3);
  CHECK(train.picture_size() == 6);
  CHECK(train.classes() == 10);
  CHECK(train.labels == std::vector<std::int64_t>{9, 0, 4});
  CHECK(train.class_names[9] == "Ankle boot");
  CHECK(train.picture(2)[5] == 17);
  CHECK(error_of<IndexError>([&] { train.picture(3); }) == "[picture] 3 is out of range for 3 pictures");

  const Dataset test = load("mnist", Split::test, dir.path());
  CHECK(test.size() == 2);
  CHECK(test.picture(0)[0] == 100);
  CHECK(test.class_names[9] == "9");
}

TEST_CASE("datasets: the arrays are the bytes themselves and a copy of the labels") {
  TempDir dir;
  write_pictures(dir / images, 3);
  write_labels(dir / labels, {9, 0, 4});
  const Dataset train = load("mnist", Split::train, dir.path());
  CHECK(train.pictures_array().shape() == Shape{3, 1, 2, 3});
  CHECK(train.pictures_array().raw() == train.pictures().data());  // not copied
  CHECK(train.labels_array().to_vector<std::int64_t>() == train.labels);
  CHECK(Dataset().labels_array().defined() == false);
}

TEST_CASE("datasets: features of any shape and dtype, with labels") {
  const Array rows = Array::from(std::vector<float>{0, 1, 10, 11, 20, 21}, {3, 2});
  const Dataset table = Dataset::from(rows, Array::from(std::vector<std::int64_t>{2, 0, 1}, {3}));
  CHECK(table.size() == 3);
  CHECK(table.features.raw() == rows.raw());  // shared
  CHECK(table.classes() == 3);
  const Dataset some = table.subset(std::vector<std::int64_t>{2, 0});
  CHECK(some.features.to_vector<float>() == std::vector<float>{20, 21, 0, 1});
  CHECK(some.labels == std::vector<std::int64_t>{1, 2});
  CHECK(table.first(0).shape() == Shape{0, 2});
  CHECK(split(table, 1, 0).train.size() == 2);
  CHECK(table.identity().starts_with("3 float32 [2], 3 classes, hash "));
  CHECK(table.identity() != Dataset::from(rows).identity());
  CHECK(Dataset::from(rows.reshape({3, 2, 1})).identity() != Dataset::from(rows).identity());
  CHECK(Dataset::from(Array::zeros({2, 1, 2, 2}, {DType::uint8})).picture_size() == 4);

  const std::string expected = "expected pictures, uint8 [count, channels, height, width], found float32 [3, 2]";
  CHECK(table.channels() == 0);
  CHECK(error_of<DTypeError>([&] { table.picture(0); }) == "[picture] " + expected);
  CHECK(error_of<DTypeError>([&] { table.pictures(); }) == "[pictures] " + expected);
  CHECK(error_of<DTypeError>([&] { table.pictures_array(); }) == "[pictures_array] " + expected);
  CHECK(error_of<DTypeError>([&] { Dataset().pictures(); }) ==
        "[pictures] expected pictures, uint8 [count, channels, height, width], found none");

  CHECK(error_of<ShapeError>([&] { Dataset::from({}); }) == "[Dataset] expected features [count, ...], found none");
  CHECK(error_of<ShapeError>([&] { Dataset::from(rows, Array::zeros({2}, {DType::int64})); }) ==
        "[Dataset] expected labels [3] for features [3, 2], found [2]");
  CHECK(error_of<DTypeError>([&] { Dataset::from(rows, Array::zeros({3})); }) ==
        "[Dataset] expected labels of int64, found float32");
  CHECK(error_of<ValueError>([&] { Dataset::from(rows, Array::full({3}, -1, {DType::int64})); }) ==
        "[Dataset] expected labels of at least 0, found -1");
}

TEST_CASE("datasets: the first pictures, and some of them") {
  TempDir dir;
  write_pictures(dir / images, 3);
  write_labels(dir / labels, {9, 0, 4});
  Dataset all = load("fashion-mnist", Split::train, dir.path());
  all.factor_names = {"a", "b"};
  all.factors = {1, 2, 3, 4, 5, 6};
  all.skipped = {"one"};
  const Dataset two = all.first(2);
  CHECK(two.name == "fashion-mnist");
  CHECK(two.shape() == Shape{2, 1, 2, 3});
  CHECK(two.labels == std::vector<std::int64_t>{9, 0});
  CHECK(two.factors == std::vector<std::int64_t>{1, 2, 3, 4});
  CHECK(std::ranges::equal(two.pictures(), all.pictures().first(12)));
  CHECK(two.class_names == all.class_names);
  CHECK(two.factor_names == all.factor_names);
  CHECK(two.skipped == all.skipped);
  CHECK(all.first(7).size() == 3);
  CHECK(all.first(0).shape() == Shape{0, 1, 2, 3});
  CHECK(all.first(0).pictures().empty());

  const Dataset some = all.subset(std::vector<std::int64_t>{2, 0, 2});
  CHECK(some.shape() == Shape{3, 1, 2, 3});
  CHECK(some.labels == std::vector<std::int64_t>{4, 9, 4});
  CHECK(some.factors == std::vector<std::int64_t>{5, 6, 1, 2, 5, 6});
  CHECK(some.picture(0)[0] == 12);
  CHECK(some.picture(1)[5] == 5);
  all.labels.clear();
  CHECK(all.first(2).labels.empty());
  CHECK(error_of<IndexError>([&] { all.first(-1); }) == "[first] expected a count of at least 0, found -1");
  CHECK(error_of<IndexError>([&] {
          all.subset(std::vector<std::int64_t>{0, 3});
        }) == "[subset] 3 is out of range for 3 pictures");
  CHECK(error_of<IndexError>([&] { all.subset(std::vector<std::int64_t>{-1}); }) ==
        "[subset] -1 is out of range for 3 pictures");
}

TEST_CASE("datasets: labels or factors of another number than the features have no subset") {
  Dataset data = Dataset::from(Array::zeros({3, 2}));
  data.labels = {0, 1};
  CHECK(error_of<ShapeError>([&] { data.first(1); }) == "[Dataset] expected 3 labels for features [3, 2], found 2");
  data.labels.clear();
  data.factor_names = {"a", "b"};
  data.factors = {1, 2, 3, 4};
  CHECK(error_of<ShapeError>([&] { data.subset(std::vector<std::int64_t>{2}); }) ==
        "[Dataset] expected 6 factors for features [3, 2], found 4");
}

TEST_CASE("datasets: the plain file is taken where the gzip'd one is there too") {
  TempDir dir;
  write_pictures(dir / images, 2, 0);
  write_pictures(dir / (std::string(images) + ".gz"), 2, 50);
  write_labels(dir / labels, {0, 1});
  write_labels(dir / "train-labels.idx1-ubyte", {1, 1});
  const auto note = [&](const std::string& read, const std::string& other) {
    return (dir / read).string() + ": this file is read, and not " + (dir / other).string() + ", which is there too";
  };
  const std::string pictures = note(images, std::string(images) + ".gz");
  const Dataset mnist = load("mnist", Split::train, dir.path());
  CHECK(mnist.picture(0)[0] == 0);
  CHECK(mnist.labels == std::vector<std::int64_t>{0, 1});
  CHECK(mnist.notes == std::vector<std::string>{pictures, note(labels, "train-labels.idx1-ubyte")});
  CHECK(load("idx", Split::train, dir.path()).notes == std::vector<std::string>{pictures});
}

TEST_CASE("datasets: images and labels swapped") {
  TempDir dir;
  write_labels(dir / images, {1, 2, 3});
  write_pictures(dir / labels, 3);
  CHECK(complaint(dir, images) ==
        "expected pictures, uint8 [n, height, width], found uint8 [3], which looks like labels: are images and labels "
        "swapped?");
  write_pictures(dir / images, 3);
  CHECK(complaint(dir, labels) ==
        "expected labels, uint8 [n], found uint8 [3, 2, 3], which looks like pictures: are images and labels swapped?");
}

TEST_CASE("datasets: pictures and labels of another type or rank") {
  TempDir dir;
  write_labels(dir / labels, {1});
  write_idx<float>(dir / images, {1, 1, 1}, std::vector<float>{0.5f});
  CHECK(complaint(dir, images) == "expected pictures, uint8 [n, height, width], found float32 [1, 1, 1]");
  write_idx<std::uint8_t>(dir / images, {1, 1}, std::vector<std::uint8_t>{1});
  CHECK(complaint(dir, images) == "expected pictures, uint8 [n, height, width], found uint8 [1, 1]");
  write_idx<std::uint8_t>(dir / images, {0, 28, 28}, std::vector<std::uint8_t>{});
  CHECK(complaint(dir, images) == "expected at least one picture of at least one pixel, found [0, 28, 28]");
}

TEST_CASE("datasets: counts that differ") {
  TempDir dir;
  write_pictures(dir / images, 3);
  write_labels(dir / labels, {1, 2});
  CHECK(complaint(dir, labels) == "expected 3 labels, one for each picture of train-images-idx3-ubyte, found 2");
}

TEST_CASE("datasets: labels out of range") {
  TempDir dir;
  write_pictures(dir / images, 3);
  write_labels(dir / labels, {1, 10, 2});
  CHECK(complaint(dir, labels) == "expected labels from 0 to 9, found 10 for picture 1");
  CHECK(load("idx", Split::train, dir.path()).classes() == 11);  // where nobody knows the classes, all are right
}

TEST_CASE("datasets: a file that is broken inside is named") {
  TempDir dir;
  write_labels(dir / labels, {1});
  write_file(dir / images, "<html></html>");
  CHECK(complaint(dir, images).find("HTML") != std::string::npos);
}

TEST_CASE("datasets: missing files, a missing folder, a file for a folder") {
  TempDir dir;
  const auto message = [&](const std::filesystem::path& data) {
    return error_of<IoError>([&] { load("mnist", Split::train, data); });
  };
  const std::string hint = " (scripts/fetch-datasets mnist downloads them)";
  CHECK(message(dir.path()) ==
        dir.path().string() + ": expected train-images-idx3-ubyte or the same with .gz, found no such file" + hint);
  write_pictures(dir / images, 1);
  CHECK(message(dir.path()) ==
        dir.path().string() + ": expected train-labels-idx1-ubyte or the same with .gz, found no such file" + hint);
  CHECK(message(dir / "none") ==
        (dir / "none").string() + ": expected a folder with the files of mnist, found nothing there");
  CHECK(message(dir / images) == (dir / images).string() + ": expected a folder with the files of mnist, found a file");
}

TEST_CASE("datasets: unknown names") {
  const std::string names = "mnist, fashion-mnist, cifar10, cifar100, svhn, idx, folder, npz, shapes";
  const std::string expected = "dataset: expected one of " + names + ", found mnits";
  CHECK(error_of<ValueError>([&] { load("mnits", Split::train, "."); }) == expected);
  CHECK(error_of<ValueError>([&] { find_data_dir("mnits"); }) == expected);
  std::string known;
  for (const std::string& name : known_datasets()) known += (known.empty() ? "" : ", ") + name;
  CHECK(known == names);
}

TEST_CASE("datasets: idx takes one pair of any name, with or without labels") {
  TempDir dir;
  write_pictures(dir / "kana-train-images-idx3-ubyte.gz", 2);
  write_pictures(dir / "kana-test-images-idx3-ubyte", 1);
  const Dataset bare = load("idx", Split::train, dir.path());
  CHECK(bare.size() == 2);
  CHECK(bare.labels.empty());
  CHECK(bare.classes() == 0);
  write_labels(dir / "kana-train-labels-idx1-ubyte", {3, 1});
  const Dataset labelled = load("idx", Split::train, dir.path());
  CHECK(labelled.labels == std::vector<std::int64_t>{3, 1});
  CHECK(labelled.classes() == 4);
  CHECK(load("idx", Split::test, dir.path()).size() == 1);
  CHECK(find_data_dir("idx", dir.path()) == dir.path());

  write_pictures(dir / "kanji-train-images-idx3-ubyte", 2);
  CHECK(error_of<ValueError>([&] { load("idx", Split::train, dir.path()); }) ==
        dir.path().string() + ": expected one file with image and train in its name, found " +
            "kana-train-images-idx3-ubyte, kanji-train-images-idx3-ubyte");
  TempDir none;
  CHECK(error_of<IoError>([&] { load("idx", Split::test, none.path()); }) ==
        none.path().string() + ": expected a file with image and t10k or test in its name, found none");
}

TEST_CASE("datasets: where files are looked for") {
  TempDir dir;
  const Environment data("ELBO_DATA", (dir / "data").string());
  const Environment home("HOME", (dir / "home").string());
  CHECK(error_of<IoError>([&] { find_data_dir("mnist"); }) ==
        "ELBO_DATA: expected a folder, found nothing at " + (dir / "data").string());
  std::filesystem::create_directories(dir / "data");
  const std::string message = error_of<IoError>([&] { find_data_dir("mnist"); });
  if (message != "(nothing thrown)") {  // unless this machine has it in a system folder
    CHECK(message.find((dir / "data" / "mnist").string() + ", data/mnist, " +
                       (dir / "home" / ".cache" / "elbo" / "mnist").string()) != std::string::npos);
    CHECK(message.find("/usr/share/datasets/mnist") != std::string::npos);
  }
  std::filesystem::create_directories(dir / "home" / ".cache" / "elbo" / "mnist");
  write_pictures(dir / "home" / ".cache" / "elbo" / "mnist" / images, 1);
  CHECK(find_data_dir("mnist") == dir / "home" / ".cache" / "elbo" / "mnist");
  std::filesystem::create_directories(dir / "data" / "mnist");
  CHECK(find_data_dir("mnist") == dir / "home" / ".cache" / "elbo" / "mnist");  // the other is still empty
  write_pictures(dir / "data" / "mnist" / "train-images.idx3-ubyte.gz", 1);
  CHECK(find_data_dir("mnist") == dir / "data" / "mnist");
  CHECK(find_data_dir("mnist", dir.path()) == dir.path());
  CHECK(load("idx", Split::train, dir / "data" / "mnist").size() == 1);
  write_labels(dir / "data" / "mnist" / labels, {3});
  CHECK(load("mnist", Split::train).labels == std::vector<std::int64_t>{3});  // the folder is found
  CHECK(find_data_dir("shapes").empty());                                     // it needs none
  CHECK(error_of<IoError>([&] { find_data_dir("mnist", dir / "none"); }) ==
        (dir / "none").string() + ": expected a folder with the files of mnist, found nothing there");
}

TEST_CASE("datasets: the real Fashion-MNIST", "[data]") {
  const std::filesystem::path dir = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(dir)) {
    WARN("skipped: no " << dir.string() << " (apt install dataset-fashion-mnist)");
    return;
  }
  const Dataset train = load("fashion-mnist", Split::train, dir);
  check_fashion_mnist(train, 60000);
  CHECK(train.labels[0] == 9);
  CHECK(mean(train) / 255 == Approx(0.2860).margin(0.00005));
  const Dataset test = load("fashion-mnist", Split::test, dir);
  check_fashion_mnist(test, 10000);
  CHECK(mean(test) / 255 == Approx(0.2868).margin(0.00005));
}

TEST_CASE("datasets: the real MNIST", "[data]") {
  const char* root = std::getenv("ELBO_DATA");
  const std::filesystem::path dir = root ? std::filesystem::path(root) / "mnist" : "";
  if (!root || !std::filesystem::exists(dir)) {
    WARN("skipped: ELBO_DATA names no folder with mnist in it");
    return;
  }
  const Dataset train = load("mnist", Split::train, dir);
  CHECK(train.shape() == Shape{60000, 1, 28, 28});
  CHECK(mean(train) / 255 == Approx(0.1307).margin(0.00005));
  CHECK(load("mnist", Split::test, dir).size() == 10000);
}
