// A PNG whose checksums are put right first, so that what lies behind them is reached. Its size is made small, unless
// it is so large that it is refused: sizes in between take long and reach no other code.
#include <elbo/datasets/picture.h>
#include <zlib.h>

#include <cstring>
#include <vector>

#include "target.h"

namespace {

/// The upper bytes of width and height, unless both are huge.
void make_small(std::uint8_t* width, std::uint8_t* height) {
  if (width[0] != 0 && height[0] != 0) return;
  for (std::uint8_t* size : {width, height}) size[0] = size[1] = size[2] = 0;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> file(data, data + size);
  for (std::size_t at = 8; at + 12 <= size;) {
    std::uint8_t* chunk = &file[at];
    const std::size_t length =
        std::size_t{chunk[0]} << 24 | std::size_t{chunk[1]} << 16 | std::size_t{chunk[2]} << 8 | chunk[3];
    if (length > size - at - 12) {
      chunk[0] = chunk[1] = 0;  // below 64 KiB: libpng allocates the length that a chunk claims
      break;
    }
    if (length >= 8 && std::memcmp(chunk + 4, "IHDR", 4) == 0) make_small(chunk + 8, chunk + 12);
    const auto sum = static_cast<std::uint32_t>(crc32(0, chunk + 4, static_cast<uInt>(length + 4)));
    for (std::size_t i = 0; i < 4; ++i) file[at + 8 + length + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    at += length + 12;
  }
  return survive([&] { elbo::datasets::decode_picture(file, "f", 3, 4, 4); });
}
