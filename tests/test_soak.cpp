// A long training: what grows with the number of epochs would show.
#include <elbo/models/training/trained.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <vector>

#include "catch.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;

namespace {

/// Memory of this process that lies in RAM, in bytes.
std::int64_t resident_bytes() {
  std::int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

/// Of the times of some epochs, the one that a tenth of them fall below: other programs disturb it least.
double quick(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 10];
}

}  // namespace

TEST_CASE("2,000 epochs take no more memory and no more time each than the first ones", "[models][soak][slow]") {
  constexpr std::int64_t epochs = 2000;
  TempDir folder;
  models::RunConfig config{.model = {.hidden = {8}, .latent = 2},
                           .train = {.epochs = epochs, .batch_size = 32, .val_size = 8}};
  std::vector<double> seconds;
  std::vector<std::int64_t> memory;
  auto before = std::chrono::steady_clock::now();
  auto on_epoch = [&](const models::EpochRecord&, bool) {
    auto now = std::chrono::steady_clock::now();
    seconds.push_back(std::chrono::duration<double>(now - before).count());
    memory.push_back(resident_bytes());
    before = now;
  };
  models::train(folder / "run", config, bars(72, 12), {.on_epoch = on_epoch});
  REQUIRE(std::ssize(seconds) == epochs);
  // A record of the history takes about 150 bytes, a sample here 16: half a megabyte for all epochs.
  CHECK(memory.back() - memory[200] < 2'000'000);
  const double early = quick({seconds.begin() + 100, seconds.begin() + 400});
  const double late = quick({seconds.end() - 300, seconds.end()});
  INFO("an epoch took " << early * 1e3 << " ms at first and " << late * 1e3 << " ms at last");
  CHECK(late < 1.5 * early);
}
