#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "../core/array.h"

namespace elbo::datasets {

/// Pictures with their labels, in memory as they are in the files: bytes, 0 to 255.
struct Dataset {
  std::string name;                      ///< `fashion-mnist`
  Shape shape;                           ///< [count, channels, height, width]
  std::vector<std::uint8_t> pictures;    ///< row-major in that shape
  std::vector<std::int64_t> labels;      ///< [count], or empty where there are none
  std::vector<std::string> class_names;  ///< the name of each label, or empty where they have none

  std::vector<std::string> skipped;       ///< files that could not be read, each with the reason (`folder`)
  std::vector<std::string> factor_names;  ///< of what each picture was drawn from (`shapes`), or empty
  std::vector<std::int64_t> factors;      ///< [count, factor_names.size()], row-major

  std::int64_t size() const { return shape.rank() == 4 ? shape[0] : 0; }
  std::int64_t channels() const { return shape.rank() == 4 ? shape[1] : 0; }
  std::int64_t height() const { return shape.rank() == 4 ? shape[2] : 0; }
  std::int64_t width() const { return shape.rank() == 4 ? shape[3] : 0; }
  /// Bytes of one picture: channels * height * width.
  std::int64_t features() const { return channels() * height() * width(); }
  /// The number of names, else the largest label plus one; 0 without labels.
  std::int64_t classes() const;
  /// The bytes of picture i, [channels, height, width]. Throws IndexError.
  std::span<const std::uint8_t> picture(std::int64_t i) const;

  /// A copy of all pictures on a device: uint8 [count, channels, height, width].
  Array pictures_array(Device device = cpu) const;
  /// A copy of all labels on a device: int64 [count]; undefined where there are none.
  Array labels_array(Device device = cpu) const;
};

enum class Split { train, test };

/// What only some datasets ask for.
struct LoadOptions {
  std::int64_t size = 64;     ///< `folder`: side of the square pictures, in pixels
  std::int64_t channels = 3;  ///< `folder`: 1 for grey, 3 for RGB
  std::int64_t count = 0;     ///< `shapes`: pictures in this half; 0 for the default (40,000 to train, 5,000 to test)
};

/// The names that load() takes.
std::vector<std::string> known_datasets();

/// Reads one half of a dataset from the folder that holds its files, each plain or gzip'd. Every check is made before
/// anything is returned, and each message names the file, what was expected and what was found.
///
/// - `mnist`, `fashion-mnist`: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and the same with `t10k`, with or
///   without `.gz`, with `-idx` or `.idx`; the plain file where both are there. Labels are 0 to 9.
/// - `idx`: pictures of your own in such a pair of files. The pictures are the file whose name contains `image`, and
///   `train` for Split::train, `t10k` or `test` for Split::test; the labels are the file whose name differs from it
///   only in `label` for `image` and `idx1` for `idx3` (and in `.gz`). Without that file there are no labels. Pictures
///   are uint8 [n, height, width], labels uint8 [n].
///
/// Throws ValueError for a name it does not know and for a folder with several candidates, IoError for a file that is
/// not there or cannot be read, FormatError for one that is not what it should be.
Dataset load(const std::string& name, Split split, const std::filesystem::path& data_dir = {},
             const LoadOptions& options = {});

/// The folder with a dataset's files: `explicit_dir` where it is not empty; otherwise the first of
/// `$ELBO_DATA/<name>`, `data/<name>`, `~/.cache/elbo/<name>`, `/usr/local/share/datasets/<name>` and
/// `/usr/share/datasets/<name>` (where Debian's package dataset-fashion-mnist puts it) that holds pictures to train on.
/// Throws ValueError for a name that load() does not know, IoError when `explicit_dir` is not a folder, or when none
/// of the others holds the files, listing where it looked.
std::filesystem::path find_data_dir(const std::string& name, const std::filesystem::path& explicit_dir = {});

}  // namespace elbo::datasets
