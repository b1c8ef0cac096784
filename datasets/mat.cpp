#include "mat.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <type_traits>

#include "../core/errors.h"
#include "../core/text.h"
#include "byte_source.h"
#include "files_detail.h"
#include "mat_element_detail.h"

namespace elbo::datasets {
namespace {

constexpr std::size_t mat_chunk = 1 << 20;

struct MatTypeInfo {
  MatType type;
  std::size_t size;
  const char* name;
};
constexpr MatTypeInfo mat_types[] = {
    {MatType::cell, 0, "cell array"}, {MatType::structure, 0, "structure"}, {MatType::object, 0, "object"},
    {MatType::text, 0, "text"},       {MatType::sparse, 0, "sparse array"}, {MatType::float64, 8, "float64"},
    {MatType::float32, 4, "float32"}, {MatType::int8, 1, "int8"},           {MatType::uint8, 1, "uint8"},
    {MatType::int16, 2, "int16"},     {MatType::uint16, 2, "uint16"},       {MatType::int32, 4, "int32"},
    {MatType::uint32, 4, "uint32"},   {MatType::int64, 8, "int64"},         {MatType::uint64, 8, "uint64"}};

const MatTypeInfo* find_type(MatType type) {
  for (const MatTypeInfo& info : mat_types)
    if (info.type == type) return &info;
  return nullptr;
}

/// The types of elements, "mi...": how the numbers lie in the file, which may be shorter than a variable's class.
struct Storage {
  std::uint32_t code;
  MatType type;
};
constexpr Storage storages[] = {
    {1, MatType::int8},   {2, MatType::uint8},   {3, MatType::int16},   {4, MatType::uint16}, {5, MatType::int32},
    {6, MatType::uint32}, {7, MatType::float32}, {9, MatType::float64}, {12, MatType::int64}, {13, MatType::uint64}};
constexpr std::uint32_t mi_int8 = 1, mi_uint8 = 2, mi_int32 = 5, mi_uint32 = 6, mi_matrix = 14, mi_compressed = 15,
                        mi_utf8 = 16;

std::optional<MatType> find_storage(std::uint32_t code) {
  for (const Storage& one : storages)
    if (one.code == code) return one.type;
  return std::nullopt;
}

/// Calls fn with a null pointer to the C++ type.
template <class Fn>
void with_type(MatType type, Fn&& fn) {
  switch (type) {
    case MatType::float64:
      return fn(static_cast<const double*>(nullptr));
    case MatType::float32:
      return fn(static_cast<const float*>(nullptr));
    case MatType::int8:
      return fn(static_cast<const std::int8_t*>(nullptr));
    case MatType::uint8:
      return fn(static_cast<const std::uint8_t*>(nullptr));
    case MatType::int16:
      return fn(static_cast<const std::int16_t*>(nullptr));
    case MatType::uint16:
      return fn(static_cast<const std::uint16_t*>(nullptr));
    case MatType::int32:
      return fn(static_cast<const std::int32_t*>(nullptr));
    case MatType::uint32:
      return fn(static_cast<const std::uint32_t*>(nullptr));
    case MatType::int64:
      return fn(static_cast<const std::int64_t*>(nullptr));
    case MatType::uint64:
      return fn(static_cast<const std::uint64_t*>(nullptr));
    default:
      return;
  }
}

/// Appends the numbers in `bytes` to `out`.
void append_doubles(std::span<const std::uint8_t> bytes, MatType type, std::vector<double>& out) {
  with_type(type, [&](const auto* of) {
    std::remove_cvref_t<decltype(*of)> value;
    for (std::size_t at = 0; at + sizeof(value) <= bytes.size(); at += sizeof(value)) {
      std::memcpy(&value, &bytes[at], sizeof(value));
      out.push_back(static_cast<double>(value));
    }
  });
}

/// Appends numbers as elements of the type; false for the first that it cannot hold.
bool append_as(std::span<const double> values, MatType type, std::vector<std::uint8_t>& out) {
  bool fits = true;
  with_type(type, [&](const auto* of) {
    using T = std::remove_cvref_t<decltype(*of)>;
    for (const double value : values) {
      if constexpr (std::is_integral_v<T>) {
        // The bounds as powers of two, which a double holds exactly where the largest integer does not fit.
        constexpr int bits = std::numeric_limits<T>::digits;
        fits = value >= static_cast<double>(std::numeric_limits<T>::min()) &&
               value < 0x1p1 * double(T{1} << (bits - 1)) && value == std::trunc(value);
        if (!fits) return;
      }
      const T element = static_cast<T>(value);
      std::uint8_t raw[sizeof(T)];
      std::memcpy(raw, &element, sizeof(T));
      out.insert(out.end(), raw, raw + sizeof(T));
    }
  });
  return fits;
}

/// Reads one miMATRIX, after its tag, from an element. `left` are the bytes of the matrix that have not been read.
class Matrix {
 public:
  Matrix(MatElement& in, std::uint64_t size) : in_(in), left_(size) {}

  MatHeader read_header();
  std::vector<std::uint8_t> read_numbers(const MatHeader& header);
  std::uint64_t left() const { return left_; }

 private:
  struct Tag {
    std::uint32_t type = 0;
    std::uint32_t bytes = 0;
    bool small = false;  // the data lie in the tag itself
    std::array<std::uint8_t, 4> data{};
  };
  /// The place, for the beginning of a message.
  std::string here() const { return in_.where() + (name_.empty() ? "" : "variable " + in_quotes(name_) + ": "); }
  void take(std::span<std::uint8_t> to, const char* what);
  void skip_padding(std::uint64_t bytes);
  Tag read_tag(const char* what);
  std::vector<std::uint8_t> read_part(const Tag& tag, const char* what, std::uint32_t most);
  Shape read_shape();
  void read_stored(const Tag& tag, MatType storage, std::uint64_t bytes, const MatHeader& header,
                   std::vector<std::uint8_t>& out);

  MatElement& in_;
  std::uint64_t left_;
  std::string name_;
};

void Matrix::take(std::span<std::uint8_t> to, const char* what) {
  ELBO_CHECK(to.size() <= left_, FormatError, here(), "expected ", to.size(), " bytes of ", what, ", found ", left_,
             " at the end of its matrix");
  in_.read(to);
  left_ -= to.size();
}

void Matrix::skip_padding(std::uint64_t bytes) {
  std::array<std::uint8_t, 8> ignored{};
  // Where the matrix ends without its last padding, nothing is lost.
  const std::uint64_t padding = std::min((8 - bytes % 8) % 8, left_);
  take(std::span(ignored).first(padding), "padding");
}

Matrix::Tag Matrix::read_tag(const char* what) {
  std::array<std::uint8_t, 8> raw{};
  take(raw, what);
  const std::uint32_t first = in_.number(&raw[0]);
  Tag tag;
  tag.small = first >> 16 != 0;
  tag.type = tag.small ? first & 0xffff : first;
  tag.bytes = tag.small ? first >> 16 : in_.number(&raw[4]);
  ELBO_CHECK(!tag.small || tag.bytes <= 4, FormatError, here(), "expected at most 4 bytes in the small element of ",
             what, ", found ", tag.bytes);
  std::copy(raw.begin() + 4, raw.end(), tag.data.begin());
  ELBO_CHECK(tag.small || tag.bytes <= left_, FormatError, here(), "its ", what, " promise ", tag.bytes,
             " bytes, found ", left_, " left in its matrix");
  return tag;
}

std::vector<std::uint8_t> Matrix::read_part(const Tag& tag, const char* what, std::uint32_t most) {
  ELBO_CHECK(tag.bytes <= most, FormatError, here(), "expected at most ", most, " bytes of ", what, ", found ",
             tag.bytes);
  if (tag.small) return {tag.data.begin(), tag.data.begin() + tag.bytes};
  std::vector<std::uint8_t> out(tag.bytes);
  take(out, what);
  skip_padding(tag.bytes);
  return out;
}

Shape Matrix::read_shape() {
  const Tag tag = read_tag("sizes");
  ELBO_CHECK(tag.type == mi_int32 && tag.bytes % 4 == 0 && tag.bytes >= 8 && tag.bytes <= 4 * Shape::max_rank,
             FormatError, here(), "expected 2 to ", Shape::max_rank, " sizes of type 5 (miINT32), found ", tag.bytes,
             " bytes of type ", tag.type);
  const std::vector<std::uint8_t> raw = read_part(tag, "sizes", 4 * Shape::max_rank);
  std::vector<std::int64_t> sizes;
  std::vector<std::string> texts;
  std::uint64_t product = 1;
  for (std::size_t at = 0; at < raw.size(); at += 4) {
    sizes.push_back(static_cast<std::int32_t>(in_.number(&raw[at])));
    texts.push_back(std::to_string(sizes.back()));
    product = saturating_product(product, static_cast<std::uint64_t>(std::max<std::int64_t>(sizes.back(), 1)));
  }
  const bool right = *std::min_element(sizes.begin(), sizes.end()) >= 0 && product < std::uint64_t{1} << 60;
  ELBO_CHECK(right, FormatError, here(), "expected sizes from 0 with a product below 2^60, found [", join(texts), "]");
  return Shape(sizes);
}

MatHeader Matrix::read_header() {
  const Tag flags_tag = read_tag("array flags");
  ELBO_CHECK(flags_tag.type == mi_uint32 && flags_tag.bytes == 8, FormatError, here(),
             "expected array flags of 8 bytes of type 6 (miUINT32), found ", flags_tag.bytes, " bytes of type ",
             flags_tag.type);
  const std::vector<std::uint8_t> raw = read_part(flags_tag, "array flags", 8);
  const std::uint32_t flags = in_.number(raw.data());
  MatHeader header;
  header.type = static_cast<MatType>(flags & 0xff);
  header.complex = (flags & 0x0800) != 0;
  // Function handles and newer objects have no sizes of this form; nothing more can be said of them.
  if (!find_type(header.type)) {
    header.type = MatType::object;
    return header;
  }
  header.shape = read_shape();
  const Tag name_tag = read_tag("name");
  ELBO_CHECK(name_tag.type == mi_int8 || name_tag.type == mi_uint8 || name_tag.type == mi_utf8, FormatError, here(),
             "expected a name of type 1 (miINT8), found type ", name_tag.type);
  const std::vector<std::uint8_t> name = read_part(name_tag, "name", 255);
  // It appears in messages, which are one line each.
  for (std::uint8_t c : name) header.name += c >= 32 && c != 127 ? static_cast<char>(c) : '?';
  name_ = header.name;
  return header;
}

std::vector<std::uint8_t> Matrix::read_numbers(const MatHeader& header) {
  ELBO_CHECK(header.is_numeric(), FormatError, here(), "expected a real numeric array, found ",
             header.complex ? "complex numbers" : datasets::name(header.type));
  const Tag tag = read_tag("numbers");
  const std::optional<MatType> storage = find_storage(tag.type);
  ELBO_CHECK(storage, FormatError, here(), "expected numbers of type 1 to 7, 9, 12 or 13, found type ", tag.type);
  const auto count = static_cast<std::uint64_t>(header.shape.numel());
  const std::uint64_t bytes = saturating_product(count, size_of(*storage));
  ELBO_CHECK(bytes == tag.bytes, FormatError, here(), "expected ", bytes, " bytes for sizes ", header.shape, " in ",
             datasets::name(*storage), ", found ", tag.bytes);
  std::vector<std::uint8_t> out;
  try {
    read_stored(tag, *storage, bytes, header, out);
  } catch (const std::bad_alloc&) {
    fail<OutOfMemory>(here(), "no memory for ", count, " numbers of ", datasets::name(header.type));
  }
  return out;
}

void Matrix::read_stored(const Tag& tag, MatType storage, std::uint64_t bytes, const MatHeader& header,
                         std::vector<std::uint8_t>& out) {
  const std::size_t element = size_of(storage);
  const bool convert = storage != header.type;
  // Doubles carry every number of up to 32 bits; longer integers are never stored as another type.
  ELBO_CHECK(!convert || (storage != MatType::int64 && storage != MatType::uint64), FormatError, here(), "expected ",
             datasets::name(header.type), " or something shorter, found ", datasets::name(storage));
  if (!convert && in_.confirmed()) out.reserve(bytes);
  std::vector<std::uint8_t> block;
  std::vector<double> values;
  for (std::uint64_t done = 0; done < bytes;) {
    // Grown by what has arrived, not by what is promised.
    const std::uint64_t step = std::min<std::uint64_t>(bytes - done, mat_chunk);
    const std::size_t old = out.size();
    if (!convert) out.resize(old + step);
    if (convert) block.resize(step);
    const std::span<std::uint8_t> to = convert ? std::span(block) : std::span(out).subspan(old);
    if (tag.small)
      std::copy_n(tag.data.begin(), step, to.begin());
    else
      take(to, "numbers");
    if (in_.swapped()) reverse_elements(to, element);
    done += step;
    if (!convert) continue;
    values.clear();
    append_doubles(block, storage, values);
    ELBO_CHECK(append_as(values, header.type, out), FormatError, here(), "expected numbers that fit into ",
               datasets::name(header.type), ", found others in its ", datasets::name(storage), " data");
  }
  if (!tag.small) skip_padding(bytes);
}

/// One variable, or nothing where it is not wanted.
std::optional<MatArray> read_variable(MatElement& in, std::uint64_t size, const MatFilter& wanted) {
  Matrix matrix(in, size);
  MatArray out;
  out.header = matrix.read_header();
  if (wanted ? !wanted(out.header) : !out.header.is_numeric()) return std::nullopt;
  out.bytes = matrix.read_numbers(out.header);
  ELBO_CHECK(matrix.left() < 8, FormatError, in.where(), "variable ", in_quotes(out.header.name),
             ": expected the end of its matrix after its numbers, found ", matrix.left(), " bytes more");
  std::array<std::uint8_t, 8> rest{};
  in.read(std::span(rest).first(matrix.left()));
  return out;
}

std::optional<MatArray> read_element(MatFile& file, const MatFile::Tag& tag, const MatFilter& wanted) {
  if (tag.type == mi_matrix) {
    const std::unique_ptr<MatElement> plain = file.plain();
    return read_variable(*plain, tag.bytes, wanted);
  }
  const std::unique_ptr<MatElement> inflated = file.inflated();
  std::array<std::uint8_t, 8> raw{};
  inflated->read(raw);
  const std::uint32_t type = inflated->number(&raw[0]), size = inflated->number(&raw[4]);
  ELBO_CHECK(type == mi_matrix, FormatError, inflated->where(),
             "expected an element of type 14 (miMATRIX) in the compressed data, found type ", type);
  ELBO_CHECK(size <= inflated->limit(), FormatError, inflated->where(), "the matrix promises ", size,
             " bytes, found compressed data that can hold ", inflated->limit());
  std::optional<MatArray> out = read_variable(*inflated, size, wanted);
  if (out) inflated->finish();
  return out;
}

}  // namespace

std::size_t size_of(MatType type) {
  const MatTypeInfo* info = find_type(type);
  return info ? info->size : 0;
}

const char* name(MatType type) {
  const MatTypeInfo* info = find_type(type);
  return info ? info->name : "?";
}

std::vector<double> MatArray::to_double() const {
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(header.shape.numel()));
  append_doubles(bytes, header.type, out);
  return out;
}

void MatArray::check_type(MatType wanted) const {
  ELBO_CHECK(header.type == wanted, DTypeError, "[values] the variable ", header.name, " holds ", name(header.type),
             ", asked for ", name(wanted));
}

std::vector<MatArray> read_mat(std::unique_ptr<ByteSource> source, const std::string& name, const MatFilter& wanted) {
  MatFile file(std::move(source), name);
  std::vector<MatArray> out;
  while (const std::optional<MatFile::Tag> tag = file.next()) {
    ELBO_CHECK(tag->type == mi_matrix || tag->type == mi_compressed, FormatError, file.where(),
               "expected an element of type 14 (miMATRIX) or 15 (miCOMPRESSED), found type ", tag->type);
    if (auto variable = read_element(file, *tag, wanted)) out.push_back(std::move(*variable));
  }
  return out;
}

std::vector<MatArray> read_mat(const std::filesystem::path& path, const MatFilter& wanted) {
  return read_mat(ByteSource::open(path), path.string(), wanted);
}

}  // namespace elbo::datasets
