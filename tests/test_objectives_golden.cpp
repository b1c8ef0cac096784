// PyTorch's numbers for the objectives with one player.
#include <elbo/core/gradcheck.h>

#include "tiny_objectives.h"

using namespace tiny_objectives;

namespace {

/// Written by tests/oracle/zoo_objectives.py: the loss, and for encoder and decoder the gradient's norm and sum.
struct Golden {
  const char* name;
  Settings settings;
  double loss;
  Norms encoder, decoder;
  double error = 1e-11;  ///< relative
};

Settings iwae(const std::string& name, bool dreg) {
  return objective(name, [=](ModelConfig& c) { c.samples = 3, c.groups = 2, c.mix = 0.25, c.dreg = dreg; });
}
Settings mmd(const char* kernel, double beta, const char* posterior) {
  return objective("mmd", [=](ModelConfig& c) {
    c.beta = beta, c.mmd_weight = 100, c.mmd_kernel = kernel, c.posterior = posterior;
  });
}

const std::vector<Golden>& golden() {
  const Norms usual{1.66859979610657, -0.980194031656745};
  const auto beta = [](const Settings& more) {
    return objective("elbo", [=](ModelConfig& c) { c.beta = 4, more(c); });
  };
  // The prior's codes are of float32.
  static const std::vector<Golden> all{
      {"elbo", beta([](ModelConfig&) {}), 21.93956639396743, {32.9924398612034, 33.46131310658145}, usual},
      {"free bits",
       beta([](ModelConfig& c) { c.free_bits = 1.5; }),
       23.62281081832454,
       {26.663820346137847, 16.855261103859718},
       usual},
      {"capacity",
       beta([](ModelConfig& c) { c.capacity = 5; }),
       8.835684960342622,
       {32.4634127675549, -33.55359008542811},
       usual},
      {"beta-tc",
       objective("beta-tc", [](ModelConfig& c) { c.beta = 6; }),
       11.462299825002521,
       {12.435496031110032, 14.902111538678378},
       usual},
      {"dip i", objective("dip"), 188.75981372900048, {56.40832385563895, -17.988809031022214}, usual},
      {"dip ii",
       objective("dip", [](ModelConfig& c) { c.dip = "ii", c.dip_diagonal = 100, c.dip_off_diagonal = 10; }),
       2922.4327854434987,
       {12588.871062975564, 9504.325779176956},
       usual},
      {"mmd imq", mmd("imq", 0.5, "diagonal"), 49.82081831178071, {41.08513899005775, 42.43802503327126}, usual, 1e-6},
      {"mmd rbf", mmd("rbf", 0.5, "diagonal"), 58.15968985204903, {38.79120513163447, 35.43448333740826}, usual, 1e-6},
      {"wae",
       mmd("imq", 0, "point"),
       67.89885893769339,
       {80.4743330897255, 53.693460525794215},
       {2.9306634642527403, -4.572038582509366},
       1e-6},
      {"rae",
       objective("rae", [](ModelConfig& c) { c.posterior = "point", c.code_weight = 0.3, c.decoder_weight = 0.02; }),
       6.487978123017897,
       {2.695557726197356, 1.25283903088858},
       {2.968692104662227, -4.690290946002705}},
      {"iwae",
       iwae("iwae", false),
       6.265095040916596,
       {3.6990199395384846, 3.25427018235819},
       {1.1337792028556044, -0.31951899945725787}},
      {"iwae dreg",
       iwae("iwae", true),
       6.265095040916596,
       {3.2237495085140253, 3.256493744647877},
       {1.1337792028556044, -0.31951899945725787}},
      {"miwae",
       iwae("miwae", false),
       5.816460346059399,
       {1.7660654426237787, 2.1998668706795836},
       {1.163920950864948, -0.9319773664837248}},
      {"miwae dreg",
       iwae("miwae", true),
       5.816460346059399,
       {2.092574231341463, 2.5392454301050233},
       {1.163920950864948, -0.9319773664837248}},
      {"piwae",
       iwae("piwae", false),
       5.236596648453238,
       {1.7660654426237787, 2.1998668706795836},
       {1.0724004840369081, -0.4480170690606784}},
      {"piwae dreg",
       iwae("piwae", true),
       5.236596648453238,
       {2.092574231341463, 2.5392454301050233},
       {1.0724004840369081, -0.4480170690606784}},
      {"ciwae",
       iwae("ciwae", false),
       7.201929825488583,
       {4.87832340713662, 5.162919740333644},
       {1.1954660653745093, -0.5947556811237067}},
      {"ciwae dreg",
       iwae("ciwae", true),
       7.201929825488583,
       {4.527372089534941, 4.962692499082854},
       {1.1954660653745093, -0.5947556811237067}}};
  return all;
}

}  // namespace

TEST_CASE("the objectives' losses and gradients are PyTorch's", "[golden]") {
  for (const Golden& one : golden()) DYNAMIC_SECTION(one.name) {
      const auto model = tiny(one.settings);
      Tensor loss = loss_of(terms_of(*model, tiny_pictures()), 4);
      loss.backward();
      const Norms encoder = norms(gradients(*model, false)), decoder = norms(gradients(*model, true));
      const auto close = [&](double expected, double scale) {
        return Approx(expected).epsilon(0).margin(one.error * scale);
      };
      CHECK(loss.item() == close(one.loss, one.loss));
      CHECK(encoder.norm == close(one.encoder.norm, one.encoder.norm));
      CHECK(encoder.sum == close(one.encoder.sum, one.encoder.norm));
      CHECK(decoder.norm == close(one.decoder.norm, one.decoder.norm));
      CHECK(decoder.sum == close(one.decoder.sum, one.decoder.norm));
    }
}

TEST_CASE("the objectives' gradients are those of their losses") {
  for (const Golden& one : golden()) {
    const std::string name = one.name;
    // These are not, on purpose.
    if (name.ends_with("dreg") || name == "piwae") continue;
    INFO(name);
    const auto model = tiny(one.settings);
    const Tensor x = tiny_pictures(3);
    const auto loss = [&](std::span<const Tensor>) { return loss_of(terms_of(*model, x), 3); };
    const GradcheckResult result = gradcheck(loss, model->parameters());
    INFO(result.message);
    CHECK(result.ok);
  }
}

TEST_CASE("terms for each picture add up to the batch's, and what only a batch has is left out") {
  const std::vector<std::string> of_batches{"free_bits",         "capacity",         "mutual_information",
                                            "total_correlation", "dimension_kl",     "mmd",
                                            "dip_diagonal",      "dip_off_diagonal", "decoder_norm"};
  for (const Golden& one : golden()) {
    INFO(one.name);
    const auto model = tiny(one.settings);
    const Tensor x = tiny_pictures();
    const Terms batch = terms_of(*model, x), each = terms_of(*model, x, true);
    CHECK(batch.find("reconstruction"));
    CHECK((batch.find("kl") || model->config().objective == "rae"));
    std::size_t left_out = 0;
    for (const Term& term : batch.list) {
      INFO(term.name);
      CHECK(term.nats.shape() == Shape{});
      const bool only_batch = std::find(of_batches.begin(), of_batches.end(), term.name) != of_batches.end();
      left_out += only_batch;
      const Term* picture = each.find(term.name);
      REQUIRE((picture != nullptr) != only_batch);
      if (only_batch) continue;
      CHECK(picture->nats.shape() == Shape{4});
      CHECK(picture->counts == term.counts);
      CHECK(sum(picture->nats).item() == Approx(term.nats.item()).epsilon(1e-12));
    }
    CHECK(each.list.size() + left_out == batch.list.size());
  }
}

TEST_CASE("a batch of one picture has finite losses and gradients") {
  for (const Golden& one : golden()) {
    INFO(one.name);
    const auto model = tiny(one.settings);
    Tensor loss = loss_of(terms_of(*model, tiny_pictures(1)), 1);
    loss.backward();
    CHECK(std::isfinite(loss.item()));
    CHECK(std::isfinite(norms(gradients(*model, false)).norm));
    CHECK(std::isfinite(norms(gradients(*model, true)).norm));
  }
}

// ---- importance-weighted bounds -------------------------------------------------------------------------------------
