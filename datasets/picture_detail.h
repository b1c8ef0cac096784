#pragma once
#include <array>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "byte_source.h"

/// Internal to read_picture(): decoders that give a picture piece by piece and never hold it whole.
namespace elbo::datasets {

inline constexpr std::int64_t most_pixels = 100000000, most_side = 1000000;

/// Pixels of one row: the i-th of `count` lies in column first + i * step.
struct PixelRun {
  std::int64_t row = 0, first = 0, step = 1, count = 0;
  const std::uint8_t* pixels = nullptr;
};

class PictureDecoder {
 public:
  virtual ~PictureDecoder() = default;
  /// The next run; each pixel comes once. False after the last one: the rest of the file has been checked then. Throws
  /// IoError and FormatError. What it points to stays until the next call.
  virtual bool next(PixelRun& run) = 0;

  std::int64_t height() const { return height_; }
  std::int64_t width() const { return width_; }
  /// Bytes of a pixel: 1 for grey, 2 for grey and alpha, 3 for RGB, 4 for RGB and alpha.
  std::int64_t samples() const { return samples_; }
  /// EXIF's orientation, 1 to 8. Only the end of the file settles it.
  int orientation() const { return orientation_; }

 protected:
  /// Sets the size after checking it. Throws FormatError.
  void set_size(const std::string& name, std::int64_t width, std::int64_t height);
  std::int64_t height_ = 0, width_ = 0, samples_ = 0;
  int orientation_ = 1;
};

/// The bytes of a picture's file, of which the first can be looked at before they are read.
class PictureInput {
 public:
  PictureInput(ByteSource& source, std::string name);
  const std::string& name() const { return name_; }
  std::span<const std::uint8_t> start() const { return std::span(start_).first(start_size_); }
  /// As ByteSource::read(), for the C code of a decoder, through which nothing may be thrown: what was thrown is kept.
  std::size_t read(std::span<std::uint8_t> to) noexcept;
  /// Ends the decoding: with what read() kept, with the end of the file where it met that, else with `reason`.
  [[noreturn]] void fail_decoding(const char* reason) const;

 private:
  ByteSource& source_;
  std::string name_;
  std::array<std::uint8_t, 300> start_{};
  std::size_t start_size_ = 0, at_ = 0;
  bool cut_off_ = false;
  std::exception_ptr thrown_;
};

/// Throw IoError and FormatError, for what the header says too.
std::unique_ptr<PictureDecoder> open_png(PictureInput& input);
std::unique_ptr<PictureDecoder> open_jpeg(PictureInput& input);

/// read_picture() into [channels, height, width] bytes that are there. Where it throws, nobody knows what is in them.
void read_picture_into(const std::filesystem::path& path, std::int64_t channels, std::int64_t height,
                       std::int64_t width, std::span<std::uint8_t> out);

/// The orientation in EXIF data, which begin with the header of a TIFF file; 0 where they hold none.
int exif_orientation(std::span<const std::uint8_t> tiff);

}  // namespace elbo::datasets
