#include "picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string_view>
#include <utility>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "../core/errors.h"
#include "../core/input_detail.h"
#include "picture_detail.h"

namespace elbo::datasets {
namespace {

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

/// The first of `wanted` pixels in the middle of `scaled`. `mirrored`: the picture will be looked at the other way
/// round, where the middle may lie one pixel further.
std::int64_t middle(std::int64_t scaled, std::int64_t wanted, bool mirrored) {
  return (scaled - wanted + (mirrored ? 1 : 0)) / 2;
}

/// For `size` pixels that are scaled to `scaled`, of which `wanted` in the middle are used: a triangle around each
/// one's centre, one pixel of the coarser side to either side.
Taps triangle_taps(std::int64_t size, std::int64_t scaled, std::int64_t wanted, bool mirrored) {
  const double step = static_cast<double>(size) / static_cast<double>(scaled), radius = std::max(step, 1.0);
  const std::int64_t offset = middle(scaled, wanted, mirrored);
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
    // What weighs nothing, as the next pixel where nothing is scaled.
    for (; out.ranges.back().count > 1 && out.weights.back() == 0; --out.ranges.back().count) out.weights.pop_back();
  }
  return out;
}

/// Four floats that are computed with at once: red, green, blue, and one that nobody reads.
using Four = float __attribute__((vector_size(16)));

/// n pixels of RGB that lie one after the other.
void unpack_rgb(const std::uint8_t* at, std::int64_t n, Four* to) {
  const auto pixel = [](const std::uint8_t* from, std::size_t bytes) {
#ifdef __SSE2__  // which g++ does not find by itself
    int read = 0;
    std::memcpy(&read, from, bytes);
    const __m128i zero = _mm_setzero_si128(), words = _mm_unpacklo_epi8(_mm_cvtsi32_si128(read), zero);
    return Four(_mm_cvtepi32_ps(_mm_unpacklo_epi16(words, zero)));
#else
    float rgb[3] = {};
    std::copy_n(from, std::min<std::size_t>(bytes, 3), rgb);
    return Four{rgb[0], rgb[1], rgb[2], 0};
#endif
  };
  for (std::int64_t i = 0; i + 1 < n; ++i) to[i] = pixel(at + 3 * i, 4);
  if (n > 0) to[n - 1] = pixel(at + 3 * (n - 1), 3);
}

/// The same as bytes, each colour by itself.
void split_rgb(const std::uint8_t* at, std::int64_t n, std::uint8_t* red, std::uint8_t* green, std::uint8_t* blue) {
  std::int64_t i = 0;
#ifdef __SSE2__
  const auto load = [](const std::uint8_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
  const auto store = [](std::uint8_t* to, __m128i x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), x); };
  const auto high = [](__m128i x) { return _mm_srli_si128(x, 8); };
  for (; i + 16 <= n; i += 16) {
    __m128i a = load(at + 3 * i), b = load(at + 3 * i + 16), c = load(at + 3 * i + 32);
    // Each time the first half of the 48 bytes is interleaved with the second: byte k goes to 2 k mod 47. After four
    // times it is at 16 k mod 47, which for byte 3 j + c is j + 16 c.
    for (int times = 0; times < 4; ++times) {
      const __m128i first = _mm_unpacklo_epi8(a, high(b)), second = _mm_unpacklo_epi8(high(a), c);
      c = _mm_unpacklo_epi8(b, high(c));
      a = first;
      b = second;
    }
    store(red + i, a);
    store(green + i, b);
    store(blue + i, c);
  }
#endif
  for (; i < n; ++i) red[i] = at[3 * i], green[i] = at[3 * i + 1], blue[i] = at[3 * i + 2];
}

/// A run's pixels in the columns from `left` on as floats, grey ones in the first of four: transparency laid over
/// white, colours mixed to grey or grey repeated. Where the run has none, 0.
void unpack(const PixelRun& run, std::int64_t samples, std::int64_t left, std::int64_t channels,
            std::vector<Four>& out) {
  const auto width = static_cast<std::int64_t>(out.size());
  if (run.step > 1) std::fill(out.begin(), out.end(), Four{});
  const std::int64_t begin = std::max<std::int64_t>((left - run.first + run.step - 1) / run.step, 0);
  const std::int64_t end = std::min(run.count, (left + width - run.first + run.step - 1) / run.step);
  const std::uint8_t* at = run.pixels + begin * samples;
  const bool colour = samples >= 3, alpha = samples % 2 == 0;
  Four* to = out.data() + (run.first + begin * run.step - left);
  if (samples == 3 && channels == 3 && run.step == 1) return unpack_rgb(at, end - begin, to);
  for (std::int64_t i = begin; i < end; ++i, at += samples, to += run.step) {
    float rgb[3] = {static_cast<float>(at[0]), static_cast<float>(at[colour ? 1 : 0]),
                    static_cast<float>(at[colour ? 2 : 0])};
    if (alpha) {
      const float opaque = static_cast<float>(at[samples - 1]) / 255.0f;
      for (float& value : rgb) value = 255.0f + (value - 255.0f) * opaque;
    }
    if (channels == 1 && colour) rgb[0] = 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
    *to = Four{rgb[0], rgb[1], rgb[2], 0};
  }
}

/// How EXIF's orientation turns a picture: first both axes are mirrored or not, then they change places or not.
struct Turn {
  bool mirror_x = false, mirror_y = false, transpose = false;
  explicit Turn(int orientation)
      : mirror_x(orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8),
        mirror_y(orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7),
        transpose(orientation >= 5) {}
};

/// Where the pixels of a result go, [channels, height, width] as it lies in the file: turned as they are to be looked
/// at.
struct Place {
  std::uint8_t* first;  ///< pixel (0, 0)
  std::int64_t plane, down, along;

  Place(std::uint8_t* out, std::int64_t height, std::int64_t width, Turn turn)
      : first(out), plane(height * width), down(turn.transpose ? 1 : width), along(turn.transpose ? height : 1) {
    if (turn.mirror_y) first += (height - 1) * std::exchange(down, -down);
    if (turn.mirror_x) first += (width - 1) * std::exchange(along, -along);
  }
};

/// A picture scaled to sums of weighted pixels [height, channels, width], as it lies in the file. Each run of pixels is
/// added as it comes: first each row across, then that to all rows of the result into which it falls. Where nothing is
/// scaled, bytes go to their place at once.
class Scaler {
 public:
  Scaler(const PictureDecoder& picture, std::int64_t channels, std::int64_t height, std::int64_t width, Turn turn,
         std::uint8_t* out)
      : samples_(picture.samples()),
        channels_(channels),
        height_(height),
        width_(width),
        place_(out, height, width, turn) {
    // The side that is relatively shorter becomes as long as wanted, the other one in proportion.
    const bool by_height = height * picture.width() >= width * picture.height();
    const std::int64_t scaled_height = by_height ? height : picture.height() * width / picture.width();
    const std::int64_t scaled_width = by_height ? picture.width() * height / picture.height() : width;
    copies_ = scaled_height == picture.height() && scaled_width == picture.width() &&
              (samples_ == 1 || (samples_ == 3 && channels == 3));
    if (copies_) {
      left_ = middle(scaled_width, width, turn.mirror_x);
      top_ = middle(scaled_height, height, turn.mirror_y);
      return;
    }
    across_ = triangle_taps(picture.width(), scaled_width, width, turn.mirror_x);
    down_ = triangle_taps(picture.height(), scaled_height, height, turn.mirror_y);
    left_ = across_.ranges.front().first;
    source_.resize(static_cast<std::size_t>(across_.end() - left_));
    row_.resize(static_cast<std::size_t>(channels * width));
    sums_.resize(row_.size() * static_cast<std::size_t>(height));
  }

  void add(const PixelRun& run) {
    if (copies_) return copy(run);
    // first and last both grow from one row of the result to the next, so those that take this one lie together.
    auto range = std::partition_point(down_.ranges.begin(), down_.ranges.end(),
                                      [&](const Taps::Range& r) { return r.first + r.count <= run.row; });
    if (range == down_.ranges.end() || range->first > run.row) return;
    unpack(run, samples_, left_, channels_, source_);
    scale_across();
    for (; range != down_.ranges.end() && range->first <= run.row; ++range) {
      const float weight = down_.weights[range->weights + static_cast<std::size_t>(run.row - range->first)];
      float* to = sums_.data() + static_cast<std::size_t>(range - down_.ranges.begin()) * row_.size();
      for (std::size_t i = 0; i < row_.size(); ++i) to[i] += weight * row_[i];
    }
  }

  /// After all runs: the result is in its place.
  void finish() const {
    if (copies_) return;
    const float* from = sums_.data();
    for (std::int64_t y = 0; y < height_; ++y)
      for (std::int64_t c = 0; c < channels_; ++c, from += width_) {
        std::uint8_t* to = place_.first + c * place_.plane + y * place_.down;
        if (place_.along == 1)
          for (std::int64_t x = 0; x < width_; ++x) to[x] = rounded(from[x]);
        else
          for (std::int64_t x = 0; x < width_; ++x) to[x * place_.along] = rounded(from[x]);
      }
  }

 private:
  static std::uint8_t rounded(float sum) {
    return static_cast<std::uint8_t>(static_cast<int>(std::clamp(sum, 0.0f, 255.0f) + 0.5f));
  }

  void copy(const PixelRun& run) {
    const std::int64_t y = run.row - top_, column = run.first - left_;
    if (y < 0 || y >= height_) return;
    const std::int64_t begin = std::max<std::int64_t>((run.step - 1 - column) / run.step, 0);
    const std::int64_t end = std::min(run.count, (width_ - column + run.step - 1) / run.step);
    const std::int64_t x = column + begin * run.step, step = run.step * place_.along;
    const std::uint8_t* from = run.pixels + begin * samples_;
    std::uint8_t* to = place_.first + y * place_.down + x * place_.along;
    if (samples_ == 3 && step == 1) return split_rgb(from, end - begin, to, to + place_.plane, to + 2 * place_.plane);
    for (std::int64_t c = 0; c < channels_; ++c, to += place_.plane)
      for (std::int64_t i = 0; i < end - begin; ++i) to[i * step] = from[i * samples_ + (samples_ == 3 ? c : 0)];
  }

  void scale_across() {
    for (std::int64_t x = 0; x < width_; ++x) {
      const Taps::Range& range = across_.ranges[static_cast<std::size_t>(x)];
      const Four* from = source_.data() + range.first - left_;
      const float* weights = across_.weights.data() + range.weights;
      Four sum{};
      for (std::int64_t i = 0; i < range.count; ++i) sum += weights[i] * from[i];
      for (std::int64_t c = 0; c < channels_; ++c) row_[static_cast<std::size_t>(c * width_ + x)] = sum[c];
    }
  }

  std::int64_t samples_, channels_, height_, width_, left_ = 0, top_ = 0;
  Place place_;
  bool copies_ = false;
  Taps across_, down_;
  std::vector<Four> source_;
  std::vector<float> row_, sums_;
};

std::unique_ptr<PictureDecoder> open_decoder(PictureInput& input) {
  const std::span<const std::uint8_t> start = input.start();
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return open_png(input);
  if (text.starts_with("\xff\xd8\xff")) return open_jpeg(input);
  fail<FormatError>(input.name(), ": expected a PNG or JPEG picture, found ", detail::describe_content(start));
}

using Open = std::function<std::unique_ptr<ByteSource>()>;

void check_size(const std::string& name, std::int64_t channels, std::int64_t height, std::int64_t width) {
  ELBO_CHECK(channels == 1 || channels == 3, ValueError, name, ": expected 1 or 3 channels, found ", channels);
  ELBO_CHECK(std::min(height, width) >= 1 && std::max(height, width) <= 4096, ValueError, name,
             ": expected sizes from 1 to 4096, found ", height, " x ", width);
}

/// Into [channels, height, width] bytes.
void decode(const Open& open, const std::string& name, std::int64_t channels, std::int64_t height, std::int64_t width,
            std::uint8_t* to) {
  for (int known = 0;;) {
    const std::unique_ptr<ByteSource> source = open();
    ELBO_CHECK(!source->compressed(), FormatError, name, ": expected a PNG or JPEG picture, found gzip data");
    PictureInput input(*source, name);
    const std::unique_ptr<PictureDecoder> picture = open_decoder(input);
    const int orientation = known > 0 ? known : picture->orientation();
    const Turn turn(orientation);
    Scaler scaler(*picture, channels, turn.transpose ? width : height, turn.transpose ? height : width, turn, to);
    for (PixelRun run; picture->next(run);) scaler.add(run);
    // A PNG may say only after its pixels how it lies: then once more, with that.
    if (known > 0 || picture->orientation() == orientation) return scaler.finish();
    known = picture->orientation();
  }
}

}  // namespace

void PictureDecoder::set_size(const std::string& name, std::int64_t width, std::int64_t height) {
  ELBO_CHECK(width >= 1 && height >= 1, FormatError, name, ": damaged picture: found a size of ", width, " x ", height);
  ELBO_CHECK(width <= most_pixels / height, FormatError, name, ": expected at most ", most_pixels, " pixels, found ",
             width, " x ", height);
  ELBO_CHECK(std::max(width, height) <= most_side, FormatError, name, ": expected at most ", most_side,
             " pixels in a row or column, found ", width, " x ", height);
  width_ = width;
  height_ = height;
}

PictureInput::PictureInput(ByteSource& source, std::string name)
    : source_(source), name_(std::move(name)), start_size_(source.read(start_)) {}

std::size_t PictureInput::read(std::span<std::uint8_t> to) noexcept {
  std::size_t got = std::min(to.size(), start_size_ - at_);
  if (got > 0) {
    std::copy_n(start_.begin() + static_cast<std::ptrdiff_t>(at_), got, to.begin());
    at_ += got;
    return got;
  }
  try {
    got = source_.read(to);
  } catch (...) {
    thrown_ = std::current_exception();
  }
  cut_off_ = got == 0;
  return got;
}

void PictureInput::fail_decoding(const char* reason) const {
  if (thrown_) std::rethrow_exception(thrown_);
  fail<FormatError>(name_, ": damaged picture: ", cut_off_ ? "found the file cut off" : reason);
}

int exif_orientation(std::span<const std::uint8_t> tiff) {
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 0;
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < bytes; ++i) out = out << 8 | tiff[tiff[0] == 'M' ? at + i : at + bytes - 1 - i];
    return out;
  };
  const std::size_t folder = number(4, 4);
  if (number(2, 2) != 42 || folder > tiff.size() - 2) return 0;
  const std::size_t entries = std::min<std::size_t>(number(folder, 2), (tiff.size() - folder - 2) / 12);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = folder + 2 + 12 * i;
    const bool is_short = number(entry + 2, 2) == 3 && number(entry + 4, 4) == 1;
    if (number(entry, 2) != 0x0112 || !is_short) continue;
    const std::uint32_t value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
  }
  return 0;
}

std::vector<std::uint8_t> decode_picture(std::span<const std::uint8_t> file, const std::string& name,
                                         std::int64_t channels, std::int64_t height, std::int64_t width) {
  ELBO_CHECK(!file.empty(), FormatError, name, ": expected data, found an empty file");
  check_size(name, channels, height, width);
  std::vector<std::uint8_t> out(static_cast<std::size_t>(channels * height * width));
  decode([&] { return ByteSource::over(file, name); }, name, channels, height, width, out.data());
  return out;
}

void read_picture_into(const std::filesystem::path& path, std::int64_t channels, std::int64_t height,
                       std::int64_t width, std::span<std::uint8_t> out) {
  check_size(path.string(), channels, height, width);
  decode([&] { return ByteSource::open(path); }, path.string(), channels, height, width, out.data());
}

std::vector<std::uint8_t> read_picture(const std::filesystem::path& path, std::int64_t channels, std::int64_t height,
                                       std::int64_t width) {
  check_size(path.string(), channels, height, width);
  std::vector<std::uint8_t> out(static_cast<std::size_t>(channels * height * width));
  read_picture_into(path, channels, height, width, out);
  return out;
}

}  // namespace elbo::datasets
