// `elbo train --profile`: a table, a trace, and the same in JSON; of a run that goes on too.
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.h"

using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

std::vector<std::string> training(const std::string& out) {
  return {"train", "--dataset",  "shapes", "--count",      "60", "--hidden",  "8", "--latent",  "2",     "--epochs",
          "1",     "--val-size", "10",     "--batch-size", "10", "--threads", "1", "--profile", "--out", out};
}

json trace_of(const std::string& run) { return json::parse(read_file(run + "/trace.json")).at("traceEvents"); }

}  // namespace

TEST_CASE("a profiled training says where its steps' time went, also when it goes on", "[cli][profile]") {
  const TempDir dir;
  const std::string run = (dir / "run").string();
  const Ended first = run_elbo(training(run));
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  CHECK_THAT(first.out, Contains("\nProfile of 5 steps, ") && Contains("\noutside of ops ") &&
                            Contains("\nlinear grad             encoder.0") &&
                            Contains(" not ready when a step came for it.\n") && Contains(" trace.json\n"));
  std::istringstream table(first.out.substr(first.out.find("\nop  ")));
  for (std::string line; std::getline(table, line) && line.rfind("Run folder", 0) != 0;) CHECK(line.size() <= 80);
  CHECK(trace_of(run).size() > 50);

  const Ended more = run_elbo({"train", "--resume", "--epochs", "3", "--profile", "--json", "--out", run});
  INFO(more.err);
  REQUIRE(more.status == 0);
  const json profile = json::parse(more.out).at("profile");
  CHECK(profile.at("steps") == 10);
  double sum = profile.at("outside_seconds").get<double>();
  for (const json& row : profile.at("rows")) {
    sum += row.at("seconds").get<double>();
    if (row.at("op") == "adam") CHECK(row.at("calls") == 10);
  }
  CHECK(sum == Approx(profile.at("seconds").get<double>()));
  CHECK(profile.at("waits").at("batches").get<int>() <= 10);

  const Ended plain = run_elbo({"train", "--resume", "--epochs", "4", "--json", "--out", run});
  CHECK_FALSE(json::parse(plain.out).contains("profile"));
}

TEST_CASE("a trace that cannot be written is a fault; the training is kept", "[cli][profile]") {
  const TempDir dir;
  const std::string run = (dir / "run").string();
  REQUIRE(run_elbo(training(run)).status == 0);
  std::filesystem::remove(dir / "run" / "trace.json");
  std::filesystem::create_directories(dir / "run" / "trace.json" / "in the way");
  const Ended ended = run_elbo({"train", "--resume", "--epochs", "2", "--profile", "--json", "--out", run});
  CHECK(ended.status == 1);
  CHECK_THAT(ended.err, Contains("elbo train: the trace is not kept: ") && Contains("trace.json"));
  CHECK(json::parse(ended.out).at("epochs") == 2);
}
