#include <elbo/core/text.h>
#include <elbo/viz/figures.h>
#include <elbo/viz/report_facts.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>

#include "commands.h"
#include "inputs.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

namespace fs = std::filesystem;
using datasets::Dataset;
using datasets::Split;
using nlohmann::ordered_json;

struct DataArgs {
  models::DataOptions data;
  fs::path preview;
  bool grey = false, json = false;
};

/// Where a known dataset lies, or why it was not found.
struct Place {
  std::string name;
  bool found = false;
  std::string dir, why;
};

std::vector<Place> places() {
  std::vector<Place> out;
  for (const std::string& name : datasets::known_datasets()) {
    Place place{name, false, "", ""};
    try {
      place.dir = datasets::find_data_dir(name).string();
      place.found = true;
    } catch (const IoError& error) {
      place.why = error.what();
    }
    out.push_back(place);
  }
  return out;
}

std::string where_is(const Place& place) {
  if (place.found) return place.dir.empty() ? "drawn when asked for, needs no files" : place.dir;
  if (place.name == "folder" || place.name == "idx") return "files of your own: give their folder with --data";
  return place.name == "npz" ? "a file of your own, in the form of dSprites: give it with --data" : "not found";
}

int list_all(const DataArgs& args) {
  const std::vector<Place> all = places();
  ordered_json json;
  for (const Place& place : all) {
    const std::string where = where_is(place);
    if (!args.json) std::printf("%-14s %s\n", place.name.c_str(), printable(where).c_str());
    ordered_json one{{"name", place.name}, {"found", place.found}};
    one["dir"] = place.dir.empty() ? ordered_json() : ordered_json(place.dir);
    json["datasets"].push_back(one);
  }
  if (args.json)
    print_json(json);
  else
    std::printf(
        "\nDatasets are looked for in $ELBO_DATA/NAME, data/NAME, ~/.cache/elbo/NAME, /usr/local/share/datasets/NAME\n"
        "and /usr/share/datasets/NAME; scripts/fetch-datasets downloads the public ones.\n");
  return 0;
}

/// Mean and standard deviation of the pixels of each channel, 0 to 1.
struct Moments {
  std::vector<double> mean, std;
};

Moments moments_of(const Dataset& data) {
  // Sums of counts are exact, in whatever order.
  const auto channels = static_cast<std::size_t>(data.channels());
  const auto area = static_cast<std::size_t>(data.height() * data.width());
  std::vector<std::uint64_t> sum(channels), squares(channels);
  const std::span<const std::uint8_t> pictures = data.pictures();
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const std::uint64_t value = pictures[i];
    sum[i / area % channels] += value;
    squares[i / area % channels] += value * value;
  }
  Moments out;
  const double n = static_cast<double>(pictures.size()) / static_cast<double>(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = static_cast<double>(sum[c]) / n, square = static_cast<double>(squares[c]) / n;
    out.mean.push_back(mean / 255);
    out.std.push_back(std::sqrt(std::max(square - mean * mean, 0.0)) / 255);
  }
  return out;
}

/// How many of the pictures from `begin` to `end` are of each class.
std::vector<std::int64_t> class_counts(const Dataset& data, std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(data.classes()));
  for (std::int64_t i = begin; i < end && !data.labels.empty(); ++i) {
    const auto at = static_cast<std::size_t>(data.labels[static_cast<std::size_t>(i)]);
    if (at >= out.size()) out.resize(at + 1);
    ++out[at];
  }
  return out;
}

std::vector<std::int64_t> class_counts(const Dataset& data) { return class_counts(data, 0, data.size()); }

/// What was read: `idx` pairs and folders may lack the test half.
struct Halves {
  Dataset train;
  std::optional<Dataset> test;
  std::string no_test;               ///< why it is not there
  std::vector<std::string> skipped;  ///< of both

  std::int64_t train_count() const { return train.size() - train.val_count; }
  std::string test_count() const { return test ? counted(test->size(), "picture", "pictures") : "none"; }
};

Halves read(const DataArgs& args) {
  Halves out{models::load_data(args.data, Split::train), {}, "", {}};
  DataNotes notes("data");
  for (const std::string& note : out.train.notes) notes.say(note);
  out.skipped = out.train.skipped;
  try {
    out.test = models::load_data(args.data, Split::test);
    for (const std::string& note : out.test->notes) notes.say(note);
    out.skipped.insert(out.skipped.end(), out.test->skipped.begin(), out.test->skipped.end());
  } catch (const SystemFault&) {
    throw;
  } catch (const IoError& error) {
    if (args.data.dataset != "idx" && args.data.dataset != "folder") throw;
    out.no_test = error.what();
    notes.say(out.no_test);
  }
  return out;
}

/// Pictures to look at: of each class in turn, or spread over all.
viz::Image preview_of(const Dataset& data) {
  constexpr std::int64_t columns = 10, pictures = 60;
  const std::vector<std::int64_t> counts = class_counts(data);
  const auto classes = static_cast<std::int64_t>(counts.size());
  std::vector<std::int64_t> indices;
  if (classes == 0) {
    indices = models::evenly_spaced(data.size(), pictures);
    return viz::class_preview(data, indices, {.title = data.name, .columns = columns, .names = false});
  }
  const std::int64_t each = std::max<std::int64_t>(1, pictures / classes);
  std::vector<std::vector<std::int64_t>> found(counts.size());
  for (std::int64_t i = 0; i < data.size(); ++i) {
    std::vector<std::int64_t>& of = found[static_cast<std::size_t>(data.labels[static_cast<std::size_t>(i)])];
    if (static_cast<std::int64_t>(of.size()) < each) of.push_back(i);
  }
  // Up to ten classes stand in columns of their own.
  for (std::int64_t k = 0; k < each; ++k)
    for (const std::vector<std::int64_t>& of : found)
      if (k < static_cast<std::int64_t>(of.size())) indices.push_back(of[static_cast<std::size_t>(k)]);
  const std::int64_t present = std::count_if(found.begin(), found.end(), [](const auto& of) { return !of.empty(); });
  return viz::class_preview(data, indices, {.title = data.name, .columns = std::min(columns, present)});
}

std::string list_of(const std::vector<double>& values) {
  std::string out;
  char text[32];
  for (double value : values) {
    std::snprintf(text, sizeof text, "%.4f", value);
    out += (out.empty() ? "" : ", ") + std::string(text);
  }
  return out;
}

/// The pictures of a class in each half.
struct ClassCounts {
  std::string name;
  std::int64_t train = 0, val = 0, test = 0;
};

std::vector<ClassCounts> classes_of(const Halves& data) {
  const Dataset& train = data.train;
  const std::vector<std::int64_t> counts[] = {class_counts(train, 0, data.train_count()),
                                              class_counts(train, data.train_count(), train.size()),
                                              data.test ? class_counts(*data.test) : std::vector<std::int64_t>()};
  std::vector<ClassCounts> out(std::max({counts[0].size(), counts[1].size(), counts[2].size()}));
  for (std::size_t c = 0; c < out.size(); ++c) {
    const auto count = [&](std::size_t half) { return c < counts[half].size() ? counts[half][c] : 0; };
    out[c] = {viz::class_name(train.class_names, static_cast<std::int64_t>(c)), count(0), count(1), count(2)};
  }
  return out;
}

void print_classes(const Halves& data) {
  const std::vector<ClassCounts> classes = classes_of(data);
  const bool val = data.train.val_count > 0;
  if (classes.empty()) {
    std::printf("  classes         none\n");
    return;
  }
  std::printf("\n  %5s  %-24s %10s%s %10s\n", "label", "class", "training", val ? " validation" : "", "test");
  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::printf("  %5zu  %-24s %10s", c, printable(classes[c].name).c_str(), viz::thousands(classes[c].train).c_str());
    if (val) std::printf(" %10s", viz::thousands(classes[c].val).c_str());
    std::printf(" %10s\n", viz::thousands(classes[c].test).c_str());
  }
}

std::string halves_text(const std::string& halves) {
  return halves == name(datasets::SplitRule::hash) ? "by a hash of each path, about one in ten to test"
                                                   : "the folders " + halves;
}

void print_text(const DataArgs& args, const Halves& data, const std::string& dir) {
  const Dataset& train = data.train;
  const Moments moments = moments_of(train);
  std::printf("%s\n", printable(train.name).c_str());
  std::printf("  from            %s\n", dir.empty() ? "drawn, no files" : printable(dir).c_str());
  if (!train.halves.empty()) std::printf("  halves          %s\n", printable(halves_text(train.halves)).c_str());
  std::printf("  training        %s\n", counted(data.train_count(), "picture", "pictures").c_str());
  if (train.val_count > 0)
    std::printf("  validation      %s\n", counted(train.val_count, "picture", "pictures").c_str());
  std::printf("  test            %s\n", data.test_count().c_str());
  std::printf("  pictures        %lld x %lld pixels, %s\n", static_cast<long long>(train.height()),
              static_cast<long long>(train.width()), train.channels() == 1 ? "grey" : "RGB");
  std::printf("  pixel mean      %s (of the training pictures, 0 to 1)\n", list_of(moments.mean).c_str());
  std::printf("  pixel std       %s\n", list_of(moments.std).c_str());
  std::string factors;
  for (const std::string& name : train.factor_names) factors += (factors.empty() ? "" : ", ") + name;
  if (!factors.empty()) std::printf("  factors         %s\n", printable(factors).c_str());
  print_classes(data);
  if (!data.skipped.empty()) {
    std::printf("\n%s could not be read and %s left out:\n",
                counted(static_cast<std::int64_t>(data.skipped.size()), "picture", "pictures").c_str(),
                data.skipped.size() == 1 ? "is" : "are");
    for (const std::string& one : data.skipped) std::printf("  %s\n", printable(one).c_str());
  }
  if (!args.preview.empty()) std::printf("\n%s\n", printable(args.preview.native()).c_str());
}

void print_json_of(const DataArgs& args, const Halves& data, const std::string& dir) {
  const Dataset& train = data.train;
  const Moments moments = moments_of(train);
  ordered_json out;
  out["dataset"] = train.name;
  out["dir"] = dir.empty() ? ordered_json() : ordered_json(dir);
  out["halves"] = train.halves.empty() ? ordered_json() : ordered_json(train.halves);
  out["train"] = data.train_count();
  out["val"] = train.val_count;
  out["test"] = data.test ? ordered_json(data.test->size()) : ordered_json();
  out["picture"] = {train.channels(), train.height(), train.width()};
  out["mean"] = moments.mean;
  out["std"] = moments.std;
  out["classes"] = ordered_json::array();
  std::int64_t label = 0;
  for (const ClassCounts& one : classes_of(data))
    out["classes"].push_back(
        {{"label", label++}, {"name", one.name}, {"train", one.train}, {"val", one.val}, {"test", one.test}});
  out["factors"] = train.factor_names;
  out["skipped"] = data.skipped;
  if (!args.preview.empty()) out["preview"] = args.preview.string();
  print_json(out);
}

int data(const DataArgs& args) {
  if (args.data.dataset.empty()) {
    ELBO_CHECK(args.data.dir.empty() && args.preview.empty(), ValueError, args.preview.empty() ? "--data" : "--preview",
               ": expected --dataset beside it, to say what it is");
    return list_all(args);
  }
  DataArgs used = args;
  if (args.grey) used.data.load.channels = 1;
  const std::string dir = datasets::find_data_dir(args.data.dataset, args.data.dir).string();
  if (!args.preview.empty())
    used.preview = checked_output("--preview", args.preview, Format::png, {.data = {dir}}, args.json);
  const Halves halves = read(used);
  if (!args.preview.empty()) viz::write_png(used.preview, preview_of(halves.train));
  if (is_stdout(used.preview)) return 0;
  if (args.json)
    print_json_of(args, halves, dir);
  else
    print_text(args, halves, dir);
  return 0;
}

}  // namespace

void add_data(CLI::App& app, Command& run) {
  auto args = std::make_shared<DataArgs>();
  args->data.dataset.clear();
  CLI::App* command = app.add_subcommand("data", "Say what a dataset holds, or which datasets there are");
  command->footer(
      "Example:\n  elbo data\n  elbo data --dataset fashion-mnist --preview classes.png\n"
      "  elbo data --dataset folder --data ~/pictures --size 32");
  command->add_option("--dataset", args->data.dataset, "Which (default: a list of them all, and where each was found)")
      ->check(one_of(datasets::known_datasets()))
      ->type_name("NAME");
  command->add_option("--data", args->data.dir, "The folder with its files, or npz's file (default: the usual places)")
      ->check(only_with("--dataset"))
      ->check(not_for("--dataset", {"shapes"}))
      ->type_name("DIR");
  command->add_option("--size", args->data.load.size, "Side of the square pictures, in pixels")
      ->check(at_least(1))
      ->check(only_for("--dataset", {"folder"}))
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--grey", args->grey, "Grey pictures instead of RGB")->check(only_for("--dataset", {"folder"}));
  command
      ->add_option("--count", args->data.load.count,
                   "How many pictures, in each half; a test half of fewer gives all that it has (default: shapes "
                   "40,000, and 5,000 to test; npz all)")
      ->check(only_for("--dataset", {"shapes", "npz"}))
      ->check(at_least(1))
      ->type_name("N");
  command->add_option("--preview", args->preview, "A PNG file to write, with pictures of each class")
      ->check(only_with("--dataset"))
      ->type_name("FILE");
  add_json(*command, args->json);
  add_threads(*command);
  command->final_callback([args, &run] { run = [args] { return data(*args); }; });
}

}  // namespace elbo::cli
