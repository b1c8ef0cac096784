#include "byte_source.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

#include "../core/errors.h"
#include "../core/input_detail.h"
#include "files_detail.h"

namespace elbo::datasets {
namespace {

using detail::InputFile;

class PlainSource final : public ByteSource {
 public:
  explicit PlainSource(InputFile file) : file_(std::move(file)) {}
  std::size_t read(std::span<std::uint8_t> to) override { return file_.read_some(to); }
  bool cut_off() const override { return false; }
  bool compressed() const override { return false; }
  std::uint64_t limit() const override { return file_.size; }
  std::uint64_t file_size() const override { return file_.size; }

 private:
  InputFile file_;
};

// inflate() itself rather than gzread, which reports a cut-off stream as success until it is closed.
class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(InputFile file) : file_(std::move(file)), input_(1 << 16) {
    // 15 + 16: the largest window, gzip's header and trailer.
    ELBO_CHECK(inflateInit2(&stream_, 15 + 16) == Z_OK, OutOfMemory, file_.name, ": no memory to inflate");
  }
  ~GzipSource() override { inflateEnd(&stream_); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  std::size_t read(std::span<std::uint8_t> to) override {
    std::size_t done = 0;
    while (done < to.size() && !ended_) {
      if (stream_.avail_in == 0 && !refill()) {
        // Between two members the file may end; inside one it was cut off.
        cut_off_ = inside_;
        ended_ = true;
        break;
      }
      if (!inside_) next_member();
      const std::size_t step = std::min<std::size_t>(to.size() - done, 1u << 30);
      stream_.next_out = to.data() + done;
      stream_.avail_out = static_cast<uInt>(step);
      const int code = inflate(&stream_, Z_NO_FLUSH);
      done += step - stream_.avail_out;
      if (code == Z_STREAM_END)
        inside_ = false;
      else
        check(code, total_ + done);
    }
    total_ += done;
    return done;
  }
  bool cut_off() const override { return cut_off_; }
  bool compressed() const override { return true; }
  // Deflate spends at least two bits on 258 bytes, so 1032 : 1 is the most it reaches.
  std::uint64_t limit() const override { return saturating_product(file_.size, 1032); }
  std::uint64_t file_size() const override { return file_.size; }

 private:
  bool refill() {
    const std::size_t got = file_.read_some(input_);
    stream_.next_in = input_.data();
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }
  // A gzip file may be several, one after the other.
  void next_member() {
    if (!first_) {
      ELBO_CHECK(stream_.next_in[0] == 0x1f, FormatError, file_.name,
                 ": expected the end of the file after its gzip data, found more bytes");
      inflateReset(&stream_);
    }
    first_ = false;
    inside_ = true;
  }
  void check(int code, std::size_t at) const {
    if (code == Z_OK || code == Z_BUF_ERROR) return;
    ELBO_CHECK(code != Z_MEM_ERROR, OutOfMemory, file_.name, ": no memory to inflate");
    fail<FormatError>(file_.name, ": damaged gzip data: ", stream_.msg ? stream_.msg : "wrong stream", ", found after ",
                      at, " inflated bytes");
  }

  InputFile file_;
  std::vector<std::uint8_t> input_;
  z_stream stream_{};
  std::size_t total_ = 0;
  bool first_ = true;
  bool inside_ = false;
  bool ended_ = false;
  bool cut_off_ = false;
};

std::unique_ptr<ByteSource> open_source(InputFile file) {
  ELBO_CHECK(file.size > 0, FormatError, file.name, ": expected data, found an empty file");
  std::uint8_t magic[2] = {};
  const std::size_t got = file.read_some(magic);
  file.seek(0);
  if (got == 2 && magic[0] == 0x1f && magic[1] == 0x8b) return std::make_unique<GzipSource>(std::move(file));
  return std::make_unique<PlainSource>(std::move(file));
}

}  // namespace

std::unique_ptr<ByteSource> ByteSource::open(const std::filesystem::path& path) {
  return open_source(detail::open_input(path));
}

std::unique_ptr<ByteSource> ByteSource::over(std::span<const std::uint8_t> bytes, const std::string& name) {
  return open_source(detail::memory_input(bytes, name));
}

}  // namespace elbo::datasets
