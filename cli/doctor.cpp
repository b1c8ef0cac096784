#include <elbo/core/backend.h>
#include <elbo/core/cuda_loader.h>
#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/core/storage.h>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "commands.h"
#include "inputs.h"

namespace elbo::cli {
namespace {

using nlohmann::ordered_json;

/// A GPU, and what only asking it could tell.
struct Gpu {
  std::string device;
  const CudaDevice& found;
  std::string kernels;  ///< what computes there, with the version of the library; empty where it cannot be used
  std::optional<std::int64_t> free_memory;
  std::string why;  ///< where it cannot be used, or cannot say what memory is free
};

std::vector<Gpu> gpus(const CudaReport& report) {
  std::vector<Gpu> out;
  for (const CudaDevice& found : report.devices) {
    const int index = static_cast<int>(out.size());
    Gpu gpu{"cuda:" + std::to_string(index), found, "", {}, found.why};
    try {
      if (gpu.why.empty()) gpu.kernels = backend({DeviceType::cuda, index}).description();
      if (gpu.why.empty()) gpu.free_memory = cuda_free_memory(index);
    } catch (const DeviceError& error) {
      // The line begins with the device already.
      const std::string prefix = "device " + gpu.device + " cannot be used: ";
      gpu.why = error.what();
      if (gpu.why.starts_with(prefix)) gpu.why.erase(0, prefix.size());
    }
    out.push_back(std::move(gpu));
  }
  return out;
}

/// "13.0" of 13000.
std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

std::string architecture(const CudaDevice& device) {
  return "sm_" + std::to_string(device.major) + std::to_string(device.minor);
}

ordered_json text_or_null(const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); }

ordered_json version_or_null(int number) { return number == 0 ? ordered_json() : ordered_json(version(number)); }

ordered_json json_of(const Gpu& gpu) {
  const CudaDevice& found = gpu.found;
  const bool described = found.why.empty();
  const auto known = [&](const ordered_json& value) { return described ? value : ordered_json(); };
  return {{"device", gpu.device},
          {"name", text_or_null(found.name)},
          {"kernels", text_or_null(gpu.kernels)},
          {"architecture", known(architecture(found))},
          {"multiprocessors", known(found.multiprocessors)},
          {"total_memory", known(found.total_memory)},
          {"free_memory", gpu.free_memory ? ordered_json(*gpu.free_memory) : ordered_json()},
          {"why", text_or_null(gpu.why)}};
}

/// Why none of the GPUs can be used; empty where one can.
std::string why_none(const CudaReport& report, const std::vector<Gpu>& found) {
  if (!report.why.empty()) return report.why;
  for (const Gpu& gpu : found)
    if (!gpu.kernels.empty()) return "";
  return found.empty() ? "no GPU found" : found.front().why;
}

ordered_json json_of(const CudaReport& report) {
  ordered_json devices = ordered_json::array();
  const std::vector<Gpu> found = gpus(report);
  for (const Gpu& gpu : found) devices.push_back(json_of(gpu));
  const std::string why = why_none(report, found);
  return {{"plugin", text_or_null(report.plugin.string())},
          {"build", text_or_null(report.build)},
          {"driver", version_or_null(report.driver)},
          {"runtime", version_or_null(report.runtime)},
          {"usable", why.empty()},
          {"why", text_or_null(why)},
          {"devices", devices}};
}

void print_line(const std::string& name, const std::string& value) {
  std::printf("%-14s %s\n", name.c_str(), value.c_str());
}

/// "60.0 of 80.0 GiB free".
std::string memory_text(const Gpu& gpu) {
  const auto gibibytes = [](std::int64_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", static_cast<double>(bytes) / (1 << 30));
    return std::string(text);
  };
  const std::string total = gibibytes(gpu.found.total_memory) + " GiB";
  return gpu.free_memory ? gibibytes(*gpu.free_memory) + " of " + total + " free" : total;
}

void print_cuda(const CudaReport& report) {
  const std::vector<Gpu> found = gpus(report);
  const std::string why = why_none(report, found);
  print_line("CUDA", !why.empty()        ? "cannot be used: " + why
                     : found.size() == 1 ? "1 GPU"
                                         : std::to_string(found.size()) + " GPUs");
  for (const Gpu& gpu : found) {
    const CudaDevice& device = gpu.found;
    std::string text;
    if (device.why.empty())
      text = (gpu.kernels.empty() ? device.name : gpu.kernels) + ", " + architecture(device) + ", " +
             std::to_string(device.multiprocessors) + " multiprocessors, " + memory_text(gpu);
    if (!gpu.why.empty()) text += (text.empty() ? "" : "; ") + std::string("cannot be used: ") + gpu.why;
    print_line("  " + gpu.device, text);
  }
  if (report.driver > 0) print_line("  driver", "runs CUDA up to " + version(report.driver));
  if (!report.build.empty()) print_line("  built for", report.build);
  if (!report.plugin.empty()) print_line("  plugin", report.plugin.string());
}

int doctor(bool json) {
  const CudaReport& cuda = cuda_report();
  num_threads(), threading();  // what the environment has wrong is said before anything else
  if (json) {
    print_json({{"elbo", ELBO_VERSION},
                {"cpu_kernels", backend(cpu).description()},
                {"threads", num_threads()},
                {"threading", threading() == Threading::own ? "own" : "openmp"},
                {"openmp", has_openmp()},
                {"processors", std::thread::hardware_concurrency()},
                {"cuda", json_of(cuda)}});
    return 0;
  }
  print_line("elbo", ELBO_VERSION);
  print_line("CPU kernels", std::string(backend(cpu).description()) + " (ELBO_ISA=baseline|v3|v4 forces one)");
  print_line("threads", std::to_string(num_threads()) + " of " + std::to_string(std::thread::hardware_concurrency()) +
                            " processors");
  print_line("threading", std::string(threading() == Threading::own ? "the library's own" : "OpenMP") +
                              (has_openmp() ? " (ELBO_THREADING=own|openmp)" : ", built without OpenMP"));
  print_cuda(cuda);
  return 0;
}

}  // namespace

void add_doctor(CLI::App& app, Command& run) {
  CLI::App* command = app.add_subcommand("doctor", "Say what this build holds and what it found on this machine");
  command->footer("Example:\n  elbo doctor");
  auto json = std::make_shared<bool>(false);
  add_json(*command, *json);
  add_threads(*command);
  command->final_callback([json, &run] { run = [json] { return doctor(*json); }; });
}

}  // namespace elbo::cli
