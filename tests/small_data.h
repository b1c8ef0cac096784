#pragma once
#include <elbo/datasets/dataset.h>

#include <cstdint>
#include <span>

/// Grey pictures with something to learn: a bright bar on a dark ground, its place and width set by the picture's
/// number, with a little noise that is the same on every machine.
inline elbo::datasets::Dataset bars(std::int64_t count, std::int64_t size = 28) {
  elbo::datasets::Dataset data;
  data.name = "bars";
  data.features = elbo::Array::empty({count, 1, size, size}, {elbo::DType::uint8});
  const std::span<std::uint8_t> pictures = data.features.mutable_values<std::uint8_t>();
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < count; ++i) {
    data.labels.push_back(i % 2);
    std::int64_t begin = (i * 7) % (size - 4), width = 2 + i % 4;
    for (std::int64_t pixel = 0; pixel < size * size; ++pixel) {
      state = state * 1664525u + 1013904223u;
      std::int64_t along = i % 2 ? pixel % size : pixel / size;
      bool bright = along >= begin && along < begin + width;
      pictures[static_cast<std::size_t>(i * size * size + pixel)] =
          static_cast<std::uint8_t>((bright ? 240 : 0) + (state >> 28));
    }
  }
  return data;
}
