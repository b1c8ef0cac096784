#include <elbo/core/file.h>
#include <elbo/core/safetensors.h>

#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>
#include <locale>

#include "catch.h"
#include "temp_dir.h"

using namespace elbo;
using Catch::Matchers::Contains;

namespace {

/// A file as the format has it: the header's length, the header, the data.
std::string file_bytes(const std::string& header, const std::string& data) {
  std::string out(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(out.data(), &length, 8);
  return out + header + data;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

const Array& find(const NamedArrays& arrays, const std::string& name) {
  for (const auto& [key, array] : arrays)
    if (key == name) return array;
  throw std::runtime_error("no " + name);
}

/// What loading a file of this content complains of.
std::string complaint(const std::string& content) {
  TempDir dir;
  write_file(dir / "bad.safetensors", content);
  try {
    load_safetensors(dir / "bad.safetensors");
  } catch (const FormatError& error) {
    const std::string text = error.what();
    CHECK_THAT(text, Contains((dir / "bad.safetensors").string()));
    CHECK(text.find('\n') == std::string::npos);
    return text;
  }
  return "loaded";
}

std::string complaint(const std::string& header, const std::string& data) {
  return complaint(file_bytes(header, data));
}

std::size_t files_in(const TempDir& dir) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(dir.path()), {}));
}

}  // namespace

TEST_CASE("safetensors: a locale that groups digits changes no file", "[safetensors]") {
  struct Grouped : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    char do_decimal_point() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
  };
  struct Global {
    std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouped));
    ~Global() { std::locale::global(before); }
  } global;
  TempDir dir;
  save_safetensors(dir / "a", {{"a", Array::zeros({12345, 1})}}, {{"key", "1234567"}});
  CHECK(find(load_safetensors(dir / "a").arrays, "a").shape() == Shape{12345, 1});
  CHECK(Shape({12345, 2}).to_string() == "[12345, 2]");
  CHECK(detail::concat(1234567, " ", 0.5) == "1234567 0.5");
}

TEST_CASE("safetensors: what is written is read back, every dtype and shape", "[safetensors]") {
  TempDir dir;
  const NamedArrays arrays = {
      {"mask", Array::from(std::vector<std::uint8_t>{0, 255, 7}, {3})},
      {"weight",
       Array::from(std::vector<float>{1.5f, -2, 3, 4, std::numeric_limits<float>::infinity(), -0.0f}, {2, 3})},
      {"empty", Array::zeros({0, 4})},
      {"step", Array::from(std::vector<std::int64_t>{-9007199254740993}, {})},
      {"exact \"quoted\"\n\u00fc", Array::from(std::vector<double>{0.1, 1e300}, {1, 2, 1})},
  };
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"note", "a \"b\"\n"}};
  save_safetensors(dir / "a.safetensors", arrays, metadata);
  const SafetensorsFile back = load_safetensors(dir / "a.safetensors");
  CHECK(back.metadata == metadata);
  REQUIRE(back.arrays.size() == arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    INFO(arrays[i].first);
    CHECK(back.arrays[i].first == arrays[i].first);
    const Array &wrote = arrays[i].second, &read = back.arrays[i].second;
    CHECK(read.shape() == wrote.shape());
    REQUIRE(read.dtype() == wrote.dtype());
    CHECK((wrote.numel() == 0 || std::memcmp(read.raw(), wrote.raw(), wrote.bytes()) == 0));
  }
  CHECK(files_in(dir) == 1);  // no temporary file stays
}

TEST_CASE("safetensors: the bytes are those of the format, each array aligned", "[safetensors]") {
  TempDir dir;
  save_safetensors(dir / "a", {{"u", Array::from(std::vector<std::uint8_t>{9}, {1})},
                               {"f", Array::from(std::vector<float>{1}, {1})},
                               {"d", Array::from(std::vector<double>{2}, {})}});
  std::string header =
      R"({"u":{"dtype":"U8","shape":[1],"data_offsets":[12,13]},"f":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
      R"("d":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})";
  while (header.size() % 8) header += ' ';
  CHECK(read_file(dir / "a") == file_bytes(header, bytes_of<double>({2}) + bytes_of<float>({1}) + "\x09"));
  save_safetensors(dir / "none", {});
  CHECK(read_file(dir / "none") == file_bytes("{}      ", ""));
  CHECK(load_safetensors(dir / "none").arrays.empty());
}

TEST_CASE("safetensors: a file that PyTorch wrote", "[safetensors]") {
  TempDir dir;
  // torch.nn.Linear(3, 2) and a count, by safetensors.torch.save_file(..., metadata={"format": "pt"}).
  const std::string header = R"({"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                             R"("bias":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
                             R"("weight":{"dtype":"F32","shape":[2,3],"data_offsets":[16,40]}}    )";
  write_file(dir / "pt", file_bytes(header, bytes_of<std::int64_t>({7}) + bytes_of<float>({10, -20}) +
                                                bytes_of<float>({1, 2, 3, -0.5f, 0.25f, 8})));
  const SafetensorsFile file = load_safetensors(dir / "pt");
  CHECK(file.metadata == std::map<std::string, std::string>{{"format", "pt"}});
  CHECK(find(file.arrays, "n").item() == 7);
  CHECK(find(file.arrays, "bias").to_vector<float>() == std::vector<float>{10, -20});
  CHECK(find(file.arrays, "weight").shape() == Shape{2, 3});
  CHECK(find(file.arrays, "weight").to_vector<float>() == std::vector<float>{1, 2, 3, -0.5f, 0.25f, 8});
}

TEST_CASE("safetensors: narrower types are widened", "[safetensors]") {
  TempDir dir;
  const std::string header =
      R"({"h":{"dtype":"F16","shape":[8],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},)"
      R"("t":{"dtype":"BOOL","shape":[2],"data_offsets":[22,24]},"i":{"dtype":"I32","shape":[2],"data_offsets":[24,32]}})";
  // 1, -2, the largest, the smallest normal, the smallest subnormal, -0, infinity, NaN
  const std::vector<std::uint16_t> half = {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0x7e00};
  write_file(dir / "a", file_bytes(header, bytes_of(half) + bytes_of<std::uint16_t>({0x3f80, 0xc049, 0x7f80}) +
                                               std::string("\x01\x00", 2) + bytes_of<std::int32_t>({-5, 2147483647})));
  const NamedArrays arrays = load_safetensors(dir / "a").arrays;
  const std::vector<float> h = find(arrays, "h").to_vector<float>();
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(std::vector<float>(h.begin(), h.end() - 1) == std::vector<float>{1, -2, 65504, 0x1p-14f, 0x1p-24f, -0.0f, inf});
  CHECK(std::signbit(h[5]));
  CHECK(std::isnan(h[7]));
  CHECK(find(arrays, "b").to_vector<float>() == std::vector<float>{1, -3.140625f, inf});
  CHECK(find(arrays, "t").to_vector<std::uint8_t>() == std::vector<std::uint8_t>{1, 0});
  CHECK(find(arrays, "i").to_vector<std::int64_t>() == std::vector<std::int64_t>{-5, 2147483647});
}

TEST_CASE("safetensors: a header that does not fit the file is refused", "[safetensors]") {
  const std::string data(8, '\0');
  auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  REQUIRE(complaint(entry("\"F32\"", "[2]", "[0,8]"), data) == "loaded");

  CHECK_THAT(complaint(""), Contains("expected a safetensors file, which has at least 8 bytes, found 0"));
  CHECK_THAT(complaint("1234567"), Contains("found 7"));
  CHECK_THAT(complaint("<!DOCTYPE html><html>not this</html>"),
             Contains("expected a safetensors file, found an HTML page"));
  std::string promised = file_bytes("{}", "");
  promised[0] = 100;
  CHECK_THAT(complaint(promised), Contains("header length: expected at most the 2 bytes that follow, found 100"));
  CHECK_THAT(complaint("", data), Contains("which begins with '{', found nothing"));
  CHECK_THAT(complaint("[]", data), Contains("which begins with '{', found '['"));
  CHECK_THAT(complaint("{\"a\":", ""), Contains("header: expected JSON, found something else at byte"));
  CHECK_THAT(complaint("{\"a\":1e999}", ""), Contains("header: expected JSON, found a number out of range"));
  CHECK_THAT(complaint("{\"a\xff\":1}", ""), Contains("header: expected JSON"));
  CHECK_THAT(complaint("{\"a\":[[[[[]]]]]}", ""), Contains("levels of nesting"));
  CHECK_THAT(complaint("{\"a\":1}", ""), Contains("'a': expected an object, found 1"));
  CHECK_THAT(complaint(R"({"a\nb":1})", ""), Contains(R"('a\x0ab': expected an object)"));
  CHECK_THAT(complaint(R"({"a":{}})", data), Contains("dtype: expected a name, found nothing"));
  CHECK_THAT(complaint(R"({"a":{"dtype":"F32"}})", data),
             Contains("shape: expected an array of counts, found nothing"));
  CHECK_THAT(complaint(R"({"__metadata__":{"a":1}})", ""), Contains("'a': expected a string, found 1"));
  CHECK_THAT(complaint(R"({"__metadata__":3})", ""), Contains("__metadata__: expected an object, found 3"));

  CHECK_THAT(complaint(entry("\"F8_E4M3\"", "[8]", "[0,8]"), data),
             Contains("dtype: expected F32, F64") && Contains("found \"F8_E4M3\""));
  CHECK_THAT(complaint(entry("32", "[2]", "[0,8]"), data), Contains("found 32"));
  CHECK_THAT(complaint(entry("\"F32\"", "[-2]", "[0,8]"), data), Contains("shape: expected counts, found -2"));
  CHECK_THAT(complaint(entry("\"F32\"", "[2.0]", "[0,8]"), data), Contains("shape: expected counts, found 2.0"));
  CHECK_THAT(complaint(entry("\"F32\"", "[18446744073709551615]", "[0,8]"), data), Contains("shape: expected counts"));
  CHECK_THAT(complaint(entry("\"F32\"", "[4294967296,4294967296,2]", "[0,8]"), data), Contains("shape"));
  CHECK_THAT(complaint(entry("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), data), Contains("shape"));
  CHECK_THAT(complaint(entry("\"F32\"", "[3]", "[0,8]"), data), Contains("expected the bytes of F32 [3], found 8"));
  CHECK_THAT(complaint(entry("\"F32\"", "[2]", "[0,8,9]"), data), Contains("expected a begin and an end, found 3"));
  CHECK_THAT(complaint(entry("\"F32\"", "[2]", "[8,0]"), data), Contains("found [8, 0]"));
  CHECK_THAT(complaint(entry("\"F32\"", "[4]", "[0,16]"), data),
             Contains("expected a range within the 8 bytes of data, found [0, 16]"));
  CHECK_THAT(complaint(entry("\"F32\"", "[1]", "[4,8]"), data), Contains("the next at byte 0, found it at 4"));
  CHECK_THAT(complaint(entry("\"F32\"", "[1]", "[0,4]"), data), Contains("expected 4 bytes of data, found 8"));
}

TEST_CASE("safetensors: overlaps, holes and names given twice are refused", "[safetensors]") {
  const std::string data(8, '\0');
  auto two = [](const std::string& name, const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first + R"(},")" + name +
           R"(":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  REQUIRE(complaint(two("b", "[4,8]", "[0,4]"), data) == "loaded");
  CHECK_THAT(complaint(two("b", "[0,4]", "[2,6]"), data), Contains("'b': data_offsets: expected arrays side by side"));
  CHECK_THAT(complaint(two("b", "[0,4]", "[0,4]"), data), Contains("side by side"));
  CHECK_THAT(complaint(two("b", "[0,4]", "[5,9]"), data + "0"), Contains("the next at byte 4, found it at 5"));
  CHECK_THAT(complaint(two("a", "[0,4]", "[4,8]"), data), Contains("expected each name once, found 'a' twice"));
  CHECK_THAT(complaint(R"({"a":{"dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]}})", data),
             Contains("found 'dtype' twice"));
}

TEST_CASE("safetensors: a file of 40,000 arrays is read in time that grows with their number", "[safetensors]") {
  // By a rule that looks at all arrays for each one, four times as many take sixteen times as long, here 7 s. Seconds
  // of the processor, of which other programs take none.
  TempDir dir;
  const auto seconds = [&](int count) {
    NamedArrays arrays;
    for (int i = 0; i < count; ++i) arrays.emplace_back("layer." + std::to_string(i), Array::full({}, i));
    save_safetensors(dir / "many", arrays);
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      const std::clock_t begin = std::clock();
      const SafetensorsFile file = load_safetensors(dir / "many");
      best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
      REQUIRE(file.arrays.size() == arrays.size());
      REQUIRE(file.arrays.back().first == arrays.back().first);
      REQUIRE(file.arrays.back().second.item() == count - 1);
    }
    return best;
  };
  const double few = seconds(10000), many = seconds(40000);
  INFO(few << " s for 10,000, " << many << " s for 40,000");
  CHECK(many < 9 * few);
}

TEST_CASE("safetensors: a truncated or damaged file loads or throws, never more", "[safetensors]") {
  TempDir dir;
  save_safetensors(dir / "good",
                   {{"fc.weight", Array::full({2, 2}, 1.5)}, {"n", Array::zeros({}, {.dtype = DType::int64})}},
                   {{"k", "v"}});
  const std::string good = read_file(dir / "good");
  auto loads = [&](const std::string& content) {
    write_file(dir / "damaged", content);
    try {
      load_safetensors(dir / "damaged");
      return true;
    } catch (const FormatError&) {
      return false;
    } catch (const IoError&) {
      return false;
    }
  };
  REQUIRE(loads(good));
  for (std::size_t length = 0; length < good.size(); ++length) CHECK_FALSE(loads(good.substr(0, length)));
  CHECK_FALSE(loads(good + '\0'));
  std::uint64_t header = 0;
  std::memcpy(&header, good.data(), 8);
  int refused = 0;
  for (std::size_t at = 0; at < 8 + header; ++at) {
    for (const char value : {'\0', '"', '{', '}', '[', ']', ',', ':', '9', '-', ' ', '\n', '\x7f', '\x80', '\xff',
                             static_cast<char>(good[at] + 1)}) {
      std::string damaged = good;
      damaged[at] = value;
      if (!loads(damaged)) ++refused;
    }
  }
  CHECK(refused > static_cast<int>(header) * 8);
}

TEST_CASE("safetensors: what cannot be written or opened is said, and nothing is left behind", "[safetensors]") {
  TempDir dir;
  const NamedArrays one = {{"a", Array::zeros({2})}};
  CHECK_THROWS_WITH(load_safetensors(dir / "none"), Contains((dir / "none").string()) && Contains("No such file"));
  CHECK_THROWS_AS(load_safetensors(dir / "none"), IoError);
  CHECK_THROWS_AS(load_safetensors(dir.path()), IoError);
  CHECK_THROWS_AS(save_safetensors(dir / "no" / "a", one), IoError);
  std::filesystem::create_directory(dir / "folder");
  CHECK_THROWS_WITH(save_safetensors(dir / "folder", one), Contains("cannot write " + (dir / "folder").string()));
  CHECK_THROWS_WITH(save_safetensors(dir / "a", {one[0], one[0]}),
                    Contains("expected each name once, found 'a' twice"));
  CHECK_THROWS_AS(save_safetensors(dir / "a", {{"__metadata__", one[0].second}}), ValueError);
  CHECK_THROWS_AS(save_safetensors(dir / "a", {{"\xff", one[0].second}}), ValueError);
  CHECK_THROWS_AS(save_safetensors(dir / "a", one, {{"k", "\xff"}}), ValueError);
  CHECK_THROWS_AS(save_safetensors(dir / "a", {{"undefined", Array()}}), ValueError);
  CHECK(files_in(dir) == 1);  // the folder
}

TEST_CASE("file: a file appears whole or not at all", "[file]") {
  TempDir dir;
  write_file_atomically(dir / "a", "first");
  CHECK(read_whole_file(dir / "a") == "first");
  {
    AtomicFile file(dir / "a");
    file.write("half");
    CHECK(read_whole_file(dir / "a") == "first");
  }
  CHECK(read_whole_file(dir / "a") == "first");
  CHECK(files_in(dir) == 1);
  AtomicFile file(dir / "a");
  file.write("whole");
  file.commit();
  CHECK(read_whole_file(dir / "a") == "whole");
  CHECK_THROWS_AS(file.commit(), IoError);
  CHECK(files_in(dir) == 1);
  const std::string large(200'000, 'x');
  write_file_atomically(dir / "a", large);
  CHECK(read_whole_file(dir / "a") == large);
  write_file_atomically(dir / "a", "");
  CHECK(read_whole_file(dir / "a").empty());
}

TEST_CASE("file: errors name the path and the reason", "[file]") {
  TempDir dir;
  CHECK_THROWS_WITH(read_whole_file(dir / "none"), Contains((dir / "none").string()) && Contains("No such file"));
  CHECK_THROWS_WITH(read_whole_file(dir.path()), Contains("expected a regular file, found a folder"));
  CHECK_THROWS_WITH(write_file_atomically(dir / "no" / "a", "x"), Contains("No such file"));
}
