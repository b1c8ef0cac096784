#pragma once
#include <elbo/models/losses.h>

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace elbo::cli {

/// What one epoch brought.
struct EpochSummary {
  std::int64_t epoch = 1;  ///< counted from 1
  models::Losses train = {};
  std::optional<models::Losses> val = {};
  double seconds = 0;  ///< of training, without validation
  bool best = false;   ///< the lowest validation loss so far
};

/// Where and how progress is shown.
struct ProgressOptions {
  bool live = false;            ///< redraw a bar in place; otherwise plain lines only
  bool color = false;           ///< ANSI colours
  std::function<int()> width;   ///< columns of the terminal, asked for at each redraw; 80 when not set
  std::function<double()> now;  ///< seconds on a clock that never goes back; the steady clock when not set
};

/// Options for the terminal or file behind `fd` (1 or 2): live on a terminal unless TERM is `dumb`, in colour unless
/// NO_COLOR is set to something, as wide as the terminal says.
ProgressOptions progress_options(int fd);

/// What lies before a training.
struct Course {
  std::int64_t epochs = 1, samples_per_epoch = 0;
  bool has_validation = false;
  /// A resumed run starts at one above 1, where it was stopped within an epoch after `first_samples` of it.
  std::int64_t first_epoch = 1, first_samples = 0;
  std::vector<std::string> terms = {"reconstruction", "kl"};  ///< of the loss, for the table's columns
};

/// Shows training as a table with a line per epoch, and on a terminal a live bar below it:
///
///                training, nats per sample  validation, nats per sample
///       epoch     loss  reconstr.       KL     loss  reconstr.       KL  seconds
///         1/5   309.12     299.87     9.25   262.05     247.77    14.28      1.9  best
///     epoch 2/5  [=====>          ]  36 %   25,600 pictures/s  0:09 left  loss 265.13
///
/// Where the terminal has no room for all terms twice, the validation has the loss alone, and where it has none for all
/// once, the last ones are left out. Use from one thread.
class Progress {
 public:
  explicit Progress(std::ostream& out, ProgressOptions options = {});
  /// Takes the bar away, so that an error message starts on a line of its own.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Prints the head of the table.
  void begin(const Course& course);
  /// Whether the next step() draws, at most ten times a second: before that nobody need ask for the loss, which may lie
  /// on a device that has to be waited for.
  bool due() const;
  /// The samples of this epoch that training has passed, and the mean loss over them. Draws where that is due.
  void step(std::int64_t samples_done, double running_loss);
  /// Replaces the bar by the epoch's line.
  void epoch_done(const EpochSummary& summary);
  /// The end, early or not. More calls do nothing.
  void finish();

 private:
  struct Column {
    std::string term, title;  ///< no term: the loss
    int width = 9;
  };
  using Columns = std::vector<Column>;
  static Columns columns_of(const std::vector<std::string>& terms);
  static int width_of(const Columns& columns);
  static std::string titles_of(const Columns& columns);
  static std::string cells_of(const Columns& columns, const models::Losses* losses);
  void choose_columns(const std::vector<std::string>& terms);

  double share_of(std::int64_t samples) const;
  std::string bar(std::int64_t samples_done, double running_loss, double now) const;
  std::string styled(const std::string& text, const char* code) const;
  void clear_bar();

  std::ostream& out_;
  ProgressOptions options_;
  Course course_;
  Columns train_, val_;
  std::int64_t epoch_ = 1;
  double begin_time_ = 0, epoch_time_ = 0, drawn_time_ = 0;
  bool bar_shown_ = false;
};

/// "0:07", "12:34", "1:02:03": hours only where there are some. "-:--" for what is not a time.
std::string format_duration(double seconds);

}  // namespace elbo::cli
