#pragma once
#include "input_detail.h"
#include "safetensors.h"

/// Internal: what load_safetensors() does with the file once it is open, and a part of it.
namespace elbo::detail {

SafetensorsFile load_safetensors(InputFile in);
/// One array of it, or an undefined one where there is none of that name.
Array load_array(const std::filesystem::path& path, const std::string& name);

}  // namespace elbo::detail
