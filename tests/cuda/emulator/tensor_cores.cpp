// Products by tensor cores: the lanes of a warp put their elements where all can see them, and each adds up its own.
#include <cmath>
#include <cstdint>

#include "device_code.h"

namespace emulator {
namespace {

/// x with so many bits of its fraction; `away`: ties go away from zero, else to an even one.
float rounded(float x, int bits, bool away) {
  if (!std::isfinite(x)) return x;
  auto word = __builtin_bit_cast(std::uint32_t, x);
  const int dropped = 23 - bits;
  const std::uint32_t half = 1u << (dropped - 1);
  word += away ? half : half - 1 + (word >> dropped & 1);
  return __builtin_bit_cast(float, word & ~((1u << dropped) - 1));
}

/// `pair`: how many neighbours along k a lane has in one register.
template <int pair>
void multiply(float (&c)[4], const float (&a)[4 * pair], const float (&b)[2 * pair], int bits, bool away) {
  constexpr int most_warps = 32, lanes = 32, k = 8 * pair;
  static float all_a[most_warps][lanes][4 * pair], all_b[most_warps][lanes][2 * pair];
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned warp = thread / 32, lane = thread % 32;
  for (int i = 0; i < 4 * pair; ++i) all_a[warp][lane][i] = rounded(a[i], bits, away);
  for (int i = 0; i < 2 * pair; ++i) all_b[warp][lane][i] = rounded(b[i], bits, away);
  ballot(~0u, true);
  for (int i = 0; i < 4; ++i) {
    const int row = static_cast<int>(lane) / 4 + i / 2 * 8, col = static_cast<int>(lane) % 4 * 2 + i % 2;
    double sum = static_cast<double>(c[i]);
    for (int step = 0; step < k; ++step) {
      const int half = step / (4 * pair), t = step % (4 * pair) / pair, low = step % pair;
      const float from_a = all_a[warp][row % 8 * 4 + t][(row / 8 + 2 * half) * pair + low];
      sum += static_cast<double>(from_a) * static_cast<double>(all_b[warp][col * 4 + t][half * pair + low]);
    }
    c[i] = static_cast<float>(sum);
  }
  ballot(~0u, true);  // all have read
}

}  // namespace

void multiply_tf32(float (&c)[4], const float (&a)[4], const float (&b)[2]) { multiply<1>(c, a, b, 10, true); }
void multiply_bf16(float (&c)[4], const float (&a)[8], const float (&b)[4]) { multiply<2>(c, a, b, 7, false); }

float rounded_tf32(float x) { return rounded(x, 10, true); }

}  // namespace emulator
