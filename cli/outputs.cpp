#include "outputs.h"

#include <elbo/core/errors.h>
#include <elbo/core/file.h>
#include <elbo/core/text.h>
#include <elbo/viz/report_facts.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <system_error>

namespace elbo::cli {

namespace fs = std::filesystem;

bool is_stdout(const fs::path& file) { return descriptor_of(file) == STDOUT_FILENO; }

Sources sources_of(const std::vector<Trained>& runs, const RunArgs& args) {
  Sources out;
  for (const Trained& trained : runs) {
    out.runs.push_back(trained.run.folder());
    if (!trained.run.config().data.dir.empty()) out.data.push_back(trained.run.config().data.dir);
  }
  if (!args.data.empty()) out.data.push_back(args.data);
  return out;
}

namespace {

/// Where a file lies, or would, once all links are followed.
fs::path resolved(fs::path file) {
  constexpr int most_links = 40;
  std::error_code error;
  for (int i = 0; i < most_links && fs::is_symlink(file, error); ++i)
    file = file.parent_path() / fs::read_symlink(file, error);
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  return fs::weakly_canonical(folder, error) / file.filename();
}

constexpr const char* run_files[] = {"config.json", "history.jsonl", "model.safetensors", "lock"};

bool is_run(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder / "config.json", error)) return false;
  return fs::exists(folder / "history.jsonl", error) || fs::exists(folder / "checkpoint", error);
}

/// Whether a file without which a run is lost lies there, or would: what training draws is none.
bool is_of_run(const fs::path& file) {
  const fs::path folder = file.parent_path();
  if (folder.filename() == "checkpoint" && is_run(folder.parent_path())) return true;
  return is_run(folder) &&
         std::find(std::begin(run_files), std::end(run_files), file.filename()) != std::end(run_files);
}

/// Whether a folder, or one below, holds the file under some name; or is that file.
bool holds(const fs::path& folder, const fs::path& file) {
  std::error_code error, ignored;
  if (fs::equivalent(folder, file, ignored)) return true;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error))
    if (it->is_regular_file(ignored) && fs::equivalent(it->path(), file, ignored)) return true;
  return false;
}

void check_not_read(const std::string& named, const fs::path& file, const Sources& sources) {
  std::error_code error;
  const fs::path place = resolved(file);
  ELBO_CHECK(!is_of_run(place), ValueError, named, ": expected a file of its own, found ", place.filename().string(),
             " of the run in ", place.parent_path().string());
  if (!fs::is_regular_file(place, error)) return;
  for (const fs::path& run : sources.runs) {
    for (const char* name : run_files)
      ELBO_CHECK(!same_file(place, run / name), ValueError, named, ": expected a file of its own, found ", name,
                 " of the run in ", run.string());
    ELBO_CHECK(!holds(run / "checkpoint", place), ValueError, named,
               ": expected a file of its own, found the checkpoint", " of the run in ", run.string());
  }
  for (const fs::path& input : sources.files)
    ELBO_CHECK(!same_file(place, input), ValueError, named, ": expected another file than --input ", input.string());
  // A run folder may lie among the pictures: its own are no part of the dataset. Nor is a table or a page.
  const std::string ending = lower(place.extension().string());
  if (is_run(place.parent_path()) || ending == ".csv" || ending == ".svg" || ending == ".html") return;
  for (const fs::path& folder : sources.data)
    ELBO_CHECK(!holds(folder, place), ValueError, named, ": expected a file of its own, found one of the dataset in ",
               folder.string());
}

/// The endings of other formats promise what the file will not be; all others promise nothing.
void check_ending(const std::string& named, const fs::path& file, Format format) {
  struct Ending {
    const char *own, *name;
  };
  constexpr Ending of_format[] = {
      {".png", "a PNG picture"}, {".svg", "an SVG"}, {".csv", "a CSV table"}, {".html", "an HTML page"}};
  constexpr const char* known[] = {".png", ".svg",  ".csv", ".html", ".htm",  ".jpg", ".jpeg",
                                   ".gif", ".webp", ".bmp", ".tif",  ".tiff", ".pdf", ".json"};
  const Ending& own = of_format[static_cast<std::size_t>(format)];
  const std::string found = lower(file.extension().string());
  const bool fits = found == own.own || (format == Format::html && found == ".htm");
  ELBO_CHECK(fits || std::find(std::begin(known), std::end(known), found) == std::end(known), ValueError, named,
             ": expected a name that ends in ", own.own, ", for ", own.name, ", found one in ",
             file.extension().string());
}

}  // namespace

bool same_file(const fs::path& a, const fs::path& b) {
  if (descriptor_of(a) >= 0 || descriptor_of(b) >= 0) return descriptor_of(a) == descriptor_of(b);
  std::error_code error;
  return fs::equivalent(a, b, error) || resolved(a) == resolved(b);
}

fs::path checked_output(const std::string& option, const fs::path& given, Format format, const Sources& sources,
                        bool json) {
  fs::path file = given == "-" ? fs::path("/dev/stdout") : given;
  const std::string named = option + " " + given.string();
  if (is_stdout(file)) {
    ELBO_CHECK(!json, ValueError, named, ": expected a file, --json goes to standard output");
    return file;
  }
  std::error_code error;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  ELBO_CHECK(fs::is_directory(folder, error), IoError, file.string(), ": cannot be written, ", folder.string(),
             " is not a folder");
  ELBO_CHECK(!fs::is_directory(file, error), IoError, file.string(), ": expected a file to write, found a folder");
  const bool exists = fs::exists(file, error);
  if (!exists || fs::is_regular_file(file, error)) {
    check_not_read(named, file, sources);
    check_ending(named, file, format);
  }
  const bool may = faccessat(AT_FDCWD, (exists ? file : folder).c_str(), W_OK, AT_EACCESS) == 0;
  ELBO_CHECK(may, IoError, file.string(), ": cannot be written: ", std::strerror(errno));
  return file;
}

nlohmann::ordered_json losses_json(const models::Losses& losses, const char* total) {
  nlohmann::ordered_json out{{total, losses.loss}};
  for (const auto& [term, nats] : losses.terms) out[term] = nats;
  return out;
}

std::string csv_cell(std::string_view text) {
  if (!is_utf8(text)) return csv_cell(to_utf8(text));
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

namespace {

template <class Number>
std::string shortest(Number value) {
  if (std::isnan(value)) return "";
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace

std::string csv_number(double value) { return shortest(value); }

std::string csv_number(float value) { return shortest(value); }

Status::Status() : options_(progress_options(2)) {}

Status::~Status() { clear(); }

void Status::show(const std::string& text) {
  if (!options_.live) return;
  const auto room = static_cast<std::size_t>(std::max(options_.width() - 1, 1));
  std::fprintf(stderr, "\r\x1b[K%s", text.substr(0, room).c_str());
  std::fflush(stderr);
  shown_ = true;
}

void Status::show(const std::string& what, std::int64_t done, std::int64_t total, const std::string& things) {
  if (!options_.live) return;
  const double now = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  if (now - drawn_ < 0.1 && done != total) return;
  drawn_ = now;
  show(what + ": " + viz::thousands(done) + " of " + viz::thousands(total) + " " + things);
}

void Status::clear() {
  if (!shown_) return;
  std::fprintf(stderr, "\r\x1b[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace elbo::cli
