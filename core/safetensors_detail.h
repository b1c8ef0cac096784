#pragma once
#include <set>

#include "input_detail.h"
#include "safetensors.h"

/// Internal: what load_safetensors() does with the file once it is open, and a part of it.
namespace elbo::detail {

SafetensorsFile load_safetensors(InputFile in);
/// The arrays of those names, where they are there, and the metadata.
SafetensorsFile load_some(const std::filesystem::path& path, const std::set<std::string>& names);

}  // namespace elbo::detail
