// Architectures: how many parameters, under which names, which shapes, where labels go, gradients.
#include <elbo/core/gradcheck.h>
#include <elbo/core/ops.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>

#include <functional>
#include <map>

#include "catch.h"

using namespace elbo;
using namespace elbo::models;

namespace {

using Names = std::vector<std::string>;

std::unique_ptr<LatentModel> made(const ModelConfig& config) {
  Generator init(5, Stream::init);
  const GeneratorScope scope(init);
  return std::make_unique<LatentModel>(config);
}

Names names_of(const nn::Module& module) {
  Names out;
  for (const auto& [name, array] : module.state_dict()) out.push_back(name + array.shape().to_string());
  return out;
}

/// Names of the parameters of one of the networks, without their shapes, each layer's once.
Names layers_of(const nn::Module& module, const std::string& network) {
  Names out;
  for (const auto& [name, array] : module.state_dict()) {
    const std::string layer = name.substr(0, name.rfind('.'));
    if (layer.find(network + ".") == 0 && (out.empty() || out.back() != layer)) out.push_back(layer);
  }
  return out;
}

Tensor some_pictures(std::int64_t n, const Shape& picture, DType dtype = DType::float32) {
  Generator generator(3);
  return rand(picture.insert(0, n), {.dtype = dtype}, &generator);
}

Tensor labels_of(std::vector<std::int64_t> labels) {
  const auto n = std::ssize(labels);
  return Tensor(Array::from(labels, {n}));
}

ModelConfig mlp(const std::string& activation, std::int64_t classes = 0) {
  ModelConfig out;
  out.architecture = "mlp";
  out.picture = {2, 2, 3};
  out.hidden = {5, 4};
  out.latent = 2;
  out.activation = activation;
  out.classes = classes;
  return out;
}

ModelConfig conv(std::int64_t classes = 0) {
  ModelConfig out;
  out.architecture = "conv";
  out.picture = {2, 4, 8};
  out.channels = {4, 6};
  out.latent = 2;
  out.kernel = 3;
  out.classes = classes;
  return out;
}

/// All that is worth trying, by name.
std::vector<std::pair<std::string, ModelConfig>> all_options() {
  std::vector<std::pair<std::string, ModelConfig>> out;
  for (const char* activation : {"relu", "tanh", "elu", "silu", "gelu", "gated"})
    for (const std::int64_t classes : {0, 3})
      out.emplace_back(std::string("mlp ") + activation + " " + std::to_string(classes), mlp(activation, classes));
  for (const char* activation : {"silu", "gated"})
    for (const char* norm : {"none", "batch", "group"})
      for (const char* down : {"stride", "max", "average"})
        for (const std::int64_t classes : {0, 3}) {
          ModelConfig config = conv(classes);
          config.activation = activation;
          config.norm = norm;
          config.down = down;
          config.blocks = classes == 0 ? 0 : 1;
          out.emplace_back(std::string("conv ") + activation + " " + norm + " " + down + " " + std::to_string(classes),
                           config);
        }
  for (const char* activation : {"silu", "gated"}) {
    ModelConfig config = conv(3);
    config.activation = activation;
    config.fc = {5, 4};
    out.emplace_back(std::string("conv with layers behind ") + activation, config);
  }
  return out;
}

}  // namespace

TEST_CASE("architectures: the reference's numbers of parameters", "[architectures]") {
  const auto count = [](const char* model, std::int64_t latent, const std::function<void(ModelConfig&)>& settings) {
    ModelConfig config = preset(model);
    config.latent = latent;
    settings(config);
    return outline(config).count;
  };
  CHECK(count("vae", 20, [](ModelConfig& c) { c.hidden = {400}; }) == 652824);
  CHECK(count("ae", 20, [](ModelConfig& c) { c.hidden = {400}; }) == 644804);
  CHECK(count("cvae", 20, [](ModelConfig& c) { c.hidden = {400}, c.classes = 10; }) == 660824);
  CHECK(count("conv-vae", 128, [](ModelConfig& c) { c.picture = {3, 32, 32}, c.channels = {16, 32, 128}; }) == 1028883);
  CHECK(count("conv-vae", 20, [](ModelConfig& c) {
          c.channels = {32, 64};
          c.kernel = 3;
          c.decoder_relu = false;
        }) == 243465);
}

TEST_CASE("architectures: every option gives the shapes that it should, and the outline its parameters",
          "[architectures]") {
  for (const auto& [name, config] : all_options()) {
    INFO(name);
    const auto model = made(config);
    const Outline found = outline(config);
    const NamedArrays state = model->state_dict();
    CHECK(found.count == model->num_parameters());
    REQUIRE(found.parameters.size() == state.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
      CHECK(found.parameters[i].name == state[i].first);
      CHECK(found.parameters[i].shape == state[i].second.shape());
    }
    const Tensor x = some_pictures(5, config.picture);
    const Tensor labels = config.classes > 0 ? labels_of({0, 1, 2, 2, 0}) : Tensor();
    const Prediction p = model->forward(x, labels);
    CHECK(p.posterior.mu.shape() == Shape{5, 2});
    CHECK(p.posterior.logvar.shape() == Shape{5, 2});
    CHECK(p.logits.shape() == x.shape());
    CHECK(all(isfinite(p.logits)).to_vector<std::uint8_t>()[0] == 1);
  }
}

TEST_CASE("architectures: the decoder gives as many planes as the likelihood has numbers", "[architectures]") {
  for (ModelConfig config : {mlp("relu"), conv()}) {
    config.likelihood = "logistic-mixture";
    config.mixtures = 4;
    const auto model = made(config);
    const Tensor decoded = model->decode(some_pictures(5, {2}));
    CHECK(decoded.shape() == config.picture.without(0).insert(0, 3 * 4 * 2).insert(0, 5));
    CHECK(model->mean(decoded).shape() == config.picture.insert(0, 5));
  }
}

TEST_CASE("architectures: the gradient of a whole model's loss", "[architectures]") {
  for (auto [name, config] : all_options()) {
    INFO(name);
    if (config.architecture == "conv") {
      if (config.classes == 0 && config.down != "stride") continue;  // the one with blocks has all of it
      config.picture = {1, 4, 4};
      config.channels = {2, 2};
    }
    const auto model = made(config);
    model->to(DType::float64);
    const Tensor x = some_pictures(3, config.picture, DType::float64);
    const Tensor labels = config.classes > 0 ? labels_of({0, 2, 1}) : Tensor();
    const auto loss = [&](std::span<const Tensor>) {
      Generator noise(7);
      const Terms terms = model->loss({.x = x, .labels = labels, .noise = &noise});
      return terms.list[0].nats + terms.list[1].nats;
    };
    CHECK(gradcheck(loss, model->parameters()).message == "");
  }
}

TEST_CASE("mlp: layers under PyTorch's names; gated ones have two, and no activation behind", "[architectures]") {
  CHECK(names_of(*made(mlp("elu"))) == Names{"encoder.0.weight[5, 12]", "encoder.0.bias[5]", "encoder.2.weight[4, 5]",
                                             "encoder.2.bias[4]", "fc_mu.weight[2, 4]", "fc_mu.bias[2]",
                                             "fc_logvar.weight[2, 4]", "fc_logvar.bias[2]", "decoder.0.weight[4, 2]",
                                             "decoder.0.bias[4]", "decoder.2.weight[5, 4]", "decoder.2.bias[5]",
                                             "decoder.4.weight[12, 5]", "decoder.4.bias[12]"});
  CHECK(names_of(*made(mlp("gated"))) ==
        Names{"encoder.0.h.weight[5, 12]", "encoder.0.h.bias[5]", "encoder.0.g.weight[5, 12]", "encoder.0.g.bias[5]",
              "encoder.1.h.weight[4, 5]",  "encoder.1.h.bias[4]", "encoder.1.g.weight[4, 5]",  "encoder.1.g.bias[4]",
              "fc_mu.weight[2, 4]",        "fc_mu.bias[2]",       "fc_logvar.weight[2, 4]",    "fc_logvar.bias[2]",
              "decoder.0.h.weight[4, 2]",  "decoder.0.h.bias[4]", "decoder.0.g.weight[4, 2]",  "decoder.0.g.bias[4]",
              "decoder.1.h.weight[5, 4]",  "decoder.1.h.bias[5]", "decoder.1.g.weight[5, 4]",  "decoder.1.g.bias[5]",
              "decoder.2.weight[12, 5]",   "decoder.2.bias[12]"});
  // Without hidden layers the posterior looks at the picture itself, and the labels.
  ModelConfig config = mlp("relu", 3);
  config.hidden = {};
  CHECK(names_of(*made(config)) == Names{"fc_mu.weight[2, 15]", "fc_mu.bias[2]", "fc_logvar.weight[2, 15]",
                                         "fc_logvar.bias[2]", "decoder.0.weight[12, 5]", "decoder.0.bias[12]"});
}

TEST_CASE("mlp: labels are joined one-hot on both sides", "[architectures]") {
  const auto model = made(mlp("tanh", 3));
  const Tensor x = some_pictures(2, {2, 2, 3}), one_hots = tensor({{0, 0, 1}, {1, 0, 0}});
  const NoGradGuard no_grad;
  std::map<std::string, Tensor> w;
  for (const auto& [name, parameter] : model->named_parameters()) w[name] = parameter;
  Tensor h = concatenate({flatten(x), one_hots}, 1);
  for (const char* layer : {"encoder.0", "encoder.2"})
    h = tanh(linear(h, w[std::string(layer) + ".weight"], w[std::string(layer) + ".bias"]));
  const Tensor labels = labels_of({2, 0});
  CHECK(model->encode(x, labels).mu.to_vector<float>() ==
        linear(h, w["fc_mu.weight"], w["fc_mu.bias"]).to_vector<float>());
  const Tensor z = some_pictures(2, {2});
  Tensor y = concatenate({z, one_hots}, 1);
  for (const char* layer : {"decoder.0", "decoder.2"})
    y = tanh(linear(y, w[std::string(layer) + ".weight"], w[std::string(layer) + ".bias"]));
  CHECK(model->decode(z, labels).to_vector<float>() ==
        linear(y, w["decoder.4.weight"], w["decoder.4.bias"]).to_vector<float>());
}

TEST_CASE("conv: the order of layers, and what each option adds", "[architectures]") {
  ModelConfig config = conv();
  CHECK(layers_of(*made(config), "encoder") == Names{"encoder.0", "encoder.2"});
  CHECK(layers_of(*made(config), "decoder") == Names{"decoder.0", "decoder.3", "decoder.5"});
  config.decoder_relu = false;
  CHECK(layers_of(*made(config), "decoder") == Names{"decoder.0", "decoder.2", "decoder.4"});
  config.decoder_relu = true;
  config.norm = "batch";
  config.blocks = 2;
  const auto model = made(config);
  // Convolution 0, norm 1, activation 2, blocks 3 and 4; the same again from 5.
  CHECK(layers_of(*model, "encoder") ==
        Names{"encoder.0",       "encoder.1",       "encoder.3.norm1", "encoder.3.conv1", "encoder.3.norm2",
              "encoder.3.conv2", "encoder.4.norm1", "encoder.4.conv1", "encoder.4.norm2", "encoder.4.conv2",
              "encoder.5",       "encoder.6",       "encoder.8.norm1", "encoder.8.conv1", "encoder.8.norm2",
              "encoder.8.conv2", "encoder.9.norm1", "encoder.9.conv1", "encoder.9.norm2", "encoder.9.conv2"});
  // Linear 0, activation 1, shape 2, convolution 3, norm 4, activation 5, blocks 6 and 7, convolution 8.
  CHECK(layers_of(*model, "decoder") == Names{"decoder.0", "decoder.3", "decoder.4", "decoder.6.norm1",
                                              "decoder.6.conv1", "decoder.6.norm2", "decoder.6.conv2",
                                              "decoder.7.norm1", "decoder.7.conv1", "decoder.7.norm2",
                                              "decoder.7.conv2", "decoder.8"});
  // Gated convolutions have two of each and no activation; in the decoder there is ELU.
  config = conv();
  config.activation = "gated";
  CHECK(layers_of(*made(config), "encoder") == Names{"encoder.0.h", "encoder.0.g", "encoder.1.h", "encoder.1.g"});
  CHECK(layers_of(*made(config), "decoder") == Names{"decoder.0", "decoder.3", "decoder.5"});
  config.norm = "group";  // before ELU
  CHECK(layers_of(*made(config), "decoder") == Names{"decoder.0", "decoder.3", "decoder.4", "decoder.6"});
  // Blocks see what pooling leaves: convolution 0, activation 1, pooling 2.
  config = conv();
  config.channels = {4};
  config.down = "max";
  config.blocks = 1;
  CHECK(layers_of(*made(config), "encoder") == Names{"encoder.0", "encoder.3.conv1", "encoder.3.conv2"});
}

TEST_CASE("conv: fully connected layers behind it, and before the decoder's in the other order", "[architectures]") {
  ModelConfig config = conv();
  config.fc = {5, 4};
  CHECK(layers_of(*made(config), "encoder") == Names{"encoder.0", "encoder.2", "encoder.5", "encoder.7"});
  CHECK(layers_of(*made(config), "decoder") == Names{"decoder.0", "decoder.2", "decoder.4", "decoder.7", "decoder.9"});
  const Names names = names_of(*made(config));
  for (const char* name : {"encoder.5.weight[5, 12]", "encoder.7.weight[4, 5]", "fc_mu.weight[2, 4]",
                           "decoder.0.weight[4, 2]", "decoder.2.weight[5, 4]", "decoder.4.weight[12, 5]"})
    CHECK(std::find(names.begin(), names.end(), name) != names.end());
}

TEST_CASE("conv: as many parameters as its options say", "[architectures]") {
  const auto count = [](const ModelConfig& config) { return outline(config).count; };
  ModelConfig config = conv();  // [2, 4, 8], channels 4 and 6, kernel 3: 6 channels of 1 x 2 are left; decoder 6 and 3
  const std::int64_t first = 4 * (2 * 9 + 1), second = 6 * (4 * 9 + 1), heads = 2 * 2 * (12 + 1);
  const std::int64_t decoder = 12 * (2 + 1) + (6 * 3 * 16 + 3) + (3 * 2 * 16 + 2);
  const std::int64_t plain = first + second + heads + decoder;
  CHECK(count(config) == plain);
  for (const char* down : {"max", "average"}) {
    config.down = down;
    CHECK(count(config) == plain);
  }
  config.activation = "gated";
  CHECK(count(config) == plain + first + second);
  config = conv();
  config.norm = "group";
  CHECK(count(config) == plain + 2 * (4 + 6 + 3));
  config.blocks = 1;
  const auto block = [](std::int64_t c) { return 2 * (c * (c * 9 + 1) + 2 * c); };
  CHECK(count(config) == plain + 2 * (4 + 6 + 3) + block(4) + block(6) + block(3));
  config = conv(3);
  CHECK(count(config) == plain + 4 * 3 * 9 + 12 * 3);
}

TEST_CASE("conv: labels are planes beside the picture's channels, and one-hot behind the code", "[architectures]") {
  const auto model = made(conv(3));
  CHECK(names_of(*model)[0] == "encoder.0.weight[4, 5, 3, 3]");
  const Tensor x = some_pictures(2, {2, 4, 8}), labels = labels_of({2, 0});
  const NoGradGuard no_grad;
  std::map<std::string, Tensor> w;
  for (const auto& [name, parameter] : model->named_parameters()) w[name] = parameter;
  // Picture 0 has ones in the plane of class 2, picture 1 in that of class 0.
  Tensor planes = zeros({2, 3, 4, 8});
  planes[0][2].fill_(1), planes[1][0].fill_(1);
  Tensor h = concatenate({x, planes}, 1);
  for (const std::string layer : {"encoder.0", "encoder.2"})
    h = relu(conv2d(h, w[layer + ".weight"], w[layer + ".bias"], {.stride = 2, .padding = 1}));
  CHECK(model->encode(x, labels).mu.to_vector<float>() ==
        linear(flatten(h), w["fc_mu.weight"], w["fc_mu.bias"]).to_vector<float>());
  const Tensor z = some_pictures(2, {2}), joined = concatenate({z, tensor({{0, 0, 1}, {1, 0, 0}})}, 1);
  Tensor y = reshape(relu(linear(joined, w["decoder.0.weight"], w["decoder.0.bias"])), {2, 6, 1, 2});
  y = relu(conv_transpose2d(y, w["decoder.3.weight"], w["decoder.3.bias"], {.stride = 2, .padding = 1}));
  y = conv_transpose2d(y, w["decoder.5.weight"], w["decoder.5.bias"], {.stride = 2, .padding = 1});
  CHECK(model->decode(z, labels).to_vector<float>() == y.to_vector<float>());
}

TEST_CASE("conv: pooling takes each two by two pixels' largest, or their mean", "[architectures]") {
  for (const bool largest : {true, false}) {
    ModelConfig config = conv();
    config.channels = {4};
    config.down = largest ? "max" : "average";
    const auto model = made(config);
    const Tensor x = some_pictures(2, {2, 4, 8});
    const NoGradGuard no_grad;
    std::map<std::string, Tensor> w;
    for (const auto& [name, parameter] : model->named_parameters()) w[name] = parameter;
    const Tensor wide = relu(conv2d(x, w["encoder.0.weight"], w["encoder.0.bias"], {.padding = 1}));
    const Tensor h = largest ? max_pool2d(wide, 2) : avg_pool2d(wide, 2);
    CHECK(model->encode(x).mu.to_vector<float>() ==
          linear(flatten(h), w["fc_mu.weight"], w["fc_mu.bias"]).to_vector<float>());
  }
}

TEST_CASE("conv: sizes that cannot be are refused", "[architectures]") {
  ModelConfig config = conv();
  config.channels = {4, 4, 4};
  CHECK_THROWS_WITH(filled(config),
                    "channels: 3 convolutions halve the picture as often, found 4 x 8 pixels, which cannot be");
  config = conv();
  config.decoder_channels = {3};
  CHECK_THROWS_WITH(filled(config), "decoder_channels: expected 2, as many as channels, found 1");
  config = conv();
  config.kernel = 4;
  config.down = "max";
  CHECK_THROWS_WITH(filled(config), "kernel: expected 3 with --down max, found 4");
}
