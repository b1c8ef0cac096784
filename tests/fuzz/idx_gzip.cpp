// IDX within gzip: the input as it is where it begins as gzip does, else in stored blocks, so that what lies inside is
// reached too.
#include <elbo/datasets/sources_detail.h>
#include <zlib.h>

#include <vector>

#include "target.h"

using namespace elbo::datasets;

namespace {

std::vector<std::uint8_t> stored(const std::uint8_t* data, std::size_t size) {
  z_stream stream{};
  deflateInit2(&stream, Z_NO_COMPRESSION, Z_DEFLATED, 15 + 16, 1, Z_DEFAULT_STRATEGY);
  std::vector<std::uint8_t> out(deflateBound(&stream, size));
  stream.next_in = const_cast<Bytef*>(data);
  stream.avail_in = static_cast<uInt>(size);
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const bool is_gzip = size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
  const std::vector<std::uint8_t> file = is_gzip ? std::vector(data, data + size) : stored(data, size);
  return survive([&] { read_idx(*ByteSource::over(file, "f"), "f"); });
}
