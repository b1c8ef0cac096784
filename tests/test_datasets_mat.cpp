// The MAT reader and SVHN: what is read, and every way in which a file can be wrong. The files are written here, by a
// small writer of its own; one comes from SciPy.
#include <elbo/core/errors.h>
#include <elbo/datasets/dataset.h>
#include <elbo/datasets/mat.h>

#include <cstdlib>
#include <cstring>

#include "catch.h"
#include "datasets_support.h"
#include "peak_memory.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::datasets;
using namespace std::string_literals;

namespace {

enum Mi : std::uint32_t {
  mi_int8 = 1,
  mi_uint8 = 2,
  mi_int16 = 3,
  mi_uint16 = 4,
  mi_int32 = 5,
  mi_uint32 = 6,
  mi_double = 9,
  mi_int64 = 12,
  mi_matrix = 14,
  mi_compressed = 15
};

bool big = false;  // the byte order that is written

std::string number(std::uint64_t value, int bytes = 4) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * (big ? bytes - 1 - i : i));
  return out;
}
std::string real(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, 8);
  return number(bits, 8);
}

std::string padded(std::string data) { return data.append((8 - data.size() % 8) % 8, '\0'); }
std::string element(std::uint32_t type, const std::string& data) {
  return number(type) + number(data.size()) + padded(data);
}
std::string small(std::uint32_t type, std::string data) {
  const std::string tag = big ? number(data.size(), 2) + number(type, 2) : number(type, 2) + number(data.size(), 2);
  data.resize(4);
  return tag + data;
}
std::string compressed(const std::string& content) {
  const std::string packed = zlibbed(content);
  return number(mi_compressed) + number(packed.size()) + packed;
}

/// The content of a miMATRIX up to its numbers.
std::string head(const std::string& name, MatType type, const std::vector<std::int64_t>& sizes, unsigned flags = 0) {
  std::string dims;
  for (std::int64_t size : sizes) dims += number(static_cast<std::uint64_t>(size));
  return element(mi_uint32, number(static_cast<std::uint32_t>(type) | flags) + number(0)) + element(mi_int32, dims) +
         element(mi_int8, name);
}
std::string matrix(const std::string& name, MatType type, const std::vector<std::int64_t>& sizes,
                   const std::string& numbers) {
  return element(mi_matrix, head(name, type, sizes) + numbers);
}
std::string file_header() {
  return "MATLAB 5.0 MAT-file"s + std::string(105, ' ') + number(0x0100, 2) + (big ? "MI" : "IM");
}

/// Two pictures whose pixel at row r, column c, plane p of picture n is 64 n + 16 p + r + 7 c, modulo 256.
std::string x_data(std::int64_t n = 2) {
  std::string out;
  for (std::int64_t i = 0; i < n; ++i)
    for (int p = 0; p < 3; ++p)
      for (int c = 0; c < 32; ++c)
        for (int r = 0; r < 32; ++r) out += static_cast<char>(64 * i + 16 * p + r + 7 * c);
  return out;
}
std::string x_matrix(std::int64_t n = 2) {
  return matrix("X", MatType::uint8, {32, 32, 3, n}, element(mi_uint8, x_data(n)));
}
std::string y_matrix(const std::string& labels = "\x0a\x03") {
  return matrix("y", MatType::uint8, {static_cast<std::int64_t>(labels.size()), 1}, element(mi_uint8, labels));
}

std::vector<MatArray> read(const std::string& content) {
  TempDir dir;
  write_file(dir / "f.mat", content);
  return read_mat(dir / "f.mat");
}

/// The message of reading such a file, without its name.
std::string complaint(const std::string& content) {
  TempDir dir;
  write_file(dir / "f.mat", content);
  const std::string message = error_of<FormatError>([&] { read_mat(dir / "f.mat"); });
  const std::string prefix = (dir / "f.mat").string() + ": ";
  REQUIRE(message.substr(0, prefix.size()) == prefix);
  REQUIRE(message.find('\n') == std::string::npos);
  return message.substr(prefix.size());
}
/// The same without the header, which is added, and without `element at byte 128: `.
std::string element_complaint(const std::string& elements) {
  const std::string message = complaint(file_header() + elements);
  const std::string prefix = "element at byte 128: ";
  REQUIRE(message.substr(0, prefix.size()) == prefix);
  return message.substr(prefix.size());
}

std::string svhn_complaint(const std::string& elements) {
  TempDir dir;
  write_file(dir / "train_32x32.mat", file_header() + elements);
  const std::string message = error_of<FormatError>([&] { load("svhn", Split::train, dir.path()); });
  const std::string prefix = (dir / "train_32x32.mat").string() + ": ";
  REQUIRE(message.substr(0, prefix.size()) == prefix);
  REQUIRE(message.find('\n') == std::string::npos);
  return message.substr(prefix.size());
}

/// A pretended zlib stream that inflates to `count` zeros and is then cut off.
std::string zeros_cut_off(std::size_t count) {
  const std::string packed = zlibbed(std::string(count, '\0'));
  return packed.substr(0, packed.size() - 8);
}

}  // namespace

TEST_CASE("mat: numbers of every class, in either byte order, plain and compressed") {
  for (const bool order : {false, true}) {
    big = order;
    for (const bool pack : {false, true}) {
      INFO("big-endian: " << order << ", compressed: " << pack);
      std::string file = file_header();
      const auto add = [&](const std::string& one) { file += pack ? compressed(one) : one; };
      add(matrix("a", MatType::uint8, {2, 3}, element(mi_uint8, "\x01\x04\x02\x05\x03\xfa")));
      add(matrix("b", MatType::int8, {1, 2}, small(mi_int8, "\xff\x7f")));
      add(matrix("c", MatType::int16, {1, 2, 2},
                 element(mi_int16, number(1, 2) + number(3, 2) + number(0xfffe, 2) + number(0xfffc, 2))));
      add(matrix("d", MatType::uint16, {1, 1}, small(mi_uint16, number(65535, 2))));
      add(matrix("e", MatType::int32, {1, 1}, small(mi_int32, number(0xfffffffe))));
      add(matrix("f", MatType::uint32, {1, 1}, small(mi_uint32, number(0xfffffffe))));
      add(matrix("g", MatType::float32, {1, 1}, small(7, number(0xc0200000))));
      add(matrix("h", MatType::float64, {1, 2}, element(mi_double, real(-2.5) + real(1e300))));
      add(matrix("i", MatType::int64, {1, 1}, element(mi_int64, number(0xfffffffffffffffeu, 8))));
      add(matrix("j", MatType::uint64, {1, 1}, element(13, number(0xfffffffffffffffeu, 8))));
      add(matrix("k", MatType::float64, {0, 3}, element(mi_double, "")));
      // Doubles that are stored as something shorter.
      add(matrix("l", MatType::float64, {3, 1}, small(mi_uint8, "\x01\x02\xff")));
      add(matrix("m", MatType::float64, {2, 1}, small(mi_int16, number(0xffff, 2) + number(300, 2))));
      const std::vector<MatArray> all = read(file);
      REQUIRE(all.size() == 13);
      CHECK(all[0].header.name == "a");
      CHECK(all[0].header.type == MatType::uint8);
      CHECK(all[0].header.shape == Shape{2, 3});
      CHECK(all[0].to_double() == std::vector<double>{1, 4, 2, 5, 3, 250});
      CHECK(all[1].values<std::int8_t>()[0] == -1);
      CHECK(all[2].header.shape == Shape{1, 2, 2});
      CHECK(all[2].to_double() == std::vector<double>{1, 3, -2, -4});
      CHECK(all[3].values<std::uint16_t>()[0] == 65535);
      CHECK(all[4].values<std::int32_t>()[0] == -2);
      CHECK(all[5].values<std::uint32_t>()[0] == 4294967294u);
      CHECK(all[6].values<float>()[0] == -2.5f);
      CHECK(all[7].to_double() == std::vector<double>{-2.5, 1e300});
      CHECK(all[8].values<std::int64_t>()[0] == -2);
      CHECK(all[9].values<std::uint64_t>()[0] == 18446744073709551614u);
      CHECK(all[10].header.shape == Shape{0, 3});
      CHECK(all[10].bytes.empty());
      CHECK(all[11].to_double() == std::vector<double>{1, 2, 255});
      CHECK(all[12].to_double() == std::vector<double>{-1, 300});
      CHECK(error_of<DTypeError>([&] { all[0].values<float>(); }) ==
            "[values] the variable a holds uint8, asked for float32");
    }
  }
  big = false;
}

TEST_CASE("mat: a file that SciPy wrote") {
  // savemat({'a': uint8 [[1, 2, 3], [4, 5, 250]], 'd': [[0.5, -2, 1e300]], 's': 'text', 'n': int16 [[[1, -2], [3,
  // -4]]], 'c': [[1 + 2j]]}, do_compression=True)
  const std::string body =
      "\x0f\x00\x00\x00\x2e\x00\x00\x00\x78\x9c\xe3\x63\x60\x60\xb0\x00\x62\x36\x20\xe6\x00\x62\x4e\x06\x08\x60"
      "\x85\xf2\x99\x80\x98\x19\x88\x19\x81\x30\x11\xca\x07\xa9\x65\x64\x61\x62\x65\xfe\xc5\xc0\x00\x00\x23\x69"
      "\x01\xe4\x0f\x00\x00\x00\x35\x00\x00\x00\x78\x9c\xe3\x63\x60\x60\xf0\x00\x62\x36\x20\xe6\x80\xd2\x20\xc0"
      "\x0a\xe5\x33\x02\x31\x33\x98\x66\x64\x48\x01\xd2\x9c\x40\x2c\xc1\x00\x03\x0f\xec\xa1\x8c\x03\x73\x4a\x19"
      "\x3a\x6c\x9e\x98\xd7\x01\x00\x5e\xdc\x06\x50\x0f\x00\x00\x00\x28\x00\x00\x00\x78\x9c\xe3\x63\x60\x60\x30"
      "\x00\x62\x36\x20\xe6\x00\x62\x16\x06\x08\x60\x85\xf2\x19\xa1\x62\x8c\x40\x58\x0c\xa4\x05\x80\xbc\x92\xd4"
      "\x8a\x12\x00\x1c\x8d\x02\xb1\x0f\x00\x00\x00\x32\x00\x00\x00\x78\x9c\xe3\x63\x60\x60\x70\x00\x62\x36\x20"
      "\xe6\x00\x62\x2e\x06\x08\x60\x05\x62\x1e\x20\x66\x04\x62\x26\x28\x66\x00\xf3\x19\x19\xf2\x80\x34\x33\x54"
      "\x3d\x23\x90\xf5\xef\xff\x9f\xff\x00\x31\xd4\x04\xf4\x0f\x00\x00\x00\x2b\x00\x00\x00\x78\x9c\xe3\x63\x60"
      "\x60\xf0\x00\x62\x36\x20\xe6\x00\xd1\x20\x02\x08\x58\xa1\x7c\x46\x38\x66\x64\x48\x06\xd2\x9c\x50\x71\x08"
      "\xf8\x60\x8f\xca\x67\x70\x00\x00\x4a\xe5\x02\x78"s;
  TempDir dir;
  REQUIRE(body.size() == 272);
  write_file(dir / "f.mat", file_header() + body);
  std::string names;
  const std::vector<MatArray> all = read_mat(dir / "f.mat");
  for (const MatArray& one : all) names += one.header.name;
  CHECK(names == "adn");  // text and complex numbers are passed over
  CHECK(all[0].to_double() == std::vector<double>{1, 4, 2, 5, 3, 250});
  CHECK(all[1].to_double() == std::vector<double>{0.5, -2, 1e300});
  CHECK(all[2].header.shape == Shape{1, 2, 2});
  CHECK(all[2].to_double() == std::vector<double>{1, 3, -2, -4});
  const auto only = [&](const std::string& name) {
    return read_mat(dir / "f.mat", [&](const MatHeader& header) { return header.name == name; });
  };
  CHECK(only("n").size() == 1);
  CHECK(error_of<FormatError>([&] { only("s"); }).find("variable 's': expected a real numeric array, found text") !=
        std::string::npos);
  CHECK(error_of<FormatError>([&] { only("c"); }).find("found complex numbers") != std::string::npos);
  // Gzip'd as a whole.
  write_file(dir / "f.mat", gzipped(file_header() + body));
  CHECK(read_mat(dir / "f.mat").size() == 3);
}

TEST_CASE("mat: other files and other versions") {
  const std::string expected = "expected a MAT-file of version 5";
  std::string v73 = "MATLAB 7.3 MAT-file, Platform: GLNXA64"s;
  v73.resize(124, ' ');
  CHECK(complaint(v73 + number(0x0200, 2) + "IM" + std::string(384, '\0') + "\x89HDF\r\n\x1a\n") ==
        expected + ", found HDF5, which is MATLAB's version 7.3: save it with '-v7'");
  CHECK(complaint("\x89HDF\r\n\x1a\n" + std::string(200, '\0')) ==
        expected + ", found HDF5, which is MATLAB's version 7.3: save it with '-v7'");
  CHECK(complaint(number(0) + number(2) + number(1) + number(0) + number(2) + "x\0"s + real(1.0) + real(2.0)) ==
        expected + ", found no header; it may be version 4: save it with '-v7'");
  CHECK(complaint("<!DOCTYPE html><html></html>") == expected + ", found an HTML page: was the download redirected?");
  CHECK(complaint(std::string(200, 'x')) ==
        expected + " (IM or MI in bytes 126 and 127 of its header, and 256 before), found something else");
  CHECK(complaint("") == "expected data, found an empty file");
  CHECK(complaint(file_header().substr(0, 100)) ==
        "truncated: expected the 128 bytes of a MAT-file's header, found 100");
  CHECK(read(file_header()).empty());
}

TEST_CASE("mat: a file cut off anywhere") {
  const std::string y = y_matrix();
  for (const std::string& whole : {file_header() + y, file_header() + compressed(y), gzipped(file_header() + y)}) {
    REQUIRE(read(whole).size() == 1);
    // The header alone is a file without variables.
    for (std::size_t size = 1; size < whole.size(); ++size)
      if (size != 128 || whole[0] != 'M') CHECK(complaint(whole.substr(0, size)) != "(nothing thrown)");
  }
  CHECK(element_complaint(y.substr(0, y.size() - 1)) == "it promises " + std::to_string(y.size() - 8) +
                                                            " bytes, found " + std::to_string(y.size() - 9) +
                                                            " up to the end of the file");
  CHECK(element_complaint("\x0e\0\0"s) == "truncated: expected 8 bytes that say what it is, found 3");
}

TEST_CASE("mat: whichever byte of compressed data is damaged, nothing worse than a message comes of it") {
  const std::string whole = file_header() + compressed(y_matrix());
  int complaints = 0;
  for (std::size_t i = 128; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    TempDir dir;
    write_file(dir / "f.mat", damaged);
    try {
      read_mat(dir / "f.mat");
    } catch (const FormatError&) {
      ++complaints;
    }
  }
  // The checksum finds what the codes don't, but a variable of another kind is passed over before that.
  CHECK(complaints > static_cast<int>(whole.size() - 128) * 8 / 10);
  std::string checksum = whole;
  checksum.back() = static_cast<char>(checksum.back() ^ 1);
  CHECK(complaint(checksum).find("element at byte 128: damaged compressed data: incorrect data check, found after ") ==
        0);
  CHECK(element_complaint(number(mi_compressed) + number(4) + "junk")
            .find("damaged compressed data: incorrect header "
                  "check") == 0);
}

TEST_CASE("mat: sizes that contradict each other") {
  const auto y = [](const std::string& numbers) { return matrix("y", MatType::uint8, {2, 1}, numbers); };
  const std::string y_at = "variable 'y': ";
  CHECK(element_complaint(y(element(mi_uint8, "abc"))) == y_at + "expected 2 bytes for sizes [2, 1] in uint8, found 3");
  CHECK(element_complaint(y(number(mi_uint8) + number(1000) + "abcdefgh")) ==
        y_at + "its numbers promise 1000 bytes, found 8 left in its matrix");
  CHECK(element_complaint(y(number(mi_uint8, 2) + number(7, 2) + "abcd")) ==
        y_at + "expected at most 4 bytes in the small element of numbers, found 7");
  CHECK(element_complaint(y("")) == y_at + "expected 8 bytes of numbers, found 0 at the end of its matrix");
  CHECK(element_complaint(y(element(mi_uint8, "ab") + "12345678")) ==
        y_at + "expected the end of its matrix after its numbers, found 8 bytes more");
  CHECK(element_complaint(y(element(8, "ab"))) == y_at + "expected numbers of type 1 to 7, 9, 12 or 13, found type 8");
  CHECK(element_complaint(y(element(mi_double, real(300.0) + real(1.0)))) ==
        y_at + "expected numbers that fit into uint8, found others in its float64 data");
  CHECK(element_complaint(y(element(mi_double, real(1.5) + real(1.0)))).find("fit into uint8") != std::string::npos);
  CHECK(element_complaint(y(element(mi_int64, number(1, 8) + number(2, 8)))) ==
        y_at + "expected uint8 or something shorter, found int64");
  CHECK(element_complaint(number(17) + number(0)) ==
        "expected an element of type 14 (miMATRIX) or 15 (miCOMPRESSED), found type 17");
  CHECK(element_complaint(matrix("y", MatType::uint8, {-1, 1}, element(mi_uint8, "ab"))) ==
        "expected sizes from 0 with a product below 2^60, found [-1, 1]");
  CHECK(element_complaint(matrix("y", MatType::uint8, {2147483647, 2147483647}, element(mi_uint8, "ab")))
            .find("expected sizes from 0 with a product below 2^60") == 0);
  CHECK(element_complaint(matrix("y", MatType::uint8, {2147483647, 2147483647, 0}, element(mi_uint8, "")))
            .find("expected sizes from 0 with a product below 2^60") == 0);
  CHECK(element_complaint(matrix("y", MatType::uint8, {2147483647, 1000}, element(mi_uint8, "ab"))) ==
        y_at + "expected 2147483647000 bytes for sizes [2147483647, 1000] in uint8, found 2");
  CHECK(element_complaint(matrix("y", MatType::uint8, {1}, element(mi_uint8, "a"))) ==
        "expected 2 to 8 sizes of type 5 (miINT32), found 4 bytes of type 5");
  CHECK(element_complaint(matrix("y", MatType::uint8, std::vector<std::int64_t>(9, 1), element(mi_uint8, "a"))) ==
        "expected 2 to 8 sizes of type 5 (miINT32), found 36 bytes of type 5");
  CHECK(element_complaint(matrix(std::string(300, 'n'), MatType::uint8, {1, 1}, element(mi_uint8, "a"))) ==
        "expected at most 255 bytes of name, found 300");
  CHECK(element_complaint(element(mi_matrix, element(mi_int32, number(0)))) ==
        "expected array flags of 8 bytes of type 6 (miUINT32), found 4 bytes of type 5");
  CHECK(element_complaint(matrix("a\nb", MatType::uint8, {1, 1}, "")).find("variable 'a?b': ") == 0);
}

TEST_CASE("mat: compressed data that hold less or more than they promise") {
  const std::string inner = head("y", MatType::uint8, {3000, 1}) + element(mi_uint8, noise(3000));
  const auto tagged = [&](std::uint64_t size) { return number(mi_matrix) + number(size) + inner; };
  REQUIRE(read(file_header() + compressed(tagged(inner.size()))).size() == 1);
  // The matrix is said to be larger than what there is: then its numbers end before it.
  CHECK(element_complaint(compressed(tagged(inner.size() + 8))) ==
        "variable 'y': expected the end of its matrix after its numbers, found 8 bytes more");
  const std::string short_of = tagged(inner.size()).substr(0, 1000);
  CHECK(element_complaint(compressed(short_of)) ==
        "expected " + std::to_string(inner.size() + 8) + " bytes or more of inflated data, found 1000");
  CHECK(element_complaint(compressed(tagged(inner.size()) + y_matrix())) ==
        "expected the end of the compressed data after their matrix, found more of them");
  CHECK(element_complaint(compressed(tagged(inner.size() - 8)).substr(0))
            .find("its numbers promise 3000 bytes, found ") != std::string::npos);
  CHECK(element_complaint(compressed(element(mi_uint8, "abc"))) ==
        "expected an element of type 14 (miMATRIX) in the compressed data, found type 2");
  CHECK(element_complaint(compressed("abc")) == "expected 8 bytes or more of inflated data, found 3");
}

TEST_CASE("mat: a zip bomb takes no memory for what it promises") {
  const std::int64_t before = peak_memory(true);
  // More than deflate can pack.
  const std::string packed =
      zlibbed(number(mi_matrix) + number(4000000000u) + head("X", MatType::uint8, {4000, 900000}));
  const std::string message = element_complaint(number(mi_compressed) + number(packed.size()) + packed);
  CHECK(message.find("the matrix promises 4000000000 bytes, found compressed data that can hold ") == 0);
  // What deflate could pack, but the data end early.
  const std::string begin = number(mi_matrix) + number(1000000080) + head("b", MatType::uint8, {1000, 1000000}) +
                            number(mi_uint8) + number(1000000000);
  CHECK(element_complaint(compressed(begin + noise(1200000))).find("bytes or more of inflated data, found 12000") !=
        std::string::npos);
  // A gigabyte of zeros as SVHN's X: its sizes are wrong, and nothing is inflated. (The data need not be there.)
  const std::string zeros = zeros_cut_off(2000000);
  CHECK(svhn_complaint(compressed(number(mi_matrix) + number(1000080) + head("X", MatType::uint8, {1000, 1000}) +
                                  element(mi_uint8, std::string(1000000, '\0')))) ==
        "expected X, uint8 [32, 32, 3, n], found uint8 [1000, 1000]");
  CHECK(element_complaint(number(mi_compressed) + number(zeros.size()) + zeros)
            .find("expected an element of type 14 (miMATRIX) in the compressed data, found type 0") == 0);
  CHECK(peak_memory(false) - before < 100 * 1024);
}

TEST_CASE("svhn: pictures are turned from columns to rows, and label 10 is the digit 0") {
  for (const bool order : {false, true}) {
    big = order;
    TempDir dir;
    write_file(dir / "train_32x32.mat", file_header() + compressed(x_matrix()) + compressed(y_matrix()));
    // The other way round, not compressed, with doubles as labels and something else beside them.
    write_file(dir / "test_32x32.mat",
               file_header() + matrix("y", MatType::float64, {1, 2}, element(mi_double, real(1.0) + real(10.0))) +
                   matrix("note", MatType::text, {1, 2}, small(16, "hi")) + x_matrix());
    for (const Split split : {Split::train, Split::test}) {
      const Dataset data = load("svhn", split, dir.path());
      CHECK(data.name == "svhn");
      CHECK(data.shape() == Shape{2, 3, 32, 32});
      CHECK(data.labels == (split == Split::train ? std::vector<std::int64_t>{0, 3} : std::vector<std::int64_t>{1, 0}));
      CHECK(data.class_names[9] == "9");
      CHECK(data.classes() == 10);
      for (const int n : {0, 1})
        for (const int p : {0, 2})
          for (const int r : {0, 3, 31})
            for (const int c : {0, 5, 31})
              CHECK(data.picture(n)[static_cast<std::size_t>((p * 32 + r) * 32 + c)] ==
                    (64 * n + 16 * p + r + 7 * c) % 256);
    }
  }
  big = false;
  TempDir dir;
  const std::string plain = (dir / "train_32x32.mat").string();
  write_file(plain, file_header() + compressed(x_matrix()) + compressed(y_matrix()));
  write_file(plain + ".gz", "x");
  CHECK(load("svhn", Split::train, dir.path()).notes ==
        std::vector<std::string>{plain + ": this file is read, and not " + plain + ".gz, which is there too"});
}

TEST_CASE("svhn: X and y missing, of another kind, or not fitting together") {
  CHECK(svhn_complaint(x_matrix()) == "expected the variables X and y, found no y");
  CHECK(svhn_complaint(y_matrix()) == "expected the variables X and y, found no X");
  CHECK(svhn_complaint(matrix("x", MatType::uint8, {1, 1}, small(mi_uint8, "a"))) ==
        "expected the variables X and y, found no X but x");
  CHECK(svhn_complaint(x_matrix() + y_matrix("\x01\x02\x03")) ==
        "expected one label in y for each picture of X, found 3 labels and 2 pictures");
  CHECK(svhn_complaint(y_matrix("\x01") + x_matrix()) ==
        "expected one label in y for each picture of X, found 1 labels and 2 pictures");
  CHECK(svhn_complaint(x_matrix() + y_matrix("\x0b\x01")) ==
        "expected labels from 1 to 10 in y, found 11 for picture 0");
  CHECK(svhn_complaint(x_matrix() + y_matrix("\x01\0"s)) == "expected labels from 1 to 10 in y, found 0 for picture 1");
  CHECK(svhn_complaint(x_matrix() + matrix("y", MatType::float64, {2, 1}, element(mi_double, real(1.0) + real(1.5)))) ==
        "expected labels from 1 to 10 in y, found 1.5 for picture 1");
  const auto x_of = [](MatType type, const std::vector<std::int64_t>& sizes) {
    return svhn_complaint(matrix("X", type, sizes, element(mi_uint8, x_data())));
  };
  const std::string expected = "expected X, uint8 [32, 32, 3, n], found ";
  CHECK(x_of(MatType::uint8, {2, 3, 32, 32}) == expected + "uint8 [2, 3, 32, 32]");
  CHECK(x_of(MatType::uint8, {32, 32, 3}) == expected + "uint8 [32, 32, 3]");
  CHECK(x_of(MatType::float64, {32, 32, 3, 2}) == expected + "float64 [32, 32, 3, 2]");
  CHECK(x_of(MatType::cell, {32, 32, 3, 2}) == expected + "cell array [32, 32, 3, 2]");
  CHECK(x_of(MatType::uint8, {32, 32, 3, 0}) == expected + "uint8 [32, 32, 3, 0]");
  CHECK(svhn_complaint(x_matrix() + matrix("y", MatType::uint8, {2, 2}, small(mi_uint8, "abcd"))) ==
        "expected y, numbers [n, 1], found uint8 [2, 2]");
  CHECK(svhn_complaint(x_matrix() + x_matrix()) == "expected one variable X, found two");
  CHECK(svhn_complaint("") == "expected the variables X and y, found no X");
  TempDir dir;
  CHECK(error_of<IoError>([&] { load("svhn", Split::test, dir.path()); }) ==
        dir.path().string() + ": expected test_32x32.mat or the same with .gz, found no such file " +
            "(scripts/fetch-datasets svhn downloads them)");
}

TEST_CASE("svhn: the real files, or what stands in for them", "[data]") {
  const char* root = std::getenv("ELBO_DATA");
  const std::filesystem::path dir = root ? std::filesystem::path(root) / "svhn" : "";
  if (!root || !std::filesystem::exists(dir)) {
    WARN("skipped: ELBO_DATA names no folder with svhn in it");
    return;
  }
  const Dataset train = load("svhn", Split::train, dir), test = load("svhn", Split::test, dir);
  CHECK(train.size() > test.size());
  for (const Dataset* data : {&train, &test}) {
    std::vector<std::int64_t> histogram(10);
    for (std::int64_t label : data->labels) ++histogram.at(static_cast<std::size_t>(label));
    for (std::int64_t count : histogram) CHECK(count > data->size() / 50);
    // Rows and columns are where they belong: neighbours resemble each other, across and down.
    const auto picture = data->picture(0);
    int across = 0, down = 0;
    for (std::size_t i = 0; i < 31 * 32; ++i) {
      down += std::abs(picture[i] - picture[i + 32]);
      if (i % 32 < 31) across += std::abs(picture[i] - picture[i + 1]);
    }
    CHECK(across < 31 * 32 * 40);
    CHECK(down < 31 * 32 * 40);
  }
}
