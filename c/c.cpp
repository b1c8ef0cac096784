#include "../c.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include "../core/file.h"
#include "../core/ops.h"
#include "../models/analysis/codes.h"
#include "../models/latent_model.h"
#include "../models/training/run.h"

struct elbo_model {
  std::unique_ptr<elbo::models::Model> model;  // in evaluation mode: calls only read it
};

namespace elbo {
namespace {

constexpr std::int64_t batch_size = 500;  // as models::score has it: its noise depends on that

thread_local char last_error[2048] = "";

/// Keeps a message: into memory that is there, since memory may be what is missing. A long one is cut between two
/// characters.
void keep_message(const char* message) noexcept {
  std::size_t size = std::min(std::strlen(message), sizeof last_error - 1);
  while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xC0) == 0x80) --size;
  std::memcpy(last_error, message, size);
  last_error[size] = '\0';
}

elbo_status failed(elbo_status status, const char* message) noexcept {
  keep_message(message);
  return status;
}

/// The status of the exception that is being handled.
elbo_status status_of_exception() noexcept {
  try {
    throw;
  } catch (const ShapeError& error) {
    return failed(ELBO_SHAPE, error.what());
  } catch (const DTypeError& error) {
    return failed(ELBO_DTYPE, error.what());
  } catch (const DeviceError& error) {
    return failed(ELBO_DEVICE, error.what());
  } catch (const IndexError& error) {
    return failed(ELBO_INDEX, error.what());
  } catch (const AutogradError& error) {
    return failed(ELBO_AUTOGRAD, error.what());
  } catch (const ValueError& error) {
    return failed(ELBO_VALUE, error.what());
  } catch (const FormatError& error) {
    return failed(ELBO_FORMAT, error.what());
  } catch (const SystemFault& error) {
    return failed(ELBO_SYSTEM, error.what());
  } catch (const IoError& error) {
    return failed(ELBO_IO, error.what());
  } catch (const OutOfMemory& error) {
    return failed(ELBO_OUT_OF_MEMORY, error.what());
  } catch (const CaptureError& error) {
    return failed(ELBO_CAPTURE, error.what());
  } catch (const CudaError& error) {
    return failed(ELBO_CUDA, error.what());
  } catch (const std::bad_alloc&) {
    return failed(ELBO_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(ELBO_FAILED, error.what());
  } catch (...) {
    return failed(ELBO_FAILED, "something was thrown that is no exception");
  }
}

template <class Work>
elbo_status guarded(const Work& work) noexcept {
  try {
    work();
    return ELBO_OK;
  } catch (...) {
    return status_of_exception();
  }
}

/// A call on a model: looks at what the caller gave, and goes through it in batches.
class Call {
 public:
  Call(const char* op, const elbo_model* handle) : op_(op) {
    ELBO_CHECK(handle, ValueError, "[", op, "] model: expected one that was loaded, found NULL");
    model_ = handle->model.get();
  }
  models::Model& model() const { return *model_; }
  std::int64_t pixels() const { return model_->config().picture.numel(); }
  std::int64_t latent() const { return model_->code_size(); }
  std::int64_t rows() const { return rows_; }

  /// What comes in, or for elbo_sample goes out: so many rows of `width` numbers are meant.
  void take(const char* what, const float* data, std::size_t count, std::int64_t width) {
    check_there(what, data, count);
    const auto numbers = static_cast<std::int64_t>(count);
    ELBO_CHECK(numbers >= 0 && numbers % width == 0, ShapeError, "[", op_, "] ", what, ": expected a multiple of ",
               width, " numbers, found ", count);
    rows_ = numbers / width;
  }
  /// Pictures that come in: n of them, from 0 to 1.
  void take_pictures(const float* data, std::size_t count) {
    take("pictures", data, count, pixels());
    const std::span<const float> numbers(data, count);
    const auto bad = std::find_if_not(numbers.begin(), numbers.end(), [](float x) { return x >= 0 && x <= 1; });
    ELBO_CHECK(bad == numbers.end(), ValueError, "[", op_, "] pictures: expected numbers from 0 to 1, found ", *bad,
               " at position ", bad - numbers.begin());
  }
  void take_labels(const std::int64_t* labels, std::size_t count) {
    check_there("labels", labels, count);
    labels_ = std::span(labels, count);
    if (count == 0) return;  // the model says whether it needs some
    const std::int64_t classes = model_->config().classes;
    ELBO_CHECK(classes > 0, ValueError, "[", op_, "] the model ", model_->config().model,
               " takes no labels, found some");
    ELBO_CHECK(static_cast<std::int64_t>(count) == rows_, ShapeError, "[", op_, "] labels: expected ", rows_,
               ", found ", count);
    for (std::int64_t label : labels_)
      ELBO_CHECK(label >= 0 && label < classes, IndexError, "[", op_, "] labels: expected 0 to ", classes - 1,
                 ", found ", label);
  }
  void check_room(const char* what, const float* data, std::size_t count, std::int64_t width) const {
    check_there(what, data, count);
    ELBO_CHECK(static_cast<std::int64_t>(count) == rows_ * width, ShapeError, "[", op_, "] ", what, ": expected ",
               rows_, " times ", width, " numbers, found ", count);
  }

  /// Calls visit(begin, size) for one batch of rows after the other.
  template <class Visit>
  void for_batches(const Visit& visit) const {
    for (std::int64_t begin = 0; begin < rows_; begin += batch_size) visit(begin, std::min(batch_size, rows_ - begin));
  }
  /// Rows of the caller's numbers, on the model's device.
  Tensor batch(const float* data, std::int64_t width, std::int64_t begin, std::int64_t size) const {
    return Tensor(Array::from(std::span(data + begin * width, static_cast<std::size_t>(size * width)), {size, width},
                              model_->device()));
  }
  /// Pictures as the model takes them.
  Tensor pictures(const float* data, std::int64_t begin, std::int64_t size) const {
    const Tensor x = reshape(batch(data, pixels(), begin, size), model_->config().picture.insert(0, size));
    const auto [low, high] = model_->config().pixels;
    return low == 0 && high == 1 ? x : x * (high - low) + low;
  }
  /// Those of the batch; undefined where there are none.
  Tensor labels(std::int64_t begin, std::int64_t size) const {
    if (labels_.empty()) return {};
    return Tensor(Array::from(labels_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size)), {size},
                              model_->device()));
  }
  /// Pictures as the model gives them, from 0 to 1.
  Array shown(const Tensor& pictures) const { return models::shown_pictures(*model_, pictures); }

 private:
  void check_there(const char* what, const void* data, std::size_t count) const {
    ELBO_CHECK(data || count == 0, ValueError, "[", op_, "] ", what, ": expected ", count, " numbers, found NULL");
  }

  const char* op_;
  models::Model* model_;
  std::int64_t rows_ = 0;
  std::span<const std::int64_t> labels_;
  NoGradGuard no_grad_;
};

/// Writes rows of `width` numbers, the first of which is row `begin`.
void put(const Array& rows, float* to, std::int64_t width, std::int64_t begin) {
  const std::vector<float> values = rows.to_vector<float>();
  std::copy(values.begin(), values.end(), to + begin * width);
}

/// Adds the losses of each picture to `sum`, the codes drawn as models::score draws them, or their means.
void add_scores(const Call& call, const float* pictures, bool drawn, std::uint64_t seed, std::vector<double>& sum) {
  Generator noise(seed, Stream::validation, call.model().device());
  call.for_batches([&](std::int64_t begin, std::int64_t size) {
    const Tensor x = call.pictures(pictures, begin, size), labels = call.labels(begin, size);
    const models::Terms terms = call.model().elbo({.x = x,
                                                   .labels = labels,
                                                   .noise = &noise,
                                                   .per_picture = true,
                                                   .codes = drawn ? models::Codes::sampled : models::Codes::mean});
    for (const models::Term& term : terms.list) {
      if (!term.counts) continue;
      const std::vector<float> nats = term.nats.array().to_vector<float>();
      for (std::size_t i = 0; i < nats.size(); ++i)
        sum[static_cast<std::size_t>(begin) + i] += term.weight.last() * static_cast<double>(nats[i]);
    }
  });
}

/// What an argument names. Throws ValueError for NULL.
const char* named(const char* op, const char* what, const char* text) {
  ELBO_CHECK(text, ValueError, "[", op, "] ", what, ": expected a text, found NULL");
  return text;
}

/// Gives what `load` makes to the caller.
template <class Load>
elbo_status loaded(const char* op, elbo_model** model, const Load& load) noexcept {
  return guarded([&] {
    ELBO_CHECK(model, ValueError, "[", op, "] model: expected a place for it, found NULL");
    *model = nullptr;
    *model = std::make_unique<elbo_model>(elbo_model{load()}).release();
  });
}

/// The model, where its posterior is a Gaussian of mean and variance alone; else null.
models::LatentModel* gaussian_of(const elbo_model* model) {
  auto* latent = dynamic_cast<models::LatentModel*>(model->model.get());
  return latent && latent->config().posterior == "diagonal" ? latent : nullptr;
}

const models::ModelConfig* config_of(const elbo_model* model) { return model ? &model->model->config() : nullptr; }

}  // namespace
}  // namespace elbo

using namespace elbo;

const char* elbo_last_error(void) { return last_error; }
const char* elbo_version(void) { return ELBO_VERSION; }

elbo_status elbo_load_run(const char* folder, const char* device, elbo_model** model) {
  constexpr const char* op = "elbo_load_run";
  return loaded(op, model, [&] {
    const Device on = Device::parse(named(op, "device", device));
    return models::load(named(op, "folder", folder), on);
  });
}

elbo_status elbo_load_safetensors(const char* weights, const char* config, const char* device, elbo_model** model) {
  constexpr const char* op = "elbo_load_safetensors";
  return loaded(op, model, [&] {
    const Device on = Device::parse(named(op, "device", device));
    const std::string text = read_whole_file(named(op, "config", config));
    return models::load_weights(named(op, "weights", weights), models::RunConfig::from_json(text, config).model, on);
  });
}

void elbo_free(elbo_model* model) { delete model; }

int64_t elbo_channels(const elbo_model* model) { return model ? config_of(model)->picture[0] : 0; }
int64_t elbo_height(const elbo_model* model) { return model ? config_of(model)->picture[1] : 0; }
int64_t elbo_width(const elbo_model* model) { return model ? config_of(model)->picture[2] : 0; }
int64_t elbo_pixels(const elbo_model* model) { return model ? config_of(model)->picture.numel() : 0; }
int64_t elbo_latent(const elbo_model* model) { return model ? model->model->code_size() : 0; }
int64_t elbo_classes(const elbo_model* model) { return model ? config_of(model)->classes : 0; }
int elbo_has_variance(const elbo_model* model) { return model && gaussian_of(model) ? 1 : 0; }

elbo_status elbo_encode(const elbo_model* model, const float* pictures, size_t pictures_count, const int64_t* labels,
                        size_t labels_count, float* mean, size_t mean_count, float* logvar, size_t logvar_count) {
  return guarded([&] {
    Call call("elbo_encode", model);
    call.take_pictures(pictures, pictures_count);
    call.take_labels(labels, labels_count);
    call.check_room("mean", mean, mean_count, call.latent());
    if (logvar || logvar_count > 0) {
      ELBO_CHECK(elbo_has_variance(model), ValueError, "[elbo_encode] logvar: the model ", config_of(model)->model,
                 " has no variances, expected NULL");
      call.check_room("logvar", logvar, logvar_count, call.latent());
    }
    call.for_batches([&](std::int64_t begin, std::int64_t size) {
      const Tensor x = call.pictures(pictures, begin, size), own = call.labels(begin, size);
      put(call.model().code(x, own).array(), mean, call.latent(), begin);
      if (logvar) put(gaussian_of(model)->encode(x, own).logvar.array(), logvar, call.latent(), begin);
    });
  });
}

elbo_status elbo_decode(const elbo_model* model, const float* codes, size_t codes_count, const int64_t* labels,
                        size_t labels_count, float* pictures, size_t pictures_count) {
  return guarded([&] {
    Call call("elbo_decode", model);
    call.take("codes", codes, codes_count, call.latent());
    call.take_labels(labels, labels_count);
    call.check_room("pictures", pictures, pictures_count, call.pixels());
    call.for_batches([&](std::int64_t begin, std::int64_t size) {
      const Tensor z = call.batch(codes, call.latent(), begin, size);
      put(call.shown(call.model().picture(z, call.labels(begin, size))), pictures, call.pixels(), begin);
    });
  });
}

elbo_status elbo_reconstruct(const elbo_model* model, const float* pictures, size_t pictures_count,
                             const int64_t* labels, size_t labels_count, float* out, size_t out_count) {
  return guarded([&] {
    Call call("elbo_reconstruct", model);
    call.take_pictures(pictures, pictures_count);
    call.take_labels(labels, labels_count);
    call.check_room("out", out, out_count, call.pixels());
    call.for_batches([&](std::int64_t begin, std::int64_t size) {
      const Tensor own = call.labels(begin, size);
      put(call.shown(call.model().reconstruct(call.pictures(pictures, begin, size), own)), out, call.pixels(), begin);
    });
  });
}

elbo_status elbo_score(const elbo_model* model, const float* pictures, size_t pictures_count, const int64_t* labels,
                       size_t labels_count, int64_t draws, uint64_t seed, float* scores, size_t scores_count) {
  return guarded([&] {
    Call call("elbo_score", model);
    call.take_pictures(pictures, pictures_count);
    call.take_labels(labels, labels_count);
    ELBO_CHECK(draws >= 0, ValueError, "[elbo_score] draws: expected at least 0, found ", draws);
    call.check_room("scores", scores, scores_count, 1);
    std::vector<double> sum(scores_count);
    const std::int64_t passes = std::max<std::int64_t>(draws, 1);
    for (std::int64_t k = 0; k < passes; ++k)
      add_scores(call, pictures, draws > 0, seed + static_cast<std::uint64_t>(k), sum);
    for (std::size_t i = 0; i < sum.size(); ++i) scores[i] = static_cast<float>(sum[i] / static_cast<double>(passes));
  });
}

elbo_status elbo_sample(const elbo_model* model, uint64_t seed, const int64_t* labels, size_t labels_count,
                        float* pictures, size_t pictures_count) {
  return guarded([&] {
    Call call("elbo_sample", model);
    call.take("pictures", pictures, pictures_count, call.pixels());
    call.take_labels(labels, labels_count);
    const Device device = call.model().device();
    Generator generator(seed, Stream::pictures, device);
    const Tensor codes = call.model().draw_codes(call.rows(), {}, &generator);
    call.for_batches([&](std::int64_t begin, std::int64_t size) {
      const Tensor z = slice(codes, 0, begin, begin + size);
      const Tensor mean = call.model().drawn_picture(z, call.labels(begin, size), generator);
      put(call.shown(mean), pictures, call.pixels(), begin);
    });
  });
}
