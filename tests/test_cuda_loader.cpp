#include <elbo/core/cuda_loader.h>
#include <elbo/core/errors.h>
#include <elbo/core/ops.h>
#include <elbo/core/storage.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../core/cuda_loader_detail.h"
#include "catch.h"
#include "program.h"
#include "self.h"
#include "temp_dir.h"

using namespace elbo;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// A plugin of tests/mock_plugin.
fs::path mock(const std::string& name) { return fs::path(ELBO_MOCK_PLUGINS) / (name + ".so"); }

/// The shared libelbo that the program runs with; empty where it has a static one.
fs::path shared_library() {
#if defined(ELBO_SHARED_LIBRARY)
  return ELBO_SHARED_LIBRARY;
#else
  return {};
#endif
}

std::string error_of(const fs::path& plugin) {
  try {
    detail::load_cuda_plugin(plugin);
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "(none)";
}

bool has_line_break(const std::string& text) { return text.find('\n') != std::string::npos; }

/// What `elbo doctor --json` says of CUDA where ELBO_CUDA_LIBRARY is `plugin`.
json doctor(const std::string& plugin) {
  const Ended ended = run_elbo({"doctor", "--json"}, "env ELBO_CUDA_LIBRARY=" + shell_quoted(plugin));
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  return json::parse(ended.out).at("cuda");
}

std::string doctor_text(const std::string& plugin) {
  const Ended ended = run_elbo({"doctor"}, "env ELBO_CUDA_LIBRARY=" + shell_quoted(plugin));
  CHECK(ended.status == 0);
  CHECK(ended.err.empty());
  return ended.out;
}

/// What a hidden test case prints in a process of its own, where ELBO_CUDA_LIBRARY is `plugin`.
std::string with_plugin(const std::string& plugin, const std::string& tag) {
  return run_self("ELBO_CUDA_LIBRARY=" + shell_quoted(plugin), tag);
}

}  // namespace

TEST_CASE("cuda loader: a plugin is loaded") {
  const CudaPlugin& plugin = detail::load_cuda_plugin(mock("working"));
  CHECK(plugin.abi == cuda_plugin_abi);
  CHECK(std::string(plugin.build) == "mock CUDA 13.0 for sm_90");
  CHECK(&detail::load_cuda_plugin(mock("working")) == &plugin);
}

TEST_CASE("cuda loader: what cannot be loaded is a DeviceError that names the file and the reason, in one line") {
  TempDir dir;
  write_file(dir / "text.so", std::string(1000, 'x'));
  const auto check = [](const fs::path& plugin, const std::vector<std::string>& parts) {
    const std::string message = error_of(plugin);
    INFO(message);
    CHECK_THAT(message, Catch::Contains(plugin.string()));
    CHECK(message.find(plugin.string()) == message.rfind(plugin.string()));  // once
    CHECK_FALSE(has_line_break(message));
    for (const std::string& part : parts) CHECK_THAT(message, Catch::Contains(part));
  };
  check(dir / "text.so", {"cannot be loaded", "invalid ELF header"});
  check(dir / "nowhere.so", {"cannot be loaded", "No such file"});
  check(dir.path(), {"cannot be loaded"});
  check(mock("unresolved"), {"cannot be loaded", "elbo_mock_function_that_is_nowhere"});
  check(mock("no_entry"), {"is no CUDA plugin", "expected the function elbo_cuda_plugin"});
  const std::string expected = "expected ABI number " + std::to_string(cuda_plugin_abi);
  check(mock("other_abi"), {"another version", expected, "found " + std::to_string(cuda_plugin_abi + 41)});
  check(mock("wrong_abi"), {"another version", expected, "found " + std::to_string(cuda_plugin_abi + 2)});
}

TEST_CASE("cuda loader: the ABI number follows from what the headers say, not from how") {
  TempDir dir;
  const fs::path core = fs::path(ELBO_SOURCE_DIR) / "core";
  for (const fs::directory_entry& entry : fs::directory_iterator(core))
    if (entry.path().extension() == ".h") fs::copy(entry.path(), dir / entry.path().filename().string());
  const auto number = [&] {
    const std::string script = (core / "../cmake/ElboPluginAbi.cmake").string();
    return std::atoi(output_of(shell_quoted(ELBO_CMAKE) + " -DFOLDER=" + shell_quoted(dir.path().string()) + " -P " +
                               shell_quoted(script) + " 2>&1")
                         .c_str());
  };
  const auto change = [&](const char* header, const std::string& from, const std::string& to) {
    std::string text = read_file(dir / header);
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write_file(dir / header, text.replace(at, from.size(), to));
  };
  CHECK(number() == cuda_plugin_abi);
  change("functors.h", "X(neg, Neg,", "/// A comment.\n  X(neg,\n    Neg,");
  CHECK(number() == cuda_plugin_abi);
  change("functors.h", "X(exp, Exp, y, -5, 5)", "");
  const int with_another_list = number();
  CHECK(with_another_list > 0);
  CHECK(with_another_list != cuda_plugin_abi);
  change("dtype.h", "float32, float64", "float64, float32");
  CHECK(number() > 0);
  CHECK(number() != with_another_list);
}

TEST_CASE("cuda loader: places are beside libelbo, in ../lib/elbo, ../lib and ./elbo, each once") {
  const auto folders = [](const fs::path& file) {
    std::vector<std::string> out;
    for (const fs::path& place : detail::cuda_plugin_places(file)) {
      CHECK(place.filename() == "libelbo_cuda.so");
      out.push_back(place.parent_path().string());
    }
    return out;
  };
  const std::vector<std::string> program = folders("/opt/elbo/bin/elbo"),
                                 library = folders("/opt/elbo/lib/libelbo.so.0");
  REQUIRE(program.size() >= 4);
  CHECK(std::vector<std::string>(program.begin(), program.begin() + 4) ==
        std::vector<std::string>{"/opt/elbo/bin", "/opt/elbo/lib/elbo", "/opt/elbo/lib", "/opt/elbo/bin/elbo"});
  REQUIRE(library.size() >= 2);
  CHECK(std::vector<std::string>(library.begin(), library.begin() + 2) ==
        std::vector<std::string>{"/opt/elbo/lib", "/opt/elbo/lib/elbo"});
  CHECK(std::set<std::string>(library.begin(), library.end()).size() == library.size());
}

TEST_CASE("cuda loader: libelbo knows the file that holds its code") {
  const fs::path file = detail::libelbo_file();
  CHECK(file.is_absolute());
  CHECK(fs::is_regular_file(file));
  CHECK(file == fs::read_symlink("/proc/self/exe"));  // tests have a static one, whatever the program has
}

TEST_CASE("cuda loader: the first plugin on the way from libelbo's file is taken") {
  const fs::path inside = shared_library();
  const bool is_static = inside.empty();
  TempDir dir;
  const fs::path root = fs::canonical(dir.path());
  for (const char* folder : {"bin/elbo", "lib/elbo"}) fs::create_directories(root / folder);
  fs::copy_file(ELBO_PROGRAM, root / "bin/program");
  // With a shared libelbo, that is what the search begins from.
  if (!is_static) fs::copy_file(inside, root / "lib/libelbo.so.0");
  const fs::path beside = root / (is_static ? "bin" : "lib");
  // Called without its path, by the name that the shell found in $PATH.
  const std::string command = "cd / && env -u ELBO_CUDA_LIBRARY LD_LIBRARY_PATH=" + shell_quoted(root / "lib") +
                              " PATH=" + shell_quoted(root / "bin") + ":\"$PATH\" program doctor --json";
  const auto report = [&] { return json::parse(output_of(command)).at("cuda"); };

  const std::vector<fs::path> places = detail::cuda_plugin_places(beside / "program");
  if (!fs::exists(places.back())) {  // the folder that this build installs to, perhaps
    const json none = report();
    CHECK(none.at("usable") == false);
    CHECK(none.at("plugin").is_null());
    const std::string why = none.at("why");
    INFO(why);
    CHECK_THAT(why, Catch::Contains("no CUDA plugin found") && Catch::Contains("ELBO_CUDA_LIBRARY"));
    for (const fs::path& place : places) CHECK_THAT(why, Catch::Contains(place.parent_path().string()));
    CHECK_FALSE(has_line_break(why));
  }
  for (const fs::path& folder : {beside / "elbo", root / "lib", root / "lib/elbo", beside}) {
    const fs::path plugin = folder / "libelbo_cuda.so";
    // The last two of a shared libelbo are the same as one before.
    fs::copy_file(mock("working"), plugin, fs::copy_options::overwrite_existing);
    const json found = report();
    INFO(found.dump(2));
    CHECK(found.at("usable") == true);
    if (is_static || folder == beside) CHECK(found.at("plugin") == plugin.string());
  }
}

TEST_CASE("cuda loader: what is found first is taken, also where it cannot be loaded") {
  TempDir dir;
  fs::create_directories(dir / "bin");
  fs::create_directories(dir / "lib");
  const fs::path places = dir / "bin/libelbo_cuda.so";
  const fs::path inside = shared_library();
  const bool is_static = inside.empty();
  fs::copy_file(ELBO_PROGRAM, dir / "bin/program");
  if (!is_static) fs::copy_file(inside, dir / "bin/libelbo.so.0");
  fs::copy_file(mock("working"), dir / "lib/libelbo_cuda.so");
  write_file(places, "");
  const json report = json::parse(output_of("env -u ELBO_CUDA_LIBRARY LD_LIBRARY_PATH=" + shell_quoted(dir / "bin") +
                                            " " + shell_quoted(dir / "bin/program") + " doctor --json"))
                          .at("cuda");
  CHECK(report.at("usable") == false);
  CHECK(report.at("plugin") == fs::canonical(places).string());
  CHECK_THAT(report.at("why").get<std::string>(), Catch::Contains("file too short"));
}

TEST_CASE("cuda loader: doctor describes the plugin that ELBO_CUDA_LIBRARY names, and each GPU") {
  const std::string plugin = mock("working").string();
  const json found = doctor(plugin);
  INFO(found.dump(2));
  CHECK(found.at("plugin") == plugin);
  CHECK(found.at("build") == "mock CUDA 13.0 for sm_90");
  CHECK(found.at("driver") == "13.1");
  CHECK(found.at("runtime") == "13.0");
  CHECK(found.at("usable") == true);
  CHECK(found.at("why").is_null());
  REQUIRE(found.at("devices").size() == 3);
  CHECK(found.at("devices")[0] == json({{"device", "cuda:0"},
                                        {"name", "Mock GPU 0"},
                                        {"kernels", "Mock GPU"},
                                        {"architecture", "sm_90"},
                                        {"multiprocessors", 132},
                                        {"total_memory", std::int64_t{80} << 30},
                                        {"free_memory", std::int64_t{60} << 30},
                                        {"why", nullptr}}));
  CHECK(found.at("devices")[1].at("name") == "Mock GPU 1");
  CHECK(found.at("devices")[1].at("free_memory").is_null());
  CHECK(found.at("devices")[1].at("why") == "the mock GPU is full");
  CHECK(found.at("devices")[2].at("name").is_null());
  CHECK(found.at("devices")[2].at("why") == "the mock GPU has fallen off the bus");

  const std::string text = doctor_text(plugin);
  INFO(text);
  for (const std::string& part :
       {plugin, std::string("mock CUDA 13.0 for sm_90"), std::string("Mock GPU, sm_90"),
        std::string("132 multiprocessors"), std::string("60.0 of 80.0 GiB"), std::string("13.1")})
    CHECK_THAT(text, Catch::Contains(part));
  CHECK_THAT(text, Catch::Contains("the mock GPU has fallen off the bus"));
}

TEST_CASE("cuda loader: doctor says why no GPU can be used") {
  const auto check = [](const std::string& name, const std::string& why, bool loaded) {
    INFO(name);
    const std::string plugin = name.empty() ? "none" : mock(name).string();
    const json found = doctor(plugin);
    CHECK(found.at("usable") == false);
    CHECK(found.at("devices") == json::array());
    CHECK(found.at("build").is_null() != loaded);
    CHECK_THAT(found.at("why").get<std::string>(), Catch::Contains(why));
    CHECK_THAT(doctor_text(plugin), Catch::Contains(why));
    if (name.empty()) CHECK(found.at("plugin").is_null());
    if (!name.empty()) CHECK(found.at("plugin") == plugin);
  };
  check("", "ELBO_CUDA_LIBRARY=none", false);
  check("no_driver", "no NVIDIA driver found", true);
  check("old_driver", "expected one for CUDA 13.0, found one for 12.2", true);
  check("no_device", "no GPU found", true);
  check("other_abi", "another version of elbo", false);
  check("no_entry", "is no CUDA plugin of elbo", false);
  check("unresolved", "undefined symbol", false);
  CHECK(doctor(mock("no_driver").string()).at("driver").is_null());
  CHECK(doctor(mock("old_driver").string()).at("driver") == "12.2");
}

// ---- the registry: each of these runs in a process of its own, where the first use of a GPU is the first

TEST_CASE("(in a process of its own) what a missing GPU is called", "[.missing_gpu]") {
  std::string message = "no error";
  try {
    backend({DeviceType::cuda, 0});
  } catch (const DeviceError& error) {
    message = error.what();
  }
  print_result(message + "; " + std::to_string(cuda_device_count()) + "; " + default_device().to_string() + "; " +
               (available({DeviceType::cuda, 0}) ? "there" : "not there"));
}

TEST_CASE("cuda loader: a GPU that cannot be used is a DeviceError that says why, and auto is the CPU") {
  CHECK(with_plugin(mock("no_driver").string(), "[.missing_gpu]") ==
        "device cuda:0 cannot be used: no NVIDIA driver found; 0; cpu; not there");
  CHECK(with_plugin("none", "[.missing_gpu]") ==
        "device cuda:0 cannot be used: ELBO_CUDA_LIBRARY=none switches GPUs off; 0; cpu; not there");
}

TEST_CASE("(in a process of its own) GPUs of the mock plugin", "[.mock_gpus]") {
  // The first to ask are many at once.
  std::vector<Backend*> found(8);
  std::vector<std::thread> threads;
  for (Backend*& slot : found)
    threads.emplace_back([&slot] {
      try {
        slot = &backend({DeviceType::cuda, 1});
      } catch (const DeviceError&) {  // it stays null
      }
    });
  for (std::thread& thread : threads) thread.join();
  REQUIRE(found[0] != nullptr);
  for (Backend* each : found) REQUIRE(each == found[0]);
  REQUIRE(&backend({DeviceType::cuda, 0}) != found[0]);
  REQUIRE(cuda_device_count() == 3);
  REQUIRE(available({DeviceType::cuda, 1}));
  REQUIRE_FALSE(available({DeviceType::cuda, 2}));  // it is there, and computes nothing
  REQUIRE_FALSE(available({DeviceType::cuda, 3}));
  REQUIRE_FALSE(available({DeviceType::cuda, -1}));
  REQUIRE(default_device() == Device{DeviceType::cuda, 0});
  REQUIRE(Device::parse("auto") == Device{DeviceType::cuda, 0});
  REQUIRE(cuda_free_memory(0) == std::int64_t{60} << 30);
  const auto message_of = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const DeviceError& error) {
      return error.what();
    }
    return "(none)";
  };
  REQUIRE(message_of([] { cuda_free_memory(1); }) == "device cuda:1 cannot be used: the mock GPU is full");
  REQUIRE(message_of([] {
            backend({DeviceType::cuda, 2});
          }) == "device cuda:2 cannot be used: the mock GPU has fallen off the bus");
  for (int index : {3, 64, -1})
    REQUIRE(message_of([&] {
              backend({DeviceType::cuda, index});
            }) == "device cuda:" + std::to_string(index) + " cannot be used: there are 3 GPUs, cuda:0 to cuda:2");
  // What a backend does not override.
  REQUIRE(message_of([] {
            elbo::exp(ones({2}, {DType::float32, {DeviceType::cuda, 1}}));
          }) == "[exp] not supported on cuda:1: its backend has no kernel 'unary'");
  print_result("passed");
}

TEST_CASE("cuda loader: each GPU has one backend, and one that is not there is a DeviceError that says which are") {
  CHECK(with_plugin(mock("working").string(), "[.mock_gpus]") == "passed");
}
