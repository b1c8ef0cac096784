#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "../core/api.h"

namespace ELBO_API elbo {
namespace datasets {

/// Reads a PNG or JPEG picture as bytes in planar order [channels, height, width], channels 1 for grey or 3 for RGB.
///
/// It is turned as its EXIF orientation says, scaled, up or down, to the smallest size that covers height x width, and
/// the middle of that is cut out. Scaling is bilinear, and over as many pixels as fall into one where it makes the
/// picture smaller (the filter of Pillow's BILINEAR and of torchvision's Resize with antialias). Grey is 0.299 R +
/// 0.587 G + 0.114 B (ITU-R BT.601). What is transparent is laid over white. 16-bit samples are cut to 8 bits; gamma
/// and colour profiles are passed over. CMYK is taken with Adobe's marker, which says how its inks are meant, or
/// refused.
///
/// A picture is decoded and scaled a row at a time: memory is that of a few rows and of the result, not of the picture.
/// Only a progressive JPEG's coefficients are all kept: at most 256 MiB, for one such picture at a time.
///
/// Throws IoError when the file cannot be opened or read, FormatError when it is neither PNG nor JPEG, is damaged or
/// cut off, or has more than 100 million pixels or a million in a row or column, ValueError for other channels or for
/// sizes outside 1 to 4096.
std::vector<std::uint8_t> read_picture(const std::filesystem::path& path, std::int64_t channels, std::int64_t height,
                                       std::int64_t width);

/// The same for the bytes of a file; `name` stands in the messages.
std::vector<std::uint8_t> decode_picture(std::span<const std::uint8_t> file, const std::string& name,
                                         std::int64_t channels, std::int64_t height, std::int64_t width);

}  // namespace datasets
}  // namespace elbo
