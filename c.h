#ifndef ELBO_C_H
#define ELBO_C_H
/* Trained models for programs in C, and in all languages that call C. Link with libelbo; docs/c.md shows how.
 *
 * Numbers are float32, in arrays of the caller's, row-major. Each comes with its count of elements, which must be what
 * the call reads or writes, to the element: n pictures are n * elbo_pixels() numbers, n codes n * elbo_latent().
 * Pictures are [n, channels, height, width], from 0 (black) to 1 (white), whatever range the model was trained on;
 * other numbers, such as bytes, and NaN are refused with ELBO_VALUE. Labels are for models with classes: one for
 * each picture or code, from 0 to elbo_classes() - 1; for other models none, NULL and 0.
 *
 * Every call but those that ask for a size gives a status, and elbo_last_error() says it in words. All arguments are
 * checked first: a call that refuses one writes nothing. No C++ exception comes out of a call.
 *
 * Threads: all calls but elbo_free() may use one model from several threads at once. What is drawn depends on the seed
 * alone: equal seeds, equal numbers. */

#include <stddef.h>
#include <stdint.h>

#if defined(ELBO_SHARED) && !defined(_WIN32)
#define ELBO_C_API __attribute__((visibility("default")))
#else
#define ELBO_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What became of a call; the numbers stay as they are. */
typedef enum elbo_status {
  ELBO_OK = 0,
  ELBO_FAILED = 1,         /* for a reason that none of these names */
  ELBO_SHAPE = 2,          /* counts that do not fit the model, or each other */
  ELBO_DTYPE = 3,          /* an element type that is not taken */
  ELBO_DEVICE = 4,         /* a device that does not exist or cannot be used */
  ELBO_INDEX = 5,          /* a label out of range */
  ELBO_AUTOGRAD = 6,       /* a misuse of gradients */
  ELBO_VALUE = 7,          /* an argument that makes no sense: NULL, pixels beyond 1, labels that are missing */
  ELBO_FORMAT = 8,         /* a file whose content is not what it should be */
  ELBO_IO = 9,             /* a file that cannot be opened or read */
  ELBO_SYSTEM = 10,        /* the same, and other arguments would not help: an I/O error, too many open files */
  ELBO_OUT_OF_MEMORY = 11, /* on the host or on the device */
  ELBO_CAPTURE = 12,       /* while a graph is recorded */
  ELBO_CUDA = 13           /* a fault of the GPU */
} elbo_status;

/* The message of the last call on this thread that failed, in one line of UTF-8; "" before the first. It lives until
 * the next call that fails on this thread. */
ELBO_C_API const char* elbo_last_error(void);
/* "0.1.0". */
ELBO_C_API const char* elbo_version(void);

/* A trained model, ready to use. */
typedef struct elbo_model elbo_model;

/* The model of a run folder, as `elbo train` leaves it, into *model, for elbo_free(). `device` is "cpu", "cuda",
 * "cuda:1", or "auto" for a GPU where there is one. Where it fails, *model is NULL. */
ELBO_C_API elbo_status elbo_load_run(const char* folder, const char* device, elbo_model** model);
/* The same from two files of any name: weights as safetensors, under the names of that model, and the config.json of a
 * run, which says what model they are for. */
ELBO_C_API elbo_status elbo_load_safetensors(const char* weights, const char* config, const char* device,
                                             elbo_model** model);
/* Gives back what it holds. NULL is none. */
ELBO_C_API void elbo_free(elbo_model* model);

/* Sizes; 0 for NULL. A model without labels has 0 classes, an autoencoder no variances. */
ELBO_C_API int64_t elbo_channels(const elbo_model* model);
ELBO_C_API int64_t elbo_height(const elbo_model* model);
ELBO_C_API int64_t elbo_width(const elbo_model* model);
ELBO_C_API int64_t elbo_pixels(const elbo_model* model); /* of one picture: channels * height * width */
ELBO_C_API int64_t elbo_latent(const elbo_model* model); /* numbers in a code */
ELBO_C_API int64_t elbo_classes(const elbo_model* model);
ELBO_C_API int elbo_has_variance(const elbo_model* model);

/* The codes of pictures: the means of q(z|x) into `mean` [n, latent], the logarithms of its variances into `logvar`
 * [n, latent], or nothing for NULL and 0. */
ELBO_C_API elbo_status elbo_encode(const elbo_model* model, const float* pictures, size_t pictures_count,
                                   const int64_t* labels, size_t labels_count, float* mean, size_t mean_count,
                                   float* logvar, size_t logvar_count);
/* The mean pictures of codes. */
ELBO_C_API elbo_status elbo_decode(const elbo_model* model, const float* codes, size_t codes_count,
                                   const int64_t* labels, size_t labels_count, float* pictures, size_t pictures_count);
/* The mean pictures of the mean codes of pictures. */
ELBO_C_API elbo_status elbo_reconstruct(const elbo_model* model, const float* pictures, size_t pictures_count,
                                        const int64_t* labels, size_t labels_count, float* out, size_t out_count);
/* How unusual the model finds each picture: its negative evidence lower bound in nats, into `scores` [n], as `elbo
 * score` has it. It is the mean over `draws` draws of the code, of seed, seed + 1, ...; for 0 draws the code is the
 * mean. */
ELBO_C_API elbo_status elbo_score(const elbo_model* model, const float* pictures, size_t pictures_count,
                                  const int64_t* labels, size_t labels_count, int64_t draws, uint64_t seed,
                                  float* scores, size_t scores_count);
/* New pictures, as many as there is room for: the mean pictures of codes drawn from N(0, 1). */
ELBO_C_API elbo_status elbo_sample(const elbo_model* model, uint64_t seed, const int64_t* labels, size_t labels_count,
                                   float* pictures, size_t pictures_count);

#ifdef __cplusplus
}
#endif
#endif
