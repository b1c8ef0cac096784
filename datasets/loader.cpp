#include "loader.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "../core/errors.h"
#include "../core/kernels.h"
#include "../core/philox.h"
#include "split.h"

namespace elbo::datasets {
namespace {

/// One batch in use, one ready, one in the making.
constexpr std::int64_t ring_size = 3;

/// Memory for one batch; what is not needed is undefined.
struct Slot {
  Array pictures;  // float32 [batch_size, ...]
  Array labels;    // int64 [batch_size]
};

/// Makes sure that nobody else holds the array, so that it may be written: otherwise it is left to them.
void make_own(Array& array) {
  if (array.defined() && array.storage().use_count() > 1) array = Array::empty(array.shape(), array.options());
}

/// n uniform numbers, the same as kernels::random's.
void draw_uniform(float* out, std::size_t n, const philox::Source& source) {
  const auto block = [&source](std::size_t number) {
    return philox::numbers4(RandomKind::uniform, philox::block(source, number), 0);
  };
  for (std::size_t i = 0; i < n / 4; ++i) {
    const philox::Four u = block(i);
    out[4 * i] = u.a, out[4 * i + 1] = u.b, out[4 * i + 2] = u.c, out[4 * i + 3] = u.d;
  }
  const philox::Four last = block(n / 4);
  const float rest[] = {last.a, last.b, last.c};
  std::copy_n(rest, n % 4, out + n / 4 * 4);
}

}  // namespace

class Batches::State {
 public:
  State(Array pictures, Array labels, std::vector<std::int64_t> indices, BatchOptions options);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void begin_epoch(std::int64_t epoch, std::int64_t first_batch);
  std::optional<Batch> next();
  std::optional<Array> next_indices();

  std::int64_t draw_offset(std::int64_t number) const { return epoch_ * batches_ + number; }
  std::int64_t batches() const { return batches_; }
  std::int64_t samples() const { return std::min(batches_ * options_.batch_size, count()); }
  const BatchOptions& options() const { return options_; }

 private:
  void check() const;
  void halt();
  void work();
  void gather(const Slot& slot, std::int64_t number) const noexcept;
  void await_batch();
  void gather_now(Slot& slot, const Array& indices);

  std::int64_t count() const { return static_cast<std::int64_t>(indices_.size()); }
  std::int64_t begin(std::int64_t number) const { return number * options_.batch_size; }
  std::int64_t end(std::int64_t number) const { return std::min(begin(number + 1), count()); }
  Array indices(std::int64_t number) const { return order_array_.slice(begin(number), end(number)); }
  Array picture_memory() const {
    const std::int64_t room = std::min(options_.batch_size, count());
    return Array::empty(pictures_.shape().with(0, room), {DType::float32, pictures_.device()});
  }
  Slot& slot(std::int64_t number) { return slots_[static_cast<std::size_t>(number) % slots_.size()]; }
  static void make_own(Slot& slot) {
    datasets::make_own(slot.pictures);
    datasets::make_own(slot.labels);
  }

  Array pictures_, labels_;
  std::vector<std::int64_t> indices_;
  BatchOptions options_;
  std::int64_t batches_ = 0;
  bool background_ = false;
  std::vector<std::int64_t> order_;  // of this epoch
  Array order_array_;                // the same on the device
  std::int64_t epoch_ = 0;
  std::vector<Slot> slots_;
  std::optional<Generator> draws_;  // of the caller's own gathering
  std::int64_t taken_ = 0;          // the next batch to hand out; batches_ between epochs

  // Shared with the thread, under the mutex. It prepares batch `prepared_` while that is below `limit_`: the slots of
  // those between are the thread's, the others and all else the caller's.
  std::mutex mutex_;
  std::condition_variable to_thread_, to_caller_;
  std::int64_t prepared_ = 0;
  std::int64_t limit_ = 0;
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;
};

Batches::State::State(Array pictures, Array labels, std::vector<std::int64_t> indices, BatchOptions options)
    : pictures_(std::move(pictures)), labels_(std::move(labels)), indices_(std::move(indices)), options_(options) {
  check();
  const std::int64_t size = options_.batch_size;
  batches_ = options_.drop_last ? count() / size : count() / size + (count() % size != 0);
  ELBO_CHECK(batches_ > 0 || count() == 0, ValueError, "drop_last: expected at least one batch of ", size,
             " pictures, found ", count(), " to train on");
  taken_ = batches_;
  background_ = options_.background && pictures_.device() == cpu && batches_ > 0;
  order_.resize(indices_.size());
  slots_.resize(background_ ? ring_size : 1);
  if (options_.binarize && !background_) draws_.emplace(options_.seed, Stream::binarize, pictures_.device());
  if (!background_) return;
  for (Slot& one : slots_) {
    one.pictures = picture_memory();
    if (labels_.defined()) one.labels = Array::empty({one.pictures.shape()[0]}, {DType::int64, cpu});
  }
  thread_ = std::thread([this] { work(); });
}

Batches::State::~State() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  to_thread_.notify_one();
  thread_.join();
}

void Batches::State::check() const {
  ELBO_CHECK(options_.batch_size >= 1, ValueError, "[Batches] expected a batch size of at least 1, found ",
             options_.batch_size);
  ELBO_CHECK(std::isfinite(options_.scale) && std::isfinite(options_.shift), ValueError,
             "[Batches] expected a scale and a shift that are finite, found ", options_.scale, " and ", options_.shift);
  ELBO_CHECK(pictures_.defined() && pictures_.shape().rank() >= 1, ShapeError,
             "[Batches] expected pictures [n, ...], found ", pictures_.shape());
  ELBO_CHECK(pictures_.dtype() == DType::uint8, DTypeError, "[Batches] expected pictures of uint8, found ",
             pictures_.dtype());
  const std::int64_t n = pictures_.shape()[0];
  if (labels_.defined()) {
    ELBO_CHECK(labels_.dtype() == DType::int64, DTypeError, "[Batches] expected labels of int64, found ",
               labels_.dtype());
    ELBO_CHECK(labels_.shape() == Shape{n}, ShapeError, "[Batches] expected labels ", Shape{n}, " for pictures ",
               pictures_.shape(), ", found ", labels_.shape());
    ELBO_CHECK(labels_.device() == pictures_.device(), DeviceError, "[Batches] expected labels on ", pictures_.device(),
               " as the pictures, found them on ", labels_.device());
  }
  for (std::int64_t index : indices_)
    ELBO_CHECK(index >= 0 && index < n, IndexError, "[Batches] expected indices from 0 to below ", n, ", found ",
               index);
}

/// Takes everything back from the thread, and waits for it to leave the batch it is at.
void Batches::State::halt() {
  std::unique_lock lock(mutex_);
  limit_ = 0;
  to_caller_.wait(lock, [this] { return !busy_; });
}

void Batches::State::begin_epoch(std::int64_t epoch, std::int64_t first_batch) {
  ELBO_CHECK(epoch >= 0, IndexError, "[Batches] expected an epoch of at least 0, found ", epoch);
  ELBO_CHECK(first_batch >= 0 && first_batch <= batches_, IndexError, "[Batches] expected a first batch from 0 to ",
             batches_, ", found ", first_batch);
  if (background_) halt();
  taken_ = batches_;
  epoch_ = epoch;
  std::copy(indices_.begin(), indices_.end(), order_.begin());
  if (options_.shuffle) shuffle(order_, options_.seed, Stream::shuffle, epoch);
  order_array_ = {};  // first, so that its memory can serve again
  order_array_ = Array::from(order_, {count()}, pictures_.device());
  taken_ = first_batch;
  if (!background_) return;
  for (Slot& one : slots_) make_own(one);
  {
    const std::lock_guard lock(mutex_);
    prepared_ = first_batch;
    limit_ = std::min(batches_, first_batch + ring_size);
  }
  to_thread_.notify_one();
}

std::optional<Batch> Batches::State::next() {
  if (taken_ == batches_) return std::nullopt;
  Slot& mine = slot(taken_);
  Batch out;
  out.number = taken_;
  out.indices = indices(taken_);
  if (background_)
    await_batch();
  else
    gather_now(mine, out.indices);
  out.pictures = mine.pictures.slice(0, out.size());
  if (labels_.defined()) out.labels = mine.labels.slice(0, out.size());
  ++taken_;
  return out;
}

std::optional<Array> Batches::State::next_indices() {
  if (taken_ == batches_) return std::nullopt;
  if (background_) await_batch();
  return indices(taken_++);
}

/// Has the thread go on, and waits until it is done with batch `taken_`.
void Batches::State::await_batch() {
  // The batch handed out before this one is over, so its slot can have the batch one ring later. (Only the caller
  // writes limit_, so it may read it without the lock.)
  if (limit_ < std::min(batches_, taken_ + ring_size)) {
    make_own(slot(limit_));
    {
      const std::lock_guard lock(mutex_);
      ++limit_;
    }
    to_thread_.notify_one();
  }
  std::unique_lock lock(mutex_);
  to_caller_.wait(lock, [this] { return prepared_ > taken_; });
}

/// On the pictures' device, whichever that is.
void Batches::State::gather_now(Slot& slot, const Array& indices) {
  if (slot.pictures.defined())
    datasets::make_own(slot.pictures);
  else
    slot.pictures = picture_memory();
  if (draws_) draws_->set_offset(draw_offset(taken_));
  Array pictures = slot.pictures.slice(0, indices.numel());
  kernels::gather_pictures_into(pictures, pictures_, indices, options_.scale, options_.shift,
                                draws_ ? &*draws_ : nullptr);
  slot.labels = {};  // first, so that its memory can serve again
  if (labels_.defined()) slot.labels = kernels::gather(labels_, indices, 0);
}

/// What kernels::gather_pictures_into does, on this thread alone: a team of threads of its own would only take the
/// processors from the step that runs meanwhile.
void Batches::State::gather(const Slot& slot, std::int64_t number) const noexcept {
  const auto scale = static_cast<float>(options_.scale), shift = static_cast<float>(options_.shift);
  const auto features = static_cast<std::size_t>(pictures_.numel() / pictures_.shape()[0]);
  const auto* bytes = static_cast<const std::uint8_t*>(pictures_.raw());
  const auto* labels = static_cast<const std::int64_t*>(labels_.raw());
  auto* out = static_cast<float*>(slot.pictures.raw());
  auto* out_labels = static_cast<std::int64_t*>(slot.labels.raw());
  if (options_.binarize)
    draw_uniform(out, static_cast<std::size_t>(end(number) - begin(number)) * features,
                 philox::source(options_.seed, static_cast<std::uint32_t>(Stream::binarize), draw_offset(number)));
  for (std::int64_t i = begin(number); i < end(number); ++i) {
    const auto index = static_cast<std::size_t>(order_[static_cast<std::size_t>(i)]);
    const std::uint8_t* picture = bytes + index * features;
    if (options_.binarize) {
      for (std::size_t j = 0; j < features; ++j)
        out[j] = (out[j] < static_cast<float>(picture[j]) / 255.0f ? 255.0f : 0.0f) * scale + shift;
    } else {
      for (std::size_t j = 0; j < features; ++j) out[j] = static_cast<float>(picture[j]) * scale + shift;
    }
    out += features;
    if (labels) *out_labels++ = labels[index];
  }
}

void Batches::State::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    to_thread_.wait(lock, [this] { return stop_ || prepared_ < limit_; });
    if (stop_) return;
    busy_ = true;
    const std::int64_t number = prepared_;
    lock.unlock();
    gather(slot(number), number);
    lock.lock();
    busy_ = false;
    ++prepared_;  // after halt() too, where begin_epoch() sets it anew
    to_caller_.notify_one();
  }
}

Batches::Batches(Array pictures, Array labels, std::vector<std::int64_t> indices, BatchOptions options)
    : state_(std::make_unique<State>(std::move(pictures), std::move(labels), std::move(indices), options)) {}
Batches::~Batches() = default;
Batches::Batches(Batches&&) noexcept = default;
Batches& Batches::operator=(Batches&&) noexcept = default;

std::int64_t Batches::batches() const { return state_->batches(); }
std::int64_t Batches::samples() const { return state_->samples(); }
const BatchOptions& Batches::options() const { return state_->options(); }
void Batches::begin_epoch(std::int64_t epoch, std::int64_t first_batch) { state_->begin_epoch(epoch, first_batch); }
std::optional<Batch> Batches::next() { return state_->next(); }
std::optional<Array> Batches::next_indices() { return state_->next_indices(); }
std::int64_t Batches::draw_offset(std::int64_t number) const { return state_->draw_offset(number); }

}  // namespace elbo::datasets
