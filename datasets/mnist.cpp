// MNIST and its relatives: pairs of IDX files.
#include <algorithm>
#include <system_error>

#include "../core/errors.h"
#include "files_detail.h"
#include "idx.h"
#include "readers_detail.h"

namespace elbo::datasets {
namespace {

namespace fs = std::filesystem;

void replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
}

/// A file under MNIST's names: kind is `images` or `labels`.
std::optional<fs::path> find_mnist_file(const fs::path& dir, Split split, const std::string& kind,
                                        std::vector<std::string>* notes = nullptr) {
  const std::string stem = (split == Split::train ? "train-" : "t10k-") + kind;
  const std::string rest = kind == "images" ? "idx3-ubyte" : "idx1-ubyte";
  return find_file({dir / (stem + "-" + rest), dir / (stem + "." + rest)}, notes);
}

/// All files of a folder that the rule of `idx` takes for the pictures of a split, each once, without `.gz`.
std::vector<std::string> picture_candidates(const fs::path& dir, Split split) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const std::string file = it->path().filename().string();
    const bool ours =
        split == Split::train ? contains(file, "train") : contains(file, "t10k") || contains(file, "test");
    if (ours && contains(file, "image") && is_file(it->path())) out.push_back(plain_name(file));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

struct Files {
  fs::path pictures;
  std::optional<fs::path> labels;
  std::vector<std::string> notes;
};

Files find_pair(const fs::path& dir, Split split) {
  const char* which = split == Split::train ? "train" : "t10k or test";
  const std::vector<std::string> candidates = picture_candidates(dir, split);
  ELBO_CHECK(!candidates.empty(), IoError, dir.string(), ": expected a file with image and ", which,
             " in its name, found none");
  ELBO_CHECK(candidates.size() == 1, ValueError, dir.string(), ": expected one file with image and ", which,
             " in its name, found ", join(candidates));
  std::string labels = candidates[0];
  replace(labels, "image", "label");
  replace(labels, "idx3", "idx1");
  Files out;
  out.pictures = *find_file({dir / candidates[0]}, &out.notes);
  out.labels = find_file({dir / labels}, &out.notes);
  return out;
}

Files find_mnist(const Reader& reader, const fs::path& dir, Split split) {
  Files out;
  const auto need = [&](const std::string& kind) {
    auto found = find_mnist_file(dir, split, kind, &out.notes);
    ELBO_CHECK(found, IoError, dir.string(), ": expected ", split == Split::train ? "train-" : "t10k-", kind,
               kind == "images" ? "-idx3-ubyte" : "-idx1-ubyte", " or the same with .gz, found no such file",
               reader.hint);
    return *found;
  };
  out.pictures = need("images");
  out.labels = need("labels");
  return out;
}

/// Tells labels where pictures were expected, and the other way round, from other files.
void check_kind(const fs::path& path, const IdxArray& file, int rank, const char* expected, const char* other) {
  if (file.type == IdxType::uint8 && file.shape.rank() == rank) return;
  const bool swapped = file.type == IdxType::uint8 && file.shape.rank() == 4 - rank;
  fail<FormatError>(path.string(), ": expected ", expected, ", found ", name(file.type), " ", file.shape,
                    swapped ? detail::concat(", which looks like ", other, ": are images and labels swapped?") : "");
}

std::vector<std::int64_t> read_labels(const fs::path& path, const fs::path& pictures, std::int64_t count,
                                      std::size_t classes) {
  const IdxArray file = read_idx(path);
  check_kind(path, file, 1, "labels, uint8 [n]", "pictures");
  ELBO_CHECK(file.shape[0] == count, FormatError, path.string(), ": expected ", count,
             " labels, one for each picture of ", pictures.filename().string(), ", found ", file.shape[0]);
  for (std::size_t i = 0; classes > 0 && i < file.bytes.size(); ++i)
    ELBO_CHECK(file.bytes[i] < classes, FormatError, path.string(), ": expected labels from 0 to ", classes - 1,
               ", found ", int{file.bytes[i]}, " for picture ", i);
  return {file.bytes.begin(), file.bytes.end()};
}

Dataset read_files(const Files& files, std::vector<std::string> class_names) {
  const IdxArray pictures = read_idx(files.pictures);
  check_kind(files.pictures, pictures, 3, "pictures, uint8 [n, height, width]", "labels");
  ELBO_CHECK(pictures.shape.numel() > 0, FormatError, files.pictures.string(),
             ": expected at least one picture of at least one pixel, found ", pictures.shape);
  Dataset out;
  out.features = Array::from(pictures.bytes, pictures.shape.insert(1, 1));
  out.class_names = std::move(class_names);
  out.notes = files.notes;
  if (files.labels) out.labels = read_labels(*files.labels, files.pictures, out.size(), out.class_names.size());
  return out;
}

}  // namespace

bool holds_mnist(const fs::path& dir) { return find_mnist_file(dir, Split::train, "images").has_value(); }

Dataset read_mnist(const Reader& reader, Split split, const fs::path& dir, const LoadOptions&) {
  std::vector<std::string> names = digit_names();
  if (reader.name == std::string("fashion-mnist"))
    names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
  return read_files(find_mnist(reader, dir, split), std::move(names));
}

bool holds_idx_pair(const fs::path& dir) { return !picture_candidates(dir, Split::train).empty(); }

Dataset read_idx_pair(const Reader&, Split split, const fs::path& dir, const LoadOptions&) {
  return read_files(find_pair(dir, split), {});
}

}  // namespace elbo::datasets
