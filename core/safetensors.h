#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api.h"
#include "array.h"

namespace ELBO_API elbo {

/// Arrays by name, in order.
using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// Writes a safetensors file (the format of Hugging Face: an 8-byte little-endian header length, a JSON header, the
/// data), which PyTorch and others read. float32, float64, uint8 and int64 become F32, F64, U8 and I64. The file
/// appears whole or not at all. The header keeps the order given; the data lies with the large elements first, so that
/// all are aligned. Throws IoError naming the path; ValueError for a name that comes twice, is not UTF-8 or is
/// `__metadata__`, or an undefined array.
void save_safetensors(const std::filesystem::path& path, const NamedArrays& arrays,
                      const std::map<std::string, std::string>& metadata = {});

struct SafetensorsFile {
  NamedArrays arrays = {};  ///< on the CPU, in the order of the header
  std::map<std::string, std::string> metadata = {};
};

/// Reads such a file; F16 and BF16 become float32, BOOL uint8, I32 int64. Everything that the header says is checked
/// against the file before any array is allocated. Throws IoError, or FormatError naming the file, what was expected
/// and what was found.
SafetensorsFile load_safetensors(const std::filesystem::path& path);

/// What an array is, without its values.
struct ArrayInfo {
  std::string name = {};
  DType dtype = DType::float32;  ///< what `load_safetensors` makes of it
  Shape shape = {};
};

/// What such a file holds, in the order of the header; the data is not read. Throws what `load_safetensors` does.
std::vector<ArrayInfo> list_safetensors(const std::filesystem::path& path);

}  // namespace elbo
