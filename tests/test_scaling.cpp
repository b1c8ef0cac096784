// bench/scaling.py: its tables and its charts, from rows that nobody measured.
#include "program.h"
#include "self.h"

using Catch::Matchers::Contains;

namespace {

constexpr const char* canned = R"json({
 "about": {"processor": "made up, 2 cores", "date": "2026-01-31", "versions": {"elbo": "9.9", "PyTorch": "8.8"}},
 "rows": [
  {"sweep": "batch", "value": 4096, "threads": 1, "flops": 1.25e10, "peaks": [1e11, 2e11, 1e11],
   "milliseconds": {"elbo": [250, 1000, 200], "torch": [700, 700, 700], "torch, channels last": [500, 600, 400]}},
  {"sweep": "batch", "value": 1, "threads": 1, "flops": 1e5, "peaks": [1e11, 1e11, 1e11],
   "milliseconds": {"elbo": [0.05, 0.05, 0.0625], "torch": [0.2, 0.2, 0.2]}},
  {"sweep": "batch", "value": 4096, "threads": 2, "flops": 1.25e10, "peaks": [2e11],
   "milliseconds": {"elbo": [125]}},
  {"sweep": "memory", "value": "vae", "threads": 2, "elbo": 80.4, "torch": 400, "torch_import": 300.2}]})json";

bool has_python() { return output_of("command -v python3") != ""; }

/// What `scaling.py --show` prints of these rows.
std::string shown(const TempDir& dir, const std::string& options = "") {
  std::ofstream(dir / "rows.json") << canned;
  return output_of("python3 '" ELBO_SOURCE_DIR "/bench/scaling.py' --show '" + (dir / "rows.json").string() + "' " +
                   options);
}

}  // namespace

TEST_CASE("scaling.py makes tables of its rows, by value and number of threads", "[bench]") {
  if (!has_python()) {
    WARN("no python3");
    return;
  }
  const TempDir dir;
  const std::string out = shown(dir);
  CHECK_THAT(out, Contains("made up, 2 cores, 2026-01-31, elbo 9.9, PyTorch 8.8, FMA peak of 1 thread 100 GFLOP/s, at "
                           "times 100, FMA peak of 2 threads 200 GFLOP/s, at times 200. Medians of 1 or 3 turns."));
  CHECK_THAT(out, Contains("VAE 784-400-20, a training step by batch:\n\n| batch | 1 thread: elbo, ms "));
  CHECK_THAT(out, Contains("\n| 1 | 0.050 | 2 % | 0.200 | 4.00 |  |  |  |  |  |\n"
                           "| 4,096 | 250 | 50 % | 500 | 2.00 | 125 | 50 % |  |  | 2.00 |\n"));
  CHECK_THAT(out, Contains("| VAE 784-400-20, Fashion-MNIST | 80 | 400 | 300 | 20 % |"));
  CHECK_THAT(out, !Contains("by width"));
}

TEST_CASE("scaling.py has its charts drawn", "[bench]") {
  const std::string program = ELBO_BINARY_DIR "/bench/elbo_chart";
  if (!has_python() || !std::filesystem::exists(program)) {
    WARN("no python3, or no benchmarks");
    return;
  }
  const TempDir dir;
  shown(dir, "--charts '" + (dir / "charts").string() + "' --chart '" + program + "'");
  const std::string svg = read_file(dir / "charts" / "batch.svg");
  CHECK_THAT(svg, Catch::Matchers::StartsWith("<svg") && Catch::Matchers::EndsWith("</svg>\n"));
  for (const char* text : {">VAE 784-400-20: a training step by batch<", ">elbo, 1 thread<", ">PyTorch, 1 thread<",
                           ">elbo, 2 threads<", ">share of the FMA peak, %<", "batch 4096: 250<", ">1000</text>"})
    CHECK_THAT(svg, Contains(text));
  CHECK_THAT(svg, !Contains(">PyTorch, 2 threads<"));
  CHECK(!std::filesystem::exists(dir / "charts" / "width.svg"));
}
