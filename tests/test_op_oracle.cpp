// Every op and its gradient against PyTorch's: random operands and odd ones, in both float types. tests/oracle/ops.py
// writes the cases to tests/golden/, and says how to run PyTorch's own samples instead (ELBO_GOLDEN names their
// folder).
#include <elbo/core/errors.h>
#include <elbo/core/safetensors.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <sstream>

#include "catch.h"
#include "declared_ops.h"
#include "golden.h"

using elbo::Array, elbo::DType, elbo::Shape, elbo::Tensor;

namespace {

using Numbers = std::vector<double>;

Numbers to_numbers(const Array& array) {
  const auto widened = [](const auto& values) { return Numbers(values.begin(), values.end()); };
  switch (array.dtype()) {
    case DType::float32:
      return widened(array.to_vector<float>());
    case DType::float64:
      return widened(array.to_vector<double>());
    case DType::uint8:
      return widened(array.to_vector<std::uint8_t>());
    case DType::int64:
      return widened(array.to_vector<std::int64_t>());
  }
  return {};
}

/// To the nearest float, also where that is an infinity.
double to_single(double x) {
  if (std::isfinite(x) && std::abs(x) >= 0x1.ffffffp127) return std::copysign(INFINITY, x);
  return static_cast<double>(static_cast<float>(x));
}

/// An array as the file has it: real numbers stand for those of either float type.
struct Values {
  Array array;
  std::optional<double> scale = {};

  bool real() const { return elbo::is_floating(array.dtype()); }
  DType dtype(DType wanted) const { return real() ? wanted : array.dtype(); }
  Array as(DType wanted) const {
    if (!real()) return array;
    Numbers numbers = to_numbers(array);
    if (wanted == DType::float64) return Array::from(numbers, array.shape());
    std::vector<float> singles;
    for (double x : numbers) singles.push_back(static_cast<float>(to_single(x)));
    return Array::from(singles, array.shape());
  }
};

struct Operand {
  Values values;
  bool fixed = false;
  std::optional<std::size_t> again;  ///< the operand of this number, once more
};
struct Result {
  Values y;
  std::optional<Values> g;
};
/// As tests/oracle/golden.py describes it.
struct Case {
  std::string text, dtypes;
  double bound32 = 0, bound64 = 0;
  Numbers p;
  std::vector<Operand> operands;
  bool raises = false;
  std::vector<Result> results;
  std::vector<Values> grads;
  std::vector<std::string> wanted;

  bool of(DType dtype) const { return dtypes == "both" || dtypes == elbo::name(dtype); }
};

/// Reads the cases of a file in order, since each takes the next numbers of its arrays.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : file_(elbo::load_safetensors(path)) {}

  std::vector<Case> cases() {
    std::vector<Case> out;
    for (const auto& [key, text] : file_.metadata)
      if (key.starts_with("case ")) out.push_back(read(text));
    for (const auto& [name, array] : file_.arrays) {
      INFO("numbers of " << name << " that no case takes");
      CHECK(next_[name] == array.numel());
    }
    return out;
  }

 private:
  Case read(const std::string& text) {
    Case c;
    c.text = text;
    std::istringstream fields(text);
    std::string field;
    std::getline(fields, field, ';');
    std::istringstream(field) >> c.dtypes >> c.bound32 >> c.bound64;
    while (std::getline(fields, field, ';')) {
      std::istringstream in(field);
      std::string kind;
      in >> kind;
      if (kind == "p") {
        for (std::string number; in >> number;) c.p.push_back(std::strtod(number.c_str(), nullptr));
      } else if (kind == "in") {
        Operand& x = c.operands.emplace_back(Operand{take(in, read_shape), false, {}});
        std::string fixed;
        x.fixed = static_cast<bool>(in >> fixed);
      } else if (kind == "again") {
        std::size_t which = 0;
        in >> which;
        c.operands.push_back({{}, false, which});
      } else if (kind == "raises") {
        c.raises = true;
      } else if (kind == "y") {
        c.results.push_back({take(in, read_shape), {}});
        read_scale(in, c.results.back().y);
      } else if (kind == "g") {
        const Shape shape = c.results.back().y.array.shape();
        c.results.back().g = take(in, [&](std::istream&) { return shape; });
      } else if (kind == "d") {
        std::size_t number = c.grads.size();
        c.grads.push_back(take(in, [&](std::istream&) { return shape_of_leaf(c, number); }));
        read_scale(in, c.grads.back());
      } else if (kind == "wanted") {
        std::string number;
        in >> number;
        c.wanted.push_back(file_.metadata.at("wanted " + number));
      } else {
        FAIL("unknown field: " << field);
      }
    }
    return c;
  }

  static Shape read_shape(std::istream& in) {
    std::string word;
    in >> word;
    std::vector<std::int64_t> sizes;
    std::istringstream parts(word);
    if (word != "scalar")
      for (std::string size; std::getline(parts, size, 'x');) sizes.push_back(std::stoll(size));
    return Shape(sizes);
  }
  static void read_scale(std::istream& in, Values& values) {
    double scale = 0;
    if (in >> scale) values.scale = scale;
  }
  /// The shape of the operand that has gradient `number`.
  static Shape shape_of_leaf(const Case& c, std::size_t number) {
    for (const Operand& x : c.operands)
      if (!x.again && !x.fixed && x.values.real() && number-- == 0) return x.values.array.shape();
    FAIL("more gradients than operands");
    return {};
  }
  template <class GetShape>
  Values take(std::istream& in, GetShape get_shape) {
    std::string name;
    in >> name;
    const Shape shape = get_shape(in);
    const auto array =
        std::find_if(file_.arrays.begin(), file_.arrays.end(), [&](const auto& a) { return a.first == name; });
    REQUIRE(array != file_.arrays.end());
    std::int64_t& next = next_[name];
    next += shape.numel();
    return {array->second.slice(next - shape.numel(), next).reshape(shape)};
  }

  elbo::SafetensorsFile file_;
  std::map<std::string, std::int64_t> next_;
};

/// A file for each op.
std::map<std::string, std::filesystem::path> files() {
  const char* other = std::getenv("ELBO_GOLDEN");
  std::map<std::string, std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(other ? other : ELBO_SOURCE_DIR "/tests/golden"))
    out[entry.path().stem().string()] = entry.path();
  return out;
}

// ---- comparing

/// A unit in the last place of x, in T.
template <class T>
double unit(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  using Limits = std::numeric_limits<T>;
  return std::ldexp(1.0, std::max(exponent, Limits::min_exponent) - Limits::digits);
}

bool same_bits(const Array& a, const Array& b) {
  return a.numel() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

/// What differs more than it may, in words; empty if nothing does. With `zero_signs` -0 is not 0, where the bound is in
/// units in the last place: so for values; the gradients of two formulas may differ in it.
std::string compare(const Case& c, DType row, const Tensor& found, const Values& expected, bool zero_signs) {
  std::ostringstream out;
  out.precision(17);
  if (found.shape() != expected.array.shape()) out << "shape " << found.shape();
  if (!expected.real() && found.dtype() != expected.array.dtype()) out << "dtype " << elbo::name(found.dtype());
  if (!out.str().empty()) return out.str();
  if (!expected.real()) return same_bits(found.array(), expected.array) ? "" : found.array().to_string();
  const bool single = row == DType::float32 || found.dtype() == DType::float32;
  const double bound = row == DType::float32 ? c.bound32 : c.bound64;
  const Numbers values = to_numbers(found.array()), wanted = to_numbers(expected.as(found.dtype()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double f = values[i], e = wanted[i];
    const bool wrong_zero = zero_signs && !expected.scale && e == 0 && f == 0 && std::signbit(e) != std::signbit(f);
    if ((f == e || (std::isnan(f) && std::isnan(e))) && !wrong_zero) continue;
    const double of = expected.scale ? std::max(*expected.scale, std::abs(e)) : e;
    const double units = std::abs(f - e) / (single ? unit<float>(of) : unit<double>(of));
    if (std::isfinite(f) && std::isfinite(e) && units <= bound && !wrong_zero) continue;
    out << "\n  element " << i << ": expected " << e << ", found " << f << ", " << units << " units";
  }
  return out.str();
}

void run(const golden::Op& op, const Case& c, DType dtype) {
  INFO(c.text << "\n" << elbo::name(dtype));
  golden::Call call{{}, c.p, dtype};
  std::vector<Tensor> leaves;
  for (const Operand& x : c.operands) {
    if (x.again) {
      call.x.push_back(call.x[*x.again]);
      continue;
    }
    const bool differentiable = x.values.real() && !x.fixed;
    call.x.emplace_back(x.values.as(dtype), differentiable);
    if (differentiable) leaves.push_back(call.x.back());
  }
  if (c.raises) {
    CHECK_THROWS_AS(op(call), elbo::Error);
    return;
  }
  const std::vector<Tensor> results = op(call);
  REQUIRE(results.size() == c.results.size());
  std::vector<Tensor> outputs, gradients;
  for (std::size_t i = 0; i < results.size(); ++i) {
    INFO("result " << i);
    CHECK(compare(c, dtype, results[i], c.results[i].y, true) == "");
    REQUIRE(results[i].requires_grad() == c.results[i].g.has_value());
    if (!c.results[i].g) continue;
    outputs.push_back(results[i]);
    gradients.emplace_back(c.results[i].g->as(results[i].dtype()));
  }
  if (outputs.empty()) return;
  const std::vector<Tensor> grads = elbo::autograd::grad(outputs, leaves, gradients, false, true);
  REQUIRE(grads.size() == c.grads.size());
  for (std::size_t i = 0; i < grads.size(); ++i) {
    INFO("gradient " << i);
    const Tensor found = grads[i].defined() ? grads[i] : elbo::zeros_like(leaves[i]);
    CHECK(compare(c, dtype, found, c.grads[i], false) == "");
  }
}

}  // namespace

TEST_CASE("ops and their gradients are PyTorch's", "[ops][oracle]") {
  for (const auto& [name, path] : files()) {
    DYNAMIC_SECTION(name) {
      const auto op = golden::ops().find(name);
      REQUIRE(op != golden::ops().end());
      for (const Case& c : Reader(path).cases()) {
        if (c.of(DType::float32)) run(op->second, c, DType::float32);
        if (c.of(DType::float64) || c.dtypes == "any") run(op->second, c, DType::float64);
      }
    }
  }
}

TEST_CASE("every op of core/ops.h has 20 cases by PyTorch in either float type", "[ops][oracle]") {
  // PyTorch draws other numbers: tests/test_random_ops.cpp tests these.
  const std::set<std::string> random{"randn",    "rand",      "randn_like", "rand_like",      "randint",
                                     "randperm", "bernoulli", "dropout",    "reparameterize", "multinomial"};
  // Several of the others in one: tests/test_seeded_losses.cpp, and test_philox.cpp for the last.
  const std::set<std::string> fused{"linear_heads", "mse_loss_sum", "binary_cross_entropy_with_logits_sum",
                                    "reparameterize_kl"};
  std::map<std::string, std::set<std::string>> wanted;
  const auto golden_files = files();
  std::uintmax_t bytes = 0;
  for (const auto& [name, path] : golden_files) bytes += std::filesystem::file_size(path);
  CHECK(bytes <= 2'000'000);
  for (const std::string& op : declared_ops()) {
    if (random.contains(op) || fused.contains(op)) continue;
    INFO(op);
    const auto file = golden_files.find(op);
    CHECK(file != golden_files.end());
    if (file == golden_files.end()) continue;
    int float32 = 0, float64 = 0;
    for (const Case& c : Reader(file->second).cases()) {
      float32 += !c.raises && c.of(DType::float32);
      float64 += !c.raises && c.of(DType::float64);
      for (const std::string& reason : c.wanted) wanted[reason].insert(op);
    }
    CHECK(float32 >= 20);
    CHECK(float64 >= 20);
  }
  std::string list;
  for (const auto& [reason, ops] : wanted) {
    for (const std::string& op : ops) list += (op == *ops.begin() ? "\n" : ", ") + op;
    list += ": " + reason;
  }
  WARN("where PyTorch has other numbers:" << list);
}
