// Archives of NumPy arrays in the form of dSprites: as NumPy writes them (tests/oracle/npz.py), and damaged ones.
#include <elbo/core/errors.h>
#include <elbo/datasets/dataset.h>

#include <algorithm>
#include <functional>
#include <set>

#include "../datasets/sources_detail.h"
#include "catch.h"
#include "datasets_support.h"
#include "peak_memory.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::datasets;
using namespace std::string_literals;

namespace {

std::string number(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::uint32_t checksum(const std::string& content) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())));
}

/// A member, and what its two headers say of it.
struct Member {
  std::string name, packed;
  std::uint64_t size = 0, method = 0, crc = 0, flags = 0;
  std::string header_name = {};  ///< another name in its own header
};

Member stored(const std::string& name, const std::string& content) {
  return {name, content, content.size(), 0, checksum(content)};
}
Member deflated_member(const std::string& name, const std::string& content) {
  return {name, deflated(content, -15), content.size(), 8, checksum(content)};
}

std::string zip(const std::vector<Member>& members, const std::string& comment = "") {
  std::string out, directory;
  for (const Member& m : members) {
    const std::string name = m.header_name.empty() ? m.name : m.header_name;
    directory += "PK\x01\x02"s + number(20, 2) + number(20, 2) + number(m.flags, 2) + number(m.method, 2) +
                 number(0, 4) + number(m.crc, 4) + number(m.packed.size(), 4) + number(m.size, 4) +
                 number(m.name.size(), 2) + number(0, 8) + number(0, 4) + number(out.size(), 4) + m.name;
    // Sizes in an extra field alone, as NumPy has them.
    out += "PK\x03\x04"s + number(45, 2) + number(m.flags, 2) + number(m.method, 2) + number(0, 4) + number(m.crc, 4) +
           number(0xffffffff, 4) + number(0xffffffff, 4) + number(name.size(), 2) + number(20, 2) + name +
           number(1, 2) + number(16, 2) + number(m.size, 8) + number(m.packed.size(), 8) + m.packed;
  }
  const std::size_t begin = out.size();
  return out + directory + "PK\x05\x06"s + number(0, 4) + number(members.size(), 2) + number(members.size(), 2) +
         number(directory.size(), 4) + number(begin, 4) + number(comment.size(), 2) + comment;
}

std::string npy(const std::string& header, const std::string& content, int version = 1) {
  return "\x93NUMPY"s + static_cast<char>(version) + '\0' + number(header.size(), version == 1 ? 2 : 4) + header +
         content;
}
std::string header(const std::string& type, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }          \n";
}

/// 20 pictures of 2 x 3 pixels, and 2 factors each.
std::string pictures_content() {
  std::string out;
  for (int i = 0; i < 120; ++i) out += static_cast<char>(2 * i);
  return out;
}
std::string factors_content() {
  std::string out;
  for (std::uint64_t i = 0; i < 20; ++i) out += number(i, 8) + number(i % 3, 8);
  return out;
}
std::string pictures_npy() { return npy(header("|u1", "(20, 2, 3)"), pictures_content()); }
std::string factors_npy() { return npy(header("<i8", "(20, 2)"), factors_content()); }

Dataset read(const std::string& file, Split split = Split::train, std::int64_t count = 0) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
  return read_npz(detail::memory_input(bytes, "f.npz"), split, count);
}

/// What is said of a file, without its name.
std::string complaint(const std::string& file) {
  const std::string message = error_of<FormatError>([&] { read(file); });
  return message.find("f.npz: ") == 0 ? message.substr(7) : message;
}
/// Of these two arrays.
std::string complaint(const std::string& imgs, const std::string& classes) {
  return complaint(zip({stored("imgs.npy", imgs), stored("latents_classes.npy", classes)}));
}

}  // namespace

TEST_CASE("npz: what NumPy writes") {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    TempDir dir;
    std::filesystem::copy_file(std::filesystem::path(ELBO_SOURCE_DIR "/tests") / name, dir / "sprites.npz");
    const Dataset train = load("npz", Split::train, dir.path()), test = load("npz", Split::test, dir.path());
    CHECK(train.name == "npz");
    CHECK(train.shape() == Shape{27, 1, 3, 4});
    CHECK(test.shape() == Shape{3, 1, 3, 4});
    CHECK(train.factor_names == std::vector<std::string>{"color", "shape", "scale", "orientation", "x", "y"});
    CHECK(train.class_names == std::vector<std::string>{"square", "ellipse", "heart"});
    std::set<std::int64_t> seen;
    for (const Dataset* data : {&train, &test}) {
      REQUIRE(data->notes.size() == 1);
      CHECK(data->notes[0].find("1 is read as 255") != std::string::npos);
      const Array factors = data->factors_array();
      REQUIRE(factors.shape() == Shape{data->size(), 6});
      for (std::int64_t row = 0; row < data->size(); ++row) {
        const auto f = factors.values<std::int64_t>().subspan(static_cast<std::size_t>(row) * 6, 6);
        const std::int64_t i = f[5];
        seen.insert(i);
        CHECK((f[0] == 0 && f[1] == i % 3 && f[2] == i / 3 % 5 && f[3] == i % 7 && f[4] == i % 2));
        CHECK(data->labels[static_cast<std::size_t>(row)] == i % 3);
        for (std::int64_t p = 0; p < 12; ++p)
          CHECK(data->picture(row)[static_cast<std::size_t>(p)] == ((i * 5 + p / 4 * 3 + p % 4 * 2) % 7 < 3 ? 255 : 0));
      }
    }
    CHECK(seen.size() == 30);  // each in one half
  }
}

TEST_CASE("npz: a count takes the first of a larger one") {
  const std::string file = zip({deflated_member("imgs.npy", pictures_npy()), stored("other", "x"),
                                deflated_member("latents_classes.npy", factors_npy())},
                               "a comment PK\x05\x06 of the archive");
  const Dataset all = read(file), few = read(file, Split::train, 5);
  CHECK(all.size() == 18);
  CHECK(few.size() == 5);
  CHECK(few.factors == std::vector<std::int64_t>(all.factors.begin(), all.factors.begin() + 10));
  CHECK(few.picture(4)[5] == all.picture(4)[5]);
  CHECK(all.picture(3)[4] == 2 * (6 * all.factors[6] + 4));  // bytes as they are
  CHECK(all.notes.empty());
  CHECK(all.labels.empty());
  CHECK(all.factor_names == std::vector<std::string>{"factor 0", "factor 1"});
  CHECK(read(file, Split::test).size() == 2);
  // A run that was trained on so many is measured on as many, or on all that there are.
  CHECK(read(file, Split::test, 1).size() == 1);
  CHECK(read(file, Split::test, 18).size() == 2);
  for (const std::int64_t count : {-1, 19})
    CHECK(error_of<ValueError>([&] { read(file, Split::train, count); }) ==
          "f.npz: expected a count from 1 to 18 pictures to train on, or 0 for all, found " + std::to_string(count));
  CHECK(Dataset{}.factors_array().defined() == false);
}

TEST_CASE("npz: versions, byte orders and keys of NumPy's header") {
  const auto classes_of = [](const std::string& classes) {
    return read(zip({stored("imgs.npy", pictures_npy()), stored("latents_classes.npy", classes)})).factors;
  };
  const std::vector<std::int64_t> expected = classes_of(factors_npy());
  CHECK(classes_of(npy(header("<i8", "(20, 2)"), factors_content(), 2)) == expected);
  CHECK(classes_of(npy(header("<i8", "(20, 2)"), factors_content(), 3)) == expected);
  std::string reversed = factors_content();
  for (std::size_t at = 0; at < reversed.size(); at += 8)
    std::reverse(reversed.begin() + static_cast<std::ptrdiff_t>(at),
                 reversed.begin() + static_cast<std::ptrdiff_t>(at) + 8);
  CHECK(classes_of(npy(header(">i8", "(20, 2)"), reversed)) == expected);
  CHECK(classes_of(npy("{\"shape\":(20,2,),\"fortran_order\":False,\"descr\":\"<i8\"}", factors_content())) ==
        expected);
  const std::string about = "array latents_classes: expected descr, fortran_order and shape in a NumPy header, found '";
  for (const std::string& bad :
       {"{'descr': '<i8', 'fortran_order': False}"s, "{'descr': '<i8', 'fortran_order': False, 'shape': (20, 2)"s,
        "{'descr': '<i8', 'descr': '<i8', 'fortran_order': False, 'shape': (20, 2)}"s,
        "{'descr': '<i8', 'fortran_order': 0, 'shape': (20, 2)}"s, "{'descr': '<i8', 'more': 1}"s,
        "{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (20,)}"s,
        "{'descr': '<i8', 'fortran_order': False, 'shape': (-20, 2)}"s,
        "{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999999999, 2)}"s,
        "{'descr': '<i8', 'fortran_order': False, 'shape': (20 2)}"s,
        "{'descr': '<i8', 'fortran_order': False, 'shape': (20, 2)} x"s, "{'descr': '<i8"s, "{"s, ""s})
    CHECK(complaint(pictures_npy(), npy(bad, factors_content())).find(about) == 0);
}

TEST_CASE("npz: arrays missing, of another kind, or not fitting together") {
  CHECK(complaint(zip({stored("a.npy", pictures_npy()), stored("latents_classes.npy", factors_npy())})) ==
        "expected arrays imgs and latents_classes, found no imgs but a.npy, latents_classes.npy");
  CHECK(complaint(zip({})) == "expected arrays imgs and latents_classes, found no imgs");
  CHECK(complaint(zip({stored("imgs.npy", pictures_npy()), stored("imgs.npy", pictures_npy())})) ==
        "expected one array imgs, found two");
  const auto imgs = [](const std::string& type, const std::string& shape, const std::string& order = "False") {
    return complaint(npy(header(type, shape, order), pictures_content()), factors_npy());
  };
  const std::string expected = "expected imgs, '|u1' [n, height, width] of at most 67108864 pixels, found ";
  CHECK(imgs("<f4", "(10, 3)") == expected + "'<f4' [10, 3]");
  CHECK(imgs("|O", "()") == expected + "'|O' []");
  CHECK(imgs("|u1", "(20, 6)") == expected + "'|u1' [20, 6]");
  CHECK(imgs("|u1", "(20, 2, 3)", "True") == expected + "'|u1', column by column, [20, 2, 3]");
  CHECK(imgs("|u1", "(20, 2, 4)") == "array imgs: expected 160 bytes for '|u1' [20, 2, 4], found 120");
  CHECK(imgs("|u1", "(9223372036854775807, 2, 3)") ==
        "array imgs: expected 9223372036854775807 bytes for '|u1' [9223372036854775807, 2, 3], found 120");
  CHECK(complaint(npy(header("|u1", "(20, 0, 3)"), ""), factors_npy()) == expected + "'|u1' [20, 0, 3]");
  const auto classes = [](const std::string& type, const std::string& shape, const std::string& content) {
    return complaint(pictures_npy(), npy(header(type, shape), content));
  };
  CHECK(classes("<i4", "(20, 2)", "") ==
        "expected latents_classes, '<i8' [n, factors] of at most 256, found '<i4' [20, 2]");
  CHECK(classes("<i8", "(20, 1, 2)", factors_content()) ==
        "expected latents_classes, '<i8' [n, factors] of at most 256, found '<i8' [20, 1, 2]");
  CHECK(classes("<i8", "(10, 4)", factors_content()) == "expected factors for each of 20 pictures, found them for 10");
  for (const std::uint64_t value : {std::uint64_t{65536}, ~std::uint64_t{0}}) {
    std::string content = factors_content();
    content.replace(8 * 7, 8, number(value, 8));
    CHECK(classes("<i8", "(20, 2)", content) == "expected latents_classes from 0 to 65535, found " +
                                                    std::to_string(static_cast<std::int64_t>(value)) +
                                                    " for picture 3");
  }
  CHECK(complaint(npy(header("|u1", "(9, 2, 3)"), pictures_content().substr(0, 54)),
                  npy(header("<i8", "(9, 2)"), factors_content().substr(0, 144))) ==
        "expected 10 to 16777216 pictures, a tenth of them to test on, found 9");
  CHECK(
      complaint("\x93NUMPY\x04\0.."s, factors_npy()).find("array imgs: expected a NumPy array of version 1, 2 or 3") ==
      0);
  CHECK(complaint("", factors_npy()) == "member 'imgs.npy': expected 8 bytes or more, found 0");
  CHECK(complaint("\x93NUMPY\x02\0"s + number(65536, 4), factors_npy()) ==
        "array imgs: expected a NumPy header of at most 65535 bytes, found 65536");
}

TEST_CASE("npz: such a file, or a folder with one") {
  TempDir dir;
  CHECK(error_of<IoError>([&] { load("npz", Split::train, dir.path()); }) ==
        dir.path().string() + ": expected a file that ends in .npz, found none");
  write_file(dir / "a.npz", zip({stored("imgs.npy", pictures_npy()), stored("latents_classes.npy", factors_npy())}));
  CHECK(load("npz", Split::train, dir.path()).size() == 18);
  CHECK(load("npz", Split::train, dir.path(), {.count = 4}).size() == 4);
  CHECK(load("npz", Split::train, dir / "a.npz").size() == 18);  // or the file itself, whatever lies beside it
  write_file(dir / "b.NPZ", "");
  CHECK(load("npz", Split::test, dir / "a.npz").size() == 2);
  CHECK(error_of<ValueError>([&] { load("npz", Split::train, dir.path()); }) ==
        dir.path().string() + ": expected one file that ends in .npz, found a.npz, b.NPZ");
  std::filesystem::remove(dir / "a.npz");
  CHECK(error_of<FormatError>([&] { load("npz", Split::train, dir.path()); }) ==
        (dir / "b.NPZ").string() + ": expected a ZIP archive, found nothing");
  CHECK(error_of<IoError>([&] { load("npz", Split::train, dir / "none"); }) ==
        (dir / "none").string() + ": expected an .npz file, or a folder with one, found nothing there");
}

TEST_CASE("npz: a ZIP archive that contradicts itself") {
  const Member classes = stored("latents_classes.npy", factors_npy());
  const auto with = [&](const std::function<void(Member&)>& change, bool packed = false) {
    Member imgs = packed ? deflated_member("imgs.npy", pictures_npy()) : stored("imgs.npy", pictures_npy());
    change(imgs);
    return complaint(zip({imgs, classes}));
  };
  const std::string at = "member 'imgs.npy': ";
  CHECK(with([](Member& m) { m.flags = 1; }) == at + "expected plain data, found encrypted");
  CHECK(with([](Member& m) { m.method = 12; }) ==
        at + "expected it stored or deflated (ZIP method 0 or 8), found method 12");
  CHECK(with([](Member& m) { m.size = 0xffffffff; }) == at + "expected less than 4 GiB, found ZIP64");
  CHECK(with([](Member& m) { m.size += 1; }).find(at + "it promises ") == 0);
  CHECK(with([](Member& m) { m.crc ^= 1; }) == at + "damaged: its checksum is not the one in the directory");
  CHECK(with([](Member& m) { m.header_name = "img5.npy"; }) ==
        at + "expected that name in its header, found 'img5.npy'");
  CHECK(with([](Member& m) { m.size += 1; }, true)
            .find("array imgs: expected 120 bytes for '|u1' [20, 2, 3], found 121") == 0);
  CHECK(with([](Member& m) { m.packed = deflated(pictures_npy() + "x", -15); }, true)
            .find(at + "expected the end of its deflate data after ") == 0);
  CHECK(with([](Member& m) { m.packed += "x"; }, true).find(at + "expected the end of its deflate data after ") == 0);
  CHECK(with([](Member& m) { m.packed.pop_back(); }, true).find(at + "expected ") == 0);
  CHECK(with([](Member& m) { m.packed[0] = '\x07'; }, true).find(at + "damaged deflate data: invalid block type") == 0);
  const std::string whole = zip({stored("imgs.npy", pictures_npy()), classes});
  const std::size_t end = whole.size() - 22;
  const auto ending = [&](std::size_t place, std::uint64_t value, int bytes) {
    return complaint(std::string(whole).replace(end + place, static_cast<std::size_t>(bytes), number(value, bytes)));
  };
  CHECK(ending(4, 1, 2) == "expected a ZIP archive on one disk, found a part of one on several");
  CHECK(ending(16, 0xffffffff, 4) == "expected a ZIP archive below 4 GiB, found ZIP64");
  CHECK(ending(16, 7, 4).find("expected a ZIP directory that ends at byte ") == 0);
  CHECK(ending(20, 1, 2).find("expected a ZIP archive, found one without its end: is it cut off?") == 0);
  CHECK(std::string(whole).replace(end + 8, 4, number(0x00010001, 4)) != whole);
  CHECK(complaint(std::string(whole).replace(end + 8, 4, number(0x00010001, 4))).find("expected 1 members in ") == 0);
  CHECK(complaint(std::string(whole).replace(end + 8, 4, number(0x00030003, 4))).find("expected a member at byte ") ==
        0);
  CHECK(complaint("PK") == "expected a ZIP archive, found something else (first bytes 50 4b)");
  // Bytes before the archive move it away from where its directory says it is.
  CHECK(complaint("x" + whole).find("expected a ZIP directory that ends at byte ") == 0);
  CHECK(complaint(whole + "x").find("expected a ZIP archive, found one without its end") == 0);
}

TEST_CASE("npz: cut off anywhere, or with any byte damaged, nothing worse than a message comes of it") {
  const std::string plain = zip({stored("imgs.npy", pictures_npy()), stored("latents_classes.npy", factors_npy())});
  const std::string packed =
      zip({deflated_member("imgs.npy", pictures_npy()), deflated_member("latents_classes.npy", factors_npy())});
  for (const std::string& whole : {plain, packed}) {
    REQUIRE(read(whole).size() == 18);
    for (std::size_t size = 0; size < whole.size(); ++size)
      if (complaint(whole.substr(0, size)) == "(nothing thrown)") FAIL("read though cut off at " << size);
    const Dataset right = read(whole);
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const int change : {0x01, 0x10, 0x80, 0xff}) {
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ change);
        try {
          const Dataset data = read(damaged);
          // What no checksum covers, times and unread sizes for example, changes nothing that is read.
          if (data.identity() != right.identity() || data.factors != right.factors) FAIL("byte " << i << " unnoticed");
        } catch (const FormatError&) {
        }
      }
  }
}

TEST_CASE("npz: what a file promises takes no memory") {
  const std::int64_t before = peak_memory(true);
  // 200,000 pictures of 1,600 pixels: 320 MB, which 400 kB of deflate data could hold.
  const std::string beginning = npy(header("|u1", "(200000, 40, 40)"), "");
  Member imgs{"imgs.npy", deflated(beginning, -15), 320000000 + beginning.size(), 8};
  const Member classes =
      deflated_member("latents_classes.npy", npy(header("<i8", "(200000, 1)"), std::string(1600000, '\0')));
  CHECK(complaint(zip({imgs, classes}))
            .find("member 'imgs.npy': it promises " + std::to_string(imgs.size) + " bytes, found ") == 0);
  // Data that end early, and data that are damaged behind the first pictures.
  const std::string zeros = deflated(beginning + std::string(1000000, '\0'), -15);
  imgs.packed = zeros + noise(400000);
  CHECK(complaint(zip({imgs, classes})).find("member 'imgs.npy': expected ") == 0);
  const std::string rows = beginning + std::string(60000, '\1');
  const std::string as_it_is = "\0"s + number(rows.size(), 2) + number(~rows.size() & 0xffff, 2) + rows;
  imgs.packed = as_it_is + "\7" + noise(400000);  // a block, and one of a kind that does not exist
  CHECK(complaint(zip({imgs, classes})).find("member 'imgs.npy': damaged deflate data") == 0);
  CHECK(peak_memory(false) - before < 150 * 1024);
}
