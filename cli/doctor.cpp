#include <elbo/core/parallel_for.h>
#include <elbo/core/storage.h>

#include <cstdio>
#include <thread>

#include "commands.h"
#include "inputs.h"

namespace elbo::cli {
namespace {

int doctor(bool json) {
  if (json) {
    print_json({{"elbo", ELBO_VERSION},
                {"cpu_kernels", backend(cpu).description()},
                {"threads", num_threads()},
                {"processors", std::thread::hardware_concurrency()},
                {"cuda", nullptr}});
    return 0;
  }
  std::printf("elbo           %s\n", ELBO_VERSION);
  std::printf("CPU kernels    %s (ELBO_ISA=baseline|v3|v4 forces one)\n", backend(cpu).description());
  std::printf("threads        %d of %u processors\n", num_threads(), std::thread::hardware_concurrency());
  std::printf("CUDA           not in this build\n");
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
