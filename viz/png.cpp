#include "../core/errors.h"
#include "../core/file.h"
#include "image.h"

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

namespace elbo::viz {

std::string encode_png(const Image& image) {
  const std::size_t expected = Image(image.width, image.height, image.channels).pixels.size();
  ELBO_CHECK(image.pixels.size() == expected, ShapeError, "[encode_png] ", image.pixels.size(),
             " bytes in a picture of ", image.width, " x ", image.height, " x ", image.channels);
  std::string bytes;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  const int done = stbi_write_png_to_func(append, &bytes, image.width, image.height, image.channels,
                                          image.pixels.data(), image.width * image.channels);
  ELBO_CHECK(done != 0, Error, "[encode_png] no memory for a picture of ", image.width, " x ", image.height);
  return bytes;
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_file_atomically(path, encode_png(image));
}

}  // namespace elbo::viz
