#include <algorithm>
#include <cctype>
#include <limits>
#include <system_error>

#include "../core/errors.h"
#include "files_detail.h"

namespace elbo::datasets {
namespace {

namespace fs = std::filesystem;

template <std::size_t size>
void reverse_each(std::span<std::uint8_t> bytes) {
  for (std::size_t i = 0; i + size <= bytes.size(); i += size) std::reverse(&bytes[i], &bytes[i] + size);
}

}  // namespace

bool is_file(const fs::path& path) {
  std::error_code error;
  const bool there = fs::exists(path, error) && !fs::is_directory(path, error);
  ELBO_CHECK(!error, IoError, path.string(), ": cannot look for the file: ", error.message());
  return there;
}

std::optional<fs::path> find_file(const std::vector<fs::path>& plain, std::vector<std::string>* notes) {
  std::optional<fs::path> out;
  for (const fs::path& one : plain)
    for (const char* suffix : {"", ".gz"}) {
      const fs::path path = one.string() + suffix;
      if (!is_file(path)) continue;
      if (out)
        notes->push_back(out->string() + ": this file is read, and not " + path.string() + ", which is there too");
      if (!out) out = path;
      if (!notes) return out;
    }
  return out;
}

std::string plain_name(std::string name) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string join(std::span<const std::string> parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

std::string found_bytes(const ByteSource& source, std::uint64_t bytes) {
  return detail::concat(bytes, " bytes", source.cut_off() ? " before the gzip data is cut off" : "");
}

std::uint64_t saturating_product(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max() >> 1;
  return b != 0 && a > most / b ? most : a * b;
}

void reverse_elements(std::span<std::uint8_t> bytes, std::size_t element) {
  if (element == 2) reverse_each<2>(bytes);
  if (element == 4) reverse_each<4>(bytes);
  if (element == 8) reverse_each<8>(bytes);
}

std::vector<std::string> digit_names() { return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; }

}  // namespace elbo::datasets
