// Pictures of one's own: decoding, scaling, classes, halves, and files that cannot be read.
#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/datasets/dataset.h>
#include <elbo/datasets/picture.h>
#include <elbo/viz/image.h>
#include <sys/stat.h>

#include <cmath>

#include "catch.h"
#include "datasets_support.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::datasets;
using namespace std::string_literals;

namespace {

using Bytes = std::vector<std::uint8_t>;

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}
std::string chunk(const std::string& name, const std::string& data) {
  const std::string content = name + data;
  const uLong sum =
      crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + content + big_endian(static_cast<std::uint32_t>(sum));
}
std::string png_header(std::uint32_t width, std::uint32_t height, int depth, int color) {
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", big_endian(width) + big_endian(height) + static_cast<char>(depth) +
                                                 static_cast<char>(color) + "\0\0\0"s);
}
/// A PNG file of the colour type 0 (grey), 2 (RGB), 4 (grey and alpha) or 6 (RGB and alpha), or 3 with a palette in
/// `before`; each row of the samples goes unfiltered.
std::string png(std::uint32_t width, std::uint32_t height, int color, const std::string& samples, int depth = 8,
                const std::string& before = "") {
  std::string rows;
  const std::size_t row = samples.size() / height;
  for (std::uint32_t y = 0; y < height; ++y) rows += '\0' + samples.substr(y * row, row);
  return png_header(width, height, depth, color) + before + chunk("IDAT", zlibbed(rows)) + chunk("IEND", "");
}
/// One grey value everywhere.
std::string grey(int value, std::uint32_t width = 4, std::uint32_t height = 4) {
  return png(width, height, 0, std::string(std::size_t{width} * height, static_cast<char>(value)));
}

// 24 x 16, quality 90: (200, 30, 90) and (40, 30, 90) above (200, 180, 90) and (40, 180, 90).
const std::string jpeg =
    "\xff\xd8\xff\xe0\x00\x10\x4a\x46\x49\x46\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xdb\x00\x43\x00\x03\x02\x02"
    "\x03\x02\x02\x03\x03\x03\x03\x04\x03\x03\x04\x05\x08\x05\x05\x04\x04\x05\x0a\x07\x07\x06\x08\x0c\x0a\x0c\x0c\x0b"
    "\x0a\x0b\x0b\x0d\x0e\x12\x10\x0d\x0e\x11\x0e\x0b\x0b\x10\x16\x10\x11\x13\x14\x15\x15\x15\x0c\x0f\x17\x18\x16\x14"
    "\x18\x12\x14\x15\x14\xff\xdb\x00\x43\x01\x03\x04\x04\x05\x04\x05\x09\x05\x05\x09\x14\x0d\x0b\x0d\x14\x14\x14\x14"
    "\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14"
    "\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\xff\xc0\x00\x11\x08\x00\x10\x00\x18\x03"
    "\x01\x11\x00\x02\x11\x01\x03\x11\x01\xff\xc4\x00\x15\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x07\x09\xff\xc4\x00\x18\x10\x01\x00\x03\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x45"
    "\x83\xc2\xff\xc4\x00\x17\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x07\x08\x02\xff"
    "\xc4\x00\x1c\x11\x01\x00\x00\x07\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x07\x43\x44\x81\x82\xc1"
    "\xc2\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00\x14\x76\xda\xa3\xf9\x5e\xaf\x5e\x09\x20\xf5\x31\xd4"
    "\x56\x64\xda\x6f\xe0\x7e\x48\x8a\x2b\x5b\x1a\x16\x8f\xe5\x7a\xbd\x78\x24\x83\xd4\xc7\x51\x59\x93\x69\xbf\x81\xf9"
    "\x22\x28\xff\xd9"s;

Bytes decode(const std::string& file, std::int64_t channels, std::int64_t height, std::int64_t width) {
  return decode_picture({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}, "f", channels, height,
                        width);
}
std::string complaint(const std::string& file) {
  return error_of<FormatError>([&] { decode(file, 3, 8, 8); });
}

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

TEST_CASE("picture: PNG of every kind, as grey and as RGB") {
  CHECK(decode(png(2, 1, 0, "\x0a\xff"), 1, 1, 2) == Bytes{10, 255});
  CHECK(decode(png(2, 1, 0, "\x0a\xff"), 3, 1, 2) == Bytes{10, 255, 10, 255, 10, 255});
  const std::string rgb = png(2, 2, 2, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\xff\0\0"s);
  CHECK(decode(rgb, 3, 2, 2) == Bytes{1, 4, 7, 255, 2, 5, 8, 0, 3, 6, 9, 0});
  // 0.299 R + 0.587 G + 0.114 B: 255 * 0.299 = 76.2, 255 * 0.587 = 149.7, 255 * 0.114 = 29.1.
  const std::string primaries = png(3, 1, 2, "\xff\0\0\0\xff\0\0\0\xff"s);
  CHECK(decode(primaries, 1, 1, 3) == Bytes{76, 150, 29});
  // Transparency lies over white.
  CHECK(decode(png(3, 1, 4, "\x64\xff\x64\0\0\x80"s), 1, 1, 3) == Bytes{100, 255, 127});
  CHECK(decode(png(2, 1, 6, "\xff\0\0\xff\xff\0\0\0"s), 3, 1, 2) == Bytes{255, 255, 0, 255, 0, 255});
  const std::string palette = chunk("PLTE", "\x01\x02\x03\xc8\xc9\xca"), see_through = chunk("tRNS", "\xff\0"s);
  CHECK(decode(png(2, 1, 3, "\0\x01"s, 8, palette), 3, 1, 2) == Bytes{1, 200, 2, 201, 3, 202});
  CHECK(decode(png(2, 1, 3, "\0\x01"s, 8, palette + see_through), 3, 1, 2) == Bytes{1, 255, 2, 255, 3, 255});
  CHECK(decode(png(2, 1, 0, "\x12\x34\xab\xcd", 16), 1, 1, 2) == Bytes{0x12, 0xab});
  CHECK(decode(png(4, 1, 0, "\x50", 1), 1, 1, 4) == Bytes{0, 255, 0, 255});
}

TEST_CASE("picture: JPEG") {
  const Bytes pixels = decode(jpeg, 3, 16, 24);
  const auto is = [&](std::size_t row, std::size_t column, int r, int g, int b) {
    const int expected[] = {r, g, b};
    for (std::size_t c = 0; c < 3; ++c) {
      INFO("row " << row << ", column " << column << ", channel " << c);
      CHECK(std::abs(pixels[(c * 16 + row) * 24 + column] - expected[c]) <= 2);
    }
  };
  is(3, 3, 200, 30, 90);
  is(3, 20, 40, 30, 90);
  is(12, 3, 200, 180, 90);
  is(12, 20, 40, 180, 90);
}

TEST_CASE("picture: scaling down averages, scaling up interpolates, the middle is kept") {
  // A triangle over the pixels' centres: for 4 to 2 its weights are 1/8, 3/8, 3/8, 1/8, cut at the border.
  CHECK(decode(png(4, 4, 0, std::string("\0\0\x8c\x8c\0\0\x8c\x8c\0\0\x8c\x8c\0\0\x8c\x8c", 16)), 1, 2, 2) ==
        Bytes{20, 120, 20, 120});  // 140 * 1/7, 140 * 6/7
  // Twice as large: quarters between neighbours.
  CHECK(decode(png(2, 2, 0, "\0\x64\0\x64"s), 1, 4, 4) ==
        Bytes{0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100});
  // Its own size: nothing changes.
  const viz::Image noisy = [] {
    viz::Image image(31, 31, 3);
    const std::string bytes = noise(image.pixels.size());
    image.pixels.assign(bytes.begin(), bytes.end());
    return image;
  }();
  const Bytes same = decode(viz::encode_png(noisy), 3, 31, 31);
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 31; y += 3)
      for (int x = 0; x < 31; x += 2) CHECK(same[static_cast<std::size_t>((c * 31 + y) * 31 + x)] == noisy.at(x, y, c));
  // A wide picture loses both ends, a high one top and bottom; by a fraction nothing is distorted.
  CHECK(decode(png(6, 2, 0, "\x01\x02\x03\x04\x05\x06\x01\x02\x03\x04\x05\x06"), 1, 2, 2) == Bytes{3, 4, 3, 4});
  CHECK(decode(png(1, 5, 0, "\x01\x02\x03\x04\x05"), 1, 1, 1) == Bytes{3});
  CHECK(decode(png(6, 2, 0, "\x01\x02\x03\x04\x05\x06\x01\x02\x03\x04\x05\x06"), 1, 2, 4) ==
        Bytes{2, 3, 4, 5, 2, 3, 4, 5});
  // One value stays that value at any size.
  for (const std::int64_t size : {1, 3, 7, 64, 100})
    CHECK(decode(grey(77, 13, 29), 1, size, size) == Bytes(static_cast<std::size_t>(size * size), 77));
  // Extremes.
  CHECK(decode(grey(9, 3000, 1), 1, 64, 64) == Bytes(4096, 9));
}

TEST_CASE("picture: files that are not pictures, damaged ones, and too large ones") {
  const std::string none = "f: expected a PNG or JPEG picture, found ";
  CHECK(complaint("hello") == none + "something else (first bytes 68 65 6c 6c)");
  CHECK(complaint("") == none + "nothing");
  CHECK(complaint("GIF89a" + std::string(100, '\0')) == none + "a GIF picture");
  const std::string whole = png(40, 40, 0, noise(1600));
  REQUIRE(decode(whole, 1, 8, 8).size() == 64);
  for (std::size_t size = 1; size < whole.size(); size += 7) CHECK(complaint(whole.substr(0, size)).find("f: ") == 0);
  CHECK(complaint(whole.substr(0, whole.size() - 1)) == "f: damaged picture: found the file cut off");
  for (std::size_t i = 33; i < whole.size() - 12; i += 11) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    CHECK(complaint(damaged).find("f: damaged picture: found ") == 0);
  }
  for (std::size_t size = 1; size < jpeg.size(); ++size) CHECK(complaint(jpeg.substr(0, size)).find("f: ") == 0);
  CHECK(complaint(jpeg.substr(0, jpeg.size() - 2)) == "f: damaged picture: found the file cut off");
  // Checksums may be right where the data are not.
  CHECK(
      complaint(png_header(9, 9, 8, 0) + chunk("IDAT", "junk") + chunk("IEND", "")).find("damaged picture of 9 x 9") !=
      std::string::npos);
  CHECK(complaint(png_header(9, 9, 8, 0) + chunk("IDAT", zlibbed("short")) + chunk("IEND", ""))
            .find("damaged picture of 9 x 9") != std::string::npos);
  CHECK(complaint(png_header(20000, 20000, 8, 0) + chunk("IDAT", "x") + chunk("IEND", "")) ==
        "f: expected at most 100000000 pixels, found 20000 x 20000");
  const std::string header = " header with at most 100000000 pixels, found it damaged or with more";
  CHECK(complaint(png_header(50000, 50000, 8, 6) + chunk("IDAT", "x") + chunk("IEND", "")) ==
        "f: expected a PNG" + header);
  CHECK(complaint("\xff\xd8\xff\xd9") == "f: expected a JPEG" + header);
  // Without tables of Huffman codes: no picture, or a grey one, but nothing worse.
  std::string bare = jpeg;
  for (std::size_t at = 0; (at = bare.find("\xff\xc4", at)) != std::string::npos;) bare[at + 1] = '\xfe';
  try {
    CHECK(decode(bare, 1, 8, 8).size() == 64);
  } catch (const FormatError&) {
  }
  // Counts of Huffman codes beyond 256, which stb_image would write to memory that is not its own.
  std::string codes = jpeg;
  const std::size_t table = jpeg.find("\xff\xc4") + 5;
  codes[table + 14] = codes[table + 15] = static_cast<char>(255);
  CHECK(complaint(codes) == "f: damaged picture: found wrong Huffman tables");
  CHECK(error_of<ValueError>([&] { decode(whole, 2, 8, 8); }) == "f: expected 1 or 3 channels, found 2");
  CHECK(error_of<ValueError>([&] { decode(whole, 1, 0, 8); }) == "f: expected sizes from 1 to 4096, found 0 x 8");
  CHECK(error_of<ValueError>([&] { decode(whole, 1, 8, 5000); }) == "f: expected sizes from 1 to 4096, found 8 x 5000");
}

TEST_CASE("picture: read from a file") {
  TempDir dir;
  write_file(dir / "a.png", grey(5));
  CHECK(read_picture(dir / "a.png", 1, 1, 2) == Bytes{5, 5});
  write_file(dir / "b.png", "no");
  CHECK(error_of<FormatError>([&] { read_picture(dir / "b.png", 1, 1, 1); }).find((dir / "b.png").string() + ": ") ==
        0);
  CHECK(error_of<IoError>([&] { read_picture(dir / "c.png", 1, 1, 1); }) ==
        (dir / "c.png").string() + ": cannot open: No such file or directory");
  CHECK(error_of<IoError>([&] { read_picture(dir.path(), 1, 1, 1); }).find("found a folder") != std::string::npos);
}

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
