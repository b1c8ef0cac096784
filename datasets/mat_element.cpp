#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include <vector>

#include "../core/errors.h"
#include "../core/input_detail.h"
#include "files_detail.h"
#include "mat_element_detail.h"

namespace elbo::datasets {
namespace {

constexpr std::size_t header_size = 128;
constexpr std::string_view hdf5_signature = "\x89HDF\r\n\x1a\n";

/// Ends the reading of what is not a MAT-file of version 5, saying what it looks like instead.
[[noreturn]] void fail_header(const std::string& file, std::string_view start) {
  const std::string expected = file + ": expected a MAT-file of version 5";
  if (start.starts_with(hdf5_signature) || start.starts_with("MATLAB 7.3 MAT-file"))
    fail<FormatError>(expected, ", found HDF5, which is MATLAB's version 7.3: save it with '-v7'");
  const std::string found =
      detail::describe_content({reinterpret_cast<const std::uint8_t*>(start.data()), start.size()});
  if (!found.starts_with("something else") && !found.starts_with("a MAT-file"))
    fail<FormatError>(expected, ", found ", found);
  // Version 4 has no text in front: its first number is below 5000, so that one of its bytes is 0.
  if (start.size() >= 20 && start.substr(0, 4).find('\0') != std::string_view::npos)
    fail<FormatError>(expected, ", found no header; it may be version 4: save it with '-v7'");
  if (start.size() < header_size)
    fail<FormatError>(file, ": truncated: expected the 128 bytes of a MAT-file's header, found ", start.size());
  fail<FormatError>(expected, " (IM or MI in bytes 126 and 127 of its header, and 256 before), found something else");
}

std::uint32_t number_of(const std::uint8_t* bytes, bool swapped) {
  std::array<std::uint8_t, 4> raw{};
  std::copy_n(bytes, 4, raw.begin());
  if (swapped) std::reverse(raw.begin(), raw.end());
  std::uint32_t out = 0;
  std::memcpy(&out, raw.data(), 4);
  return out;
}

}  // namespace

std::uint32_t MatElement::number(const std::uint8_t* bytes) const { return number_of(bytes, swapped_); }

/// An element as it lies in the file.
class PlainElement final : public MatElement {
 public:
  PlainElement(MatFile& file, std::string where, bool swapped) : MatElement(std::move(where), swapped), file_(file) {}
  void read(std::span<std::uint8_t> to) override {
    ELBO_CHECK(to.size() <= file_.left_, FormatError, where(), "expected ", to.size(), " bytes, found ", file_.left_,
               " at its end");
    file_.take(to);
  }
  std::uint64_t limit() const override { return file_.left_; }
  bool confirmed() const override { return !file_.source_->compressed(); }
  void finish() override {}

 private:
  MatFile& file_;
};

/// An element whose content is a zlib stream.
class InflatedElement final : public MatElement {
 public:
  InflatedElement(MatFile& file, std::string where, bool swapped)
      : MatElement(std::move(where), swapped), file_(file), input_(1 << 16) {
    ELBO_CHECK(inflateInit(&stream_) == Z_OK, OutOfMemory, this->where(), "no memory to inflate");
  }
  ~InflatedElement() override { inflateEnd(&stream_); }
  InflatedElement(const InflatedElement&) = delete;
  InflatedElement& operator=(const InflatedElement&) = delete;

  void read(std::span<std::uint8_t> to) override {
    const std::size_t got = inflate_some(to);
    ELBO_CHECK(got == to.size(), FormatError, where(), "expected ", total_ - got + to.size(),
               " bytes or more of inflated data, found ", total_);
  }
  // Deflate spends at least two bits on 258 bytes, so 1032 : 1 is the most it reaches.
  std::uint64_t limit() const override { return (file_.left_ + stream_.avail_in) * 1032; }
  bool confirmed() const override { return false; }
  void finish() override {
    // A writer may pad the matrix; going on to the end of the stream also compares its checksum.
    std::array<std::uint8_t, 8> rest{};
    const std::size_t got = inflate_some(rest);
    ELBO_CHECK(got < rest.size(), FormatError, where(),
               "expected the end of the compressed data after their matrix, found more of them");
  }

 private:
  std::size_t inflate_some(std::span<std::uint8_t> to) {
    std::size_t done = 0;
    while (done < to.size() && !ended_) {
      if (stream_.avail_in == 0) refill();
      const std::size_t step = std::min<std::size_t>(to.size() - done, 1u << 30);
      stream_.next_out = to.data() + done;
      stream_.avail_out = static_cast<uInt>(step);
      const int code = inflate(&stream_, Z_NO_FLUSH);
      done += step - stream_.avail_out;
      ended_ = code == Z_STREAM_END;
      ELBO_CHECK(code != Z_MEM_ERROR, OutOfMemory, where(), "no memory to inflate");
      ELBO_CHECK(ended_ || code == Z_OK || code == Z_BUF_ERROR, FormatError, where(),
                 "damaged compressed data: ", stream_.msg ? stream_.msg : "wrong stream", ", found after ",
                 total_ + done, " inflated bytes");
    }
    total_ += done;
    return done;
  }
  void refill() {
    ELBO_CHECK(file_.left_ > 0, FormatError, where(), "expected a complete zlib stream, found it cut off");
    const std::size_t got = file_.take(input_);
    stream_.next_in = input_.data();
    stream_.avail_in = static_cast<uInt>(got);
  }

  MatFile& file_;
  std::vector<std::uint8_t> input_;
  z_stream stream_{};
  std::uint64_t total_ = 0;
  bool ended_ = false;
};

MatFile::MatFile(std::unique_ptr<ByteSource> source, std::string name)
    : name_(std::move(name)), source_(std::move(source)) {
  std::array<std::uint8_t, header_size> raw{};
  const std::size_t got = read(raw);
  const std::string_view start(reinterpret_cast<const char*>(raw.data()), got);
  if (got < header_size) fail_header(name_, start);
  const std::string_view order = start.substr(126, 2);
  if (order != "IM" && order != "MI") fail_header(name_, start);
  swapped_ = (order == "IM") != (std::endian::native == std::endian::little);
  // 0x0100 is version 5; version 7.3 has 0x0200 in front of its HDF5 data.
  const std::size_t high = order == "IM" ? 125 : 124, low = order == "IM" ? 124 : 125;
  if (raw[high] != 1 || raw[low] != 0) fail_header(name_, start);
}

std::string MatFile::where() const { return name_ + ": element at byte " + std::to_string(begin_) + ": "; }

std::size_t MatFile::read(std::span<std::uint8_t> to) {
  const std::size_t got = source_->read(to);
  at_ += got;
  return got;
}

std::size_t MatFile::take(std::span<std::uint8_t> to) {
  const std::size_t wanted = std::min<std::uint64_t>(to.size(), left_);
  const std::size_t got = read(to.first(wanted));
  left_ -= got;
  ELBO_CHECK(got == wanted, FormatError, where(), "truncated: expected ", left_, " bytes more, found the file's end",
             source_->cut_off() ? ", where the gzip data is cut off" : "");
  return got;
}

std::optional<MatFile::Tag> MatFile::next() {
  std::vector<std::uint8_t> ignored(std::min<std::uint64_t>(left_, 1 << 16));
  while (left_ > 0) take(ignored);
  begin_ = at_;
  std::array<std::uint8_t, 8> raw{};
  const std::size_t got = read(raw);
  ELBO_CHECK(!source_->cut_off(), FormatError, name_, ": truncated: found the gzip data cut off after ", at_, " bytes");
  if (got == 0) return std::nullopt;
  ELBO_CHECK(got == raw.size(), FormatError, where(), "truncated: expected 8 bytes that say what it is, found ", got);
  const Tag tag{number_of(&raw[0], swapped_), number_of(&raw[4], swapped_)};
  const std::uint64_t limit = source_->limit() - std::min(at_, source_->limit());
  ELBO_CHECK(tag.bytes <= limit, FormatError, where(), "it promises ", tag.bytes, " bytes, found ",
             source_->compressed() ? "a gzip file that can hold " : "", limit,
             source_->compressed() ? "" : " up to the end of the file");
  left_ = tag.bytes;
  return tag;
}

std::unique_ptr<MatElement> MatFile::plain() { return std::make_unique<PlainElement>(*this, where(), swapped_); }

std::unique_ptr<MatElement> MatFile::inflated() { return std::make_unique<InflatedElement>(*this, where(), swapped_); }

}  // namespace elbo::datasets
