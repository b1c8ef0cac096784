#pragma once
// The bytes of small pictures.
#include <cstdint>
#include <string>

#include "datasets_support.h"

using namespace std::string_literals;

inline std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}
inline std::string chunk(const std::string& name, const std::string& data) {
  const std::string content = name + data;
  const uLong sum =
      crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + content + big_endian(static_cast<std::uint32_t>(sum));
}
inline std::string png_header(std::uint32_t width, std::uint32_t height, int depth, int color,
                              bool interlaced = false) {
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", big_endian(width) + big_endian(height) + static_cast<char>(depth) +
                                                 static_cast<char>(color) + "\0\0"s + (interlaced ? '\1' : '\0'));
}
/// A PNG file of the colour type 0 (grey), 2 (RGB), 4 (grey and alpha) or 6 (RGB and alpha), or 3 with a palette in
/// `before`; each row of the samples goes unfiltered.
inline std::string png(std::uint32_t width, std::uint32_t height, int color, const std::string& samples, int depth = 8,
                       const std::string& before = "") {
  std::string rows;
  const std::size_t row = samples.size() / height;
  for (std::uint32_t y = 0; y < height; ++y) rows += '\0' + samples.substr(y * row, row);
  return png_header(width, height, depth, color) + before + chunk("IDAT", zlibbed(rows)) + chunk("IEND", "");
}
/// One grey value everywhere.
inline std::string grey(int value, std::uint32_t width = 4, std::uint32_t height = 4) {
  return png(width, height, 0, std::string(std::size_t{width} * height, static_cast<char>(value)));
}

// 24 x 16, quality 90: (200, 30, 90) and (40, 30, 90) above (200, 180, 90) and (40, 180, 90).
inline const std::string jpeg =
    "\xff\xd8\xff\xe0\x00\x10\x4a\x46\x49\x46\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xdb\x00\x43\x00\x03\x02\x02"
    "\x03\x02\x02\x03\x03\x03\x03\x04\x03\x03\x04\x05\x08\x05\x05\x04\x04\x05\x0a\x07\x07\x06\x08\x0c\x0a\x0c\x0c\x0b"
    "\x0a\x0b\x0b\x0d\x0e\x12\x10\x0d\x0e\x11\x0e\x0b\x0b\x10\x16\x10\x11\x13\x14\x15\x15\x15\x0c\x0f\x17\x18\x16\x14"
    "\x18\x12\x14\x15\x14\xff\xdb\x00\x43\x01\x03\x04\x04\x05\x04\x05\x09\x05\x05\x09\x14\x0d\x0b\x0d\x14\x14\x14\x14"
    "\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14"
    "\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\x14\xff\xc0\x00\x11\x08\x00\x10\x00\x18\x03"
    "\x01\x11\x00\x02\x11\x01\x03\x11\x01\xff\xc4\x00\x15\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x07\x09\xff\xc4\x00\x18\x10\x01\x00\x03\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x45"
    "\x83\xc2\xff\xc4\x00\x17\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x07\x08\x02\xff"
    "\xc4\x00\x1c\x11\x01\x00\x00\x07\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x07\x43\x44\x81\x82\xc1"
    "\xc2\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00\x14\x76\xda\xa3\xf9\x5e\xaf\x5e\x09\x20\xf5\x31\xd4"
    "\x56\x64\xda\x6f\xe0\x7e\x48\x8a\x2b\x5b\x1a\x16\x8f\xe5\x7a\xbd\x78\x24\x83\xd4\xc7\x51\x59\x93\x69\xbf\x81\xf9"
    "\x22\x28\xff\xd9"s;
