// The device meta: shapes without numbers, and models made of them.
#include <elbo/elbo.h>

#include <functional>

#include "catch.h"
#include "temp_dir.h"

using namespace elbo;

namespace {

/// The message of the DeviceError that `call` throws.
std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "(none)";
}

const char* const no_numbers = " device meta holds no numbers";

/// Some 10^12 parameters.
struct Large : nn::Module {
  static constexpr std::int64_t n = 1'000'000;
  nn::Linear encoder{n, n}, decoder{8, n};
  nn::BatchNorm1d norm{n};
  Tensor prior = nn::parameter({n, 2}), seen = nn::buffer({}, 0, DType::int64);
  Large() {
    nn::init::normal_(prior);
    register_parameter("prior", &Large::prior);
    register_buffer("seen", &Large::seen);
    register_module("encoder", &Large::encoder);
    register_module("decoder", &Large::decoder);
    register_module("norm", &Large::norm);
  }
};

}  // namespace

TEST_CASE("meta: an array of any size has a shape and no memory", "[meta]") {
  const MemoryStats before = memory_stats(cpu);
  const std::int64_t n = std::int64_t{1} << 30;
  const Array x = Array::empty({n, n}, {.device = meta});
  CHECK(x.shape() == Shape{n, n});
  CHECK(x.numel() == std::int64_t{1} << 60);
  CHECK(x.bytes() == std::size_t{1} << 62);
  CHECK(x.device() == meta);
  CHECK(x.raw() == nullptr);
  CHECK(x.reshape({2 * n, n / 2}).slice(n, 2 * n).shape() == Shape{n, n / 2});
  CHECK(x.slice(3, 4).raw() == nullptr);
  CHECK(Tensor(x)[5].shape() == Shape{n});
  CHECK(memory_stats(cpu).backing_allocations == before.backing_allocations);
  CHECK(memory_stats(meta).peak == 0);
  synchronize(meta);
  CHECK_THROWS_AS(Array::empty({n, n, 2}, {.device = meta}), ShapeError);

  CHECK(meta.to_string() == "meta");
  CHECK_FALSE(available(meta));
  CHECK(refusal([] { Device::parse("meta"); }) == "unknown device 'meta': expected auto, cpu, cuda or cuda:N");
  CHECK(refusal([] {
          Array::empty({}, {.device = {DeviceType::meta, 1}});
        }) == "device meta:1 cannot be used: there is one meta, index 0");
}

TEST_CASE("meta: what reads or writes numbers is refused before memory is taken for them", "[meta]") {
  const std::int64_t n = std::int64_t{1} << 50;
  Array one = Array::empty({1}, {.device = meta}), large = Array::empty({n}, {.device = meta});
  Array host = Array::zeros({1});
  CHECK(refusal([&] { one.item(); }) == "[item]" + std::string(no_numbers));
  CHECK(refusal([&] { large.values<float>(); }) == "[values]" + std::string(no_numbers));
  CHECK(refusal([&] { large.mutable_values<float>(); }) == "[values]" + std::string(no_numbers));
  CHECK(refusal([&] { large.to_vector<float>(); }) == "[to_vector]" + std::string(no_numbers));
  CHECK(refusal([&] { large.copy(); }) == "[copy]" + std::string(no_numbers));
  CHECK(refusal([&] { large.to(cpu); }) == "[to]" + std::string(no_numbers));
  CHECK(refusal([&] { large.to({DeviceType::cuda, 0}); }) == "[to]" + std::string(no_numbers));
  CHECK(refusal([&] { host.to(meta); }) == "[to]" + std::string(no_numbers));
  CHECK(refusal([&] { one.assign(host); }) == "[assign]" + std::string(no_numbers));
  CHECK(refusal([&] { host.assign(one); }) == "[assign]" + std::string(no_numbers));
  CHECK(refusal([&] { large.fill(1); }) == "[fill]" + std::string(no_numbers));
  CHECK(refusal([&] { Array::zeros({n}, {.device = meta}); }) == "[full]" + std::string(no_numbers));
  CHECK(refusal([] { Array::from(std::vector<float>{1}, {1}, meta); }) == "[from]" + std::string(no_numbers));
  CHECK(refusal([&] { large.to_string(); }) == "[to]" + std::string(no_numbers));
  CHECK(refusal([] { Generator(1, Stream::user, meta); }) == "[full]" + std::string(no_numbers));
  CHECK(refusal([] { manual_seed(0), default_generator(meta); }) == "[full]" + std::string(no_numbers));
  CHECK(Array::empty({1}, {.device = meta}).to(meta).device() == meta);

  TempDir dir;
  const auto path = dir.path() / "x.safetensors";
  CHECK(refusal([&] { save_safetensors(path, {{"x", one}}); }) == "[to]" + std::string(no_numbers));
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("meta: every kind of op is refused by its name", "[meta]") {
  const std::int64_t n = std::int64_t{1} << 25;
  const Tensor x(Array::empty({n, n}, {.device = meta})), w(Array::empty({n, n}, {.device = meta}), true);
  const Tensor labels(Array::empty({n}, {DType::int64, meta})), mask(Array::empty({n, n}, {DType::uint8, meta}));
  const Tensor pictures(Array::empty({1, 1, n, n}, {.device = meta}));
  const std::vector<std::pair<std::string, std::function<Tensor()>>> ops{
      {"exp", [&] { return exp(x); }},
      {"add", [&] { return x + w; }},
      {"mul", [&] { return w * 2; }},
      {"matmul", [&] { return matmul(x, w); }},
      {"linear", [&] { return linear(x, w, {}); }},
      {"sum", [&] { return sum(w); }},
      {"mean", [&] { return mean(x, {0}); }},
      {"softmax", [&] { return softmax(x, 1); }},
      {"transpose", [&] { return transpose(x, 0, 1); }},
      {"slice", [&] { return w.slice(1, 5, 9); }},
      {"concatenate",
       [&] {
         return concatenate({x, x}, 1);
       }},
      {"cast", [&] { return x.to(DType::float64); }},
      {"to", [&] { return w.to(cpu); }},
      {"clone", [&] { return w.clone(); }},
      {"index_select", [&] { return index_select(x, 0, labels); }},
      {"cross_entropy", [&] { return cross_entropy(x, labels); }},
      {"conv2d", [&] { return conv2d(pictures, pictures, {}, {}); }},
      {"reparameterize", [&] { return reparameterize(x, x); }},
      {"randn", [&] { return randn({n}, {.device = meta}); }},
      {"zeros", [&] { return zeros({n}, {.device = meta}); }},
      {"cumsum", [&] { return cumsum(x, 0); }},
      {"where", [&] { return where(mask, x, x); }},
  };
  for (const auto& [name, op] : ops) CHECK(refusal(op) == "[" + name + "]" + no_numbers);
  // Beside numbers, it is another device.
  CHECK(refusal([&] { ones({1}) + x; }) == "[add] expected operands on one device, found cpu and meta");
}

TEST_CASE("meta: a model is described without memory, and nothing is drawn", "[meta][nn]") {
  Generator generator(3);
  const GeneratorScope scope(generator);
  const MemoryStats before = memory_stats(cpu);
  std::optional<Large> model;
  {
    const nn::MetaGuard guard;
    { const nn::MetaGuard inner; }
    model.emplace();
  }
  CHECK(memory_stats(cpu).active == before.active);
  CHECK(generator.offset().item() == 0);
  const std::int64_t n = Large::n;
  CHECK(model->num_parameters() == 2 * n + (n * n + n) + (8 * n + n) + 2 * n);
  const NamedArrays state = model->state_dict();
  CHECK(state.size() == 11);
  CHECK(state[2].first == "encoder.weight");
  CHECK(state[2].second.shape() == Shape{n, n});
  for (const auto& [name, array] : state) CHECK(array.device() == meta);
  CHECK(state[1].second.dtype() == DType::int64);
  CHECK(model->named_buffers().size() == 4);
  CHECK_THAT(nn::summary(*model), Catch::Matchers::Contains("1,000,014,000,000\n"));
  CHECK(refusal([&] {
          model->decoder(ones({1, 8}));
        }) == "[linear] expected operands on one device, found cpu and meta");
  CHECK(refusal([&] { model->to(cpu); }) == "[to]" + std::string(no_numbers));
  CHECK(refusal([&] { nn::Adam(model->parameters()); }) == "[full]" + std::string(no_numbers));

  CHECK(nn::parameter({3}).device() == cpu);
  CHECK(nn::buffer({2}, 4).to_vector<float>() == std::vector<float>{4, 4});
  CHECK_THROWS_AS(nn::buffer({2}, 0.5, DType::int64), ValueError);
}

TEST_CASE("meta: every layer with parameters heeds the guard", "[meta][nn]") {
  const double drawn = default_generator().offset().item();
  const auto layers = [] {
    std::vector<std::unique_ptr<nn::Layer>> out;
    const auto add = [&]<class L>(L layer) { out.push_back(std::make_unique<L>(std::move(layer))); };
    add(nn::Linear(4, 6)), add(nn::Conv2d(4, 6, 3)), add(nn::ConvTranspose2d(4, 6, 3)), add(nn::Conv1d(4, 6, 3));
    add(nn::BatchNorm2d(4)), add(nn::BatchNorm1d(4)), add(nn::LayerNorm({4})), add(nn::GroupNorm(2, 4));
    add(nn::Embedding(4, 6));
    return out;
  };
  std::vector<std::unique_ptr<nn::Layer>> described;
  {
    const nn::MetaGuard guard;
    described = layers();
  }
  CHECK(default_generator().offset().item() == drawn);
  const std::vector<std::unique_ptr<nn::Layer>> made = layers();
  for (std::size_t i = 0; i < made.size(); ++i) {
    const NamedArrays expected = made[i]->state_dict(), found = described[i]->state_dict();
    REQUIRE(found.size() == expected.size());
    for (std::size_t k = 0; k < found.size(); ++k) {
      CHECK(found[k].first == expected[k].first);
      CHECK(found[k].second.shape() == expected[k].second.shape());
      CHECK(found[k].second.dtype() == expected[k].second.dtype());
      CHECK(found[k].second.device() == meta);
      CHECK(expected[k].second.device() == cpu);
    }
  }
}

TEST_CASE("meta: parameters beyond int64 are refused when they are counted", "[meta][nn]") {
  const nn::MetaGuard guard;
  static constexpr std::int64_t rows = std::int64_t{1} << 30,
                                columns = 2 * rows - 1;  // almost 2^61, whose bytes can be counted
  nn::Sequential net;
  for (int i = 0; i < 4; ++i) net.add(nn::Linear(columns, rows, {.bias = false}));
  CHECK(net.num_parameters() == 4 * rows * columns);
  net.add(nn::Linear(columns, rows, {.bias = false}));
  CHECK_THROWS_WITH(net.num_parameters(), "[num_parameters] expected fewer than 2^63 in all, found more");
  CHECK_THROWS_AS(nn::summary(net), ValueError);
  struct Wide : nn::Module {  // the same in one module
    Tensor a = nn::parameter({rows, columns}), b = a.detach(), c = a.detach(), d = a.detach(), e = a.detach();
    Wide() {
      register_parameter("a", &Wide::a), register_parameter("b", &Wide::b), register_parameter("c", &Wide::c);
      register_parameter("d", &Wide::d), register_parameter("e", &Wide::e);
    }
  };
  CHECK_THROWS_AS(nn::summary(Wide()), ValueError);
}
