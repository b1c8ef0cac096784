#include <elbo/core/file.h>
#include <elbo/core/graph.h>
#include <elbo/core/kernels.h>
#include <elbo/core/ops.h>
#include <elbo/core/profile.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/trainer.h>
#include <elbo/nn/layers.h>
#include <elbo/nn/profile.h>
#include <elbo/nn/sequential.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "catch.h"
#include "op_checks.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;

namespace {

Profile profiled(const std::function<void()>& work, const nn::Module* module = nullptr) {
  Profile profile;
  if (module) nn::name_layers(profile, *module);
  const ProfileGuard watching(profile);
  work();
  return profile;
}

ProfileRow row_of(const Profile& profile, const std::string& op, bool backward, const std::string& layer = "") {
  for (const ProfileRow& row : profile.rows())
    if (row.op == op && row.backward == backward && row.layer == layer) return row;
  FAIL("no row " << op << (backward ? " backward" : "") << " of '" << layer << "'");
  return {};
}

double sum_of_rows(const Profile& profile) {
  double out = profile.outside_seconds();
  for (const ProfileRow& row : profile.rows()) out += row.seconds;
  return out;
}

}  // namespace

TEST_CASE("a linear layer's FLOP and bytes are those of its formula", "[profile]") {
  const double n = 7, in = 5, out = 3;
  nn::Sequential net{nn::Linear(5, 3), nn::ReLU()};
  Tensor x = ones({7, 5}).requires_grad_();
  const Profile profile = profiled([&] { sum(net(x)).backward(); }, &net);
  const ProfileRow forward = row_of(profile, "linear", false, "0"), backward = row_of(profile, "linear", true, "0");
  CHECK(forward.calls == 1);
  CHECK(forward.flop == 2 * n * in * out);
  CHECK(forward.bytes == 4 * (n * in + in * out + out + n * out));
  CHECK(backward.calls == 1);
  CHECK(backward.flop == 2 * (2 * n * in * out));  // those of x and of the weight
  CHECK(row_of(profile, "sum", false).flop == 0);
  CHECK(row_of(profile, "sum", true).calls == 1);
}

TEST_CASE("a convolution's FLOP and those of its gradients are its formula's", "[profile]") {
  const double n = 2, c = 3, k = 4, out = 4 * 4, taps = 3 * 3;
  nn::Conv2d conv(3, 4, {3, 3}, {.stride = 2, .padding = 1});
  Tensor x = ones({2, 3, 8, 8}).requires_grad_();
  const double flop = 2 * n * k * out * c * taps;
  Profile profile = profiled([&] { sum(conv(x)).backward(); });
  CHECK(row_of(profile, "conv2d", false).flop == flop);
  CHECK(row_of(profile, "conv2d", false).bytes == 4 * (n * c * 64 + k * c * taps + n * k * out + k));
  CHECK(row_of(profile, "conv2d", true).flop == 2 * flop);
  profile = profiled([&] { sum(conv(x.detach())).backward(); });
  CHECK(row_of(profile, "conv2d", true).flop == flop);  // of the weight alone

  nn::ConvTranspose2d back(4, 3, {3, 3}, {.stride = 2, .padding = 1, .output_padding = 1});
  Tensor z = ones({2, 4, 4, 4}).requires_grad_();
  profile = profiled([&] { sum(back(z)).backward(); });
  CHECK(row_of(profile, "conv_transpose2d", false).flop == flop);
  CHECK(row_of(profile, "conv_transpose2d", true).flop == 2 * flop);

  nn::Conv2d grouped(4, 6, {1, 1}, {.groups = 2});
  profile = profiled([&] { grouped(ones({2, 4, 5, 5})); });
  CHECK(row_of(profile, "conv2d", false).flop == 2 * n * 6 * 25 * 2);
}

TEST_CASE("an op and its gradient belong to the layer that called it", "[profile]") {
  nn::Sequential net{nn::Sequential{nn::Linear(4, 4), nn::Softplus()}, nn::Linear(4, 4)};
  const Tensor x = ones({2, 4});
  const Profile profile = profiled(
      [&] {
        for (int i = 0; i < 3; ++i) mean(square(net(x))).backward();
      },
      &net);
  for (const char* layer : {"0.0", "1"}) {
    CHECK(row_of(profile, "linear", false, layer).calls == 3);
    CHECK(row_of(profile, "linear", true, layer).calls == 3);
  }
  CHECK(row_of(profile, "softplus", true, "0.1").calls == 3);
  CHECK(row_of(profile, "square", true).calls == 3);
  CHECK(profile.spans() == 1);
}

TEST_CASE("an op is one row, whatever it is made of", "[profile]") {
  Tensor x = ones({4, 3}).requires_grad_();
  const Tensor labels = zeros({4}, {.dtype = DType::int64});
  const Profile profile = profiled([&] { cross_entropy(x, labels); });
  REQUIRE(profile.rows().size() == 1);
  CHECK(profile.rows()[0].op == "cross_entropy");
  CHECK(profile.rows()[0].calls == 1);
  CHECK(profile.rows()[0].bytes > 0);
}

TEST_CASE("the rows and what lies between them are the time that was watched", "[profile]") {
  Tensor a = ones({64, 64}), b = ones({64, 64}).requires_grad_();
  Profile profile;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    const ProfileGuard watching(profile);
    sum(matmul(a, b)).backward();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CHECK(profile.spans() == 20);
  CHECK(sum_of_rows(profile) == Approx(profile.seconds()));
  CHECK(profile.outside_seconds() > 0.018);
  CHECK(profile.seconds() <= passed);
  CHECK(profile.seconds() > 0.9 * passed);
}

TEST_CASE("outside of a guard, and on other threads, nothing is counted", "[profile]") {
  const Tensor x = ones({3});
  Profile profile;
  {
    const ProfileGuard watching(profile);
    std::thread([&] { x + x; }).join();
    CHECK_THROWS_AS(ProfileGuard(profile), ValueError);
  }
  CHECK_THROWS_WITH(
      [&] {
        const ProfileGuard watching(profile);
        const ProfileGuard second(profile);
      }(),
      "[ProfileGuard] expected no other on this thread, found one that lives");
  x + x;
  CHECK(profile.rows().empty());
  CHECK(profile.spans() == 2);
}

TEST_CASE("a kernel that no op called has its own row, and memory outlives the guard", "[profile]") {
  nn::Linear layer(3, 3);
  Tensor kept;
  Array total = Array::zeros({}, {DType::float64});
  const Profile profile = profiled([&] {
    kept = ones({50});
    kernels::accumulate_(total, Array::full({}, 2));
  });
  CHECK(row_of(profile, "accumulate", false).bytes == 8 + 8 + 4);
  kept = {};
  CHECK(total.item() == 2);
}

TEST_CASE("every op computes the same under a profile", "[profile]") {
  op_cases::for_each_case(
      [](const op_cases::OpCase& c) { return c.size == op_cases::Size::small && bool(c.reference); },
      [](const op_cases::OpCase& c) {
        const op_cases::Results plain = op_cases::run(c, DType::float32);
        op_cases::Results watched;
        const Profile profile = profiled([&] { watched = op_cases::run(c, DType::float32); });
        REQUIRE(plain.arrays.size() == watched.arrays.size());
        for (std::size_t i = 0; i < plain.arrays.size(); ++i)
          CHECK(op_cases::same_bits(plain.arrays[i], watched.arrays[i]));
      });
}

TEST_CASE("the table has at most 80 columns, and everything in it", "[profile]") {
  nn::Sequential net{nn::Linear(200, 200), nn::Tanh()};
  Profile profile;
  profile.name_layer(&net[0], "a_rather_long_name.of_a_layer.17");
  {
    const ProfileGuard watching(profile);
    for (int i = 0; i < 5; ++i)
      sum(binary_cross_entropy_with_logits(net(ones({64, 200})), zeros({64, 200}))).backward();
  }
  std::istringstream table(profile.table());
  std::string line, all;
  double percent = 0;
  while (std::getline(table, line)) {
    CHECK(line.size() <= 80);
    all += line + "\n";
    if (line.size() >= 58 && line.rfind("op ", 0) != 0 && line.rfind("share", 0) != 0)
      percent += std::stod(line.substr(54, 5));
  }
  INFO(all);
  CHECK(percent == Approx(100).margin(1));
  CHECK_THAT(all, Catch::Contains(".._a_layer.17") && Catch::Contains("linear grad") &&
                      Catch::Contains("\noutside of ops ") && Catch::Contains("GFLOP/s where there is FLOP"));
}

TEST_CASE("the trace is Chrome's", "[profile]") {
  nn::Sequential net{nn::Linear(2, 2), nn::Tanh()};
  const Profile profile = profiled([&] { sum(net(ones({1, 2}))).backward(); }, &net);
  TempDir dir;
  profile.write_trace(dir / "trace.json");
  const auto trace = nlohmann::json::parse(read_whole_file(dir / "trace.json"));
  std::map<std::string, int> seen;
  for (const auto& event : trace.at("traceEvents")) {
    CHECK(event.at("ph") == "X");
    CHECK(event.at("ts").get<double>() >= 0);
    CHECK(event.at("dur").get<double>() >= 0);
    CHECK(event.at("pid").is_number_integer());
    CHECK(event.at("tid").is_number_integer());
    ++seen[event.at("cat").get<std::string>() + " " + event.at("name").get<std::string>()];
    if (event.at("name") == "linear") CHECK(event.at("args").at("layer") == "0");
  }
  CHECK(seen["span span"] == 1);
  CHECK(seen["layer 0"] == 1);
  CHECK(seen["forward linear"] == 1);
  CHECK(seen["backward linear"] == 1);
}

TEST_CASE("a trainer's steps are the spans, and agree with the epoch's time", "[profile][models]") {
  using namespace models;
  const datasets::Dataset data = bars(200);
  ModelConfig config{.model = "vae", .picture = {1, 4, 4}, .hidden = {16}, .latent = 3};
  config.picture = {data.channels(), data.height(), data.width()};
  const TrainOptions options{.epochs = 2, .batch_size = 20, .val_size = 40};
  const auto train = [&](Profile* profile) {
    Generator initial(3);
    const GeneratorScope scope(initial);
    const auto model = make(config);
    Trainer trainer(*model, data, options);
    trainer.set_profile(profile);
    EpochRecord record = trainer.run_epoch();
    CHECK(trainer.waits().batches <= 8);
    return std::pair(record, model->state_dict());
  };
  Profile profile;
  const auto [record, state] = train(&profile);
  CHECK(profile.spans() == 8);
  CHECK(row_of(profile, "adam", false).calls == 8);
  CHECK(row_of(profile, "linear", false, "encoder.0").calls == 8);
  CHECK(sum_of_rows(profile) == Approx(profile.seconds()));
  CHECK(profile.seconds() <= record.seconds);
  const auto [again, same] = train(nullptr);
  CHECK(again.train.loss == record.train.loss);
  for (std::size_t i = 0; i < state.size(); ++i) CHECK(op_cases::same_bits(state[i].second, same[i].second));
}
