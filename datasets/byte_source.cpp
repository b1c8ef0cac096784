#include "byte_source.h"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "../core/errors.h"

namespace elbo::datasets {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

std::size_t read_some(std::FILE* file, std::span<std::uint8_t> to, const std::string& name) {
  const std::size_t got = std::fread(to.data(), 1, to.size(), file);
  ELBO_CHECK(got == to.size() || !std::ferror(file), IoError, name, ": cannot read: ", std::strerror(errno));
  return got;
}

class PlainSource final : public ByteSource {
 public:
  PlainSource(File file, std::string name, std::uint64_t size)
      : file_(std::move(file)), name_(std::move(name)), size_(size) {}
  std::size_t read(std::span<std::uint8_t> to) override { return read_some(file_.get(), to, name_); }
  bool cut_off() const override { return false; }
  bool compressed() const override { return false; }
  std::uint64_t limit() const override { return size_; }
  std::uint64_t file_size() const override { return size_; }

 private:
  File file_;
  std::string name_;
  std::uint64_t size_;
};

// inflate() itself rather than gzread, which reports a cut-off stream as success until it is closed.
class GzipSource final : public ByteSource {
 public:
  GzipSource(File file, std::string name, std::uint64_t size)
      : file_(std::move(file)), name_(std::move(name)), size_(size), input_(1 << 16) {
    // 15 + 16: the largest window, gzip's header and trailer.
    ELBO_CHECK(inflateInit2(&stream_, 15 + 16) == Z_OK, OutOfMemory, name_, ": no memory to inflate");
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
  std::uint64_t limit() const override { return size_ * 1032; }
  std::uint64_t file_size() const override { return size_; }

 private:
  bool refill() {
    const std::size_t got = read_some(file_.get(), input_, name_);
    stream_.next_in = input_.data();
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }
  // A gzip file may be several, one after the other.
  void next_member() {
    if (!first_) {
      ELBO_CHECK(stream_.next_in[0] == 0x1f, FormatError, name_,
                 ": expected the end of the file after its gzip data, found more bytes");
      inflateReset(&stream_);
    }
    first_ = false;
    inside_ = true;
  }
  void check(int code, std::size_t at) const {
    if (code == Z_OK || code == Z_BUF_ERROR) return;
    ELBO_CHECK(code != Z_MEM_ERROR, OutOfMemory, name_, ": no memory to inflate");
    fail<FormatError>(name_, ": damaged gzip data: ", stream_.msg ? stream_.msg : "wrong stream", ", found after ", at,
                      " inflated bytes");
  }

  File file_;
  std::string name_;
  std::uint64_t size_;
  std::vector<std::uint8_t> input_;
  z_stream stream_{};
  std::size_t total_ = 0;
  bool first_ = true;
  bool inside_ = false;
  bool ended_ = false;
  bool cut_off_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> ByteSource::open(const std::filesystem::path& path) {
  std::string name = path.string();
  File file(std::fopen(name.c_str(), "rb"));
  ELBO_CHECK(file, IoError, name, ": cannot open: ", std::strerror(errno));
  struct stat info {};
  ELBO_CHECK(fstat(fileno(file.get()), &info) == 0, IoError, name, ": cannot read: ", std::strerror(errno));
  ELBO_CHECK(!S_ISDIR(info.st_mode), IoError, name, ": expected a file, found a folder");
  ELBO_CHECK(S_ISREG(info.st_mode), IoError, name, ": expected a regular file, found a pipe or a device");
  const auto size = static_cast<std::uint64_t>(info.st_size);
  ELBO_CHECK(size > 0, FormatError, name, ": expected data, found an empty file");

  std::uint8_t magic[2] = {};
  const std::size_t got = read_some(file.get(), magic, name);
  ELBO_CHECK(std::fseek(file.get(), 0, SEEK_SET) == 0, IoError, name, ": cannot read: ", std::strerror(errno));
  if (got == 2 && magic[0] == 0x1f && magic[1] == 0x8b)
    return std::make_unique<GzipSource>(std::move(file), std::move(name), size);
  return std::make_unique<PlainSource>(std::move(file), std::move(name), size);
}

}  // namespace elbo::datasets
