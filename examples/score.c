/* The C interface: scores pictures with a trained model, in C99. The pictures are bytes, row by row, from standard
 * input; the score of each, its negative ELBO in nats, the higher the less usual, goes to standard output.
 *
 *     cc -std=c99 score.c -o score $(pkg-config --cflags --libs elbo)
 *     tail -c +17 t10k-images-idx3-ubyte | ./score runs/mnist_vae/z20      # MNIST's test pictures, their header left out
 */
#include <elbo/c.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(void) {
  fprintf(stderr, "score: %s\n", elbo_last_error());
  return 2;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: score RUN < PICTURES\n");
    return 2;
  }
  elbo_model* model;
  if (elbo_load_run(argv[1], "cpu", &model) != ELBO_OK) return failed();
  size_t pixels = (size_t)elbo_pixels(model);
  unsigned char* bytes = malloc(pixels);
  float* picture = malloc(pixels * sizeof *picture);
  if (!bytes || !picture) return 1;

  size_t found;
  while ((found = fread(bytes, 1, pixels, stdin)) == pixels) {
    for (size_t i = 0; i < pixels; ++i) picture[i] = (float)bytes[i] / 255.0f;
    float score; /* of one picture without a label: the mean over ten draws of its code, seeds 0 to 9 */
    if (elbo_score(model, picture, pixels, NULL, 0, 10, 0, &score, 1) != ELBO_OK) return failed();
    printf("%.2f\n", score);
  }
  free(picture);
  free(bytes);
  elbo_free(model);
  if (found > 0) {
    fprintf(stderr, "score: expected pictures of %zu bytes, found %zu at the end\n", pixels, found);
    return 2;
  }
  return 0;
}
