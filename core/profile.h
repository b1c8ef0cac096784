#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "api.h"

/// Where the time goes: per op and layer.
namespace ELBO_API elbo {

namespace detail {
class Profiler;
}  // namespace detail

/// What the calls of one op from one layer have cost in all.
struct ProfileRow {
  std::string op = {};     ///< as it was called, such as `cross_entropy`, whatever it is made of
  bool backward = false;   ///< its gradient rule
  std::string layer = {};  ///< the layer that called it, also of its gradient; empty outside of the layers with a name
  std::int64_t calls = 0;
  double seconds = 0;
  /// Of matrix products and convolutions: two for each multiply-add, those with padding too. Elsewhere 0, as memory is
  /// what bounds the other ops.
  double flop = 0;
  /// What its kernels read and write, each operand once; of an index kernel, whose call does not tell the sizes of its
  /// operands, what it writes.
  double bytes = 0;
};

/// What the processor does at most with the threads in use: float32 operations and bytes of memory per second.
struct Peaks {
  double flops = 0, bandwidth = 0;
};

/// What a thread's ops have cost while a ProfileGuard lived:
///
///     Profile profile;
///     nn::name_layers(profile, model);
///     for (int i = 0; i < steps; ++i) {
///       ProfileGuard watching(profile);
///       step();
///     }
///     std::cout << profile.table();
///     profile.write_trace("trace.json");
///
/// An op's time is that on the calling thread, from its checks to its result, without the ops inside a gradient rule of
/// the caller's own. On a GPU each op is waited for, so that its time is its own: the whole is then slower, and no
/// graph is recorded. It takes some 0.1 us an op; where no guard lives, nothing.
class Profile {
 public:
  Profile();
  ~Profile();
  Profile(Profile&&) noexcept;
  Profile& operator=(Profile&&) noexcept;

  /// What rows and trace call the layer at this address. nn::name_layers does it for a whole module.
  void name_layer(const void* layer, std::string name);

  /// How many guards there were, and the seconds during which they lived.
  std::int64_t spans() const;
  double seconds() const;
  /// The longest first. Their seconds and `outside_seconds` are `seconds` together.
  std::vector<ProfileRow> rows() const;
  /// What passed between ops.
  double outside_seconds() const;

  /// Measured at the first call, which takes a second; both 0 where an op ran on a GPU.
  Peaks peaks() const;
  /// The rows in at most 80 columns, those with less than a 200th of the time as one, with each one's share of the
  /// peaks.
  std::string table() const;
  /// The same as a Chrome trace (JSON), for chrome://tracing or Perfetto: ops and layers on a line of time, the first
  /// 200,000 of them. Throws as write_file_atomically does.
  void write_trace(const std::filesystem::path& path) const;

 private:
  friend class ProfileGuard;
  std::unique_ptr<detail::Profiler> profiler_;
};

/// While one lives, what this thread computes is added to the profile, which must outlive it. Throws ValueError where
/// one lives on this thread already. What is computed on other threads by their own calls is no part of it.
class ProfileGuard {
 public:
  explicit ProfileGuard(Profile& profile);
  ~ProfileGuard();
  ProfileGuard(const ProfileGuard&) = delete;
  ProfileGuard& operator=(const ProfileGuard&) = delete;
};

}  // namespace elbo
