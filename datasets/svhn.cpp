// SVHN, format 2: cropped digits (Netzer et al., "Reading digits in natural images with unsupervised feature learning",
// 2011), in MAT-files: X, uint8 [32, 32, 3, n], and y, [n, 1].
#include <algorithm>
#include <optional>
#include <span>

#include "../core/errors.h"
#include "../core/parallel_for.h"
#include "files_detail.h"
#include "mat.h"
#include "readers_detail.h"

namespace elbo::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t side = 32;

const char* file_name(Split split) { return split == Split::train ? "train_32x32.mat" : "test_32x32.mat"; }

/// Checks the sizes of X or y before their numbers are read.
void check_header(const std::string& file, const MatHeader& header) {
  const Shape& shape = header.shape;
  const std::string found = detail::concat(header.complex ? "complex " : "", name(header.type), " ", shape);
  if (header.name == "X")
    ELBO_CHECK(header.type == MatType::uint8 && !header.complex && shape.rank() == 4 && shape[0] == side &&
                   shape[1] == side && shape[2] == 3 && shape[3] > 0,
               FormatError, file, ": expected X, uint8 [32, 32, 3, n], found ", found);
  else
    ELBO_CHECK(header.is_numeric() && shape.rank() == 2 && (shape[0] == 1 || shape[1] == 1), FormatError, file,
               ": expected y, numbers [n, 1], found ", found);
}

struct Variables {
  MatArray x, y;
};

Variables read_variables(const std::string& file) {
  std::optional<std::int64_t> pictures, labels;
  std::string others;
  const MatFilter wanted = [&](const MatHeader& header) {
    if (header.name != "X" && header.name != "y") {
      if (others.size() < 100) others += (others.empty() ? "" : ", ") + header.name;
      return false;
    }
    check_header(file, header);
    std::optional<std::int64_t>& count = header.name == "X" ? pictures : labels;
    ELBO_CHECK(!count, FormatError, file, ": expected one variable ", header.name, ", found two");
    count = header.name == "X" ? header.shape[3] : header.shape.numel();
    ELBO_CHECK(!pictures || !labels || *pictures == *labels, FormatError, file,
               ": expected one label in y for each picture of X, found ", *labels, " labels and ", *pictures,
               " pictures");
    return true;
  };
  std::vector<MatArray> arrays = read_mat(file, wanted);
  for (const bool x : {true, false})
    ELBO_CHECK(x ? pictures.has_value() : labels.has_value(), FormatError, file,
               ": expected the variables X and y, found no ", x ? "X" : "y", others.empty() ? "" : " but " + others);
  const std::size_t x = arrays[0].header.name == "X" ? 0 : 1;
  return {std::move(arrays[x]), std::move(arrays[1 - x])};
}

/// From column-major [32, 32, 3, n] to row-major [n, 3, 32, 32]: the planes lie in the same order, each transposed.
void transpose_planes(std::span<std::uint8_t> bytes) {
  constexpr std::int64_t plane = side * side;
  parallel_for(static_cast<std::int64_t>(bytes.size()) / plane, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::uint8_t* at = bytes.data() + i * plane;
      for (std::int64_t row = 0; row < side; ++row)
        for (std::int64_t column = 0; column < row; ++column)
          std::swap(at[row * side + column], at[column * side + row]);
    }
  });
}

std::vector<std::int64_t> labels_of(const std::string& file, const MatArray& y) {
  std::vector<std::int64_t> out;
  for (const double label : y.to_double()) {
    // In the file 10 stands for the digit 0.
    const bool right = label >= 1 && label <= 10 && label == static_cast<double>(static_cast<int>(label));
    ELBO_CHECK(right, FormatError, file, ": expected labels from 1 to 10 in y, found ", label, " for picture ",
               out.size());
    out.push_back(static_cast<std::int64_t>(label) % 10);
  }
  return out;
}

}  // namespace

bool holds_svhn(const fs::path& dir) { return find_file({dir / file_name(Split::train)}).has_value(); }

Dataset read_svhn(const Reader& reader, Split split, const fs::path& dir, const LoadOptions&) {
  Dataset out;
  const auto path = find_file({dir / file_name(split)}, &out.notes);
  ELBO_CHECK(path, IoError, dir.string(), ": expected ", file_name(split), " or the same with .gz, found no such file",
             reader.hint);
  const std::string file = path->string();
  const Variables variables = read_variables(file);
  out.features = Array::from(variables.x.bytes, {variables.x.header.shape[3], 3, side, side});
  transpose_planes(out.features.mutable_values<std::uint8_t>());
  out.labels = labels_of(file, variables.y);
  out.class_names = digit_names();
  return out;
}

}  // namespace elbo::datasets
