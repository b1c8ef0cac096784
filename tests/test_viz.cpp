#include <elbo/core/errors.h>
#include <elbo/viz/axis.h>
#include <elbo/viz/image.h>
#include <elbo/viz/svg.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>

#include "catch.h"
#include "temp_dir.h"

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#include <stb/stb_image.h>

using namespace elbo;
using namespace elbo::viz;
using Catch::Matchers::Contains;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

Image decode(const std::string& png) {
  Image image;
  stbi_uc* pixels = stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(png.data()), static_cast<int>(png.size()),
                                          &image.width, &image.height, &image.channels, 0);
  REQUIRE(pixels != nullptr);
  image.pixels.assign(pixels, pixels + image.width * image.height * image.channels);
  stbi_image_free(pixels);
  return image;
}

/// An image from rows of characters: '#' is black, '.' white, a digit d the grey value d.
Image drawn(const std::vector<std::string>& rows) {
  Image image(static_cast<int>(rows[0].size()), static_cast<int>(rows.size()), 1);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const char c = rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)];
      image.at(x, y) = static_cast<std::uint8_t>(c == '#' ? 0 : c == '.' ? 255 : c - '0');
    }
  return image;
}

/// The inverse of `drawn`, so that a failing comparison prints as a picture.
std::vector<std::string> rows_of(const Image& image) {
  std::vector<std::string> rows;
  for (int y = 0; y < image.height; ++y) {
    rows.emplace_back();
    for (int x = 0; x < image.width; ++x) {
      const int v = image.at(x, y);
      rows.back() += v == 0 ? '#' : v == 255 ? '.' : v < 10 ? static_cast<char>('0' + v) : '?';
    }
  }
  return rows;
}

/// Empty for a text whose tags are balanced, attributes quoted and characters escaped; else what is wrong.
std::string svg_fault(const std::string& svg) {
  std::vector<std::string> open;
  for (std::size_t at = 0; at < svg.size(); ++at) {
    if (svg[at] == '&') {
      const std::string entity = svg.substr(at, svg.find(';', at) + 1 - at);
      if (std::string("&amp;&lt;&gt;&quot;&#39;").find(entity) == std::string::npos) return "entity " + entity;
    }
    if (svg[at] == '>') return "a '>' outside a tag";
    if (svg[at] != '<') continue;
    std::size_t end = at;
    for (bool quoted = false; end < svg.size() && (quoted || svg[end] != '>'); ++end) {
      if (svg[end] == '"') quoted = !quoted;
      if (quoted && svg[end] == '<') return "a '<' in an attribute";
    }
    if (end == svg.size()) return "a tag without end";
    const std::string tag = svg.substr(at + 1, end - at - 1);
    if (tag.find("nan") != std::string::npos || tag.find("inf") != std::string::npos) return "not a number in " + tag;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "closes " + tag;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    at = end;
  }
  return open.empty() ? "" : "leaves open " + open.back();
}

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

/// The value of the first attribute `name` after `from`.
std::string attribute(const std::string& svg, const std::string& name, std::size_t from) {
  const std::size_t begin = svg.find(" " + name + "=\"", from) + name.size() + 3;
  return svg.substr(begin, svg.find('"', begin) - begin);
}

LossCurves some_curves(int epochs) {
  LossCurves c{.curves = {{"loss"}, {"reconstruction"}, {"kl"}}};
  for (int e = 1; e <= epochs; ++e) {
    c.epoch.push_back(e);
    const double reconstruction = 230 + 60.0 / e, kl = 16 - 6.0 / e;
    const std::array<double, 3> train{reconstruction + kl, reconstruction, kl};
    const std::array<double, 3> val{reconstruction + kl - 1, reconstruction - 1, kl};
    for (std::size_t i = 0; i < 3; ++i) {
      c.curves[i].train.push_back(train[i]);
      c.curves[i].val.push_back(val[i]);
    }
  }
  return c;
}

}  // namespace

TEST_CASE("floats become pixels: clamped, rounded, planar to interleaved", "[viz]") {
  const float fnan = std::numeric_limits<float>::quiet_NaN(), finf = std::numeric_limits<float>::infinity();
  const std::vector<float> values{0.0f, 1.0f, -0.5f, 2.0f, fnan, finf, -finf, 0.5f, 0.25f};
  const Image grey = from_planar(values, 1, 3, 3);
  CHECK(grey.width == 3);
  CHECK(grey.height == 3);
  CHECK(grey.channels == 1);
  CHECK(grey.pixels == std::vector<std::uint8_t>{0, 255, 0, 255, 0, 255, 0, 128, 64});

  const std::vector<float> planes{0.2f, 0.4f, 0.6f, 0.8f, 0.0f, 1.0f};  // red, green, blue of two pixels
  const Image rgb = from_planar(planes, 3, 1, 2);
  CHECK(rgb.pixels == std::vector<std::uint8_t>{51, 153, 0, 102, 204, 255});

  CHECK_THROWS_AS(from_planar(values, 1, 3, 2), ShapeError);
  CHECK_THROWS_AS(from_planar(values, 2, 3, 3), ValueError);
  CHECK_THROWS_AS(Image(0, 3, 1), ValueError);
  CHECK_THROWS_AS(Image(1 << 16, 1 << 15, 1), ValueError);
}

TEST_CASE("a grid puts every pixel where it belongs", "[viz]") {
  const std::vector<Image> images{drawn({"12", "34"}), drawn({"56", "78"}), drawn({"90", "12"})};
  SECTION("gaps around and between, the last row incomplete") {
    CHECK(rows_of(grid(images, 2, {.gap = 1})) == std::vector<std::string>{".......",  //
                                                                           ".12.56.",  //
                                                                           ".34.78.",  //
                                                                           ".......",  //
                                                                           ".9#....",  //
                                                                           ".12....",  //
                                                                           "......."});
  }
  SECTION("no gap, each pixel a square") {
    std::vector<std::string> rows = rows_of(grid(images, 3, {.gap = 0, .scale = 2}));
    for (std::string& row : rows) std::replace(row.begin(), row.end(), '#', '0');  // the pixel of value 0
    CHECK(rows == std::vector<std::string>{"112255669900", "112255669900", "334477881122", "334477881122"});
  }
  SECTION("more columns than pictures give no empty columns") { CHECK(grid(images, 9, {.gap = 1}).width == 10); }
  SECTION("a coloured background or picture makes it RGB, and grey pictures keep their shade") {
    const Image out = grid(std::span(images).first(1), 1, {.gap = 1, .background = {10, 20, 30}});
    REQUIRE(out.channels == 3);
    CHECK(out.at(0, 0, 0) == 10);
    CHECK(out.at(0, 0, 2) == 30);
    for (int c = 0; c < 3; ++c) CHECK(out.at(2, 1, c) == 2);
    const std::vector<Image> mixed{drawn({"12"}), Image(2, 1, 3, {7, 8, 9})};
    const Image both = grid(mixed, 2, {.gap = 0});
    CHECK(both.pixels == std::vector<std::uint8_t>{1, 1, 1, 2, 2, 2, 7, 8, 9, 7, 8, 9});
  }
  SECTION("from floats") {
    const std::vector<float> data{0, 1, 1, 0};  // two pictures of 1 x 2
    CHECK(rows_of(grid(data, 2, 1, 1, 2, 1, {.gap = 0})) == std::vector<std::string>{"#.", ".#"});
    CHECK_THROWS_AS(grid(data, 3, 1, 1, 2, 1), ShapeError);
    CHECK_THROWS_AS(grid(data, 0, 1, 1, 2, 1), ValueError);
  }
}

TEST_CASE("a grid refuses what does not fit", "[viz]") {
  const std::vector<Image> images{drawn({"12", "34"}), drawn({"56", "78"})};
  CHECK_THROWS_AS(grid(std::span<const Image>{}, 2), ValueError);
  CHECK_THROWS_AS(grid(images, 0), ValueError);
  CHECK_THROWS_AS(grid(images, 2, {.gap = -1}), ValueError);
  CHECK_THROWS_AS(grid(images, 2, {.scale = 0}), ValueError);
  constexpr int most = std::numeric_limits<int>::max();
  CHECK_THROWS_WITH(grid(images, 2, {.scale = most}), Contains("[grid] scale 2147483647"));
  CHECK_THROWS_WITH(grid(images, 2, {.gap = most}), Contains("[grid] gap 2147483647"));
  CHECK_THROWS_AS(grid(images, 2, {.text_scale = most}), ValueError);
  const std::vector<Image> wide(600, Image(1000, 1, 1));
  CHECK_THROWS_WITH(grid(wide, 600, {.scale = 1000}), Contains("[grid] expected a side below 500000000 pixels"));
  CHECK_THROWS_AS(grid(images, 2, {.row_labels = {"a", "b"}}), ShapeError);
  CHECK_THROWS_WITH(grid(images, 2, {.captions = {"a"}}), "[grid] 1 captions: expected none or 2");
  const std::vector<Image> unequal{drawn({"12"}), drawn({"1"})};
  CHECK_THROWS_WITH(grid(unequal, 2), "[grid] a picture of 1 x 1 pixels: expected 2 x 1 as the first");
  Image broken = images[0];
  broken.pixels.pop_back();
  CHECK_THROWS_AS(grid(std::span(&broken, 1), 1), ShapeError);
}

namespace {

Image text_image(const std::string& text, int scale = 1) {
  Image image(80 * scale, 15 * scale, 1);
  draw_text(image, 4 * scale, 4 * scale, text, {255, 255, 255}, scale);
  return image;
}

/// The box of what is not black: left, top, right and bottom, the last two one pixel behind.
std::array<int, 4> ink_of(const Image& image) {
  std::array<int, 4> box{image.width, image.height, 0, 0};
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      if (image.at(x, y) > 0)
        box = {std::min(box[0], x), std::min(box[1], y), std::max(box[2], x + 1), std::max(box[3], y + 1)};
  return box;
}

}  // namespace

TEST_CASE("text is drawn with smooth edges where it was measured to be", "[viz][text]") {
  for (int scale : {1, 2, 3}) {
    const Image image = text_image("Hamburg", scale);
    const auto [left, top, right, bottom] = ink_of(image);
    CHECK(top >= 4 * scale - 1);       // the b rises above capitals
    CHECK(bottom == (4 + 9) * scale);  // the tail of the g
    CHECK(left >= 4 * scale);
    CHECK(right <= 4 * scale + text_width("Hamburg", scale));
    CHECK(right > 4 * scale + text_width("Hamburg", scale) - 2 * scale);
    CHECK(std::any_of(image.pixels.begin(), image.pixels.end(), [](int v) { return v > 50 && v < 200; }));
    const auto capitals = ink_of(text_image("HILT", scale));
    CHECK(capitals[1] == 4 * scale);
    CHECK(capitals[3] == (4 + 7) * scale);
  }
  CHECK(text_width("") == 0);
  CHECK(text_height(2) == 18);
  CHECK(text_width("W") > 2 * text_width("i"));
  CHECK(std::abs(text_width("measured", 4) - 4 * text_width("measured")) <= 4);
  CHECK(text_width("ab") <= text_width("a") + text_width("b"));

  // Half of it outside is the other half of the same.
  const Image whole = text_image("Rag");
  Image part(10, 8, 1);
  draw_text(part, -3, -2, "Rag", {255, 255, 255});
  for (int y = 0; y < part.height; ++y)
    for (int x = 0; x < part.width; ++x) CHECK(part.at(x, y) == whole.at(x + 7, y + 6));

  Image color(20, 12, 3, {255, 255, 255});
  draw_text(color, 1, 1, "M", {200, 0, 0});
  for (std::size_t i = 0; i < color.pixels.size(); i += 3) CHECK(color.pixels[i] >= color.pixels[i + 1]);
}

TEST_CASE("text is UTF-8, and what the font lacks is a box", "[viz][text]") {
  SECTION("every character that is promised has a shape of its own") {
    std::vector<std::vector<std::uint8_t>> seen;
    for (char c = ' '; c <= '~'; ++c) {
      const Image image = text_image(std::string(1, c));
      CAPTURE(c);
      CHECK(std::find(seen.begin(), seen.end(), image.pixels) == seen.end());
      CHECK((ink_of(image)[2] > 0) == (c != ' '));
      seen.push_back(image.pixels);
    }
    const auto box = text_image("\u0e01").pixels;  // Thai
    for (const char* text :
         {"\u00e4", "\u00df", "\u00c9", "\u0141", "\u017e", "\u03bc", "\u03a9", "\u0416", "\u044f", "\u20ac", "\u2192",
          "\u2211", "\u2264", "\u00d7", "\u2014", "\u201c", "\u2026", "\u00b1"}) {
      CAPTURE(text);
      CHECK(text_image(text).pixels != box);
      CHECK(ink_of(text_image(text))[2] > 0);
    }
  }
  SECTION("one character is one glyph") {
    CHECK(text_width("\u00fc", 4) == text_width("u", 4));
    CHECK(text_image("\u00fc").pixels != text_image("u").pixels);
    CHECK(text_width("e\u0301", 4) == text_width("e", 4));  // an accent of its own
    CHECK(text_image("e\u0301").pixels != text_image("e").pixels);
    CHECK(text_image("a\u200d\ufe0f\u200eb").pixels == text_image("ab").pixels);
  }
  SECTION("what it lacks") {
    const Image box = text_image("\u4e2d");
    CHECK(ink_of(box)[2] > 0);
    CHECK(box.pixels == text_image("\u6587").pixels);
    CHECK(text_width("\u4e2d\u6587", 4) > text_width("\u0e01\u0e02", 4));  // Chinese characters are wide
    CHECK(text_width("\U0001f600\u4e2d", 4) == text_width("\u4e2d\u6587", 4));
    CHECK(text_image("\xff").pixels == text_image("\ufffd").pixels);
    CHECK(text_width("\xe4\xb8", 4) == text_width("\ufffd\ufffd", 4));
    CHECK(text_image("\n").pixels != text_image(" ").pixels);
  }
}

TEST_CASE("text too long for its place ends in three dots", "[viz][text]") {
  const std::vector<Image> images(2, Image(40, 10, 1, {255, 255, 255}));
  const Image fits = grid(images, 2, {.text_scale = 1, .captions = {"cat", "dog"}});
  const Image cut = grid(images, 2, {.text_scale = 1, .captions = {std::string(200, 'm'), "dog"}});
  CHECK(cut.width == fits.width);
  // The words are centred: as much room at their left as at their right, within the letters' own.
  int left = 40, right = 0;
  for (int y = 13; y < fits.height; ++y)
    for (int x = 0; x < 40; ++x)
      if (fits.at(2 + x, y) < 200) left = std::min(left, x), right = std::max(right, x + 1);
  REQUIRE(right > left);
  CHECK(std::abs(left - (40 - right)) <= 2);
}

TEST_CASE("labels make room for themselves and leave the pictures as they are", "[viz]") {
  const std::vector<Image> images(4, Image(30, 10, 1, {5, 5, 5}));
  GridOptions options{.gap = 1,
                      .text_scale = 1,
                      .title = "Title",
                      .column_labels = {"a", "b"},
                      .row_labels = {"x", "yy"},
                      .captions = {"1", "2", "3", "4"}};
  const Image out = grid(images, 2, options);
  // Left: the gap, the widest label and 6. Above: the gap, 13 for the title, 11 for the column labels.
  // A caption adds 11 below each picture.
  const int left = 1 + text_width("yy") + 6;
  CHECK(out.width == left + 2 * 31);
  CHECK(out.height == 25 + 2 * 22);
  CHECK(std::count(out.pixels.begin(), out.pixels.end(), 5) >= 4 * 300);
  for (int row = 0; row < 2; ++row)
    for (int column = 0; column < 2; ++column) {
      CHECK(out.at(left + 31 * column, 25 + 22 * row) == 5);
      CHECK(out.at(left + 31 * column + 29, 25 + 22 * row + 9) == 5);
    }
  const auto inked = [](int v) { return v > 5 && v < 150; };
  CHECK(std::count_if(out.pixels.begin(), out.pixels.end(), inked) > 30);  // the texts' ink

  SECTION("a text wider than its picture is cut, on a dark background it is white") {
    GridOptions dark{.gap = 1, .background = {20, 20, 20}, .captions = {"", "a caption that is far too long", "", ""}};
    const Image cut = grid(images, 2, dark);
    CHECK(std::count_if(cut.pixels.begin(), cut.pixels.end(), [](int v) { return v > 150; }) > 10);
    for (int y = 0; y < cut.height; ++y)
      for (int x = 0; x < 32; ++x) CHECK(cut.at(x, y) <= 20);  // nothing under the left pictures
  }
}

TEST_CASE("a PNG decodes to the pixels it was made of", "[viz]") {
  for (int channels : {1, 3}) {
    Image image(37, 11, channels);
    unsigned state = 1;
    for (std::uint8_t& pixel : image.pixels)
      pixel = static_cast<std::uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
    const Image back = decode(encode_png(image));
    CHECK(back.width == 37);
    CHECK(back.height == 11);
    CHECK(back.channels == channels);
    CHECK(back.pixels == image.pixels);

    TempDir folder;
    write_png(folder / "a.png", Image(1, 1, 1));
    write_png(folder / "a.png", image);  // takes the place of what was there
    CHECK(read_file(folder / "a.png") == encode_png(image));
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  }
  Image broken(2, 2, 1);
  broken.pixels.pop_back();
  CHECK_THROWS_AS(encode_png(broken), ShapeError);
  CHECK_THROWS_AS(encode_png(Image{}), ValueError);
}

TEST_CASE("a picture that cannot be written names its path and leaves nothing behind", "[viz]") {
  TempDir folder;
  const std::string absent = (folder / "no" / "a.png").string();
  CHECK_THROWS_AS(write_png(absent, Image(1, 1, 1)), IoError);
  CHECK_THROWS_WITH(write_png(absent, Image(1, 1, 1)), Contains("cannot write " + absent + ": No such file"));
  CHECK_THROWS_AS(write_svg(absent, "<svg/>"), IoError);

  write_svg(folder / "a.svg", "<svg/>");
  CHECK(read_file(folder / "a.svg") == "<svg/>");
  std::filesystem::remove(folder / "a.svg");

  std::filesystem::create_directories(folder / "taken" / "inside");  // a folder where the file should be
  CHECK_THROWS_AS(write_png(folder / "taken", Image(1, 1, 1)), IoError);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("ticks are round numbers inside the range", "[viz]") {
  CHECK(nice_ticks(0, 1, 6) == std::vector<double>{0, 0.2, 0.4, 0.6, 0.8, 1.0});
  CHECK(nice_ticks(0.05, 0.98, 6) == std::vector<double>{0.2, 0.4, 0.6, 0.8});
  CHECK(nice_ticks(237, 321, 6) == std::vector<double>{240, 260, 280, 300, 320});
  CHECK(nice_ticks(-7, 12, 5) == std::vector<double>{-5, 0, 5, 10});
  CHECK(nice_ticks(0.5, 3.5, 8, true) == std::vector<double>{1, 2, 3});
  CHECK(nice_ticks(0.5, 3.5, 8) == std::vector<double>{0.5, 1, 1.5, 2, 2.5, 3, 3.5});
  CHECK(nice_ticks(3, 3, 5) == std::vector<double>{3});
  // A property over many ranges: never more than asked for, never fewer than a third of that, all inside.
  for (double low : {-1e6, -3.7, 0.0, 1e-9, 12345.678})
    for (double range = 1e-7; range < 1e8; range *= 3.3)
      for (int most : {3, 6, 10}) {
        const std::vector<double> ticks = nice_ticks(low, low + range, most);
        CAPTURE(low, range, most);
        CHECK(ticks.size() <= static_cast<std::size_t>(most));
        CHECK(ticks.size() >= static_cast<std::size_t>(most / 3));
        CHECK(ticks.front() >= low - range * 1e-6);
        CHECK(ticks.back() <= low + range * (1 + 1e-6));
      }
}

TEST_CASE("an axis shows its values with room at its ends", "[viz]") {
  SECTION("linear") {
    const Axis axis = make_axis({10, missing, 30, inf});
    CHECK(axis.low == Approx(9));
    CHECK(axis.high == Approx(31));
    CHECK(axis.fraction(20) == Approx(0.5));
    CHECK(axis.labels == std::vector<std::string>{"10", "15", "20", "25", "30"});
    CHECK(make_axis({0.001, 0.004}).labels == std::vector<std::string>{"0.001", "0.002", "0.003", "0.004"});
    CHECK(make_axis({-1, 1}, {.max_ticks = 5}).labels == std::vector<std::string>{"-1.0", "-0.5", "0.0", "0.5", "1.0"});
  }
  SECTION("one value, none, the same one") {
    CHECK(make_axis({240, 240}).fraction(240) == Approx(0.5));
    CHECK(make_axis({0}).fraction(0) == Approx(0.5));
    CHECK(make_axis({1}, {.integers = true}).ticks == std::vector<double>{1});
    CHECK(make_axis({}).low == 0);
    CHECK(make_axis({missing}).high == 1);
  }
  SECTION("from zero") {
    CHECK(make_axis({3, 5}, {.from_zero = true}).low == 0);
    CHECK(make_axis({-3, -5}, {.from_zero = true}).high == 0);
    CHECK(make_axis({-3, 5}, {.from_zero = true}).low < -3);
  }
  SECTION("logarithmic: values that are not positive don't count") {
    const Axis axis = make_axis({0.01, 100, 0, -5}, {.log = true, .padding = 0});
    CHECK(axis.fraction(1) == Approx(0.5));
    CHECK_FALSE(axis.shows(0));
    CHECK_FALSE(axis.shows(-5));
    CHECK(axis.labels == std::vector<std::string>{"0.01", "0.1", "1", "10", "100"});
    CHECK(make_axis({1, 50}, {.log = true, .padding = 0}).ticks == std::vector<double>{1, 2, 5, 10, 20, 50});
    CHECK(make_axis({240, 320}, {.log = true, .padding = 0}).ticks == std::vector<double>{240, 260, 280, 300, 320});
    CHECK(make_axis({7}, {.log = true}).fraction(7) == Approx(0.5));
    CHECK(make_axis({-7}, {.log = true}).low > 0);
  }
  CHECK(format_fixed(-0.004, 2) == "0.00");
  CHECK(format_fixed(-1.5, 1) == "-1.5");
}

TEST_CASE("reserved characters are escaped", "[viz]") {
  CHECK(escape_xml("a < b & 'c' > \"d\"\x01") == "a &lt; b &amp; &#39;c&#39; &gt; &quot;d&quot;");
  const Series series{"<b>&\"x\"", {1, 2}, {1, 2}};
  const std::string svg = line_chart({&series, 1}, {.title = "1 < 2", .x_label = "&"});
  CHECK(svg_fault(svg) == "");
  CHECK_THAT(svg, Contains(">1 &lt; 2</text>") && Contains("&lt;b&gt;&amp;&quot;x&quot;"));
}

TEST_CASE("a line chart places its points", "[viz]") {
  // With three points at equal distances, the middle one lies halfway, and y grows upwards.
  const Series series{"s", {1, 2, 3}, {10, 20, 30}};
  const std::string svg = line_chart({&series, 1});
  CHECK(svg_fault(svg) == "");
  std::vector<double> x, y;
  for (std::size_t at = svg.find("</title></circle>"); at != std::string::npos;
       at = svg.find("</title></circle>", at + 1)) {
    const std::size_t begin = svg.rfind("<circle", at);
    x.push_back(std::stod(attribute(svg, "cx", begin)));
    y.push_back(std::stod(attribute(svg, "cy", begin)));
  }
  REQUIRE(x.size() == 3);
  CHECK(x[1] - x[0] == Approx(x[2] - x[1]).margin(0.011));
  CHECK(y[1] - y[0] == Approx(y[2] - y[1]).margin(0.011));
  CHECK(x[0] < x[2]);
  CHECK(y[0] > y[2]);
  CHECK(count(svg, "<path") == 1);
  CHECK_THAT(svg, Contains("<title>s, 2: 20</title>"));
}

TEST_CASE("equal ratios are equally far apart on a logarithmic x axis", "[viz]") {
  const Panel panel{.series = {{"s", {1, 10, 1000}, {1, 2, 3}}}, .log_x = true};
  const std::string svg = chart({&panel, 1});
  CHECK(svg_fault(svg) == "");
  std::vector<double> x;
  for (std::size_t at = svg.find("</title></circle>"); at != std::string::npos;
       at = svg.find("</title></circle>", at + 1))
    x.push_back(std::stod(attribute(svg, "cx", svg.rfind("<circle", at))));
  REQUIRE(x.size() == 3);
  CHECK(x[2] - x[1] == Approx(2 * (x[1] - x[0])).margin(0.02));
}

TEST_CASE("gaps, single points and empty series", "[viz]") {
  const auto path_of = [](const std::string& svg) { return attribute(svg, "d", svg.find("<path")); };
  const Series gaps{"g", {1, 2, 3, 4, 5}, {1, 2, missing, 4, inf}};
  const std::string svg = line_chart({&gaps, 1});
  CHECK(svg_fault(svg) == "");
  CHECK(count(path_of(svg), "M") == 2);  // two pieces: 1-2, and 4 alone
  CHECK(count(path_of(svg), "L") == 1);

  const Series zero{"z", {1, 2, 3}, {1, 0, 100}};
  CHECK(count(path_of(line_chart({&zero, 1}, {.log_y = true})), "M") == 2);

  const Panel powers{.series = {{"p", {0, 1, 10, 100}, {1000, 1, 1, 1}}}, .log_x = true};
  const std::string without_zero = chart({&powers, 1});  // which has no place: nor has its 1000
  CHECK(count(path_of(without_zero), "M") == 1);
  CHECK(count(path_of(without_zero), "L") == 2);
  CHECK_THAT(without_zero, !Contains(">1000</text>"));

  const Series one{"one", {1}, {5}};
  CHECK_THAT(line_chart({&one, 1}), Contains("one, 1: 5") && !Contains("no data"));
  const Series none{"none"};
  CHECK_THAT(line_chart({&none, 1}), Contains("no data") && Contains(">none</text>"));
  CHECK(svg_fault(line_chart({})) == "");

  Series isolated{"long", std::vector<double>(200), std::vector<double>(200, missing)};
  for (std::size_t i = 0; i < 200; ++i) isolated.x[i] = static_cast<double>(i);
  isolated.y[7] = 1;  // a line of many points has no markers, but this one would be invisible
  CHECK(count(line_chart({&isolated, 1}), "</title></circle>") == 1);
}

TEST_CASE("losses of any size have their place in a chart", "[viz]") {
  for (const std::vector<double>& losses :
       {std::vector<double>{1e30, 250, -1e30, 1e-30}, std::vector<double>{missing, 1e38, inf, -inf},
        std::vector<double>{1e300, 1e308, -1e308, 250}, std::vector<double>{5e-324, 0, -0.0, 1e-300},
        std::vector<double>(4, 1e30), std::vector<double>(4, missing)}) {
    CAPTURE(losses);
    LossCurves run = some_curves(4);
    run.curves[0].train = run.curves[0].val = run.curves[2].train = losses;
    for (const bool log : {false, true}) {
      const std::string svg = loss_chart({&run, 1}, log);
      CHECK(svg_fault(svg) == "");
      for (const char* word : {">nan", ">-nan", ">inf", ">-inf"}) CHECK_THAT(svg, !Contains(word));
    }
  }
}

TEST_CASE("charts refuse what cannot be drawn", "[viz]") {
  const Series unequal{"u", {1, 2}, {1}};
  CHECK_THROWS_AS(line_chart({&unequal, 1}), ShapeError);
  CHECK_THROWS_AS(chart({}), ValueError);
  const Series series{"s", {1, 2}, {1, 2}};
  const Panel panel{.series = {series}};
  CHECK_THROWS_AS(chart({&panel, 1}, {.width = 60, .height = 400}), ValueError);
  CHECK_THROWS_AS(chart({&panel, 1}, {.width = 600, .height = 40}), ValueError);
  const Panel bars{.series = {{"b", {}, {1, 2, 3}}}, .mark = Mark::bars, .categories = {"one"}};
  CHECK_THROWS_AS(chart({&bars, 1}), ShapeError);
}

TEST_CASE("the loss chart shows the three parts for training and validation", "[viz]") {
  LossCurves run = some_curves(5);
  const std::string svg = loss_chart({&run, 1});
  CHECK(svg_fault(svg) == "");
  for (const char* text : {">Loss<", ">Reconstruction<", ">KL divergence<", ">training<", ">validation<", ">epoch<"})
    CHECK_THAT(svg, Contains(text));
  CHECK(count(svg, "<path") == 6);
  CHECK(count(svg, ">training<") == 1);  // one legend for all
  CHECK_THAT(svg, Contains("<title>validation, epoch 3: 263</title>"));
  CHECK_THAT(svg, Contains(palette(0)) && Contains(palette(1)));

  SECTION("without validation") {
    const auto none = GENERATE(std::vector<double>{}, std::vector<double>(5, missing));
    for (LossCurves::Curve& curve : run.curves) curve.val = none;
    CHECK(count(loss_chart({&run, 1}), "<path") == 3);
    CHECK_THAT(loss_chart({&run, 1}), !Contains("validation"));
  }
  SECTION("an autoencoder has no KL") {
    run.curves[2].train = run.curves[2].val = std::vector<double>(5, 0.0);
    CHECK(count(loss_chart({&run, 1}), "<path") == 4);
    CHECK_THAT(loss_chart({&run, 1}), !Contains("KL"));
  }
  SECTION("several runs are named, validation is dashed") {
    std::vector<LossCurves> runs{run, run};
    runs[0].name = "VAE";
    runs[1].name = "CVAE";
    const std::string both = loss_chart(runs);
    CHECK(svg_fault(both) == "");
    CHECK_THAT(both, Contains(">VAE, training<") && Contains(">CVAE, validation<"));
    CHECK(count(both, "stroke-dasharray") == 6 + 2);  // and twice in the legend
  }
  SECTION("every term has a panel, and a run that lacks one is no part of it") {
    std::vector<LossCurves> runs{run, run};
    runs[1].curves.push_back({"total_correlation", runs[1].curves[2].train, runs[1].curves[2].val});
    const std::string more = loss_chart(runs);
    CHECK(svg_fault(more) == "");
    CHECK_THAT(more, Contains(">Total correlation<"));
    CHECK(count(more, "<path") == 2 * 6 + 2);
  }
  SECTION("before the first epoch") { CHECK_THAT(loss_chart({}), Contains("no data")); }
}

TEST_CASE("bars stand on zero, dots are one path a series", "[viz]") {
  const Panel bars{
      .series = {{"a", {}, {2, -1, missing}}, {"b", {}, {1, 4, 0}}}, .mark = Mark::bars, .categories = {"x", "y", "z"}};
  const std::string svg = chart({&bars, 1});
  CHECK(svg_fault(svg) == "");
  CHECK(count(svg, "</title></rect>") == 5);
  const auto bar = [&](const std::string& hover, const char* name) {
    return std::stod(attribute(svg, name, svg.rfind("<rect", svg.find(hover))));
  };
  const double base = bar("a, x: 2", "y") + bar("a, x: 2", "height");
  CHECK(bar("a, y: -1", "y") == Approx(base).margin(0.011));
  CHECK(bar("b, y: 4", "y") + bar("b, y: 4", "height") == Approx(base).margin(0.011));
  CHECK(bar("b, y: 4", "height") == Approx(2 * bar("a, x: 2", "height")).margin(0.03));
  const Panel sizes{.series = {{"c", {}, {0.01234, 12.34, 1234}}}, .mark = Mark::bars, .categories = {"x", "y", "z"}};
  const std::string figures = chart({&sizes, 1});
  for (const char* figure : {">0.0123</text>", ">12.3</text>", ">1234</text>"}) CHECK(count(figures, figure) == 1);

  const Panel points{.series = {{"c", {1, 2, missing}, {1, 2, 3}}, {"d", {1}, {1}}}, .mark = Mark::points};
  const Panel both[] = {points, points};
  const std::string scatter = chart(both);
  CHECK(svg_fault(scatter) == "");
  CHECK(count(scatter, "<path") == 4);
  CHECK(count(scatter, "h0") == 6);
  CHECK(count(scatter, ">c</text>") == 1);
}
