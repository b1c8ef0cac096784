// The program's code is no part of the library, so it is compiled here.
#include "../cli/progress.cpp"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <sstream>

#include "catch.h"

using namespace elbo::cli;
using elbo::models::Losses;

namespace {

const std::string head =
    "           training, nats per sample  validation, nats per sample\n"
    "  epoch     loss  reconstr.       KL     loss  reconstr.       KL  seconds\n";

Losses losses(double loss, double reconstruction, double kl) {
  return {loss, {{"reconstruction", reconstruction}, {"kl", kl}}};
}

EpochSummary summary(int epoch, bool best) {
  EpochSummary s;
  s.epoch = epoch;
  s.train = losses(309.12, 299.87, 9.25);
  s.val = losses(262.054, 247.774, 14.28);
  s.seconds = 1.94;
  s.best = best;
  return s;
}

/// A clock that stands where a test puts it, and a terminal of chosen width.
struct Terminal {
  double time = 100;
  int columns = 80;
  std::ostringstream out;

  ProgressOptions options(bool live, bool color = false) {
    ProgressOptions o;
    o.live = live;
    o.color = color;
    o.width = [this] { return columns; };
    o.now = [this] { return time; };
    return o;
  }
  /// What was printed since the last call.
  std::string take() {
    std::string text = out.str();
    out.str("");
    return text;
  }
};

}  // namespace

TEST_CASE("in a file, progress is a table with one plain line per epoch", "[progress]") {
  Terminal t;
  {
    Progress progress(t.out, t.options(false));
    progress.begin({12, 48000, true});
    for (int i = 0; i <= 10; ++i, t.time += 1) progress.step(4800 * i, 300);
    CHECK_FALSE(progress.due());
    progress.epoch_done(summary(1, true));
    progress.epoch_done(summary(12, false));
    progress.finish();
  }
  CHECK(t.out.str() == head + "   1/12   309.12     299.87     9.25   262.05     247.77    14.28      1.9  best\n" +
                           "  12/12   309.12     299.87     9.25   262.05     247.77    14.28      1.9\n");
}

TEST_CASE("numbers of epochs above 2^31 are shown as they are", "[progress]") {
  Terminal t;
  Progress progress(t.out, t.options(true));
  progress.begin({4294967297, 1000, false, 4294967296});
  EpochSummary s = summary(1, false);
  s.epoch = 4294967296;
  progress.epoch_done(s);
  t.time += 1;
  progress.step(100, 300);
  CHECK_THAT(t.out.str(),
             Catch::Contains("\n4294967296/4294967297   309.12") && Catch::Contains("epoch 4294967297/4294967297"));
}

TEST_CASE("without validation its columns are missing", "[progress]") {
  Terminal t;
  Progress progress(t.out, t.options(false));
  progress.begin({5, 60000, false});
  EpochSummary s = summary(1, false);
  s.val.reset();
  s.train = losses(0.0512, 0.0512, 0);
  progress.epoch_done(s);
  s.train = losses(NAN, INFINITY, -INFINITY);
  progress.epoch_done(s);
  CHECK(t.out.str() ==
        "           training, nats per sample\n"
        "  epoch     loss  reconstr.       KL  seconds\n"
        "    1/5   0.0512     0.0512     0.00      1.9\n"
        "    1/5      nan        inf     -inf      1.9\n");
}

TEST_CASE("the table has a column for each term of the loss, as many as there is room for", "[progress]") {
  const std::vector<std::string> terms = {"reconstruction", "mutual_information", "total_correlation",
                                          "dimension_kl",   "commitment",         "kl_2"};
  const auto table = [&](std::size_t count, int columns, bool has_validation = true) {
    Terminal t;
    t.columns = columns;
    Progress progress(t.out, t.options(false));
    progress.begin({.epochs = 5, .has_validation = has_validation, .terms = {terms.begin(), terms.begin() + count}});
    EpochSummary s;
    s.train.loss = 123.456;
    for (std::size_t i = 0; i < terms.size(); ++i) s.train.terms.emplace_back(terms[i], static_cast<double>(i) + 1);
    if (has_validation) s.val = s.train;
    s.seconds = 1.94;
    s.best = true;
    progress.epoch_done(s);
    return t.out.str();
  };
  CHECK(table(3, 120) ==
        "                    training, nats per sample           validation, nats per sample\n"
        "  epoch     loss  reconstr.       MI       TC     loss  reconstr.       MI       TC  seconds\n"
        "    1/5   123.46       1.00     2.00     3.00   123.46       1.00     2.00     3.00      1.9  best\n");
  CHECK(table(3, 80) ==
        "                    training, nats per sample  validation\n"
        "  epoch     loss  reconstr.       MI       TC        loss  seconds\n"
        "    1/5   123.46       1.00     2.00     3.00      123.46      1.9  best\n");
  CHECK(table(6, 80, false) ==
        "                                      training, nats per sample\n"
        "  epoch     loss  reconstr.       MI       TC  dim. KL  commit.  seconds\n"
        "    1/5   123.46       1.00     2.00     3.00     4.00     5.00      1.9  best\n");
  CHECK(table(1, 80) ==
        "                   training          validation\n"
        "  epoch     loss  reconstr.     loss  reconstr.  seconds\n"
        "    1/5   123.46       1.00   123.46       1.00      1.9  best\n");
  for (int columns : {80, 120})
    for (std::size_t count = 1; count <= terms.size(); ++count) {
      std::istringstream lines(table(count, columns));
      for (std::string line; std::getline(lines, line);) CHECK(line.size() <= static_cast<std::size_t>(columns));
    }
}

TEST_CASE("a term's name over its column is short or whole, never cut", "[progress]") {
  const std::vector<std::pair<const char*, const char*>> titles = {{"decoder_norm", "weights"},
                                                                   {"adversarial", "advers."},
                                                                   {"dip_off_diagonal", "off-diag."},
                                                                   {"free_bits", "free bits"},
                                                                   {"commitment", "commit."},
                                                                   {"dimension_kl", "dim. KL"},
                                                                   {"kl_1", "KL 1"},
                                                                   {"of_ones_own", "of ones own"},
                                                                   {"discriminator", "discrim."}};
  for (const auto& [term, title] : titles) CHECK(short_title(term) == title);
}

TEST_CASE("what is no nats is not called so", "[progress]") {
  using elbo::models::term_unit;
  for (const char* term : {"kl", "reconstruction", "iwae", "total_correlation", "free_bits", "of_ones_own"})
    CHECK(std::string(term_unit(term)) == "nats");
  for (const char* term : {"mmd", "dip_diagonal", "dip_off_diagonal", "decoder_norm", "commitment"})
    CHECK(std::string(term_unit(term)).empty());
  CHECK(std::string(term_unit("perplexity")) == "entries");
}

TEST_CASE("on a terminal, a bar is redrawn in place", "[progress]") {
  Terminal t;
  Progress progress(t.out, t.options(true));
  progress.begin({5, 60000, true});
  CHECK(t.take() == head);

  progress.step(0, 540.5);
  CHECK(t.take() == "\repoch 1/5  [>               ]   0 %        0 pictures/s  -:-- left  loss 540.50\x1b[K");
  t.time += 0.6;
  progress.step(30720, 310.128);  // 51,200 a second, 300,000 in all: 5.26 s to go
  CHECK(t.take() == "\repoch 1/5  [========>       ]  51 %   51,200 pictures/s  0:05 left  loss 310.13\x1b[K");

  SECTION("ten times a second at most") {
    t.time += 0.09;
    CHECK_FALSE(progress.due());
    progress.step(40000, 305);
    CHECK(t.take() == "");
    t.time += 0.02;
    CHECK(progress.due());
    progress.step(40000, 305);
    CHECK(t.take() != "");
  }
  SECTION("then the epoch's line takes its place, and stays") {
    progress.epoch_done(summary(1, true));
    CHECK(t.take() == "\r\x1b[K    1/5   309.12     299.87     9.25   262.05     247.77    14.28      1.9  best\n");
    t.time += 2;
    progress.step(60000, 262.5);
    CHECK(t.take() == "\repoch 2/5  [==============================] 100 %  validating\x1b[K");
    progress.finish();
    CHECK(t.take() == "\r\x1b[K");
    progress.finish();
    CHECK(t.take() == "");
  }
  SECTION("the time left counts what validation takes, the speed does not") {
    t.time = 102;
    progress.epoch_done(summary(1, true));
    t.time = 103;
    t.take();
    progress.step(30000, 250);  // 1.5 of 5 epochs in 3 s: 7 s to go
    CHECK(t.take() == "\repoch 2/5  [========>       ]  50 %   30,000 pictures/s  0:07 left  loss 250.00\x1b[K");
  }
}

TEST_CASE("a resumed run counts from where it was", "[progress]") {
  Terminal t;
  Progress progress(t.out, t.options(true));
  progress.begin({10, 1000, false, 9});
  t.take();
  t.time += 1;
  progress.step(500, 1);  // a quarter of what is left
  CHECK(t.take() == "\repoch 9/10  [========>        ]  50 %      500 pictures/s  0:03 left  loss 1.00\x1b[K");
}

TEST_CASE("a run that was stopped within an epoch counts from there, and its speed from what it trained since",
          "[progress]") {
  Terminal t;
  Progress progress(t.out, t.options(true));
  progress.begin({4, 1000, true, 3, 600});
  t.take();
  t.time += 2;
  progress.step(800, 1);  // 0.2 of the 1.4 epochs that are left, in 2 s
  CHECK(t.take() == "\repoch 3/4  [==============>   ]  80 %      100 pictures/s  0:12 left  loss 1.00\x1b[K");
  progress.epoch_done(summary(3, true));
  t.time += 2;
  t.take();
  progress.step(200, 1);
  CHECK(t.take() == "\repoch 4/4  [===>              ]  20 %      100 pictures/s  0:05 left  loss 1.00\x1b[K");
}

TEST_CASE("the bar never reaches the terminal's last column", "[progress]") {
  Terminal t;
  Progress progress(t.out, t.options(true));
  progress.begin({5, 60000, true});
  for (int columns : {200, 100, 80, 76, 70, 40, 20, 1}) {
    t.columns = columns;
    t.take();
    t.time += 1;
    progress.step(20000, 250);
    const std::string line = t.take();
    CAPTURE(columns, line);
    REQUIRE(line.size() >= 4);
    CHECK(line.size() - 4 < static_cast<std::size_t>(columns));  // less \r and the three bytes that clear the rest
  }
}

TEST_CASE("colours only where asked for, and the bar goes when an error ends it", "[progress]") {
  Terminal t;
  {
    Progress progress(t.out, t.options(true, true));
    progress.begin({5, 60000, true});
    CHECK(t.take().substr(0, 4) == "\x1b[1m");
    t.time += 1;
    progress.step(30000, 250);
    CHECK(t.take() ==
          "\repoch 1/5  [\x1b[32m========>       \x1b[0m]  50 %   30,000 pictures/s  0:09 left  loss 250.00\x1b[K");
  }
  CHECK(t.take() == "\r\x1b[K");
}

TEST_CASE("a file is no terminal, and TERM and NO_COLOR are obeyed on one", "[progress]") {
  const int file = open("/dev/null", O_WRONLY);
  REQUIRE(file >= 0);
  CHECK_FALSE(progress_options(file).live);
  CHECK_FALSE(progress_options(file).color);
  CHECK(progress_options(file).width() == 80);
  close(file);

  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || isatty(terminal) != 1) {
    WARN("skipped: this machine gives no pseudo-terminal");
    return;
  }
  const auto with = [&](const char* term, const char* no_color) {
    const char* old_term = std::getenv("TERM");
    const std::string saved = old_term ? old_term : "";
    setenv("TERM", term, 1);
    setenv("NO_COLOR", no_color, 1);
    const ProgressOptions options = progress_options(terminal);
    setenv("TERM", saved.c_str(), 1);
    unsetenv("NO_COLOR");
    return options;
  };
  CHECK(with("xterm", "").live);
  CHECK(with("xterm", "").color);
  CHECK(with("xterm", "1").live);
  CHECK_FALSE(with("xterm", "1").color);
  CHECK_FALSE(with("dumb", "").live);
  CHECK_FALSE(with("dumb", "").color);
  close(terminal);
}

TEST_CASE("durations", "[progress]") {
  CHECK(format_duration(7.4) == "0:07");
  CHECK(format_duration(59.6) == "1:00");
  CHECK(format_duration(754) == "12:34");
  CHECK(format_duration(3723) == "1:02:03");
  CHECK(format_duration(NAN) == "-:--");
  CHECK(format_duration(-1) == "-:--");
}

TEST_CASE("losses of any size stay apart and do not look like others", "[progress]") {
  for (double value : {0.0, 1e-9, -1e-9, 5e-5, 0.25, 309.125, 99999.99, 123456.7, 123456789.1, -123456789.1, 1e30,
                       -1e30, 1e308, -1e308, 5e-324, double(NAN), double(INFINITY), -double(INFINITY)}) {
    for (int width : {8, 10, 12}) {
      const std::string text = elbo::models::loss_text(value, width);
      INFO(text);
      CHECK(text.size() <= static_cast<std::size_t>(width));
      const double shown = std::strtod(text.c_str(), nullptr);
      if (std::isnan(value)) CHECK(std::isnan(shown));
      if (std::isinf(value)) CHECK(shown == value);
      if (std::isfinite(value) && std::isfinite(shown)) CHECK(std::abs(shown - value) <= 0.06 * std::abs(value));
      if (std::isfinite(value)) CHECK((shown == 0) == (value == 0));
    }
    Terminal t;
    Progress progress(t.out, t.options(false));
    progress.begin({1, 1000});
    t.take();
    progress.epoch_done({.train = losses(value, value, value)});
    const std::string row = t.take().substr(7, 29);
    CHECK(row[0] == ' ');
    CHECK(row[9] == ' ');
    CHECK(row[20] == ' ');
  }
}
