// A profile as a table and as a trace.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cpu/roofline.h"
#include "file.h"
#include "parallel_for.h"
#include "profile.h"
#include "profiler_detail.h"
#include "text.h"

namespace elbo {
namespace {

constexpr std::size_t op_width = 23, layer_width = 13;

/// Three digits, more before the point; nothing for 0.
std::string digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text,
                value >= 99.95    ? "%.0f"
                : value >= 9.995  ? "%.1f"
                : value >= 0.9995 ? "%.2f"
                                  : "%.3f",
                value);
  return value == 0 ? "" : text;
}

/// An op or a layer in its column; what is too long loses its middle or, to keep the end, its beginning.
std::string op_text(const ProfileRow& row) {
  const std::string gradient = row.backward ? " grad" : "";
  const std::string name = printable(row.op);
  const std::size_t room = op_width - gradient.size();
  return (name.size() <= room ? name : name.substr(0, room - 2) + "..") + gradient;
}

std::string layer_text(const std::string& layer) {
  const std::string name = printable(layer);
  return name.size() <= layer_width ? name : ".." + name.substr(name.size() - layer_width + 2);
}

struct Cells {
  std::string op, layer, calls, ms, time, gflop, gb, share;
};

std::string line(const Cells& cells) {
  char text[128];
  std::snprintf(text, sizeof text, "%-23s %-13s %6s %8s %5s %7s %6s %5s", cells.op.c_str(), cells.layer.c_str(),
                cells.calls.c_str(), cells.ms.c_str(), cells.time.c_str(), cells.gflop.c_str(), cells.gb.c_str(),
                cells.share.c_str());
  std::string out = text;
  return out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
}

/// In per cent: of the multiply-adds where there are some, else of the memory.
std::string share_text(const ProfileRow& row, const Peaks& peaks) {
  const double peak = row.flop > 0 ? peaks.flops : peaks.bandwidth, done = row.flop > 0 ? row.flop : row.bytes;
  return peak > 0 && row.seconds > 0 ? digits(100 * done / row.seconds / peak) : "";
}

Cells cells_of(const ProfileRow& row, double seconds) {
  return {.op = op_text(row),
          .layer = layer_text(row.layer),
          .calls = row.calls > 0 ? std::to_string(row.calls) : "",
          .ms = digits(row.seconds * 1e3),
          .time = digits(100 * row.seconds / std::max(seconds, 1e-9)),
          .gflop = digits(row.flop * 1e-9),
          .gb = digits(row.bytes * 1e-9),
          .share = ""};
}

nlohmann::ordered_json event_json(const detail::Profiler& profiler, const detail::Profiler::Event& event,
                                  std::int64_t start) {
  using Kind = detail::Profiler::Kind;
  const std::string layer = to_utf8(profiler.name_of(event.layer));
  nlohmann::ordered_json out;
  out["name"] = event.kind == Kind::span ? "span" : event.kind == Kind::layer ? layer : to_utf8(event.name);
  out["cat"] = event.kind == Kind::span       ? "span"
               : event.kind == Kind::layer    ? "layer"
               : event.kind == Kind::backward ? "backward"
                                              : "forward";
  out["ph"] = "X";
  out["ts"] = static_cast<double>(event.begin - start) * 1e-3;
  out["dur"] = static_cast<double>(event.nanoseconds) * 1e-3;
  out["pid"] = 1;
  out["tid"] = 1;
  if (event.kind < Kind::forward) return out;
  out["args"] = {{"layer", layer}, {"flop", event.flop}, {"bytes", event.bytes}};
  return out;
}

}  // namespace

Peaks Profile::peaks() const {
  if (!profiler_->peaks) {
    const int threads = num_threads();
    profiler_->peaks =
        profiler_->on_gpu ? Peaks{} : Peaks{cpu_kernels::fma_peak(threads), cpu_kernels::memory_bandwidth(threads)};
  }
  return *profiler_->peaks;
}

std::string Profile::table() const {
  const Peaks most = peaks();
  const double whole = seconds();
  std::string out = line({"op", "layer", "calls", "ms", "%", "GFLOP", "GB", "share"});
  ProfileRow others;
  std::int64_t kinds = 0;
  for (const ProfileRow& row : rows()) {
    if (row.seconds < whole / 200) {
      ++kinds;
      others.calls += row.calls;
      others.seconds += row.seconds;
      others.flop += row.flop;
      others.bytes += row.bytes;
      continue;
    }
    Cells cells = cells_of(row, whole);
    cells.share = share_text(row, most);
    out += line(cells);
  }
  others.op = std::to_string(kinds) + (kinds == 1 ? " other" : " others");
  if (kinds > 0) out += line(cells_of(others, whole));
  out += line(cells_of({.op = "outside of ops", .seconds = outside_seconds()}, whole));
  if (most.flops > 0)
    out += "share: per cent of " + digits(most.flops * 1e-9) + " GFLOP/s where there is FLOP, else of " +
           digits(most.bandwidth * 1e-9) + " GB/s of memory\n";
  return out;
}

void Profile::write_trace(const std::filesystem::path& path) const {
  AtomicFile file(path);
  const auto& events = profiler_->events;
  std::int64_t start = events.empty() ? 0 : events.front().begin;
  for (const auto& event : events) start = std::min(start, event.begin);
  file.write("{\"displayTimeUnit\": \"ms\", \"otherData\": {\"events left out\": " +
             std::to_string(profiler_->left_out) + "}, \"traceEvents\": [");
  const char* between = "\n";
  for (const auto& event : events) {
    if (event.kind == detail::Profiler::Kind::layer && profiler_->name_of(event.layer).empty()) continue;
    file.write(between + event_json(*profiler_, event, start).dump());
    between = ",\n";
  }
  file.write("\n]}\n");
  file.commit();
}

}  // namespace elbo
