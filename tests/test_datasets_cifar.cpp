// CIFAR-10 and CIFAR-100: the records, and the files that are not what they should be.
#include <elbo/core/errors.h>
#include <elbo/datasets/dataset.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <numeric>

#include "catch.h"
#include "datasets_support.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::datasets;

namespace {

/// Records whose pixels are all the record's number, or 200 + the plane in every hundredth; `labels` give each label
/// byte of record i.
std::string records(std::size_t count, std::initializer_list<int> limits) {
  std::string out;
  out.reserve(count * (3072 + limits.size()));
  for (std::size_t i = 0; i < count; ++i) {
    for (int limit : limits) out += static_cast<char>(i % static_cast<std::size_t>(limit));
    for (char plane = 0; plane < 3; ++plane)
      out.append(1024, i % 100 == 0 ? static_cast<char>(200 + plane) : static_cast<char>(i));
  }
  return out;
}
std::string cifar10_records(std::size_t count) { return records(count, {10}); }
std::string cifar100_records(std::size_t count) { return records(count, {20, 100}); }

/// What loading says when the test half's file has this content.
std::string complaint(const std::string& name, const std::string& content, const std::string& file) {
  TempDir dir;
  write_file(dir / file, content);
  const std::string message = error_of<FormatError>([&] { load(name, Split::test, dir.path()); });
  const std::string prefix = (dir / file).string() + ": ";
  REQUIRE(message.substr(0, prefix.size()) == prefix);
  REQUIRE(message.find('\n') == std::string::npos);
  return message.substr(prefix.size());
}
const std::string ten = "test_batch.bin", hundred = "test.bin";
const std::string expected10 =
    "expected 10000 records of 3073 bytes, as CIFAR-10 has them, 30730000 bytes in all, found ";
const std::string expected100 =
    "expected 10000 records of 3074 bytes, as CIFAR-100 has them, 30740000 bytes in all, found ";

}  // namespace

TEST_CASE("cifar: records become planar pictures and labels, plain and gzip'd, in either folder") {
  TempDir dir;
  const std::string all = cifar10_records(10000);
  write_file(dir / ten, all);
  const Dataset plain = load("cifar10", Split::test, dir.path());
  CHECK(plain.name == "cifar10");
  CHECK(plain.shape() == Shape{10000, 3, 32, 32});
  CHECK(plain.labels.size() == 10000);
  CHECK(plain.labels[9999] == 9);
  CHECK(plain.labels[1237] == 7);
  CHECK(plain.class_names[0] == "airplane");
  CHECK(plain.class_names[9] == "truck");
  CHECK(plain.classes() == 10);
  CHECK(plain.picture(300)[0] == 200);
  CHECK(plain.picture(300)[1024] == 201);
  CHECK(plain.picture(300)[3071] == 202);
  CHECK(plain.picture(9999)[0] == 9999 % 256);

  std::filesystem::create_directories(dir / "gz" / "cifar-10-batches-bin");
  const std::string packed = gzipped(all);
  for (int i = 1; i <= 5; ++i)
    write_file(dir / ("gz/cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin.gz"), packed);
  const Dataset train = load("cifar10", Split::train, dir / "gz");
  CHECK(train.shape() == Shape{50000, 3, 32, 32});
  CHECK(std::equal(plain.pictures().begin(), plain.pictures().end(), train.pictures().end() - 30720000));
  CHECK(find_data_dir("cifar10", dir / "gz") == dir / "gz");
  CHECK(train.notes.empty());
  const std::string inner = (dir / "gz/cifar-10-batches-bin/data_batch_2.bin.gz").string();
  write_file(dir / "gz/data_batch_2.bin", all);
  CHECK(load("cifar10", Split::train, dir / "gz").notes ==
        std::vector<std::string>{(dir / "gz/data_batch_2.bin").string() + ": this file is read, and not " + inner +
                                 ", which is there too"});
}

TEST_CASE("cifar: CIFAR-100 has two label bytes, of which the second counts") {
  TempDir dir;
  std::filesystem::create_directories(dir / "cifar-100-binary");
  write_file(dir / "cifar-100-binary" / hundred, cifar100_records(10000));
  const Dataset test = load("cifar100", Split::test, dir.path());
  CHECK(test.shape() == Shape{10000, 3, 32, 32});
  CHECK(test.labels[1237] == 37);
  CHECK(test.picture(300)[2048] == 202);
  REQUIRE(test.class_names.size() == 100);
  CHECK(std::is_sorted(test.class_names.begin(), test.class_names.end()));
  CHECK(test.class_names[0] == "apple");
  CHECK(test.class_names[49] == "mountain");
  CHECK(test.class_names[99] == "worm");
}

TEST_CASE("cifar: truncated, oversized, empty") {
  const std::string all = cifar10_records(10000);
  CHECK(complaint("cifar10", all.substr(0, all.size() - 1), ten) == expected10 + "30729999 bytes: truncated");
  // Even where whole records are left.
  CHECK(complaint("cifar10", all.substr(0, all.size() / 2), ten) == expected10 + "15365000 bytes: truncated");
  CHECK(complaint("cifar10", all + all.substr(0, 3073), ten) == expected10 + "30733073 bytes");
  CHECK(complaint("cifar10", "", ten) == "expected data, found an empty file");
  CHECK(complaint("cifar10", "<html></html>", ten) ==
        "expected CIFAR-10's records, found an HTML page: was the download redirected?");
  // The same where only unpacking shows it.
  const std::string gz = ten + ".gz";
  CHECK(complaint("cifar10", gzipped(all.substr(0, all.size() - 1)), gz) == expected10 + "30729999 bytes: truncated");
  CHECK(complaint("cifar10", gzipped(all + "x"), gz) == expected10 + "30730001 bytes");
  const std::string packed = gzipped(all);
  CHECK(complaint("cifar10", packed.substr(0, packed.size() - 4), gz) ==
        expected10 + "30730000 bytes before the gzip data is cut off");
  const std::string half = complaint("cifar10", packed.substr(0, packed.size() / 2), gz);
  CHECK(half.find(expected10) == 0);
  CHECK(half.find(" bytes before the gzip data is cut off") != std::string::npos);
  const std::string tiny = gzipped(all.substr(0, 100));
  CHECK(complaint("cifar10", tiny, gz) == expected10 + "a gzip file of " + std::to_string(tiny.size()) +
                                              " bytes, which can hold " + std::to_string(tiny.size() * 1032) +
                                              ": truncated");
}

TEST_CASE("cifar: one version given as the other") {
  const std::string like100 =
      "30740000 bytes, which is 10000 records of 3074 bytes: they look like CIFAR-100's (the dataset cifar100)";
  const std::string like10 =
      "30730000 bytes, which is 10000 records of 3073 bytes: they look like CIFAR-10's (the dataset cifar10)";
  CHECK(complaint("cifar10", cifar100_records(10000), ten) == expected10 + like100);
  CHECK(complaint("cifar10", gzipped(cifar100_records(10000)), ten + ".gz") == expected10 + like100);
  CHECK(complaint("cifar100", cifar10_records(10000), hundred) == expected100 + like10);
  CHECK(complaint("cifar100", gzipped(cifar10_records(10000)), hundred + ".gz") == expected100 + like10);
  // By the names of the files.
  CHECK(complaint("cifar10", "x", hundred) ==
        "expected CIFAR-10's test_batch.bin, found a file of CIFAR-100: it is the dataset cifar100");
  CHECK(complaint("cifar100", "x", ten) ==
        "expected CIFAR-100's test.bin, found a file of CIFAR-10: it is the dataset cifar10");
}

TEST_CASE("cifar: labels out of range") {
  std::string all = cifar10_records(10000);
  all[3073 * 5678] = 10;
  CHECK(complaint("cifar10", all, ten) == "expected labels from 0 to 9, found 10 in record 5678");
  std::string coarse = cifar100_records(10000), fine = coarse;
  coarse[3074 * 2] = 20;
  CHECK(complaint("cifar100", coarse, hundred) == "expected labels from 0 to 19, found 20 in record 2");
  fine[3074 * 9999 + 1] = static_cast<char>(200);
  CHECK(complaint("cifar100", fine, hundred) == "expected labels from 0 to 99, found 200 in record 9999");
}

TEST_CASE("cifar: missing files, and what lies there instead") {
  TempDir dir;
  const std::string place = dir.path().string();
  CHECK(error_of<IoError>([&] { load("cifar10", Split::train, dir.path()); }) ==
        place +
            ": expected data_batch_1.bin or the same with .gz, there or in cifar-10-batches-bin, found no such file "
            "(scripts/fetch-datasets cifar10 downloads them)");
  write_file(dir / "cifar-10-binary.tar.gz", "x");
  CHECK(error_of<IoError>([&] { load("cifar10", Split::train, dir.path()); }) ==
        place + "/cifar-10-binary.tar.gz: expected data_batch_1.bin, found the archive that holds it: unpack it there");
  std::filesystem::create_directories(dir / "cifar-10-batches-py");
  CHECK(error_of<FormatError>([&] { load("cifar10", Split::train, dir.path()); }).find("found the Python version") !=
        std::string::npos);
  TempDir some;
  for (int i : {1, 2, 4, 5}) write_file(some / ("data_batch_" + std::to_string(i) + ".bin"), "x");
  CHECK(error_of<IoError>([&] { load("cifar10", Split::train, some.path()); }).find("expected data_batch_3.bin or") !=
        std::string::npos);
}

TEST_CASE("cifar: the real CIFAR-10", "[data]") {
  const char* root = std::getenv("ELBO_DATA");
  const std::filesystem::path dir = root ? std::filesystem::path(root) / "cifar10" : "";
  if (!root || !std::filesystem::exists(dir)) {
    WARN("skipped: ELBO_DATA names no folder with cifar10 in it");
    return;
  }
  for (const Split split : {Split::train, Split::test}) {
    const std::int64_t count = split == Split::train ? 50000 : 10000;
    const auto begin = std::chrono::steady_clock::now();
    const Dataset data = load("cifar10", split, dir);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    INFO(count << " pictures in " << seconds << " s");
    CHECK(data.shape() == Shape{count, 3, 32, 32});
    std::vector<std::int64_t> histogram(10);
    for (std::int64_t label : data.labels) ++histogram[static_cast<std::size_t>(label)];
    CHECK(histogram == std::vector<std::int64_t>(10, count / 10));
    // The means of the channels, which everyone who normalises CIFAR-10 knows.
    const double known[] = {0.4914, 0.4822, 0.4465};
    for (std::size_t c = 0; c < 3 && split == Split::train; ++c) {
      double sum = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        const auto plane = data.picture(i).subspan(c * 1024, 1024);
        sum += std::accumulate(plane.begin(), plane.end(), 0.0);
      }
      CHECK(sum / (255.0 * 1024 * static_cast<double>(count)) == Approx(known[c]).margin(0.001));
    }
  }
}
