#include <elbo/models/training/run.h>

#include "target.h"

using elbo::models::Run;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Run run = Run::create(own_folder() / "run", {});
  write_input(run / "history.jsonl", {data, size});
  return survive([] { run.history(); });
}
