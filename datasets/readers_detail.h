#pragma once
#include <filesystem>
#include <string>

#include "dataset.h"

/// Internal: the datasets that load() knows, each with the file that reads it. A reader fills everything of a Dataset
/// but its name.
namespace elbo::datasets {

struct Reader {
  const char* name;
  /// Where its files can be had, for the end of a message: ` (...)`, or empty.
  const char* hint;
  /// Whether a folder looks as if it held its pictures to train on. Null where the dataset needs no folder.
  bool (*holds)(const std::filesystem::path& dir);
  Dataset (*read)(const Reader& reader, Split split, const std::filesystem::path& dir, const LoadOptions& options);
};

bool holds_mnist(const std::filesystem::path& dir);
/// `mnist` and `fashion-mnist`, by the reader's name.
Dataset read_mnist(const Reader& reader, Split split, const std::filesystem::path& dir, const LoadOptions& options);

bool holds_idx_pair(const std::filesystem::path& dir);
Dataset read_idx_pair(const Reader& reader, Split split, const std::filesystem::path& dir, const LoadOptions& options);

bool holds_cifar(const std::filesystem::path& dir);
/// `cifar10` and `cifar100`, by the reader's name.
Dataset read_cifar(const Reader& reader, Split split, const std::filesystem::path& dir, const LoadOptions& options);

bool holds_svhn(const std::filesystem::path& dir);
Dataset read_svhn(const Reader& reader, Split split, const std::filesystem::path& dir, const LoadOptions& options);

bool holds_pictures(const std::filesystem::path& dir);
Dataset read_folder(const Reader& reader, Split split, const std::filesystem::path& dir, const LoadOptions& options);

bool holds_npz(const std::filesystem::path& dir);
/// `place`: the file, or the folder that holds it and no other.
Dataset read_npz_place(const Reader& reader, Split split, const std::filesystem::path& place,
                       const LoadOptions& options);

/// How many pictures that is: `asked`, in the test half no more than it has; 0 for the default. Throws ValueError.
std::int64_t shapes_count(Split split, std::int64_t asked);
Dataset make_shapes(const Reader& reader, Split split, const std::filesystem::path& dir, const LoadOptions& options);

}  // namespace elbo::datasets
