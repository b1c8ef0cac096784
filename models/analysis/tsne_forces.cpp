#include "tsne_forces.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "../../core/parallel_for.h"

namespace elbo::models::internal {
namespace {

using std::int64_t;

// Four numbers in one register: what the least x86-64 processor has.
using Float4 = float __attribute__((vector_size(16)));
using Double2 = double __attribute__((vector_size(16)));

constexpr int64_t leaf_size = 8, fan_out = 4;
static_assert(BoxTree::group_size == leaf_size * fan_out, "a group is a node of level 1");
constexpr int64_t most_sources = 1024;

Float4 load(const float* from) {
  Float4 value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

Float4 all(float value) { return Float4{value, value, value, value}; }

float sum(Float4 v) { return (v[0] + v[1]) + (v[2] + v[3]); }

// Place along the Hilbert curve of order 16 through a square of 65536 x 65536 (Hilbert 1891).
std::uint32_t hilbert(std::uint32_t x, std::uint32_t y) {
  std::uint32_t place = 0;
  for (std::uint32_t side = 1u << 15; side > 0; side >>= 1) {
    const std::uint32_t right = (x & side) != 0, upper = (y & side) != 0;
    place = place << 2 | ((3 * right) ^ upper);
    if (!upper) {
      if (right) x = ~x, y = ~y;
      std::swap(x, y);
    }
  }
  return place;
}

}  // namespace

std::vector<std::int32_t> curve_order(std::span<const float> points) {
  float low[2] = {points[0], points[1]}, high[2] = {points[0], points[1]};
  for (std::size_t i = 0; i < points.size(); ++i) {
    low[i % 2] = std::min(low[i % 2], points[i]);
    high[i % 2] = std::max(high[i % 2], points[i]);
  }
  const float side = std::max(high[0] - low[0], high[1] - low[1]);
  const float scale = side > 0 ? 65535 / side : 0;
  auto cell = [&](std::size_t i) {
    return static_cast<std::uint32_t>(std::clamp((points[i] - low[i % 2]) * scale, 0.0f, 65535.0f));
  };
  std::vector<std::uint64_t> keys(points.size() / 2);
  for (std::size_t i = 0; i < keys.size(); ++i)
    keys[i] = static_cast<std::uint64_t>(hilbert(cell(2 * i), cell(2 * i + 1))) << 32 | i;
  std::sort(keys.begin(), keys.end());
  std::vector<std::int32_t> order(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) order[i] = static_cast<std::int32_t>(keys[i] & 0xffffffffu);
  return order;
}

// ---- the tree ------------------------------------------------------------------------------------------------------

BoxTree::BoxTree(int64_t points) : n_(points) {
  int64_t count = (points + leaf_size - 1) / leaf_size, begin = 0;
  for (;;) {
    level_begin_.push_back(begin);
    begin += count;
    // The level of the groups is there even if there is only one.
    if (count == 1 && level_begin_.size() > 1) break;
    count = (count + fan_out - 1) / fan_out;
  }
  level_begin_.push_back(begin);
  nodes_.resize(static_cast<std::size_t>(begin));
  boxes_.resize(nodes_.size());
}

void BoxTree::build(std::span<const float> points) {
  points_ = points;
  build_leaves();
  for (std::size_t level = 1; level + 1 < level_begin_.size(); ++level) build_level(level);
}

void BoxTree::build_leaves() {
  for (int64_t leaf = 0; leaf < level_begin_[1]; ++leaf) {
    const int64_t begin = leaf * leaf_size, end = std::min(begin + leaf_size, n_);
    const float* p = points_.data() + 2 * begin;
    Box box{{p[0], p[1]}, {p[0], p[1]}};
    float x = 0, y = 0;
    for (int64_t i = begin; i < end; ++i, p += 2) {
      box.low[0] = std::min(box.low[0], p[0]), box.low[1] = std::min(box.low[1], p[1]);
      box.high[0] = std::max(box.high[0], p[0]), box.high[1] = std::max(box.high[1], p[1]);
      x += p[0], y += p[1];
    }
    const auto count = static_cast<float>(end - begin);
    const float side = std::max(box.high[0] - box.low[0], box.high[1] - box.low[1]);
    nodes_[static_cast<std::size_t>(leaf)] = {x / count, y / count, count, side * side};
    boxes_[static_cast<std::size_t>(leaf)] = box;
  }
}

void BoxTree::build_level(std::size_t level) {
  const int64_t below = level_begin_[level - 1], here = level_begin_[level], above = level_begin_[level + 1];
  for (int64_t node = here; node < above; ++node) {
    const int64_t first = below + (node - here) * fan_out, end = std::min(first + fan_out, here);
    Box box = boxes_[static_cast<std::size_t>(first)];
    float x = 0, y = 0, count = 0;
    for (int64_t child = first; child < end; ++child) {
      const Box& part = boxes_[static_cast<std::size_t>(child)];
      for (int axis = 0; axis < 2; ++axis) {
        box.low[axis] = std::min(box.low[axis], part.low[axis]);
        box.high[axis] = std::max(box.high[axis], part.high[axis]);
      }
      const Node& from = nodes_[static_cast<std::size_t>(child)];
      x += from.count * from.x, y += from.count * from.y, count += from.count;
    }
    const float side = std::max(box.high[0] - box.low[0], box.high[1] - box.low[1]);
    nodes_[static_cast<std::size_t>(node)] = {x / count, y / count, count, side * side};
    boxes_[static_cast<std::size_t>(node)] = box;
  }
}

// ---- repulsion -----------------------------------------------------------------------------------------------------

// A list of what acts on a group of targets, and what it has done so far.
class BoxTree::Sources {
 public:
  Sources(const float* targets, int64_t count) : targets_(targets), count_(count) {
    for (int64_t t = 0; t < count; ++t) x_force_[t] = y_force_[t] = z_[t] = all(0);
  }
  void add(float x, float y, float count) {
    x_[size_] = x;
    y_[size_] = y;
    mass_[size_++] = count;
  }
  void add_points(const float* points, int64_t count) {
    for (int64_t i = 0; i < count; ++i) add(points[2 * i], points[2 * i + 1], 1);
  }
  void make_room() {
    if (size_ + fan_out * leaf_size > most_sources) act();
  }
  void finish(float* force, float* z) {
    act();
    for (int64_t t = 0; t < count_; ++t) {
      force[2 * t] = sum(x_force_[t]);
      force[2 * t + 1] = sum(y_force_[t]);
      // Each target met itself, at distance 0.
      z[t] = sum(z_[t]) - 1;
    }
  }

 private:
  void act() {
    while (size_ % 4 != 0) add(0, 0, 0);
    for (int64_t t = 0; t < count_; ++t) {
      const Float4 x = all(targets_[2 * t]), y = all(targets_[2 * t + 1]);
      Float4 x_force = x_force_[t], y_force = y_force_[t], z = z_[t];
      for (int64_t s = 0; s < size_; s += 4) {
        const Float4 dx = x - load(x_ + s), dy = y - load(y_ + s);
        const Float4 q = 1.0f / (1.0f + (dx * dx + dy * dy));
        const Float4 many_q = load(mass_ + s) * q, many_q2 = many_q * q;
        z += many_q;
        x_force += many_q2 * dx;
        y_force += many_q2 * dy;
      }
      x_force_[t] = x_force, y_force_[t] = y_force, z_[t] = z;
    }
    size_ = 0;
  }

  const float* targets_;
  int64_t count_, size_ = 0;
  float x_[most_sources], y_[most_sources], mass_[most_sources];
  Float4 x_force_[group_size], y_force_[group_size], z_[group_size];
};

void BoxTree::repel(int64_t group, double theta, float* force, float* z) const {
  struct Open {
    int64_t node;
    std::size_t level;
  };
  // Depth first, a node is replaced by at most 4; 2^31 points make 15 levels.
  Open open[64];
  int depth = 0;
  const auto theta_squared = static_cast<float>(theta * theta);
  const int64_t begin = group * group_size, count = std::min(group_size, n_ - begin);
  const Box targets = boxes_[static_cast<std::size_t>(level_begin_[1] + group)];
  Sources sources(points_.data() + 2 * begin, count);
  open[depth++] = {level_begin_.back() - 1, level_begin_.size() - 2};
  while (depth > 0) {
    const Open from = open[--depth];
    const std::size_t level = from.level - 1;
    const int64_t first = level_begin_[level] + (from.node - level_begin_[from.level]) * fan_out;
    const int64_t end = std::min(first + fan_out, level_begin_[level + 1]);
    sources.make_room();
    for (int64_t child = first; child < end; ++child) {
      const Node& node = nodes_[static_cast<std::size_t>(child)];
      const float dx = std::max(std::max(targets.low[0] - node.x, node.x - targets.high[0]), 0.0f);
      const float dy = std::max(std::max(targets.low[1] - node.y, node.y - targets.high[1]), 0.0f);
      if (node.side_squared < theta_squared * (dx * dx + dy * dy)) {
        sources.add(node.x, node.y, node.count);
      } else if (level > 0) {
        open[depth++] = {child, level};
      } else {
        sources.add_points(points_.data() + 2 * child * leaf_size, std::min(leaf_size, n_ - child * leaf_size));
      }
    }
  }
  sources.finish(force + 2 * begin, z + begin);
}

// ---- attraction ----------------------------------------------------------------------------------------------------

void attract(const Affinities& p, std::span<const float> points, int64_t begin, int64_t end, float* force) {
  // A point's two coordinates are moved as one number of 8 bytes.
  auto pair = [from = points.data()](std::int32_t a, std::int32_t b) {
    Double2 both;
    double half;
    std::memcpy(&half, from + 2 * static_cast<int64_t>(a), sizeof half);
    both[0] = half;
    std::memcpy(&half, from + 2 * static_cast<int64_t>(b), sizeof half);
    both[1] = half;
    Float4 out;
    std::memcpy(&out, &both, sizeof out);
    return out;
  };
  for (int64_t i = begin; i < end; ++i) {
    const Float4 x = all(points[static_cast<std::size_t>(2 * i)]), y = all(points[static_cast<std::size_t>(2 * i + 1)]);
    Float4 x_force{}, y_force{};
    int64_t e = p.begin[static_cast<std::size_t>(i)];
    const int64_t stop = p.begin[static_cast<std::size_t>(i + 1)];
    auto step = [&](const std::int32_t* column, Float4 value) {
      const Float4 first = pair(column[0], column[1]), second = pair(column[2], column[3]);
      const Float4 dx = x - __builtin_shufflevector(first, second, 0, 2, 4, 6);
      const Float4 dy = y - __builtin_shufflevector(first, second, 1, 3, 5, 7);
      const Float4 pq = value / (1.0f + (dx * dx + dy * dy));
      x_force += pq * dx;
      y_force += pq * dy;
    };
    for (; e + 4 <= stop; e += 4) step(p.column.data() + e, load(p.value.data() + e));
    if (e < stop) {
      const auto self = static_cast<std::int32_t>(i);
      std::int32_t column[4] = {self, self, self, self};
      Float4 value{};
      for (int lane = 0; e < stop; ++e, ++lane) {
        column[lane] = p.column[static_cast<std::size_t>(e)];
        value[lane] = p.value[static_cast<std::size_t>(e)];
      }
      step(column, value);
    }
    force[2 * i] = sum(x_force);
    force[2 * i + 1] = sum(y_force);
  }
}

double divergence(const Affinities& p, std::span<const float> points, double z) {
  std::vector<double> rows(static_cast<std::size_t>(p.size()), 0);
  parallel_for(p.size(), 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto row = static_cast<std::size_t>(i);
      for (auto e = static_cast<std::size_t>(p.begin[row]); e < static_cast<std::size_t>(p.begin[row + 1]); ++e) {
        const auto column = static_cast<std::size_t>(p.column[e]);
        const double dx = points[2 * row] - points[2 * column], dy = points[2 * row + 1] - points[2 * column + 1];
        const double value = p.value[e];
        if (value > 0) rows[row] += value * (std::log(value) + std::log(z) + std::log1p(dx * dx + dy * dy));
      }
    }
  });
  double total = 0;
  for (double row : rows) total += row;
  return total;
}

}  // namespace elbo::models::internal
