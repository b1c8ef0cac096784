#pragma once
#include "input_detail.h"
#include "safetensors.h"

/// Internal: what load_safetensors() does with the file once it is open.
namespace elbo::detail {

SafetensorsFile load_safetensors(InputFile in);

}  // namespace elbo::detail
