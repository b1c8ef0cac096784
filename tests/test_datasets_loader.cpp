// Batches: every picture once, the same with and without the thread, and no memory taken once warm.
#include <elbo/core/errors.h>
#include <elbo/core/kernels.h>
#include <elbo/core/storage.h>
#include <elbo/datasets/loader.h>
#include <elbo/datasets/split.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>

#include "catch.h"

using namespace elbo;
using namespace elbo::datasets;

namespace {

using Order = std::vector<std::int64_t>;

/// n pictures [1, 2, 3] of bytes that no two pictures share in order, and labels 1000 + i.
Array make_pictures(std::int64_t n) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(n * 6));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + i / 256);
  return Array::from(bytes, {n, 1, 2, 3});
}
Array make_labels(std::int64_t n) {
  Order labels(static_cast<std::size_t>(n));
  std::iota(labels.begin(), labels.end(), std::int64_t{1000});
  return Array::from(labels, {n});
}
Order counting(std::int64_t n) {
  Order out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), std::int64_t{0});
  return out;
}

/// All that an epoch gives, or what is left of it.
struct Epoch {
  std::vector<std::int64_t> sizes, numbers;
  Order indices, labels;
  std::vector<float> pictures;
  bool operator==(const Epoch&) const = default;
};

template <class T>
void append(std::vector<T>& to, const Array& from) {
  const std::vector<T> values = from.to_vector<T>();
  to.insert(to.end(), values.begin(), values.end());
}

Epoch rest_of(Batches& batches) {
  Epoch out;
  while (auto batch = batches.next()) {
    out.sizes.push_back(batch->size());
    out.numbers.push_back(batch->number);
    append(out.indices, batch->indices);
    if (batch->labels.defined()) append(out.labels, batch->labels);
    append(out.pictures, batch->pictures);
  }
  return out;
}

Epoch epoch_of(Batches& batches, std::int64_t epoch, std::int64_t first = 0) {
  batches.begin_epoch(epoch, first);
  return rest_of(batches);
}

Order sorted(Order order) {
  std::sort(order.begin(), order.end());
  return order;
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

TEST_CASE("batches: an epoch has each picture once, with its own label and bytes") {
  const bool background = GENERATE(true, false);
  const Array pictures = make_pictures(103);
  Batches batches(pictures, make_labels(103), counting(103), {.batch_size = 10, .seed = 1, .background = background});
  CHECK(batches.batches() == 11);
  CHECK(batches.samples() == 103);
  CHECK_FALSE(batches.next());  // before the first epoch
  const Epoch epoch = epoch_of(batches, 0);
  CHECK(epoch.sizes == Order{10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 3});
  CHECK(epoch.numbers == counting(11));
  CHECK(sorted(epoch.indices) == counting(103));
  CHECK(epoch.indices != counting(103));
  const std::vector<std::uint8_t> bytes = pictures.to_vector<std::uint8_t>();
  for (std::size_t i = 0; i < 103; ++i) {
    const auto index = static_cast<std::size_t>(epoch.indices[i]);
    REQUIRE(epoch.labels[i] == 1000 + epoch.indices[i]);
    for (std::size_t j = 0; j < 6; ++j)
      REQUIRE(epoch.pictures[6 * i + j] == static_cast<float>(bytes[6 * index + j]) * static_cast<float>(1.0 / 255));
  }
  CHECK_FALSE(batches.next());
}

TEST_CASE("batches: of a dataset, with all its pictures or rows") {
  Dataset pictures{.features = make_pictures(23), .labels = make_labels(23).to_vector<std::int64_t>()};
  Batches of_pictures(pictures, {.batch_size = 10, .seed = 1});
  Batches expected(pictures.features, pictures.labels_array(), counting(23), {.batch_size = 10, .seed = 1});
  CHECK(epoch_of(of_pictures, 3) == epoch_of(expected, 3));

  Batches of_rows(Dataset::from(Array::from(std::vector<float>{1, 2, 3, 4}, {2, 2})), {.shuffle = false});
  of_rows.begin_epoch(0);
  const std::vector<Array> arrays = of_rows.next()->arrays;
  REQUIRE(arrays.size() == 1);
  CHECK(arrays[0].to_vector<float>() == std::vector<float>{1, 2, 3, 4});

  CHECK(error_of<ShapeError>([] { Batches of_nothing(Dataset{}); }) ==
        "[Batches] expected arrays [n, ...], found one that is not there as array 0");
}

TEST_CASE("batches: shapes, types and the range of the scaled bytes") {
  const bool background = GENERATE(true, false);
  std::vector<std::uint8_t> bytes = {0, 255, 1, 254};
  Batches batches(Array::from(bytes, {2, 2}), {}, {1, 0, 1},
                  {.batch_size = 2, .shuffle = false, .background = background});
  batches.begin_epoch(0);
  const auto batch = batches.next();
  REQUIRE(batch);
  CHECK(batch->pictures.shape() == Shape{2, 2});
  CHECK(batch->pictures.dtype() == DType::float32);
  CHECK(batch->indices.dtype() == DType::int64);
  CHECK(batch->indices.to_vector<std::int64_t>() == Order{1, 0});
  CHECK_FALSE(batch->labels.defined());
  CHECK(batch->pictures.to_vector<float>()[2] == 0.0f);
  CHECK(batch->pictures.to_vector<float>()[3] == 1.0f);  // exactly: a likelihood may ask for at most 1
  Batches shifted(Array::from(bytes, {2, 2}), {}, {0}, {.background = background, .scale = 2.0 / 255, .shift = -1});
  CHECK(epoch_of(shifted, 0).pictures == std::vector<float>{-1.0f, 1.0f});
}

TEST_CASE("batches: the thread gives what the caller would have done, at every batch size") {
  const Array pictures = make_pictures(97), labels = make_labels(97);
  const Order indices = split(97, 20, 5).train;
  const bool binarize = GENERATE(true, false);
  for (std::int64_t size : {1, 2, 7, 11, 76, 77, 78, 1000}) {
    for (bool drop_last : {false, true}) {
      if (drop_last && size > 77) continue;
      BatchOptions options{.batch_size = size, .seed = 9, .drop_last = drop_last, .binarize = binarize};
      Batches on_thread(pictures, labels, indices, options);
      options.background = false;
      Batches here(pictures, labels, indices, options);
      for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
        const Epoch expected = epoch_of(here, epoch);
        CHECK(epoch_of(on_thread, epoch) == expected);
        CHECK(static_cast<std::int64_t>(expected.sizes.size()) == here.batches());
        CHECK(static_cast<std::int64_t>(expected.indices.size()) == here.samples());
      }
    }
  }
}

TEST_CASE("batches: those that were waited for are counted") {
  const auto waits_for = [](bool background, std::chrono::milliseconds each) {
    BatchOptions options{.batch_size = 2, .background = background};
    options.transforms.push_back([each](std::vector<Tensor>&) { std::this_thread::sleep_for(each); });
    Batches batches({Array::full({10, 3}, 1)}, options);
    batches.begin_epoch(0);
    while (batches.next()) {
    }
    return batches.waits();
  };
  const Waits slow = waits_for(true, std::chrono::milliseconds(5)), own = waits_for(false, {});
  CHECK(slow.batches >= 1);
  CHECK(slow.batches <= 5);
  CHECK(slow.seconds > 0.001);
  CHECK(own.batches == 0);
  CHECK(own.seconds == 0);
}

TEST_CASE("batches: epochs differ, and each is a function of seed and epoch alone") {
  const Array pictures = make_pictures(50);
  const BatchOptions options{.batch_size = 8, .seed = 2};
  Batches one(pictures, {}, counting(50), options), two(pictures, {}, counting(50), options);
  const Epoch first = epoch_of(one, 0), second = epoch_of(one, 1);
  CHECK(first.indices != second.indices);
  CHECK(epoch_of(two, 1) == second);  // without epoch 0 before it
  CHECK(epoch_of(one, 0) == first);
  Batches other(pictures, {}, counting(50), {.batch_size = 8, .seed = 3});
  CHECK(epoch_of(other, 0).indices != first.indices);
  Batches in_order(pictures, {}, {5, 3, 3, 4}, {.batch_size = 3, .shuffle = false});
  CHECK(epoch_of(in_order, 0).indices == Order{5, 3, 3, 4});
  CHECK(epoch_of(in_order, 1).indices == Order{5, 3, 3, 4});
}

TEST_CASE("batches: order and draw_offset are what a step needs to gather for itself") {
  const bool background = GENERATE(true, false), binarize = GENERATE(true, false), ahead = GENERATE(true, false);
  const Array pictures = make_pictures(50), labels = make_labels(50);
  const BatchOptions options{
      .batch_size = 7, .seed = 2, .binarize = binarize, .background = background, .scale = 2.0 / 255, .shift = -1};
  Batches batches(pictures, labels, counting(50), options), order_only(pictures, labels, counting(50), options);
  Generator draws(2, Stream::binarize);
  CHECK_FALSE(order_only.order().defined());
  for (std::int64_t epoch : {0, 1, 4}) {
    const Epoch expected = epoch_of(batches, epoch);
    Epoch found;
    found.numbers = counting(8);
    order_only.begin_epoch(epoch);
    CHECK(order_only.draw_offset(0) == epoch * 8);
    CHECK(order_only.draw_offset(3) == epoch * 8 + 3);
    draws.set_offset(order_only.draw_offset(0));
    const Array all = order_only.order();
    for (std::int64_t first = 0; first < 50; first += 7) {
      const Array indices = all.slice(first, std::min<std::int64_t>(first + 7, 50));
      found.sizes.push_back(indices.numel());
      append(found.indices, indices);
      append(found.labels, kernels::gather(labels, indices, 0));
      append(found.pictures,
             kernels::gather_pictures(pictures, indices, options.scale, options.shift, binarize ? &draws : nullptr));
    }
    CHECK(found == expected);
    // Worked out early, for the next epoch or one that does not come next, it is the same.
    if (ahead) order_only.shuffle_ahead();
  }
}

TEST_CASE("batches: binarize draws each byte anew in every epoch, from seed, epoch and batch alone") {
  const bool background = GENERATE(true, false);
  const std::int64_t n = 512;  // picture i has bytes i / 2, so that bytes of 0 and of 255 are there
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(n * 25));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i / 50);
  const Array pictures = Array::from(bytes, {n, 5, 5});
  const BatchOptions options{.batch_size = 30, .shuffle = false, .seed = 3, .binarize = true, .background = background};
  Batches batches(pictures, {}, counting(n), options), other(pictures, {}, counting(n), options);
  const std::vector<float> first = epoch_of(batches, 0).pictures, second = epoch_of(batches, 1).pictures;
  CHECK(first != second);
  CHECK(epoch_of(other, 1).pictures == second);
  CHECK(epoch_of(batches, 0).pictures == first);
  BatchOptions seeded = options;
  seeded.seed = 4;
  Batches another(pictures, {}, counting(n), seeded);
  CHECK(epoch_of(another, 0).pictures != first);
  double ones = 0, expected = 0, variance = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const double p = bytes[i] / 255.0;
    REQUIRE((first[i] == 0 || first[i] == 1));
    if (bytes[i] == 0) REQUIRE(first[i] == 0);
    if (bytes[i] == 255) REQUIRE(first[i] == 1);
    ones += static_cast<double>(first[i]), expected += p, variance += p * (1 - p);
  }
  CHECK(std::abs(ones - expected) < 4 * std::sqrt(variance));
}

TEST_CASE("batches: an epoch goes on in the middle") {
  const bool background = GENERATE(true, false), binarize = GENERATE(true, false);
  const Array pictures = make_pictures(50), labels = make_labels(50);
  const BatchOptions options{.batch_size = 8, .seed = 2, .binarize = binarize, .background = background};
  Batches whole(pictures, labels, counting(50), options), resumed(pictures, labels, counting(50), options);
  for (std::int64_t first = 0; first <= whole.batches(); ++first) {
    whole.begin_epoch(3);
    for (std::int64_t i = 0; i < first; ++i) REQUIRE(whole.next());
    CHECK(epoch_of(resumed, 3, first) == rest_of(whole));
  }
}

TEST_CASE("batches: drop_last leaves out the smaller batch only") {
  const Array pictures = make_pictures(20);
  Batches uneven(pictures, {}, counting(20), {.batch_size = 8, .drop_last = true});
  CHECK(uneven.batches() == 2);
  CHECK(uneven.samples() == 16);
  CHECK(epoch_of(uneven, 0).sizes == Order{8, 8});
  Batches even(pictures, {}, counting(20), {.batch_size = 10, .drop_last = true});
  CHECK(epoch_of(even, 0).sizes == Order{10, 10});
}

TEST_CASE("batches: a batch stays as it is while it is held") {
  const bool background = GENERATE(true, false);
  const Array pictures = make_pictures(60), labels = make_labels(60);
  const BatchOptions options{.batch_size = 4, .seed = 2, .background = background};
  Batches batches(pictures, labels, counting(60), options), again(pictures, labels, counting(60), options);
  std::vector<Batch> held;
  for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
    batches.begin_epoch(epoch);
    while (auto batch = batches.next()) held.push_back(*batch);
  }
  REQUIRE(held.size() == 30);
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (i % 15 == 0) again.begin_epoch(static_cast<std::int64_t>(i / 15));
    const auto expected = again.next();
    REQUIRE(expected);
    REQUIRE(held[i].pictures.to_vector<float>() == expected->pictures.to_vector<float>());
    REQUIRE(held[i].labels.to_vector<std::int64_t>() == expected->labels.to_vector<std::int64_t>());
    REQUIRE(held[i].indices.to_vector<std::int64_t>() == expected->indices.to_vector<std::int64_t>());
  }
}

TEST_CASE("batches: a warm epoch takes no memory from the system") {
  const bool background = GENERATE(true, false), binarize = GENERATE(true, false);
  Batches batches(make_pictures(300), make_labels(300), counting(300),
                  {.batch_size = 32, .seed = 2, .binarize = binarize, .background = background});
  const auto epoch = [&](std::int64_t number) {
    batches.begin_epoch(number);
    while (auto batch = batches.next()) {
    }
  };
  epoch(0);
  epoch(1);
  const std::int64_t before = memory_stats(cpu).backing_allocations;
  for (std::int64_t number = 2; number < 10; ++number) epoch(number);
  CHECK(memory_stats(cpu).backing_allocations == before);
}

TEST_CASE("batches: the thread stops wherever the epoch stands") {
  const Array pictures = make_pictures(1000), labels = make_labels(1000);
  const BatchOptions options{.batch_size = 16, .seed = 2};
  Batches reference(pictures, labels, counting(1000), {.batch_size = 16, .seed = 2, .background = false});
  const Epoch expected = epoch_of(reference, 1);
  for (int taken = 0; taken < 64; ++taken) {
    Batches batches(pictures, labels, counting(1000), options);
    if (taken > 0) batches.begin_epoch(0);
    for (int i = 1; i < taken; ++i) REQUIRE(batches.next());
    if (taken % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (taken % 2 == 0) continue;               // destroyed here
    REQUIRE(epoch_of(batches, 1) == expected);  // or another epoch begun
  }
}

TEST_CASE("batches: an epoch begun while the thread fills a batch of the one before") {
  // Large pictures, so that it is in the middle of one. Picture i is all of byte i.
  const std::int64_t n = 64, size = 1 << 16;
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(n * size));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i >> 16);
  Batches batches(Array::from(bytes, {n, size}), {}, counting(n), {.batch_size = 32, .scale = 1});
  for (int round = 0; round < 20; ++round) {
    batches.begin_epoch(2 * round);
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    batches.begin_epoch(2 * round + 1);
    while (auto batch = batches.next()) {
      const std::span<const float> pictures = batch->pictures.values<float>();
      const std::span<const std::int64_t> indices = batch->indices.values<std::int64_t>();
      for (std::size_t i = 0; i < indices.size(); ++i)
        for (std::size_t j = 0; j < size; j += size / 4)
          REQUIRE(pictures[i * size + j] == static_cast<float>(indices[i]));
    }
  }
}

TEST_CASE("batches: can be moved while the thread works") {
  const Array pictures = make_pictures(100);
  Batches first(pictures, {}, counting(100), {.batch_size = 9, .seed = 4});
  Batches whole(pictures, {}, counting(100), {.batch_size = 9, .seed = 4});
  first.begin_epoch(0);
  Batches second = std::move(first);
  CHECK(rest_of(second) == epoch_of(whole, 0));
}

TEST_CASE("batches: nothing to take is no error") {
  Batches batches(make_pictures(3), make_labels(3), {}, {.batch_size = 4});
  CHECK(batches.batches() == 0);
  batches.begin_epoch(0);
  CHECK_FALSE(batches.next());
}

TEST_CASE("batches: arrays of any shape and dtype, their rows as they are") {
  const bool background = GENERATE(true, false);
  const Array table = Array::from(std::vector<float>{0, 1, 10, 11, 20, 21, 30, 31, 40, 41}, {5, 2});
  const Array weights = Array::from(std::vector<double>{0.5, 1.5, 2.5, 3.5, 4.5}, {5});
  const Array labels = make_labels(5), masks = make_pictures(5);
  const BatchOptions options{.batch_size = 2, .seed = 3, .background = background};
  Batches batches({table, weights, labels, masks}, {.batch_size = 2, .seed = 3, .background = background}),
      some({table, labels}, Order{4, 1, 1}, options);
  CHECK(batches.batches() == 3);
  batches.begin_epoch(1);
  Order seen;
  while (const auto batch = batches.next()) {
    REQUIRE(batch->arrays.size() == 4);
    CHECK_FALSE(batch->pictures.defined());
    CHECK(batch->arrays[0].shape() == Shape{batch->size(), 2});
    CHECK(batch->arrays[3].shape() == Shape{batch->size(), 1, 2, 3});
    for (std::int64_t i = 0; i < batch->size(); ++i) {
      const std::int64_t index = batch->indices.slice(i, i + 1).to_vector<std::int64_t>()[0];
      const auto row = [i](const Array& array) { return array.slice(i, i + 1); };
      const auto source = [index](const Array& array) { return array.slice(index, index + 1); };
      CHECK(row(batch->arrays[0]).to_vector<float>() == source(table).to_vector<float>());
      CHECK(row(batch->arrays[1]).to_vector<double>() == source(weights).to_vector<double>());
      CHECK(row(batch->arrays[2]).to_vector<std::int64_t>() == source(labels).to_vector<std::int64_t>());
      CHECK(row(batch->arrays[3]).to_vector<std::uint8_t>() == source(masks).to_vector<std::uint8_t>());
      seen.push_back(index);
    }
  }
  CHECK(sorted(seen) == counting(5));
  some.begin_epoch(0);
  Order taken;
  while (const auto batch = some.next()) append(taken, batch->arrays[1]);
  CHECK(sorted(taken) == Order{1001, 1001, 1004});
}

TEST_CASE("batches: arrays that do not belong together") {
  const Array four = make_labels(4), five = make_labels(5), scalar = Array::zeros({});
  const auto error = [](std::vector<Array> arrays, BatchOptions options = {}) {
    return error_of<Error>([&] { Batches batches(std::move(arrays), options); });
  };
  CHECK(error({}) == "[Batches] expected at least one array, found none");
  CHECK(error({four, make_pictures(4), five}) ==
        "[Batches] expected arrays of one size along dimension 0, found array 0 [4] and array 2 [5]");
  CHECK(error({four, scalar}) == "[Batches] expected arrays [n, ...], found [] as array 1");
  CHECK(error({four, {}}) == "[Batches] expected arrays [n, ...], found one that is not there as array 1");
  CHECK(error({four}, {.binarize = true}) == "[Batches] expected pictures and their labels for binarize, found arrays");
}

TEST_CASE("batches: arguments that make no sense") {
  const Array pictures = make_pictures(3), labels = make_labels(3);
  const auto make = [&](Array a, Array b, Order indices, BatchOptions options) {
    Batches batches(std::move(a), std::move(b), std::move(indices), options);
  };
  CHECK(error_of<ValueError>([&] { make(pictures, labels, {0}, {.batch_size = 0}); }) ==
        "[Batches] expected a batch size of at least 1, found 0");
  CHECK(error_of<ValueError>([&] {
          make(pictures, labels, {0, 1}, {.batch_size = 3, .drop_last = true});
        }) == "[Batches] drop_last: expected at least one batch of 3 pictures, found 2 to train on");
  CHECK(error_of<ValueError>([&] { make(pictures, labels, {0}, {.transforms = {Transform()}}); }) ==
        "[Batches] expected transforms that can be called, found an empty one at place 0");
  CHECK(error_of<IndexError>([&] {
          make(pictures, labels, {0, 3}, {});
        }) == "[Batches] expected indices from 0 to below 3, found 3");
  CHECK(error_of<IndexError>([&] { make(pictures, labels, {-1}, {}); }) ==
        "[Batches] expected indices from 0 to below 3, found -1");
  CHECK(error_of<DTypeError>([&] { make(labels, labels, {0}, {}); }) ==
        "[Batches] expected pictures of uint8, found int64");
  CHECK(error_of<DTypeError>([&] { make(pictures, pictures, {0}, {}); }) ==
        "[Batches] expected labels of int64, found uint8");
  CHECK(error_of<ShapeError>([&] { make(pictures, make_labels(4), {0}, {}); }) ==
        "[Batches] expected labels [3] for pictures [3, 1, 2, 3], found [4]");
  CHECK_THROWS_AS(make({}, {}, {}, {}), ShapeError);
  Batches batches(pictures, labels, counting(3), {.batch_size = 2});
  CHECK_THROWS_AS(batches.begin_epoch(-1), IndexError);
  CHECK_THROWS_AS(batches.begin_epoch(0, 3), IndexError);
  CHECK_THROWS_AS(batches.begin_epoch(0, -1), IndexError);
}
