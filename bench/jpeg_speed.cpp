// elbo_jpeg_speed: reads a folder of JPEGs through datasets::load, in turn with stb_image on the same files in memory,
// which is nothing but decoding. The folder has a half `train` and a half `test`; `train` is read.
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#include <elbo/core/parallel_for.h>
#include <elbo/datasets/dataset.h>
#include <stb/stb_image.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench.h"

namespace {

using namespace elbo;

std::vector<std::string> contents(const std::filesystem::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return files;
}

void decode(const std::string& file) {
  int width = 0, height = 0, channels = 0;
  stbi_uc* const pixels = stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(file.data()),
                                                static_cast<int>(file.size()), &width, &height, &channels, 3);
  if (!pixels) throw std::runtime_error(stbi_failure_reason());
  stbi_image_free(pixels);
}

double seconds_of_stb(const std::vector<std::string>& files, int threads) {
  const bench::Stopwatch watch;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) decode(files[i]);
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  others.clear();
  return watch.seconds();
}

double seconds_of_load(const std::string& folder, std::int64_t size) {
  const bench::Stopwatch watch;
  datasets::load("folder", datasets::Split::train, folder, {.size = size});
  return watch.seconds();
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Times reading a folder of JPEGs beside stb_image, which decodes the same files in memory."};
  std::string folder;
  std::int64_t size = 64;
  int threads = 1, turns = 7;
  app.add_option("folder", folder, "Folder with the halves train and test")->required();
  app.add_option("--size", size, "Side that pictures are scaled to; stb_image does not scale")->capture_default_str();
  app.add_option("--threads", threads, "Threads, of both")->capture_default_str()->check(CLI::Range(1, 1024));
  app.add_option("--turns", turns, "How often; the times are medians")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  set_num_threads(threads);
  const std::vector<std::string> files = contents(std::filesystem::path(folder) / "train");
  if (files.empty()) throw std::runtime_error(folder + "/train: no files");
  std::vector<double> ours, stb;
  for (int i = 0; i < turns; ++i) {
    ours.push_back(seconds_of_load(folder, size));
    stb.push_back(seconds_of_stb(files, threads));
  }
  const double of_thread = 1e6 * threads / static_cast<double>(files.size());
  const double load = bench::median(ours) * of_thread, decoding = bench::median(stb) * of_thread;
  std::printf("%zu files, us of thread time a picture: elbo %.1f, stb_image %.1f; %.0f %% of its speed\n", files.size(),
              load, decoding, 100 * decoding / load);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "elbo_jpeg_speed: %s\n", error.what());
  return 1;
}
