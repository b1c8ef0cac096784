#include "progress.h"

#include <elbo/models/training/run.h>
#include <elbo/viz/report_facts.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <ostream>
#include <string_view>
#include <utility>

namespace elbo::cli {
namespace {

constexpr double redraw_seconds = 0.1;
constexpr const char* bold_code = "\x1b[1m";
constexpr const char* green = "\x1b[32m";

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int terminal_width(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string padded(const std::string& text, int width) {
  return std::string(static_cast<std::size_t>(std::max(width - static_cast<int>(text.size()), 0)), ' ') + text;
}

/// A term's name over its column: short where there is a short form that is understood, else whole.
std::string short_title(const std::string& term) {
  constexpr std::pair<const char*, const char*> known[] = {{"reconstruction", "reconstr."},
                                                           {"total_correlation", "TC"},
                                                           {"mutual_information", "MI"},
                                                           {"dimension_kl", "dim. KL"},
                                                           {"mmd", "MMD"},
                                                           {"dip_diagonal", "diagonal"},
                                                           {"dip_off_diagonal", "off-diag."},
                                                           {"adversarial", "advers."},
                                                           {"decoder_norm", "weights"},
                                                           {"code_norm", "codes"},
                                                           {"commitment", "commit."},
                                                           {"discriminator", "discrim."}};
  for (const auto& [name, title] : known)
    if (term == name) return title;
  return models::term_title(term);
}

constexpr int epoch_width = 7, seconds_width = 9, best_width = 6;

}  // namespace

ProgressOptions progress_options(int fd) {
  ProgressOptions options;
  options.live = isatty(fd) == 1 && environment("TERM") != "dumb";
  options.color = options.live && environment("NO_COLOR").empty();
  options.width = [fd] { return terminal_width(fd); };
  return options;
}

Progress::Progress(std::ostream& out, ProgressOptions options) : out_(out), options_(std::move(options)) {
  if (!options_.width) options_.width = [] { return 80; };
  if (!options_.now) options_.now = steady_seconds;
}

Progress::~Progress() { finish(); }

Progress::Columns Progress::columns_of(const std::vector<std::string>& terms) {
  Columns out = {{"", "loss"}};
  for (const std::string& term : terms) {
    const std::string title = short_title(term);
    out.push_back({term, title, std::max(9, static_cast<int>(title.size()) + 2)});
  }
  return out;
}

int Progress::width_of(const Columns& columns) {
  int out = 0;
  for (const Column& one : columns) out += one.width;
  return out;
}

std::string Progress::titles_of(const Columns& columns) {
  std::string out;
  for (const Column& one : columns) out += padded(one.title, one.width);
  return out;
}

std::string Progress::cells_of(const Columns& columns, const models::Losses* losses) {
  std::string out;
  for (const Column& one : columns) {
    const double* nats = !losses ? nullptr : one.term.empty() ? &losses->loss : losses->find(one.term);
    out += padded(nats ? models::loss_text(*nats, std::min(one.width, 11) - 1) : "-", one.width);
  }
  return out;
}

void Progress::choose_columns(const std::vector<std::string>& terms) {
  const int room = options_.width() - epoch_width - seconds_width - best_width;
  train_ = columns_of(terms);
  if (course_.has_validation) val_ = train_;
  if (width_of(train_) + width_of(val_) <= room) return;
  if (course_.has_validation) val_ = {{"", "loss", 12}};  // below "validation"
  while (train_.size() > 2 && width_of(train_) + width_of(val_) > room) train_.pop_back();
}

void Progress::begin(const Course& course) {
  course_ = course;
  epoch_ = course.first_epoch;
  choose_columns(course.terms);
  begin_time_ = epoch_time_ = options_.now();
  drawn_time_ = -std::numeric_limits<double>::infinity();
  const auto over = [](const Columns& columns, const std::string& what) {
    const std::string text = what + ", nats per sample";
    return static_cast<int>(text.size()) + 2 <= width_of(columns) ? text : what;
  };
  out_ << styled(padded(over(train_, "training"), epoch_width + width_of(train_)), bold_code);
  if (course_.has_validation) out_ << styled(padded(over(val_, "validation"), width_of(val_)), bold_code);
  out_ << '\n' << styled("  epoch" + titles_of(train_) + titles_of(val_) + "  seconds", bold_code) << std::endl;
}

bool Progress::due() const { return options_.live && options_.now() - drawn_time_ >= redraw_seconds; }

void Progress::step(std::int64_t samples_done, double running_loss) {
  if (!due()) return;
  const double now = drawn_time_ = options_.now();
  // The new line covers the old one and clears the rest of it, which flickers less than clearing first.
  out_ << '\r' << bar(samples_done, running_loss, now) << "\x1b[K" << std::flush;
  bar_shown_ = true;
}

void Progress::epoch_done(const EpochSummary& summary) {
  clear_bar();
  char seconds[64];
  std::snprintf(seconds, sizeof seconds, "%9.1f", summary.seconds);
  out_ << padded(std::to_string(summary.epoch) + "/" + std::to_string(course_.epochs), epoch_width)
       << cells_of(train_, &summary.train) << cells_of(val_, summary.val ? &*summary.val : nullptr) << seconds;
  if (summary.best) out_ << "  " << styled("best", green);
  out_ << std::endl;
  epoch_ = summary.epoch + 1;
  epoch_time_ = options_.now();
}

void Progress::finish() {
  clear_bar();
  out_.flush();
}

double Progress::share_of(std::int64_t samples) const {
  if (course_.samples_per_epoch <= 0) return 1;
  return std::clamp(static_cast<double>(samples) / static_cast<double>(course_.samples_per_epoch), 0.0, 1.0);
}

std::string Progress::bar(std::int64_t samples_done, double running_loss, double now) const {
  const double share = share_of(samples_done);
  // What this call trains alone: a resumed run has spent no time on what came before.
  const std::int64_t samples = samples_done - (epoch_ == course_.first_epoch ? course_.first_samples : 0);
  const double speed = now > epoch_time_ ? static_cast<double>(samples) / (now - epoch_time_) : 0;
  const double before = share_of(course_.first_samples);
  const double done = static_cast<double>(epoch_ - course_.first_epoch) + share - before;
  const double all = static_cast<double>(course_.epochs - course_.first_epoch) + 1 - before;
  const double spent = now - begin_time_;
  const double left = done > 0 && spent > 0 ? spent * (all - done) / done : std::nan("");

  const std::string head = "epoch " + std::to_string(epoch_) + "/" + std::to_string(course_.epochs);
  const std::string percent = padded(std::to_string(static_cast<int>(share * 100)), 3) + " %";
  std::string tail = "  " + padded(viz::thousands(std::llround(speed)), 7) + " pictures/s  " + format_duration(left) +
                     " left  loss " + models::loss_text(running_loss, 12);
  // During validation no samples pass; say so rather than stand still.
  if (share >= 1 && course_.has_validation) tail = "  validating";

  const int room = options_.width() - 1;  // in the last column some terminals wrap
  int cells = room - static_cast<int>(head.size() + percent.size() + tail.size()) - 5;
  if (cells < 10) {
    const std::string line = head + "  " + percent + tail;
    return line.substr(0, static_cast<std::size_t>(std::max(room, 0)));
  }
  cells = std::min(cells, 30);
  const int filled = static_cast<int>(share * cells);
  std::string track(static_cast<std::size_t>(filled), '=');
  if (filled < cells) track += '>' + std::string(static_cast<std::size_t>(cells - filled - 1), ' ');
  return head + "  [" + styled(track, green) + "] " + percent + tail;
}

std::string Progress::styled(const std::string& text, const char* code) const {
  return options_.color ? code + text + "\x1b[0m" : text;
}

void Progress::clear_bar() {
  if (bar_shown_) out_ << "\r\x1b[K";
  bar_shown_ = false;
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0 && seconds < 1e9)) return "-:--";
  const long long total = std::llround(seconds), hours = total / 3600, minutes = total / 60 % 60;
  char buffer[40];
  if (hours > 0)
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld:%02lld", hours, minutes, total % 60);
  else
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld", minutes, total % 60);
  return buffer;
}

}  // namespace elbo::cli
