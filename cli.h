#pragma once
#include "core/api.h"

/// The `elbo` program, for programs of your own: they register models and hand their command line on. Links with
/// libelbo_cli: the CMake target elbo::cli, of find_package(elbo COMPONENTS cli).
///
///     int main(int argc, char** argv) {
///       elbo::models::register_model("mine", [](const elbo::models::ModelConfig& c) { return
///       std::make_unique<Mine>(c); }); return elbo::run_cli(argc, argv);
///     }
namespace ELBO_API elbo {

/// All that `elbo` does: reads the command line, does the work, and returns the exit status: 0 after success, 1 after a
/// fault at run time, 2 for bad input or options, 128 and a signal's number where that stopped it. Throws nothing.
/// Models and parts that are registered before are trained, loaded and listed like the library's own. Once a process.
int run_cli(int argc, char** argv);

}  // namespace elbo
