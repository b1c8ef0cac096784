#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../core/api.h"
#include "../core/random_kinds.h"
#include "dataset.h"

namespace ELBO_API elbo {
namespace datasets {

/// Orders `values` at random, each order equally likely (Fisher and Yates, with Durstenfeld's exchange): a pure
/// function of (seed, stream, epoch) and the count, the same on every machine. Any number of values below 2^32.
void shuffle(std::span<std::int64_t> values, std::uint64_t seed, Stream stream, std::int64_t epoch = 0);

/// The numbers 0 to n - 1 in such an order. Throws ValueError for n < 0 or n >= 2^32.
std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, Stream stream, std::int64_t epoch = 0);

/// The number of validation samples that `val_size` asks for among n: a fraction of n where it lies between 0 and 1
/// (rounded to the nearest count, at least one), a count where it is a whole number, none for 0. Throws ValueError
/// for anything else, and where no sample would be left to train on.
std::int64_t resolve_val_size(double val_size, std::int64_t n);
/// The same for the text of an option, such as `0.1` or `12000`.
std::int64_t resolve_val_size(const std::string& val_size, std::int64_t n);

/// Which samples to train on and which to validate on, each in random order.
struct Subsets {
  std::vector<std::int64_t> train = {};
  std::vector<std::int64_t> val = {};
};

/// Parts 0 to n - 1 into `val_size` samples (a count) to validate on and the rest to train on, at random: a pure
/// function of its arguments, in the stream Stream::split. Throws ValueError unless 0 <= val_size < n, or 0 = n.
Subsets split(std::int64_t n, std::int64_t val_size, std::uint64_t seed);
/// The same for the pictures of a dataset; where it has some to validate on, these, whose number `val_size` must be.
Subsets split(const Dataset& dataset, std::int64_t val_size, std::uint64_t seed);

}  // namespace datasets
}  // namespace elbo
