#pragma once
#include <elbo/viz/report_facts.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "inputs.h"
#include "progress.h"

/// What the commands that measure and tell have in common: the files they write and what they say while they work.
namespace elbo::cli {

/// What a command writes.
enum class Format { png, svg, csv, html };

/// What a command reads, which it must not write over.
struct Sources {
  std::vector<std::filesystem::path> runs = {};   ///< their folders
  std::vector<std::filesystem::path> files = {};  ///< of `--input`
  std::vector<std::filesystem::path> data = {};   ///< the folders of datasets
};
/// Those of a command on runs: the folders where they were trained, and that of `--data`.
Sources sources_of(const std::vector<Trained>& runs, const RunArgs& args);

/// The file that `option` names: `-` is standard output, that is /dev/stdout. Says early, before the work, that it
/// cannot be written: throws IoError where its folder is not there or may not be written to, or where it is a folder
/// itself; ValueError for standard output where `json` goes there, for a name that ends as another format's do, and for
/// a file of a run, or one that is read.
std::filesystem::path checked_output(const std::string& option, const std::filesystem::path& file, Format format,
                                     const Sources& sources, bool json);
/// Whether both names lead to one file, which need not be there yet.
bool same_file(const std::filesystem::path& a, const std::filesystem::path& b);
/// Whether a file is standard output by some name: then nothing else may be printed there.
bool is_stdout(const std::filesystem::path& file);

/// A cell of a CSV file (RFC 4180): in quotes where it holds a comma, a quote or a line's end.
std::string csv_cell(std::string_view text);
/// The shortest text that reads back as the same number; empty for a NaN.
std::string csv_number(double value);
std::string csv_number(float value);

using viz::counted;

/// The loss and its terms by name, for JSON; `total` is what the loss is called.
nlohmann::ordered_json losses_json(const models::Losses& losses, const char* total = "loss");

/// What is being done, on a terminal only: one line of standard error that is taken away again.
class Status {
 public:
  Status();
  ~Status();
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  void show(const std::string& text);
  /// Iteration `done` of `total`, or other things than iterations. Drawn now and then.
  void show(const std::string& what, std::int64_t done, std::int64_t total, const std::string& things = "iterations");
  void clear();

 private:
  ProgressOptions options_;
  bool shown_ = false;
  double drawn_ = 0;  ///< when, in seconds
};

}  // namespace elbo::cli
