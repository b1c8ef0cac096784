#include "split.h"

#include <charconv>
#include <cmath>
#include <numeric>
#include <utility>

#include "../core/errors.h"
#include "../core/philox.h"
#include "../core/text.h"

namespace elbo::datasets {
namespace {

constexpr std::int64_t most = std::int64_t{1} << 32;

/// The upper 64 bits of `random` times `range`, which is below 2^32: a number in [0, range). One number is likelier
/// than another by a part in 2^32 at most, 2^48 for 60,000 samples, so there is nothing to reject and draw again.
std::uint64_t below(std::uint64_t range, std::uint32_t high, std::uint32_t low) {
  return (high * range + ((low * range) >> 32)) >> 32;
}

}  // namespace

void shuffle(std::span<std::int64_t> values, std::uint64_t seed, Stream stream, std::int64_t epoch) {
  const auto n = static_cast<std::uint64_t>(values.size());
  ELBO_CHECK(n < static_cast<std::uint64_t>(most), ValueError, "[shuffle] expected fewer than 2^32 values, found ", n);
  const philox::Source source = philox::source(seed, static_cast<std::uint32_t>(stream), epoch);
  const auto exchange = [&](std::uint64_t left, std::uint32_t high, std::uint32_t low) {
    std::swap(values[left - 1], values[below(left, high, low)]);
  };
  // Each block of four random words serves two exchanges.
  for (std::uint64_t step = 0; step + 1 < n; step += 2) {
    const philox::Words words = philox::block(source, step / 2);
    exchange(n - step, words.a, words.b);
    if (step + 2 < n) exchange(n - step - 1, words.c, words.d);
  }
}

std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, Stream stream, std::int64_t epoch) {
  ELBO_CHECK(n >= 0 && n < most, ValueError, "[permutation] expected 0 <= n < 2^32, found ", n);
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), std::int64_t{0});
  shuffle(out, seed, stream, epoch);
  return out;
}

std::int64_t resolve_val_size(double val_size, std::int64_t n) {
  const bool fraction = val_size > 0 && val_size < 1;
  ELBO_CHECK(fraction || (val_size >= 0 && val_size < 0x1p53 && val_size == std::floor(val_size)), ValueError,
             "val-size: expected a fraction between 0 and 1 or a count, found ", val_size);
  if (val_size == 0) return 0;
  const auto count = fraction ? std::max<std::int64_t>(1, std::llround(val_size * static_cast<double>(n)))
                              : static_cast<std::int64_t>(val_size);
  ELBO_CHECK(count < n, ValueError, "val-size: expected fewer than the ", n, " samples there are, found ",
             fraction ? detail::concat(val_size, ", which is ", count) : std::to_string(count));
  return count;
}

std::int64_t resolve_val_size(const std::string& val_size, std::int64_t n) {
  double value = 0;
  const char* end = val_size.data() + val_size.size();
  const auto [stop, error] = std::from_chars(val_size.data(), end, value);
  ELBO_CHECK(error == std::errc() && stop == end, ValueError,
             "val-size: expected a fraction between 0 and 1 or a count, found ", in_quotes(val_size));
  return resolve_val_size(value, n);
}

Subsets split(std::int64_t n, std::int64_t val_size, std::uint64_t seed) {
  ELBO_CHECK(val_size >= 0 && (val_size < n || (val_size == 0 && n == 0)), ValueError,
             "val-size: expected a count from 0 to below the ", n, " samples there are, found ", val_size);
  std::vector<std::int64_t> order = permutation(n, seed, Stream::split);
  Subsets out;
  out.val.assign(order.begin(), order.begin() + val_size);
  order.erase(order.begin(), order.begin() + val_size);
  out.train = std::move(order);
  return out;
}

Subsets split(const Dataset& dataset, std::int64_t val_size, std::uint64_t seed) {
  if (dataset.val_count == 0) return split(dataset.size(), val_size, seed);
  ELBO_CHECK(val_size == dataset.val_count, ValueError, "val-size: expected the ", dataset.val_count,
             dataset.val_count == 1 ? " picture that " : " pictures that ", dataset.name, " has to validate on, found ",
             val_size);
  Subsets out;
  out.train = permutation(dataset.size() - val_size, seed, Stream::split);
  for (std::int64_t i = dataset.size() - val_size; i < dataset.size(); ++i) out.val.push_back(i);
  return out;
}

}  // namespace elbo::datasets
