#include "loader.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "../core/autograd.h"
#include "../core/errors.h"
#include "../core/kernels.h"
#include "../core/philox.h"
#include "split.h"

namespace elbo::datasets {
namespace {

/// One batch in use, one ready, one in the making.
constexpr std::int64_t ring_size = 3;
/// From one batch to the next: more than the transforms draw.
constexpr std::int64_t draws_of_transforms = std::int64_t{1} << 16;

/// Where the thread puts a batch.
struct Slot {
  std::vector<Array> memory = {};  // [batch_size, ...] each: what is gathered
  std::vector<Array> ready = {};   // views of it, or what the transforms made of them
  std::exception_ptr error = {};   // what a transform threw

  /// Empties the slot, and makes sure that nobody else holds the memory: otherwise it is left to them.
  void clear() {
    ready.clear();
    error = {};
    for (Array& one : memory)
      if (one.storage().use_count() > 1) one = Array::empty(one.shape(), one.options());
  }
};

std::vector<std::int64_t> counting(std::int64_t n) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), std::int64_t{0});
  return out;
}

std::vector<Array> checked(std::vector<Array> arrays) {
  ELBO_CHECK(!arrays.empty(), ValueError, "[Batches] expected at least one array, found none");
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Array &first = arrays[0], &one = arrays[i];
    ELBO_CHECK(one.defined() && one.shape().rank() >= 1, ShapeError, "[Batches] expected arrays [n, ...], found ",
               one.defined() ? "[]" : "one that is not there", " as array ", i);
    ELBO_CHECK(one.shape()[0] == first.shape()[0], ShapeError,
               "[Batches] expected arrays of one size along dimension 0, found array 0 ", first.shape(), " and array ",
               i, " ", one.shape());
    ELBO_CHECK(one.device() == first.device(), DeviceError, "[Batches] expected array ", i, " on ", first.device(),
               " as array 0, found it on ", one.device());
  }
  return arrays;
}

/// Pictures and, where there are some, their labels.
std::vector<Array> checked_pictures(Array pictures, Array labels) {
  ELBO_CHECK(pictures.defined() && pictures.shape().rank() >= 1, ShapeError,
             "[Batches] expected pictures [n, ...], found ", pictures.shape());
  ELBO_CHECK(pictures.dtype() == DType::uint8, DTypeError, "[Batches] expected pictures of uint8, found ",
             pictures.dtype());
  if (!labels.defined()) return {std::move(pictures)};
  const Shape one_each{pictures.shape()[0]};
  ELBO_CHECK(labels.dtype() == DType::int64, DTypeError, "[Batches] expected labels of int64, found ", labels.dtype());
  ELBO_CHECK(labels.shape() == one_each, ShapeError, "[Batches] expected labels ", one_each, " for pictures ",
             pictures.shape(), ", found ", labels.shape());
  ELBO_CHECK(labels.device() == pictures.device(), DeviceError, "[Batches] expected labels on ", pictures.device(),
             " as the pictures, found them on ", labels.device());
  return {std::move(pictures), std::move(labels)};
}

/// Features and labels, where there are any.
std::vector<Array> arrays_of(const Dataset& data) {
  std::vector<Array> arrays{data.features};
  if (!data.labels.empty()) arrays.push_back(data.labels_array());
  return checked(std::move(arrays));
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
  /// `of_pictures`: the first array is scaled as it is gathered.
  State(std::vector<Array> arrays, bool of_pictures, std::optional<std::vector<std::int64_t>> indices,
        BatchOptions options);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void begin_epoch(std::int64_t epoch, std::int64_t first_batch);
  std::optional<Batch> next();

  const Array& order() const { return order_array_; }
  void shuffle_ahead();
  std::int64_t draw_offset(std::int64_t number) const { return epoch_ * batches_ + number; }
  std::int64_t batches() const { return batches_; }
  std::int64_t samples() const { return std::min(batches_ * options_.batch_size, count()); }
  const BatchOptions& options() const { return options_; }
  const Waits& waits() const { return waits_; }

 private:
  void check() const;
  void put_in_order(std::vector<std::int64_t>& order, std::int64_t epoch) const;
  void halt();
  void work();
  void prepare(Slot& slot, std::int64_t number) noexcept;
  void transform(std::vector<Array>& arrays, std::int64_t number);
  void gather(const Slot& slot, std::int64_t number) const noexcept;
  void gather_pictures(float* out, std::int64_t number) const noexcept;
  void gather_rows(const Array& from, std::byte* out, std::int64_t number) const noexcept;
  void await_batch();
  std::vector<Array> gather_now(const Array& indices);

  std::int64_t count() const { return static_cast<std::int64_t>(indices_.size()); }
  std::int64_t begin(std::int64_t number) const { return number * options_.batch_size; }
  std::int64_t end(std::int64_t number) const { return std::min(begin(number + 1), count()); }
  Array indices(std::int64_t number) const { return order_array_.slice(begin(number), end(number)); }
  Device device() const { return arrays_[0].device(); }
  std::int64_t rows() const { return arrays_[0].shape()[0]; }
  Slot& slot(std::int64_t number) { return slots_[static_cast<std::size_t>(number) % slots_.size()]; }

  std::vector<Array> arrays_;
  bool of_pictures_;
  std::vector<std::int64_t> indices_;
  BatchOptions options_;
  std::int64_t batches_ = 0;
  bool background_ = false;
  std::vector<std::int64_t> order_;       // of this epoch
  Array order_array_;                     // the same on the device
  std::vector<std::int64_t> next_order_;  // of epoch `ahead_`, where that is at least 0
  std::int64_t ahead_ = -1;
  std::int64_t epoch_ = 0;
  std::vector<Slot> slots_;                   // of the thread; none without it
  std::optional<Generator> draws_;            // of the caller's own gathering
  std::optional<Generator> transform_draws_;  // the thread's, where there is one
  std::int64_t taken_ = 0;                    // the next batch to hand out; batches_ between epochs
  Waits waits_;

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

Batches::State::State(std::vector<Array> arrays, bool of_pictures, std::optional<std::vector<std::int64_t>> indices,
                      BatchOptions options)
    : arrays_(std::move(arrays)),
      of_pictures_(of_pictures),
      indices_(indices ? std::move(*indices) : counting(rows())),
      options_(std::move(options)) {
  check();
  const std::int64_t size = options_.batch_size;
  batches_ = options_.drop_last ? count() / size : count() / size + (count() % size != 0);
  ELBO_CHECK(batches_ > 0 || count() == 0, ValueError, "[Batches] drop_last: expected at least one batch of ", size,
             of_pictures_ ? " pictures" : " samples", ", found ", count(), " to train on");
  taken_ = batches_;
  background_ = options_.background && device() == cpu && batches_ > 0;
  order_.resize(indices_.size());
  if (options_.binarize && !background_) draws_.emplace(options_.seed, Stream::binarize, device());
  if (!options_.transforms.empty()) transform_draws_.emplace(options_.seed, Stream::augment, device());
  if (!background_) return;
  slots_.resize(ring_size);
  const std::int64_t room = std::min(size, count());
  for (Slot& one : slots_)
    for (std::size_t i = 0; i < arrays_.size(); ++i)
      one.memory.push_back(Array::empty(arrays_[i].shape().with(0, room),
                                        {i == 0 && of_pictures_ ? DType::float32 : arrays_[i].dtype()}));
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
  ELBO_CHECK(of_pictures_ || !options_.binarize, ValueError,
             "[Batches] expected pictures and their labels for binarize, found arrays");
  for (std::size_t i = 0; i < options_.transforms.size(); ++i)
    ELBO_CHECK(options_.transforms[i], ValueError, "[Batches] expected transforms that can be called, found an empty ",
               "one at place ", i);
  for (std::int64_t index : indices_)
    ELBO_CHECK(index >= 0 && index < rows(), IndexError, "[Batches] expected indices from 0 to below ", rows(),
               ", found ", index);
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
  if (ahead_ == epoch)
    std::swap(order_, next_order_);
  else
    put_in_order(order_, epoch);
  ahead_ = -1;
  order_array_ = {};  // first, so that its memory can serve again
  order_array_ = Array::from(order_, {count()}, device());
  taken_ = first_batch;
  if (!background_) return;
  for (Slot& one : slots_) one.clear();
  {
    const std::lock_guard lock(mutex_);
    prepared_ = first_batch;
    limit_ = std::min(batches_, first_batch + ring_size);
  }
  to_thread_.notify_one();
}

void Batches::State::put_in_order(std::vector<std::int64_t>& order, std::int64_t epoch) const {
  order = indices_;
  if (options_.shuffle) shuffle(order, options_.seed, Stream::shuffle, epoch);
}

void Batches::State::shuffle_ahead() {
  put_in_order(next_order_, epoch_ + 1);
  ahead_ = epoch_ + 1;
}

std::optional<Batch> Batches::State::next() {
  if (taken_ == batches_) return std::nullopt;
  Batch out;
  out.number = taken_;
  out.indices = indices(taken_);
  if (background_) {
    await_batch();
    Slot& mine = slot(taken_);
    if (mine.error) std::rethrow_exception(mine.error);
    out.arrays = std::move(mine.ready);
  } else {
    out.arrays = gather_now(out.indices);
    transform(out.arrays, taken_);
  }
  if (of_pictures_ && !out.arrays.empty()) out.pictures = out.arrays[0];
  if (of_pictures_ && arrays_.size() > 1 && out.arrays.size() > 1) out.labels = out.arrays[1];
  ++taken_;
  return out;
}

/// Has the thread go on, and waits until it is done with batch `taken_`.
void Batches::State::await_batch() {
  // The batch handed out before this one is over, so its slot can have the batch one ring later. (Only the caller
  // writes limit_, so it may read it without the lock.)
  if (limit_ < std::min(batches_, taken_ + ring_size)) {
    slot(limit_).clear();
    {
      const std::lock_guard lock(mutex_);
      ++limit_;
    }
    to_thread_.notify_one();
  }
  std::unique_lock lock(mutex_);
  if (prepared_ > taken_) return;
  const auto start = std::chrono::steady_clock::now();
  to_caller_.wait(lock, [this] { return prepared_ > taken_; });
  ++waits_.batches;
  waits_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// On the arrays' device, whichever that is.
std::vector<Array> Batches::State::gather_now(const Array& indices) {
  std::vector<Array> out;
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    if (i > 0 || !of_pictures_) {
      out.push_back(kernels::gather(arrays_[i], indices, 0));
      continue;
    }
    if (draws_) draws_->set_offset(draw_offset(taken_));
    out.push_back(
        kernels::gather_pictures(arrays_[i], indices, options_.scale, options_.shift, draws_ ? &*draws_ : nullptr));
  }
  return out;
}

void Batches::State::prepare(Slot& slot, std::int64_t number) noexcept {
  gather(slot, number);
  try {
    for (const Array& one : slot.memory) slot.ready.push_back(one.slice(0, end(number) - begin(number)));
    transform(slot.ready, number);
  } catch (...) {
    slot.error = std::current_exception();
  }
}

void Batches::State::transform(std::vector<Array>& arrays, std::int64_t number) {
  if (options_.transforms.empty()) return;
  transform_draws_->set_offset(draw_offset(number) * draws_of_transforms);
  const GeneratorScope scope(*transform_draws_);
  const NoGradGuard no_grad;
  std::vector<Tensor> tensors(arrays.begin(), arrays.end());
  arrays.clear();
  for (const Transform& one : options_.transforms) one(tensors);
  for (const Tensor& one : tensors) arrays.push_back(one.array());
}

/// What the kernels in gather_now do, on this thread alone: a team of threads of its own would only take the
/// processors from the step that runs meanwhile.
void Batches::State::gather(const Slot& slot, std::int64_t number) const noexcept {
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    if (i == 0 && of_pictures_)
      gather_pictures(static_cast<float*>(slot.memory[i].raw()), number);
    else
      gather_rows(arrays_[i], static_cast<std::byte*>(slot.memory[i].raw()), number);
  }
}

void Batches::State::gather_pictures(float* out, std::int64_t number) const noexcept {
  const auto scale = static_cast<float>(options_.scale), shift = static_cast<float>(options_.shift);
  const auto features = static_cast<std::size_t>(arrays_[0].numel() / rows());
  const auto* bytes = static_cast<const std::uint8_t*>(arrays_[0].raw());
  if (options_.binarize)
    draw_uniform(out, static_cast<std::size_t>(end(number) - begin(number)) * features,
                 philox::source(options_.seed, static_cast<std::uint32_t>(Stream::binarize), draw_offset(number)));
  for (std::int64_t i = begin(number); i < end(number); ++i) {
    const std::uint8_t* picture = bytes + static_cast<std::size_t>(order_[static_cast<std::size_t>(i)]) * features;
    if (options_.binarize) {
      for (std::size_t j = 0; j < features; ++j)
        out[j] = (out[j] < static_cast<float>(picture[j]) / 255.0f ? 255.0f : 0.0f) * scale + shift;
    } else {
      for (std::size_t j = 0; j < features; ++j) out[j] = static_cast<float>(picture[j]) * scale + shift;
    }
    out += features;
  }
}

void Batches::State::gather_rows(const Array& from, std::byte* out, std::int64_t number) const noexcept {
  const std::size_t row = from.bytes() / static_cast<std::size_t>(rows());
  if (row == 0) return;
  const auto* bytes = static_cast<const std::byte*>(from.raw());
  for (std::int64_t i = begin(number); i < end(number); ++i, out += row)
    std::memcpy(out, bytes + static_cast<std::size_t>(order_[static_cast<std::size_t>(i)]) * row, row);
}

void Batches::State::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    to_thread_.wait(lock, [this] { return stop_ || prepared_ < limit_; });
    if (stop_) return;
    busy_ = true;
    const std::int64_t number = prepared_;
    lock.unlock();
    prepare(slot(number), number);
    lock.lock();
    busy_ = false;
    ++prepared_;  // after halt() too, where begin_epoch() sets it anew
    to_caller_.notify_one();
  }
}

Batches::Batches(std::vector<Array> arrays, BatchOptions options)
    : state_(std::make_unique<State>(checked(std::move(arrays)), false, std::nullopt, std::move(options))) {}
Batches::Batches(std::vector<Array> arrays, std::span<const std::int64_t> indices, BatchOptions options)
    : state_(std::make_unique<State>(checked(std::move(arrays)), false,
                                     std::vector<std::int64_t>(indices.begin(), indices.end()), std::move(options))) {}
Batches::Batches(Array pictures, Array labels, std::vector<std::int64_t> indices, BatchOptions options)
    : state_(std::make_unique<State>(checked_pictures(std::move(pictures), std::move(labels)), true, std::move(indices),
                                     std::move(options))) {}
Batches::Batches(const Dataset& data, BatchOptions options)
    : state_(std::make_unique<State>(arrays_of(data), data.has_pictures(), std::nullopt, std::move(options))) {}
Batches::~Batches() = default;
Batches::Batches(Batches&&) noexcept = default;
Batches& Batches::operator=(Batches&&) noexcept = default;

std::int64_t Batches::batches() const { return state_->batches(); }
std::int64_t Batches::samples() const { return state_->samples(); }
const BatchOptions& Batches::options() const { return state_->options(); }
Waits Batches::waits() const { return state_->waits(); }
void Batches::begin_epoch(std::int64_t epoch, std::int64_t first_batch) { state_->begin_epoch(epoch, first_batch); }
std::optional<Batch> Batches::next() { return state_->next(); }
const Array& Batches::order() const { return state_->order(); }
void Batches::shuffle_ahead() { state_->shuffle_ahead(); }
std::int64_t Batches::draw_offset(std::int64_t number) const { return state_->draw_offset(number); }

}  // namespace elbo::datasets
