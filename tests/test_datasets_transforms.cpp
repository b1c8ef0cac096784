// What is done to each batch: the values, and that a batch is the same again, whatever came before it.
#include <elbo/core/errors.h>
#include <elbo/datasets/loader.h>
#include <elbo/datasets/transforms.h>

#include <cmath>
#include <numeric>
#include <set>
#include <stdexcept>

#include "catch.h"

using namespace elbo;
using namespace elbo::datasets;
namespace tf = elbo::datasets::transforms;

namespace {

/// n pictures [1, 3, 4], all numbers different.
Array numbered(std::int64_t n) {
  std::vector<float> values(static_cast<std::size_t>(n * 12));
  std::iota(values.begin(), values.end(), 1.0f);
  return Array::from(values, {n, 1, 3, 4});
}

/// What a transform makes of x.
Tensor made(const Transform& transform, const Tensor& x) {
  std::vector<Tensor> batch{x};
  transform(batch);
  return batch[0];
}

/// All numbers of array 0 in an epoch, or in what is left of it.
std::vector<float> values_of(Batches& batches, std::int64_t epoch, std::int64_t first = 0) {
  std::vector<float> out;
  batches.begin_epoch(epoch, first);
  while (const auto batch = batches.next()) {
    const std::vector<float> values = batch->arrays[0].to_vector<float>();
    out.insert(out.end(), values.begin(), values.end());
  }
  return out;
}

template <class E, class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "(nothing thrown)";
}

}  // namespace

TEST_CASE("transforms: each batch is a function of seed, epoch and number, on the thread or not") {
  const auto own = [](std::vector<Tensor>& batch) { batch[0] = batch[0] + rand_like(batch[0]); };
  BatchOptions options{.batch_size = 4, .seed = 5};
  options.transforms = {tf::random_horizontal_flip(), tf::random_crop({3, 4}, 1),
                        tf::gaussian_noise(0.1),      own,
                        tf::scale(0.005, 0.2),        tf::binarize()};
  Batches on_thread({numbered(10)}, options);
  options.background = false;
  Batches here({numbered(10)}, options);
  options.seed = 6;
  Batches other({numbered(10)}, options);
  const std::vector<float> first = values_of(here, 0), second = values_of(here, 1);
  CHECK(first != second);
  CHECK(first != values_of(other, 0));
  CHECK(values_of(on_thread, 1) == second);
  CHECK(values_of(on_thread, 0) == first);
  CHECK(values_of(on_thread, 1, 2) == std::vector<float>(second.end() - 2 * 12, second.end()));
  CHECK(values_of(here, 1, 2) == std::vector<float>(second.end() - 2 * 12, second.end()));
}

TEST_CASE("transforms: the default generator of others stays where it is") {
  manual_seed(3);
  const float expected = rand({1}).to_vector<float>()[0];
  manual_seed(3);
  Batches batches({numbered(8)}, {.batch_size = 2, .background = false, .transforms = {tf::gaussian_noise(1)}});
  values_of(batches, 0);
  CHECK(rand({1}).to_vector<float>()[0] == expected);
}

TEST_CASE("transforms: on pictures of bytes, scaled already; labels stay, and arrays can be added") {
  const std::vector<std::uint8_t> bytes{0, 51, 102, 255};
  const Array labels = Array::from(std::vector<std::int64_t>{1, 0}, {2});
  BatchOptions options{.shuffle = false};
  options.transforms = {tf::scale(2, -1), [](std::vector<Tensor>& batch) { batch.push_back(one_hot(batch[1], 2)); }};
  Batches batches(Array::from(bytes, {2, 2}), labels, {0, 1}, options);
  batches.begin_epoch(0);
  const auto batch = batches.next();
  CHECK(batch->pictures.to_vector<float>()[0] == -1.0f);
  CHECK(batch->pictures.to_vector<float>()[3] == 1.0f);
  CHECK(batch->labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 0});
  REQUIRE(batch->arrays.size() == 3);
  CHECK(batch->arrays[2].to_vector<float>() == std::vector<float>{0, 1, 1, 0});
  // The same numbers as where bytes are scaled as they are gathered.
  Batches table({Array::from(bytes, {4})}, {.shuffle = false, .transforms = {tf::scale(1.0 / 255)}});
  Batches pictures(Array::from(bytes, {4}), {}, {0, 1, 2, 3}, {.shuffle = false});
  CHECK(values_of(table, 0) == values_of(pictures, 0));
}

TEST_CASE("transforms: a flip mirrors some of the pictures, and others alike") {
  const Tensor x(numbered(64)), mask = cast(x, DType::int64);
  std::vector<Tensor> batch{x, zeros({64}), mask};
  tf::random_horizontal_flip(0.5, {0, 2})(batch);
  CHECK(all(batch[0] == cast(batch[2], DType::float32)).item() == 1);
  std::int64_t flipped = 0;
  for (std::int64_t i = 0; i < 64; ++i) {
    const Tensor before = x[i], after = batch[0][i];
    const bool mirrored = all(after == flip(before, -1)).item() == 1;
    CHECK((mirrored || all(after == before).item() == 1));
    flipped += mirrored;
  }
  CHECK((flipped > 16 && flipped < 48));  // 4 standard deviations
  CHECK(all(made(tf::random_horizontal_flip(1), x) == flip(x, -1)).item() == 1);
  CHECK(all(made(tf::random_horizontal_flip(0), x) == x).item() == 1);
}

TEST_CASE("transforms: a crop is one of the windows, each of them now and then") {
  const Tensor x(numbered(100));
  std::vector<Tensor> batch{x, cast(x, DType::int64)};
  tf::random_crop({2, 5}, 1, {0, 1})(batch);
  CHECK(batch[0].shape() == Shape{100, 1, 2, 5});
  CHECK(all(cast(batch[0], DType::int64) == batch[1]).item() == 1);
  const Tensor padded = pad(x, {0, 0, 1, 1}, {0, 0, 1, 1});
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  for (std::int64_t i = 0; i < 100; ++i)
    for (std::int64_t top = 0; top < 4; ++top)
      for (std::int64_t left = 0; left < 2; ++left)
        if (all(padded[i].slice(1, top, top + 2).slice(2, left, left + 5) == batch[0][i]).item() == 1)
          seen.emplace(top, left);
  CHECK(seen.size() == 8);
  CHECK(all(made(tf::random_crop({3, 4}), x) == x).item() == 1);
  CHECK(made(tf::random_crop(2), zeros({0, 3, 4, 4})).shape() == Shape{0, 3, 2, 2});
}

TEST_CASE("transforms: noise has its standard deviation, black or white its mean") {
  const Tensor x = full({100, 100}, 0.3);
  const Tensor noise = made(tf::gaussian_noise(0.5), x) - x;
  CHECK(std::abs(noise.mean().item()) < 0.02);
  CHECK(noise.std().item() == Approx(0.5).epsilon(0.03));
  const Tensor drawn = made(tf::binarize(), x);
  CHECK(all(drawn == square(drawn)).item() == 1);
  CHECK(std::abs(drawn.mean().item() - 0.3) < 4 * std::sqrt(0.21 / 10000));
}

TEST_CASE("transforms: what one throws, next() throws, and stays at that batch") {
  const bool background = GENERATE(true, false);
  const Transform refuses = [](std::vector<Tensor>& batch) {
    if (batch[0].to_vector<float>()[0] > 24) throw std::runtime_error("too large");
  };
  Batches batches({numbered(6)},
                  {.batch_size = 2, .shuffle = false, .background = background, .transforms = {refuses}});
  batches.begin_epoch(0);
  REQUIRE(batches.next());
  CHECK(error_of<std::runtime_error>([&] { batches.next(); }) == "too large");
  CHECK(error_of<std::runtime_error>([&] { batches.next(); }) == "too large");
  batches.begin_epoch(1);
  CHECK(batches.next()->number == 0);
}

TEST_CASE("transforms: arguments that make no sense") {
  const Tensor bytes = zeros({2, 4, 4}, {DType::uint8}), row = zeros({2});
  CHECK(error_of<IndexError>([&] { made(tf::scale(1, 0, 1), row); }) ==
        "[scale] expected the place of one of the batch's 1 arrays, found 1");
  CHECK(error_of<DTypeError>([&] { made(tf::gaussian_noise(1), bytes); }) ==
        "[gaussian_noise] expected a floating array 0, found uint8: scale it first");
  CHECK(error_of<ShapeError>([&] { made(tf::random_horizontal_flip(), row); }) ==
        "[random_horizontal_flip] expected pictures [n, ..., width], found array 0 [2]");
  CHECK(error_of<ShapeError>([&] { made(tf::random_crop(7, 1), bytes); }) ==
        "[random_crop] expected pictures of at least 7 x 7 with their padding, found array 0 [2, 4, 4]");
  CHECK(error_of<ShapeError>([&] {
          std::vector<Tensor> batch{bytes, zeros({2, 4, 5})};
          tf::random_crop(2, 1, {0, 1})(batch);
        }) == "[random_crop] expected pictures of one size, found 4 x 4 and array 1 [2, 4, 5]");
  CHECK(error_of<ValueError>([&] { made(tf::binarize(), full({2}, 7)); }) ==
        "[binarize] expected numbers in [0, 1], found 7 at position 0");
  CHECK_THROWS_AS(tf::random_crop(0), ValueError);
  CHECK_THROWS_AS(tf::random_horizontal_flip(1.5), ValueError);
  CHECK_THROWS_AS(tf::gaussian_noise(-1), ValueError);
}
