/* usage: numbers RUN: what the C interface says of a run. tests/consumer/check compares it with the others. */
#include <elbo/c.h>
#include <stdio.h>
#include <stdlib.h>

    enum {
      count = 3
    };

static float* room(int64_t numbers) {
  float* out = calloc((size_t)numbers, sizeof *out);
  if (out == NULL) exit(2);
  return out;
}

static void check(elbo_status status) {
  if (status == ELBO_OK) return;
  fprintf(stderr, "status %d: %s\n", (int)status, elbo_last_error());
  exit(1);
}

static void print(const char* what, const float* numbers, size_t n) {
  size_t i;
  printf("%s", what);
  for (i = 0; i < n; ++i) printf(" %.9g", (double)numbers[i]);
  printf("\n");
}

int main(int argc, char** argv) {
  elbo_model* model = NULL;
  float *pictures, *mean, *logvar, *out, scores[count];
  size_t pixels, codes, i;
  if (argc != 2) return 2;

  if (elbo_load_run("/nowhere/at all", "cpu", &model) != ELBO_IO) return 3;
  fprintf(stderr, "refused as it must be: %s\n", elbo_last_error());
  check(elbo_load_run(argv[1], "cpu", &model));
  pixels = (size_t)(count * elbo_pixels(model));
  codes = (size_t)(count * elbo_latent(model));
  pictures = room((int64_t)pixels);
  out = room((int64_t)pixels);
  mean = room((int64_t)codes);
  logvar = room((int64_t)codes);
  for (i = 0; i < pixels; ++i) pictures[i] = (float)(i * 37 % 251) / 250.0f;

  printf("sizes %d %d %d %d\n", (int)elbo_channels(model), (int)elbo_height(model), (int)elbo_width(model),
         (int)elbo_latent(model));
  check(elbo_encode(model, pictures, pixels, NULL, 0, mean, codes, logvar, codes));
  print("mean", mean, codes);
  print("logvar", logvar, codes);
  check(elbo_decode(model, mean, codes, NULL, 0, out, pixels));
  print("decoded", out, 20);
  check(elbo_reconstruct(model, pictures, pixels, NULL, 0, out, pixels));
  print("reconstructed", out, 20);
  check(elbo_score(model, pictures, pixels, NULL, 0, 2, 3, scores, count));
  print("scores", scores, count);
  check(elbo_sample(model, 9, NULL, 0, out, pixels));
  print("samples", out, 20);

  elbo_free(model);
  free(pictures);
  free(out);
  free(mean);
  free(logvar);
  return 0;
}
