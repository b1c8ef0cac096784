// CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009), binary version:
// records of one label, or two, and 32 x 32 pixels in three planes, with nothing before or between them.
#include <algorithm>
#include <array>
#include <optional>

#include "../core/errors.h"
#include "../core/input_detail.h"
#include "files_detail.h"
#include "readers_detail.h"
#include "sources_detail.h"

namespace elbo::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t pixels = 3 * 32 * 32;

struct File {
  const char* name;
  std::uint64_t records;  // the header that could say it does not exist, so the official number is what counts
};

struct Version {
  const char* title;
  const char* dataset;  // as load() calls it
  const char* folder;   // inside the archive
  const char* archive;
  const char* python_folder;  // what another version's archive holds
  std::vector<File> train, test;
  std::vector<std::size_t> label_limits;  // of each label byte; the last one is the label

  std::uint64_t record() const { return label_limits.size() + pixels; }
  const std::vector<File>& files(Split split) const { return split == Split::train ? train : test; }
};

const Version& cifar10() {
  static const Version version = {"CIFAR-10",
                                  "cifar10",
                                  "cifar-10-batches-bin",
                                  "cifar-10-binary.tar.gz",
                                  "cifar-10-batches-py",
                                  {{"data_batch_1.bin", 10000},
                                   {"data_batch_2.bin", 10000},
                                   {"data_batch_3.bin", 10000},
                                   {"data_batch_4.bin", 10000},
                                   {"data_batch_5.bin", 10000}},
                                  {{"test_batch.bin", 10000}},
                                  {10}};
  return version;
}

const Version& cifar100() {
  static const Version version = {"CIFAR-100",           "cifar100",
                                  "cifar-100-binary",    "cifar-100-binary.tar.gz",
                                  "cifar-100-python",    {{"train.bin", 50000}},
                                  {{"test.bin", 10000}}, {20, 100}};
  return version;
}

std::vector<std::string> class_names(const Version& version) {
  if (&version == &cifar10())
    return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  return {"apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
          "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
          "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
          "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
          "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
          "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
          "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
          "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
          "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
          "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
          "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
          "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
          "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
          "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
          "woman",      "worm"};
}

std::optional<fs::path> find_in(const fs::path& dir, const Version& version, const char* name,
                                std::vector<std::string>* notes = nullptr) {
  return find_file({dir / name, dir / version.folder / name}, notes);
}

/// Ends the search for a file, saying what lies there instead.
[[noreturn]] void fail_missing(const Reader& reader, const fs::path& dir, const Version& version, const Version& other,
                               Split split, const char* name) {
  const char* others = other.files(split).front().name;
  if (const auto found = find_in(dir, other, others))
    fail<FormatError>(found->string(), ": expected ", version.title, "'s ", name, ", found a file of ", other.title,
                      ": it is the dataset ", other.dataset);
  ELBO_CHECK(!fs::is_directory(dir / version.python_folder), FormatError, (dir / version.python_folder).string(),
             ": expected ", version.title, "'s binary version (", version.folder, "), found the Python version",
             reader.hint);
  ELBO_CHECK(!is_file(dir / version.archive), IoError, (dir / version.archive).string(), ": expected ", name,
             ", found the archive that holds it: unpack it there");
  fail<IoError>(dir.string(), ": expected ", name, " or the same with .gz, there or in ", version.folder,
                ", found no such file", reader.hint);
}

/// Ends the reading of a file of the wrong size.
[[noreturn]] void fail_size(const std::string& path, const ByteSource& source, const Version& version,
                            const Version& other, const File& file, const std::string& found, std::uint64_t bytes) {
  std::string why;
  if (bytes > 0 && bytes % version.record() != 0 && bytes % other.record() == 0)
    why = detail::concat(", which is ", bytes / other.record(), " records of ", other.record(),
                         " bytes: they look like ", other.title, "'s (the dataset ", other.dataset, ")");
  else if (bytes < file.records * version.record() && !source.cut_off())
    why = ": truncated";
  fail<FormatError>(path, ": expected ", file.records, " records of ", version.record(), " bytes, as ", version.title,
                    " has them, ", file.records * version.record(), " bytes in all, found ", found, why);
}

Array memory_for(std::uint64_t records) {
  return Array::empty({static_cast<std::int64_t>(records), 3, 32, 32}, {DType::uint8});
}

struct BadLabel {
  std::uint64_t record;
  std::size_t limit;
  int found;
};

/// Takes one block of whole records apart; the pictures go behind those whose labels are there.
void take_records(std::span<const std::uint8_t> block, const Version& version, std::uint64_t first, Dataset& out,
                  std::optional<BadLabel>& bad) {
  const std::size_t labels = version.label_limits.size();
  const std::span<std::uint8_t> bytes = out.features.mutable_values<std::uint8_t>();
  for (std::size_t at = 0; at < block.size(); at += version.record(), ++first) {
    for (std::size_t i = 0; i < labels; ++i)
      if (!bad && block[at + i] >= version.label_limits[i]) bad = {first, version.label_limits[i], block[at + i]};
    std::copy_n(block.begin() + static_cast<std::ptrdiff_t>(at + labels), pixels,
                bytes.begin() + static_cast<std::ptrdiff_t>(out.labels.size() * pixels));
    out.labels.push_back(block[at + labels - 1]);
  }
}

/// Appends the records of a file. Wrong labels are reported after a wrong size, which explains them better.
void read_records(ByteSource& source, const std::string& name, const Version& version, const Version& other,
                  const File& file, Dataset& out) {
  const std::uint64_t expected = file.records * version.record();
  const std::uint64_t size = source.file_size();
  if (!source.compressed() && size != expected)
    fail_size(name, source, version, other, file, detail::concat(size, " bytes"), size);
  if (source.limit() < expected)
    fail_size(name, source, version, other, file,
              detail::concat("a gzip file of ", size, " bytes, which can hold ", source.limit()), 0);
  const std::uint64_t at_once = std::min<std::uint64_t>(100, file.records);  // 100 divides the number of every file
  std::vector<std::uint8_t> block(at_once * version.record());
  std::optional<BadLabel> bad;
  std::uint64_t done = 0;
  while (done < expected) {
    const std::size_t got = source.read(block);
    done += got;
    if (got < block.size()) fail_size(name, source, version, other, file, found_bytes(source, done), done);
    take_records(block, version, done / version.record() - at_once, out, bad);
  }
  // What follows is counted, so that a file of the other version is recognised, but never beyond that one's size.
  constexpr std::uint64_t most = 160000000;
  std::size_t got = block.size();
  while (got == block.size() && done <= most) done += got = source.read(block);
  if (done != expected || source.cut_off())
    fail_size(name, source, version, other, file,
              done > most ? detail::concat("more than ", most, " bytes") : found_bytes(source, done),
              done > most ? 0 : done);
  if (bad)
    fail<FormatError>(name, ": expected labels from 0 to ", bad->limit - 1, ", found ", bad->found, " in record ",
                      bad->record);
}

/// The same from a path; what its first bytes show to be a file of another kind is said.
void read_file(const fs::path& path, const Version& version, const Version& other, const File& file, Dataset& out) {
  const std::string name = path.string();
  try {
    read_records(*ByteSource::open(path), name, version, other, file, out);
  } catch (const FormatError&) {
    std::array<std::uint8_t, 300> start{};
    const std::size_t got = ByteSource::open(path)->read(start);
    const std::string found = detail::describe_content(std::span(start).first(got));
    if (found.starts_with("something else")) throw;
    fail<FormatError>(name, ": expected ", version.title, "'s records, found ", found);
  }
}

}  // namespace

Dataset read_cifar_records(ByteSource& source, const std::string& name, bool ten, std::uint64_t records) {
  Dataset out;
  out.features = memory_for(records);
  read_records(source, name, ten ? cifar10() : cifar100(), ten ? cifar100() : cifar10(), {"", records}, out);
  return out;
}

bool holds_cifar(const fs::path& dir) {
  // Also where it is the other version: reading it then says so.
  return find_in(dir, cifar10(), cifar10().train[0].name) || find_in(dir, cifar100(), cifar100().train[0].name);
}

Dataset read_cifar(const Reader& reader, Split split, const fs::path& dir, const LoadOptions&) {
  const bool ten = reader.name == std::string(cifar10().dataset);
  const Version& version = ten ? cifar10() : cifar100();
  const Version& other = ten ? cifar100() : cifar10();
  const std::vector<File>& files = version.files(split);
  std::vector<fs::path> paths;
  std::uint64_t records = 0;
  Dataset out;
  for (const File& file : files) {
    const auto found = find_in(dir, version, file.name, &out.notes);
    if (!found) fail_missing(reader, dir, version, other, split, file.name);
    paths.push_back(*found);
    records += file.records;
  }
  out.class_names = class_names(version);
  out.labels.reserve(records);
  out.features = memory_for(records);
  for (std::size_t i = 0; i < files.size(); ++i) read_file(paths[i], version, other, files[i], out);
  return out;
}

}  // namespace elbo::datasets
