// Layers: in one launch where their products are small, else by cuBLASLt and kernels for the rest.
#include <algorithm>
#include <vector>

#include "cuda_kernels.h"
#include "products.h"

namespace elbo::cuda {
namespace {

using std::int64_t;

SmallProduct small_product(void* out, int64_t m, int64_t n) {
  SmallProduct p{};
  p.out = out, p.m = m, p.n = n;
  return p;
}

// ---- the gradients -------------------------------------------------------------------------------------------------

/// gx [m, k] = the sum over heads of gy weight, gweight [n, k] = gy^T x, gbias the sums of gy^T's rows.
bool grad_is_small(const LinearArgs& args, const void* gx, std::span<const LinearGradHead> heads) {
  if (heads.size() > SmallProduct::most_terms || heads.size() + 1 > most_products) return false;
  return std::all_of(heads.begin(), heads.end(), [&](const LinearGradHead& head) {
    return (!gx || is_small(args.m, args.k, head.n)) && is_small(head.n, args.k, args.m);
  });
}

void small_grad(const Context& context, const LinearArgs& args, void* gx, std::span<const LinearGradHead> heads) {
  std::vector<SmallProduct> products;
  if (gx && args.m * args.k > 0) {
    SmallProduct p = small_product(gx, args.m, args.k);
    for (const LinearGradHead& head : heads)
      p.term[p.terms++] = {{head.gy, head.y, head.n, false}, {head.weight, nullptr, args.k, false}, head.n};
    products.push_back(p);
  }
  for (const LinearGradHead& head : heads) {
    if (head.n == 0 || (!head.gweight && !head.gbias)) continue;
    // Without a weight to make, a product of no columns: it sums the rows all the same.
    SmallProduct p = small_product(head.gweight, head.n, head.gweight ? args.k : 0);
    p.row_sums = head.gbias;
    p.term[p.terms++] = {{head.gy, head.y, head.n, true}, {args.x, nullptr, args.k, false}, args.m};
    products.push_back(p);
  }
  multiply_small(context, args.dtype, args.precision, products);
}

void large_grad(const Context& context, const LinearArgs& args, void* gx, const LinearGradHead& head) {
  const int64_t count = args.m * head.n;
  const Workspace masked(context, head.y ? static_cast<std::size_t>(count) * size_of(args.dtype) : 0);
  const void* gy = head.gy;
  if (head.y) {
    relu_grad(context, args.dtype, masked.as<void>(), head.y, gy, count);
    gy = masked.as<void>();
  }
  MatmulArgs p{};
  p.dtype = args.dtype, p.batch = 1, p.precision = args.precision, p.a = gy;
  if (gx) {
    p.b = head.weight, p.out = gx;
    p.m = args.m, p.n = args.k, p.k = head.n;
    matmul(context, p);
  }
  if (head.gweight) {
    p.b = args.x, p.out = head.gweight, p.transpose_a = true;
    p.m = head.n, p.n = args.k, p.k = args.m;
    matmul(context, p);
  }
  if (head.gbias) sum_groups(context, args.dtype, head.gbias, gy, args.m, head.n, 1);
}

}  // namespace

void linear(const Context& context, const LinearArgs& args, std::span<const LinearHead> heads) {
  std::vector<SmallProduct> products;
  for (const LinearHead& head : heads) {
    if (args.m * head.n == 0) continue;
    if (is_small(args.m, head.n, args.k) && products.size() < most_products) {
      SmallProduct p = small_product(head.y, args.m, head.n);
      p.bias = head.bias;
      p.term[p.terms++] = {{args.x, nullptr, args.k, false}, {head.weight, nullptr, args.k, true}, args.k};
      products.push_back(p);
      continue;
    }
    MatmulArgs p{};
    p.a = args.x, p.b = head.weight, p.out = head.y, p.bias = head.bias, p.transpose_b = true;
    p.dtype = args.dtype, p.batch = 1, p.precision = args.precision;
    p.m = args.m, p.n = head.n, p.k = args.k;
    matmul(context, p);
  }
  multiply_small(context, args.dtype, args.precision, products);
}

void linear_grad(const Context& context, const LinearArgs& args, void* gx, std::span<const LinearGradHead> heads) {
  if (grad_is_small(args, gx, heads)) return small_grad(context, args, gx, heads);
  const int64_t inputs = args.m * args.k;
  const Workspace more(context, gx && heads.size() > 1 ? static_cast<std::size_t>(inputs) * size_of(args.dtype) : 0);
  for (std::size_t i = 0; i < heads.size(); ++i) {
    large_grad(context, args, gx && i > 0 ? more.as<void>() : gx, heads[i]);
    if (gx && i > 0) add(context, args.dtype, gx, more.as<void>(), inputs);
  }
}

}  // namespace elbo::cuda
