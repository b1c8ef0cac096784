#pragma once
#include <string>

namespace elbo::detail {

/// Throws what stands for the system's `reason` (an errno), which is added to `message`: IoError where another path or
/// its permissions would mend it, SystemFault for a full disk, an I/O error and whatever else.
[[noreturn]] void fail_io(const std::string& message, int reason, const std::string& after = "");

}  // namespace elbo::detail
