#include "profile.h"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

#include "errors.h"
#include "profile_detail.h"
#include "profiler_detail.h"

namespace elbo {
namespace detail {
namespace {

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void Profiler::begin(Kind kind, const char* name, const void* layer) { open_.push_back({kind, name, layer, now()}); }

void Profiler::end() {
  const Open over = open_.back();
  open_.pop_back();
  const std::int64_t took = now() - over.begin;
  if (over.kind == Kind::span) {
    ++spans;
    nanoseconds += took;
  } else if (over.kind != Kind::layer) {
    Total& total = totals[{over.name, over.layer, over.kind == Kind::backward}];
    ++total.calls;
    total.nanoseconds += took - over.inner;
    total.flop += over.flop;
    total.bytes += over.bytes;
  }
  // A layer hands on what the ops within it took.
  if (!open_.empty()) open_.back().inner += over.kind == Kind::layer ? over.inner : took;
  if (events.size() < most_events)
    events.push_back({over.kind, over.name, over.layer, over.begin, took, over.flop, over.bytes});
  else
    ++left_out;
}

void Profiler::add_kernel(double flop, double bytes) {
  open_.back().flop += flop;
  open_.back().bytes += bytes;
}

std::string Profiler::name_of(const void* layer) const {
  const auto found = layers.find(layer);
  return found == layers.end() ? "" : found->second;
}

void ProfiledOp::begin(const char* name) {
  profiler_ = listening.profiler;
  profiler_->begin(Profiler::Kind::forward, name, listening.layer);
}

void ProfiledOp::begin_backward(const char* name, const void* layer) {
  profiler_ = listening.profiler;
  profiler_->begin(Profiler::Kind::backward, name, layer);
}

void ProfiledOp::end() {
  if (listening.profiler == profiler_) profiler_->end();
}

void ProfiledLayer::begin(const void* layer) {
  profiler_ = listening.profiler;
  outer_ = std::exchange(listening.layer, layer);
  profiler_->begin(Profiler::Kind::layer, "", layer);
}

void ProfiledLayer::end() {
  if (listening.profiler != profiler_) return;
  listening.layer = outer_;
  profiler_->end();
}

}  // namespace detail

Profile::Profile() : profiler_(std::make_unique<detail::Profiler>()) {}
Profile::~Profile() = default;
Profile::Profile(Profile&&) noexcept = default;
Profile& Profile::operator=(Profile&&) noexcept = default;

void Profile::name_layer(const void* layer, std::string name) { profiler_->layers[layer] = std::move(name); }

std::int64_t Profile::spans() const { return profiler_->spans; }
double Profile::seconds() const { return static_cast<double>(profiler_->nanoseconds) * 1e-9; }

std::vector<ProfileRow> Profile::rows() const {
  std::vector<ProfileRow> out;
  for (const auto& [key, total] : profiler_->totals) {
    const std::string layer = profiler_->name_of(key.layer);
    // One name may lie at several places of the program.
    auto row = std::find_if(out.begin(), out.end(), [&, &key = key](const ProfileRow& one) {
      return one.op == key.name && one.backward == key.backward && one.layer == layer;
    });
    if (row == out.end()) row = out.insert(row, {.op = key.name, .backward = key.backward, .layer = layer});
    row->calls += total.calls;
    row->seconds += static_cast<double>(total.nanoseconds) * 1e-9;
    row->flop += total.flop;
    row->bytes += total.bytes;
  }
  std::sort(out.begin(), out.end(), [](const ProfileRow& a, const ProfileRow& b) {
    if (a.seconds != b.seconds) return a.seconds > b.seconds;
    return std::tie(a.op, a.layer, a.backward) < std::tie(b.op, b.layer, b.backward);
  });
  return out;
}

double Profile::outside_seconds() const {
  double out = seconds();
  for (const auto& [key, total] : profiler_->totals) out -= static_cast<double>(total.nanoseconds) * 1e-9;
  return std::max(out, 0.0);
}

ProfileGuard::ProfileGuard(Profile& profile) {
  ELBO_CHECK(!detail::listening.profiler, ValueError,
             "[ProfileGuard] expected no other on this thread, found one that lives");
  detail::listening = {profile.profiler_.get()};
  detail::listening.profiler->begin(detail::Profiler::Kind::span, "", nullptr);
}

ProfileGuard::~ProfileGuard() { std::exchange(detail::listening, {}).profiler->end(); }

}  // namespace elbo
