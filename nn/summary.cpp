#include "summary.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <ostream>

#include "../core/generator.h"

namespace elbo::nn {
namespace {

/// `elbo::nn::Linear` without the namespaces.
std::string short_class_name(const Module& module) {
  const std::string name = module.class_name();
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<' || name[i] == '(') ++depth;
    if (name[i] == '>' || name[i] == ')') --depth;
    if (depth == 0 && name[i] == ':') begin = i + 1;
  }
  return name.substr(begin);
}

void print_tree(std::ostream& out, const Module& module, const std::string& indent) {
  out << short_class_name(module) << "(";
  const char* separator = "";
  for (const NamedTensors& tensors : {module.named_parameters(), module.named_buffers()})
    for (const auto& [name, tensor] : tensors) {
      if (name.find('.') != std::string::npos) continue;  // a submodule's
      out << separator << name << " " << tensor.shape();
      separator = ", ";
    }
  const NamedModules children = module.named_children();
  for (const auto& [name, child] : children) {
    out << "\n" << indent << "  (" << name << "): ";
    print_tree(out, *child, indent + "  ");
  }
  out << (children.empty() ? ")" : "\n" + indent + ")");
}

/// 1234567 as `1,234,567`.
std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

using Row = std::array<std::string, 4>;

std::string table_of(const std::vector<Row>& rows) {
  std::array<std::size_t, 4> widths{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < 3; ++i) line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    line += std::string(widths[3] - row[3].size(), ' ') + row[3];  // numbers to the right
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

/// The shape of what each layer gave when it last ran in `forward`.
std::map<const Module*, Shape> output_shapes(const Module& module, const std::function<void()>& forward) {
  std::map<const Module*, Shape> shapes;
  const NoGradGuard no_grad;
  const EvalGuard eval;
  Generator scratch;
  const GeneratorScope scope(scratch);
  const std::vector<Tensor> parameters = module.parameters();
  std::optional<Generator> other;  // of a module on a GPU
  std::optional<GeneratorScope> other_scope;
  if (!parameters.empty() && parameters[0].device() != cpu) {
    other.emplace(0, Stream::user, parameters[0].device());
    other_scope.emplace(*other);
  }
  const ForwardHook hook([&](Layer& layer, const Tensor& y) { shapes.insert_or_assign(&layer, y.shape()); });
  forward();
  return shapes;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Module& module) {
  print_tree(out, module, "");
  return out;
}

std::string summary(const Module& module, const std::function<void()>& forward) {
  const std::int64_t total = module.num_parameters();  // at least as large as each of these:
  std::map<std::string, std::int64_t> counts;          // by the dotted name of the module that has them
  for (const auto& [name, tensor] : module.named_parameters()) {
    const std::size_t dot = name.rfind('.');
    counts[dot == std::string::npos ? "" : name.substr(0, dot)] += tensor.numel();
  }
  std::map<const Module*, Shape> shapes;
  if (forward) shapes = output_shapes(module, forward);
  std::vector<Row> rows{{"name", "class", forward ? "output" : "", "parameters"}};
  for (const auto& [name, part] : module.named_modules()) {
    const auto shape = shapes.find(part);
    rows.push_back({name, short_class_name(*part), shape == shapes.end() ? "" : shape->second.to_string(),
                    counts.contains(name) ? with_commas(counts[name]) : ""});
  }
  rows.push_back({"total", "", "", with_commas(total)});
  return table_of(rows);
}

}  // namespace elbo::nn
