#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <string_view>

#include "errors.h"
#include "input_detail.h"
#include "io_errors_detail.h"

namespace elbo::detail {
namespace {

using namespace std::string_view_literals;

const char* kind_of_file(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO (a pipe)";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "something else";
}

struct Signature {
  std::size_t at;  ///< the byte at which it lies
  std::string_view bytes;
  const char* what;
};

constexpr const char* html = "an HTML page: was the download redirected?";
constexpr const char* pytorch = "a PyTorch checkpoint: convert it with Python's safetensors";

constexpr Signature signatures[] = {
    {0, "\x89PNG\r\n\x1a\n"sv, "a PNG picture"},
    {0, "\xff\xd8\xff"sv, "a JPEG picture"},
    {0, "GIF8"sv, "a GIF picture"},
    {8, "WEBP"sv, "a WebP picture"},
    {0, "II*\0"sv, "a TIFF picture"},
    {0, "MM\0*"sv, "a TIFF picture"},
    {4, "ftypavif"sv, "an AVIF picture"},
    {4, "ftyphei"sv, "a HEIC picture"},
    {4, "ftypmif1"sv, "a HEIC picture"},
    {4, "ftyp"sv, "a video"},
    {4, "jP  \r\n"sv, "a JPEG 2000 picture"},
    {4, "JXL \r\n"sv, "a JPEG XL picture"},
    {0, "\xff\x0a"sv, "a JPEG XL picture"},
    {0, "8BPS"sv, "a Photoshop picture"},
    {0, "<svg"sv, "an SVG drawing"},
    {0, "<?xml"sv, "an XML file"},
    {0, "%PDF-"sv, "a PDF document"},
    {0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    {0, "\x93NUMPY"sv, "a NumPy array"},
    {0, "MATLAB 7.3 MAT-file"sv, "a MAT-file of version 7.3, which is HDF5"},
    {0, "MATLAB 5.0 MAT-file"sv, "a MAT-file of version 5"},
    // The number that torch.save wrote first before it wrote zip files.
    {0, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."sv, pytorch},
    {0, "GGUF"sv, "a GGUF file"},
    {0, "PAR1"sv, "a Parquet file"},
    {0, "\x1f\x8b"sv, "gzip data"},
    {0, "BZh"sv, "bzip2 data"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "xz data"},
    {0, "\x28\xb5\x2f\xfd"sv, "Zstandard data"},
    {0, "7z\xbc\xaf\x27\x1c"sv, "a 7-Zip archive"},
    {0, "Rar!"sv, "a RAR archive"},
    {257, "ustar"sv, "a tar archive: unpack it"},
    {0, "version https://git-lfs"sv, "a pointer of Git LFS: fetch the file with 'git lfs pull'"},
    {0,
     "\x7f"
     "ELF"sv,
     "a program"},
};

/// A zip file, by the name of the first file in it.
const char* describe_zip(std::string_view text) {
  const std::size_t length = text.size() > 27 ? static_cast<unsigned char>(text[26]) : 0;
  const std::string_view name = text.size() > 30 ? text.substr(30, length) : "";
  if (name.ends_with("/data.pkl") || name.ends_with("/.format_version") || name.ends_with("/byteorder")) return pytorch;
  if (name.ends_with(".npy")) return "NumPy arrays (.npz)";
  return "a zip archive: unpack it";
}

/// After white space and a byte order mark, `<` and a letter, `!` or `?`.
bool looks_like_html(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (first == std::string_view::npos || first + 1 >= text.size() || text[first] != '<') return false;
  const auto next = static_cast<unsigned char>(text[first + 1]);
  return std::isalpha(next) || next == '!' || next == '?';
}

/// Eight bytes of a length below 2^32, then the JSON of a safetensors file's header.
bool looks_like_safetensors(std::string_view text) { return text.size() > 8 && text.substr(4, 5) == "\0\0\0\0{"sv; }

/// The number of a protocol, then a frame, or the beginning of a dictionary, list, tuple, text or number.
bool looks_like_pickle(std::string_view text) {
  return text.size() > 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5 &&
         "}](cXK\x8a\x95"sv.find(text[2]) != std::string_view::npos;
}

std::string hex(std::string_view bytes) {
  const char* digits = "0123456789abcdef";
  std::string out;
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (!out.empty()) out += ' ';
    out += {digits[byte >> 4], digits[byte & 15]};
  }
  return out;
}

}  // namespace

std::size_t InputFile::read_some(std::span<std::uint8_t> to) {
  errno = 0;
  const std::size_t got = std::fread(to.data(), 1, to.size(), file.get());
  if (got < to.size() && std::ferror(file.get())) fail_io(name + ": cannot read", errno);
  return got;
}

void InputFile::seek(std::uint64_t position) {
  if (fseeko(file.get(), static_cast<off_t>(position), SEEK_SET) != 0) fail_io(name + ": cannot read", errno);
}

InputFile open_input(const std::filesystem::path& path) {
  InputFile out;
  out.name = path.string();
  // O_NONBLOCK: the open of a FIFO that nobody writes to would wait for ever. On a regular file it means nothing.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (descriptor < 0) fail_io(out.name + ": cannot open", errno);
  struct stat info {};
  const bool known = fstat(descriptor, &info) == 0;
  const int reason = errno;
  if (known && S_ISREG(info.st_mode)) out.file.reset(fdopen(descriptor, "rb"));
  if (!out.file) ::close(descriptor);
  if (!known) fail_io(out.name + ": cannot open", reason);
  ELBO_CHECK(S_ISREG(info.st_mode), IoError, out.name, ": expected a regular file, found ", kind_of_file(info.st_mode));
  ELBO_CHECK(out.file, OutOfMemory, out.name, ": no memory to open it");
  out.size = static_cast<std::uint64_t>(info.st_size);
  return out;
}

InputFile memory_input(std::span<const std::uint8_t> bytes, std::string name) {
  InputFile out;
  out.name = std::move(name);
  out.size = bytes.size();
  // It only reads.
  out.file.reset(fmemopen(const_cast<std::uint8_t*>(bytes.data()), bytes.size(), "rb"));
  ELBO_CHECK(out.file, OutOfMemory, out.name, ": no memory to read it");
  return out;
}

bool has_name(int file, const std::filesystem::path& path) {
  struct stat by_file {
  }, by_name{};
  return fstat(file, &by_file) == 0 && lstat(path.c_str(), &by_name) == 0 && by_file.st_ino == by_name.st_ino &&
         by_file.st_dev == by_name.st_dev;
}

std::string describe_content(std::span<const std::uint8_t> start) {
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  if (text.empty()) return "nothing";
  // First: the length may be any bytes.
  if (looks_like_safetensors(text)) return "a safetensors file";
  if (text.starts_with("PK\x03\x04")) return describe_zip(text);
  for (const Signature& signature : signatures)
    if (text.size() >= signature.at && text.substr(signature.at).starts_with(signature.bytes)) return signature.what;
  if (text.starts_with("BM") && text.size() > 10 && text.substr(6, 4) == "\0\0\0\0"sv) return "a BMP picture";
  if (looks_like_html(text)) return html;
  if (looks_like_pickle(text)) return "a Python pickle";
  return "something else (first bytes " + hex(text.substr(0, 4)) + ")";
}

}  // namespace elbo::detail
