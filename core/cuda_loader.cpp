#include "cuda_loader.h"

#include <dlfcn.h>
#include <sys/auxv.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "cuda_loader_detail.h"
#include "device.h"
#include "errors.h"

namespace elbo {
namespace {

namespace fs = std::filesystem;

constexpr const char* library_name = "libelbo_cuda.so";
constexpr const char* library_variable = "ELBO_CUDA_LIBRARY";
constexpr const char* entry_name = "elbo_cuda_plugin";

struct CloseLibrary {
  void operator()(void* library) const { dlclose(library); }
};
using Library = std::unique_ptr<void, CloseLibrary>;

/// What dlopen or dlsym had to say, without the file's name in front.
std::string last_error(const fs::path& file) {
  const char* text = dlerror();
  std::string message = text ? text : "no reason given";
  if (const std::string prefix = file.string() + ": "; message.starts_with(prefix)) message.erase(0, prefix.size());
  return message;
}

/// The text in a buffer that a plugin filled, also where it forgot the end.
template <std::size_t size>
std::string text_of(const char (&buffer)[size]) {
  return {buffer, std::find(buffer, buffer + size, '\0')};
}

/// "a", "a and b", "a, b and c".
std::string listed(const std::vector<std::string>& items, const char* last) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i)
    out += (i == 0 ? "" : i + 1 < items.size() ? ", " : std::string(" ") + last + " ") + items[i];
  return out;
}

/// "is 1 GPU, cuda:0", "are 2 GPUs, cuda:0 and cuda:1", "are 8 GPUs, cuda:0 to cuda:7".
std::string gpus(int count) {
  if (count == 1) return "is 1 GPU, cuda:0";
  return detail::concat("are ", count, " GPUs, cuda:0 ", count == 2 ? "and" : "to", " cuda:", count - 1);
}

/// The plugin's file. Throws DeviceError where there is none.
fs::path find_plugin() {
  if (const char* named = std::getenv(library_variable); named && *named) {
    ELBO_CHECK(named != std::string_view("none"), DeviceError, library_variable, "=none switches GPUs off");
    return fs::absolute(named);
  }
  const std::vector<fs::path> places = detail::cuda_plugin_places(detail::libelbo_file());
  for (const fs::path& place : places)
    if (std::error_code ignored; fs::exists(place, ignored)) return place;
  std::vector<std::string> folders;
  folders.reserve(places.size());
  for (const fs::path& place : places) folders.push_back(place.parent_path().string());
  fail<DeviceError>("no CUDA plugin found: expected ", library_name, " in ", listed(folders, "or"),
                    " (a build without CUDA has none; ", library_variable, " can name one elsewhere)");
}

detail::CudaState discover() {
  detail::CudaState state;
  try {
    state.file = find_plugin();
    state.plugin = &detail::load_cuda_plugin(state.file);
    state.plugin->probe(&state.system);
    state.system.devices = std::clamp(state.system.devices, 0, detail::max_cuda_devices);
    if (state.system.devices > 0) return state;
    state.why = text_of(state.system.why);
    if (state.why.empty()) state.why = "no GPU found";
  } catch (const DeviceError& error) {
    state.why = error.what();
  }
  return state;
}

CudaReport describe(const detail::CudaState& state) {
  CudaReport report{.plugin = state.file,
                    .build = state.plugin ? state.plugin->build : "",
                    .driver = state.system.driver,
                    .runtime = state.system.runtime,
                    .why = state.why};
  for (int i = 0; i < state.system.devices; ++i) {
    CudaDeviceInfo info;
    CudaDevice device;
    const Status status = state.plugin->describe(i, &info);
    if (status.ok()) {
      device = {text_of(info.name), info.major, info.minor, info.multiprocessors, info.total_memory, {}};
    } else {
      device.why = status.message;
    }
    report.devices.push_back(std::move(device));
  }
  return report;
}

}  // namespace

namespace detail {

fs::path libelbo_file() {
  static const char inside = 0;
  Dl_info here{}, program{};
  if (!dladdr(&inside, &here) || !here.dli_fname) return {};
  // A program is known to the loader by the name it was called by, which need not be a path: the system knows the file.
  const auto* headers = reinterpret_cast<const void*>(getauxval(AT_PHDR));  // NOLINT: an address as a number
  const bool is_program = dladdr(headers, &program) && program.dli_fbase == here.dli_fbase;
  std::error_code error;
  const fs::path file = fs::canonical(is_program ? "/proc/self/exe" : here.dli_fname, error);
  return error ? fs::path(here.dli_fname) : file;
}

std::vector<fs::path> cuda_plugin_places(const fs::path& file) {
  const fs::path beside = file.parent_path();
  std::vector<fs::path> folders{beside, beside / "../lib/elbo", beside / "../lib", beside / "elbo"};
#if defined(ELBO_CUDA_PLUGIN_DIR)
  folders.emplace_back(ELBO_CUDA_PLUGIN_DIR);
#endif
  std::vector<fs::path> places;
  for (const fs::path& folder : folders) {
    fs::path place = (folder / library_name).lexically_normal();
    if (std::find(places.begin(), places.end(), place) == places.end()) places.push_back(std::move(place));
  }
  return places;
}

const CudaPlugin& load_cuda_plugin(const fs::path& file) {
  dlerror();
  Library library(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL));
  ELBO_CHECK(library, DeviceError, "the CUDA plugin ", file.string(), " cannot be loaded: ", last_error(file));
  void* symbol = dlsym(library.get(), entry_name);
  ELBO_CHECK(symbol, DeviceError, file.string(), " is no CUDA plugin of elbo: expected the function ", entry_name,
             ", found none");
  const auto entry = reinterpret_cast<decltype(&elbo_cuda_plugin)>(symbol);  // NOLINT: POSIX has it so
  int found = 0;
  const CudaPlugin* plugin = entry(cuda_plugin_abi, &found);
  if (plugin) found = plugin->abi;
  ELBO_CHECK(plugin && found == cuda_plugin_abi, DeviceError, "the CUDA plugin ", file.string(),
             " belongs to another version of elbo: expected ABI number ", cuda_plugin_abi, ", found ", found);
  library.release();  // NOLINT: backends and what they queued live until the program ends, and so must their code
  return *plugin;
}

const CudaState& cuda_state() {
  // Never destroyed: whoever ends after main may ask.
  static const CudaState& state = *std::make_unique<CudaState>(discover()).release();
  return state;
}

const CudaPlugin& cuda_plugin(int index) {
  const CudaState& state = cuda_state();
  const Device device{DeviceType::cuda, index};
  ELBO_CHECK(state.why.empty(), DeviceError, "device ", device, " cannot be used: ", state.why);
  const int count = state.system.devices;
  ELBO_CHECK(index >= 0 && index < count, DeviceError, "device ", device, " cannot be used: there ", gpus(count));
  return *state.plugin;
}

}  // namespace detail

const CudaReport& cuda_report() {
  static const CudaReport& report = *std::make_unique<CudaReport>(describe(detail::cuda_state())).release();
  return report;
}

int cuda_device_count() { return detail::cuda_state().system.devices; }

std::int64_t cuda_free_memory(int index) {
  std::int64_t bytes = 0;
  const Status status = detail::cuda_plugin(index).free_memory(index, &bytes);
  ELBO_CHECK(status.ok(), DeviceError, "device cuda:", index, " cannot be used: ", status.message);
  return bytes;
}

}  // namespace elbo
