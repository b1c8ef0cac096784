// PNG by libpng, a row at a time.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <string_view>
#include <vector>

#include "../core/errors.h"
#include "../core/text.h"
#include "picture_detail.h"

namespace elbo::datasets {
namespace {

/// libpng leaves a call that fails by a jump. So each is made by guarded(), in which nothing needs a destructor.
class PngDecoder final : public PictureDecoder {
 public:
  explicit PngDecoder(PictureInput& input) : input_(input) {
    check_header();
    handles_.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (handles_.png) handles_.info = png_create_info_struct(handles_.png);
    ELBO_CHECK(handles_.info, OutOfMemory, input_.name(), ": no memory to decode it");
    guarded([this] { read_header(); });
    samples_ = colours_ == 0 ? png_get_channels(handles_.png, handles_.info) : see_through_ ? 4 : 3;
    row_.resize(png_get_rowbytes(handles_.png, handles_.info));
    if (colours_ > 0) expanded_.resize(static_cast<std::size_t>(width_ * samples_));
    find_orientation();
  }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  bool next(PixelRun& run) override {
    while (pass_ < passes_ && line_ == (columns() == 0 ? 0 : lines())) {
      ++pass_;
      line_ = 0;
    }
    if (pass_ == passes_) {
      guarded([this] { png_read_end(handles_.png, handles_.info); });
      ELBO_CHECK(message_[0] == 0, FormatError, input_.name(), ": damaged picture: ", message_.data());
      find_orientation();
      return false;
    }
    guarded([this] { png_read_row(handles_.png, row_.data(), nullptr); });
    const int pass = static_cast<int>(pass_);
    if (passes_ == 1)
      run = {line_, 0, 1, width_, row_.data()};
    else
      run = {PNG_ROW_FROM_PASS_ROW(line_, pass), PNG_PASS_START_COL(pass), std::int64_t{1} << PNG_PASS_COL_SHIFT(pass),
             columns(), row_.data()};
    if (colours_ > 0) expand_palette(run);
    ++line_;
    return true;
  }

 private:
  struct Handles {
    png_structp png = nullptr;
    png_infop info = nullptr;
    Handles() = default;
    Handles(const Handles&) = delete;
    Handles& operator=(const Handles&) = delete;
    ~Handles() { png_destroy_read_struct(&png, &info, nullptr); }
  };

  template <class Call>
  void guarded(Call call) {
    if (setjmp(jump_) != 0) input_.fail_decoding(message_.data());
    call();
  }
  static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::snprintf(self->message_.data(), self->message_.size(), "%s", message);
    std::longjmp(self->jump_, 1);
  }
  /// A warning is a fault where the pixels are not what the file says: data or a palette that libpng passes over.
  static void on_warning(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngDecoder*>(png_get_error_ptr(png));
    const std::string_view text = message;
    const bool of_pixels = text.starts_with("IDAT") || text.starts_with("PLTE") || text.starts_with("tRNS");
    const bool only_more = text == "IDAT: Extra compressed data" || text == "IDAT: Too much image data";
    if (of_pixels && !only_more && self->message_[0] == 0)
      std::snprintf(self->message_.data(), self->message_.size(), "%s", message);
  }
  static void on_read(png_structp png, png_bytep to, std::size_t bytes) {
    auto* self = static_cast<PngDecoder*>(png_get_io_ptr(png));
    while (bytes > 0) {
      const std::size_t got = self->input_.read({to, bytes});
      if (got == 0) png_error(png, "");
      to += got;
      bytes -= got;
    }
  }

  /// What libpng would say less clearly.
  void check_header() {
    const std::span<const std::uint8_t> start = input_.start();
    const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
    if (text.size() < 24) return;
    ELBO_CHECK(text.substr(12, 4) != "CgBI", FormatError, input_.name(),
               ": expected a PNG picture, found Apple's own kind (CgBI), in which red and blue are swapped: convert it "
               "with 'xcrun pngcrush -revert-iphone-optimizations'");
    ELBO_CHECK(text.substr(12, 4) == "IHDR", FormatError, input_.name(),
               ": damaged picture: expected IHDR as its first chunk, found ", in_quotes(text.substr(12, 4)));
    const auto number = [&](std::size_t at) {
      return std::int64_t{start[at]} << 24 | start[at + 1] << 16 | start[at + 2] << 8 | start[at + 3];
    };
    set_size(input_.name(), number(16), number(20));
  }

  void read_header() {
    png_structp png = handles_.png;
    png_infop info = handles_.info;
    png_set_read_fn(png, this, on_read);
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_user_limits(png, most_side, most_side);
    png_set_chunk_malloc_max(png, 1 << 20);
    // Chunks that do not change the pixels are passed over, damaged or not; but for the orientation.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, reinterpret_cast<png_const_bytep>("eXIf"), 1);
    png_read_info(png, info);
    const int depth = png_get_bit_depth(png, info), color = png_get_color_type(png, info);
    if (depth == 16) png_set_strip_16(png);
    if (color == PNG_COLOR_TYPE_PALETTE) {
      read_palette();
      png_set_packing(png);
    } else {
      if (depth < 8) png_set_expand_gray_1_2_4_to_8(png);
      if (png_get_valid(png, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
    }
    // Without png_set_interlace_handling(): the small pictures of an interlaced one are taken as they come.
    passes_ = png_get_interlace_type(png, info) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
    png_read_update_info(png, info);
  }

  void read_palette() {
    png_colorp colours = nullptr;
    png_bytep alpha = nullptr;
    int with_alpha = 0;
    png_get_PLTE(handles_.png, handles_.info, &colours, &colours_);
    png_get_tRNS(handles_.png, handles_.info, &alpha, &with_alpha, nullptr);
    see_through_ = with_alpha > 0;
    for (int i = 0; i < colours_; ++i)
      palette_[static_cast<std::size_t>(i)] = {colours[i].red, colours[i].green, colours[i].blue,
                                               i < with_alpha ? alpha[i] : png_byte{255}};
  }

  /// libpng makes black of an index that the palette does not have.
  void expand_palette(PixelRun& run) {
    std::uint8_t* to = expanded_.data();
    for (std::int64_t i = 0; i < run.count; ++i) {
      const int index = run.pixels[i];
      ELBO_CHECK(index < colours_, FormatError, input_.name(), ": damaged picture: expected indices below ", colours_,
                 ", the size of its palette, found ", index);
      const std::array<std::uint8_t, 4>& colour = palette_[static_cast<std::size_t>(index)];
      for (std::int64_t c = 0; c < samples_; ++c) *to++ = colour[static_cast<std::size_t>(c)];
    }
    run.pixels = expanded_.data();
  }

  void find_orientation() {
    png_bytep data = nullptr;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(handles_.png, handles_.info, &size, &data) == 0) return;
    if (const int found = exif_orientation({data, size})) orientation_ = found;
  }

  std::int64_t lines() const { return passes_ == 1 ? height_ : PNG_PASS_ROWS(height_, static_cast<int>(pass_)); }
  std::int64_t columns() const { return passes_ == 1 ? width_ : PNG_PASS_COLS(width_, static_cast<int>(pass_)); }

  PictureInput& input_;
  std::jmp_buf jump_{};
  std::array<char, 200> message_{};
  Handles handles_;
  std::vector<std::uint8_t> row_, expanded_;
  std::array<std::array<std::uint8_t, 4>, 256> palette_{};
  int colours_ = 0;  // of the palette; 0 where there is none
  bool see_through_ = false;
  std::int64_t passes_ = 1, pass_ = 0, line_ = 0;
};

}  // namespace

std::unique_ptr<PictureDecoder> open_png(PictureInput& input) { return std::make_unique<PngDecoder>(input); }

}  // namespace elbo::datasets
