// Pictures of one's own: classes, halves, and files that cannot be read.
#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/datasets/dataset.h>
#include <elbo/datasets/split.h>
#include <sys/stat.h>

#include <chrono>
#include <set>

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

TEST_CASE("folder: classes are the sub-folders; where a run has it so, every tenth picture is in the test half") {
  TempDir dir;
  const auto load_folder = [](const std::filesystem::path& where, Split split) {
    return load("folder", split, where, {.size = 2, .channels = 1, .split_rule = SplitRule::tenth});
  };
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
  CHECK(train.shape() == Shape{43, 1, 2, 2});
  CHECK(train.skipped.empty());
  CHECK(first_bytes(test) == std::vector<int>{9, 19, 109, 119});
  CHECK(test.labels == std::vector<std::int64_t>{1, 1, 2, 2});
  CHECK(train.labels[0] == 0);
  CHECK(train.picture(0)[3] == 200);
  CHECK(first_bytes(train)[1] == 0);
  CHECK(first_bytes(train)[10] == 10);  // 9 is missing
  CHECK(train.labels[42] == 2);
  CHECK(first_bytes(train)[42] == 122);
  // What that rule never read is said.
  write_all(dir, {"cats/06.jfif", "cats/07.webp"}, grey(1));
  const Dataset again = load_folder(dir.path(), Split::train);
  CHECK(first_bytes(again) == first_bytes(train));
  CHECK(again.skipped ==
        std::vector<std::string>{(dir / "cats/06.jfif").string() +
                                     ": expected .png, .jpg or .jpeg, as the run has it, found another extension",
                                 (dir / "cats/07.webp").string() +
                                     ": expected .png, .jpg or .jpeg, as the run has it, found another extension"});
  // Such a run has halves in just these letters.
  write_all(dir, {"Train/a.png", "Test/a.png"}, grey(1));
  CHECK(load_folder(dir.path(), Split::train).class_names.size() == 5);
}

TEST_CASE("folder: a picture stays in its half, whatever is added or taken away") {
  TempDir dir;
  std::vector<std::string> names;
  for (int i = 0; i < 200; ++i) names.push_back((i % 2 ? "cats/" : "dogs/deep/") + std::to_string(1000 + i) + ".png");
  for (int i = 0; i < 200; ++i) write_all(dir, {names[static_cast<std::size_t>(i)]}, grey(i));
  std::vector<int> train = first_bytes(load_folder(dir.path(), Split::train)),
                   test = first_bytes(load_folder(dir.path(), Split::test));
  CHECK(train.size() + test.size() == 200);
  // These are what the hash says: a run rests on them.
  std::sort(test.begin(), test.end());
  CHECK(test == std::vector<int>{6, 36, 37, 42, 68, 71, 75, 102, 114, 131, 138, 147, 168, 182, 184, 192});
  // However the folder is written.
  CHECK(load_folder(dir.path() / "", Split::test).size() == static_cast<std::int64_t>(test.size()));
  CHECK(load_folder(dir.path() / "cats" / "..", Split::test).size() == static_cast<std::int64_t>(test.size()));
  write_all(dir, {"cats/0.png", "ants/0.png", "dogs/deep/1000a.png"}, grey(250));
  std::filesystem::remove(dir / names[5]);
  std::vector<int> after = first_bytes(load_folder(dir.path(), Split::test));
  std::erase(after, 250);
  std::sort(after.begin(), after.end());
  CHECK(after == test);
}

TEST_CASE("folder: about one picture in ten is kept to test, however they are numbered") {
  TempDir dir;
  std::filesystem::create_directories(dir / "c");
  // Empty files: only their names matter.
  for (int i = 0; i < 3000; ++i)
    write_file(dir / ("c/" + std::to_string(i) + (i % 2 ? "-left.png" : "-right.png")), "");
  const auto count = [&](Split split, const std::string& word) {
    // Two pictures that can be read, one in each half.
    const Dataset data = load_folder(dir.path(), split);
    return std::count_if(data.skipped.begin(), data.skipped.end(),
                         [&](const std::string& one) { return one.find(word) != std::string::npos; });
  };
  for (int i = 0; i < 20; ++i) write_file(dir / ("c/whole" + std::to_string(i) + ".png"), grey(1));
  const auto left = count(Split::test, "-left"), right = count(Split::test, "-right");
  CHECK(count(Split::train, "-left") + left == 1500);
  // Four standard deviations about 150.
  CHECK(std::abs(left - 150) < 47);
  CHECK(std::abs(right - 150) < 47);
}

TEST_CASE("folder: a folder that cannot be read and a link that is not followed are said") {
  TempDir dir;
  write_all(dir, {"train/a/1.png", "train/a/deep/shut/2.png", "train/b/1.png", "test/a/1.png", "test/a/shut/2.png"},
            grey(1));
  std::filesystem::create_directory_symlink(dir / "test", dir / "train/b/link");
  for (const char* shut : {"train/a/deep/shut", "test/a/shut"})
    std::filesystem::permissions(dir / shut, std::filesystem::perms::none);
  const std::string train = (dir / "train").string(), test = (dir / "test").string();
  {
    const NotRoot other(dir);
    const Dataset data = load_folder(dir.path(), Split::train);
    CHECK(data.size() == 2);
    CHECK(data.notes == std::vector<std::string>{train + "/a: not looked into: 'deep/shut' (Permission denied)",
                                                 train + "/b: not looked into: 'link' (a link to a folder)",
                                                 test + "/a: not looked into: 'shut' (Permission denied)"});
  }
  for (const char* shut : {"train/a/deep/shut", "test/a/shut"})
    std::filesystem::permissions(dir / shut, std::filesystem::perms::owner_all);
}

TEST_CASE("folder: pictures that lie in the folder itself have no classes") {
  TempDir dir;
  for (int i = 0; i < 12; ++i) write_file(dir / (std::string(1, static_cast<char>('a' + i)) + ".png"), grey(i));
  write_all(dir, {"sub/z.png"}, grey(50));
  const Dataset train = load_folder(dir.path(), Split::train, 3, 3);
  const Dataset test = load_folder(dir.path(), Split::test);
  CHECK(train.shape() == Shape{13 - test.size(), 3, 3, 3});
  CHECK(train.labels.empty());
  CHECK(train.class_names.empty());
  CHECK(first_bytes(train).back() == 50);
  CHECK(train.notes == std::vector<std::string>{dir.path().string() +
                                                ": no classes: pictures lie in the folder itself, beside 1 sub-folder "
                                                "with pictures"});
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

TEST_CASE("folder: halves are told in upper and lower case, the one to validate on comes last") {
  TempDir dir;
  write_all(dir, {"Train/a/1.png", "Train/b/2.png"}, grey(1));
  write_all(dir, {"VALID/b/3.png"}, grey(2));
  write_all(dir, {"TEST/a/4.png"}, grey(3));
  const Dataset train = load_folder(dir.path(), Split::train);
  CHECK(first_bytes(train) == std::vector<int>{1, 1, 2});
  CHECK(train.labels == std::vector<std::int64_t>{0, 1, 1});
  CHECK(train.val_count == 1);
  CHECK(train.halves == "Train, VALID, TEST");
  CHECK(train.notes.empty());
  CHECK(first_bytes(load_folder(dir.path(), Split::test)) == std::vector<int>{3});
  CHECK(load_folder(dir.path(), Split::test).val_count == 0);
  CHECK(train.first(3).val_count == 0);
  const Subsets subsets = split(train, 1, 7);
  CHECK(subsets.val == std::vector<std::int64_t>{2});
  CHECK(subsets.train.size() == 2);
  CHECK(error_of<ValueError>([&] { split(train, 2, 7); }) ==
        "val-size: expected the 1 picture that folder has to validate on, found 2");

  // What lies beside them is said.
  write_all(dir, {"extra/5.png"}, grey(4));
  const std::string place = dir.path().string();
  CHECK(load_folder(dir.path(), Split::train).notes ==
        std::vector<std::string>{place + ": not used, beside the halves 'TEST', 'Train', 'VALID': 'extra'"});
  std::filesystem::remove_all(dir / "extra");
  std::filesystem::create_directories(dir / "test");
  CHECK(error_of<ValueError>([&] { load_folder(dir.path(), Split::train); }) ==
        place + ": expected one folder for each half, found 'TEST', 'test'");
}

TEST_CASE("folder: a half that is missing is said, one beside classes is not guessed about") {
  TempDir dir;
  const std::string place = dir.path().string();
  write_all(dir, {"train/a/1.png", "train/b/2.png"}, grey(1));
  CHECK(load_folder(dir.path(), Split::train).class_names == std::vector<std::string>{"a", "b"});
  CHECK(error_of<IoError>([&] { load_folder(dir.path(), Split::test); }) ==
        place + ": expected pictures to test in a folder 'test' beside 'train', found none");
  write_all(dir, {"car/1.png", "plane/1.png"}, grey(1));
  CHECK(error_of<ValueError>([&] { load_folder(dir.path(), Split::train); }) ==
        place +
            ": expected halves or classes, found the half 'train' beside 'car', 'plane': rename it where it is a "
            "class, put them into a half where not");
  // The folder above one with halves.
  TempDir above;
  write_all(above, {"set/train/a/1.png", "set/test/a/2.png"}, grey(1));
  std::vector<std::string> notes;
  for (const Split split : {Split::train, Split::test}) try {
      notes = load_folder(above.path(), split).notes;
    } catch (const IoError&) {
    }
  const std::string set = (above / "set").string();
  CHECK(notes == std::vector<std::string>{set +
                                          ": taken as a class, though there are 'test', 'train' in it: as halves "
                                          "with --data " +
                                          set});
}

TEST_CASE("folder: pictures of other formats are listed, files that are none are not") {
  TempDir dir;
  write_all(dir, {"train/a/1.jfif", "train/a/2.JPE"}, jpeg);
  write_all(dir, {"train/a/3.webp"}, "RIFF\x20\0\0\0WEBPVP8 "s);
  write_all(dir, {"train/a/4.bmp", "train/a/5.TIFF", "train/a/6.gif", "train/a/7.heic", "train/a/8.avif"}, "GIF89a");
  write_all(dir, {"train/a/9.webp"}, grey(9));  // told by its content
  write_all(dir, {"train/a/readme.txt", "train/a/labels.csv", "train/a/m.json", "train/a/.x.png", "test/b.png"}, "x");
  const Dataset data = load_folder(dir.path(), Split::train);
  CHECK(data.size() == 3);
  REQUIRE(data.skipped.size() == 6);
  CHECK(data.skipped[0] ==
        (dir / "train/a/3.webp").string() + ": expected a PNG or JPEG picture, found a WebP picture");
  CHECK(data.skipped[3] == (dir / "train/a/6.gif").string() + ": expected a PNG or JPEG picture, found a GIF picture");
}

TEST_CASE("a dataset's identity changes with whatever training sees of it") {
  TempDir dir;
  write_all(dir, {"train/a/1.png", "train/b/2.png", "train/b/3.png"}, grey(1));
  write_all(dir, {"test/a/1.png"}, grey(1));
  const auto identity = [&] { return load_folder(dir.path(), Split::train).identity(); };
  const std::string before = identity();
  // For ever: runs keep it.
  CHECK(before == "3 pictures [1, 2, 2], 2 classes, hash b1e5e61b6e770095");
  std::set<std::string> seen{before};
  write_all(dir, {"test/c/2.png"}, grey(2));  // no training picture
  CHECK(identity() == before);
  write_all(dir, {"train/b/3.png"}, grey(2));
  CHECK(seen.insert(identity()).second);
  std::filesystem::rename(dir / "train/b/2.png", dir / "train/a/2.png");
  CHECK(seen.insert(identity()).second);
  std::filesystem::rename(dir / "train/b", dir / "train/d");
  CHECK(seen.insert(identity()).second);
  std::filesystem::remove(dir / "train/a/2.png");
  CHECK(seen.insert(identity()).second);
  write_all(dir, {"val/a/2.png"}, grey(1));
  CHECK(seen.insert(identity()).second);
}

TEST_CASE("the hash of a dataset is made within 50 ms for 60,000 x 784 bytes", "[slow]") {
  Dataset data;
  data.features = Array::full({60000, 1, 28, 28}, 3, {DType::uint8});
  data.labels.resize(60000, 1);
  const std::string first = data.identity();
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    CHECK(data.identity() == first);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  CHECK(best < 0.05);
}

TEST_CASE("classes are matched by name, unknown ones follow") {
  Dataset data;
  data.class_names = {"c", "d", "b"};
  data.labels = {0, 0, 1, 2};
  match_classes(data, {"b", "c", "x"});
  CHECK(data.class_names == std::vector<std::string>{"b", "c", "x", "d"});
  CHECK(data.labels == std::vector<std::int64_t>{1, 1, 3, 0});
  match_classes(data, {});
  CHECK(data.labels == std::vector<std::int64_t>{1, 1, 3, 0});
}

TEST_CASE("folder: what cannot be read is left out and listed") {
  TempDir dir;
  write_all(dir, {"train/a/1.png", "train/a/4.png", "train/b/2.png"}, grey(7));
  write_all(dir, {"train/a/2.png"}, "text");
  write_all(dir, {"train/a/3.jpg"}, jpeg.substr(0, 300));
  write_all(dir, {"train/b/1.png"}, png_header(30000, 30000, 8, 0) + chunk("IDAT", "x") + chunk("IEND", ""));
  write_all(dir, {"train/b/3.png"}, "");
  const int before = num_threads();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const Dataset data = load_folder(dir.path(), Split::train);
    CHECK(data.size() == 3);
    CHECK(data.labels == std::vector<std::int64_t>{0, 0, 1});
    CHECK(first_bytes(data) == std::vector<int>{7, 7, 7});
    CHECK(data.pictures().size() == 12);
    REQUIRE(data.skipped.size() == 4);
    CHECK(data.skipped[0] == (dir / "train/a/2.png").string() +
                                 ": expected a PNG or JPEG picture, found something else (first bytes 74 65 78 74)");
    CHECK(data.skipped[1] == (dir / "train/a/3.jpg").string() + ": damaged picture: found the file cut off");
    CHECK(data.skipped[2] ==
          (dir / "train/b/1.png").string() + ": expected at most 100000000 pixels, found 30000 x 30000");
    CHECK(data.skipped[3] == (dir / "train/b/3.png").string() + ": expected data, found an empty file");
  }
  set_num_threads(before);
}

TEST_CASE("folder: nothing to read, and options that make no sense") {
  TempDir dir;
  const std::string place = dir.path().string();
  write_all(dir, {"a/notes.txt", "b.json"}, "x");
  CHECK(error_of<IoError>([&] { load_folder(dir.path(), Split::train); }) ==
        place + ": expected PNG or JPEG pictures to train there or below, found none");
  write_all(dir, {"a/x.png"}, "x");
  CHECK(error_of<FormatError>([&] { load_folder(dir.path(), Split::train); }) ==
        place + ": expected at least one picture that can be read, found 1 that cannot, among them " + place +
            "/a/x.png: expected a PNG or JPEG picture, found something else (first bytes 78)");
  CHECK(error_of<IoError>([&] { load_folder(dir.path(), Split::test); }) ==
        place +
            ": expected PNG or JPEG pictures to test there or below, found none; about one in ten is kept to test, by "
            "the hash of its path; here that is none of 1");
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

TEST_CASE(
    "folder: runs are left out, what has no pictures is named, a link to nothing is a picture that cannot be read") {
  TempDir dir;
  const std::string place = dir.path().string();
  write_all(dir, {"a/1.png", "b/1.png", "run/samples.png", "b/deep/samples.png"}, grey(1));
  write_all(dir, {"run/config.json", "run/history.jsonl", "b/deep/config.json", "b/deep/history.jsonl"}, "{}");
  write_all(dir, {"text/notes.txt", "broken/1.png"}, "x");
  std::filesystem::create_directories(dir / "empty");
  std::filesystem::create_symlink("nowhere", dir / "link");
  std::filesystem::create_symlink("nowhere", dir / "a/2.png");
  const Dataset data = load_folder(dir.path(), Split::train, 2);
  CHECK(data.class_names == std::vector<std::string>{"a", "b", "broken"});
  CHECK(data.size() == 2);
  REQUIRE(data.skipped.size() == 2);
  CHECK(data.skipped[0] == place + "/a/2.png: expected a picture, found a link to nothing");
  REQUIRE(data.notes.size() == 3);
  CHECK(data.notes[0] == place + ": left out, as runs are no pictures to train on: 'run'");
  CHECK(data.notes[1] == place +
                             ": no classes, as there are no pictures in them: 'link' (a link to nothing), 'empty' "
                             "(empty), 'text' (none that is PNG or JPEG)");
  CHECK(data.notes[2] == place + ": no picture to train on of the class 'broken' could be read");
}

TEST_CASE("folder: a half without classes beside one that has them, and a class that is not trained on, are said") {
  TempDir flat, other;
  write_all(flat, {"train/a/1.png", "test/1.png"}, grey(1));
  const Dataset none = load_folder(flat.path(), Split::train, 2);
  CHECK(none.labels.empty());
  CHECK(none.notes == std::vector<std::string>{flat.path().string() +
                                               ": no classes: pictures lie in 'test' itself, though 'train' has "
                                               "sub-folders with pictures"});
  CHECK(load_folder(flat.path(), Split::test, 2).notes == none.notes);
  write_all(other, {"train/a/1.png", "test/b/1.png", "val/a/1.png"}, grey(1));
  const Dataset train = load_folder(other.path(), Split::train, 2);
  CHECK(train.notes == std::vector<std::string>{(other / "train").string() +
                                                ": no pictures to train on of 'b', which another half has"});
}
