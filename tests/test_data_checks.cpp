// Numbers that an op or an element type cannot take are refused, not turned into others.
#include <elbo/core/errors.h>
#include <elbo/core/kernels.h>
#include <elbo/core/ops.h>

#include <cmath>
#include <limits>

#include "catch.h"
#include "self.h"

using namespace elbo;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

std::string refusal(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("probabilities outside [0, 1] are refused", "[ops][errors][values]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    for (double bad : {2.0, -0.5, nan_value, inf, -inf, 1.0000002}) {
      // Anywhere among many, on whichever thread.
      for (std::int64_t place : {0, 1, 77777, 199999}) {
        Array values = Array::full({200000}, 0.5, {dtype});
        values.slice(place, place + 1).fill(bad);
        const Tensor p(values), t = full({200000}, 1, {dtype});
        INFO(name(dtype) << " " << bad << " at " << place);
        const std::string end = "] expected numbers in [0, 1], found ", at = " at position " + std::to_string(place);
        const std::string from_bernoulli = refusal([&] { bernoulli(p); });
        CHECK(from_bernoulli.starts_with("[bernoulli" + end));
        CHECK(from_bernoulli.ends_with(at));
        const std::string from_loss = refusal([&] { binary_cross_entropy(p, t); });
        CHECK(from_loss.starts_with("[binary_cross_entropy" + end));
        CHECK(from_loss.ends_with(at));
      }
    }
    const Tensor edges = tensor({0, 1, -0.0, 0.5}, {dtype});
    CHECK(refusal([&] { bernoulli(edges); }) == "nothing thrown");
    CHECK(refusal([&] { binary_cross_entropy(edges, edges); }) == "nothing thrown");
  }
  CHECK(refusal([] {
          bernoulli(tensor({0, 2, 3}));
        }) == "[bernoulli] expected numbers in [0, 1], found 2 at position 1");
  CHECK(refusal([] { bernoulli(zeros({0})); }) == "nothing thrown");
}

TEST_CASE("of several numbers outside a range the first is named, for any number of threads", "[ops][values]") {
  Array values = Array::zeros({500000});
  for (std::int64_t place : {499999, 300000, 123457, 123456, 400000}) values.slice(place, place + 1).fill(7);
  for (int i = 0; i < 20; ++i)
    REQUIRE(refusal([&] { kernels::check_range(values, -1, 1); }) ==
            "[check_range] expected numbers in [-1, 1], found 7 at position 123456");
}

TEST_CASE("numbers that an integer type cannot hold are refused", "[tensor][errors][values]") {
  const TensorOptions byte{DType::uint8}, integer{DType::int64};
  for (double bad : {300.0, -1.0, 256.0, 0.5, nan_value, inf, -inf}) {
    INFO(bad);
    const std::string text = "expected a whole number in [0, 255] for uint8, found ";
    CHECK(refusal([&] { full({2}, bad, byte); }).starts_with("[full] " + text));
    CHECK(refusal([&] { full({0}, bad, byte); }).starts_with("[full] " + text));
    CHECK(refusal([&] { Array::full({2}, bad, byte); }).starts_with("[full] " + text));
    CHECK(refusal([&] { tensor({1, bad}, byte); }).starts_with("[tensor] " + text));
    CHECK(refusal([&] { Array::zeros({2}, byte).fill(bad); }).starts_with("[fill] " + text));
    CHECK(refusal([&] { pad(zeros({2}, byte), {1}, {1}, bad); }).starts_with("[pad] " + text));
  }
  for (double bad : {nan_value, inf, -inf, 0x1p63, -0x1p64, 2.5}) {
    INFO(bad);
    const std::string text = "expected a whole number in [-2^63, 2^63 - 1] for int64, found ";
    CHECK(refusal([&] { full({2}, bad, integer); }).starts_with("[full] " + text));
    CHECK(refusal([&] { tensor(bad, integer); }).starts_with("[tensor] " + text));
    CHECK(refusal([&] { Array::zeros({2}, integer).fill(bad); }).starts_with("[fill] " + text));
  }
  CHECK(refusal([&] { arange(257, byte); }) == "[arange] expected a whole number in [0, 255] for uint8, found 256");
  CHECK(arange(256, byte).array().to_vector<std::uint8_t>().back() == 255);
  CHECK(full({1}, -0x1p63, integer).array().to_vector<std::int64_t>()[0] == std::numeric_limits<std::int64_t>::min());
  CHECK(full({1}, 255, byte).item() == 255);
  CHECK(std::isnan(full({1}, nan_value).item()));
}

TEST_CASE("cast refuses numbers that the integer type cannot hold", "[ops][errors][values]") {
  for (DType from : {DType::float32, DType::float64}) {
    for (double bad : {300.0, -1.0, 255.5, nan_value, inf, -inf}) {
      INFO(bad);
      CHECK(refusal([&] {
              cast(tensor({0, bad}, {from}), DType::uint8);
            }).starts_with("[cast] expected numbers in [0, 255], found "));
    }
    for (double bad : {nan_value, inf, -inf, 0x1p63, -0x1.8p63}) {
      INFO(bad);
      CHECK(refusal([&] { cast(tensor({0, bad}, {from}), DType::int64); }).starts_with("[cast] expected numbers in ["));
    }
    const Tensor ends = tensor({-0x1p63, 0x1p62, -2.75, 2.75}, {from});
    CHECK(cast(ends, DType::int64).array().to_vector<std::int64_t>() ==
          std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min(), std::int64_t{1} << 62, -2, 2});
    CHECK(cast(tensor({0, 254.75, 255}, {from}), DType::uint8).array().to_vector<std::uint8_t>() ==
          std::vector<std::uint8_t>{0, 254, 255});
  }
  for (double bad : {256.0, -1.0, 0x1p62, -0x1p63})
    CHECK(refusal([&] {
            cast(tensor({0, bad}, {DType::int64}), DType::uint8);
          }).starts_with("[cast] expected numbers in [0, 255], found "));
  CHECK(cast(tensor({7, 255}, {DType::int64}), DType::uint8).array().to_vector<std::uint8_t>() ==
        std::vector<std::uint8_t>{7, 255});
}

TEST_CASE("integers that a double cannot hold are not rounded on the way", "[tensor][values]") {
  const std::int64_t odd = (std::int64_t{1} << 53) + 1, most = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t value : {odd, -odd, most})
    CHECK(refusal([&] { Array::from(std::vector<std::int64_t>{value}, {}).item(); }) ==
          "[item] expected a number that a double can hold, found " + std::to_string(value) +
              ": read it with to_vector");
  CHECK(Array::from(std::vector<std::int64_t>{odd - 1}, {}).item() == 0x1p53);
}

// ---- the end of a program ------------------------------------------------------------------------------------------

namespace {

// Made before everything of the library, so that they go after it.
Tensor last_tensor;
Array last_array;

}  // namespace

TEST_CASE("leave tensors to the end of the program", "[.at-exit]") {
  last_tensor = ones({1000}).requires_grad_();
  sum(square(last_tensor)).backward();
  last_array = rand({100, 100}).array();
  last_tensor.retain_grad();
  print_result("alive");
}

TEST_CASE("tensors and arrays that are global variables outlive the library's own", "[tensor][at-exit]") {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  CHECK(output_of("MALLOC_PERTURB_=165 '" + self + "' '[.at-exit]' > /dev/null 2>&1; echo $?") == "0\n");
}
