// A checkpoint read from its file, and taken up by the trainer of a small model.
#include <elbo/models/training/run.h>
#include <elbo/models/training/trainer.h>

#include "small_run.h"
#include "target.h"

using namespace elbo;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const models::Run run = models::Run::create(own_folder() / "run", small_config());
  static const auto model = models::make(small_config().model);
  static models::Trainer trainer(*model, small_pictures(), small_config().train);
  std::filesystem::create_directories(run / "checkpoint");
  write_input(run / "checkpoint" / "state.safetensors", {data, size});
  return survive([] {
    if (const auto checkpoint = run.read_checkpoint()) trainer.load_state(checkpoint->state);
  });
}
