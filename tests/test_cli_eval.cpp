#include <nlohmann/json.hpp>

#include "program.h"

namespace {

void train(const TempDir& dir, const std::string& name, std::vector<std::string> options) {
  std::vector<std::string> all{"train",    "--dataset", "shapes",   "--count", "60",    "--hidden",           "8",
                               "--latent", "3",         "--epochs", "1",       "--out", (dir / name).string()};
  all.insert(all.end(), options.begin(), options.end());
  const Ended ended = run_elbo(all);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
}

nlohmann::json eval(const TempDir& dir, const std::string& name, std::vector<std::string> options) {
  std::vector<std::string> all{"eval", (dir / name).string(), "--json"};
  all.insert(all.end(), options.begin(), options.end());
  const Ended ended = run_elbo(all);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  return nlohmann::json::parse(ended.out);
}

}  // namespace

TEST_CASE("elbo eval estimates log p(x), and says what the codes say") {
  const TempDir dir;
  train(dir, "vae", {});
  const nlohmann::json plain = eval(dir, "vae", {});
  CHECK_FALSE(plain.contains("nll"));
  CHECK_FALSE(plain.contains("mutual_information"));
  const nlohmann::json found = eval(dir, "vae", {"--nll", "50", "--information", "--binarize"});
  // The bound of many samples lies below that of one.
  CHECK(found["nll"]["nats"].get<double>() < found["loss"].get<double>());
  CHECK(found["nll"]["samples"] == 50);
  CHECK(found["nll"]["standard_error"].get<double>() > 0);
  CHECK(found["nll"]["effective_samples"].get<double>() >= 1);
  CHECK(found["kl_of_dimensions"].size() == 3);
  CHECK(found["active_dimensions"].is_array());
  CHECK(found["mutual_information"].is_number());
  CHECK(found["marginal_kl"].is_number());
  // Drawn pictures are others than grey ones.
  CHECK(found["loss"] != plain["loss"]);
  const Ended text = run_elbo({"eval", (dir / "vae").string(), "--nll", "5", "--information"});
  for (const char* words :
       {"-log p(x)", "standard error", "I(x; z)", "marginal KL", "active: ", "KL of each latent dimension"})
    CHECK_THAT(text.out, Catch::Contains(words));
}

TEST_CASE("elbo eval gives bits per dimension where the likelihood is of bytes, and refuses what has no likelihood") {
  const TempDir dir;
  train(dir, "bytes", {"--likelihood", "logistic"});
  const nlohmann::json found = eval(dir, "bytes", {});
  CHECK(found["bits_per_dimension"].get<double>() ==
        Approx(found["loss"].get<double>() / (64 * 64 * std::log(2.0))).epsilon(1e-6));
  train(dir, "points", {"--model", "ae"});
  CHECK_FALSE(eval(dir, "points", {}).contains("bits_per_dimension"));
  check_refused(run_elbo({"eval", (dir / "points").string(), "--nll", "5"}), {"--nll", "not for posterior point"});
  check_refused(run_elbo({"eval", (dir / "points").string(), "--information"}), {"posterior", "point"});
}
