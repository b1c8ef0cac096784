#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "../core/api.h"
#include "../core/array.h"

namespace ELBO_API elbo {
namespace datasets {

/// Samples with their labels, in the CPU's memory: pictures as they are in the files, bytes from 0 to 255, or features
/// of any shape and dtype. A copy shares the features; what is said of pictures below is for pictures alone.
struct Dataset {
  std::string name = {};                      ///< `fashion-mnist`
  Array features = {};                        ///< [count, ...]; pictures: uint8 [count, channels, height, width]
  std::vector<std::int64_t> labels = {};      ///< [count], or empty where there are none
  std::vector<std::string> class_names = {};  ///< the name of each label, or empty where they have none

  std::vector<std::string> skipped = {};  ///< pictures that could not be read, each with the reason (`folder`)
  std::vector<std::string> notes = {};    ///< what was read otherwise than one may think, a line each
  std::string halves = {};     ///< what tells the halves apart: folders, a rule, or empty for their own files
  std::int64_t val_count = 0;  ///< the last so many are there to validate on (`folder` with a half `val`)
  std::vector<std::string> factor_names = {};  ///< of what each picture was drawn from (`shapes`, `npz`), or empty
  std::vector<std::int64_t> factors = {};      ///< [count, factor_names.size()], row-major

  /// Of features [count, ...], of any dtype, and labels, int64 [count], or none. On the CPU the features are shared,
  /// not copied. Throws ShapeError, DTypeError for other labels, ValueError for one below 0.
  ///
  ///     Dataset table = Dataset::from(rows, labels);  // float32 [1000, 3], int64 [1000]
  ///     Batches batches({table.features, table.labels_array()}, split(1000, 100, 0).train, {.batch_size = 50});
  static Dataset from(const Array& features, const Array& labels = {});

  std::int64_t size() const { return features.defined() ? shape()[0] : 0; }
  const Shape& shape() const { return features.shape(); }
  /// Whether the features are uint8 [count, channels, height, width].
  bool has_pictures() const { return features.dtype() == DType::uint8 && shape().rank() == 4; }
  std::int64_t channels() const { return has_pictures() ? shape()[1] : 0; }
  std::int64_t height() const { return has_pictures() ? shape()[2] : 0; }
  std::int64_t width() const { return has_pictures() ? shape()[3] : 0; }
  /// Bytes of one picture: channels * height * width.
  std::int64_t picture_size() const { return channels() * height() * width(); }
  /// The number of names, else the largest label plus one; 0 without labels.
  std::int64_t classes() const;
  /// What tells these samples, labels and class names from others: "60000 pictures [1, 28, 28], 10 classes, hash
  /// 0123456789abcdef", or "1000 float32 [3], 2 classes, hash ...". The hash is of all their bytes, in their order;
  /// classes without pictures do not count.
  std::string identity() const;
  /// The bytes of all pictures, and of picture i, [channels, height, width]. Throw DTypeError for what are no pictures,
  /// IndexError.
  std::span<const std::uint8_t> pictures() const;
  std::span<const std::uint8_t> picture(std::int64_t i) const;
  /// Throws DTypeError, naming `op` and what was found, unless these are pictures.
  void check_pictures(const char* op) const;
  /// The first n samples with their labels and factors, or all where there are fewer; none of them is kept to validate
  /// on. Throws IndexError for n < 0.
  Dataset first(std::int64_t n) const;
  /// The samples of these indices in their order, with their labels and factors; an index may stand there more than
  /// once; none of them is kept to validate on. Throws IndexError for one that is not in [0, size()), and like first()
  /// ShapeError where there are labels or factors, but not those of each sample.
  Dataset subset(std::span<const std::int64_t> indices) const;
  /// The same with pictures of black and white, each byte 255 with probability byte / 255, else 0, drawn once: what
  /// published likelihoods of binarised pictures are measured on (Salakhutdinov and Murray 2008). Throws what
  /// pictures() does.
  Dataset binarized(std::uint64_t seed) const;

  /// All pictures on a device, uint8 [count, channels, height, width]: on the CPU the features themselves. Throws
  /// DTypeError for what are no pictures.
  Array pictures_array(Device device = cpu) const;
  /// A copy of all labels on a device: int64 [count]; undefined where there are none.
  Array labels_array(Device device = cpu) const;
  /// A copy of all factors on a device, as the measures of models/analysis/disentanglement take them: int64 [count,
  /// factor_names.size()]; undefined where there are none. Throws ShapeError where there are not those of each sample.
  Array factors_array(Device device = cpu) const;
};

enum class Split { train, test };

/// Which pictures of a `folder` without halves are kept to test: those whose path below it, with `/` between its parts,
/// has a hash that 10 divides, so that a picture stays in its half whatever is added or taken away. Or every tenth of
/// each class in the order of the paths, as runs have it that were made before there was a choice.
enum class SplitRule { hash, tenth };

/// `hash`, `tenth`.
const char* name(SplitRule rule);

/// What only some datasets ask for.
struct LoadOptions {
  std::int64_t size = 64;     ///< `folder`: side of the square pictures, in pixels
  std::int64_t channels = 3;  ///< `folder`: 1 for grey, 3 for RGB
  /// `shapes`, `npz`: pictures in this half; 0 for the default (`shapes`: 40,000 to train, 5,000 to test; `npz`: all).
  /// A test half that has fewer (`shapes`: 73,728) gives all of its own.
  std::int64_t count = 0;
  SplitRule split_rule = SplitRule::hash;  ///< `folder`
};

/// The names that load() takes.
std::vector<std::string> known_datasets();

/// Reads one half of a dataset from the folder that holds its files, each plain or gzip'd; where `data_dir` is empty,
/// from the one that find_data_dir() finds. Every check is made before anything is returned, and each message names the
/// file, what was expected and what was found.
///
/// - `mnist`, `fashion-mnist`: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and the same with `t10k`, with or
///   without `.gz`, with `-idx` or `.idx`; the plain file where both are there. Labels are 0 to 9.
/// - `cifar10`, `cifar100`: the binary version, `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, or
///   `train.bin` and `test.bin`, in the folder itself or in `cifar-10-batches-bin`, or `cifar-100-binary`, inside it.
///   Each must have exactly the pictures of the official file: 10,000, but 50,000 in `train.bin`. CIFAR-100's labels
///   are the 100 fine ones.
/// - `svhn`: SVHN format 2, `train_32x32.mat` and `test_32x32.mat`, MAT-files of version 5. The file's label 10 becomes
/// 0.
/// - `idx`: pictures of your own in such a pair of files. The pictures are the file whose name contains `image`, and
///   `train` for Split::train, `t10k` or `test` for Split::test; the labels are the file whose name differs from it
///   only in `label` for `image` and `idx1` for `idx3` (and in `.gz`). Without that file there are no labels. Pictures
///   are uint8 [n, height, width], labels uint8 [n].
/// - `folder`: PNG and JPEG pictures of your own, scaled and cropped to squares as read_picture() says. The classes are
///   the sub-folders, in the order of their names; pictures that lie deeper belong to the outermost. There are none
///   where a picture lies in the folder itself. Sub-folders named `train`, `val` (or `valid`, `validation`) and `test`,
///   in upper or lower case, are halves, not classes, each with or without classes: Split::train is `train` and, behind
///   it, `val`. Without them the split rule says which half a picture is in. Files that have the extension of a picture
///   (`.png`, `.jpg`, `.jpeg`, `.jpe`, `.jfif`, and those of formats that are not read, such as `.webp` and `.tif`) but
///   cannot be read are left out and listed in `skipped`; other extensions, and names that begin with a dot, are passed
///   over. With SplitRule::tenth all is as it was before there was a choice: halves are `train` and `test` in just
///   these letters where both are there, and the extensions are `.png`, `.jpg` and `.jpeg`.
/// - `npz`: pictures and the factors that they were drawn from, as dSprites has them: the file that `data_dir`
///   names, or the one there whose name ends in `.npz`, a ZIP archive (stored or deflated, below 4 GiB) of NumPy
///   arrays, `imgs`, uint8 [n, height, width], and `latents_classes`, int64 [n, factors] from 0 to 65535. Other
///   arrays are passed over. Of the pictures in an order drawn at random, always the same, the last tenth is
///   there to test on; a larger `count` begins with the pictures of a smaller one. Memory is taken for those
///   pictures alone that are kept, of at most 2^24. Bytes that are 0 and 1 in all of the file become 0 and 255.
///   Six factors, of which the first never varies and the second has 3 values, are dSprites' own: they have its
///   names, and labels are the shapes. Other files have no labels.
/// - `shapes`: squares, ellipses and hearts, 64 x 64, drawn by draw_shape() from factors that are drawn at random, none
///   twice and none in both halves; a larger `count` begins with the pictures of a smaller one. Labels are the shapes.
///   There is no folder.
///
/// Throws ValueError for a name it does not know, for options that make no sense, for a folder with several candidates
/// and for one that may be meant as a half or as a class, IoError for a file that is not there or cannot be read and
/// for a folder without a picture, FormatError for a file that is not what it should be.
Dataset load(const std::string& name, Split split, const std::filesystem::path& data_dir = {},
             const LoadOptions& options = {});

/// Numbers the labels of a dataset by the names of its classes as `names` does; classes that are not among them follow
/// behind, in their order. Labels without names stay as they are, and so do all where `names` is empty. Throws
/// IndexError for a label that its own class names do not reach.
void match_classes(Dataset& data, const std::vector<std::string>& names);

/// The folder with a dataset's files (`npz`: or the file): `explicit_dir` where it is not empty; otherwise the first of
/// `$ELBO_DATA/<name>`, `data/<name>`, `~/.cache/elbo/<name>` (where `scripts/fetch-datasets` puts it),
/// `/usr/local/share/datasets/<name>` and `/usr/share/datasets/<name>` (where Debian's package dataset-fashion-mnist
/// puts it) that holds pictures to train on. Empty for `shapes`, which needs no folder. Throws ValueError for a name
/// that load() does not know, IoError when `explicit_dir` or `$ELBO_DATA` is not a folder, or when none of the others
/// holds the files, listing where it looked.
std::filesystem::path find_data_dir(const std::string& name, const std::filesystem::path& explicit_dir = {});

}  // namespace datasets
}  // namespace elbo
