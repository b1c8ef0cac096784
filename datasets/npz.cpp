// Pictures and the factors that they were drawn from, in the form of dSprites (Matthey, Higgins, Hassabis and Lerchner,
// "dSprites: Disentanglement testing Sprites dataset", 2017): a ZIP archive of NumPy arrays, of which two are read,
// imgs, uint8 [n, height, width], and latents_classes, int64 [n, factors].
#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <new>
#include <system_error>

#include "../core/errors.h"
#include "../core/text.h"
#include "files_detail.h"
#include "readers_detail.h"
#include "sources_detail.h"
#include "split.h"
#include "zip_detail.h"

namespace elbo::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t most_pictures = std::int64_t{1} << 24;
constexpr std::uint64_t most_row = std::uint64_t{1} << 26;

/// What the header of a NumPy array says.
struct NpyHeader {
  std::string type = {};  ///< as NumPy writes it: `|u1`, `<i8`
  bool fortran = false;
  std::vector<std::uint64_t> shape = {};
};

std::string to_text(const NpyHeader& header) {
  std::vector<std::string> sizes;
  for (const std::uint64_t size : header.shape) sizes.push_back(std::to_string(size));
  return detail::concat(in_quotes(header.type), header.fortran ? ", column by column," : "", " [", join(sizes), "]");
}

/// Reads the dictionary `{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4), }`, its keys in any order.
class NpyText {
 public:
  NpyText(std::string where, std::string text) : where_(std::move(where)), text_(std::move(text)) {}

  NpyHeader read() {
    NpyHeader out;
    bool type = false, order = false, shape = false;
    expect('{');
    while (!take('}')) {
      const std::string key = quoted();
      expect(':');
      bool& seen = key == "descr" ? type : key == "fortran_order" ? order : shape;
      if (seen || (&seen == &shape && key != "shape")) fail_here();
      seen = true;
      if (&seen == &type) out.type = quoted();
      if (&seen == &order) out.fortran = truth();
      if (&seen == &shape) out.shape = sizes();
      if (take('}')) break;
      expect(',');
    }
    skip_space();
    if (at_ != text_.size() || !type || !order || !shape) fail_here();
    return out;
  }

 private:
  [[noreturn]] void fail_here() const {
    fail<FormatError>(where_, "expected descr, fortran_order and shape in a NumPy header, found ", in_quotes(text_));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail_here();
  }
  std::string quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '\'' && quote != '"') fail_here();
    const std::size_t begin = at_ + 1, end = text_.find(quote, begin);
    if (end == std::string::npos) fail_here();
    at_ = end + 1;
    return text_.substr(begin, end - begin);
  }
  bool truth() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string word = value ? "True" : "False";
      if (text_.compare(at_, word.size(), word) != 0) continue;
      at_ += word.size();
      return value;
    }
    fail_here();
  }
  std::vector<std::uint64_t> sizes() {
    std::vector<std::uint64_t> out;
    expect('(');
    while (!take(')')) {
      skip_space();
      std::uint64_t value = 0;
      const std::size_t begin = at_;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && at_ - begin < 19; ++at_)
        value = value * 10 + static_cast<std::uint64_t>(text_[at_] - '0');
      if (at_ == begin) fail_here();
      out.push_back(value);
      if (take(')')) break;
      expect(',');
    }
    return out;
  }

  std::string where_, text_;
  std::size_t at_ = 0;
};

/// An array of the archive, opened, its header read and compared with its size.
NpyHeader open_array(ZipFile& zip, const std::string& name) {
  const ZipMember* found = nullptr;
  std::string others;
  for (const ZipMember& member : zip.members()) {
    if (member.name == name + ".npy") {
      ELBO_CHECK(!found, FormatError, zip.name(), ": expected one array ", name, ", found two");
      found = &member;
    } else if (others.size() < 100) {
      others += (others.empty() ? "" : ", ") + printable(member.name, 40);
    }
  }
  ELBO_CHECK(found, FormatError, zip.name(), ": expected arrays imgs and latents_classes, found no ", name,
             others.empty() ? "" : " but " + others);
  zip.open(*found);
  const std::string where = zip.name() + ": array " + name + ": ";
  std::array<std::uint8_t, 8> start{};
  zip.read(start);
  ELBO_CHECK(std::memcmp(start.data(), "\x93NUMPY", 6) == 0 && start[6] >= 1 && start[6] <= 3 && start[7] == 0,
             FormatError, where, "expected a NumPy array of version 1, 2 or 3, found ",
             detail::describe_content(start));
  std::array<std::uint8_t, 4> raw{};
  const std::size_t width = start[6] == 1 ? 2 : 4;
  zip.read(std::span(raw).first(width));
  const std::uint32_t length = raw[0] | raw[1] << 8 | raw[2] << 16 | std::uint32_t{raw[3]} << 24;
  ELBO_CHECK(length <= 65535, FormatError, where, "expected a NumPy header of at most 65535 bytes, found ", length);
  std::string text(length, '\0');
  zip.read({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  NpyHeader out = NpyText(where, text).read();
  const bool bytes = out.type == "|u1", integers = out.type == "<i8" || out.type == ">i8";
  if (bytes || integers) {
    std::uint64_t content = bytes ? 1 : 8;
    for (const std::uint64_t size : out.shape) content = saturating_product(content, size);
    const std::uint64_t held = found->size - start.size() - width - length;
    ELBO_CHECK(content == held, FormatError, where, "expected ", content, " bytes for ", to_text(out), ", found ",
               held);
  }
  return out;
}

/// Reads n rows and hands them on, at most some 64 KiB at a time: on_rows(number of the first, bytes).
void read_rows(ZipFile& zip, std::int64_t n, std::uint64_t row,
               const std::function<void(std::int64_t, std::span<std::uint8_t>)>& on_rows) {
  const auto most = static_cast<std::int64_t>(std::max<std::uint64_t>(1, (1 << 16) / row));
  std::vector<std::uint8_t> block;
  for (std::int64_t begin = 0; begin < n;) {
    const std::int64_t count = std::min(most, n - begin);
    block.resize(static_cast<std::size_t>(count) * row);
    zip.read(block);
    on_rows(begin, block);
    begin += count;
  }
  zip.finish();
}

/// Which rows are kept, and where: place[i] of row i, or -1.
struct Chosen {
  std::vector<std::int32_t> place = {};
  std::int64_t count = 0;
};

Chosen choose(const std::string& file, std::int64_t n, Split split, std::int64_t count) {
  ELBO_CHECK(n >= 10 && n <= most_pictures, FormatError, file, ": expected 10 to ", most_pictures,
             " pictures, a tenth of them to test on, found ", n);
  const bool train = split == Split::train;
  const std::int64_t most = train ? n - n / 10 : n / 10;
  ELBO_CHECK(count >= 0 && (count <= most || !train), ValueError, file, ": expected a count from 1 to ", most,
             " pictures to train on, or 0 for all, found ", count);
  Chosen out{std::vector<std::int32_t>(static_cast<std::size_t>(n), -1), count == 0 ? most : std::min(count, most)};
  const std::vector<std::int64_t> order = permutation(n, 0, Stream::split);
  const std::int64_t first = train ? 0 : n - n / 10;
  for (std::int64_t i = 0; i < out.count; ++i)
    out.place[static_cast<std::size_t>(order[static_cast<std::size_t>(first + i)])] = static_cast<std::int32_t>(i);
  return out;
}

/// The factors of the chosen rows, and of each the largest value of all rows.
struct Factors {
  std::vector<std::int64_t> values = {}, largest = {};
};

Factors read_factors(ZipFile& zip, const NpyHeader& header, const Chosen& chosen) {
  const std::size_t f = header.shape[1];
  const bool swapped = (header.type[0] == '<') != (std::endian::native == std::endian::little);
  std::vector<std::int64_t> all;  // grown by what has arrived
  Factors out{{}, std::vector<std::int64_t>(f)};
  read_rows(zip, static_cast<std::int64_t>(header.shape[0]), 8 * f, [&](std::int64_t, std::span<std::uint8_t> bytes) {
    if (swapped) reverse_elements(bytes, 8);
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      std::int64_t value = 0;
      std::memcpy(&value, &bytes[at], 8);
      ELBO_CHECK(value >= 0 && value < 65536, FormatError, zip.name(),
                 ": expected latents_classes from 0 to 65535, found ", value, " for picture ", all.size() / f);
      std::int64_t& largest = out.largest[all.size() % f];
      largest = std::max(largest, value);
      all.push_back(value);
    }
  });
  out.values.resize(static_cast<std::size_t>(chosen.count) * f);
  for (std::size_t row = 0; row < chosen.place.size(); ++row)
    if (const std::int32_t place = chosen.place[row]; place >= 0)
      std::copy_n(&all[row * f], f, &out.values[static_cast<std::size_t>(place) * f]);
  return out;
}

/// The chosen pictures; where the file has bytes of 0 and 1 alone, 1 becomes 255. Memory that nothing has been written
/// to yet is promised by the system, not taken.
Array read_pictures(ZipFile& zip, const NpyHeader& header, const Chosen& chosen, std::vector<std::string>& notes) {
  const std::size_t size = header.shape[1] * header.shape[2];
  Array out = Array::empty(
      {chosen.count, 1, static_cast<std::int64_t>(header.shape[1]), static_cast<std::int64_t>(header.shape[2])},
      {DType::uint8});
  const std::span<std::uint8_t> to = out.mutable_values<std::uint8_t>();
  std::uint8_t largest = 0;
  read_rows(zip, static_cast<std::int64_t>(header.shape[0]), size,
            [&](std::int64_t first, std::span<std::uint8_t> bytes) {
              for (const std::uint8_t byte : bytes) largest = std::max(largest, byte);
              for (std::size_t row = 0; row < bytes.size() / size; ++row)
                if (const std::int32_t place = chosen.place[static_cast<std::size_t>(first) + row]; place >= 0)
                  std::copy_n(&bytes[row * size], size, &to[static_cast<std::size_t>(place) * size]);
            });
  if (largest > 1) return out;
  for (std::uint8_t& byte : to) byte = byte != 0 ? 255 : 0;
  notes.push_back(zip.name() + ": its pictures have the bytes 0 and 1 alone; 1 is read as 255");
  return out;
}

void check_headers(const std::string& file, const NpyHeader& pictures, const NpyHeader& factors) {
  ELBO_CHECK(pictures.type == "|u1" && !pictures.fortran && pictures.shape.size() == 3 && pictures.shape[1] > 0 &&
                 pictures.shape[2] > 0 && saturating_product(pictures.shape[1], pictures.shape[2]) <= most_row,
             FormatError, file, ": expected imgs, '|u1' [n, height, width] of at most ", most_row, " pixels, found ",
             to_text(pictures));
  ELBO_CHECK((factors.type == "<i8" || factors.type == ">i8") && !factors.fortran && factors.shape.size() == 2 &&
                 factors.shape[1] >= 1 && factors.shape[1] <= 256,
             FormatError, file, ": expected latents_classes, '<i8' [n, factors] of at most 256, found ",
             to_text(factors));
  ELBO_CHECK(pictures.shape[0] == factors.shape[0], FormatError, file, ": expected factors for each of ",
             pictures.shape[0], " pictures, found them for ", factors.shape[0]);
}

std::vector<std::string> candidates(const fs::path& dir) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error))
    if (lower(it->path().extension().string()) == ".npz" && is_file(it->path()))
      out.push_back(it->path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

fs::path only_file(const fs::path& dir) {
  const std::vector<std::string> files = candidates(dir);
  ELBO_CHECK(!files.empty(), IoError, dir.string(), ": expected a file that ends in .npz, found none");
  ELBO_CHECK(files.size() == 1, ValueError, dir.string(), ": expected one file that ends in .npz, found ", join(files));
  return dir / files[0];
}

}  // namespace

Dataset read_npz(detail::InputFile input, Split split, std::int64_t count) {
  ZipFile zip(std::move(input));
  const NpyHeader pictures = open_array(zip, "imgs"), factors = open_array(zip, "latents_classes");
  check_headers(zip.name(), pictures, factors);
  const Chosen chosen = choose(
      zip.name(), static_cast<std::int64_t>(std::min<std::uint64_t>(pictures.shape[0], INT64_MAX)), split, count);
  Dataset out;
  // The archive stands at the factors.
  Factors read = read_factors(zip, factors, chosen);
  open_array(zip, "imgs");
  out.features = read_pictures(zip, pictures, chosen, out.notes);
  out.factors = std::move(read.values);
  const std::size_t f = factors.shape[1];
  if (f == 6 && read.largest[0] == 0 && read.largest[1] == 2) {
    out.factor_names = {"color", "shape", "scale", "orientation", "x", "y"};
    out.class_names = {"square", "ellipse", "heart"};
    for (std::size_t at = 1; at < out.factors.size(); at += f) out.labels.push_back(out.factors[at]);
  } else {
    for (std::size_t j = 0; j < f; ++j) out.factor_names.push_back("factor " + std::to_string(j));
  }
  return out;
}

bool holds_npz(const fs::path& dir) { return !candidates(dir).empty(); }

Dataset read_npz_place(const Reader&, Split split, const fs::path& place, const LoadOptions& options) {
  const fs::path path = is_file(place) ? place : only_file(place);
  try {
    return read_npz(detail::open_input(path), split, options.count);
  } catch (const std::bad_alloc&) {
    fail<OutOfMemory>(path.string(), ": no memory for its pictures");
  }
}

}  // namespace elbo::datasets
