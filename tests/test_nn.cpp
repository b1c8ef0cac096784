#include <elbo/core/autograd.h>
#include <elbo/core/gradcheck.h>
#include <elbo/nn/init.h>
#include <elbo/nn/layers.h>
#include <elbo/nn/sequential.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "catch.h"
#include "temp_dir.h"

using namespace elbo;
using Catch::Matchers::Contains;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Two layers and a count, as a user writes a module.
struct Net : nn::Module {
  nn::Linear fc1{3, 2};
  nn::Linear fc2{2, 4, {.bias = false}};
  Tensor scale = ones({1});
  Tensor count = zeros({}, {.dtype = DType::int64});
  Net() {
    register_module("fc1", &Net::fc1);
    register_module("fc2", &Net::fc2);
    register_parameter("scale", &Net::scale);
    register_buffer("count", &Net::count);
  }
  Tensor forward(const Tensor& x) { return fc2(relu(fc1(x))) * scale; }
};

template <class Named>
std::vector<std::string> names(const Named& named) {
  std::vector<std::string> out;
  for (const auto& [name, value] : named) out.push_back(name);
  return out;
}

/// The bits of all arrays, to compare.
std::vector<std::string> contents(const NamedArrays& arrays) {
  std::vector<std::string> out;
  for (const auto& [name, array] : arrays)
    out.emplace_back(static_cast<const char*>(array.raw()), static_cast<std::size_t>(array.bytes()));
  return out;
}

NamedArrays copies(const NamedArrays& arrays) {
  NamedArrays out;
  for (const auto& [name, array] : arrays) out.emplace_back(name, array.copy());
  return out;
}

std::vector<float> values(const Tensor& tensor) { return tensor.array().to_vector<float>(); }

bool same_bits(const Array& a, const Array& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

/// The network of tests/oracle/modules.py.
void build_oracle_net(nn::Sequential& net) {
  net.add(nn::Conv2d(1, 2, 3, {.stride = 2, .padding = 1}))
      .add(nn::BatchNorm2d(2))
      .add(nn::LeakyReLU(0.1))
      .add(nn::ConvTranspose2d(2, 3, {2, 3}, {.stride = 2, .padding = {0, 1}, .output_padding = {0, 1}, .bias = false}))
      .add(nn::ELU())
      .add(nn::Flatten())
      .add(nn::Linear(48, 6))
      .add(nn::LayerNorm({6}))
      .add(nn::GELU())
      .add(nn::Unflatten(1, {2, 3}))
      .add(nn::Softplus())
      .add(nn::Sequential{nn::Linear(3, 2, {.bias = false}), nn::SiLU()});
}

void check_close(const Tensor& found, const std::vector<double>& expected) {
  const std::vector<double> v = found.array().to_vector<double>();
  REQUIRE(v.size() == expected.size());
  for (std::size_t i = 0; i < v.size(); ++i) {
    INFO(i);
    CHECK(std::abs(v[i] - expected[i]) <= 1e-12);
  }
}

}  // namespace

TEST_CASE("module: names, order and counts", "[nn]") {
  Net net;
  CHECK(names(net.state_dict()) == std::vector<std::string>{"scale", "count", "fc1.weight", "fc1.bias", "fc2.weight"});
  CHECK(names(net.named_parameters()) == std::vector<std::string>{"scale", "fc1.weight", "fc1.bias", "fc2.weight"});
  CHECK(names(net.named_buffers()) == std::vector<std::string>{"count"});
  CHECK(net.parameters().size() == 4);
  CHECK(net.num_parameters() == 1 + 6 + 2 + 8);
  for (const Tensor& parameter : net.parameters()) CHECK(parameter.requires_grad());
  CHECK_FALSE(net.count.requires_grad());
  CHECK(net.fc1.weight.shape() == Shape{2, 3});
}

TEST_CASE("module: a name is taken once, and has no dots", "[nn]") {
  struct Bad : nn::Module {
    Tensor a = ones({1}), b = ones({1}), labels = zeros({1}, {.dtype = DType::int64});
    nn::ReLU layer;
    Bad() { register_parameter("a", &Bad::a); }
    void parameter(const std::string& name) { register_parameter(name, &Bad::b); }
    void buffer(const std::string& name) { register_buffer(name, &Bad::b); }
    void child(const std::string& name) { register_module(name, &Bad::layer); }
    void integers() { register_parameter("labels", &Bad::labels); }
    void of_another() { register_parameter("weight", &nn::Linear::weight); }
  } bad;
  CHECK_THROWS_WITH(bad.parameter("a"), Contains("the name 'a' is taken"));
  CHECK_THROWS_AS(bad.buffer("a"), ValueError);
  CHECK_THROWS_AS(bad.child("a"), ValueError);
  CHECK_THROWS_AS(bad.parameter(""), ValueError);
  CHECK_THROWS_WITH(bad.child("b.c"), Contains("without dots, found 'b.c'"));
  CHECK_THROWS_AS(bad.integers(), DTypeError);
  CHECK_THROWS_WITH(bad.of_another(), Contains("expected a member of this module's class"));
  bad.child("layer");
  CHECK(names(bad.state_dict()) == std::vector<std::string>{"a"});
}

TEST_CASE("module: a shared parameter is trained once and saved under both names", "[nn]") {
  struct Tied : nn::Module {
    nn::Linear in{3, 3, {.bias = false}}, out{3, 3, {.bias = false}};
    Tied() {
      register_module("in", &Tied::in);
      register_module("out", &Tied::out);
      out.weight = in.weight;
    }
  } tied;
  CHECK(names(tied.named_parameters()) == std::vector<std::string>{"in.weight"});
  CHECK(tied.num_parameters() == 9);
  CHECK(names(tied.state_dict()) == std::vector<std::string>{"in.weight", "out.weight"});
}

TEST_CASE("module: train and eval reach every submodule, zero_grad every parameter", "[nn]") {
  Net net;
  CHECK(net.is_training());
  net.eval();
  CHECK_FALSE(net.is_training());
  CHECK_FALSE(net.fc1.is_training());
  net.train();
  CHECK(net.fc2.is_training());
  sum(net.forward(ones({2, 3}))).backward();
  for (const Tensor& parameter : net.parameters()) CHECK(parameter.grad().defined());
  net.zero_grad();
  for (const Tensor& parameter : net.parameters()) CHECK_FALSE(parameter.grad().defined());
}

TEST_CASE("module: within an EvalGuard every module is in evaluation, on that thread", "[nn]") {
  Net net;
  nn::Dropout drop(0.5);
  {
    const nn::EvalGuard outer;
    CHECK_FALSE(net.is_training());
    CHECK_FALSE(net.fc1.is_training());
    CHECK(values(drop(ones({50}))) == std::vector<float>(50, 1));
    { const nn::EvalGuard inner; }
    CHECK_FALSE(net.is_training());
    bool elsewhere = false;
    std::thread([&] { elsewhere = net.is_training(); }).join();
    CHECK(elsewhere);
    net.eval();
    net.train();
    CHECK_FALSE(net.is_training());
  }
  CHECK(net.is_training());
}

TEST_CASE("load_state_dict: copies values in place and converts between floating types", "[nn]") {
  Net a, b;
  b.count.mutable_array().fill(5);
  const void* memory = a.fc1.weight.array().raw();
  const std::uint64_t version = a.fc1.weight.array().storage()->version();
  a.load_state_dict(b.state_dict());
  CHECK(contents(a.state_dict()) == contents(b.state_dict()));
  CHECK(a.fc1.weight.array().raw() == memory);
  CHECK(a.fc1.weight.array().storage()->version() > version);
  a.load_state_dict(a.state_dict());
  CHECK(contents(a.state_dict()) == contents(b.state_dict()));

  Net wide;
  wide.to(DType::float64);
  CHECK(wide.fc1.weight.dtype() == DType::float64);
  CHECK(wide.fc1.weight.requires_grad());
  CHECK(wide.count.dtype() == DType::int64);
  wide.load_state_dict(b.state_dict());
  CHECK(wide.fc1.weight.array().to_vector<double>()[1] == static_cast<double>(values(b.fc1.weight)[1]));
  Net narrow;
  narrow.load_state_dict(wide.state_dict());
  CHECK(contents(narrow.state_dict()) == contents(b.state_dict()));
  CHECK_THROWS_AS(narrow.to(DType::int64), DTypeError);
}

TEST_CASE("load_state_dict: one error lists all that is wrong, and changes nothing", "[nn]") {
  Net net;
  const std::vector<std::string> before = contents(net.state_dict());
  const NamedArrays bad = {{"scale", Array::zeros({1})},         {"count", Array::zeros({})},  // not int64
                           {"fc1.weight", Array::zeros({3, 2})}, {"fc3.bias", Array::zeros({2})},
                           {"extra", Array::zeros({})},          {"fc2.weight", Array::zeros({4, 2})},
                           {"fc2.weight", Array::zeros({4, 2})}};
  CHECK_THROWS_WITH(net.load_state_dict(bad),
                    "[load_state_dict] missing: fc1.bias float32 [2]; unexpected: fc3.bias float32 [2], extra float32 "
                    "[]; twice: fc2.weight; mismatched: count int64 [], found float32 [], fc1.weight float32 [2, 3], "
                    "found float32 [3, 2]");
  CHECK_THROWS_AS(net.load_state_dict(bad), ValueError);
  CHECK(contents(net.state_dict()) == before);
  CHECK_THROWS_AS(net.load_state_dict({{"scale", Array()}}), ValueError);
}

TEST_CASE("load_state_dict: names can be mapped, whole or from their beginning", "[nn]") {
  Net net;
  const NamedArrays theirs = {{"factor", Array::full({1}, 3)},
                              {"count", Array::zeros({}, {.dtype = DType::int64})},
                              {"first.lin.weight", Array::full({2, 3}, 4)},
                              {"first.lin.bias", Array::full({2}, 5)},
                              {"first.last.weight", Array::full({4, 2}, 6)},
                              {"firstly", Array::zeros({})}};
  const std::map<std::string, std::string> rename = {
      {"factor", "scale"}, {"first", "fc9"}, {"first.lin", "fc1"}, {"first.last.weight", "fc2.weight"}};
  CHECK_THROWS_WITH(net.load_state_dict(theirs, rename), "[load_state_dict] unexpected: firstly float32 []");
  net.load_state_dict(NamedArrays(theirs.begin(), theirs.end() - 1), rename);
  CHECK(values(net.scale) == std::vector<float>{3});
  CHECK(values(net.fc1.bias) == std::vector<float>{5, 5});
  CHECK(values(net.fc2.weight)[7] == 6);
}

TEST_CASE("load_state_dict: a name to map that nothing has is an error, and changes nothing", "[nn]") {
  Net net, other;
  other.scale.mutable_array().fill(7);
  const std::vector<std::string> before = contents(net.state_dict());
  CHECK_THROWS_WITH(net.load_state_dict(other.state_dict(), {{"fc", "fc1"}}),
                    Contains("[load_state_dict] rename") && Contains("'fc'"));
  CHECK(contents(net.state_dict()) == before);
  net.load_state_dict(other.state_dict(), {{"fc1", "fc1"}});
  CHECK(values(net.scale) == std::vector<float>{7});
}

TEST_CASE("layers: names, layouts and outputs are PyTorch's", "[nn]") {
  // Literals: tests/oracle/modules.py
  nn::Sequential net;
  build_oracle_net(net);
  const std::vector<std::pair<std::string, Shape>> expected = {{"0.weight", {2, 1, 3, 3}},
                                                               {"0.bias", {2}},
                                                               {"1.weight", {2}},
                                                               {"1.bias", {2}},
                                                               {"1.running_mean", {2}},
                                                               {"1.running_var", {2}},
                                                               {"1.num_batches_tracked", {}},
                                                               {"3.weight", {2, 3, 2, 3}},
                                                               {"6.weight", {6, 48}},
                                                               {"6.bias", {6}},
                                                               {"7.weight", {6}},
                                                               {"7.bias", {6}},
                                                               {"11.0.weight", {2, 3}}};
  const NamedArrays state = net.state_dict();
  REQUIRE(state.size() == expected.size());
  for (std::size_t i = 0; i < state.size(); ++i) {
    CHECK(state[i].first == expected[i].first);
    CHECK(state[i].second.shape() == expected[i].second);
  }
  net.to(DType::float64);
  int k = 0;
  for (Tensor& parameter : net.parameters()) {
    std::int64_t i = 0;
    for (double& value : parameter.mutable_array().mutable_values<double>())
      value = static_cast<double>((i++ * 7 + k * 3) % 11) / 11 - 0.4;
    ++k;
  }
  std::vector<double> pixels(32);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<double>(i * 5 % 13) / 13;
  const Tensor x = Array::from(pixels, {2, 1, 4, 4});
  check_close(net(x), {-0.0025823816190018753, -0.09319719026764159, 0.0047162817701724355, -0.08198168724200595,
                       0.00046345895281501914, -0.09044360630841045, 0.006356091791191766, -0.08225772617671095});
  auto& norm = dynamic_cast<nn::BatchNorm2d&>(net[1]);
  check_close(norm.running_mean, {-0.01403846153846155, 0.07538461538461538});
  check_close(norm.running_var, {0.9063504572350727, 0.9065194665474386});
  CHECK(norm.num_batches_tracked.item() == 1);
  net.eval();
  check_close(net(x), {0.002468976924051621, -0.08876392408518739, 0.005520815411223999, -0.08190426996283502,
                       0.002940546251259718, -0.08847655939498475, 0.006173871664354721, -0.0817485175304936});
  CHECK(norm.num_batches_tracked.item() == 1);
}

TEST_CASE("layers: gradients reach every parameter of a network", "[nn]") {
  nn::Sequential net;
  build_oracle_net(net);
  net.to(DType::float64);
  dynamic_cast<nn::BatchNorm2d&>(net[1]).eval();  // or every call would move the statistics
  const Tensor x = randn({2, 1, 4, 4}, {.dtype = DType::float64});
  const std::vector<Tensor> parameters = net.parameters();
  const GradcheckResult result = gradcheck([&](std::span<const Tensor>) { return net(x); }, parameters);
  INFO(result.message);
  CHECK(result);
}

TEST_CASE("layers: weights that PyTorch saved give PyTorch's outputs", "[nn]") {
  TempDir dir;
  // torch.nn.Linear(3, 2), saved by safetensors.torch.save_file.
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("weight":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]}} )";
  const std::uint64_t length = header.size();
  const std::vector<float> data = {10, -20, 1, 2, 3, -0.5f, 0.25f, 8};
  std::string bytes(8 + header.size() + 32, '\0');
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  std::memcpy(bytes.data() + 8 + header.size(), data.data(), 32);
  write_file(dir / "linear.safetensors", bytes);
  nn::Linear linear(3, 2);
  linear.load_state_dict(load_safetensors(dir / "linear.safetensors").arrays);
  CHECK(values(linear(tensor({{1, 1, 1}, {2, 0, -1}}))) == std::vector<float>{16, -12.25f, 9, -29});
}

TEST_CASE("layers: a saved model loads into a fresh one", "[nn]") {
  TempDir dir;
  nn::Sequential a, b;
  build_oracle_net(a);
  build_oracle_net(b);
  const Tensor x = rand({2, 1, 4, 4});
  a(x);
  a.eval();
  b.eval();
  save_safetensors(dir / "a.safetensors", a.state_dict());
  b.load_state_dict(load_safetensors(dir / "a.safetensors").arrays);
  CHECK(same_bits(a(x).array(), b(x).array()));
}

TEST_CASE("layers: dropout acts in training only", "[nn]") {
  Generator generator(3, Stream::dropout);
  nn::Dropout drop(0.5, &generator);
  const Tensor x = ones({10000});
  const std::vector<float> y = values(drop(x));
  double kept = 0;
  for (float v : y) {
    CHECK((v == 0 || v == 2));
    kept += v / 2;
  }
  CHECK(std::abs(kept - 5000) < 250);  // five standard deviations
  CHECK(generator.offset().item() == 1);
  drop.eval();
  CHECK(values(drop(x)) == values(x));
  CHECK(generator.offset().item() == 1);
}

TEST_CASE("layers: unflatten undoes flatten", "[nn]") {
  const Tensor x = arange(24);
  const Tensor y = reshape(x, {2, 12});
  CHECK(nn::Unflatten(1, {3, 4})(y).shape() == Shape{2, 3, 4});
  CHECK(nn::Unflatten(-2, {2, 1})(y).shape() == Shape{2, 1, 12});
  CHECK(nn::Flatten()(nn::Unflatten(1, {3, 4})(y)).shape() == Shape{2, 12});
  CHECK(nn::Flatten(0)(y).shape() == Shape{24});
  CHECK_THROWS_WITH(nn::Unflatten(1, {5})(y), Contains("expected 5 elements") && Contains("[2, 12]"));
  CHECK_THROWS_AS(nn::Unflatten(2, {5})(y), IndexError);
}

TEST_CASE("layers: activations are the ops of their names", "[nn]") {
  const Tensor x = tensor({-2, -0.5, 0, 0.5, 2});
  auto same = [&](nn::Layer&& layer, const Tensor& expected) { return values(layer(x)) == values(expected); };
  CHECK(same(nn::ReLU(), relu(x)));
  CHECK(same(nn::LeakyReLU(0.3), leaky_relu(x, 0.3)));
  CHECK(same(nn::ELU(2), elu(x, 2)));
  CHECK(same(nn::SiLU(), silu(x)));
  CHECK(same(nn::GELU(), gelu(x)));
  CHECK(same(nn::Sigmoid(), sigmoid(x)));
  CHECK(same(nn::Tanh(), elbo::tanh(x)));
  CHECK(same(nn::Softplus(), softplus(x)));
}

TEST_CASE("layers: sizes that make no sense are refused", "[nn]") {
  CHECK_THROWS_WITH(nn::Linear(0, 2), "[Linear] in_features: expected at least 1, found 0");
  CHECK_THROWS_WITH(nn::Linear(2, -1), "[Linear] out_features: expected at least 1, found -1");
  CHECK_THROWS_AS(nn::Linear(2, -1), ValueError);
  CHECK_THROWS_WITH(nn::Conv2d(0, 2, 3), "[Conv2d] in_channels: expected at least 1, found 0");
  CHECK_THROWS_WITH(nn::Conv2d(1, 0, 3), "[Conv2d] out_channels: expected at least 1, found 0");
  CHECK_THROWS_WITH(nn::Conv2d(1, 2, {3, 0}), "[Conv2d] kernel_size: expected at least 1, found 0");
  CHECK_THROWS_WITH(nn::Conv2d(1, 2, 3, {.stride = 0}), "[Conv2d] stride: expected at least 1, found 0");
  CHECK_THROWS_WITH(nn::Conv2d(1, 2, 3, {.padding = -1}), "[Conv2d] padding: expected at least 0, found -1");
  CHECK_THROWS_WITH(nn::Conv2d(1, 2, 3, {.dilation = 0}), "[Conv2d] dilation: expected at least 1, found 0");
  CHECK_THROWS_AS(nn::ConvTranspose2d(0, 2, 3), ValueError);
  CHECK_THROWS_WITH(nn::ConvTranspose2d(1, 2, 3, {.stride = 2, .output_padding = 2}),
                    Contains("[ConvTranspose2d] output_padding: expected less than"));
  CHECK_THROWS_WITH(nn::BatchNorm2d(0), "[BatchNorm2d] num_features: expected at least 1, found 0");
  CHECK_THROWS_WITH(nn::BatchNorm2d(2, {.eps = not_a_number}),
                    "[BatchNorm2d] eps: expected a number above 0, found nan");
  CHECK_THROWS_AS(nn::BatchNorm2d(2, {.momentum = 2}), ValueError);
  CHECK_THROWS_AS(nn::LayerNorm({}), ValueError);
  CHECK_THROWS_AS(nn::LayerNorm({3, 0}), ValueError);
  CHECK_THROWS_WITH(nn::Dropout(1), "[Dropout] p: expected 0 <= p < 1, found 1");
  CHECK_THROWS_AS(nn::Dropout(not_a_number), ValueError);
  CHECK_THROWS_AS(nn::Unflatten(1, {}), ValueError);
  CHECK_THROWS_AS(nn::Unflatten(1, {3, 0}), ValueError);
  nn::BatchNorm2d norm(3);
  CHECK_THROWS_WITH(norm(zeros({2, 4, 1, 1})), "[BatchNorm2d] expected x [N, 3, H, W], found [2, 4, 1, 1]");
  CHECK_THROWS_AS(norm(zeros({2, 3})), ShapeError);
  CHECK(norm.num_batches_tracked.item() == 0);
}

TEST_CASE("layers: without bias or affine there is no such parameter", "[nn]") {
  CHECK(names(nn::Conv2d(1, 2, 3, {.bias = false}).state_dict()) == std::vector<std::string>{"weight"});
  CHECK(names(nn::BatchNorm2d(2, {.affine = false}).state_dict()) ==
        std::vector<std::string>{"running_mean", "running_var", "num_batches_tracked"});
  CHECK(nn::LayerNorm({2}, {.affine = false}).state_dict().empty());
  CHECK(nn::BatchNorm2d(2, {.affine = false})(randn({2, 2, 2, 2})).shape() == Shape{2, 2, 2, 2});
}

TEST_CASE("init: PyTorch's bounds, spread over the whole range", "[nn][init]") {
  Generator generator(1, Stream::init);
  auto check_uniform = [](const Tensor& tensor, double bound) {
    double low = 1, high = -1, sum = 0, squares = 0;
    for (float v : values(tensor)) {
      low = std::min<double>(low, v), high = std::max<double>(high, v);
      sum += v, squares += double{v} * v;
    }
    const double n = static_cast<double>(tensor.numel()), spread = bound / std::sqrt(3);
    CHECK(low >= -bound * 1.000001);
    CHECK(high <= bound * 1.000001);
    CHECK(low < -bound * (1 - 20 / n));
    CHECK(high > bound * (1 - 20 / n));
    CHECK(std::abs(sum / n) < 5 * spread / std::sqrt(n));
    CHECK(std::abs(squares / n / (spread * spread) - 1) < 5 * std::sqrt(0.8 / n));  // the variance's own deviation
  };
  const GeneratorScope scope(generator);
  nn::Linear linear(100, 400);
  check_uniform(linear.weight, 0.1);
  check_uniform(linear.bias, 0.1);
  nn::Conv2d conv(4, 300, {5, 5});
  check_uniform(conv.weight, 0.1);
  check_uniform(conv.bias, 0.1);
  // PyTorch takes a transposed convolution's fan in from its output channels.
  nn::ConvTranspose2d transposed(300, 4, {5, 5});
  check_uniform(transposed.weight, 0.1);
  CHECK(transposed.bias.numel() == 4);
  for (float v : values(transposed.bias)) CHECK(std::abs(v) <= 0.1f);
  CHECK(generator.offset().item() == 6);

  Tensor weight = zeros({200, 50});
  nn::init::kaiming_uniform_(weight, 0, &generator);
  check_uniform(weight, std::sqrt(6.0 / 50));
  nn::init::xavier_uniform_(weight, 2, &generator);
  check_uniform(weight, 2 * std::sqrt(6.0 / 250));
  nn::init::normal_(weight, 3, 0.5, &generator);
  double sum = 0, squares = 0;
  for (float v : values(weight)) sum += v - 3, squares += (double{v} - 3) * (double{v} - 3);
  CHECK(std::abs(sum / 1e4) < 5 * 0.5 / 100);
  CHECK(std::abs(squares / 1e4 / 0.25 - 1) < 5 * std::sqrt(2 / 1e4));
  nn::init::constant_(weight, 7);
  CHECK(values(weight)[9999] == 7);
  CHECK_THROWS_AS(nn::init::fans({3}), ShapeError);
  CHECK_THROWS_AS(nn::init::uniform_(weight, 1, 0), ValueError);
}

TEST_CASE("init: types and ranges that cannot be are refused, and a layer without inputs has bias 0", "[nn][init]") {
  const std::vector<std::pair<std::string, std::function<void(Tensor&)>>> all = {
      {"uniform_", [](Tensor& t) { nn::init::uniform_(t, 0, 1); }},
      {"normal_", [](Tensor& t) { nn::init::normal_(t); }},
      {"kaiming_uniform_", [](Tensor& t) { nn::init::kaiming_uniform_(t); }},
      {"xavier_uniform_", [](Tensor& t) { nn::init::xavier_uniform_(t); }},
      {"default_", [](Tensor& t) {
         Tensor bias;
         nn::init::default_(t, bias);
       }}};
  for (const auto& [name, init] : all)
    for (DType dtype : {DType::int64, DType::uint8}) {
      CAPTURE(name);
      Tensor t = zeros({2, 3}, {.dtype = dtype});
      CHECK_THROWS_WITH(init(t), Catch::Contains("[" + name + "] expected float32 or float64, found "));
    }
  Tensor t = zeros({2, 3});
  const double infinite = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(nn::init::uniform_(t, -3e38, 3e38), ValueError);
  CHECK_THROWS_AS(nn::init::uniform_(t, -infinite, infinite), ValueError);
  CHECK_THROWS_AS(nn::init::normal_(t, 0, infinite), ValueError);
  CHECK_THROWS_AS(nn::init::normal_(t, 1e39), ValueError);
  CHECK_THROWS_WITH(nn::init::xavier_uniform_(t, -1), Catch::Contains("[xavier_uniform_] gain: "));
  CHECK_THROWS_WITH(nn::init::kaiming_uniform_(t, infinite), Catch::Contains("[kaiming_uniform_] a: "));
  Tensor weight = zeros({3, 0}), bias = ones({3});
  nn::init::default_(weight, bias);
  CHECK(sum(abs(bias)).item() == 0);
}

TEST_CASE("init: one seed, one network", "[nn][init]") {
  auto made = [](std::uint64_t seed) {
    Generator generator(seed, Stream::init);
    const GeneratorScope scope(generator);
    nn::Linear linear(5, 6);
    return contents(copies(linear.state_dict()));
  };
  CHECK(made(1) == made(1));
  CHECK(made(1) != made(2));
}

TEST_CASE("sequential: children are numbered and reached by index", "[nn]") {
  nn::Sequential net{nn::Linear(2, 3), nn::ReLU()};
  net.add(nn::Linear(3, 1, {.bias = false}));
  CHECK(names(net.state_dict()) == std::vector<std::string>{"0.weight", "0.bias", "2.weight"});
  CHECK(net.size() == 3);
  CHECK(dynamic_cast<nn::Linear&>(net[2]).out_features == 1);
  CHECK_THROWS_AS(net[3], IndexError);
  CHECK_THROWS_AS(net.push_back(nullptr), ValueError);
  CHECK(net(ones({4, 2})).shape() == Shape{4, 1});
  nn::Sequential empty;
  CHECK(values(empty(ones({2}))) == std::vector<float>{1, 1});
}

TEST_CASE("sequential: fused activations give the bits of the layers one by one", "[nn]") {
  // As one, layer by layer, and as one without a graph, where all activations are fused.
  const auto check = [](nn::Sequential& net, const Tensor& x) {
    auto run = [&](bool fused) {
      net.zero_grad();
      Tensor y = x;
      if (fused) {
        y = net(x);
      } else {
        for (std::size_t i = 0; i < net.size(); ++i) y = net[i](y);
      }
      sum(square(y)).backward();
      NamedArrays out = {{"y", y.array()}};
      for (const auto& [name, parameter] : net.named_parameters())
        out.emplace_back(name, parameter.grad().array().copy());
      return contents(out);
    };
    CHECK(run(true) == run(false));
    const Tensor recorded = net(x);
    const NoGradGuard constant;
    CHECK(values(net(x)) == values(recorded));
  };
  for (const int rows : {1, 3, 128}) {
    nn::Sequential net;
    net.add(nn::Linear(37, 65)).add(nn::ReLU());
    net.add(nn::Linear(65, 33)).add(nn::Tanh());
    net.add(nn::Linear(33, 20, {.bias = false})).add(nn::Sigmoid());
    net.add(nn::Linear(20, 7));
    check(net, randn({rows, 37}));
  }
  for (const int pictures : {1, 9}) {  // few channels and many, and a kernel as large as its picture, both ways
    nn::Sequential net;
    net.add(nn::Conv2d(1, 16, 4, {.stride = 2, .padding = 1})).add(nn::ReLU());
    net.add(nn::Conv2d(16, 2, 3, {.padding = 1})).add(nn::ReLU());
    net.add(nn::Conv2d(2, 6, 3, {.groups = 2, .bias = false})).add(nn::Sigmoid());
    net.add(nn::Conv2d(6, 9, 4)).add(nn::Tanh());
    net.add(nn::ConvTranspose2d(9, 8, 4)).add(nn::ReLU());
    net.add(nn::ConvTranspose2d(8, 6, 3, {.groups = 2})).add(nn::Sigmoid());
    net.add(nn::ConvTranspose2d(6, 2, 4, {.stride = 2, .padding = 1})).add(nn::Tanh());
    check(net, randn({pictures, 1, 12, 12}));
  }
}

TEST_CASE("sequential: a convolution and ReLU are one op", "[nn]") {
  const Tensor x = ones({1, 2, 3, 3});
  const auto last_op = [&](auto layer, auto activation) {
    nn::Sequential net{std::move(layer), std::move(activation)};
    return std::string(net(x).node()->name);
  };
  CHECK(last_op(nn::Conv2d(2, 3, 3), nn::ReLU()) == "conv2d");
  CHECK(last_op(nn::ConvTranspose2d(2, 3, 3), nn::ReLU()) == "conv_transpose2d");
  CHECK(last_op(nn::Conv2d(2, 3, 3), nn::Tanh()) == "tanh");
}

TEST_CASE("sequential: Linear and ReLU are one op", "[nn]") {
  const Tensor x = ones({1, 2});
  auto last_op = [&](auto activation) {
    nn::Sequential net{nn::Linear(2, 2), std::move(activation)};
    return std::string(net(x).node()->name);
  };
  CHECK(last_op(nn::ReLU()) == "linear");
  // Their gradients need what goes into the activation, which the one op does not keep.
  CHECK(last_op(nn::Sigmoid()) == "sigmoid");
  CHECK(last_op(nn::Tanh()) == "tanh");
  CHECK(last_op(nn::ELU()) == "elu");
}

TEST_CASE("sequential: a derived Linear keeps its own forward", "[nn]") {
  struct Doubled : nn::Linear {
    using nn::Linear::Linear;
    Tensor forward(const Tensor& x) override { return nn::Linear::forward(x) * 2.0; }
  };
  nn::Sequential net;
  net.add(Doubled(2, 2)).add(nn::ReLU());
  const Tensor x = ones({1, 2});
  auto& linear = dynamic_cast<Doubled&>(net[0]);
  CHECK(values(net(x)) == values(relu(elbo::linear(x, linear.weight, linear.bias) * 2.0)));
}
