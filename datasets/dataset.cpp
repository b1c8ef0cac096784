#include "dataset.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <set>
#include <system_error>

#include "../core/errors.h"
#include "../core/kernels.h"
#include "files_detail.h"
#include "hash_detail.h"
#include "readers_detail.h"

namespace elbo::datasets {
namespace {

namespace fs = std::filesystem;

constexpr Reader readers[] = {
    {"mnist", " (scripts/fetch-datasets mnist downloads them)", holds_mnist, read_mnist},
    {"fashion-mnist", " (Debian and Ubuntu: apt install dataset-fashion-mnist)", holds_mnist, read_mnist},
    {"cifar10", " (scripts/fetch-datasets cifar10 downloads them)", holds_cifar, read_cifar},
    {"cifar100", " (scripts/fetch-datasets cifar100 downloads them)", holds_cifar, read_cifar},
    {"svhn", " (scripts/fetch-datasets svhn downloads them)", holds_svhn, read_svhn},
    {"idx", "", holds_idx_pair, read_idx_pair},
    {"folder", "", holds_pictures, read_folder},
    {"npz", "", holds_npz, read_npz_place},
    {"shapes", "", nullptr, make_shapes},
};

const Reader& find_reader(const std::string& name) {
  for (const Reader& one : readers)
    if (name == one.name) return one;
  fail<ValueError>("dataset: expected one of ", join(known_datasets()), ", found ", name.empty() ? "nothing" : name);
}

/// The folder of a dataset; of `npz` also the file itself.
void check_place(const fs::path& dir, const std::string& name) {
  const std::string expected = name == "folder" ? "a folder with pictures"
                               : name == "idx"  ? "a folder with IDX files"
                               : name == "npz"  ? "an .npz file, or a folder with one"
                                                : "a folder with the files of " + name;
  std::error_code error;
  const fs::file_status status = fs::status(dir, error);
  // A folder that may not be entered holds its own name too.
  if (fs::is_directory(status)) static_cast<void>(fs::status(dir / ".", error));
  ELBO_CHECK(!error || status.type() == fs::file_type::not_found, IoError, dir.string(),
             ": cannot read the folder: ", error.message());
  ELBO_CHECK(fs::exists(status), IoError, dir.string(), ": expected ", expected, ", found ",
             fs::is_symlink(dir, error) ? "a link to nothing" : "nothing there");
  const bool right = fs::is_directory(status) || (name == "npz" && fs::is_regular_file(status));
  ELBO_CHECK(right, IoError, dir.string(), ": expected ", expected, ", found a file");
}

std::vector<fs::path> usual_folders(const std::string& name) {
  std::vector<fs::path> out;
  const auto environment = [](const char* variable) {
    return fs::path(std::getenv(variable) ? std::getenv(variable) : "");
  };
  if (const fs::path data = environment("ELBO_DATA"); !data.empty()) {
    std::error_code error;
    ELBO_CHECK(fs::is_directory(data, error), IoError, "ELBO_DATA: expected a folder, found ",
               fs::exists(data, error) ? "a file at " : "nothing at ", data.string());
    out.push_back(data / name);
  }
  out.push_back(fs::path("data") / name);
  if (const fs::path home = environment("HOME"); !home.empty()) out.push_back(home / ".cache" / "elbo" / name);
  for (const char* share : {"/usr/local/share/datasets", "/usr/share/datasets"}) out.push_back(fs::path(share) / name);
  return out;
}

}  // namespace

Dataset Dataset::from(const Array& features, const Array& labels) {
  ELBO_CHECK(features.defined() && features.shape().rank() >= 1, ShapeError,
             "[Dataset] expected features [count, ...], found ", features.defined() ? "[]" : "none");
  Dataset out;
  out.features = features.to(cpu);
  if (!labels.defined()) return out;
  const Shape one_each{out.size()};
  ELBO_CHECK(labels.dtype() == DType::int64, DTypeError, "[Dataset] expected labels of int64, found ", labels.dtype());
  ELBO_CHECK(labels.shape() == one_each, ShapeError, "[Dataset] expected labels ", one_each, " for features ",
             features.shape(), ", found ", labels.shape());
  out.labels = labels.to_vector<std::int64_t>();
  for (const std::int64_t label : out.labels)
    ELBO_CHECK(label >= 0, ValueError, "[Dataset] expected labels of at least 0, found ", label);
  return out;
}

std::int64_t Dataset::classes() const {
  if (labels.empty()) return 0;
  if (!class_names.empty()) return static_cast<std::int64_t>(class_names.size());
  return *std::max_element(labels.begin(), labels.end()) + 1;
}

std::string Dataset::identity() const {
  Hash hash;
  for (std::int64_t size : shape()) hash.add(static_cast<std::uint64_t>(size));
  if (features.defined() && !has_pictures()) hash.add(static_cast<std::uint64_t>(features.dtype()));
  hash.add({static_cast<const std::uint8_t*>(features.raw()), features.bytes()});
  std::set<std::int64_t> present;
  for (std::int64_t label : labels) {
    hash.add(static_cast<std::uint64_t>(label));
    present.insert(label);
  }
  for (std::int64_t label : present)
    if (label < static_cast<std::int64_t>(class_names.size())) hash.add(class_names[static_cast<std::size_t>(label)]);
  hash.add(static_cast<std::uint64_t>(val_count));
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash.value()));
  const Shape one = features.defined() ? shape().without(0) : Shape{0, 0, 0};
  return detail::concat(size(), " ", has_pictures() || !features.defined() ? "pictures" : elbo::name(features.dtype()),
                        " ", one, ", ", present.size(), " classes, hash ", digits);
}

void Dataset::check_pictures(const char* op) const {
  if (has_pictures()) return;
  const std::string found = features.defined() ? detail::concat(features.dtype(), " ", shape()) : "none";
  fail<DTypeError>("[", op, "] expected pictures, uint8 [count, channels, height, width], found ", found);
}

std::span<const std::uint8_t> Dataset::pictures() const {
  check_pictures("pictures");
  return features.values<std::uint8_t>();
}

std::span<const std::uint8_t> Dataset::picture(std::int64_t i) const {
  check_pictures("picture");
  ELBO_CHECK(i >= 0 && i < size(), IndexError, "[picture] ", i, " is out of range for ", size(), " pictures");
  const auto bytes = static_cast<std::size_t>(picture_size());
  return features.values<std::uint8_t>().subspan(static_cast<std::size_t>(i) * bytes, bytes);
}

Dataset Dataset::first(std::int64_t n) const {
  ELBO_CHECK(n >= 0, IndexError, "[first] expected a count of at least 0, found ", n);
  std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min(n, size())));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return subset(indices);
}

Dataset Dataset::binarized(std::uint64_t seed) const {
  const std::span<const std::uint8_t> grey = pictures();
  Generator generator(seed, Stream::binarize);
  std::vector<std::uint8_t> drawn(grey.size());
  constexpr std::size_t stretch = 1 << 20;  // so that the numbers drawn take little memory
  for (std::size_t begin = 0; begin < grey.size(); begin += stretch) {
    const std::size_t end = std::min(begin + stretch, grey.size());
    const Array uniform =
        kernels::random(RandomKind::uniform, {static_cast<std::int64_t>(end - begin)}, DType::float32, generator);
    const std::span<const float> u = uniform.values<float>();
    for (std::size_t i = begin; i < end; ++i) drawn[i] = u[i - begin] * 255 < static_cast<float>(grey[i]) ? 255 : 0;
  }
  Dataset out = *this;
  out.features = Array::from(drawn, shape());
  return out;
}

Dataset Dataset::subset(std::span<const std::int64_t> indices) const {
  for (std::int64_t i : indices)
    ELBO_CHECK(i >= 0 && i < size(), IndexError, "[subset] ", i, " is out of range for ", size(),
               has_pictures() ? " pictures" : " samples");
  const auto check_count = [this](const char* what, std::size_t found, std::size_t expected) {
    ELBO_CHECK(found == 0 || found == expected, ShapeError, "[Dataset] expected ", expected, " ", what,
               " for features ", shape(), ", found ", found);
  };
  check_count("labels", labels.size(), static_cast<std::size_t>(size()));
  check_count("factors", factors.size(), static_cast<std::size_t>(size()) * factor_names.size());
  Dataset out;
  out.name = name;
  if (features.defined())
    out.features = kernels::gather(features, Array::from(indices, {static_cast<std::int64_t>(indices.size())}), 0);
  out.class_names = class_names;
  out.skipped = skipped;
  out.notes = notes;
  out.halves = halves;
  out.factor_names = factor_names;
  const auto width_of_factors = static_cast<std::ptrdiff_t>(factor_names.size());
  for (std::int64_t i : indices) {
    if (!labels.empty()) out.labels.push_back(labels[static_cast<std::size_t>(i)]);
    if (factors.empty()) continue;
    const auto row = factors.begin() + i * width_of_factors;
    out.factors.insert(out.factors.end(), row, row + width_of_factors);
  }
  return out;
}

Array Dataset::pictures_array(Device device) const {
  check_pictures("pictures_array");
  return features.to(device);
}

Array Dataset::labels_array(Device device) const {
  return labels.empty() ? Array() : Array::from(labels, {size()}, device);
}

Array Dataset::factors_array(Device device) const {
  if (factor_names.empty()) return {};
  return Array::from(factors, {size(), static_cast<std::int64_t>(factor_names.size())}, device);
}

std::vector<std::string> known_datasets() {
  std::vector<std::string> out;
  for (const Reader& one : readers) out.emplace_back(one.name);
  return out;
}

Dataset load(const std::string& name, Split split, const fs::path& data_dir, const LoadOptions& options) {
  const Reader& reader = find_reader(name);
  const fs::path dir = find_data_dir(name, data_dir);
  Dataset out = reader.read(reader, split, dir, options);
  out.name = name;
  return out;
}

const char* name(SplitRule rule) { return rule == SplitRule::hash ? "hash" : "tenth"; }

void match_classes(Dataset& data, const std::vector<std::string>& names) {
  if (names.empty() || data.class_names.empty() || names == data.class_names) return;
  std::vector<std::string> all = names;
  std::vector<std::int64_t> number_of;
  for (const std::string& one : data.class_names) {
    const auto found = std::find(all.begin(), all.end(), one);
    number_of.push_back(found - all.begin());
    if (found == all.end()) all.push_back(one);
  }
  const auto known = static_cast<std::int64_t>(number_of.size());
  for (const std::int64_t label : data.labels)
    ELBO_CHECK(label >= 0 && label < known, IndexError, "[match_classes] expected labels from 0 to ", known - 1,
               ", found ", label);
  for (std::int64_t& label : data.labels) label = number_of[static_cast<std::size_t>(label)];
  data.class_names = std::move(all);
}

fs::path find_data_dir(const std::string& name, const fs::path& explicit_dir) {
  const Reader& reader = find_reader(name);
  if (!reader.holds) return {};
  if (!explicit_dir.empty()) {
    check_place(explicit_dir, name);
    return explicit_dir;
  }
  std::vector<std::string> looked;
  for (const fs::path& dir : usual_folders(name)) {
    if (reader.holds(dir)) return dir;
    looked.push_back(dir.string());
  }
  fail<IoError>("dataset ", name, ": expected its files in one of ", join(looked),
                "; found none there: put the folder into $ELBO_DATA, or name it (--data)", reader.hint);
}

}  // namespace elbo::datasets
