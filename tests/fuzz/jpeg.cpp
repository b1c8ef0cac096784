// A JPEG. Its size is made small, unless it is so large that it is refused: sizes in between take long and reach no
// other code.
#include <elbo/datasets/picture.h>

#include <vector>

#include "target.h"

namespace {

/// Whether a marker begins a frame, whose size follows.
bool begins_frame(std::uint8_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> file(data, data + size);
  for (std::size_t at = 0; at + 9 <= size; ++at) {
    if (file[at] != 0xff || !begins_frame(file[at + 1])) continue;
    std::uint8_t &height = file[at + 5], &width = file[at + 7];  // their upper bytes
    if (height < 0x80 || width < 0x80) height = width = 0;
  }
  return survive([&] { elbo::datasets::decode_picture(file, "f", 3, 4, 4); });
}
