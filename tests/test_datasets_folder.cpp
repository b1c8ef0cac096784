// Pictures of one's own: classes, halves, and files that cannot be read.
#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/datasets/dataset.h>
#include <sys/stat.h>

#include "catch.h"
#include "picture_files.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::datasets;

namespace {

/// Files by their paths below a folder, whose own folders are made.
void write_all(const TempDir& dir, const std::vector<std::string>& names, const std::string& content) {
  for (const std::string& name : names) {
    std::filesystem::create_directories((dir / name).parent_path());
    write_file(dir / name, content);
  }
}
Dataset load_folder(const std::filesystem::path& dir, Split split, std::int64_t size = 2, std::int64_t channels = 1) {
  LoadOptions options;
  options.size = size;
  options.channels = channels;
  return load("folder", split, dir, options);
}
/// The first byte of each picture.
std::vector<int> first_bytes(const Dataset& data) {
  std::vector<int> out;
  for (std::int64_t i = 0; i < data.size(); ++i) out.push_back(data.picture(i)[0]);
  return out;
}

}  // namespace

TEST_CASE("folder: classes are the sub-folders, every tenth picture is in the test half") {
  TempDir dir;
  for (int i = 0; i < 23; ++i) {
    const std::string two = std::to_string(i / 10) + std::to_string(i % 10);
    write_all(dir, {"cats/" + two + ".png"}, grey(i));
    write_all(dir, {"dogs/deep/er/" + two + ".JPG"}, grey(100 + i));  // told by content
  }
  write_all(dir, {"cats/notes.txt", "cats/._00.png", ".thumbnails/x.png", "empty/readme.md"}, "not a picture");
  write_all(dir, {"ants/only.jpeg"}, grey(200));
  const Dataset train = load_folder(dir.path(), Split::train), test = load_folder(dir.path(), Split::test);
  CHECK(train.name == "folder");
  CHECK(train.class_names == std::vector<std::string>{"ants", "cats", "dogs"});
  CHECK(test.class_names == train.class_names);
  CHECK(train.shape == Shape{43, 1, 2, 2});
  CHECK(train.skipped.empty());
  CHECK(first_bytes(test) == std::vector<int>{9, 19, 109, 119});
  CHECK(test.labels == std::vector<std::int64_t>{1, 1, 2, 2});
  CHECK(train.labels[0] == 0);
  CHECK(train.picture(0)[3] == 200);
  CHECK(first_bytes(train)[1] == 0);
  CHECK(first_bytes(train)[10] == 10);  // 9 is missing
  CHECK(train.labels[42] == 2);
  CHECK(first_bytes(train)[42] == 122);
}

TEST_CASE("folder: pictures that lie in the folder itself have no classes") {
  TempDir dir;
  for (int i = 0; i < 12; ++i) write_file(dir / (std::string(1, static_cast<char>('a' + i)) + ".png"), grey(i));
  write_all(dir, {"sub/z.png"}, grey(50));
  const Dataset train = load_folder(dir.path(), Split::train, 3, 3);
  CHECK(train.shape == Shape{12, 3, 3, 3});
  CHECK(train.labels.empty());
  CHECK(train.class_names.empty());
  CHECK(first_bytes(train) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 50});
  CHECK(first_bytes(load_folder(dir.path(), Split::test)) == std::vector<int>{9});
}

TEST_CASE("folder: train and test as sub-folders are the halves") {
  TempDir dir;
  write_all(dir, {"train/b/1.png", "train/b/2.png", "test/b/3.png"}, grey(1));
  write_all(dir, {"train/a/1.png", "test/c/1.png"}, grey(2));
  const Dataset train = load_folder(dir.path(), Split::train), test = load_folder(dir.path(), Split::test);
  // Both know the classes of either.
  CHECK(train.class_names == std::vector<std::string>{"a", "b", "c"});
  CHECK(test.class_names == train.class_names);
  CHECK(train.labels == std::vector<std::int64_t>{0, 1, 1});
  CHECK(test.labels == std::vector<std::int64_t>{1, 2});
  write_all(dir, {"test/direct.png"}, grey(3));
  CHECK(load_folder(dir.path(), Split::train).labels.empty());
  CHECK(load_folder(dir.path(), Split::test).size() == 3);
  CHECK(load_folder(dir.path(), Split::test).labels.empty());
}

TEST_CASE("folder: what cannot be read is left out and listed") {
  TempDir dir;
  write_all(dir, {"a/1.png", "a/4.png", "b/2.png"}, grey(7));
  write_all(dir, {"a/2.png"}, "text");
  write_all(dir, {"a/3.jpg"}, jpeg.substr(0, 300));
  write_all(dir, {"b/1.png"}, png_header(30000, 30000, 8, 0) + chunk("IDAT", "x") + chunk("IEND", ""));
  write_all(dir, {"b/3.png"}, "");
  const int before = num_threads();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const Dataset data = load_folder(dir.path(), Split::train);
    CHECK(data.size() == 3);
    CHECK(data.labels == std::vector<std::int64_t>{0, 0, 1});
    CHECK(first_bytes(data) == std::vector<int>{7, 7, 7});
    CHECK(data.pictures.size() == 12);
    REQUIRE(data.skipped.size() == 4);
    CHECK(data.skipped[0] == (dir / "a/2.png").string() +
                                 ": expected a PNG or JPEG picture, found something else (first bytes 74 65 78 74)");
    CHECK(data.skipped[1] == (dir / "a/3.jpg").string() + ": damaged picture: found the file cut off");
    CHECK(data.skipped[2] == (dir / "b/1.png").string() + ": expected at most 100000000 pixels, found 30000 x 30000");
    CHECK(data.skipped[3] == (dir / "b/3.png").string() + ": expected data, found an empty file");
  }
  set_num_threads(before);
}

TEST_CASE("folder: nothing to read, and options that make no sense") {
  TempDir dir;
  const std::string place = dir.path().string();
  write_all(dir, {"a/notes.txt", "b.gif"}, "x");
  CHECK(error_of<IoError>([&] { load_folder(dir.path(), Split::train); }) ==
        place + ": expected PNG or JPEG pictures to train there or below, found none");
  write_all(dir, {"a/x.png"}, "x");
  CHECK(error_of<FormatError>([&] { load_folder(dir.path(), Split::train); }) ==
        place + ": expected at least one picture that can be read, found 1 that cannot, among them " + place +
            "/a/x.png: expected a PNG or JPEG picture, found something else (first bytes 78)");
  CHECK(error_of<IoError>([&] { load_folder(dir.path(), Split::test); }) ==
        place +
            ": expected PNG or JPEG pictures to test there or below, found none; every tenth of a class is one, "
            "and no class has ten");
  std::filesystem::create_directories(dir / "train");
  std::filesystem::create_directories(dir / "test");
  CHECK(error_of<IoError>([&] { load_folder(dir.path(), Split::test); }) ==
        place + "/test: expected PNG or JPEG pictures to test there or below, found none");
  CHECK(error_of<ValueError>([&] { load_folder(dir.path(), Split::train, 0); }) ==
        "dataset folder: expected a size from 1 to 4096, found 0");
  CHECK(error_of<ValueError>([&] { load_folder(dir.path(), Split::train, 8, 4); }) ==
        "dataset folder: expected 1 or 3 channels, found 4");
  CHECK(error_of<IoError>([&] { load_folder(dir / "none", Split::train); }).find("found nothing there") !=
        std::string::npos);
}

TEST_CASE("folder: a pipe is no picture, links to files and to classes are followed, a circle ends") {
  TempDir dir, other;
  write_all(other, {"real/p.png"}, grey(3));
  write_all(dir, {"a/1.png"}, grey(1));
  REQUIRE(mkfifo((dir / "a/0.png").c_str(), 0600) == 0);
  std::filesystem::create_directory_symlink(other / "real", dir / "b");
  std::filesystem::create_symlink(other / "real/p.png", dir / "a/2.png");
  std::filesystem::create_directory_symlink(dir.path(), dir / "a/circle");
  const Dataset data = load_folder(dir.path(), Split::train);
  CHECK(data.class_names == std::vector<std::string>{"a", "b"});
  CHECK(first_bytes(data) == std::vector<int>{1, 3, 3});
}
