#pragma once
#include <map>
#include <string>
#include <vector>

#include "../core/safetensors.h"

namespace elbo::nn::detail {

/// What keeps arrays like `sources` from being loaded into arrays like `targets`, for the end of a message: names that
/// are missing, unexpected, given twice, or of another shape or a dtype that does not convert. Empty for nothing.
std::string differences(const std::vector<ArrayInfo>& targets, const std::vector<ArrayInfo>& sources);

/// Writes `sources` into the arrays of the same names in `targets`, in place; `rename` as in Module::load_state_dict.
/// Throws ValueError, its message beginning with `what`, that lists every name missing, unexpected, given twice, or of
/// another shape or a dtype that does not convert; nothing is written then.
void load_strictly(const std::string& what, NamedArrays targets, const NamedArrays& sources,
                   const std::map<std::string, std::string>& rename = {});

/// Throws ValueError naming the first array with a number that is NaN or infinite, its place and the number.
void check_finite(const NamedArrays& arrays);

}  // namespace elbo::nn::detail
