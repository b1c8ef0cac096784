// elbo_op_times: times single ops, for compare_ops.py. It prints its rows as one line of JSON; then, for each line
// "row passes seconds" that it reads, the time of a call in microseconds. Passes: 1 forward, 2 forward and backward.
#include <elbo/core/parallel_for.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench.h"
#include "op_rows.h"

namespace {

using namespace elbo;

std::string described(const std::vector<bench::OpRow>& rows) {
  auto all = nlohmann::json::array();
  for (const bench::OpRow& row : rows) {
    auto inputs = nlohmann::json::array();
    for (const bench::RowInput& in : row.inputs)
      inputs.push_back({{"shape", std::vector<std::int64_t>(in.shape.begin(), in.shape.end())},
                        {"lo", in.lo},
                        {"hi", in.hi},
                        {"whole", in.whole}});
    all.push_back({{"torch", row.torch}, {"inputs", inputs}, {"backward", row.backward}});
  }
  return all.dump();
}

std::vector<Tensor> drawn(const bench::OpRow& row, bool grad) {
  std::vector<Tensor> tensors;
  for (const bench::RowInput& in : row.inputs) {
    if (in.whole)
      tensors.push_back(randint(static_cast<std::int64_t>(in.lo), static_cast<std::int64_t>(in.hi), in.shape));
    else
      tensors.push_back(Tensor((rand(in.shape) * (in.hi - in.lo) + in.lo).array(), grad));
  }
  return tensors;
}

/// One call of the row's op, with backward or without, on operands that are drawn here.
std::function<void()> call_of(const bench::OpRow& row, bool backward) {
  std::vector<Tensor> inputs = drawn(row, backward);
  if (!backward) return [&row, inputs] { row.fn(inputs); };
  const Array g = rand(row.fn(inputs).shape()).array();
  return [&row, inputs, g]() mutable {
    for (Tensor& x : inputs) x.zero_grad();
    row.fn(inputs).backward(g);
  };
}

/// Microseconds of a call, of which there are as many as take about so many seconds.
double time_of(const std::function<void()>& call, double seconds) {
  call();
  long calls = 0;
  const bench::Stopwatch watch;
  for (long at_once = 1; watch.seconds() < seconds; at_once *= watch.seconds() < seconds / 10 ? 2 : 1)
    for (long i = 0; i < at_once; ++i, ++calls) call();
  return 1e6 * watch.seconds() / static_cast<double>(calls);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc > 1) set_num_threads(std::atoi(argv[1]));
  const std::vector<bench::OpRow> rows = bench::op_rows();
  std::cout << described(rows) << std::endl;
  std::size_t row = 0, last_row = rows.size();
  int passes = 0, last_passes = 0;
  double seconds = 0;
  std::function<void()> call;
  while (std::cin >> row >> passes >> seconds) {
    if (row != last_row || passes != last_passes) call = call_of(rows.at(row), passes == 2);
    last_row = row, last_passes = passes;
    std::cout << time_of(call, seconds) << std::endl;
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "elbo_op_times: " << error.what() << "\n";
  return 2;
}
