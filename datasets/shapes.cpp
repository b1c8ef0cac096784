#include "shapes.h"

#include <algorithm>
#include <span>

#include "../core/errors.h"
#include "../core/parallel_for.h"
#include "../core/scalar_math.h"
#include "readers_detail.h"
#include "split.h"

namespace elbo::datasets {
namespace {

constexpr std::size_t factor_count = shape_factor_sizes.size();
constexpr std::size_t picture_bytes = shape_side * shape_side;

struct Point {
  float x, y;
};

float length(Point p) { return math::sqrt(p.x * p.x + p.y * p.y); }

/// Signed distances from an outline, negative inside, of sprites at scale 1 around the origin with y downwards. All lie
/// within `reach` of it.
constexpr float reach = 15.5f;

float square_distance(Point p) {
  constexpr float half = 10.8f;
  const float dx = math::abs(p.x) - half, dy = math::abs(p.y) - half;
  return length({std::max(dx, 0.0f), std::max(dy, 0.0f)}) + std::min(std::max(dx, dy), 0.0f);
}

/// To first order: f / |grad f| for f = |(x / a, y / b)| - 1. That is close where it matters, near the outline.
float ellipse_distance(Point p) {
  constexpr float a = 14.5f, b = 8.7f;
  const float f = length({p.x / a, p.y / b});
  const float slope = length({p.x / (a * a), p.y / (b * b)});
  return slope < 1e-6f ? -b : f * (f - 1) / slope;
}

/// A square on its corner, and a disc over each of its upper sides: their distances' minimum is right outside and near
/// the outline.
float heart_distance(Point p) {
  constexpr float half = 7.8f;  // half a side of the square, and the discs' radius
  constexpr float down = 2.9f;  // the square's centre lies below the origin, so that the heart turns about its middle
  constexpr float diagonal = 0.70710678f;
  const Point q = {math::abs(p.x), p.y - down};
  // Along the square's sides: u towards its lower right, v towards its upper right.
  const float u = (q.x + q.y) * diagonal, v = (q.x - q.y) * diagonal;
  const float du = math::abs(u) - half, dv = math::abs(v) - half;
  const float square = length({std::max(du, 0.0f), std::max(dv, 0.0f)}) + std::min(std::max(du, dv), 0.0f);
  const float disc = length({u, v - half}) - half;
  return std::min(square, disc);
}

float distance(std::int64_t shape, Point p) {
  if (shape == 0) return square_distance(p);
  return shape == 1 ? ellipse_distance(p) : heart_distance(p);
}

/// Draws onto black.
void draw(const ShapeFactors& factors, std::span<std::uint8_t> out) {
  const float scale = 0.5f + 0.1f * static_cast<float>(factors.scale);
  const auto centre = [](std::int64_t i) { return 16.0f + 32.0f * static_cast<float>(i) / 31.0f; };
  const Point middle = {centre(factors.x), centre(factors.y)};
  const float turn = static_cast<float>(factors.orientation) / static_cast<float>(shape_factor_sizes[2]);
  // The library's own functions: the platform's may differ in the last bit.
  const float c = math::cos2pi(turn), s = math::sin2pi(turn);
  const float around = reach * scale + 1;
  const auto first = [&](float at) { return std::max<std::int64_t>(static_cast<std::int64_t>(at - around), 0); };
  const auto last = [&](float at) {
    return std::min<std::int64_t>(static_cast<std::int64_t>(at + around) + 1, shape_side);
  };
  for (std::int64_t row = first(middle.y); row < last(middle.y); ++row) {
    for (std::int64_t column = first(middle.x); column < last(middle.x); ++column) {
      const float dx = (static_cast<float>(column) + 0.5f - middle.x) / scale;
      const float dy = (static_cast<float>(row) + 0.5f - middle.y) / scale;
      const float inside = 0.5f - scale * distance(factors.shape, {c * dx + s * dy, c * dy - s * dx});
      out[static_cast<std::size_t>(row * shape_side + column)] =
          static_cast<std::uint8_t>(std::clamp(inside, 0.0f, 1.0f) * 255.0f + 0.5f);
    }
  }
}

std::int64_t combinations() {
  std::int64_t n = 1;
  for (std::int64_t size : shape_factor_sizes) n *= size;
  return n;
}

/// The last tenth, in a random order, is what tests are drawn from.
std::int64_t combinations_to_test() { return combinations() / 10; }

/// The factors of a combination's number, the last one running fastest.
std::array<std::int64_t, factor_count> factors_of(std::int64_t number) {
  std::array<std::int64_t, factor_count> out{};
  for (std::size_t i = factor_count; i-- > 0; number /= shape_factor_sizes[i]) out[i] = number % shape_factor_sizes[i];
  return out;
}

}  // namespace

std::vector<std::uint8_t> draw_shape(const ShapeFactors& factors) {
  const std::int64_t values[] = {factors.shape, factors.scale, factors.orientation, factors.x, factors.y};
  for (std::size_t i = 0; i < factor_count; ++i)
    ELBO_CHECK(values[i] >= 0 && values[i] < shape_factor_sizes[i], IndexError, "[draw_shape] ", shape_factor_names[i],
               " ", values[i], " is out of range for ", shape_factor_sizes[i], " values");
  std::vector<std::uint8_t> out(picture_bytes);
  draw(factors, out);
  return out;
}

std::int64_t shapes_count(Split split, std::int64_t asked) {
  const bool train = split == Split::train;
  const std::int64_t all = combinations(), most = all - combinations_to_test();
  if (asked == 0) return train ? 40000 : 5000;
  ELBO_CHECK(asked >= 1 && asked <= most, ValueError, "dataset shapes: expected a count from 1 to ", most, ", found ",
             asked);
  return train ? asked : std::min(asked, combinations_to_test());
}

Dataset make_shapes(const Reader&, Split split, const std::filesystem::path&, const LoadOptions& options) {
  // All combinations in a random order, always the same.
  const std::int64_t all = combinations(), count = shapes_count(split, options.count);
  const std::int64_t first = split == Split::train ? 0 : all - combinations_to_test();
  const std::vector<std::int64_t> order = permutation(all, 0, Stream::pictures);
  const std::span<const std::int64_t> chosen =
      std::span(order).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));

  Dataset out;
  out.features = Array::zeros({count, 1, shape_side, shape_side}, {DType::uint8});
  out.class_names = {"square", "ellipse", "heart"};
  out.factor_names.assign(shape_factor_names.begin(), shape_factor_names.end());
  for (std::int64_t number : chosen) {
    const auto factors = factors_of(number);
    out.factors.insert(out.factors.end(), factors.begin(), factors.end());
    out.labels.push_back(factors[0]);
  }
  const std::span<std::uint8_t> pictures = out.features.mutable_values<std::uint8_t>();
  parallel_for(count, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t* f = &out.factors[static_cast<std::size_t>(i) * factor_count];
      draw({f[0], f[1], f[2], f[3], f[4]},
           pictures.subspan(static_cast<std::size_t>(i) * picture_bytes, picture_bytes));
    }
  });
  return out;
}

}  // namespace elbo::datasets
