// fuzz_corpus FOLDER: writes small sound files of each kind to FOLDER/TARGET, for the fuzz targets to begin with.
#include <elbo/core/file.h>
#include <elbo/core/safetensors.h>
#include <elbo/datasets/idx.h>
#include <elbo/models/training/run.h>
#include <elbo/models/training/trainer.h>
#include <elbo/viz/image.h>

#include <iostream>

#include "../encode_jpeg.h"
#include "../picture_files.h"
#include "small_run.h"

using namespace elbo;
namespace fs = std::filesystem;

namespace {

void put(const fs::path& folder, const std::string& name, const std::string& content) {
  fs::create_directories(folder);
  write_file_atomically(folder / name, content);
}

void make_safetensors(const fs::path& folder) {
  fs::create_directories(folder);
  const NamedArrays arrays = {{"a", Array::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3})},
                              {"b", Array::from(std::vector<std::int64_t>{7, 8}, {2})},
                              {"c", Array::from(std::vector<std::uint8_t>{9}, {})},
                              {"d", Array::empty({0, 3}, {DType::float64, cpu})}};
  save_safetensors(folder / "four", arrays, {{"elbo", "0.1"}, {"kernels", "v3"}});
  save_safetensors(folder / "none", {});
  const auto text = [&](const std::string& name, const std::string& header, const std::string& data) {
    put(folder, name, static_cast<char>(header.size()) + "\0\0\0\0\0\0\0"s + header + data);
  };
  text("half", R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", "\0\x3c\0\x7c"s);
  text(
      "others",
      R"({"b":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"i":{"dtype":"I32","shape":[1],"data_offsets":[2,6]}})",
      "\x80\x3f\x01\x02\x03\x04");
}

void make_idx(const fs::path& folder, const std::string& ending) {
  fs::create_directories(folder);
  const std::vector<std::uint8_t> bytes = {1, 2, 3, 4, 5, 6, 7, 8};
  datasets::write_idx(folder / ("bytes" + ending), datasets::IdxType::uint8, {2, 2, 2}, bytes);
  datasets::write_idx(folder / ("shorts" + ending), datasets::IdxType::int16, {4}, bytes);
  datasets::write_idx(folder / ("doubles" + ending), datasets::IdxType::float64, {1, 1}, bytes);
}

void make_cifar(const fs::path& folder) {
  put(folder, "10", "\0"s + std::string(2 * 3073, '\x05'));
  put(folder, "100", "\1"s + std::string(2 * 3074, '\x07'));
}

std::string number(std::uint64_t value, int bytes, bool big = false) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * (big ? bytes - 1 - i : i));
  return out;
}

void make_mat(const fs::path& folder) {
  for (const bool big : {false, true}) {
    const auto four = [&](std::uint64_t value) { return number(value, 4, big); };
    const auto element = [&](std::uint64_t type, std::string data) {
      const std::string tag = four(type) + four(data.size());
      return tag + data.append((8 - data.size() % 8) % 8, '\0');
    };
    const std::string header =
        "MATLAB 5.0 MAT-file"s + std::string(105, ' ') + number(0x0100, 2, big) + (big ? "MI" : "IM");
    // uint8 numbers; doubles that are stored as bytes; a name in its tag.
    const auto matrix = [&](std::uint64_t type, std::uint64_t stored, const std::string& numbers) {
      return element(14, element(6, four(type) + four(0)) + element(5, four(2) + four(3)) + element(1, "X") +
                             element(stored, numbers));
    };
    const std::string plain = header + matrix(9, 2, "abcdef") + matrix(6, 2, "ghijkl");
    put(folder, big ? "big" : "little", plain);
    const std::string packed = zlibbed(matrix(9, 2, "abcdef"));
    put(folder, big ? "big-packed" : "little-packed", header + four(15) + four(packed.size()) + packed);
  }
}

void make_run_files(const fs::path& corpus) {
  models::RunConfig config = small_config();
  put(corpus / "config", "vae", config.to_json());
  config.model.model = "conv-vae";
  config.model.picture = {3, 8, 8};
  config.data.class_names = {"cat", "dog"};
  put(corpus / "config", "conv-vae", config.to_json());
  put(corpus / "history", "two",
      R"({"epoch":1,"train":{"loss":1.5,"reconstruction":1,"kl":0.5},"val":null,"seconds":0.1})"
      "\n"
      R"({"epoch":2,"train":{"loss":1.5,"reconstruction":null,"kl":0.5},"val":{"loss":1,"reconstruction":1,"kl":0},"seconds":1e-3})"
      "\n");
  fs::create_directories(corpus / "checkpoint");
  const auto model = models::make(small_config().model);
  models::Trainer trainer(*model, small_pictures(), small_config().train);
  trainer.run_epoch();
  save_safetensors(corpus / "checkpoint" / "epoch", trainer.state(), {{"kernels", "v3"}});
  int steps = 0;
  trainer.run_epoch_while([&] { return steps++ < 1; });
  save_safetensors(corpus / "checkpoint" / "within", trainer.state(), {{"kernels", "v3"}});
}

const std::string exif = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"s;

void make_png(const fs::path& folder) {
  viz::Image image(5, 4, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 3);
  put(folder, "rgb", viz::encode_png(image));
  const auto picture = [&](int depth, int color, bool interlaced, const std::string& before, const std::string& rows) {
    put(folder, std::to_string(color) + "-" + std::to_string(depth) + (interlaced ? "i" : ""),
        png_header(2, 2, depth, color, interlaced) + before + chunk("IDAT", zlibbed(rows)) + chunk("eXIf", exif) +
            chunk("IEND", ""));
  };
  picture(8, 0, false, chunk("tRNS", "\0\x02"s), "\0\1\2\0\3\4"s);
  picture(1, 0, false, "", "\0\x40\0\x80"s);
  picture(16, 4, false, "", "\0abcdefgh\0ijklmnop"s);
  picture(8, 6, true, "", "\0abcd\0efgh\1ijklmnop"s);
  picture(4, 3, false, chunk("PLTE", "abcdef") + chunk("tRNS", "\x80"), "\0\1\0\x10"s);
}

/// Colours at half the size, and a picture that lies on its side.
std::string small_jpeg(int components, const std::function<void(jpeg_compress_struct&)>& setup) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(81 * components));
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * i);
  const std::string file = encode_jpeg(9, 9, pixels, [&](jpeg_compress_struct& info) {
    if (components > 1) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 2;
    setup(info);
  });
  const std::string content = "Exif\0\0"s + exif;
  return file.substr(0, 2) + "\xff\xe1" + number(content.size() + 2, 2, true) + content + file.substr(2);
}

void make_jpeg(const fs::path& folder) {
  put(folder, "grey", small_jpeg(1, [](auto&) {}));
  put(folder, "rgb", small_jpeg(3, [](auto& info) { info.restart_interval = 1; }));
  put(folder, "progressive", small_jpeg(3, [](auto& info) { jpeg_simple_progression(&info); }));
  put(folder, "arithmetic", small_jpeg(3, [](auto& info) { info.arith_code = TRUE; }));
  put(folder, "cmyk", small_jpeg(4, [](auto& info) { info.write_Adobe_marker = TRUE; }));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz_corpus FOLDER\n";
    return 2;
  }
  const fs::path corpus = argv[1];
  make_safetensors(corpus / "safetensors");
  make_idx(corpus / "idx", "");
  make_idx(corpus / "idx_gzip", "");
  make_idx(corpus / "idx_gzip", ".gz");
  make_cifar(corpus / "cifar");
  make_mat(corpus / "mat");
  make_run_files(corpus);
  make_png(corpus / "png");
  make_jpeg(corpus / "jpeg");
  return 0;
}
