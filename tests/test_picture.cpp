// Decoding and scaling: every kind of PNG and JPEG gives the right pixels or is refused, in bounded memory.
#include <elbo/core/errors.h>
#include <elbo/datasets/picture.h>
#include <elbo/viz/image.h>
#include <unistd.h>

#include <cmath>

#include "catch.h"
#include "encode_jpeg.h"
#include "peak_memory.h"
#include "picture_files.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::datasets;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes decode(const std::string& file, std::int64_t channels, std::int64_t height, std::int64_t width) {
  return decode_picture({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}, "f", channels, height,
                        width);
}
std::string complaint(const std::string& file) {
  return error_of<FormatError>([&] { decode(file, 3, 8, 8); });
}

/// A gradient that differs in each direction and colour.
Bytes gradient(unsigned width, unsigned height, unsigned samples) {
  Bytes out;
  for (unsigned y = 0; y < height; ++y)
    for (unsigned x = 0; x < width; ++x)
      for (unsigned c = 0; c < samples; ++c)
        out.push_back(static_cast<std::uint8_t>(10 + 200 * x / width / (c + 1) + 30 * y / height * c + c));
  return out;
}
std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

/// The first `samples` bytes of a TIFF file's data, which hold an orientation.
std::string exif(int orientation, bool big = true) {
  return big ? "MM\0*\0\0\0\x08\0\x02\x01\x0f\0\x02\0\0\0\x01x\0\0\0\x01\x12\0\x03\0\0\0\x01\0"s +
                   static_cast<char>(orientation) + "\0\0\0\0\0\0"s
             : "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + static_cast<char>(orientation) + "\0\0\0\0\0\0\0"s;
}
std::string with_app1(const std::string& file, const std::string& data) {
  const std::size_t size = data.size() + 2;
  return file.substr(0, 2) + "\xff\xe1" + static_cast<char>(size >> 8) + static_cast<char>(size) + data +
         file.substr(2);
}

}  // namespace

TEST_CASE("picture: PNG of every kind, as grey and as RGB", "[picture]") {
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

TEST_CASE("picture: JPEG", "[picture]") {
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

TEST_CASE("picture: what is not scaled comes byte for byte, from the middle and turned", "[picture]") {
  for (const std::uint32_t width : {1u, 15u, 16u, 17u, 33u, 50u})
    for (const std::uint32_t wanted : {width, (width + 1) / 2}) {
      std::string samples;
      for (std::uint32_t i = 0; i < 3 * 3 * width; ++i) samples += static_cast<char>(i * 37 + i / 5);
      const auto byte = [&](std::uint32_t x, std::uint32_t y, std::uint32_t c) {
        return static_cast<std::uint8_t>(samples[(y * width + x) * 3 + c]);
      };
      const auto found = decode(png(width, 3, 2, samples), 3, 3, wanted);
      std::vector<std::uint8_t> expected;
      for (std::uint32_t c = 0; c < 3; ++c)
        for (std::uint32_t y = 0; y < 3; ++y)
          for (std::uint32_t x = 0; x < wanted; ++x) expected.push_back(byte(x + (width - wanted) / 2, y, c));
      CHECK(found == expected);
    }
}

TEST_CASE("picture: scaling down averages, scaling up interpolates, the middle is kept", "[picture]") {
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

TEST_CASE("picture: files that are not pictures, damaged ones, and too large ones", "[picture]") {
  const std::string none = "f: expected a PNG or JPEG picture, found ";
  CHECK(complaint("hello") == none + "something else (first bytes 68 65 6c 6c)");
  CHECK(complaint("") == "f: expected data, found an empty file");
  CHECK(complaint("GIF89a" + std::string(100, '\0')) == none + "a GIF picture");
  const std::string whole = png(40, 40, 0, noise(1600));
  REQUIRE(decode(whole, 1, 8, 8).size() == 64);
  for (std::size_t size = 1; size < whole.size(); size += 7) CHECK(complaint(whole.substr(0, size)).find("f: ") == 0);
  CHECK(complaint(whole.substr(0, whole.size() - 1)) == "f: damaged picture: found the file cut off");
  for (std::size_t i = 33; i < whole.size() - 12; i += 11) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    CHECK(complaint(damaged).find("f: damaged picture: ") == 0);
  }
  for (std::size_t size = 1; size < jpeg.size(); ++size) CHECK(complaint(jpeg.substr(0, size)).find("f: ") == 0);
  CHECK(complaint(jpeg.substr(0, jpeg.size() - 2)) == "f: damaged picture: found the file cut off");
  // Checksums may be right where the data are not.
  CHECK(complaint(png_header(9, 9, 8, 0) + chunk("IDAT", "junk") + chunk("IEND", "")).find("f: damaged picture: ") ==
        0);
  CHECK(complaint(png_header(9, 9, 8, 0) + chunk("IDAT", zlibbed("short")) + chunk("IEND", ""))
            .find("f: damaged picture: ") == 0);
  CHECK(complaint(png_header(20000, 20000, 8, 0) + chunk("IDAT", "x") + chunk("IEND", "")) ==
        "f: expected at most 100000000 pixels, found 20000 x 20000");
  CHECK(complaint(png_header(65535, 65535, 8, 6) + chunk("IDAT", "x") + chunk("IEND", "")) ==
        "f: expected at most 100000000 pixels, found 65535 x 65535");
  CHECK(complaint(png_header(4294967295u, 4294967295u, 8, 6) + chunk("IEND", "")) ==
        "f: expected at most 100000000 pixels, found 4294967295 x 4294967295");
  CHECK(complaint(png_header(1, 2000000, 8, 0) + chunk("IEND", "")) ==
        "f: expected at most 1000000 pixels in a row or column, found 1 x 2000000");
  CHECK(complaint(png_header(0, 9, 8, 0) + chunk("IEND", "")) == "f: damaged picture: found a size of 0 x 9");
  // libpng would take the size from an IHDR that comes later.
  CHECK(complaint(whole.substr(0, 8) + chunk("vHDR", "") + whole.substr(8)) ==
        "f: damaged picture: expected IHDR as its first chunk, found 'vHDR'");
  std::string vast = jpeg;
  vast.replace(vast.find("\xff\xc0") + 5, 4, "\xff\xdc\xff\xdc");  // the most that libjpeg takes a side
  CHECK(complaint(vast) == "f: expected at most 100000000 pixels, found 65500 x 65500");
  vast.replace(vast.find("\xff\xc0") + 5, 4, "\xff\xff\xff\xff");
  CHECK(complaint(vast) == "f: damaged picture: Maximum supported image dimension is 65500 pixels");
  CHECK(complaint("\xff\xd8\xff\xd9") == "f: damaged picture: JPEG datastream contains no image");
  // Without tables of Huffman codes.
  std::string bare = jpeg;
  for (std::size_t at = 0; (at = bare.find("\xff\xc4", at)) != std::string::npos;) bare[at + 1] = '\xfe';
  CHECK(complaint(bare).find("f: damaged picture: ") == 0);
  // Counts of Huffman codes beyond 256.
  std::string codes = jpeg;
  const std::size_t table = jpeg.find("\xff\xc4") + 5;
  codes[table + 14] = codes[table + 15] = static_cast<char>(255);
  CHECK(complaint(codes) == "f: damaged picture: Bogus Huffman table definition");
  CHECK(error_of<ValueError>([&] { decode(whole, 2, 8, 8); }) == "f: expected 1 or 3 channels, found 2");
  CHECK(error_of<ValueError>([&] { decode(whole, 1, 0, 8); }) == "f: expected sizes from 1 to 4096, found 0 x 8");
  CHECK(error_of<ValueError>([&] { decode(whole, 1, 8, 5000); }) == "f: expected sizes from 1 to 4096, found 8 x 5000");
}

TEST_CASE("picture: read from a file", "[picture]") {
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

TEST_CASE("picture: an index beyond the palette is refused", "[picture]") {
  const std::string palette = chunk("PLTE", "\x01\x02\x03\xc8\xc9\xca");
  CHECK(complaint(png(2, 1, 3, "\0\x02"s, 8, palette)) ==
        "f: damaged picture: expected indices below 2, the size of its palette, found 2");
  CHECK(complaint(png(2, 1, 3, "\0\xff"s, 8, palette)).find("found 255") != std::string::npos);
  CHECK(complaint(png(2, 1, 3, "\x1f", 4, palette)).find("found 15") != std::string::npos);
  CHECK(complaint(png(4, 1, 3, "\x4b", 2, palette)).find("found 2") != std::string::npos);
  CHECK(decode(png(8, 1, 3, "\x50", 1, palette), 1, 1, 8)[1] == 201);
  CHECK(complaint(png(2, 1, 3, "\0\x01"s)).find("f: damaged picture: ") == 0);  // no palette at all
}

TEST_CASE("picture: colour keys, transparency out of place, and what changes no pixel", "[picture]") {
  // The colour that is transparent: as bytes, and as 16 bits, of which the lower ones count.
  CHECK(decode(png(3, 1, 0, "\x05\x06\x07", 8, chunk("tRNS", "\0\x06"s)), 1, 1, 3) == Bytes{5, 255, 7});
  CHECK(decode(png(2, 1, 2, "\x01\x02\x03\x01\x02\x04", 8, chunk("tRNS", "\0\x01\0\x02\0\x03"s)), 3, 1, 2) ==
        Bytes{255, 1, 255, 2, 255, 4});
  CHECK(decode(png(2, 1, 0, "\x12\x34\x12\x35", 16, chunk("tRNS", "\x12\x34")), 1, 1, 2) == Bytes{255, 0x12});
  CHECK(decode(png(2, 1, 0, "\x60", 2, chunk("tRNS", "\0\x01"s)), 1, 1, 2) == Bytes{255, 170});
  CHECK(decode(png(2, 1, 4, "\x12\x34\xff\xff\x12\x34\0\0"s, 16), 1, 1, 2) == Bytes{0x12, 255});
  // Of a wrong size, or where there is alpha already.
  CHECK(complaint(png(2, 1, 0, "\x05\x06", 8, chunk("tRNS", "\0\x06\0"s))).find("f: damaged picture: tRNS") == 0);
  CHECK(complaint(png(1, 1, 4, "\x05\x06", 8, chunk("tRNS", "\0\x06"s))).find("f: damaged picture: tRNS") == 0);
  // Gamma, colour profiles and texts are passed over, sound or not; but for their checksums.
  for (const char* name : {"gAMA", "iCCP", "sRGB", "zTXt", "bKGD", "abCd"})
    CHECK(decode(png(1, 1, 0, "\x05", 8, chunk(name, "\0\0\x10\x20"s)), 1, 1, 1) == Bytes{5});
  std::string wrong = png(1, 1, 0, "\x05", 8, chunk("tEXt", "a\0b"s));
  wrong[wrong.find("tEXt") + 4] = 'c';
  CHECK(complaint(wrong) == "f: damaged picture: tEXt: CRC error");
  CHECK(complaint(png(1, 1, 0, "\x05", 8, chunk("ABCD", "new"))).find("f: damaged picture: ABCD") == 0);
}

TEST_CASE("picture: Apple's kind of PNG is refused", "[picture]") {
  std::string file = png(2, 1, 2, "\x01\x02\x03\x04\x05\x06");
  file.insert(8, chunk("CgBI", "\x50\0\x20\x02"s));
  CHECK(complaint(file).find("f: expected a PNG picture, found Apple's own kind (CgBI)") == 0);
}

TEST_CASE("picture: an interlaced PNG gives the pixels of a plain one", "[picture]") {
  // Adam7's seven pictures: where each begins, and its steps.
  const unsigned first_x[] = {0, 4, 0, 2, 0, 1, 0}, first_y[] = {0, 0, 4, 0, 2, 0, 1};
  const unsigned step_x[] = {8, 8, 4, 4, 2, 2, 1}, step_y[] = {8, 8, 8, 4, 4, 2, 2};
  const auto interlaced = [&](unsigned width, unsigned height, const std::string& rgb) {
    std::string rows;
    for (int pass = 0; pass < 7; ++pass)
      for (unsigned y = first_y[pass]; y < height && first_x[pass] < width; y += step_y[pass]) {
        rows += '\0';
        for (unsigned x = first_x[pass]; x < width; x += step_x[pass]) rows += rgb.substr(3 * (y * width + x), 3);
      }
    return png_header(width, height, 8, 2, true) + chunk("IDAT", zlibbed(rows)) + chunk("IEND", "");
  };
  for (unsigned width = 1; width <= 19; width += width < 10 ? 1 : 3)
    for (unsigned height : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 16u, 21u}) {
      const std::string pixels = noise(std::size_t{3} * width * height);
      INFO(width << " x " << height);
      const std::string file = interlaced(width, height, pixels), plain = png(width, height, 2, pixels);
      CHECK(decode(file, 3, height, width) == decode(plain, 3, height, width));
      const Bytes scaled = decode(file, 3, 5, 6), expected = decode(plain, 3, 5, 6);
      // The same sums in another order.
      for (std::size_t i = 0; i < scaled.size(); ++i) REQUIRE(std::abs(scaled[i] - expected[i]) <= 1);
      CHECK(complaint(file.substr(0, file.size() - 13)).find("f: damaged picture: ") == 0);
    }
}

TEST_CASE("picture: JPEG of every kind", "[picture]") {
  const Bytes rgb = gradient(37, 29, 3);
  const auto near = [](const Bytes& a, const Bytes& b, int tolerance) {
    REQUIRE(a.size() == b.size());
    int worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    CHECK(worst <= tolerance);
  };
  const Bytes expected = decode(png(37, 29, 2, text_of(rgb)), 3, 29, 37);
  const std::string plain = encode_jpeg(37, 29, rgb);
  near(decode(plain, 3, 29, 37), expected, 3);
  // Progressive, arithmetic-coded, in restart intervals: the same coefficients.
  const Bytes pixels = decode(plain, 3, 29, 37);
  CHECK(decode(encode_jpeg(37, 29, rgb, [](auto& info) { jpeg_simple_progression(&info); }), 3, 29, 37) == pixels);
  CHECK(decode(encode_jpeg(37, 29, rgb, [](auto& info) { info.arith_code = TRUE; }), 3, 29, 37) == pixels);
  CHECK(decode(encode_jpeg(37, 29, rgb, [](auto& info) { info.restart_interval = 3; }), 3, 29, 37) == pixels);
  near(decode(encode_jpeg(37, 29, rgb, [](auto& info) { jpeg_set_colorspace(&info, JCS_RGB); }), 3, 29, 37), expected,
       2);
  const Bytes grey = gradient(20, 10, 1);
  near(decode(encode_jpeg(20, 10, grey), 1, 10, 20), grey, 2);
  // Cut off anywhere, none is taken for a picture, nor made up in grey.
  for (const std::string& file : {plain, encode_jpeg(37, 29, rgb, [](auto& info) { jpeg_simple_progression(&info); }),
                                  encode_jpeg(37, 29, rgb, [](auto& info) { info.restart_interval = 3; })})
    for (std::size_t size = 3; size < file.size(); size += size < 700 ? 5 : 1)
      REQUIRE(complaint(file.substr(0, size)).find("f: ") == 0);
  // Bytes between segments harm nothing.
  CHECK(decode(plain.substr(0, plain.size() - 2) + "\0\0\xff\xd9"s, 3, 29, 37) == pixels);
}

TEST_CASE("picture: CMYK with Adobe's marker is mixed, without it refused", "[picture]") {
  // 255 is no ink: R = C K / 255.
  Bytes inks;
  for (int i = 0; i < 256; ++i) inks.insert(inks.end(), {200, 100, 50, static_cast<std::uint8_t>(i < 128 ? 255 : 128)});
  const auto file = [&](J_COLOR_SPACE space, bool marker) {
    return encode_jpeg(16, 16, inks, [&](auto& info) {
      jpeg_set_colorspace(&info, space);
      info.write_Adobe_marker = marker;
    });
  };
  for (J_COLOR_SPACE space : {JCS_CMYK, JCS_YCCK}) {
    const Bytes pixels = decode(file(space, true), 3, 16, 16);
    const int expected[2][3] = {{200, 100, 50}, {100, 50, 25}};
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(std::abs(pixels[c * 256 + 3] - expected[0][c]) <= 2);
      CHECK(std::abs(pixels[c * 256 + 250] - expected[1][c]) <= 2);
    }
    CHECK(complaint(file(space, false)).find("found CMYK without it") != std::string::npos);
  }
}

TEST_CASE("picture: EXIF's orientation is applied", "[picture]") {
  // Upright: 1 2 3 above 4 5 6. How it lies in a file of each orientation, by rows of its own width.
  struct Lying {
    unsigned width;
    std::string pixels;
  };
  const Lying lying[] = {{3, "\1\2\3\4\5\6"}, {3, "\3\2\1\6\5\4"}, {3, "\6\5\4\3\2\1"}, {3, "\4\5\6\1\2\3"},
                         {2, "\1\4\2\5\3\6"}, {2, "\3\6\2\5\1\4"}, {2, "\6\3\5\2\4\1"}, {2, "\4\1\5\2\6\3"}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    INFO(orientation);
    const Lying& way = lying[orientation - 1];
    const unsigned height = 6 / way.width;
    const std::string before = png(way.width, height, 0, way.pixels, 8, chunk("eXIf", exif(orientation)));
    std::string after = png(way.width, height, 0, way.pixels);
    after.insert(after.size() - 12, chunk("eXIf", exif(orientation, false)));
    for (const std::string& file : {before, after}) {
      CHECK(decode(file, 1, 2, 3) == Bytes{1, 2, 3, 4, 5, 6});
      CHECK(decode(file, 3, 2, 3)[17] == 6);
      // What is cut out and how it is scaled is settled upright, to the pixel: 3 into 2 leaves one at an end.
      CHECK(decode(file, 1, 2, 2) == decode(png(3, 2, 0, lying[0].pixels), 1, 2, 2));
      CHECK(decode(file, 1, 1, 3) == decode(png(3, 2, 0, lying[0].pixels), 1, 1, 3));
      CHECK(decode(file, 1, 8, 7) == decode(png(3, 2, 0, lying[0].pixels), 1, 8, 7));
    }
    Bytes large;  // blocks of 8 x 8, which JPEG keeps
    for (unsigned y = 0; y < 8 * height; ++y)
      for (unsigned x = 0; x < 8 * way.width; ++x)
        large.push_back(static_cast<std::uint8_t>(40 * way.pixels[y / 8 * way.width + x / 8]));
    const std::string file = encode_jpeg(8 * way.width, 8 * height, large);
    const Bytes upright = decode(with_app1(file, "Exif\0\0"s + exif(orientation, orientation % 2 == 0)), 1, 16, 24);
    for (std::size_t i = 0; i < 6; ++i)
      CHECK(std::abs(upright[(i / 3 * 8 + 4) * 24 + i % 3 * 8 + 4] - 40 * int(i + 1)) <= 2);
  }
  // Values that mean nothing, and data cut off anywhere, turn nothing; neither does other data in the segment.
  const Lying& plain = lying[0];
  for (int value : {0, 9, 255})
    CHECK(decode(png(3, 2, 0, plain.pixels, 8, chunk("eXIf", exif(value))), 1, 2, 3) == Bytes{1, 2, 3, 4, 5, 6});
  const std::string whole = "Exif\0\0"s + exif(3);
  for (std::size_t size = 0; size + 8 < whole.size(); ++size)
    CHECK(decode(with_app1(jpeg, whole.substr(0, size)), 1, 8, 8) == decode(jpeg, 1, 8, 8));
  CHECK(decode(with_app1(jpeg, "http://ns.adobe.com/xap/1.0/\0<x/>"s), 1, 8, 8) == decode(jpeg, 1, 8, 8));
  CHECK(decode(with_app1(jpeg, whole), 1, 8, 8) != decode(jpeg, 1, 8, 8));
}

TEST_CASE("picture: memory is bounded by what the picture becomes, not by what it is", "[picture]") {
  // 24 million pixels of 8 bytes: 192 MB of samples in a file of 0.2 MB.
  const std::string row(1 + 8 * 6000, '\0');
  std::string rows;
  for (int i = 0; i < 80; ++i) rows += row;
  z_stream stream{};
  REQUIRE(deflateInit(&stream, 9) == Z_OK);
  std::string packed(3 << 20, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  for (int i = 0; i < 50; ++i) {
    stream.next_in = reinterpret_cast<Bytef*>(rows.data());
    stream.avail_in = static_cast<uInt>(rows.size());
    deflate(&stream, i == 49 ? Z_FINISH : Z_NO_FLUSH);
  }
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  const std::string bomb = png_header(6000, 4000, 16, 6) + chunk("IDAT", packed) + chunk("IEND", "");
  rows = {};
  CHECK(bomb.size() < 300000);
  const std::int64_t before = peak_memory(true);
  CHECK(decode(bomb, 1, 8, 8) == Bytes(64, 255));
  CHECK(peak_memory(false) - before < 30 * 1024);
}

TEST_CASE("picture: a progressive JPEG that takes too much, or too many scans, is refused", "[picture]") {
  std::string file = encode_jpeg(16, 16, gradient(16, 16, 3), [](auto& info) { jpeg_simple_progression(&info); });
  file.replace(file.find("\xff\xc2") + 5, 4, "\x20\0\x20\0"s);
  const std::int64_t before = peak_memory(true);
  CHECK(
      complaint(file) ==
      "f: expected a progressive JPEG that takes at most 256 MiB to decode, found 8192 x 8192 pixels, which take 384");
  CHECK(peak_memory(false) - before < 30 * 1024);
  // A scan that comes again and again.
  const jpeg_scan_info script[] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  const std::string one = encode_jpeg(16, 16, gradient(16, 16, 3), [&](auto& info) {
    info.scan_info = script;
    info.num_scans = 3;
  });
  const std::size_t last = one.rfind("\xff\xda"), end = one.size() - 2;
  std::string many = one.substr(0, end);
  for (int i = 0; i < 250; ++i) many += one.substr(last, end - last);
  CHECK(decode(one, 3, 16, 16).size() == 768);
  CHECK(complaint(many + "\xff\xd9") == "f: damaged picture: expected at most 200 scans, found more");
}

TEST_CASE("picture: the libraries print nothing", "[picture]") {
  TempDir dir;
  std::fflush(stderr);
  const int kept = dup(2);
  REQUIRE(freopen((dir / "err").c_str(), "w", stderr) != nullptr);
  const std::string palette = chunk("PLTE", "\x01\x02\x03");
  for (const std::string& file :
       {png(2, 1, 3, "\0\x02"s, 8, palette), png(2, 1, 0, "\x05\x06", 8, chunk("tRNS", "\0\x06\0"s)),
        png(2, 1, 0, "\x05\x06", 8, chunk("iCCP", "junk")), jpeg.substr(0, 300), jpeg.substr(0, jpeg.size() - 2),
        jpeg.substr(0, jpeg.size() - 2) + "\0\0\xff\xd9"s})
    try {
      decode(file, 3, 8, 8);
    } catch (const FormatError&) {
    }
  std::fflush(stderr);
  dup2(kept, 2);
  close(kept);
  CHECK(read_file(dir / "err").empty());
}
