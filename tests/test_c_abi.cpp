#include <elbo/c.h>
#include <elbo/core/text.h>
#include <elbo/models/analysis/codes.h>
#include <elbo/models/analysis/evaluate.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/training/run.h>

#include <cmath>
#include <thread>

#include "catch.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;

namespace {

constexpr std::int64_t pixels = 64, latent = 3;

/// A run folder with a model that nobody trained.
void make_run(const std::filesystem::path& folder, const models::ModelConfig& config) {
  Generator init(5, Stream::init);
  const auto model = models::make(config, &init);
  models::Run::create(folder, {.model = config}).write_model(model->state_dict());
}

models::ModelConfig small(const char* kind = "vae") {
  models::ModelConfig config{.model = kind, .picture = {1, 8, 8}, .hidden = {16}, .latent = latent};
  if (config.model == "cvae") config.classes = 2;
  return config;
}

/// A run, the same model by the C++ interface and by this one, and pictures.
struct Both {
  explicit Both(const models::ModelConfig& config = small(), std::int64_t count = 7) : data(bars(count, 8)) {
    make_run(dir / "run", config);
    cpp = models::load(dir / "run");
    REQUIRE(elbo_load_run((dir / "run").c_str(), "cpu", &c) == ELBO_OK);
    for (std::uint8_t byte : data.pictures()) pictures.push_back(static_cast<float>(byte) / 255.0f);
    if (config.classes > 0) labels = data.labels;
    x = Tensor(Array::from(pictures, data.shape()));
    y = labels.empty() ? Tensor() : Tensor(data.labels_array());
  }
  ~Both() { elbo_free(c); }
  Both(const Both&) = delete;
  Both& operator=(const Both&) = delete;

  std::size_t rows() const { return static_cast<std::size_t>(data.size()); }

  TempDir dir;
  datasets::Dataset data;
  std::vector<float> pictures;
  std::vector<std::int64_t> labels;
  Tensor x, y;
  std::unique_ptr<models::Model> cpp;
  elbo_model* c = nullptr;
};

std::vector<float> codes_of(const Both& both) {
  std::vector<float> codes(both.rows() * latent);
  REQUIRE(elbo_encode(both.c, both.pictures.data(), both.pictures.size(), both.labels.data(), both.labels.size(),
                      codes.data(), codes.size(), nullptr, 0) == ELBO_OK);
  return codes;
}

}  // namespace

TEST_CASE("c: a model says its sizes") {
  const Both both;
  CHECK(elbo_channels(both.c) == 1);
  CHECK(elbo_height(both.c) == 8);
  CHECK(elbo_width(both.c) == 8);
  CHECK(elbo_pixels(both.c) == pixels);
  CHECK(elbo_latent(both.c) == latent);
  CHECK(elbo_classes(both.c) == 0);
  CHECK(elbo_has_variance(both.c) == 1);
  CHECK(elbo_pixels(nullptr) == 0);
  CHECK(elbo_has_variance(nullptr) == 0);
  CHECK(std::string(elbo_version()).find('.') != std::string::npos);
  elbo_free(nullptr);
}

TEST_CASE("c: all numbers are those of the C++ interface") {
  for (const char* kind : {"vae", "cvae", "ae"}) {
    const Both both(small(kind));
    const std::size_t rows = both.rows();
    const NoGradGuard no_grad;
    const models::Encoded q = models::as_latent(*both.cpp).encode(both.x, both.y);
    std::vector<float> mean(rows * latent), logvar(rows * latent), pictures(rows * pixels);
    const bool variance = elbo_has_variance(both.c) == 1;
    CHECK(variance == q.logvar.defined());
    REQUIRE(elbo_encode(both.c, both.pictures.data(), both.pictures.size(), both.labels.data(), both.labels.size(),
                        mean.data(), mean.size(), variance ? logvar.data() : nullptr,
                        variance ? logvar.size() : 0) == ELBO_OK);
    CHECK(mean == q.mu.array().to_vector<float>());
    if (variance) CHECK(logvar == q.logvar.array().to_vector<float>());

    const std::vector<float> decoded = models::decode_pictures(*both.cpp, q.mu, both.y).to_vector<float>();
    REQUIRE(elbo_decode(both.c, mean.data(), mean.size(), both.labels.data(), both.labels.size(), pictures.data(),
                        pictures.size()) == ELBO_OK);
    CHECK(pictures == decoded);
    std::vector<float> again(rows * pixels);
    REQUIRE(elbo_reconstruct(both.c, both.pictures.data(), both.pictures.size(), both.labels.data(), both.labels.size(),
                             again.data(), again.size()) == ELBO_OK);
    CHECK(again == decoded);

    REQUIRE(elbo_sample(both.c, 9, both.labels.data(), both.labels.size(), again.data(), again.size()) == ELBO_OK);
    Generator generator(9, Stream::pictures);
    CHECK(again == both.cpp->sample(both.data.size(), both.y, &generator).array().to_vector<float>());
  }
}

TEST_CASE("c: scores are those of models::score, over more than one batch too") {
  for (const char* kind : {"vae", "cvae"}) {
    const Both both(small(kind), 503);
    std::vector<float> scores(both.rows());
    const auto score = [&](std::int64_t draws) {
      return elbo_score(both.c, both.pictures.data(), both.pictures.size(), both.labels.data(), both.labels.size(),
                        draws, 4, scores.data(), scores.size());
    };
    const auto expected = [&](models::Codes codes, std::uint64_t seed) {
      return models::score(*both.cpp, both.data, {.codes = codes, .seed = seed});
    };
    REQUIRE(score(0) == ELBO_OK);
    const auto means = expected(models::Codes::mean, 0);
    for (std::size_t i = 0; i < scores.size(); ++i) REQUIRE(scores[i] == Approx(means[i].loss).epsilon(1e-5));
    REQUIRE(score(2) == ELBO_OK);
    const auto first = expected(models::Codes::sampled, 4), second = expected(models::Codes::sampled, 5);
    for (std::size_t i = 0; i < scores.size(); ++i)
      REQUIRE(scores[i] == Approx((first[i].loss + second[i].loss) / 2).epsilon(1e-5));
  }
}

TEST_CASE("c: pixels of another range go in and come out as 0 to 1") {
  models::ModelConfig config = small();
  config.likelihood = "gaussian";
  config.pixels = {-1, 1};
  config.allow_range_mismatch = true;
  const Both both(config);
  const NoGradGuard no_grad;
  CHECK(codes_of(both) == models::as_latent(*both.cpp).encode(both.x * 2.0 + -1.0).mu.array().to_vector<float>());
  std::vector<float> pictures(pixels);
  REQUIRE(elbo_sample(both.c, 1, nullptr, 0, pictures.data(), pictures.size()) == ELBO_OK);
  Generator generator(1, Stream::pictures);
  CHECK(pictures == models::decode_pictures(*both.cpp, randn({1, latent}, {}, &generator)).to_vector<float>());
}

TEST_CASE("c: samples of an hvae draw both layers of codes") {
  const Both both(small("hvae"));
  std::vector<float> pictures(3 * pixels);
  REQUIRE(elbo_sample(both.c, 1, nullptr, 0, pictures.data(), pictures.size()) == ELBO_OK);
  Generator generator(1, Stream::pictures);
  CHECK(pictures == models::shown_pictures(*both.cpp, both.cpp->sample(3, {}, &generator)).to_vector<float>());
}

TEST_CASE("c: pixels outside 0 to 1 are refused, and nothing is written") {
  const Both both;
  std::vector<float> room(both.rows() * pixels, -7);
  const std::vector<float> before = room;
  const auto expect = [&](elbo_status found, const std::string& message) {
    CHECK(found == ELBO_VALUE);
    CHECK(elbo_last_error() == message);
    CHECK(room == before);
  };
  std::vector<float> pictures = both.pictures;
  const std::size_t count = pictures.size(), codes = both.rows() * latent;
  pictures[70] = 255;
  expect(elbo_encode(both.c, pictures.data(), count, nullptr, 0, room.data(), codes, nullptr, 0),
         "[elbo_encode] pictures: expected numbers from 0 to 1, found 255 at position 70");
  pictures[70] = -0.5f;
  expect(elbo_reconstruct(both.c, pictures.data(), count, nullptr, 0, room.data(), count),
         "[elbo_reconstruct] pictures: expected numbers from 0 to 1, found -0.5 at position 70");
  pictures[70] = NAN;
  expect(elbo_score(both.c, pictures.data(), count, nullptr, 0, 1, 0, room.data(), both.rows()),
         "[elbo_score] pictures: expected numbers from 0 to 1, found nan at position 70");
}

TEST_CASE("c: weights in a file of their own need the config that says what they are for") {
  const Both both;
  const std::filesystem::path weights = both.dir / "run/model.safetensors", config = both.dir / "run/config.json";
  elbo_model* model = nullptr;
  REQUIRE(elbo_load_safetensors(weights.c_str(), config.c_str(), "cpu", &model) == ELBO_OK);
  std::vector<float> codes(both.rows() * latent);
  REQUIRE(elbo_encode(model, both.pictures.data(), both.pictures.size(), nullptr, 0, codes.data(), codes.size(),
                      nullptr, 0) == ELBO_OK);
  CHECK(codes == codes_of(both));
  elbo_free(model);

  save_safetensors(both.dir / "other.safetensors", {{"encoder.0.weight", Array::zeros({2, 3})}});
  CHECK(elbo_load_safetensors((both.dir / "other.safetensors").c_str(), config.c_str(), "cpu", &model) == ELBO_FORMAT);
  CHECK(model == nullptr);
  CHECK_THAT(elbo_last_error(), Catch::Contains("other.safetensors") && Catch::Contains("encoder.0.weight"));
  CHECK(elbo_load_safetensors(config.c_str(), config.c_str(), "cpu", &model) == ELBO_FORMAT);
  CHECK(elbo_load_safetensors(weights.c_str(), weights.c_str(), "cpu", &model) == ELBO_FORMAT);
}

TEST_CASE("c: what cannot be is a status and a message of one line") {
  const Both both;
  const Both labelled(small("cvae"));
  const Both plain(small("ae"));
  std::vector<float> room(1000);
  const std::vector<std::int64_t> labels(7, 0), bad(7, 2);
  const float* pictures = both.pictures.data();
  const std::size_t count = both.pictures.size(), codes = 7 * latent;
  elbo_model* model = both.c;
  const auto expect = [&](elbo_status found, elbo_status wanted, const std::string& message) {
    CHECK(found == wanted);
    const std::string said = elbo_last_error();
    CHECK_THAT(said, Catch::Contains(message));
    CHECK(said.find('\n') == std::string::npos);
  };
  expect(elbo_load_run((both.dir / "none").c_str(), "cpu", &model), ELBO_IO, "none");
  CHECK(model == nullptr);
  expect(elbo_load_run((both.dir / "run").c_str(), "gpu", &model), ELBO_DEVICE, "gpu");
  expect(elbo_load_run(nullptr, "cpu", &model), ELBO_VALUE, "[elbo_load_run] folder");
  expect(elbo_load_run("run", nullptr, &model), ELBO_VALUE, "[elbo_load_run] device");
  expect(elbo_load_run("run", "cpu", nullptr), ELBO_VALUE, "[elbo_load_run] model");
  write_file(both.dir / "run/config.json", "{");
  expect(elbo_load_run((both.dir / "run").c_str(), "cpu", &model), ELBO_FORMAT, "config.json");

  expect(elbo_encode(nullptr, pictures, count, nullptr, 0, room.data(), codes, nullptr, 0), ELBO_VALUE, "NULL");
  expect(elbo_encode(both.c, nullptr, count, nullptr, 0, room.data(), codes, nullptr, 0), ELBO_VALUE, "pictures");
  expect(elbo_encode(both.c, pictures, count - 1, nullptr, 0, room.data(), codes, nullptr, 0), ELBO_SHAPE,
         "[elbo_encode] pictures: expected a multiple of 64 numbers, found 447");
  expect(elbo_encode(both.c, pictures, count, nullptr, 0, room.data(), codes + 1, nullptr, 0), ELBO_SHAPE,
         "[elbo_encode] mean: expected 7 times 3 numbers, found 22");
  expect(elbo_encode(both.c, pictures, count, nullptr, 0, nullptr, codes, nullptr, 0), ELBO_VALUE, "mean");
  expect(elbo_encode(both.c, pictures, count, nullptr, 0, room.data(), codes, room.data(), 1), ELBO_SHAPE, "logvar");
  expect(elbo_encode(plain.c, pictures, count, nullptr, 0, room.data(), codes, room.data(), codes), ELBO_VALUE,
         "has no variances");
  expect(elbo_encode(both.c, pictures, count, labels.data(), 7, room.data(), codes, nullptr, 0), ELBO_VALUE,
         "takes no labels");
  expect(elbo_encode(labelled.c, pictures, count, nullptr, 0, room.data(), codes, nullptr, 0), ELBO_VALUE, "label");
  expect(elbo_encode(labelled.c, pictures, count, labels.data(), 6, room.data(), codes, nullptr, 0), ELBO_SHAPE,
         "labels: expected 7, found 6");
  expect(elbo_encode(labelled.c, pictures, count, bad.data(), 7, room.data(), codes, nullptr, 0), ELBO_INDEX,
         "labels: expected 0 to 1, found 2");
  expect(elbo_decode(both.c, room.data(), 4, nullptr, 0, room.data(), 64), ELBO_SHAPE, "[elbo_decode] codes");
  expect(elbo_reconstruct(both.c, pictures, count, nullptr, 0, room.data(), 64), ELBO_SHAPE, "[elbo_reconstruct] out");
  expect(elbo_score(both.c, pictures, count, nullptr, 0, -1, 0, room.data(), 7), ELBO_VALUE, "draws");
  expect(elbo_score(both.c, pictures, count, nullptr, 0, 1, 0, room.data(), 6), ELBO_SHAPE, "scores");
  expect(elbo_sample(both.c, 0, nullptr, 0, room.data(), 65), ELBO_SHAPE, "[elbo_sample] pictures");
  expect(elbo_sample(labelled.c, 0, nullptr, 0, room.data(), 64), ELBO_VALUE, "label");

  const std::string before = elbo_last_error();
  CHECK(elbo_sample(both.c, 0, nullptr, 0, nullptr, 0) == ELBO_OK);  // no room for one: none
  CHECK(elbo_last_error() == before);
  std::string on_another = "?";
  std::thread([&] { on_another = elbo_last_error(); }).join();
  CHECK(on_another.empty());
}

TEST_CASE("c: a message longer than its room ends with a whole character") {
  std::string name = "x";
  for (int i = 0; i < 1500; ++i) name += "\xC3\xA4";
  elbo_model* model = nullptr;
  CHECK(elbo_load_run(name.c_str(), "cpu", &model) != ELBO_OK);
  CHECK(is_utf8(elbo_last_error()));
}

TEST_CASE("c: many threads use one model, and each gets the numbers of one alone") {
  const Both both(small(), 40);
  const auto all = [&] {
    std::vector<float> out(both.rows() * (latent + 1) + both.rows() * pixels);
    const std::size_t codes = both.rows() * latent;
    const float* pictures = both.pictures.data();
    const std::size_t count = both.pictures.size();
    bool ok = elbo_encode(both.c, pictures, count, nullptr, 0, out.data(), codes, nullptr, 0) == ELBO_OK;
    ok = elbo_score(both.c, pictures, count, nullptr, 0, 2, 3, out.data() + codes, both.rows()) == ELBO_OK && ok;
    ok = elbo_sample(both.c, 1, nullptr, 0, out.data() + codes + both.rows(), count) == ELBO_OK && ok;
    // A call that fails on this thread is nothing to the others.
    ok = elbo_encode(both.c, pictures, 1, nullptr, 0, out.data(), codes, nullptr, 0) == ELBO_SHAPE && ok;
    return ok ? out : std::vector<float>();
  };
  const std::vector<float> alone = all();
  REQUIRE(!alone.empty());
  std::vector<std::vector<float>> found(4);
  std::vector<std::thread> threads;
  for (std::vector<float>& own : found)
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) own = all();
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& own : found) CHECK(own == alone);
}
