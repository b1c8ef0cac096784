// `folder`: pictures of one's own.
#include <algorithm>
#include <map>
#include <new>
#include <set>
#include <span>
#include <string_view>
#include <system_error>

#include "../core/errors.h"
#include "../core/parallel_for.h"
#include "../core/text.h"
#include "files_detail.h"
#include "hash_detail.h"
#include "picture_detail.h"
#include "readers_detail.h"

namespace elbo::datasets {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// The files that a rule reads, and those that seem to be pictures.
constexpr std::string_view tenth_extensions[] = {".png", ".jpg", ".jpeg"};
constexpr std::string_view extensions[] = {".png", ".jpg",  ".jpeg", ".jpe",  ".jfif", ".webp", ".bmp", ".dib",
                                           ".tif", ".tiff", ".gif",  ".heic", ".heif", ".avif", ".jxl", ".jp2",
                                           ".j2k", ".pbm",  ".pgm",  ".ppm",  ".pnm",  ".tga",  ".psd", ".svg",
                                           ".ico", ".cr2",  ".nef",  ".arw",  ".dng",  ".raw",  ".exr", ".hdr"};

bool has_extension(const fs::path& path, std::span<const std::string_view> known) {
  return std::find(known.begin(), known.end(), lower(path.extension().string())) != known.end();
}

/// Whether it is a link whose end is not there, or cannot be reached.
bool leads_nowhere(const fs::path& path) {
  std::error_code ignored;
  return fs::is_symlink(path, ignored) && !fs::exists(path, ignored);
}

/// An entry of a folder knows its kind without a question to the file system, unless it is a link.
bool leads_nowhere(const fs::directory_entry& entry) {
  std::error_code ignored;
  return entry.is_symlink(ignored) && leads_nowhere(entry.path());
}

bool is_folder(const fs::directory_entry& entry) {
  std::error_code ignored;
  return entry.is_directory(ignored);
}

bool is_picture(const fs::directory_entry& entry, SplitRule rule) {
  std::error_code ignored;
  const fs::path& path = entry.path();
  const bool named = rule == SplitRule::hash ? has_extension(path, extensions) : has_extension(path, tenth_extensions);
  if (!named || is_hidden(path)) return false;
  // A link to nothing is a picture that cannot be read. What SplitRule::tenth counts stays as it was.
  return entry.is_regular_file(ignored) || (rule == SplitRule::hash && leads_nowhere(entry));
}

/// Whether a run lies there: its figures are no pictures to train on.
bool is_run(const fs::path& dir) {
  std::error_code ignored;
  return fs::is_regular_file(dir / "config.json", ignored) &&
         (fs::is_regular_file(dir / "history.jsonl", ignored) || fs::is_directory(dir / "checkpoint", ignored));
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// Why the pictures of a folder below another are left out; empty where they are not.
std::string why_shut(const fs::path& folder) {
  std::error_code error;
  if (fs::is_symlink(folder, error)) return "a link to a folder";
  const fs::directory_iterator content(folder, error);
  return error ? error.message() : "";
}

/// Calls fn for each picture in a folder and those below, until it returns false. Links to folders below are not
/// followed, so that this ends. `shut` gets, with the reason, the folders that were not looked into.
template <class Fn>
void for_pictures(const fs::path& dir, SplitRule rule, std::vector<std::string>& shut, Fn&& fn) {
  std::error_code error;
  fs::recursive_directory_iterator it(dir, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    const bool folder = is_folder(*it);
    if (is_hidden(path) || (folder && is_run(path))) {
      it.disable_recursion_pending();
    } else if (folder) {
      const std::string why = why_shut(path);
      if (!why.empty()) shut.push_back("'" + path.lexically_relative(dir).string() + "' (" + why + ")");
    }
    if (is_picture(*it, rule) && !fn(path)) return;
  }
  ELBO_CHECK(!error, IoError, dir.string(), ": cannot read the folder: ", error.message());
}

/// The order of paths, without taking them apart: a folder's own end, `/`, comes before all other characters.
bool in_order(const fs::path& a, const fs::path& b) {
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<int>(static_cast<unsigned char>(c)); };
  const std::string &x = a.native(), &y = b.native();
  const auto [i, j] = std::mismatch(x.begin(), x.end(), y.begin(), y.end());
  return j != y.end() && (i == x.end() || rank(*i) < rank(*j));
}

std::vector<fs::path> sorted_pictures(const fs::path& dir, SplitRule rule, std::vector<std::string>& notes) {
  std::vector<fs::path> out;
  std::vector<std::string> shut;
  for_pictures(dir, rule, shut, [&](const fs::path& path) {
    out.push_back(path);
    return true;
  });
  std::sort(out.begin(), out.end(), in_order);
  std::sort(shut.begin(), shut.end());
  if (!shut.empty()) notes.push_back(dir.string() + ": not looked into: " + join(shut));
  return out;
}

/// What lies in a folder itself: the sub-folders in order of their names, those that begin with a dot left out.
struct Content {
  std::vector<fs::path> folders;
  std::vector<fs::path> runs;  ///< folders with runs, which are left out
  std::vector<fs::path> lost;  ///< links to nothing that are not named as pictures
  bool pictures = false;
};

Content content_of(const fs::path& dir, SplitRule rule = SplitRule::hash) {
  Content out;
  std::error_code error;
  fs::directory_iterator it(dir, error);
  for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
    out.pictures = out.pictures || is_picture(*it, rule);
    if (is_hidden(it->path())) continue;
    if (is_folder(*it))
      (is_run(it->path()) ? out.runs : out.folders).push_back(it->path());
    else if (leads_nowhere(*it) && !has_extension(it->path(), extensions))
      out.lost.push_back(it->path());
  }
  ELBO_CHECK(!error, IoError, dir.string(), ": cannot read the folder: ", error.message());
  for (std::vector<fs::path>* paths : {&out.folders, &out.runs, &out.lost}) std::sort(paths->begin(), paths->end());
  return out;
}

std::string quoted_names(const std::vector<fs::path>& paths) {
  std::vector<std::string> names;
  names.reserve(paths.size());
  for (const fs::path& path : paths) names.push_back("'" + path.filename().string() + "'");
  return join(names);
}

void note_runs(const fs::path& dir, const std::vector<fs::path>& runs, std::vector<std::string>& notes) {
  if (!runs.empty())
    notes.push_back(dir.string() + ": left out, as runs are no pictures to train on: " + quoted_names(runs));
}

/// The folders with a dataset's halves; all empty where there are none.
struct Halves {
  fs::path train, val, test;

  bool any() const { return !train.empty() || !val.empty() || !test.empty(); }
  bool one() const { return !train.empty() + !val.empty() + !test.empty() == 1; }
  const fs::path& of(Split split) const { return split == Split::train ? train : test; }
  /// Where a folder of that name belongs; null where it is none of them.
  fs::path* find(const fs::path& folder) {
    const std::string name = lower(folder.filename().string());
    if (name == "train") return &train;
    if (name == "test") return &test;
    return name == "val" || name == "valid" || name == "validation" ? &val : nullptr;
  }
};

/// As runs have them that keep SplitRule::tenth.
Halves find_tenth_halves(const fs::path& dir) {
  if (!is_folder(dir / "train") || !is_folder(dir / "test")) return {};
  return {dir / "train", {}, dir / "test"};
}

/// The halves in a folder with this content, and a note of what lies beside them.
Halves find_halves(const fs::path& dir, const Content& content, std::vector<std::string>& notes) {
  Halves out;
  std::vector<fs::path> beside, halves;
  for (const fs::path& folder : content.folders) {
    fs::path* half = out.find(folder);
    if (!half) {
      if (holds_pictures(folder)) beside.push_back(folder);
      continue;
    }
    ELBO_CHECK(half->empty(), ValueError, dir.string(), ": expected one folder for each half, found ",
               quoted_names({*half, folder}));
    *half = folder;
    halves.push_back(folder);
  }
  if (out.any()) note_runs(dir, content.runs, notes);
  if (!out.any() || (beside.empty() && !content.pictures)) return out;
  const std::string what = beside.empty() ? "pictures" : quoted_names(beside);
  ELBO_CHECK(!out.one(), ValueError, dir.string(), ": expected halves or classes, found the half ",
             quoted_names(halves), " beside ", what, ": rename it where it is a class, put them into a half where not");
  notes.push_back(detail::concat(dir.string(), ": not used, beside the halves ", quoted_names(halves), ": ", what));
  return out;
}

/// Why no picture was found below a folder, or behind a link.
std::string why_empty(const fs::path& path) {
  if (leads_nowhere(path)) return "a link to nothing";
  std::error_code error;
  const fs::directory_iterator it(path, error);
  if (error) return error.message();
  return it == fs::directory_iterator() ? "empty" : "none that is PNG or JPEG";
}

/// The pictures of each class, by its name; those of all, under an empty name, where there are no classes.
using Classes = std::map<std::string, std::vector<fs::path>>;

Classes find_classes(const fs::path& dir, SplitRule rule, std::vector<std::string>& notes) {
  Classes out;
  const Content content = content_of(dir, rule);
  std::vector<fs::path> without = content.lost;
  for (const fs::path& folder : content.folders) {
    std::vector<fs::path> pictures = sorted_pictures(folder, rule, notes);
    if (pictures.empty())
      without.push_back(folder);
    else
      out[folder.filename().string()] = std::move(pictures);
  }
  note_runs(dir, content.runs, notes);
  if (!content.pictures) {
    if (!out.empty() && !without.empty()) {
      std::vector<std::string> each;
      each.reserve(without.size());
      for (const fs::path& one : without) each.push_back("'" + one.filename().string() + "' (" + why_empty(one) + ")");
      notes.push_back(dir.string() + ": no classes, as there are no pictures in them: " + join(each));
    }
    return out;
  }
  if (!out.empty())
    notes.push_back(detail::concat(dir.string(), ": no classes: pictures lie in the folder itself, beside ", out.size(),
                                   out.size() == 1 ? " sub-folder with pictures" : " sub-folders with pictures"));
  return {{"", sorted_pictures(dir, rule, notes)}};
}

/// The path below the dataset's folder, with `/` between its parts.
std::string below(const fs::path& dir, const fs::path& path) {
  const std::string whole = path.generic_string();
  return whole.substr(whole.find_first_not_of('/', dir.generic_string().size()));
}

/// Whether the rule keeps the picture to test.
bool is_tenth(const fs::path& dir, const fs::path& path) {
  Hash hash;
  hash.add(below(dir, path));
  return hash.value() % 10 == 0;
}

/// The pictures of one half, and the names of the classes of all.
struct Found {
  std::vector<fs::path> files;
  std::vector<std::int64_t> labels;
  std::vector<std::string> class_names, passed_over, notes;
  std::string halves;
  std::size_t val_count = 0;  ///< the last so many files are of `val`

  void add(const fs::path& file, const std::string& class_name) {
    files.push_back(file);
    if (class_names.empty()) return;
    labels.push_back(std::lower_bound(class_names.begin(), class_names.end(), class_name) - class_names.begin());
  }
};

std::vector<std::string> names_of(const std::vector<Classes>& halves) {
  std::set<std::string> names;
  for (const Classes& half : halves)
    for (const auto& one : half) names.insert(one.first);
  // Where one half has no classes, neither has another.
  if (names.contains("")) return {};
  return {names.begin(), names.end()};
}

/// Says why there are no classes though some half has them, and which of them have nothing to train on.
void note_classes(const fs::path& dir, const Halves& halves, const std::vector<Classes>& all,
                  std::vector<std::string>& notes) {
  const std::vector<fs::path> folders{halves.train, halves.val, halves.test};
  std::vector<fs::path> flat, divided;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].contains(""))
      flat.push_back(folders[i]);
    else if (!all[i].empty())
      divided.push_back(folders[i]);
  }
  if (!flat.empty() && !divided.empty())
    notes.push_back(dir.string() + ": no classes: pictures lie in " + quoted_names(flat) + " itself, though " +
                    quoted_names(divided) + " has sub-folders with pictures");
  if (!flat.empty() || all[0].empty()) return;
  std::set<std::string> untrained;
  for (const Classes& half : all)
    for (const auto& one : half)
      if (!all[0].contains(one.first)) untrained.insert("'" + one.first + "'");
  const std::vector<std::string> names(untrained.begin(), untrained.end());
  if (!names.empty())
    notes.push_back(halves.train.string() + ": no pictures to train on of " + join(names) + ", which " +
                    (names.size() == 1 ? "another half has" : "other halves have"));
}

Found find_in_halves(const fs::path& dir, const Halves& halves, SplitRule rule, Split split, Found out) {
  const fs::path& mine = halves.of(split);
  const char* half = split == Split::train ? "train" : "test";
  ELBO_CHECK(!mine.empty(), IoError, dir.string(), ": expected pictures to ", half, " in a folder '", half, "' beside ",
             quoted_names({halves.train.empty() ? halves.val.empty() ? halves.test : halves.val : halves.train}),
             ", found none");
  std::vector<Classes> all;
  for (const fs::path& folder : {halves.train, halves.val, halves.test})
    all.push_back(folder.empty() ? Classes() : find_classes(folder, rule, out.notes));
  out.class_names = names_of(all);
  note_classes(dir, halves, all, out.notes);
  for (const auto& [name, files] : all[split == Split::train ? 0 : 2])
    for (const fs::path& file : files) out.add(file, name);
  ELBO_CHECK(!out.files.empty(), IoError, mine.string(), ": expected PNG or JPEG pictures to ", half,
             " there or below, found none");
  const std::size_t before = out.files.size();
  if (split == Split::train)
    for (const auto& [name, files] : all[1])
      for (const fs::path& file : files) out.add(file, name);
  out.val_count = out.files.size() - before;
  for (const fs::path& folder : {halves.train, halves.val, halves.test})
    if (!folder.empty()) out.halves += (out.halves.empty() ? "" : ", ") + folder.filename().string();
  return out;
}

void note_halves_below(const Content& content, std::vector<std::string>& notes) {
  for (const fs::path& folder : content.folders) {
    Halves below;
    std::vector<fs::path> found;
    for (const fs::path& one : content_of(folder).folders)
      if (fs::path* half = below.find(one)) *half = one, found.push_back(one);
    if (below.any() && !below.one())
      notes.push_back(detail::concat(folder.string(), ": taken as a class, though there are ", quoted_names(found),
                                     " in it: as halves with --data ", folder.string()));
  }
}

Found find_by_rule(const fs::path& dir, SplitRule rule, Split split, Found out) {
  const bool train = split == Split::train;
  const Classes classes = find_classes(dir, rule, out.notes);
  out.class_names = names_of({classes});
  out.halves = name(rule);
  std::size_t all = 0;
  for (const auto& [name, files] : classes) {
    all += files.size();
    for (std::size_t i = 0; i < files.size(); ++i) {
      const bool test = rule == SplitRule::hash ? is_tenth(dir, files[i]) : i % 10 == 9;
      if (test != train) out.add(files[i], name);
    }
  }
  const std::string why =
      all == 0 ? ""
      : rule == SplitRule::tenth
          ? "; every tenth of a class is one, and no class has ten"
          : detail::concat("; about one in ten is kept to test, by the hash of its path; here that is ",
                           train ? "all of " : "none of ", all);
  ELBO_CHECK(!out.files.empty(), IoError, dir.string(), ": expected PNG or JPEG pictures to ", train ? "train" : "test",
             " there or below, found none", why);
  return out;
}

/// What only a newer rule reads: said once, with the training half.
std::vector<std::string> passed_over_by_tenth(const fs::path& dir) {
  std::vector<std::string> out, notes;
  std::error_code ignored;
  for (const fs::path& path : sorted_pictures(dir, SplitRule::hash, notes))
    if (leads_nowhere(path))
      out.push_back(path.string() + ": expected a picture, found a link to nothing");
    else if (!is_picture(fs::directory_entry(path, ignored), SplitRule::tenth))
      out.push_back(path.string() + ": expected .png, .jpg or .jpeg, as the run has it, found another extension");
  return out;
}

Found find_half(const fs::path& dir, SplitRule rule, Split split) {
  Found out;
  const bool tenth = rule == SplitRule::tenth;
  if (tenth && split == Split::train) out.passed_over = passed_over_by_tenth(dir);
  const Content content = tenth ? Content() : content_of(dir);
  const Halves halves = tenth ? find_tenth_halves(dir) : find_halves(dir, content, out.notes);
  if (halves.any()) return find_in_halves(dir, halves, rule, split, std::move(out));
  if (!tenth) note_halves_below(content, out.notes);
  return find_by_rule(dir, rule, split, std::move(out));
}

}  // namespace

bool holds_pictures(const fs::path& dir) {
  bool any = false;
  std::vector<std::string> shut;
  if (!is_folder(dir)) return false;
  for_pictures(dir, SplitRule::hash, shut, [&](const fs::path&) {
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
  const Found found = find_half(dir, options.split_rule, split);
  const std::size_t count = found.files.size();
  const auto size = static_cast<std::size_t>(options.channels * options.size * options.size);
  Dataset out;
  try {
    out.features =
        Array::empty({static_cast<std::int64_t>(count), options.channels, options.size, options.size}, {DType::uint8});
  } catch (const OutOfMemory&) {
    fail<OutOfMemory>(dir.string(), ": no memory for ", count, " pictures of ", size, " bytes");
  }
  const std::span<std::uint8_t> pictures = out.features.mutable_values<std::uint8_t>();
  std::vector<std::string> faults(count);
  parallel_for(static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) try {
        read_picture_into(found.files[i], options.channels, options.size, options.size,
                          pictures.subspan(i * size, size));
      } catch (const std::exception& error) {
        faults[i] = leads_nowhere(found.files[i])
                        ? found.files[i].string() + ": expected a picture, found a link to nothing"
                        : error.what();
      }
  });
  out.notes = found.notes;
  out.halves = found.halves;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!faults[i].empty()) {
      out.skipped.push_back(faults[i]);
      continue;
    }
    const auto from = pictures.begin() + static_cast<std::ptrdiff_t>(i * size);
    if (kept != i) std::copy_n(from, size, pictures.begin() + static_cast<std::ptrdiff_t>(kept * size));
    if (!found.labels.empty()) out.labels.push_back(found.labels[i]);
    if (i >= count - found.val_count) ++out.val_count;
    ++kept;
  }
  ELBO_CHECK(static_cast<std::int64_t>(kept) > out.val_count, FormatError, dir.string(),
             ": expected at least one picture that can be read, found ", count - found.val_count,
             " that cannot, among them ", out.skipped.front());
  out.skipped.insert(out.skipped.end(), found.passed_over.begin(), found.passed_over.end());
  out.features = out.features.slice(0, static_cast<std::int64_t>(kept));
  out.class_names = found.class_names;
  const std::set<std::int64_t> before(found.labels.begin(), found.labels.end());
  const std::set<std::int64_t> after(out.labels.begin(), out.labels.end());
  for (std::int64_t label : before)
    if (!after.contains(label))
      out.notes.push_back(dir.string() + ": no picture to " + (split == Split::train ? "train on" : "test") +
                          " of the class '" + out.class_names[static_cast<std::size_t>(label)] + "' could be read");
  return out;
}

}  // namespace elbo::datasets
