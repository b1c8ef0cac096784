#pragma once
#include <sys/resource.h>

#include <cstdint>
#include <fstream>
#include <string>

/// The most memory that this process has used, in kB; with `restart`, what it uses now, counted from now on. (Linux:
/// 5 into clear_refs sets the peak to the present.)
inline std::int64_t peak_memory(bool restart) {
  if (restart) std::ofstream("/proc/self/clear_refs") << 5;
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:" && status >> word) return std::stoll(word);
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}
