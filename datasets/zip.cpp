#include <zlib.h>

#include <algorithm>
#include <array>
#include <optional>

#include "../core/errors.h"
#include "../core/text.h"
#include "files_detail.h"
#include "zip_detail.h"

namespace elbo::datasets {
namespace {

constexpr std::uint32_t entry_mark = 0x02014b50, member_mark = 0x04034b50, end_mark = 0x06054b50;
constexpr std::size_t entry_bytes = 46, member_bytes = 30, end_bytes = 22;
constexpr std::uint64_t most_directory = 1 << 20;
constexpr std::uint16_t stored = 0, deflated = 8;

std::uint16_t two(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] | bytes[at + 1] << 8);
}
std::uint32_t four(std::span<const std::uint8_t> bytes, std::size_t at) {
  return two(bytes, at) | std::uint32_t{two(bytes, at + 2)} << 16;
}
std::string text(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t size) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(at + size)};
}

}  // namespace

struct ZipFile::Inflater {
  explicit Inflater(const std::string& file) : input(1 << 16) {
    // Without zlib's own header and trailer.
    ELBO_CHECK(inflateInit2(&stream, -15) == Z_OK, OutOfMemory, file, ": no memory to inflate");
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::vector<std::uint8_t> input;
  z_stream stream{};
  bool ended = false;
};

ZipFile::ZipFile(detail::InputFile file) : file_(std::move(file)) { read_directory(); }
ZipFile::~ZipFile() = default;

std::string ZipFile::here() const {
  return file_.name + (open_.name.empty() ? ": " : ": member " + in_quotes(open_.name) + ": ");
}

void ZipFile::read_file(std::uint64_t at, std::span<std::uint8_t> to, const char* what) {
  file_.seek(at);
  const std::size_t got = file_.read_some(to);
  ELBO_CHECK(got == to.size(), FormatError, here(), "expected ", to.size(), " bytes of ", what, " at byte ", at,
             ", found ", got);
}

void ZipFile::read_directory() {
  // The end of the directory is the end of the file, but for a comment.
  std::vector<std::uint8_t> tail(std::min<std::uint64_t>(file_.size, end_bytes + 65535));
  read_file(file_.size - tail.size(), tail, "a ZIP archive");
  std::optional<std::size_t> found;
  for (std::size_t at = tail.size() + 1; at-- > end_bytes && !found;) {
    const std::size_t begin = at - end_bytes;
    if (four(tail, begin) == end_mark && two(tail, begin + 20) == tail.size() - at) found = begin;
  }
  if (!found) {
    std::vector<std::uint8_t> start(std::min<std::uint64_t>(file_.size, 300));
    read_file(0, start, "a ZIP archive");
    const bool cut = start.size() >= 4 && four(start, 0) == member_mark;
    fail<FormatError>(file_.name, ": expected a ZIP archive, found ",
                      cut ? "one without its end: is it cut off?" : detail::describe_content(start));
  }
  const auto end = std::span<const std::uint8_t>(tail).subspan(*found);
  const std::uint64_t end_at = file_.size - tail.size() + *found;
  const std::uint64_t count = two(end, 10), size = four(end, 12);
  directory_ = four(end, 16);
  ELBO_CHECK(count != 0xffff && size != 0xffffffff && directory_ != 0xffffffff, FormatError, file_.name,
             ": expected a ZIP archive below 4 GiB, found ZIP64");
  ELBO_CHECK(two(end, 4) == 0 && two(end, 6) == 0 && two(end, 8) == count, FormatError, file_.name,
             ": expected a ZIP archive on one disk, found a part of one on several");
  ELBO_CHECK(directory_ + size == end_at, FormatError, file_.name, ": expected a ZIP directory that ends at byte ",
             end_at, ", found one of ", size, " bytes at byte ", directory_);
  ELBO_CHECK(size <= most_directory, FormatError, file_.name, ": expected a ZIP directory of at most ", most_directory,
             " bytes, found ", size);
  std::vector<std::uint8_t> directory(size);
  read_file(directory_, directory, "its ZIP directory");
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < count; ++i) members_.push_back(read_entry(directory, at));
  ELBO_CHECK(at == size, FormatError, file_.name, ": expected ", count, " members in ", size,
             " bytes of its ZIP directory, found ", size - at, " bytes more");
}

ZipMember ZipFile::read_entry(std::span<const std::uint8_t> directory, std::size_t& at) const {
  const std::span<const std::uint8_t> entry = directory.subspan(at);
  ELBO_CHECK(entry.size() >= entry_bytes && four(entry, 0) == entry_mark, FormatError, file_.name,
             ": expected a member at byte ", at, " of its ZIP directory, found ",
             entry.size() < entry_bytes ? "its end" : "something else");
  ZipMember out;
  out.flags = two(entry, 8);
  out.method = two(entry, 10);
  out.checksum = four(entry, 16);
  out.packed = four(entry, 20);
  out.size = four(entry, 24);
  out.begin = four(entry, 42);
  const std::size_t name = two(entry, 28), all = entry_bytes + name + two(entry, 30) + two(entry, 32);
  ELBO_CHECK(name > 0 && all <= entry.size(), FormatError, file_.name, ": expected a name and ", all,
             " bytes of the member at byte ", at, " of its ZIP directory, found a name of ", name, " bytes and ",
             entry.size(), " bytes");
  out.name = text(entry, entry_bytes, name);
  at += all;
  return out;
}

void ZipFile::open(const ZipMember& member) {
  open_ = member;
  done_ = 0;
  checksum_ = 0;
  inflater_.reset();
  ELBO_CHECK((member.flags & 1) == 0, FormatError, here(), "expected plain data, found encrypted");
  ELBO_CHECK(member.method == stored || member.method == deflated, FormatError, here(),
             "expected it stored or deflated (ZIP method 0 or 8), found method ", member.method);
  ELBO_CHECK(member.packed != 0xffffffff && member.size != 0xffffffff && member.begin != 0xffffffff, FormatError,
             here(), "expected less than 4 GiB, found ZIP64");
  // Deflate spends at least two bits on 258 bytes.
  const std::uint64_t can_hold = member.method == stored ? member.packed : saturating_product(member.packed, 1032);
  ELBO_CHECK(member.size <= can_hold && (member.method == deflated || member.size == member.packed), FormatError,
             here(), "it promises ", member.size, " bytes, found ", member.packed, " in the file, which can hold ",
             can_hold);
  ELBO_CHECK(member.begin + member_bytes <= directory_, FormatError, here(),
             "expected it before the directory at byte ", directory_, ", found it at byte ", member.begin);
  std::array<std::uint8_t, member_bytes> header{};
  read_file(member.begin, header, "its header");
  ELBO_CHECK(four(header, 0) == member_mark && two(header, 8) == member.method, FormatError, here(),
             "expected its header at byte ", member.begin, ", found something else");
  const std::uint64_t content = member.begin + member_bytes + two(header, 26) + two(header, 28);
  ELBO_CHECK(content + member.packed <= directory_, FormatError, here(), "expected ", member.packed,
             " bytes from byte ", content, ", found the directory at byte ", directory_);
  std::vector<std::uint8_t> name(two(header, 26));
  read_file(member.begin + member_bytes, name, "its name");
  ELBO_CHECK(text(name, 0, name.size()) == member.name, FormatError, here(), "expected that name in its header, found ",
             in_quotes(text(name, 0, name.size())));
  file_.seek(content);
  packed_left_ = member.packed;
  if (member.method == deflated) inflater_ = std::make_unique<Inflater>(file_.name);
}

std::size_t ZipFile::inflate_some(std::span<std::uint8_t> to) {
  Inflater& in = *inflater_;
  std::size_t done = 0;
  while (done < to.size() && !in.ended) {
    if (in.stream.avail_in == 0) {
      const std::size_t got =
          file_.read_some(std::span(in.input).first(std::min<std::uint64_t>(in.input.size(), packed_left_)));
      if (got == 0) break;
      packed_left_ -= got;
      in.stream.next_in = in.input.data();
      in.stream.avail_in = static_cast<uInt>(got);
    }
    const std::size_t step = std::min<std::size_t>(to.size() - done, 1u << 30);
    in.stream.next_out = to.data() + done;
    in.stream.avail_out = static_cast<uInt>(step);
    const int code = inflate(&in.stream, Z_NO_FLUSH);
    done += step - in.stream.avail_out;
    in.ended = code == Z_STREAM_END;
    ELBO_CHECK(code != Z_MEM_ERROR, OutOfMemory, here(), "no memory to inflate");
    ELBO_CHECK(in.ended || code == Z_OK || code == Z_BUF_ERROR, FormatError, here(),
               "damaged deflate data: ", in.stream.msg ? in.stream.msg : "wrong stream", ", found after ", done_ + done,
               " bytes");
  }
  return done;
}

void ZipFile::read(std::span<std::uint8_t> to) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), open_.size - done_));
  const std::size_t got = inflater_ ? inflate_some(to.first(wanted)) : file_.read_some(to.first(wanted));
  done_ += got;
  // crc32() takes no more than 32 bits of a size.
  for (std::size_t at = 0; at < got; at += std::size_t{1} << 30) {
    const std::size_t part = std::min(got - at, std::size_t{1} << 30);
    checksum_ = static_cast<std::uint32_t>(crc32(checksum_, to.data() + at, static_cast<uInt>(part)));
  }
  ELBO_CHECK(got == to.size(), FormatError, here(), "expected ", done_ - got + to.size(), " bytes or more, found ",
             done_);
}

void ZipFile::finish() {
  ELBO_CHECK(done_ == open_.size, FormatError, here(), "expected ", done_, " bytes, found ", open_.size);
  if (inflater_) {
    std::uint8_t beyond = 0;
    const std::size_t more = inflate_some({&beyond, 1});
    ELBO_CHECK(more == 0 && inflater_->ended && inflater_->stream.avail_in == 0 && packed_left_ == 0, FormatError,
               here(), "expected the end of its deflate data after ", done_, " bytes, found ",
               more > 0 || inflater_->ended ? "more of them" : "them cut off");
  }
  ELBO_CHECK(checksum_ == open_.checksum, FormatError, here(), "damaged: its checksum is not the one in the directory");
}

}  // namespace elbo::datasets
