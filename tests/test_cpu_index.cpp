// The loops that the CPU has of its own for some index kernels, and for lines that are copied backwards.
#include "../core/index_kernels.h"
#include "kernel_support.h"

using namespace kernel_test;

namespace {

/// An index kernel's output, item by item.
template <template <class> class Kernel, class T>
std::vector<T> by_items(const IndexArgs& args, int64_t numel) {
  std::vector<T> out = poison<T>(numel);
  for (int64_t i = 0; i < args.items[0] * args.items[1] * args.items[2]; ++i)
    Kernel<T>{}(index::item_at(args, i), out.data(), args, [](int64_t at, int64_t, int64_t) { return at; });
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("index kernels with loops of their own have the bits of their items", "", float, double) {
  using T = TestType;
  const auto check = [&](IndexOp op, const IndexArgs& args, const std::vector<T>& expected) {
    for (const auto& backend : backends()) {
      const auto found = same_for_threads([&] {
        auto out = poison<T>(static_cast<int64_t>(expected.size()));
        ok(backend->index(op, flat(out), args));
        return out;
      });
      REQUIRE(same_bits(found, expected));
    }
  };
  for (int64_t rows : {0, 1, 3, 4, 9, 70})
    for (int64_t n : {0, 1, 4, 10, 1000})
      for (int64_t backwards : {0, 1})
        for (int64_t inner : {1, 2}) {
          INFO("cumsum of " << rows << " x " << n << " x " << inner);
          auto x = values<T>(rows * n * inner);
          if (x.size() > 5) x[5] = static_cast<T>(NAN);
          const IndexArgs args{{rows, 1, inner}, {x.data()}, {n, backwards}};
          check(IndexOp::cumsum, args, by_items<index::Cumsum, T>(args, rows * n * inner));
        }
  for (int64_t kernel : {1, 2, 3})
    for (int64_t stride : {1, 2, 4}) {
      INFO("pooling, windows of " << kernel << " at steps of " << stride);
      const int64_t planes = 5, h = 9, w = 7, pad = kernel / 2;
      const int64_t out_h = (h + 2 * pad - kernel) / stride + 1, out_w = (w + 2 * pad - kernel) / stride + 1;
      const auto x = values<T>(planes * h * w), g = values<T>(planes * out_h * out_w, -1, 1, 2);
      IndexArgs args{{planes, out_h, out_w},
                     {x.data()},
                     {h, out_h, kernel, stride, pad, w, out_w, kernel, stride, pad, static_cast<int64_t>(dtype_of<T>)}};
      std::vector<int64_t> places(g.size());
      ok(backends()[0]->index(IndexOp::max_pool2d_places, flat(places), args));
      args.items[1] = h, args.items[2] = w;
      args.in[0] = g.data(), args.in[1] = places.data();
      check(IndexOp::max_pool2d_grad, args, by_items<index::MaxPool2dGrad, T>(args, planes * h * w));
      check(IndexOp::avg_pool2d_grad, args, by_items<index::AvgPool2dGrad, T>(args, planes * h * w));
    }
}

TEMPLATE_TEST_CASE("lines are copied backwards", "", float, double, std::uint8_t) {
  using T = TestType;
  for (const auto& backend : backends())
    for (int64_t lines : {1, 7})
      for (int64_t n : {1, 2, 15, 16, 17, 101, 70001}) {
        INFO(backend->description() << " " << lines << " x " << n);
        const auto from = values<T>(lines * n, 0, 250);
        std::vector<T> expected;
        for (int64_t i = 0; i < lines * n; ++i)
          expected.push_back(from[static_cast<std::size_t>(i / n * n + (n - 1 - i % n))]);
        const auto found = same_for_threads([&] {
          auto to = poison<T>(lines * n);
          ok(backend->copy_strided(dtype_of<T>, {lines, n}, {to.data(), {n, 1}}, {from.data() + n - 1, {n, -1}}));
          return to;
        });
        REQUIRE(same_bits(found, expected));
      }
}
