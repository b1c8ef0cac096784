#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "profile.h"

namespace elbo::detail {

/// What a Profile keeps: what is open on the thread that it listens to, sums of what is over, and the first of these.
class Profiler {
 public:
  enum class Kind : std::uint8_t { span, layer, forward, backward };

  void begin(Kind kind, const char* name, const void* layer);
  /// Ends what was begun last.
  void end();
  /// Whether a kernel would belong to no op.
  bool between_ops() const { return open_.empty() || open_.back().kind < Kind::forward; }
  void add_kernel(double flop, double bytes);

  struct Key {
    const char* name;
    const void* layer;
    bool backward;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      const std::hash<const void*> hash;
      return hash(key.name) * 31 + hash(key.layer) * 7 + key.backward;
    }
  };
  struct Total {
    std::int64_t calls = 0, nanoseconds = 0;
    double flop = 0, bytes = 0;
  };
  struct Event {
    Kind kind;
    const char* name;
    const void* layer;
    std::int64_t begin, nanoseconds;
    double flop, bytes;
  };
  static constexpr std::size_t most_events = 200'000;

  /// Empty for a layer that was given no name.
  std::string name_of(const void* layer) const;

  std::unordered_map<Key, Total, Hash> totals;
  std::vector<Event> events;
  std::int64_t left_out = 0;  ///< events beyond those
  std::map<const void*, std::string> layers;
  std::int64_t spans = 0, nanoseconds = 0;
  bool on_gpu = false;
  std::optional<Peaks> peaks;

 private:
  struct Open {
    Kind kind;
    const char* name;
    const void* layer;
    std::int64_t begin;
    std::int64_t inner = 0;  ///< nanoseconds of the ops inside, which have rows of their own
    double flop = 0, bytes = 0;
  };
  std::vector<Open> open_;
};

}  // namespace elbo::detail
