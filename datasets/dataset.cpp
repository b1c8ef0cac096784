#include "dataset.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <system_error>

#include "../core/errors.h"
#include "idx.h"

namespace elbo::datasets {
namespace {

namespace fs = std::filesystem;

struct Known {
  const char* name;
  std::vector<std::string> class_names;
  const char* hint;  // where to get it
};

const std::vector<Known>& known() {
  static const std::vector<Known> all = {
      {"mnist", {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, ""},
      {"fashion-mnist",
       {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
       " (Debian and Ubuntu: apt install dataset-fashion-mnist)"},
      {"idx", {}, ""}};
  return all;
}

template <class Range>
std::string join(const Range& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : ", ") + std::string(part);
  return out;
}

const Known& find_known(const std::string& name) {
  for (const Known& one : known())
    if (name == one.name) return one;
  fail<ValueError>("dataset: expected one of ", join(known_datasets()), ", found ", name.empty() ? "nothing" : name);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) && !fs::is_directory(path, ignored);
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
}

/// `name` with `.gz` removed.
std::string plain_name(std::string name) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name;
}

/// The file of this name in a folder, or the same with `.gz`.
std::optional<fs::path> find_file(const fs::path& dir, const std::string& plain) {
  for (const char* suffix : {"", ".gz"})
    if (is_file(dir / (plain + suffix))) return dir / (plain + suffix);
  return std::nullopt;
}

/// A file under MNIST's names: kind is `images` or `labels`.
std::optional<fs::path> find_mnist_file(const fs::path& dir, Split split, const std::string& kind) {
  const std::string stem = (split == Split::train ? "train-" : "t10k-") + kind;
  const std::string rest = kind == "images" ? "idx3-ubyte" : "idx1-ubyte";
  for (const char* dot : {"-", "."})
    if (auto found = find_file(dir, stem + dot + rest)) return found;
  return std::nullopt;
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
  return {*find_file(dir, candidates[0]), find_file(dir, labels)};
}

Files find_mnist(const fs::path& dir, Split split, const Known& known_as) {
  const auto need = [&](const std::string& kind) {
    auto found = find_mnist_file(dir, split, kind);
    ELBO_CHECK(found, IoError, dir.string(), ": expected ", split == Split::train ? "train-" : "t10k-", kind,
               kind == "images" ? "-idx3-ubyte" : "-idx1-ubyte", " or the same with .gz, found no such file",
               known_as.hint);
    return *found;
  };
  return {need("images"), need("labels")};
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

void check_folder(const fs::path& dir, const std::string& name) {
  std::error_code error;
  ELBO_CHECK(fs::exists(dir, error), IoError, dir.string(), ": expected a folder with the files of ", name,
             ", found nothing there");
  ELBO_CHECK(fs::is_directory(dir, error), IoError, dir.string(), ": expected a folder with the files of ", name,
             ", found a file");
}

std::vector<fs::path> usual_folders(const std::string& name) {
  std::vector<fs::path> out;
  const auto environment = [](const char* variable) {
    return fs::path(std::getenv(variable) ? std::getenv(variable) : "");
  };
  if (const fs::path data = environment("ELBO_DATA"); !data.empty()) out.push_back(data / name);
  out.push_back(fs::path("data") / name);
  if (const fs::path home = environment("HOME"); !home.empty()) out.push_back(home / ".cache" / "elbo" / name);
  for (const char* share : {"/usr/local/share/datasets", "/usr/share/datasets"}) out.push_back(fs::path(share) / name);
  return out;
}

}  // namespace

std::int64_t Dataset::classes() const {
  if (labels.empty()) return 0;
  if (!class_names.empty()) return static_cast<std::int64_t>(class_names.size());
  return *std::max_element(labels.begin(), labels.end()) + 1;
}

std::span<const std::uint8_t> Dataset::picture(std::int64_t i) const {
  ELBO_CHECK(i >= 0 && i < size(), IndexError, "[picture] ", i, " is out of range for ", size(), " pictures");
  const auto bytes = static_cast<std::size_t>(features());
  return std::span(pictures).subspan(static_cast<std::size_t>(i) * bytes, bytes);
}

Array Dataset::pictures_array(Device device) const { return Array::from(pictures, shape, device); }

Array Dataset::labels_array(Device device) const {
  return labels.empty() ? Array() : Array::from(labels, {size()}, device);
}

std::vector<std::string> known_datasets() {
  std::vector<std::string> out;
  for (const Known& one : known()) out.emplace_back(one.name);
  return out;
}

Dataset load(const std::string& name, Split split, const fs::path& data_dir, const LoadOptions&) {
  const Known& known_as = find_known(name);
  check_folder(data_dir, name);
  const Files files = name == "idx" ? find_pair(data_dir, split) : find_mnist(data_dir, split, known_as);
  IdxArray pictures = read_idx(files.pictures);
  check_kind(files.pictures, pictures, 3, "pictures, uint8 [n, height, width]", "labels");
  ELBO_CHECK(pictures.shape.numel() > 0, FormatError, files.pictures.string(),
             ": expected at least one picture of at least one pixel, found ", pictures.shape);
  Dataset out;
  out.name = name;
  out.shape = pictures.shape.insert(1, 1);
  out.pictures = std::move(pictures.bytes);
  out.class_names = known_as.class_names;
  if (files.labels) out.labels = read_labels(*files.labels, files.pictures, out.size(), out.class_names.size());
  return out;
}

fs::path find_data_dir(const std::string& name, const fs::path& explicit_dir) {
  const Known& known_as = find_known(name);
  if (!explicit_dir.empty()) {
    check_folder(explicit_dir, name);
    return explicit_dir;
  }
  const std::vector<fs::path> folders = usual_folders(name);
  for (const fs::path& dir : folders)
    if (name == "idx" ? !picture_candidates(dir, Split::train).empty()
                      : find_mnist_file(dir, Split::train, "images").has_value())
      return dir;
  fail<IoError>("dataset ", name, ": expected its files in one of ", join(folders),
                "; found none there: give the folder", " with --data, or put it into $ELBO_DATA", known_as.hint);
}

}  // namespace elbo::datasets
