// The IDX reader: every element type, plain and gzip'd, and every way in which a file can be wrong.
#include <elbo/core/errors.h>
#include <elbo/datasets/idx.h>
#include <signal.h>
#include <zlib.h>

#include <cstring>
#include <limits>

#include "catch.h"
#include "peak_memory.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::datasets;

namespace {

/// The message of the error of type E that `call` throws.
template <class E, class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "(nothing thrown)";
}

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

/// A header and elements, written here independently of write_idx.
std::string idx_bytes(std::uint8_t type, const std::vector<std::uint32_t>& sizes, const std::string& elements) {
  std::string out = {0, 0, static_cast<char>(type), static_cast<char>(sizes.size())};
  for (std::uint32_t size : sizes) out += big_endian(size);
  return out + elements;
}

std::string gzipped(const std::string& content) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(content.size() + 4096, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// Bytes that do not compress.
std::string noise(std::size_t count) {
  std::string out;
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    out += static_cast<char>(state >> 24);
  }
  return out;
}

/// What reading a file with this content says. The file is called `file`.
std::string complaint(const std::string& content) {
  TempDir dir;
  write_file(dir / "file", content);
  const std::string message = error_of<FormatError>([&] { read_idx(dir / "file"); });
  const std::string prefix = (dir / "file").string() + ": ";
  REQUIRE(message.substr(0, prefix.size()) == prefix);
  REQUIRE(message.find('\n') == std::string::npos);
  return message.substr(prefix.size());
}

template <class T>
void check_round_trip(const std::vector<T>& values, const Shape& shape) {
  TempDir dir;
  for (const char* file : {"a.idx", "a.idx.gz"}) {
    write_idx<T>(dir / file, shape, values);
    const IdxArray read = read_idx(dir / file);
    CHECK(read.type == idx_type_of<T>);
    CHECK(read.shape == shape);
    CHECK(std::vector<T>(read.values<T>().begin(), read.values<T>().end()) == values);
  }
  CHECK(read_file(dir / "a.idx.gz").substr(0, 2) == "\x1f\x8b");
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 2);  // nothing left over
}

}  // namespace

TEST_CASE("idx: elements of every type are read as the format says") {
  TempDir dir;
  const auto read = [&](std::uint8_t type, const std::string& elements, std::uint32_t count) {
    write_file(dir / "f", idx_bytes(type, {count}, elements));
    return read_idx(dir / "f");
  };
  using namespace std::string_literals;
  const IdxArray u8 = read(0x08, "\x01\xff"s, 2);
  CHECK(u8.type == IdxType::uint8);
  CHECK(u8.shape == Shape{2});
  CHECK(u8.values<std::uint8_t>()[1] == 255);
  CHECK(read(0x09, "\x01\xff"s, 2).values<std::int8_t>()[1] == -1);
  CHECK(read(0x0B, "\x01\x02\xff\xfe"s, 2).values<std::int16_t>()[0] == 0x0102);
  CHECK(read(0x0B, "\x01\x02\xff\xfe"s, 2).values<std::int16_t>()[1] == -2);
  CHECK(read(0x0C, "\x01\x02\x03\x04"s, 1).values<std::int32_t>()[0] == 0x01020304);
  CHECK(read(0x0D, "\xc0\x20\x00\x00"s, 1).values<float>()[0] == -2.5f);
  CHECK(read(0x0E, "\xc0\x04\x00\x00\x00\x00\x00\x00"s, 1).values<double>()[0] == -2.5);
  CHECK(error_of<DTypeError>([&] { u8.values<float>(); }) == "[values] the IDX file holds uint8, asked for float32");
}

TEST_CASE("idx: what write_idx writes is read back, plain and gzip'd") {
  check_round_trip<std::uint8_t>({0, 1, 127, 128, 255, 9}, {3, 2});
  check_round_trip<std::int8_t>({0, 1, 127, -128, -1, 9}, {6});
  check_round_trip<std::int16_t>({0, 1, 32767, -32768, -2, 258}, {1, 2, 3});
  check_round_trip<std::int32_t>({0, 2147483647, -2147483647 - 1, 16909060}, {2, 2});
  check_round_trip<float>({0.0f, -0.5f, 3.1415927f, std::numeric_limits<float>::infinity()}, {4});
  check_round_trip<double>({0.0, -0.5, 3.141592653589793, 1e300}, {4, 1, 1, 1});
  check_round_trip<std::uint8_t>({}, {0, 28, 28});
  check_round_trip<std::uint8_t>({7}, {1, 1, 1, 1, 1, 1, 1, 1});
  std::vector<std::int16_t> many(3 << 20);  // several chunks of the reader and the writer
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::int16_t>(i * 7919);
  check_round_trip<std::int16_t>(many, {3, 1 << 20});
}

TEST_CASE("idx: the bytes that are written are the format's") {
  TempDir dir;
  write_idx<std::int16_t>(dir / "f", {2, 1}, std::vector<std::int16_t>{258, -2});
  CHECK(read_file(dir / "f") == idx_bytes(0x0B, {2, 1}, "\x01\x02\xff\xfe"));
}

TEST_CASE("idx: gzip is told by content, and may have several members") {
  TempDir dir;
  const std::string whole = idx_bytes(0x08, {2, 3}, "abcdef");
  write_file(dir / "no-suffix", gzipped(whole));
  CHECK(read_idx(dir / "no-suffix").shape == Shape{2, 3});
  write_file(dir / "plain.gz", whole);
  CHECK(read_idx(dir / "plain.gz").values<std::uint8_t>()[5] == 'f');
  write_file(dir / "members.gz", gzipped(whole.substr(0, 7)) + gzipped("") + gzipped(whole.substr(7)));
  CHECK(read_idx(dir / "members.gz").values<std::uint8_t>()[5] == 'f');
}

TEST_CASE("idx: a missing file, a folder and a pipe") {
  TempDir dir;
  const std::string missing = (dir / "no-such-file").string();
  CHECK(error_of<IoError>([&] { read_idx(missing); }) == missing + ": cannot open: No such file or directory");
  CHECK(error_of<IoError>([&] { read_idx(dir.path()); }) ==
        dir.path().string() + ": expected a regular file, found a folder");
  CHECK(error_of<IoError>([&] { read_idx("/dev/null"); }) == "/dev/null: expected a regular file, found a device");
}

TEST_CASE("idx: an empty file") {
  CHECK(complaint("") == "expected data, found an empty file");
  CHECK(complaint(gzipped("")) == "expected an IDX file or its gzip (first bytes 00 00), found nothing");
}

TEST_CASE("idx: a wrong magic number, element type or rank") {
  CHECK(complaint("\x89PNG\r\n") ==
        "expected an IDX file or its gzip (first bytes 00 00), found something else (first bytes 89 50 4e 47)");
  CHECK(complaint("hi") ==
        "expected an IDX file or its gzip (first bytes 00 00), found something else (first bytes 68 69)");
  CHECK(complaint(gzipped("hello")) ==
        "expected an IDX file or its gzip (first bytes 00 00), found something else (first bytes 68 65 6c 6c)");
  CHECK(complaint(idx_bytes(0x0A, {1}, "a")) ==
        "expected element type 08, 09, 0b, 0c, 0d or 0e in the IDX header, found 0a");
  CHECK(complaint(idx_bytes(0x08, {}, "")) == "expected 1 to 8 dimensions in the IDX header, found 0");
  CHECK(complaint(idx_bytes(0x08, std::vector<std::uint32_t>(9, 1), "a")) ==
        "expected 1 to 8 dimensions in the IDX header, found 9");
}

TEST_CASE("idx: HTML where gzip was expected") {
  const std::string expected =
      "expected an IDX file or its gzip (first bytes 00 00), found an HTML page: was the download redirected?";
  CHECK(complaint("<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>") == expected);
  CHECK(complaint("\r\n\n  \n   <html>") == expected);
  CHECK(complaint("\xEF\xBB\xBF<?xml version='1.0'?>") == expected);
  CHECK(complaint(gzipped("<html></html>")) == expected);
  CHECK(complaint("<3 no page") ==
        "expected an IDX file or its gzip (first bytes 00 00), found something else (first bytes 3c 33 20 6e)");
}

TEST_CASE("idx: a truncated file") {
  const std::string whole = idx_bytes(0x08, {2, 3}, "abcdef");
  CHECK(complaint(whole.substr(0, 17)) ==
        "the header promises [2, 3] uint8 elements, 18 bytes in all, found a file of 17 bytes");
  CHECK(complaint(whole.substr(0, 12)) ==
        "the header promises [2, 3] uint8 elements, 18 bytes in all, found a file of 12 bytes");
  CHECK(complaint(whole.substr(0, 9)) == "truncated in the IDX header: expected 12 bytes, found 9 bytes");
  for (std::size_t size = 1; size < whole.size(); ++size) CHECK_FALSE(complaint(whole.substr(0, size)).empty());
}

TEST_CASE("idx: a truncated gzip file, wherever it is cut") {
  const std::string packed = gzipped(idx_bytes(0x08, {50, 10}, noise(500)));
  CHECK(complaint(packed.substr(0, packed.size() - 1)) ==
        "truncated: expected a complete gzip file, found it cut off after the elements, before its checksum");
  CHECK(complaint(packed.substr(0, packed.size() / 2))
            .find("truncated: expected 512 bytes for [50, 10] uint8 elements, "
                  "found ") == 0);
  CHECK(complaint(packed.substr(0, packed.size() / 2)).find(" bytes before the gzip data is cut off") !=
        std::string::npos);
  for (std::size_t size = 1; size < packed.size(); ++size) CHECK_FALSE(complaint(packed.substr(0, size)).empty());
  // A proper gzip file whose content stops early.
  CHECK(complaint(gzipped(idx_bytes(0x08, {2, 3}, "abcd"))) ==
        "truncated: expected 18 bytes for [2, 3] uint8 elements, found 16 bytes");
}

TEST_CASE("idx: a file that goes on after its elements") {
  const std::string whole = idx_bytes(0x08, {2, 3}, "abcdef");
  CHECK(complaint(whole + "g") == "expected 18 bytes for [2, 3] uint8 elements, found more bytes after the end: 19");
  CHECK(complaint(gzipped(whole + "g")) ==
        "expected 18 bytes for [2, 3] uint8 elements, found more bytes after the end");
  CHECK(complaint(gzipped(whole) + gzipped("g")) ==
        "expected 18 bytes for [2, 3] uint8 elements, found more bytes after the end");
  CHECK(complaint(gzipped(whole) + "g") == "expected the end of the file after its gzip data, found more bytes");
}

TEST_CASE("idx: damaged gzip data") {
  const std::string packed = gzipped(idx_bytes(0x08, {50, 10}, noise(500)));
  std::string checksum = packed;
  checksum[packed.size() - 6] = static_cast<char>(checksum[packed.size() - 6] ^ 1);
  CHECK(complaint(checksum) == "damaged gzip data: incorrect data check, found after 512 inflated bytes");
  // Whichever byte behind gzip's own header is damaged, something notices; but for the first, of which only three bits
  // count in a block that is stored as it is.
  for (std::size_t i = 11; i < packed.size(); ++i) {
    std::string damaged = packed;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    CHECK_FALSE(complaint(damaged).empty());
  }
}

TEST_CASE("idx: a header that promises more than the file can hold takes no memory for it") {
  const std::int64_t before = peak_memory(true);
  CHECK(complaint(idx_bytes(0x08, {2147483648u, 28, 28}, std::string(100, 'x'))) ==
        "the header promises [2147483648, 28, 28] uint8 elements, 1683627180048 bytes in all, found a file of 116 "
        "bytes");
  const std::string small = gzipped(idx_bytes(0x08, {2147483648u, 28, 28}, std::string(100, 'x')));
  CHECK(complaint(small) ==
        "the header promises [2147483648, 28, 28] uint8 elements, 1683627180048 bytes in all, found a gzip file of " +
            std::to_string(small.size()) + " bytes, which can hold " + std::to_string(small.size() * 1032));
  // The most that a header can say, and sizes beside a 0.
  const std::uint32_t most = 0xffffffffu;
  CHECK(
      complaint(idx_bytes(0x0E, std::vector<std::uint32_t>(8, most), "x")).find("the header promises [4294967295, ") ==
      0);
  CHECK(complaint(idx_bytes(0x08, {most, most, most, 0}, "")).find("expected sizes whose product is below 2^62") == 0);
  // A gzip file that could hold its promise of 1 GB, but does not: memory grows with what arrives, not with the
  // promise.
  const std::string big = gzipped(idx_bytes(0x08, {1u << 30}, noise(1100000)));
  CHECK(complaint(big) == "truncated: expected 1073741832 bytes for [1073741824] uint8 elements, found 1100008 bytes");
  CHECK(peak_memory(false) - before < 100 * 1024);
}

TEST_CASE("idx: write_idx leaves nothing half-written behind") {
  TempDir dir;
  const std::vector<std::uint8_t> values = {1, 2, 3};
  CHECK(error_of<ShapeError>([&] {
          write_idx<std::uint8_t>(dir / "f", {2, 2}, values);
        }) == (dir / "f").string() + ": expected 4 elements of 1 bytes for shape [2, 2], found 3 bytes");
  CHECK(error_of<ShapeError>([&] {
          write_idx<std::uint8_t>(dir / "f", {}, std::vector<std::uint8_t>{1});
        }).find("expected at least one dimension") != std::string::npos);
  CHECK(error_of<ShapeError>([&] {
          write_idx<std::uint8_t>(dir / "f", {0, 1ll << 32}, std::vector<std::uint8_t>{});
        }).find("expected sizes below 2^32") != std::string::npos);
  CHECK(error_of<IoError>([&] { write_idx<std::uint8_t>(dir / "none" / "f", {3}, values); }) ==
        "cannot write " + (dir / "none" / "f").string() + ": No such file or directory");
  // The name is taken by a folder, so the last step fails.
  std::filesystem::create_directories(dir / "taken" / "inside");
  CHECK(error_of<IoError>([&] { write_idx<std::uint8_t>(dir / "taken", {3}, values); }).find("cannot write ") == 0);
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
  // An existing file is replaced.
  write_idx<std::uint8_t>(dir / "f", {3}, values);
  write_idx<std::uint8_t>(dir / "f", {2}, std::vector<std::uint8_t>{8, 9});
  CHECK(read_idx(dir / "f").values<std::uint8_t>()[1] == 9);
}

TEST_CASE("idx: a full disk is an error when writing") {
  const std::vector<double> values(100000, 1.5);
  // The largest size of a file stands for the disk's.
  struct rlimit old {};
  getrlimit(RLIMIT_FSIZE, &old);
  TempDir dir;
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = old;
  small.rlim_cur = 4096;
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = error_of<IoError>([&] { write_idx<double>(dir / "f", {100000}, values); });
  setrlimit(RLIMIT_FSIZE, &old);
  CHECK(message == "cannot write " + (dir / "f").string() + ": File too large (after 4096 bytes)");
  CHECK(std::filesystem::is_empty(dir.path()));
}
