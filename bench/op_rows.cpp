// The ops that bench/compare_ops.py times beside PyTorch's. A line here is all that a new row takes.
#include "op_rows.h"

namespace elbo::bench {
namespace {

using In = std::span<const Tensor>;

/// Beyond the caches, and a batch of pictures of 28 x 28 that lies within them.
const Shape large{4096, 1024}, batch{128, 784};

void add_elementwise(std::vector<OpRow>& rows) {
  for (const Shape& shape : {batch, large}) {
    const RowInput any{shape}, positive{shape, 0.1, 2};
    rows.insert(
        rows.end(),
        {
            {"x.pow(2)", {any}, [](In x) { return pow(x[0], 2); }},
            {"x.pow(3)", {any}, [](In x) { return pow(x[0], 3); }},
            {"x.pow(-1)", {positive}, [](In x) { return pow(x[0], -1); }},
            {"x.pow(0.5)", {positive}, [](In x) { return pow(x[0], 0.5); }},
            {"x.pow(1.7)", {positive}, [](In x) { return pow(x[0], 1.7); }},
            {"x.exp()", {any}, [](In x) { return exp(x[0]); }},
            {"x.log()", {positive}, [](In x) { return log(x[0]); }},
            {"x.sqrt()", {positive}, [](In x) { return sqrt(x[0]); }},
            {"x.tanh()", {any}, [](In x) { return tanh(x[0]); }},
            {"x.sigmoid()", {any}, [](In x) { return sigmoid(x[0]); }},
            {"x.relu()", {any}, [](In x) { return relu(x[0]); }},
            {"F.gelu(x)", {any}, [](In x) { return gelu(x[0]); }},
            {"F.silu(x)", {any}, [](In x) { return silu(x[0]); }},
            {"F.softplus(x)", {any}, [](In x) { return softplus(x[0]); }},
            {"x.erf()", {any}, [](In x) { return erf(x[0]); }},
            {"x.lgamma()", {positive}, [](In x) { return lgamma(x[0]); }, false},
            {"x * 1.5", {any}, [](In x) { return mul_scalar(x[0], 1.5); }},
            {"x.clamp(-0.5, 0.5)", {any}, [](In x) { return clamp(x[0], -0.5, 0.5); }},
            {"x + y", {any, any}, [](In x) { return add(x[0], x[1]); }},
            {"x * y", {any, any}, [](In x) { return mul(x[0], x[1]); }},
            {"x / y", {any, positive}, [](In x) { return div(x[0], x[1]); }},
            {"torch.maximum(x, y)", {any, any}, [](In x) { return maximum(x[0], x[1]); }},
            {"torch.where(x > 0, x, y)", {any, any}, [](In x) { return where(gt(x[0], Operand(0.0)), x[0], x[1]); }},
            {"x > y", {any, any}, [](In x) { return gt(x[0], x[1]); }, false},
        });
  }
}

void add_broadcasts(std::vector<OpRow>& rows) {
  const std::pair<Shape, Shape> pairs[] = {
      {{4096, 64, 4}, {4096, 64, 1}}, {{4096, 64, 4}, {4}},      {{128, 784}, {784}},
      {{128, 784}, {128, 1}},         {{12800, 16}, {12800, 1}}, {{12800, 16}, {16}},
      {{128, 32, 14, 14}, {32, 1, 1}}};
  for (const auto& [a, b] : pairs) {
    rows.push_back({"x * y", {{a}, {b}}, [](In x) { return mul(x[0], x[1]); }});
    rows.push_back({"x + y", {{a}, {b}}, [](In x) { return add(x[0], x[1]); }});
  }
}

void add_reductions(std::vector<OpRow>& rows) {
  for (const Shape& shape : {Shape{4096, 10}, Shape{12800, 16}, Shape{4096, 64, 4}, batch, Shape{1024, 1000}, large}) {
    const RowInput any{shape};
    const RowInput scale{{shape.back()}};
    rows.insert(rows.end(),
                {
                    {"x.sum(-1)", {any}, [](In x) { return sum(x[0], {-1}); }},
                    {"x.mean(-1)", {any}, [](In x) { return mean(x[0], {-1}); }},
                    {"x.var(-1)", {any}, [](In x) { return var(x[0], {-1}); }},
                    {"x.norm(dim=-1)", {any}, [](In x) { return norm(x[0], 2, {-1}); }},
                    {"x.amax(-1)", {any}, [](In x) { return max(x[0], {-1}); }},
                    {"x.argmax(-1)", {any}, [](In x) { return argmax(x[0], -1); }, false},
                    {"x.logsumexp(-1)", {any}, [](In x) { return logsumexp(x[0], {-1}); }},
                    {"x.softmax(-1)", {any}, [](In x) { return softmax(x[0], -1); }},
                    {"x.log_softmax(-1)", {any}, [](In x) { return log_softmax(x[0], -1); }},
                    {"F.layer_norm(x, x.shape[-1:])", {any}, [](In x) { return layer_norm(x[0], {x[0].size(-1)}); }},
                    {"F.layer_norm(x, x.shape[-1:], y, z)",
                     {any, scale, scale},
                     [](In x) { return layer_norm(x[0], {x[0].size(-1)}, x[1], x[2]); }},
                    {"x.cumsum(-1)", {any}, [](In x) { return cumsum(x[0], -1); }},
                });
  }
  for (const Shape& shape : {Shape{4096, 10}, batch, large}) {
    const RowInput any{shape};
    rows.insert(rows.end(), {
                                {"x.sum()", {any}, [](In x) { return sum(x[0]); }},
                                {"x.amax()", {any}, [](In x) { return max(x[0]); }},
                                {"x.sum(0)", {any}, [](In x) { return sum(x[0], {0}); }},
                                {"x.amax(0)", {any}, [](In x) { return max(x[0], {0}); }},
                                {"x.argmax(0)", {any}, [](In x) { return argmax(x[0], 0); }, false},
                                {"x.softmax(0)", {any}, [](In x) { return softmax(x[0], 0); }},
                            });
  }
  rows.push_back({"x.topk(5).values", {{{128, 1000}}}, [](In x) { return topk(x[0], 5).values; }});
}

void add_losses(std::vector<OpRow>& rows) {
  for (std::int64_t classes : {10, 1000}) {
    const RowInput logits{{128, classes}}, labels{{128}, 0, static_cast<double>(classes), true};
    rows.push_back({"F.cross_entropy(x, y)", {logits, labels}, [](In x) { return cross_entropy(x[0], x[1]); }});
  }
  const RowInput logits{batch}, shares{batch, 0.1, 0.9};
  rows.insert(
      rows.end(),
      {
          {"F.mse_loss(x, y)", {logits, shares}, [](In x) { return mse_loss(x[0], x[1]); }},
          {"F.binary_cross_entropy(x, y)", {shares, shares}, [](In x) { return binary_cross_entropy(x[0], x[1]); }},
          {"F.binary_cross_entropy_with_logits(x, y)",
           {logits, shares},
           [](In x) { return binary_cross_entropy_with_logits(x[0], x[1]); }},
      });
}

Tensor batch_normed(In x) {
  Tensor mean, var;
  return batch_norm(x[0], {}, {}, mean, var, true);
}

void add_indexing(std::vector<OpRow>& rows) {
  const RowInput pictures{{128, 32, 14, 14}}, table{{1000, 64}}, places{{4096}, 0, 1000, true};
  rows.insert(
      rows.end(),
      {
          {"F.one_hot(x, 10).float()", {{{4096}, 0, 10, true}}, [](In x) { return one_hot(x[0], 10); }, false},
          {"F.one_hot(x, 1000).float()", {{{128}, 0, 1000, true}}, [](In x) { return one_hot(x[0], 1000); }, false},
          {"x.index_select(0, y)", {table, places}, [](In x) { return index_select(x[0], 0, x[1]); }},
          {"x.index_select(0, y)",
           {{{10000, 784}}, {{128}, 0, 10000, true}},
           [](In x) { return index_select(x[0], 0, x[1]); },
           false},
          {"x.index_select(1, y)",
           {{{1024, 1000}}, {{256}, 0, 1000, true}},
           [](In x) { return index_select(x[0], 1, x[1]); }},
          {"x.gather(1, y)", {{{4096, 10}}, {{4096, 1}, 0, 10, true}}, [](In x) { return gather(x[0], 1, x[1]); }},
          {"x.permute(0, 2, 3, 1).contiguous()",
           {pictures},
           [](In x) {
             return permute(x[0], {0, 2, 3, 1});
           }},
          {"x.permute(3, 2, 1, 0).contiguous()",
           {pictures},
           [](In x) {
             return permute(x[0], {3, 2, 1, 0});
           }},
          {"x.permute(0, 2, 1).contiguous()",
           {{{4096, 64, 4}}},
           [](In x) {
             return permute(x[0], {0, 2, 1});
           }},
          {"x.permute(1, 0, 2).contiguous()",
           {{{4096, 64, 4}}},
           [](In x) {
             return permute(x[0], {1, 0, 2});
           }},
          {"x.t().contiguous()", {{batch}}, [](In x) { return transpose(x[0], 0, 1); }},
          {"x.t().contiguous()", {{large}}, [](In x) { return transpose(x[0], 0, 1); }},
          {"x.clone()", {{large}}, [](In x) { return clone(x[0]); }},
          {"torch.cat([x, y], 1)",
           {{batch}, {{128, 20}}},
           [](In x) {
             return concatenate({x[0], x[1]}, 1);
           }},
          {"x[:, ::2].contiguous()", {{batch}}, [](In x) { return slice(x[0], 1, 0, 784, 2); }},
          {"x.flip(1)", {{batch}}, [](In x) { return flip(x[0], {1}); }},
          {"F.pad(x, (1, 1, 1, 1))",
           {pictures},
           [](In x) {
             return pad(x[0], {0, 0, 1, 1}, {0, 0, 1, 1});
           }},
          {"F.max_pool2d(x, 2)", {pictures}, [](In x) { return max_pool2d(x[0], 2); }},
          {"F.avg_pool2d(x, 2)", {pictures}, [](In x) { return avg_pool2d(x[0], 2); }},
          {"F.batch_norm(x, None, None, training=True)", {pictures}, batch_normed},
      });
}

void add_contractions(std::vector<OpRow>& rows) {
  const RowInput w3{{32, 32, 3, 3}};
  rows.insert(
      rows.end(),
      {
          {"x @ y", {{{128, 784}}, {{784, 400}}}, [](In x) { return matmul(x[0], x[1]); }},
          {"x @ y", {{{64, 32, 48}}, {{64, 48, 32}}}, [](In x) { return matmul(x[0], x[1]); }},
          {"F.linear(x, y, z)", {{{128, 784}}, {{400, 784}}, {{400}}}, [](In x) { return linear(x[0], x[1], x[2]); }},
          {"F.linear(x, y, z)", {{{1, 784}}, {{400, 784}}, {{400}}}, [](In x) { return linear(x[0], x[1], x[2]); }},
          {"F.conv2d(x, y)", {{{128, 32, 14, 14}}, w3}, [](In x) { return conv2d(x[0], x[1]); }},
          {"F.conv2d(x, y, padding=1)",
           {{{128, 32, 14, 14}}, w3},
           [](In x) { return conv2d(x[0], x[1], {}, {.padding = 1}); }},
          {"F.conv2d(x, y, stride=2, padding=1)",
           {{{128, 1, 28, 28}}, {{32, 1, 3, 3}}},
           [](In x) { return conv2d(x[0], x[1], {}, {.stride = 2, .padding = 1}); }},
          {"F.conv_transpose2d(x, y)",
           {{{128, 64, 1, 1}}, {{64, 64, 7, 7}}},
           [](In x) { return conv_transpose2d(x[0], x[1]); }},
          {"F.conv_transpose2d(x, y, stride=2, padding=1)",
           {{{128, 64, 7, 7}}, {{64, 32, 4, 4}}},
           [](In x) { return conv_transpose2d(x[0], x[1], {}, {.stride = 2, .padding = 1}); }},
      });
}

}  // namespace

std::vector<OpRow> op_rows() {
  std::vector<OpRow> rows;
  add_elementwise(rows);
  add_broadcasts(rows);
  add_reductions(rows);
  add_losses(rows);
  add_indexing(rows);
  add_contractions(rows);
  add_model_rows(rows);
  return rows;
}

}  // namespace elbo::bench
