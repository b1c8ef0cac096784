#include "tsne_affinities.h"

#include <algorithm>
#include <cmath>

#include "../../core/parallel_for.h"

namespace elbo::models::internal {
namespace {

using std::int64_t;

// Sorts the neighbours of each point by index and replaces each distance by a conditional probability.
void to_probabilities(std::vector<Neighbor>& neighbors, int64_t n, int64_t k, double perplexity) {
  std::vector<double> probabilities(neighbors.size());
  parallel_for(n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const std::span<Neighbor> row(neighbors.data() + i * k, static_cast<std::size_t>(k));
      double* p = probabilities.data() + i * k;
      conditional_probabilities(row, perplexity, p);
      for (std::size_t m = 0; m < row.size(); ++m) row[m].squared_distance = p[m];
      std::sort(row.begin(), row.end(), [](const Neighbor& a, const Neighbor& b) { return a.index < b.index; });
    }
  });
}

struct Entry {
  std::int32_t column;
  double value;
};

// The transposed matrix in compressed rows; within a row the columns rise.
void transpose(const std::vector<Neighbor>& rows, int64_t n, int64_t k, std::vector<int64_t>& begin,
               std::vector<Entry>& entries) {
  begin.assign(static_cast<std::size_t>(n + 1), 0);
  for (const Neighbor& neighbor : rows) ++begin[static_cast<std::size_t>(neighbor.index) + 1];
  for (std::size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
  std::vector<int64_t> next(begin.begin(), begin.end() - 1);
  entries.resize(rows.size());
  for (std::size_t e = 0; e < rows.size(); ++e) {
    const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(rows[e].index)]++);
    entries[to] = {static_cast<std::int32_t>(static_cast<int64_t>(e) / k), rows[e].squared_distance};
  }
}

}  // namespace

void conditional_probabilities(std::span<const Neighbor> neighbors, double perplexity, double* out) {
  const std::size_t k = neighbors.size();
  if (k == 0) return;
  // Distances beyond the nearest, in units of their mean: neither the codes' scale nor their offset matters.
  double nearest = neighbors[0].squared_distance, mean = 0;
  for (const Neighbor& neighbor : neighbors) nearest = std::min(nearest, neighbor.squared_distance);
  for (const Neighbor& neighbor : neighbors) mean += (neighbor.squared_distance - nearest) / static_cast<double>(k);
  const double scale = mean > 0 ? 1 / mean : 0;
  const double wanted = std::log(perplexity);
  double beta = 1, low = 0, high = 0, sum = 0;
  // The entropy falls as beta rises. Where no beta will do (k neighbours have at most the perplexity k, m at the same
  // least distance at least m), the search ends at the last one tried.
  for (int step = 0; step < 60; ++step) {
    double weighted = 0;
    sum = 0;
    for (std::size_t m = 0; m < k; ++m) {
      const double distance = (neighbors[m].squared_distance - nearest) * scale;
      out[m] = std::exp(-beta * distance);
      sum += out[m];
      weighted += distance * out[m];
    }
    const double error = std::log(sum) + beta * weighted / sum - wanted;
    if (std::abs(error) <= 1e-5) break;
    (error > 0 ? low : high) = beta;
    beta = high == 0 ? beta * 2 : (low + high) / 2;
  }
  for (std::size_t m = 0; m < k; ++m) out[m] /= sum;
}

Affinities affinities(const TiledPoints& points, double perplexity) {
  const int64_t n = points.size();
  const auto k = static_cast<int64_t>(std::min(static_cast<double>(n - 1), std::floor(3 * perplexity + 1)));
  std::vector<Neighbor> rows = nearest_neighbors(points, k);
  to_probabilities(rows, n, k, perplexity);
  std::vector<int64_t> back;
  std::vector<Entry> transposed;
  transpose(rows, n, k, back, transposed);

  Affinities out;
  out.begin.push_back(0);
  out.column.reserve(2 * rows.size());
  out.value.reserve(2 * rows.size());
  const double scale = 0.5 / static_cast<double>(n);
  auto add = [&](std::int32_t column, double value) {
    out.column.push_back(column);
    out.value.push_back(static_cast<float>(value * scale));
  };
  for (int64_t i = 0; i < n; ++i) {
    // Merges two lists of rising columns.
    const Neighbor *a = rows.data() + i * k, *a_end = a + k;
    const Entry *b = transposed.data() + back[static_cast<std::size_t>(i)],
                *b_end = transposed.data() + back[static_cast<std::size_t>(i + 1)];
    while (a != a_end || b != b_end) {
      if (b == b_end || (a != a_end && a->index < b->column)) {
        add(a->index, a->squared_distance);
        ++a;
      } else if (a == a_end || b->column < a->index) {
        add(b->column, b->value);
        ++b;
      } else {
        add(a->index, a->squared_distance + b->value);
        ++a, ++b;
      }
    }
    out.begin.push_back(static_cast<int64_t>(out.column.size()));
  }
  return out;
}

Affinities reordered(const Affinities& p, std::span<const std::int32_t> order) {
  const int64_t n = p.size();
  std::vector<std::int32_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    place[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
  Affinities out;
  out.begin.assign(p.begin.size(), 0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto old = static_cast<std::size_t>(order[i]);
    out.begin[i + 1] = out.begin[i] + p.begin[old + 1] - p.begin[old];
  }
  out.column.resize(p.column.size());
  out.value.resize(p.value.size());
  parallel_for(n, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t from = p.begin[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
      const int64_t stop = out.begin[static_cast<std::size_t>(i + 1)];
      for (int64_t e = out.begin[static_cast<std::size_t>(i)]; e < stop; ++e, ++from) {
        out.column[static_cast<std::size_t>(e)] =
            place[static_cast<std::size_t>(p.column[static_cast<std::size_t>(from)])];
        out.value[static_cast<std::size_t>(e)] = p.value[static_cast<std::size_t>(from)];
      }
    }
  });
  return out;
}

}  // namespace elbo::models::internal
