#include "outputs.h"

#include <elbo/core/errors.h>
#include <elbo/core/file.h>
#include <elbo/viz/report_facts.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace elbo::cli {

namespace fs = std::filesystem;

bool is_stdout(const fs::path& file) { return descriptor_of(file) == STDOUT_FILENO; }

fs::path checked_output(const std::string& option, const fs::path& given, bool json) {
  fs::path file = given == "-" ? fs::path("/dev/stdout") : given;
  if (is_stdout(file)) {
    ELBO_CHECK(!json, ValueError, option, " ", given.string(), ": expected a file, --json goes to standard output");
    return file;
  }
  std::error_code error;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  ELBO_CHECK(fs::is_directory(folder, error), IoError, file.string(), ": cannot be written, ", folder.string(),
             " is not a folder");
  ELBO_CHECK(!fs::is_directory(file, error), IoError, file.string(), ": expected a file to write, found a folder");
  const bool may = faccessat(AT_FDCWD, (fs::exists(file, error) ? file : folder).c_str(), W_OK, AT_EACCESS) == 0;
  ELBO_CHECK(may, IoError, file.string(), ": cannot be written: ", std::strerror(errno));
  return file;
}

std::string csv_cell(std::string_view text) {
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

std::string counted(std::int64_t count, const std::string& one, const std::string& several) {
  return viz::thousands(count) + " " + (count == 1 ? one : several);
}

Status::Status() : options_(progress_options(2)) {}

Status::~Status() { clear(); }

void Status::show(const std::string& text) {
  if (!options_.live) return;
  const auto room = static_cast<std::size_t>(std::max(options_.width() - 1, 1));
  std::fprintf(stderr, "\r\x1b[K%s", text.substr(0, room).c_str());
  std::fflush(stderr);
  shown_ = true;
}

void Status::show(const std::string& what, std::int64_t done, std::int64_t total) {
  constexpr std::int64_t every = 10;
  if (done % every == 0 || done == total)
    show(what + ": " + viz::thousands(done) + " of " + viz::thousands(total) + " iterations");
}

void Status::clear() {
  if (!shown_) return;
  std::fprintf(stderr, "\r\x1b[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace elbo::cli
