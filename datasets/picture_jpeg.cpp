// JPEG by libjpeg, a row at a time.
// jpeglib.h takes size_t and FILE for granted.
#include <cstddef>
#include <cstdio>
//
#include <jpeglib.h>
//
#include <jerror.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <mutex>
#include <vector>

#include "../core/errors.h"
#include "picture_detail.h"

namespace elbo::datasets {
namespace {

/// A progressive JPEG is decoded from coefficients that are all in memory, two bytes each.
constexpr std::int64_t most_coefficient_bytes = std::int64_t{256} << 20;
/// Pictures with more are decoded one at a time, so that several threads don't take several times the memory.
constexpr std::int64_t large = std::int64_t{32} << 20;
/// Real files have about ten. Each is a pass over the whole picture, which a few bytes can ask for.
constexpr int most_scans = 200;

/// libjpeg leaves a call that fails by a jump. So each is made by guarded(), in which nothing needs a destructor.
class JpegDecoder final : public PictureDecoder {
 public:
  explicit JpegDecoder(PictureInput& input) : input_(input) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    errors_.output_message = [](j_common_ptr) {};
    info_.client_data = this;
    guarded([this] { read_header(); });
    set_size(input_.name(), info_.image_width, info_.image_height);
    check_colours();
    check_memory();
    guarded([this] { jpeg_start_decompress(&info_); });
    samples_ = info_.num_components == 1 ? 1 : 3;
    // libjpeg-turbo writes rows that are aligned past the caches, from where reading them takes longer than decoding.
    memory_.resize(static_cast<std::size_t>(width_ * info_.output_components) + 16);
    row_ = memory_.data() + (24 - reinterpret_cast<std::uintptr_t>(memory_.data()) % 16) % 16;
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  bool next(PixelRun& run) override {
    if (info_.output_scanline == info_.output_height) {
      guarded([this] { jpeg_finish_decompress(&info_); });
      return false;
    }
    const std::int64_t row = info_.output_scanline;
    guarded([this] {
      JSAMPROW to = row_;
      jpeg_read_scanlines(&info_, &to, 1);
    });
    if (info_.output_components == 4) mix_inks();
    run = {row, 0, 1, width_, row_};
    return true;
  }

 private:
  /// Destroys what jpeg_create_decompress() made, even where this class's constructor fails.
  struct Info : jpeg_decompress_struct {
    Info() : jpeg_decompress_struct{} {}
    Info(const Info&) = delete;
    Info& operator=(const Info&) = delete;
    ~Info() { jpeg_destroy_decompress(this); }
  };

  template <class Call>
  void guarded(Call call) {
    if (setjmp(jump_) != 0) input_.fail_decoding(message_.data());
    call();
  }
  static JpegDecoder& self(j_common_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }
  static JpegDecoder& self(j_decompress_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }

  static void on_error(j_common_ptr info) {
    info->err->format_message(info, self(info).message_.data());
    std::longjmp(self(info).jump_, 1);
  }
  /// A warning is a fault where pixels are made up for data that are damaged.
  static void on_message(j_common_ptr info, int level) {
    if (level >= 0) return;
    const int code = info->err->msg_code;
    if (code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE || code == JWRN_JPEG_EOF ||
        code == JWRN_MUST_RESYNC || code == JWRN_BOGUS_PROGRESSION)
      on_error(info);
  }
  static void on_progress(j_common_ptr info) {
    JpegDecoder& decoder = self(info);
    if (decoder.info_.input_scan_number <= most_scans) return;
    std::snprintf(decoder.message_.data(), decoder.message_.size(), "expected at most %d scans, found more",
                  most_scans);
    std::longjmp(decoder.jump_, 1);
  }

  static boolean fill(j_decompress_ptr info) {
    JpegDecoder& decoder = self(info);
    const std::size_t got = decoder.input_.read(decoder.buffer_);
    if (got == 0) on_error(reinterpret_cast<j_common_ptr>(info));
    decoder.source_.next_input_byte = decoder.buffer_.data();
    decoder.source_.bytes_in_buffer = got;
    return TRUE;
  }
  static void skip(j_decompress_ptr info, long bytes) {
    for (std::size_t left = bytes > 0 ? static_cast<std::size_t>(bytes) : 0; left > 0;) {
      jpeg_source_mgr& source = self(info).source_;
      if (source.bytes_in_buffer == 0) fill(info);
      const std::size_t step = std::min(left, source.bytes_in_buffer);
      source.next_input_byte += step;
      source.bytes_in_buffer -= step;
      left -= step;
    }
  }
  static unsigned next_byte(j_decompress_ptr info) {
    jpeg_source_mgr& source = self(info).source_;
    if (source.bytes_in_buffer == 0) fill(info);
    --source.bytes_in_buffer;
    return *source.next_input_byte++;
  }
  /// The segment in which EXIF lies. The first orientation counts.
  static boolean on_app1(j_decompress_ptr info) {
    JpegDecoder& decoder = self(info);
    const unsigned high = next_byte(info), length = high << 8 | next_byte(info);
    if (length < 2) ERREXIT(info, JERR_BAD_LENGTH);
    const std::size_t size = length - 2;
    for (std::size_t i = 0; i < size; ++i) decoder.segment_[i] = static_cast<std::uint8_t>(next_byte(info));
    if (size > 6 && std::memcmp(decoder.segment_.data(), "Exif\0", 6) == 0 && !decoder.oriented_)
      if (const int found = exif_orientation({decoder.segment_.data() + 6, size - 6})) {
        decoder.orientation_ = found;
        decoder.oriented_ = true;
      }
    return TRUE;
  }

  void read_header() {
    jpeg_create_decompress(&info_);
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = fill;
    source_.skip_input_data = skip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    info_.src = &source_;
    progress_.progress_monitor = on_progress;
    info_.progress = &progress_;
    jpeg_set_marker_processor(&info_, JPEG_APP0 + 1, on_app1);
    jpeg_read_header(&info_, TRUE);
  }

  void check_colours() {
    const int components = info_.num_components;
    ELBO_CHECK(components == 1 || components == 3 || components == 4, FormatError, input_.name(),
               ": expected a JPEG of 1, 3 or 4 components, found ", components);
    // With it, by custom, 255 is no ink. Without it some programs mean that, others the opposite.
    ELBO_CHECK(
        components < 4 || info_.saw_Adobe_marker, FormatError, input_.name(),
        ": expected a grey or RGB picture, or CMYK with Adobe's marker, found CMYK without it, which does not say "
        "whether its inks are inverted: convert it to RGB");
    info_.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  }

  void check_memory() {
    if (!jpeg_has_multiple_scans(&info_)) return;
    std::int64_t bytes = 0;
    for (int i = 0; i < info_.num_components; ++i)
      bytes += std::int64_t{info_.comp_info[i].width_in_blocks} * info_.comp_info[i].height_in_blocks * 128;
    ELBO_CHECK(bytes <= most_coefficient_bytes, FormatError, input_.name(),
               ": expected a progressive JPEG that takes at most ", most_coefficient_bytes >> 20,
               " MiB to decode, found ", width_, " x ", height_, " pixels, which take ", bytes >> 20);
    static std::mutex one_at_a_time;
    if (bytes > large) lock_ = std::unique_lock(one_at_a_time);
  }

  /// CMYK, inverted, to RGB, in place.
  void mix_inks() {
    const std::uint8_t* from = row_;
    std::uint8_t* to = row_;
    for (std::int64_t i = 0; i < width_; ++i, from += 4) {
      const int key = from[3];
      for (int c = 0; c < 3; ++c) *to++ = static_cast<std::uint8_t>((from[c] * key + 127) / 255);
    }
  }

  PictureInput& input_;
  std::jmp_buf jump_{};
  std::array<char, JMSG_LENGTH_MAX> message_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  Info info_;
  std::unique_lock<std::mutex> lock_;
  std::array<std::uint8_t, 1 << 14> buffer_;  // not filled before they are read into
  std::array<std::uint8_t, 1 << 16> segment_;
  bool oriented_ = false;
  std::vector<std::uint8_t> memory_;
  std::uint8_t* row_ = nullptr;  ///< in it
};

}  // namespace

std::unique_ptr<PictureDecoder> open_jpeg(PictureInput& input) { return std::make_unique<JpegDecoder>(input); }

}  // namespace elbo::datasets
