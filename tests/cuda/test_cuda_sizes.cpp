// Indices of arrays that no test has the memory for.
#include "../../cuda/conv_gather.h"
#include "../catch.h"

using namespace elbo::cuda;

TEST_CASE("GPU: a convolution's pictures are found where there are more elements than an int counts", "[cuda]") {
  // 65536 pictures of 65536 channels of one pixel: few places, few pixels, 2^32 elements.
  implicit::GatherArgs<float> args{};
  args.images = args.channels = 1 << 16;
  args.m = 1;
  args.source_h = args.source_w = args.out_h = args.out_w = 1;
  const implicit::Axis one{1, 0, 1, 1, 0, 1, 0, 1, 1};
  args.lines = args.columns = {{one}, 1};
  const implicit::Gather<float> gather(args, 0);
  for (const std::int64_t image : {0, 1, 32767, 32768, 65535}) {
    INFO("picture " << image);
    CHECK(gather.place(static_cast<int>(image)).offset == image * args.channels);
  }
}
