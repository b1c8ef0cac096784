#include "neighbours.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "../../core/parallel_for.h"

namespace elbo::models::internal {
namespace {

using std::int64_t;

// Two numbers in one register: what the least x86-64 processor has.
using Double2 = double __attribute__((vector_size(16)));

Double2 load(const double* from) {
  Double2 value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void store(double* to, Double2 value) { std::memcpy(to, &value, sizeof value); }

// Keeps the k smallest of what it is offered, as a heap with the largest in front.
class Smallest {
 public:
  Smallest(Neighbor* heap, int64_t k) : heap_(heap), k_(k) {}
  double bound() const { return count_ < k_ ? std::numeric_limits<double>::infinity() : heap_->squared_distance; }
  void offer(const Neighbor& candidate) {
    if (count_ < k_) {
      heap_[count_++] = candidate;
      if (count_ == k_) std::make_heap(heap_, heap_ + k_);
    } else if (candidate < *heap_) {
      replace_first(candidate);
    }
  }
  void sort() { std::sort_heap(heap_, heap_ + k_); }

 private:
  void replace_first(const Neighbor& candidate) {
    int64_t hole = 0;
    for (int64_t child = 1; child < k_; child = 2 * hole + 1) {
      if (child + 1 < k_ && heap_[child] < heap_[child + 1]) ++child;
      if (!(candidate < heap_[child])) break;
      heap_[hole] = heap_[child];
      hole = child;
    }
    heap_[hole] = candidate;
  }

  Neighbor* heap_;
  int64_t k_, count_ = 0;
};

}  // namespace

std::vector<double> checked_codes(std::string_view what, const Array& codes) {
  ELBO_CHECK(codes.defined() && codes.dtype() == DType::float32, DTypeError, what, ": expected float32, found ",
             codes.defined() ? name(codes.dtype()) : "nothing");
  ELBO_CHECK(codes.shape().rank() == 2 && codes.numel() > 0, ShapeError, what,
             ": expected [points, dimensions], at least one of each, found ", codes.shape());
  const std::vector<float> values = codes.to_vector<float>();
  const int64_t d = codes.shape()[1];
  for (std::size_t i = 0; i < values.size(); ++i)
    ELBO_CHECK(std::isfinite(values[i]), ValueError, what, ": expected finite numbers, found ", values[i], " at [",
               static_cast<int64_t>(i) / d, ", ", static_cast<int64_t>(i) % d, "]");
  return {values.begin(), values.end()};
}

TiledPoints::TiledPoints(std::vector<double> rows, int64_t n, int64_t d) : n_(n), d_(d), rows_(std::move(rows)) {
  ELBO_CHECK(n <= std::numeric_limits<std::int32_t>::max(), ValueError,
             "[codes] expected fewer than 2^31 points, found ", n);
  tiles_.resize(static_cast<std::size_t>(tiles() * d * width), std::numeric_limits<double>::infinity());
  for (int64_t i = 0; i < n; ++i)
    for (int64_t c = 0; c < d; ++c)
      tiles_[static_cast<std::size_t>((i / width * d + c) * width + i % width)] = row(i)[c];
}

void TiledPoints::squared_distances(int64_t a, int64_t b, int64_t t, double* to_a, double* to_b) const {
  const double *tile = tiles_.data() + t * d_ * width, *row_a = row(a), *row_b = row(b);
  Double2 a0{}, a1{}, a2{}, a3{}, b0{}, b1{}, b2{}, b3{};
  for (int64_t c = 0; c < d_; ++c, tile += width) {
    const Double2 t0 = load(tile), t1 = load(tile + 2), t2 = load(tile + 4), t3 = load(tile + 6);
    const Double2 xa = {row_a[c], row_a[c]}, xb = {row_b[c], row_b[c]};
    a0 += (t0 - xa) * (t0 - xa);
    a1 += (t1 - xa) * (t1 - xa);
    a2 += (t2 - xa) * (t2 - xa);
    a3 += (t3 - xa) * (t3 - xa);
    b0 += (t0 - xb) * (t0 - xb);
    b1 += (t1 - xb) * (t1 - xb);
    b2 += (t2 - xb) * (t2 - xb);
    b3 += (t3 - xb) * (t3 - xb);
  }
  store(to_a, a0), store(to_a + 2, a1), store(to_a + 4, a2), store(to_a + 6, a3);
  store(to_b, b0), store(to_b + 2, b1), store(to_b + 4, b2), store(to_b + 6, b3);
}

double TiledPoints::squared_distance(int64_t a, int64_t b) const {
  double sum = 0;
  for (int64_t c = 0; c < d_; ++c) {
    const double difference = row(b)[c] - row(a)[c];
    sum += difference * difference;
  }
  return sum;
}

std::vector<Neighbor> nearest_neighbors(const TiledPoints& points, int64_t k) {
  const int64_t n = points.size(), width = TiledPoints::width;
  std::vector<Neighbor> out(static_cast<std::size_t>(n * k));
  if (k == 0) return out;
  parallel_for(n, 2, [&](int64_t begin, int64_t end) {
    double distances[2][TiledPoints::width];
    for (int64_t first = begin; first < end; first += 2) {
      const int64_t pair = std::min<int64_t>(2, end - first);
      Smallest smallest[2] = {{out.data() + first * k, k}, {out.data() + (first + pair - 1) * k, k}};
      for (int64_t t = 0; t < points.tiles(); ++t) {
        points.squared_distances(first, first + pair - 1, t, distances[0], distances[1]);
        for (int64_t p = 0; p < pair; ++p) {
          const int64_t count = std::min(width, n - t * width);
          for (int64_t e = 0; e < count; ++e)
            if (distances[p][e] <= smallest[p].bound() && t * width + e != first + p)
              smallest[p].offer({distances[p][e], static_cast<std::int32_t>(t * width + e)});
        }
      }
      for (int64_t p = 0; p < pair; ++p) smallest[p].sort();
    }
  });
  return out;
}

}  // namespace elbo::models::internal
