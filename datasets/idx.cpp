#include "idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <optional>
#include <string>

#include "../core/errors.h"
#include "../core/file.h"
#include "../core/input_detail.h"
#include "files_detail.h"
#include "sources_detail.h"

namespace elbo::datasets {
namespace {

constexpr std::size_t chunk = 1 << 20;

struct TypeInfo {
  IdxType type;
  std::size_t size;
  const char* name;
};
constexpr TypeInfo types[] = {{IdxType::uint8, 1, "uint8"},     {IdxType::int8, 1, "int8"},
                              {IdxType::int16, 2, "int16"},     {IdxType::int32, 4, "int32"},
                              {IdxType::float32, 4, "float32"}, {IdxType::float64, 8, "float64"}};

const TypeInfo* find_type(std::uint8_t code) {
  for (const TypeInfo& info : types)
    if (static_cast<std::uint8_t>(info.type) == code) return &info;
  return nullptr;
}

std::uint32_t big_endian(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | std::uint32_t{p[3]};
}

/// Between the file's byte order and the machine's; the same both ways.
void swap_bytes(std::span<std::uint8_t> bytes, std::size_t element) {
  if (std::endian::native != std::endian::big) reverse_elements(bytes, element);
}

std::string hex(std::uint8_t byte) {
  const char* digits = "0123456789abcdef";
  return {digits[byte >> 4], digits[byte & 15]};
}

/// Ends the reading of a file that does not begin as IDX does, saying what it looks like instead.
[[noreturn]] void fail_magic(ByteSource& source, const std::string& file, std::span<const std::uint8_t> start) {
  std::vector<std::uint8_t> text(start.begin(), start.end());
  text.resize(300);
  text.resize(start.size() + source.read(std::span(text).subspan(start.size())));
  fail<FormatError>(file, ": expected an IDX file or its gzip (first bytes 00 00), found ",
                    detail::describe_content(text));
}

struct Header {
  TypeInfo info;
  Shape shape;
  std::uint64_t bytes;  // of the elements
  std::uint64_t total;  // of the whole file
};

Header read_header(ByteSource& source, const std::string& file) {
  std::array<std::uint8_t, 4> magic{};
  std::size_t got = source.read(magic);
  if (got < magic.size() || magic[0] != 0 || magic[1] != 0) fail_magic(source, file, std::span(magic).first(got));
  const TypeInfo* info = find_type(magic[2]);
  ELBO_CHECK(info, FormatError, file, ": expected element type 08, 09, 0b, 0c, 0d or 0e in the IDX header, found ",
             hex(magic[2]));
  const std::size_t rank = magic[3];
  ELBO_CHECK(rank >= 1 && rank <= Shape::max_rank, FormatError, file, ": expected 1 to ", Shape::max_rank,
             " dimensions in the IDX header, found ", rank);
  std::array<std::uint8_t, 4 * Shape::max_rank> fields{};
  got = source.read(std::span(fields).first(4 * rank));
  ELBO_CHECK(got == 4 * rank, FormatError, file, ": truncated in the IDX header: expected ", 4 + 4 * rank,
             " bytes, found ", found_bytes(source, 4 + got));
  std::array<std::int64_t, Shape::max_rank> sizes{};
  std::uint64_t bytes = info->size;
  bool none = false;
  std::string text;
  for (std::size_t i = 0; i < rank; ++i) {
    sizes[i] = big_endian(&fields[4 * i]);
    none = none || sizes[i] == 0;
    bytes = saturating_product(bytes, std::max<std::uint64_t>(sizes[i], 1));
    text += (i == 0 ? "" : ", ") + std::to_string(sizes[i]);
  }
  // Beside a size of 0 the others need no room in the file, but their product is still to be a number.
  ELBO_CHECK(!none || bytes < std::uint64_t{1} << 62, FormatError, file,
             ": expected sizes whose product is below 2^62 in the IDX header, found [", text, "]");
  if (none) bytes = 0;
  const std::uint64_t total = bytes + 4 + 4 * rank;
  ELBO_CHECK(total <= source.limit(), FormatError, file, ": the header promises [", text, "] ", info->name,
             " elements, ", total, " bytes in all, found ",
             source.compressed()
                 ? detail::concat("a gzip file of ", source.file_size(), " bytes, which can hold ", source.limit())
                 : detail::concat("a file of ", source.file_size(), " bytes"));
  return {*info, Shape(std::span<const std::int64_t>(sizes.data(), rank)), bytes, total};
}

std::vector<std::uint8_t> read_elements(ByteSource& source, const std::string& file, const Header& header) {
  std::vector<std::uint8_t> out;
  if (!source.compressed()) out.reserve(header.bytes);  // the file's size has confirmed it
  std::uint64_t done = 0;
  while (done < header.bytes) {
    // Grown by what has arrived, not by what is promised.
    const std::uint64_t step = std::min(header.bytes - done, std::max<std::uint64_t>(chunk, done));
    if (out.capacity() < done + step) out.reserve(done + step);
    out.resize(done + step);
    const std::size_t got = source.read(std::span(out).subspan(done, step));
    done += got;
    ELBO_CHECK(got == step, FormatError, file, ": truncated: expected ", header.total, " bytes for ", header.shape, " ",
               header.info.name, " elements, found ", found_bytes(source, header.total - header.bytes + done));
  }
  std::uint8_t beyond = 0;
  const std::size_t more = source.read({&beyond, 1});
  ELBO_CHECK(!source.cut_off(), FormatError, file,
             ": truncated: expected a complete gzip file, found it cut off after ",
             "the elements, before its checksum");
  ELBO_CHECK(more == 0, FormatError, file, ": expected ", header.total, " bytes for ", header.shape, " ",
             header.info.name, " elements, found more bytes after the end",
             source.compressed() ? std::string() : detail::concat(": ", source.file_size()));
  return out;
}

/// Gives bytes on to a file as gzip.
class GzipWriter {
 public:
  explicit GzipWriter(AtomicFile& file) : file_(file), output_(1 << 16) {
    ELBO_CHECK(deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK,
               OutOfMemory, "no memory to compress");
  }
  ~GzipWriter() { deflateEnd(&stream_); }
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;

  void write(std::span<const std::uint8_t> bytes, int flush = Z_NO_FLUSH) {
    stream_.next_in = const_cast<Bytef*>(bytes.data());
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      stream_.next_out = output_.data();
      stream_.avail_out = static_cast<uInt>(output_.size());
      deflate(&stream_, flush);
      file_.write(std::as_bytes(std::span(output_).first(output_.size() - stream_.avail_out)));
    } while (stream_.avail_out == 0);
  }
  void finish() { write({}, Z_FINISH); }

 private:
  AtomicFile& file_;
  z_stream stream_{};
  std::vector<std::uint8_t> output_;
};

std::vector<std::uint8_t> header_bytes(IdxType type, const Shape& shape) {
  std::vector<std::uint8_t> out = {0, 0, static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(shape.rank())};
  for (std::int64_t size : shape)
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(size >> shift));
  return out;
}

}  // namespace

std::size_t size_of(IdxType type) {
  const TypeInfo* info = find_type(static_cast<std::uint8_t>(type));
  return info ? info->size : 0;
}

const char* name(IdxType type) {
  const TypeInfo* info = find_type(static_cast<std::uint8_t>(type));
  return info ? info->name : "?";
}

void IdxArray::check_type(IdxType wanted) const {
  ELBO_CHECK(type == wanted, DTypeError, "[values] the IDX file holds ", name(type), ", asked for ", name(wanted));
}

IdxArray read_idx(ByteSource& source, const std::string& file) {
  const Header header = read_header(source, file);
  IdxArray out;
  out.type = header.info.type;
  out.shape = header.shape;
  try {
    out.bytes = read_elements(source, file, header);
  } catch (const std::bad_alloc&) {
    fail<OutOfMemory>(file, ": no memory for ", header.bytes, " bytes of ", header.shape, " ", header.info.name,
                      " elements");
  }
  swap_bytes(out.bytes, header.info.size);
  return out;
}

IdxArray read_idx(const std::filesystem::path& path) { return read_idx(*ByteSource::open(path), path.string()); }

void write_idx(const std::filesystem::path& path, IdxType type, const Shape& shape,
               std::span<const std::uint8_t> bytes) {
  const std::string file = path.string();
  const std::size_t element = size_of(type);
  ELBO_CHECK(shape.rank() >= 1, ShapeError, file, ": expected at least one dimension to write as IDX, found ", shape);
  ELBO_CHECK(bytes.size() == static_cast<std::size_t>(shape.numel()) * element, ShapeError, file, ": expected ",
             shape.numel(), " elements of ", element, " bytes for shape ", shape, ", found ", bytes.size(), " bytes");
  for (std::int64_t size : shape)
    ELBO_CHECK(size < std::int64_t{1} << 32, ShapeError, file, ": expected sizes below 2^32, found ", shape);

  AtomicFile out(path);
  std::optional<GzipWriter> gzip;
  if (path.extension() == ".gz") gzip.emplace(out);
  const auto put = [&](std::span<const std::uint8_t> block) {
    if (gzip)
      gzip->write(block);
    else
      out.write(std::as_bytes(block));
  };
  put(header_bytes(type, shape));
  std::vector<std::uint8_t> block;
  for (std::size_t done = 0; done < bytes.size(); done += block.size()) {
    const auto part = bytes.subspan(done, std::min(chunk, bytes.size() - done));
    block.assign(part.begin(), part.end());
    swap_bytes(block, element);
    put(block);
  }
  if (gzip) gzip->finish();
  out.commit();
}

}  // namespace elbo::datasets
