// What the fuzz targets of tests/fuzz found, or would: small inputs that once did harm.
#include <elbo/models/training/run.h>
#include <elbo/models/training/trainer.h>

#include <limits>

#include "datasets_support.h"
#include "fuzz/small_run.h"
#include "temp_dir.h"

using namespace elbo;

TEST_CASE("checkpoint: counts that are none are refused", "[fuzz]") {
  const auto model = models::make(small_config().model);
  models::Trainer trainer(*model, small_pictures(), small_config().train);
  trainer.run_epoch();
  const NamedArrays sound = trainer.state();
  for (const char* name : {"epoch", "noise.offset"})
    for (double value : {std::numeric_limits<double>::quiet_NaN(), 1e300, -1.0, 0.5}) {
      NamedArrays state = sound;
      for (auto& [own, array] : state)
        if (own == name) array = Array::full({}, value, {DType::float64, cpu});
      CHECK_THAT(error_of<FormatError>([&] { trainer.load_state(state); }),
                 Catch::Contains(std::string("checkpoint: expected a whole number '") + name + "' from 0, found "));
    }
  trainer.load_state(sound);
  CHECK(trainer.epoch() == 1);
}
