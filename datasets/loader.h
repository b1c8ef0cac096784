#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "../core/api.h"
#include "../core/array.h"
#include "dataset.h"
#include "transforms.h"

namespace ELBO_API elbo {
namespace datasets {

struct BatchOptions {
  std::int64_t batch_size = 128;
  /// A new order each epoch; otherwise that of the indices.
  bool shuffle = true;
  std::uint64_t seed = 0;
  /// Leave out the last batch where it is smaller than the others.
  bool drop_last = false;
  /// Pictures alone: dynamic binarisation (Salakhutdinov and Murray 2008; Burda et al. 2016): each byte becomes 255
  /// with probability byte / 255, else 0, and every epoch draws anew. The draws of a batch are a function of seed,
  /// epoch and the batch's number alone: Stream::binarize of `seed` at draw_offset(number).
  bool binarize = false;
  /// Prepare batches on a thread of their own while the last one is in use. On the CPU alone: a GPU's queue
  /// does the same by itself.
  bool background = true;
  /// Pictures alone: a byte becomes byte * scale + shift, in float32.
  double scale = 1.0 / 255;
  double shift = 0;
  /// Done to each batch in this order. The draws of a batch are in Stream::augment of `seed`, from the offset
  /// draw_offset(number) * 2^16 on: 65,536 for all transforms together.
  std::vector<Transform> transforms = {};
};

/// Some samples of an epoch, on the device of them all. It stays as it is for as long as it is held.
struct Batch {
  std::vector<Array> arrays = {};  ///< [size, ...], in the order in which they were given, transformed
  Array pictures = {};             ///< of pictures: arrays[0], float32 [size, ...]; otherwise undefined
  Array labels = {};               ///< of pictures with labels: arrays[1], int64 [size]; otherwise undefined
  Array indices = {};              ///< int64 [size]: the place of each among all samples
  std::int64_t number = 0;         ///< its place in the epoch, from 0
  std::int64_t size() const { return indices.numel(); }
};

/// How often next() found its batch not ready yet, and the seconds that it waited in all. Where there is no
/// thread, never.
struct Waits {
  std::int64_t batches = 0;
  double seconds = 0;
};

/// The batches of one epoch after the other, from arrays of any shape and dtype that share dimension 0 and stay on the
/// device that trains:
///
///     Batches batches({features, targets, weights}, {.batch_size = 128, .seed = 7});
///     for (int epoch = 0; epoch < 5; ++epoch) {
///       batches.begin_epoch(epoch);
///       while (auto batch = batches.next()) step(batch->arrays[0], batch->arrays[1], batch->arrays[2]);
///     }
///
/// or from pictures that stay as bytes, and are scaled as they are gathered:
///
///     Batches batches(data.pictures_array(), data.labels_array(), subsets.train, {.batch_size = 128, .seed = 7});
///     while (auto batch = batches.next()) step(batch->pictures);
///
/// The batches of an epoch depend on nothing but the arguments here and the epoch's number: not on the epochs before,
/// on threads, or on `background`. Warm, no memory is taken: the memory of a batch that is no longer held serves again.
/// An object is to be used by one thread at a time. One that was moved from can be assigned to and destroyed, no more.
class Batches {
 public:
  /// arrays: [n, ...], one or more, of any dtype, on one device; a batch has their rows as they are. indices: which
  /// rows an epoch takes, in [0, n), repeated ones as often as they stand there; without them, all. The arrays are
  /// shared, not copied, and must not be written while batches are drawn. Throws ShapeError naming the array whose size
  /// along dimension 0 is another, DeviceError, IndexError for indices, ValueError for no arrays, a batch size below 1,
  /// `binarize`, which is for pictures, an empty transform, or where drop_last would leave none of the samples.
  explicit Batches(std::vector<Array> arrays, BatchOptions options = {});
  Batches(std::vector<Array> arrays, std::span<const std::int64_t> indices, BatchOptions options = {});
  /// pictures: uint8 [n, ...], float32 in a batch; labels: int64 [n] on the same device, or undefined; all else as
  /// above. Throws DTypeError too.
  Batches(Array pictures, Array labels, std::vector<std::int64_t> indices, BatchOptions options = {});
  /// All of a dataset, on the CPU: its pictures, else its features as they are, and its labels, where it has them.
  explicit Batches(const Dataset& data, BatchOptions options = {});
  /// Stops the thread, in the middle of an epoch too.
  ~Batches();
  Batches(Batches&&) noexcept;
  Batches& operator=(Batches&&) noexcept;

  /// The number of batches in an epoch, and of samples in them.
  std::int64_t batches() const;
  std::int64_t samples() const;
  const BatchOptions& options() const;
  /// Since this was made.
  Waits waits() const;

  /// Starts an epoch, and ends the one before wherever it stands. `first_batch`, at most batches(), skips those before
  /// it, to go on after an interruption. Throws IndexError for another, or for an epoch below 0.
  void begin_epoch(std::int64_t epoch, std::int64_t first_batch = 0);
  /// The next batch, or nothing at the epoch's end and before the first. Throws what a transform throws, and then stays
  /// at that batch.
  std::optional<Batch> next();

  /// All of this epoch's places among the samples, int64 [n] on the arrays' device: batch `number` has those from
  /// number * batch_size on. For a training step that is recorded as a graph, which has to gather by itself: with
  /// kernels::gather_pictures and, to binarise, a Generator of the options' seed and Stream::binarize that stands at
  /// draw_offset(number). It then gets what next() would have given without transforms. Undefined before the first
  /// epoch.
  const Array& order() const;
  /// Works out the next epoch's order now, so that its begin_epoch() does not have to.
  void shuffle_ahead();
  /// The offset that the draws of this epoch's batch `number` take: epoch * batches() + number, so that a generator
  /// which stands at the first batch's goes on to the next by itself.
  std::int64_t draw_offset(std::int64_t number) const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace datasets
}  // namespace elbo
