// `folder`: pictures of one's own.
#include <algorithm>
#include <cctype>
#include <map>
#include <new>
#include <system_error>

#include "../core/errors.h"
#include "../core/parallel_for.h"
#include "files_detail.h"
#include "picture.h"
#include "readers_detail.h"

namespace elbo::datasets {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool is_picture(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::error_code ignored;
  return (extension == ".png" || extension == ".jpg" || extension == ".jpeg") && !is_hidden(path) &&
         fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// Calls fn for each picture in a folder and those below, until it returns false. Links to folders below are not
/// followed, so that this ends.
template <class Fn>
void for_pictures(const fs::path& dir, Fn&& fn) {
  std::error_code error;
  fs::recursive_directory_iterator it(dir, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
    if (is_hidden(it->path())) it.disable_recursion_pending();
    if (is_picture(it->path()) && !fn(it->path())) return;
  }
  ELBO_CHECK(!error, IoError, dir.string(), ": cannot read the folder: ", error.message());
}

std::vector<fs::path> sorted_pictures(const fs::path& dir) {
  std::vector<fs::path> out;
  for_pictures(dir, [&](const fs::path& path) {
    out.push_back(path);
    return true;
  });
  std::sort(out.begin(), out.end());
  return out;
}

/// The pictures of each class, by its name; those of all, under an empty name, where there are no classes.
using Classes = std::map<std::string, std::vector<fs::path>>;

Classes find_classes(const fs::path& dir) {
  Classes out;
  bool direct = false;
  std::error_code error;
  fs::directory_iterator it(dir, error);
  for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
    direct = direct || is_picture(it->path());
    if (!is_folder(it->path()) || is_hidden(it->path())) continue;
    std::vector<fs::path> pictures = sorted_pictures(it->path());
    if (!pictures.empty()) out[it->path().filename().string()] = std::move(pictures);
  }
  ELBO_CHECK(!error, IoError, dir.string(), ": cannot read the folder: ", error.message());
  if (direct) out = {{"", sorted_pictures(dir)}};
  return out;
}

/// The pictures of one half, and the names of the classes of both.
struct Found {
  std::vector<fs::path> files;
  std::vector<std::int64_t> labels;
  std::vector<std::string> class_names;
};

Found find_half(const fs::path& dir, Split split) {
  const bool halves = is_folder(dir / "train") && is_folder(dir / "test");
  const bool train = split == Split::train;
  const Classes mine = find_classes(halves ? dir / (train ? "train" : "test") : dir);
  Classes all = mine;
  if (halves) all.merge(find_classes(dir / (train ? "test" : "train")));
  Found out;
  // Where one half has no classes, neither has the other.
  if (!all.contains(""))
    for (const auto& one : all) out.class_names.push_back(one.first);
  for (const auto& [name, files] : mine) {
    const auto label = std::find(out.class_names.begin(), out.class_names.end(), name) - out.class_names.begin();
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!halves && (i % 10 == 9) == train) continue;
      out.files.push_back(files[i]);
      if (!out.class_names.empty()) out.labels.push_back(label);
    }
  }
  const char* why = halves || mine.empty() ? "" : "; every tenth of a class is one, and no class has ten";
  ELBO_CHECK(!out.files.empty(), IoError, (halves ? dir / (train ? "train" : "test") : dir).string(),
             ": expected PNG or JPEG pictures to ", train ? "train" : "test", " there or below, found none", why);
  return out;
}

}  // namespace

bool holds_pictures(const fs::path& dir) {
  bool any = false;
  if (!is_folder(dir)) return false;
  for_pictures(dir, [&](const fs::path&) {
    any = true;
    return false;
  });
  return any;
}

Dataset read_folder(const Reader&, Split split, const fs::path& dir, const LoadOptions& options) {
  ELBO_CHECK(options.channels == 1 || options.channels == 3, ValueError,
             "dataset folder: expected 1 or 3 channels, found ", options.channels);
  ELBO_CHECK(options.size >= 1 && options.size <= 4096, ValueError,
             "dataset folder: expected a size from 1 to 4096, found ", options.size);
  const Found found = find_half(dir, split);
  const std::size_t count = found.files.size();
  const auto features = static_cast<std::size_t>(options.channels * options.size * options.size);
  Dataset out;
  try {
    out.pictures.resize(count * features);
  } catch (const std::bad_alloc&) {
    fail<OutOfMemory>(dir.string(), ": no memory for ", count, " pictures of ", features, " bytes");
  }
  std::vector<std::string> faults(count);
  parallel_for(static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) try {
        const auto bytes = read_picture(found.files[i], options.channels, options.size, options.size);
        std::copy(bytes.begin(), bytes.end(), out.pictures.begin() + static_cast<std::ptrdiff_t>(i * features));
      } catch (const std::exception& error) {
        faults[i] = error.what();
      }
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!faults[i].empty()) {
      out.skipped.push_back(faults[i]);
      continue;
    }
    const auto from = out.pictures.begin() + static_cast<std::ptrdiff_t>(i * features);
    if (kept != i) std::copy_n(from, features, out.pictures.begin() + static_cast<std::ptrdiff_t>(kept * features));
    if (!found.labels.empty()) out.labels.push_back(found.labels[i]);
    ++kept;
  }
  ELBO_CHECK(kept > 0, FormatError, dir.string(), ": expected at least one picture that can be read, found ", count,
             " that cannot, among them ", out.skipped.front());
  out.pictures.resize(kept * features);
  out.shape = {static_cast<std::int64_t>(kept), options.channels, options.size, options.size};
  out.class_names = found.class_names;
  return out;
}

}  // namespace elbo::datasets
