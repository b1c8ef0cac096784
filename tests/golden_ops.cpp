#include <elbo/core/functors.h>

#include <cmath>

#include "golden.h"

namespace golden {
namespace {

using elbo::Axes, elbo::Reduction, elbo::Shape, elbo::Size2, elbo::Tensor;
using Sizes = std::vector<std::int64_t>;
using Results = std::vector<Tensor>;

int whole(double x) { return static_cast<int>(x); }

/// `count` numbers from `first` on; by default all that are left.
Sizes sizes(const Call& c, std::size_t first = 0, std::size_t count = SIZE_MAX) {
  Sizes out;
  for (std::size_t i = first; i < c.p.size() && i - first < count; ++i)
    out.push_back(static_cast<std::int64_t>(c.p[i]));
  return out;
}
Size2 pair(const Call& c, std::size_t first) { return {sizes(c, first)[0], sizes(c, first)[1]}; }
Axes axes(const Call& c, std::size_t first = 0) {
  Axes out;
  for (std::int64_t axis : sizes(c, first)) out.push_back(static_cast<int>(axis));
  return out;
}
int axis(const Call& c, std::size_t i = 0) { return whole(c.p[i]); }
Reduction reduction(const Call& c) { return c.p.empty() ? Reduction::none : static_cast<Reduction>(whole(c.p[0])); }
/// An operand that may be left out.
Tensor given(const Call& c, std::size_t i) { return i < c.x.size() ? c.x[i] : Tensor(); }

Tensor clamp(const Call& c) {
  const int which = c.p.size() > 2 ? whole(c.p[2]) : 0;
  const std::optional<double> none;
  return elbo::clamp(c.x[0], which == 2 ? none : c.p[0], which == 1 ? none : c.p[1]);
}

Tensor pad(const Call& c) {
  const std::size_t rank = c.p.size() / 2 - 1;
  const Sizes before = sizes(c, 2, rank), after = sizes(c, 2 + rank);
  if (c.p[0] == 3) return elbo::pad(c.x[0], before, after, c.p[1]);
  return elbo::pad(c.x[0], before, after, static_cast<elbo::PadMode>(whole(c.p[0])));
}

Tensor upsample(const Call& c) {
  elbo::UpsampleOptions options{.mode = static_cast<elbo::UpsampleMode>(whole(c.p[0]))};
  if (c.p[1] == 0) {
    options.scale = pair(c, 2);
  } else {
    options.size = pair(c, 2);
  }
  return elbo::upsample(c.x[0], options);
}

Results batch_norm(const Call& c) {
  const bool affine = c.p[3] != 0, running = c.p[4] != 0;
  Tensor mean, var;
  if (running) {  // written in place: not the operands themselves
    const std::size_t first = affine ? 3 : 1;
    mean = Tensor(c.x[first].array().copy());
    var = Tensor(c.x[first + 1].array().copy());
  }
  Tensor y = elbo::batch_norm(c.x[0], affine ? c.x[1] : Tensor(), affine ? c.x[2] : Tensor(), mean, var, c.p[2] != 0,
                              c.p[0], c.p[1]);
  return running ? Results{y, mean, var} : Results{y};
}

Tensor layer_norm(const Call& c) {
  const Shape& shape = c.x[0].shape();
  Sizes last(shape.begin() + (shape.rank() - whole(c.p[1])), shape.end());
  return elbo::layer_norm(c.x[0], Shape(last), given(c, 1), given(c, 2), c.p[0]);
}

Tensor cross_entropy(const Call& c) {
  if (c.p.size() == 1) return elbo::cross_entropy(c.x[0], c.x[1], reduction(c));
  elbo::CrossEntropyOptions options{.label_smoothing = c.p[3], .reduction = reduction(c)};
  if (c.p[1] != 0) options.weight = c.x[2];
  if (!std::isnan(c.p[2])) options.ignore_index = static_cast<std::int64_t>(c.p[2]);
  return elbo::cross_entropy(c.x[0], c.x[1], options);
}

Tensor bce_with_logits(const Call& c) {
  if (c.x.size() < 3) return elbo::binary_cross_entropy_with_logits(c.x[0], c.x[1], reduction(c));
  return elbo::binary_cross_entropy_with_logits(c.x[0], c.x[1],
                                                elbo::BceOptions{.pos_weight = c.x[2], .reduction = reduction(c)});
}

Tensor gaussian_kl(const Call& c) {
  return c.x.size() == 2 ? elbo::gaussian_kl(c.x[0], c.x[1], reduction(c))
                         : elbo::gaussian_kl(c.x[0], c.x[1], c.x[2], c.x[3], reduction(c));
}

/// An entry of the table, of an expression in the call c.
template <class F>
std::pair<const std::string, Op> row(const char* name, F f) {
  return {name, [f](const Call& c) { return Results{f(c)}; }};
}

void add_elementwise(std::map<std::string, Op>& t) {
  t.insert(
      row("pow", [](const Call& c) { return c.x.size() > 1 ? elbo::pow(c.x[0], c.x[1]) : elbo::pow(c.x[0], c.p[0]); }));
#define ELBO_ONE(op, ...) t.insert(row(#op, [](const Call& c) { return elbo::op(c.x[0]); }));
#define ELBO_ONE_1(op, ...) t.insert(row(#op, [](const Call& c) { return elbo::op(c.x[0], c.p[0]); }));
#define ELBO_TWO(op, ...) t.insert(row(#op, [](const Call& c) { return elbo::op(c.x[0], c.x[1]); }));
  ELBO_UNARY_OPS(ELBO_ONE)
  ELBO_UNARY_OPS_1(ELBO_ONE_1)
  ELBO_BINARY_OPS(ELBO_TWO)
  ELBO_COMPARE_OPS(ELBO_TWO)
  t.insert(row("clamp", clamp));
  t.insert(row("log_sigmoid", [](const Call& c) { return elbo::log_sigmoid(c.x[0]); }));
  t.insert(row("logical_not", [](const Call& c) { return elbo::logical_not(c.x[0]); }));
  t.insert(row("isnan", [](const Call& c) { return elbo::isnan(c.x[0]); }));
  t.insert(row("isfinite", [](const Call& c) { return elbo::isfinite(c.x[0]); }));
  t.insert(row("where", [](const Call& c) { return elbo::where(c.x[0], c.x[1], c.x[2]); }));
  t.insert(row("cast", [](const Call& c) { return elbo::cast(c.x[0], static_cast<elbo::DType>(whole(c.p[0]))); }));
}

void add_reductions(std::map<std::string, Op>& t) {
#define ELBO_OVER(op) t.insert(row(#op, [](const Call& c) { return elbo::op(c.x[0], axes(c, 1), c.p[0] != 0); }));
  ELBO_OVER(sum)
  ELBO_OVER(mean)
  ELBO_OVER(max)
  ELBO_OVER(min)
  ELBO_OVER(all)
  ELBO_OVER(any)
  ELBO_OVER(logsumexp)
  t.insert(row("var", [](const Call& c) { return elbo::var(c.x[0], axes(c, 2), c.p[0], c.p[1] != 0); }));
  t.insert(row("std", [](const Call& c) { return elbo::std(c.x[0], axes(c, 2), c.p[0], c.p[1] != 0); }));
  t.insert(row("norm", [](const Call& c) { return elbo::norm(c.x[0], c.p[0], axes(c, 2), c.p[1] != 0); }));
  t.insert(row("argmax", [](const Call& c) { return elbo::argmax(c.x[0], axis(c, 1), c.p[0] != 0); }));
  t.insert(row("argmin", [](const Call& c) { return elbo::argmin(c.x[0], axis(c, 1), c.p[0] != 0); }));
  t.insert(row("softmax", [](const Call& c) { return elbo::softmax(c.x[0], axis(c)); }));
  t.insert(row("log_softmax", [](const Call& c) { return elbo::log_softmax(c.x[0], axis(c)); }));
  t.insert(row("cumsum", [](const Call& c) { return elbo::cumsum(c.x[0], axis(c)); }));
}

void add_contractions(std::map<std::string, Op>& t) {
  t.insert(row("matmul", [](const Call& c) { return elbo::matmul(c.x[0], c.x[1]); }));
  t.insert(row("linear", [](const Call& c) {
    return elbo::linear(c.x[0], c.x[1], given(c, 2), static_cast<elbo::Activation>(whole(c.p[0])));
  }));
  t.insert(row("conv2d", [](const Call& c) {
    return elbo::conv2d(
        c.x[0], c.x[1], given(c, 2),
        {.stride = pair(c, 0), .padding = pair(c, 2), .dilation = pair(c, 4), .groups = sizes(c, 6)[0]});
  }));
  t.insert(row("conv1d", [](const Call& c) {
    const Sizes n = sizes(c);
    return elbo::conv1d(c.x[0], c.x[1], given(c, 2),
                        {.stride = n[0], .padding = n[1], .dilation = n[2], .groups = n[3]});
  }));
  t.insert(row("conv_transpose2d", [](const Call& c) {
    return elbo::conv_transpose2d(c.x[0], c.x[1], given(c, 2),
                                  {.stride = pair(c, 0),
                                   .padding = pair(c, 2),
                                   .output_padding = pair(c, 4),
                                   .dilation = pair(c, 6),
                                   .groups = sizes(c, 8)[0]});
  }));
  t.insert(row("conv_transpose1d", [](const Call& c) {
    const Sizes n = sizes(c);
    return elbo::conv_transpose1d(
        c.x[0], c.x[1], given(c, 2),
        {.stride = n[0], .padding = n[1], .output_padding = n[2], .dilation = n[3], .groups = n[4]});
  }));
}

void add_shape_ops(std::map<std::string, Op>& t) {
  t.insert(row("reshape", [](const Call& c) {
    // -1 is for lists in braces alone.
    const Sizes n = sizes(c);
    if (n == Sizes{-1}) return elbo::reshape(c.x[0], {-1});
    if (n.size() == 2 && (n[0] == -1 || n[1] == -1)) return elbo::reshape(c.x[0], {n[0], n[1]});
    return elbo::reshape(c.x[0], Shape(n));
  }));
  t.insert(row("flatten", [](const Call& c) { return elbo::flatten(c.x[0], axis(c)); }));
  t.insert(row("expand", [](const Call& c) { return elbo::expand(c.x[0], Shape(sizes(c))); }));
  t.insert(row("clone", [](const Call& c) { return elbo::clone(c.x[0]); }));
  t.insert(row("unsqueeze", [](const Call& c) { return elbo::unsqueeze(c.x[0], axis(c)); }));
  t.insert(row("squeeze", [](const Call& c) { return elbo::squeeze(c.x[0], axes(c)); }));
  t.insert(row("transpose", [](const Call& c) { return elbo::transpose(c.x[0], axis(c), axis(c, 1)); }));
  t.insert(row("permute", [](const Call& c) {
    const Axes order = axes(c);
    return elbo::permute(c.x[0], std::vector<int>(order.begin(), order.end()));
  }));
  t.insert(row("concatenate", [](const Call& c) { return elbo::concatenate(c.x, axis(c)); }));
  t.insert(row("stack", [](const Call& c) { return elbo::stack(c.x, axis(c)); }));
  t.emplace("topk", [](const Call& c) {
    const elbo::TopK top = elbo::topk(c.x[0], sizes(c)[0], axis(c, 1), c.p[2] != 0);
    return Results{top.values, top.indices};
  });
  t.emplace("split", [](const Call& c) {
    return c.p[1] == 0 ? elbo::split(c.x[0], sizes(c, 2)[0], axis(c)) : elbo::split(c.x[0], sizes(c, 2), axis(c));
  });
  t.emplace("chunk", [](const Call& c) { return elbo::chunk(c.x[0], sizes(c)[1], axis(c)); });
  t.insert(row("repeat", [](const Call& c) { return elbo::repeat(c.x[0], sizes(c)); }));
  t.insert(row("masked_fill", [](const Call& c) {
    if (c.x.size() > 2) return elbo::masked_fill(c.x[0], c.x[1], c.x[2]);
    return elbo::is_floating(c.x[0].dtype()) ? elbo::masked_fill(c.x[0], c.x[1], c.p[0])
                                             : elbo::masked_fill(c.x[0], c.x[1], sizes(c)[0]);
  }));
  t.insert(row("tril", [](const Call& c) { return elbo::tril(c.x[0], sizes(c)[0]); }));
  t.insert(row("triu", [](const Call& c) { return elbo::triu(c.x[0], sizes(c)[0]); }));
  t.insert(row("slice", [](const Call& c) {
    const Sizes n = sizes(c);
    return elbo::slice(c.x[0], axis(c), n[1], n[2], n[3]);
  }));
  t.insert(row("index_select", [](const Call& c) { return elbo::index_select(c.x[0], axis(c), c.x[1]); }));
  t.insert(row("one_hot", [](const Call& c) { return elbo::one_hot(c.x[0], sizes(c)[0], c.dtype); }));
  t.insert(row("pad", pad));
  t.insert(row("gather", [](const Call& c) { return elbo::gather(c.x[0], axis(c), c.x[1]); }));
  t.insert(row("scatter_add", [](const Call& c) { return elbo::scatter_add(c.x[0], axis(c), c.x[1], c.x[2]); }));
  t.insert(row("flip", [](const Call& c) { return elbo::flip(c.x[0], axes(c)); }));
  t.insert(row("max_pool2d", [](const Call& c) {
    return elbo::max_pool2d(c.x[0], pair(c, 0), {.stride = pair(c, 2), .padding = pair(c, 4)});
  }));
  t.insert(row("avg_pool2d", [](const Call& c) {
    return elbo::avg_pool2d(c.x[0], pair(c, 0), {.stride = pair(c, 2), .padding = pair(c, 4)});
  }));
  t.insert(row("upsample", upsample));
}

void add_losses(std::map<std::string, Op>& t) {
  t.emplace("batch_norm", batch_norm);
  t.insert(row("layer_norm", layer_norm));
  t.insert(row("mse_loss", [](const Call& c) { return elbo::mse_loss(c.x[0], c.x[1], reduction(c)); }));
  t.insert(row("l1_loss", [](const Call& c) { return elbo::l1_loss(c.x[0], c.x[1], reduction(c)); }));
  t.insert(row("huber_loss", [](const Call& c) { return elbo::huber_loss(c.x[0], c.x[1], c.p[1], reduction(c)); }));
  t.insert(row("binary_cross_entropy",
               [](const Call& c) { return elbo::binary_cross_entropy(c.x[0], c.x[1], reduction(c)); }));
  t.insert(row("binary_cross_entropy_with_logits", bce_with_logits));
  t.insert(row("cross_entropy", cross_entropy));
  t.insert(row("gaussian_kl", gaussian_kl));
  t.insert(row("gaussian_log_prob", [](const Call& c) { return elbo::gaussian_log_prob(c.x[0], c.x[1], c.x[2]); }));
  t.insert(row("bernoulli_log_prob", [](const Call& c) { return elbo::bernoulli_log_prob(c.x[0], c.x[1]); }));
  t.insert(row("logistic_log_prob", [](const Call& c) { return elbo::logistic_log_prob(c.x[0], c.x[1], c.x[2]); }));
  t.insert(row("student_t_log_prob",
               [](const Call& c) { return elbo::student_t_log_prob(c.x[0], c.x[1], c.x[2], c.p[0]); }));
  t.insert(row("categorical_log_prob", [](const Call& c) { return elbo::categorical_log_prob(c.x[0], c.x[1]); }));
}

}  // namespace

const std::map<std::string, Op>& ops() {
  static const std::map<std::string, Op> table = [] {
    std::map<std::string, Op> t;
    add_elementwise(t);
    add_reductions(t);
    add_contractions(t);
    add_shape_ops(t);
    add_losses(t);
    return t;
  }();
  return table;
}

}  // namespace golden
