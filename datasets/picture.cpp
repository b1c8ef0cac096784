#include "picture.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>

#include "../core/errors.h"
#include "../core/input_detail.h"
#include "byte_source.h"

// Zeros, because stb_image reads Huffman tables that a damaged file uses but never defines; and no assert, which would
// end the program on a damaged file.
#define STBI_MALLOC(size) std::calloc(1, size)
#define STBI_REALLOC(memory, size) std::realloc(memory, size)
#define STBI_FREE(memory) std::free(memory)
#define STBI_ASSERT(condition) static_cast<void>(0)
#define STBI_NO_STDIO
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

namespace elbo::datasets {
namespace {

constexpr std::int64_t most_pixels = 100000000;
constexpr std::uint64_t most_bytes = 500000000;
/// Pictures with more pixels are decoded one at a time, so that several threads don't take several times the memory.
constexpr std::int64_t large = 16000000;

std::uint32_t big_endian(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | std::uint32_t{p[3]};
}

/// stb_image takes damaged and cut-off files for whole ones as long as their codes make sense, so that is told here,
/// before it sees them. PNG: chunks of a length, a name, data and a checksum, up to IEND.
const char* png_fault(std::span<const std::uint8_t> file) {
  for (std::size_t at = 8; file.size() - at >= 12;) {
    const std::size_t length = big_endian(&file[at]);
    if (length > file.size() - at - 12) break;
    const std::uint8_t* chunk = &file[at + 4];
    if (crc32(crc32(0, nullptr, 0), chunk, static_cast<uInt>(length + 4)) != big_endian(chunk + 4 + length))
      return "a wrong checksum";
    if (std::memcmp(chunk, "IEND", 4) == 0) return nullptr;
    at += length + 12;
  }
  return "the file cut off";
}

/// The tables in a segment of Huffman codes: 17 bytes, of which 16 count the codes of each length, and a byte for each.
/// Of more than 256 codes stb_image, as of 2022, writes past the end of its memory.
bool are_huffman_tables(std::span<const std::uint8_t> segment) {
  while (segment.size() >= 17) {
    const std::size_t codes = std::accumulate(segment.begin() + 1, segment.begin() + 17, std::size_t{0});
    if (codes > 256 || 17 + codes > segment.size()) return false;
    segment = segment.subspan(17 + codes);
  }
  return segment.empty();
}

/// JPEG: segments of a marker (FF and a byte) and a length up to the end, which is FF D9. In the data of a scan, after
/// FF DA, FF 00 stands for FF, and FF D0 to FF D7 are no segments.
const char* jpeg_fault(std::span<const std::uint8_t> file) {
  bool scan = false;
  for (std::size_t at = 2; at + 1 < file.size();) {
    const std::uint8_t marker = file[at + 1];
    const bool in_data = scan && (marker == 0 || (marker >= 0xd0 && marker <= 0xd7));
    if (file[at] != 0xff || marker == 0xff || in_data) {
      ++at;
      continue;
    }
    if (marker == 0xd9) return nullptr;
    const std::span<const std::uint8_t> rest = file.subspan(at + 2);
    if (rest.size() < 2) break;
    const std::size_t length = std::size_t{rest[0]} << 8 | rest[1];
    if (length > rest.size()) break;
    if (length < 2) return "a segment of a wrong length";
    if (marker == 0xc4 && !are_huffman_tables(rest.subspan(2, length - 2))) return "wrong Huffman tables";
    scan = scan || marker == 0xda;
    at += 2 + length;
  }
  return "the file cut off";
}

struct Free {
  void operator()(stbi_uc* pixels) const { stbi_image_free(pixels); }
};

/// 8-bit pixels by rows, `samples` values each: grey, grey and alpha, RGB, or RGB and alpha.
struct Decoded {
  std::unique_ptr<stbi_uc, Free> pixels;
  std::int64_t height = 0, width = 0, samples = 0;
};

Decoded decode(std::span<const std::uint8_t> file, const std::string& name) {
  const auto size = static_cast<int>(file.size());
  int width = 0, height = 0, samples = 0;
  const bool is_png = file.size() >= 8 && std::memcmp(file.data(), "\x89PNG\r\n\x1a\n", 8) == 0;
  const bool is_jpeg = file.size() >= 3 && std::memcmp(file.data(), "\xff\xd8\xff", 3) == 0;
  ELBO_CHECK(is_png || is_jpeg, FormatError, name, ": expected a PNG or JPEG picture, found ",
             detail::describe_content(file.first(std::min<std::size_t>(file.size(), 300))));
  const char* fault = is_png ? png_fault(file) : jpeg_fault(file);
  ELBO_CHECK(!fault, FormatError, name, ": damaged picture: found ", fault);
  ELBO_CHECK(stbi_info_from_memory(file.data(), size, &width, &height, &samples), FormatError, name, ": expected a ",
             is_png ? "PNG" : "JPEG", " header with at most ", most_pixels, " pixels, found it damaged or with more");
  // Before any memory is taken for the pixels.
  const std::int64_t pixels = std::int64_t{width} * height;
  ELBO_CHECK(pixels > 0 && pixels <= most_pixels, FormatError, name, ": expected at most ", most_pixels,
             " pixels, found ", width, " x ", height);
  static std::mutex one_at_a_time;
  std::unique_lock<std::mutex> lock(one_at_a_time, std::defer_lock);
  if (pixels > large) lock.lock();
  Decoded out;
  out.pixels.reset(stbi_load_from_memory(file.data(), size, &width, &height, &samples, 0));
  ELBO_CHECK(out.pixels, FormatError, name, ": damaged picture of ", width, " x ", height, ": ", stbi_failure_reason());
  out.width = width;
  out.height = height;
  out.samples = samples;
  return out;
}

/// Which pixels of a row or column weigh how much in each one of the result: `count` weights from pixel `first` on.
struct Taps {
  struct Range {
    std::int64_t first, count;
    std::size_t weights;  // where they begin
  };
  std::vector<Range> ranges;
  std::vector<float> weights;
  std::int64_t end() const { return ranges.back().first + ranges.back().count; }
};

/// For `size` pixels that are scaled to `scaled`, of which `wanted` in the middle are used: a triangle around each
/// one's centre, one pixel of the coarser side to either side.
Taps triangle_taps(std::int64_t size, std::int64_t scaled, std::int64_t wanted) {
  const double step = static_cast<double>(size) / static_cast<double>(scaled), radius = std::max(step, 1.0);
  const std::int64_t offset = (scaled - wanted) / 2;
  Taps out;
  for (std::int64_t i = 0; i < wanted; ++i) {
    const double centre = (static_cast<double>(i + offset) + 0.5) * step;
    const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(std::floor(centre - radius + 0.5)), 0);
    const auto last = std::min<std::int64_t>(static_cast<std::int64_t>(std::floor(centre + radius + 0.5)), size);
    out.ranges.push_back({first, last - first, out.weights.size()});
    double sum = 0;
    const auto weight = [&](std::int64_t pixel) {
      return std::max(0.0, 1 - std::abs((static_cast<double>(pixel) + 0.5 - centre) / radius));
    };
    for (std::int64_t pixel = first; pixel < last; ++pixel) sum += weight(pixel);
    for (std::int64_t pixel = first; pixel < last; ++pixel)
      out.weights.push_back(static_cast<float>(weight(pixel) / sum));
  }
  return out;
}

/// Pixels from `first` to below `last` of a row as floats in planar order [channels, last - first]: transparency laid
/// over white, colours mixed to grey or grey repeated.
void unpack_row(const Decoded& picture, std::int64_t row, std::int64_t first, std::int64_t last, std::int64_t channels,
                std::vector<float>& out) {
  const auto width = static_cast<std::size_t>(last - first), samples = static_cast<std::size_t>(picture.samples);
  const stbi_uc* at = picture.pixels.get() + static_cast<std::size_t>(row * picture.width + first) * samples;
  const bool colour = samples >= 3, alpha = samples % 2 == 0;
  for (std::size_t x = 0; x < width; ++x, at += samples) {
    float rgb[3] = {static_cast<float>(at[0]), static_cast<float>(at[colour ? 1 : 0]),
                    static_cast<float>(at[colour ? 2 : 0])};
    if (alpha) {
      const float opaque = static_cast<float>(at[samples - 1]) / 255.0f;
      for (float& value : rgb) value = 255.0f + (value - 255.0f) * opaque;
    }
    if (channels == 1)
      out[x] = colour ? 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2] : rgb[0];
    else
      for (std::size_t c = 0; c < 3; ++c) out[c * width + x] = rgb[c];
  }
}

/// Scales and crops: each row across first, then the sum of the rows that fall into one of the result.
std::vector<std::uint8_t> resize(const Decoded& picture, std::int64_t channels, std::int64_t height,
                                 std::int64_t width) {
  // The side that is relatively shorter becomes as long as wanted, the other one in proportion.
  const bool by_height = height * picture.width >= width * picture.height;
  const std::int64_t scaled_height = by_height ? height : picture.height * width / picture.width;
  const std::int64_t scaled_width = by_height ? picture.width * height / picture.height : width;
  const Taps across = triangle_taps(picture.width, scaled_width, width);
  const Taps down = triangle_taps(picture.height, scaled_height, height);
  const std::int64_t left = across.ranges.front().first, used = across.end() - left;
  const auto row_size = static_cast<std::size_t>(channels * width);
  std::vector<float> source(static_cast<std::size_t>(channels * used)), row(row_size);
  std::vector<float> sums(row_size * static_cast<std::size_t>(height));
  for (std::int64_t y = down.ranges.front().first; y < down.end(); ++y) {
    unpack_row(picture, y, left, left + used, channels, source);
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t x = 0; x < width; ++x) {
        const Taps::Range& range = across.ranges[static_cast<std::size_t>(x)];
        const float* from = source.data() + c * used + range.first - left;
        float sum = 0;
        for (std::int64_t i = 0; i < range.count; ++i)
          sum += across.weights[range.weights + static_cast<std::size_t>(i)] * from[i];
        row[static_cast<std::size_t>(c * width + x)] = sum;
      }
    // first and last both grow from one row of the result to the next, so those that take this one lie together.
    auto range = std::partition_point(down.ranges.begin(), down.ranges.end(),
                                      [&](const Taps::Range& r) { return r.first + r.count <= y; });
    for (; range != down.ranges.end() && range->first <= y; ++range) {
      const float weight = down.weights[range->weights + static_cast<std::size_t>(y - range->first)];
      float* to = sums.data() + static_cast<std::size_t>(range - down.ranges.begin()) * row_size;
      for (std::size_t i = 0; i < row_size; ++i) to[i] += weight * row[i];
    }
  }
  std::vector<std::uint8_t> out(sums.size());
  const auto w = static_cast<std::size_t>(width), h = static_cast<std::size_t>(height);
  for (std::size_t y = 0; y < h; ++y)
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
      for (std::size_t x = 0; x < w; ++x)
        out[(c * h + y) * w + x] =
            static_cast<std::uint8_t>(std::clamp(sums[y * row_size + c * w + x], 0.0f, 255.0f) + 0.5f);
  return out;
}

}  // namespace

std::vector<std::uint8_t> decode_picture(std::span<const std::uint8_t> file, const std::string& name,
                                         std::int64_t channels, std::int64_t height, std::int64_t width) {
  ELBO_CHECK(channels == 1 || channels == 3, ValueError, name, ": expected 1 or 3 channels, found ", channels);
  ELBO_CHECK(std::min(height, width) >= 1 && std::max(height, width) <= 4096, ValueError, name,
             ": expected sizes from 1 to 4096, found ", height, " x ", width);
  ELBO_CHECK(file.size() <= most_bytes, FormatError, name, ": expected at most ", most_bytes, " bytes, found ",
             file.size());
  try {
    return resize(decode(file, name), channels, height, width);
  } catch (const std::bad_alloc&) {
    fail<OutOfMemory>(name, ": no memory to scale the picture");
  }
}

std::vector<std::uint8_t> read_picture(const std::filesystem::path& path, std::int64_t channels, std::int64_t height,
                                       std::int64_t width) {
  const std::unique_ptr<ByteSource> source = ByteSource::open(path);
  const std::string name = path.string();
  ELBO_CHECK(source->file_size() <= most_bytes, FormatError, name, ": expected at most ", most_bytes, " bytes, found ",
             source->file_size());
  std::vector<std::uint8_t> file(source->file_size());
  file.resize(source->read(file));
  return decode_picture(file, name, channels, height, width);
}

}  // namespace elbo::datasets
