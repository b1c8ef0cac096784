#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "byte_source.h"

/// Internal to the readers of this folder: finding files, and what their messages share.
namespace elbo::datasets {

/// Whether something other than a folder lies there. Throws IoError where that cannot be seen.
bool is_file(const std::filesystem::path& path);
/// The first of these files that is there, each as it stands or else with `.gz`. `notes`, where given, says which of
/// the others are there too and are not read.
std::optional<std::filesystem::path> find_file(const std::vector<std::filesystem::path>& plain,
                                               std::vector<std::string>* notes = nullptr);
/// `name` without `.gz`.
std::string plain_name(std::string name);

bool contains(std::string_view text, std::string_view part);
/// The parts with `, ` between them.
std::string join(std::span<const std::string> parts);

/// `12 bytes`, and whether the file was cut off there: for the end of a message.
std::string found_bytes(const ByteSource& source, std::uint64_t bytes);
/// a * b, or 2^63 - 1 where that is less.
std::uint64_t saturating_product(std::uint64_t a, std::uint64_t b);

/// Turns round the bytes of each element of 1, 2, 4 or 8 bytes.
void reverse_elements(std::span<std::uint8_t> bytes, std::size_t element);

/// `0` to `9`.
std::vector<std::string> digit_names();

}  // namespace elbo::datasets
