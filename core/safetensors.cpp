#include "safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "file.h"
#include "json_detail.h"
#include "safetensors_detail.h"
#include "text.h"

namespace elbo {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian, and so is this reader");

constexpr std::size_t length_bytes = 8;
/// The format's own limit: no header of a real model comes near it.
constexpr std::uint64_t max_header_bytes = 100'000'000;
constexpr const char* metadata_key = "__metadata__";

/// An element type of the format and what it becomes here.
struct Encoding {
  const char* name;
  std::uint64_t size;
  DType dtype;
};
constexpr Encoding encodings[] = {
    {"F32", 4, DType::float32}, {"F64", 8, DType::float64},  {"U8", 1, DType::uint8},   {"I64", 8, DType::int64},
    {"F16", 2, DType::float32}, {"BF16", 2, DType::float32}, {"BOOL", 1, DType::uint8}, {"I32", 4, DType::int64},
};

/// The encoding an array is written in: the first of its dtype, which has the same elements.
const Encoding& encoding_of(DType dtype) {
  return *std::find_if(std::begin(encodings), std::end(encodings), [&](const Encoding& e) { return e.dtype == dtype; });
}

/// Where one array lies in the data.
struct Entry {
  std::string name;
  const Encoding* encoding = nullptr;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};

// ---- reading

using detail::InputFile;
using detail::shown;

void read(InputFile& in, void* to, std::size_t bytes) {
  const std::size_t got = in.read_some({static_cast<std::uint8_t*>(to), bytes});
  ELBO_CHECK(got == bytes, IoError, in.name, ": cannot read: it became shorter while being read");
}

/// Refuses what its first bytes show to be a file of another kind.
void check_kind(InputFile& in) {
  std::array<std::uint8_t, 300> start{};
  const std::size_t got = in.read_some(start);
  in.seek(0);
  const std::string found = detail::describe_content(std::span(start).first(got));
  ELBO_CHECK(found.starts_with("something else") || found == "a safetensors file", FormatError, in.name,
             ": expected a safetensors file, found ", found);
}

std::string read_header(InputFile& in) {
  ELBO_CHECK(in.size >= length_bytes, FormatError, in.name, ": expected a safetensors file, which has at least ",
             length_bytes, " bytes, found ", in.size);
  check_kind(in);
  std::uint64_t length = 0;
  read(in, &length, sizeof length);
  ELBO_CHECK(length <= max_header_bytes, FormatError, in.name, ": header length: expected at most ", max_header_bytes,
             " bytes, found ", length);
  ELBO_CHECK(length <= in.size - length_bytes, FormatError, in.name, ": header length: expected at most the ",
             in.size - length_bytes, " bytes that follow, found ", length);
  std::string header(static_cast<std::size_t>(length), ' ');
  read(in, header.data(), header.size());
  ELBO_CHECK(!header.empty() && header.front() == '{', FormatError, in.name,
             ": header: expected a JSON object, which begins with '{', found ",
             header.empty() ? "nothing" : in_quotes(header.substr(0, 1)));
  return header;
}

struct Header {
  json values;
  std::vector<std::string> names;  ///< in the order of the file, which `values` does not keep
};

/// The nesting of the format: header, entry, its shape.
constexpr std::size_t header_depth = 3;

Header parse_header(const std::string& text, const std::string& path) {
  Header out;
  out.values = detail::parse_json(text, path + ": header", header_depth, &out.names);
  return out;
}

/// The field of an entry that must be an array of counts.
std::vector<std::int64_t> counts(const json& entry, const char* field, const std::string& where) {
  const auto found = entry.find(field);
  ELBO_CHECK(found != entry.end() && found->is_array(), FormatError, where, ": ", field,
             ": expected an array of counts, found ", found == entry.end() ? "nothing" : shown(*found));
  std::vector<std::int64_t> out;
  for (const json& value : *found) {
    ELBO_CHECK(value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t{1} << 62, FormatError, where,
               ": ", field, ": expected counts, found ", shown(value));
    out.push_back(value.get<std::int64_t>());
  }
  return out;
}

Entry parse_entry(const json& value, const std::string& name, const std::string& path) {
  const std::string where = path + ": " + in_quotes(name);
  ELBO_CHECK(value.is_object(), FormatError, where, ": expected an object, found ", shown(value));
  Entry entry;
  entry.name = name;
  const auto dtype = value.find("dtype");
  ELBO_CHECK(dtype != value.end(), FormatError, where, ": dtype: expected a name, found nothing");
  for (const Encoding& e : encodings)
    if (dtype->is_string() && dtype->get_ref<const std::string&>() == e.name) entry.encoding = &e;
  ELBO_CHECK(entry.encoding, FormatError, where, ": dtype: expected F32, F64, F16, BF16, I64, I32, U8 or BOOL, found ",
             shown(*dtype));
  const std::vector<std::int64_t> sizes = counts(value, "shape", where), range = counts(value, "data_offsets", where);
  try {
    entry.shape = Shape(sizes);
  } catch (const ShapeError& error) {
    fail<FormatError>(where, ": shape: ", error.what());
  }
  ELBO_CHECK(range.size() == 2, FormatError, where, ": data_offsets: expected a begin and an end, found ", range.size(),
             " numbers");
  entry.begin = static_cast<std::uint64_t>(range[0]);
  entry.end = static_cast<std::uint64_t>(range[1]);
  return entry;
}

/// Each array lies inside the data, has the bytes of its shape, and together they fill it without holes or overlaps.
void check_layout(const std::vector<Entry>& entries, std::uint64_t data_bytes, const std::string& path) {
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries) {
    ELBO_CHECK(entry.begin <= entry.end && entry.end <= data_bytes, FormatError, path, ": ", in_quotes(entry.name),
               ": data_offsets: expected a range within the ", data_bytes, " bytes of data, found [", entry.begin, ", ",
               entry.end, "]");
    const std::uint64_t bytes = entry.end - entry.begin, numel = static_cast<std::uint64_t>(entry.shape.numel());
    ELBO_CHECK(bytes % entry.encoding->size == 0 && bytes / entry.encoding->size == numel, FormatError, path, ": ",
               in_quotes(entry.name), ": data_offsets: expected the bytes of ", entry.encoding->name, " ", entry.shape,
               ", found ", bytes);
    sorted.push_back(&entry);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Entry* a, const Entry* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  std::uint64_t filled = 0;
  for (const Entry* entry : sorted) {
    ELBO_CHECK(entry->begin == filled, FormatError, path, ": ", in_quotes(entry->name),
               ": data_offsets: expected arrays side by side, the next at byte ", filled, ", found it at ",
               entry->begin);
    filled = entry->end;
  }
  ELBO_CHECK(filled == data_bytes, FormatError, path, ": expected ", filled, " bytes of data, found ", data_bytes);
}

/// IEEE half precision to single: exact.
float from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half >> 15) << 31;
  const std::uint32_t exponent = (half >> 10) & 31u, fraction = half & 1023u;
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -value : value;
  }
  const std::uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

/// The upper half of a single.
float from_bfloat(std::uint16_t value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16); }

/// Reads elements stored as From and converts each.
template <class From, class To, class Convert>
void read_converted(InputFile& in, Array& out, Convert convert) {
  std::vector<From> stored(static_cast<std::size_t>(out.numel()));
  read(in, stored.data(), stored.size() * sizeof(From));
  std::transform(stored.begin(), stored.end(), out.mutable_values<To>().begin(), convert);
}

Array read_array(InputFile& in, const Entry& entry) {
  Array out = Array::empty(entry.shape, {entry.encoding->dtype, cpu});
  if (out.numel() == 0) return out;
  const std::string_view encoding = entry.encoding->name;
  if (encoding == "F16") {
    read_converted<std::uint16_t, float>(in, out, from_half);
  } else if (encoding == "BF16") {
    read_converted<std::uint16_t, float>(in, out, from_bfloat);
  } else if (encoding == "I32") {
    read_converted<std::int32_t, std::int64_t>(in, out, [](std::int32_t value) { return std::int64_t{value}; });
  } else {
    read(in, out.raw(), out.bytes());
  }
  return out;
}

std::map<std::string, std::string> parse_metadata(const json& value, const std::string& path) {
  ELBO_CHECK(value.is_object(), FormatError, path, ": ", metadata_key, ": expected an object, found ", shown(value));
  std::map<std::string, std::string> out;
  for (const auto& [key, text] : value.items()) {
    ELBO_CHECK(text.is_string(), FormatError, path, ": ", metadata_key, ": ", in_quotes(key),
               ": expected a string, found ", shown(text));
    out[key] = text.get<std::string>();
  }
  return out;
}

// ---- writing

/// Text as JSON. Throws ValueError if it is not UTF-8.
std::string as_json(const std::string& text, const std::string& path) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    fail<ValueError>("cannot write ", path, ": expected names and metadata in UTF-8, found ", in_quotes(text));
  }
}

void check_names(const NamedArrays& arrays, const std::string& path) {
  std::set<std::string> seen;
  for (const auto& [name, array] : arrays) {
    ELBO_CHECK(array.defined(), ValueError, "cannot write ", path, ": ", in_quotes(name), " is undefined");
    ELBO_CHECK(name != metadata_key, ValueError, "cannot write ", path, ": the name ", in_quotes(name), " is reserved");
    ELBO_CHECK(seen.insert(name).second, ValueError, "cannot write ", path, ": expected each name once, found ",
               in_quotes(name), " twice");
  }
}

/// The order of the data: large elements first, so that each array is aligned to its element size, which PyTorch's
/// reader needs. The header keeps the caller's order.
std::vector<std::size_t> data_order(const NamedArrays& arrays) {
  std::vector<std::size_t> order(arrays.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return size_of(arrays[a].second.dtype()) > size_of(arrays[b].second.dtype());
  });
  return order;
}

std::string make_header(const NamedArrays& arrays, std::span<const std::size_t> order,
                        const std::map<std::string, std::string>& metadata, const std::string& path) {
  std::vector<std::size_t> begins(arrays.size());
  std::size_t next = 0;
  for (std::size_t i : order) {
    begins[i] = next;
    next += arrays[i].second.bytes();
  }
  std::string header = "{";
  const char* separator = "";
  if (!metadata.empty()) {
    header += detail::concat("\"", metadata_key, "\":{");
    for (const auto& [key, text] : metadata) {
      header += detail::concat(separator, as_json(key, path), ":", as_json(text, path));
      separator = ",";
    }
    header += "}";
  }
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const auto& [name, array] = arrays[i];
    std::string sizes;
    for (std::int64_t size : array.shape()) sizes += detail::concat(sizes.empty() ? "" : ",", size);
    header += detail::concat(separator, as_json(name, path), ":{\"dtype\":\"", encoding_of(array.dtype()).name,
                             "\",\"shape\":[", sizes, "],\"data_offsets\":[", begins[i], ",", begins[i] + array.bytes(),
                             "]}");
    separator = ",";
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  ELBO_CHECK(header.size() <= max_header_bytes, ValueError, "cannot write ", path, ": header: expected at most ",
             max_header_bytes, " bytes, found ", header.size());
  return header;
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, const NamedArrays& arrays,
                      const std::map<std::string, std::string>& metadata) {
  check_names(arrays, path.string());
  const std::vector<std::size_t> order = data_order(arrays);
  const std::string header = make_header(arrays, order, metadata, path.string());
  const std::uint64_t length = header.size();
  std::uint64_t bytes = sizeof length + length;
  for (const auto& [name, array] : arrays) bytes += array.bytes();
  AtomicFile file(path, bytes);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (std::size_t i : order) {
    const Array array = arrays[i].second.to(cpu);
    if (array.numel() > 0) file.write({static_cast<const std::byte*>(array.raw()), array.bytes()});
  }
  file.commit();
}

namespace {

/// All that the header says, checked against the size of the file.
struct Contents {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::uint64_t data_begin = 0;
};

Contents read_contents(InputFile& in) {
  const std::string text = read_header(in);
  const Header header = parse_header(text, in.name);
  Contents out;
  out.data_begin = length_bytes + text.size();
  for (const std::string& name : header.names) {
    const json& value = header.values.at(name);
    if (name == metadata_key) {
      out.metadata = parse_metadata(value, in.name);
    } else {
      out.entries.push_back(parse_entry(value, name, in.name));
    }
  }
  check_layout(out.entries, in.size - out.data_begin, in.name);
  return out;
}

}  // namespace

SafetensorsFile detail::load_safetensors(InputFile in) {
  Contents contents = read_contents(in);
  SafetensorsFile out;
  out.metadata = std::move(contents.metadata);
  for (const Entry& entry : contents.entries) {
    in.seek(contents.data_begin + entry.begin);
    out.arrays.emplace_back(entry.name, read_array(in, entry));
  }
  return out;
}

SafetensorsFile load_safetensors(const std::filesystem::path& path) {
  return detail::load_safetensors(detail::open_input(path));
}

SafetensorsFile detail::load_some(const std::filesystem::path& path, const std::set<std::string>& names) {
  InputFile in = detail::open_input(path);
  Contents contents = read_contents(in);
  SafetensorsFile out{{}, std::move(contents.metadata)};
  for (const Entry& entry : contents.entries) {
    if (!names.contains(entry.name)) continue;
    in.seek(contents.data_begin + entry.begin);
    out.arrays.emplace_back(entry.name, read_array(in, entry));
  }
  return out;
}

std::vector<ArrayInfo> list_safetensors(const std::filesystem::path& path) {
  InputFile in = detail::open_input(path);
  std::vector<ArrayInfo> out;
  for (const Entry& entry : read_contents(in).entries) out.push_back({entry.name, entry.encoding->dtype, entry.shape});
  return out;
}

}  // namespace elbo
