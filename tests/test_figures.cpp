// Figures of models whose pictures are known beforehand: every picture must lie in its place, and no text may be cut.
#include <elbo/core/parallel_for.h>
#include <elbo/models/latent_model.h>
#include <elbo/viz/axis.h>
#include <elbo/viz/figures.h>

#include <cmath>
#include <limits>
#include <set>

#include "catch.h"
#include "small_data.h"

using namespace elbo;
using namespace elbo::viz;
using Catch::Matchers::Contains;

namespace {

constexpr int margin = 10, gap = 2, block_gap = 12, label_space = 10;

models::ModelConfig config_of(std::int64_t classes, std::int64_t latent, bool prior) {
  models::ModelConfig config;
  config.model = !prior ? "ae" : classes > 0 ? "cvae" : "vae";
  config.picture = {1, 2, 2};
  config.latent = latent;
  config.classes = classes;
  return config;
}

/// Codes are the picture's first pixels times `gain`; a decoded picture is all sigmoid(z0 + 3 z1 - label / 4).
class Known : public models::LatentModel {
 public:
  explicit Known(std::int64_t classes = 0, std::int64_t latent = 2, float gain = 4, bool prior = true)
      : LatentModel(config_of(classes, latent, prior), OwnNetworks{}), gain_(gain), prior_(prior) {}

  bool trained_while_drawing = false;

 private:
  models::Encoded encode_pictures(const Tensor& x, const Tensor&) override {
    trained_while_drawing = trained_while_drawing || is_training();
    Tensor flat = reshape(x, {x.shape()[0], 4});
    Tensor mu = slice(flat, 1, 0, config().latent) * gain_;
    return {mu, prior_ ? mu * 0 - 2 : Tensor()};
  }
  Tensor decode_codes(const Tensor& z, const Tensor& labels) override {
    trained_while_drawing = trained_while_drawing || is_training();
    Tensor value = slice(z, 1, 0, 1) + slice(z, 1, 1, 2) * 3;
    if (labels.defined()) {
      std::vector<float> quarters;
      for (std::int64_t i = 0; i < config().classes; ++i) quarters.push_back(static_cast<float>(i) / 4);
      Tensor column(Array::from(quarters, {config().classes, 1}));
      value = value - matmul(labels, column);
    }
    return reshape(value + zeros({z.shape()[0], 4}), {z.shape()[0], 1, 2, 2});
  }

  float gain_;
  bool prior_;
};

/// What `Known` decodes, as a byte.
int shade(double z0, double z1, double label = 0) {
  return static_cast<int>(std::lround(255 / (1 + std::exp(-(z0 + 3 * z1 - label / 4)))));
}

/// Six pictures of 2 x 2, of the classes 0, 1, 2, 0, 1, 2; picture i has pixels 10 i, 10 i + 1, 10 i + 2, 10 i + 3.
datasets::Dataset six() {
  datasets::Dataset data;
  data.name = "six";
  data.class_names = {"T-shirt/top", "Trouser", "Ankle boot"};
  std::vector<std::uint8_t> pictures;
  for (int i = 0; i < 6; ++i) {
    data.labels.push_back(i % 3);
    for (int pixel = 0; pixel < 4; ++pixel) pictures.push_back(static_cast<std::uint8_t>(10 * i + pixel));
  }
  data.features = Array::from(pictures, {6, 1, 2, 2});
  return data;
}

/// The code of picture i.
double code(int i, int dim, double gain = 4) { return (10 * i + dim) / 255.0 * gain; }

/// At this scale a row is higher than a line of its label.
constexpr int scale = 20, side = 2 * scale;

/// The upper left pixel of the picture in that row and column of a block at (left, top), at that scale.
int at(const Image& image, int left, int top, int row, int column) {
  return image.at(left + column * (side + gap), top + row * (side + gap));
}

/// Nothing but white within `margin` of the border: no text is cut, no picture touches it.
bool has_margins(const Image& image) {
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      // A b rises above capitals, and a g hangs lower, by up to a sixth of their height.
      bool inside = x >= margin && x < image.width - margin && y >= margin - 2 && y < image.height - margin + 2;
      for (int c = 0; c < image.channels; ++c)
        if (!inside && image.at(x, y, c) != 255) return false;
    }
  return true;
}

/// Whether any pixel of the rectangle is as dark as text.
bool has_ink(const Image& image, int left, int top, int right, int bottom) {
  for (int y = top; y < bottom; ++y)
    for (int x = left; x < right; ++x)
      if (image.at(x, y) < 120) return true;
  return false;
}

std::vector<float> drawn(std::int64_t n, std::uint64_t seed, double temperature = 1) {
  Generator generator(seed, Stream::pictures);
  Known model;
  return models::draw_codes(models::standard_normal(model), n, generator, temperature).array().to_vector<float>();
}

}  // namespace

TEST_CASE("samples of one model are a plain grid of the codes that the seed draws", "[figures]") {
  Known model;
  Image image =
      sample_figure({{"one", model}}, {.rows = 2, .columns = 3, .seed = 5, .temperature = 0.5, .scale = scale});
  std::vector<float> z = drawn(6, 5, 0.5);
  CHECK(image.width == 2 * margin + 3 * side + 2 * gap);
  CHECK(image.height == 2 * margin + 2 * side + gap);
  for (int i = 0; i < 6; ++i) {
    auto n = static_cast<std::size_t>(2 * i);
    CHECK(at(image, margin, margin, i / 3, i % 3) == shade(z[n], z[n + 1]));
  }
  CHECK(has_margins(image));

  Image other =
      sample_figure({{"one", model}}, {.rows = 2, .columns = 3, .seed = 6, .temperature = 0.5, .scale = scale});
  CHECK(other.pixels != image.pixels);
  Image fitted = sample_figure({{"one", model}},
                               {.rows = 1, .columns = 1, .codes = {{.mean = {1, 0.5}, .std = {0, 0}}}, .scale = scale});
  CHECK(at(fitted, margin, margin, 0, 0) == shade(1, 0.5));

  FigureSize size = sample_figure_size({{"one", model}});
  CHECK((size.rows == 8 && size.columns == 12));
}

TEST_CASE("samples of a conditional model go through the labels", "[figures]") {
  Known model(3);
  const std::vector<Row> rows = {{"one", model}};
  SampleOptions options{.columns = 2, .seed = 1, .class_names = six().class_names, .scale = scale};
  std::vector<float> z = drawn(6, 1);
  auto expected = [&](int i, int label) {
    auto n = static_cast<std::size_t>(2 * i);
    return shade(z[n], z[n + 1], label);
  };
  SECTION("a row of each, with its name") {
    Image image = sample_figure(rows, options);
    int left = margin + std::max(text_width("T-shirt/top", 2), text_width("Ankle boot", 2)) + label_space;
    for (int i = 0; i < 6; ++i) CHECK(at(image, left, margin, i / 2, i % 2) == expected(i, i / 2));
    CHECK(has_ink(image, margin, 0, left - label_space, image.height));
    FigureSize size = sample_figure_size(rows, options);
    CHECK((size.rows == 3 && size.columns == 2));
  }
  SECTION("a column of each") {
    options.labels_across = true;
    options.columns = 0;
    options.rows = 2;
    options.scale = 80;  // so wide that the names fit without wider columns
    Image image = sample_figure(rows, options);
    int pitch = 160 + gap, top = image.height - margin - 320 - gap;
    for (int i = 0; i < 6; ++i) CHECK(image.at(margin + i % 3 * pitch, top + i / 3 * pitch) == expected(i, i % 3));
    CHECK(has_ink(image, margin, margin, margin + 160, top));
    CHECK(has_ink(image, margin + 2 * pitch, margin, margin + 2 * pitch + 160, top));
    CHECK(has_margins(image));
  }
  SECTION("one label only") {
    options.label = 2;
    options.rows = 3;
    Image image = sample_figure(rows, options);
    for (int i = 0; i < 6; ++i) CHECK(at(image, margin, margin, i / 2, i % 2) == expected(i, 2));
  }
  SECTION("a label that does not exist") {
    options.label = 3;
    CHECK_THROWS_AS(sample_figure(rows, options), IndexError);
  }
}

TEST_CASE("samples of several models are rows with their names", "[figures]") {
  Known plain, conditional(3);
  const std::vector<Row> rows = {{"plain", plain}, {"with labels", conditional}};
  Image image = sample_figure(rows, {.seed = 2, .class_names = {"a", "b", "c"}, .scale = 30});
  std::vector<float> z = drawn(3, 2);
  int left = margin + text_width("with labels", 2) + label_space, pitch = 60 + gap;
  int second = image.height - margin - 60;
  for (int i = 0; i < 3; ++i) {
    auto n = static_cast<std::size_t>(2 * i);
    CHECK(image.at(left + i * pitch, margin) == shade(z[n], z[n + 1]));
    CHECK(image.at(left + i * pitch, second) == shade(z[n], z[n + 1], i));
    CHECK(has_ink(image, left + i * pitch, margin + 60, left + i * pitch + 60, second));  // the label's name
  }
  CHECK(has_ink(image, margin, margin, left - label_space, margin + 60));
  CHECK(has_ink(image, margin, second, left - label_space, second + 60));
  CHECK(has_margins(image));
  CHECK_THROWS_AS(sample_figure(rows, {.codes = {models::standard_normal(plain)}}), ValueError);
}

TEST_CASE("reconstructions stand below their originals, in blocks of a row's width", "[figures]") {
  Known strong, weak(0, 2, 1);
  datasets::Dataset data = six();
  const std::vector<std::int64_t> indices = {5, 0, 3};
  const std::vector<Row> rows = {{"strong", strong}, {"weak", weak}};
  Image image = reconstruction_figure(rows, data, indices, {.columns = 2, .scale = scale});
  int left = margin + text_width("original", 2) + label_space;
  int block = 3 * side + 2 * gap + block_gap;
  CHECK(image.height == 2 * margin + 2 * block - block_gap);
  for (int i = 0; i < 3; ++i) {
    int top = margin + i / 2 * block, picture = static_cast<int>(indices[static_cast<std::size_t>(i)]);
    CHECK(at(image, left, top, 0, i % 2) == 10 * picture);
    CHECK(at(image, left, top, 1, i % 2) == shade(code(picture, 0), code(picture, 1)));
    CHECK(at(image, left, top, 2, i % 2) == shade(code(picture, 0, 1), code(picture, 1, 1)));
  }
  CHECK(at(image, left, margin + block, 0, 1) == 255);  // no fourth picture
  CHECK_THROWS_AS(reconstruction_figure(rows, data, std::vector<std::int64_t>{6}), IndexError);
  CHECK_THROWS_AS(reconstruction_figure(rows, data, {}), ValueError);

  double error = 0;
  for (std::int64_t i : indices)
    for (int pixel = 0; pixel < 4; ++pixel) {
      int n = static_cast<int>(i);
      double decoded = 1 / (1 + std::exp(-(code(n, 0) + 3 * code(n, 1))));
      error += std::pow((10 * n + pixel) / 255.0 - decoded, 2) / 12;
    }
  CHECK(reconstruction_error(strong, data, indices) == Approx(error).epsilon(1e-6));
  Image with_errors = reconstruction_figure(rows, data, indices, {.errors = true, .scale = 40});
  CHECK(with_errors.width > reconstruction_figure(rows, data, indices, {.scale = 40}).width);
}

TEST_CASE("reconstructions with a column for each model", "[figures]") {
  Known strong, weak(0, 2, 1);
  Image image = reconstruction_figure({{"strong", strong}, {"weak", weak}}, six(), std::vector<std::int64_t>{4, 1},
                                      {.errors = true, .models_across = true, .scale = 80});
  int pitch = 160 + gap, top = margin + 22;
  for (int row = 0; row < 2; ++row) {
    int picture = row == 0 ? 4 : 1, y = top + row * pitch;
    CHECK(image.at(margin, y) == 10 * picture);
    CHECK(image.at(margin + pitch, y) == shade(code(picture, 0), code(picture, 1)));
    CHECK(image.at(margin + 2 * pitch, y) == shade(code(picture, 0, 1), code(picture, 1, 1)));
  }
  CHECK_FALSE(has_ink(image, margin, top + 2 * pitch, margin + 160, image.height));  // originals have no error
  CHECK(has_ink(image, margin + pitch, top + 2 * pitch, margin + pitch + 160, image.height));
  CHECK(has_ink(image, margin + 2 * pitch, top + 2 * pitch, margin + 2 * pitch + 160, image.height));
  CHECK(has_margins(image));
}

TEST_CASE("a conditional model reconstructs with the pictures' labels, or with the one that is given", "[figures]") {
  Known model(3);
  datasets::Dataset data = six();
  const std::vector<std::int64_t> indices = {5};
  int left = margin + text_width("original", 2) + label_space;
  Image own = reconstruction_figure({{"m", model}}, data, indices, {.scale = scale});
  CHECK(at(own, left, margin, 1, 0) == shade(code(5, 0), code(5, 1), 2));
  Image other = reconstruction_figure({{"m", model}}, data, indices, {.label = 0, .scale = scale});
  CHECK(at(other, left, margin, 1, 0) == shade(code(5, 0), code(5, 1)));
  data.labels.clear();
  CHECK_THROWS_AS(reconstruction_figure({{"m", model}}, data, indices), ValueError);
}

TEST_CASE("interpolation between pictures: rows of each model, class names over the ends", "[figures]") {
  Known strong, weak(0, 2, 1);
  datasets::Dataset data = six();
  const std::vector<Row> rows = {{"strong", strong}, {"weak", weak}};
  const std::vector<std::int64_t> pairs = {0, 5, 4, 2};
  Image image = interpolation_figure(rows, data, pairs, {.steps = 3, .scale = 40});
  int left = margin + text_width("strong", 2) + label_space, pitch = 80 + gap, line = 22;
  for (int pair = 0; pair < 2; ++pair) {
    int from = pair == 0 ? 0 : 4, to = pair == 0 ? 5 : 2;
    int top = margin + pair * (line + 2 * 80 + gap + block_gap) + line;
    for (int model = 0; model < 2; ++model)
      for (int step = 0; step < 3; ++step) {
        double gain = model == 0 ? 4 : 1, w = step / 2.0;
        double z0 = (1 - w) * code(from, 0, gain) + w * code(to, 0, gain);
        double z1 = (1 - w) * code(from, 1, gain) + w * code(to, 1, gain);
        CHECK(image.at(left + step * pitch, top + model * pitch) == shade(z0, z1));
      }
    CHECK(has_ink(image, left, top - line, left + 80, top));
    CHECK(has_ink(image, left + 2 * pitch, top - line, left + 2 * pitch + 80, top));
  }
  CHECK(has_margins(image));

  Image sampled = interpolation_figure(rows, data, pairs, {.steps = 3, .ends = models::Codes::sampled, .scale = 40});
  CHECK(sampled.pixels != image.pixels);
  CHECK(sampled.pixels ==
        interpolation_figure(rows, data, pairs, {.steps = 3, .ends = models::Codes::sampled, .scale = 40}).pixels);
  CHECK_THROWS_AS(interpolation_figure(rows, data, std::vector<std::int64_t>{0, 1, 2}), ValueError);
  CHECK_THROWS_AS(interpolation_figure(rows, data, {}), ValueError);
  CHECK_THROWS_AS(interpolation_figure(rows, data, std::vector<std::int64_t>{0, 6}), IndexError);
  CHECK_THROWS_AS(interpolation_figure(rows, data, pairs, {.steps = 1}), ValueError);
}

TEST_CASE("interpolation of a conditional model decodes the first picture's label, or the one given", "[figures]") {
  Known conditional(3), plain;
  datasets::Dataset data = six();
  const std::vector<std::int64_t> pair = {5, 0};
  // A model without labels below it changes nothing.
  const std::vector<Row> rows = {{"c", conditional}, {"p", plain}};
  for (bool given : {false, true}) {
    InterpolationOptions options{.steps = 2, .scale = 60};
    if (given) options.label = 1;
    Image image = interpolation_figure(rows, data, pair, options);
    int left = image.width - margin - 2 * 120 - gap, top = margin + 22;
    CHECK(image.at(left, top) == shade(code(5, 0), code(5, 1), given ? 1 : 2));
    CHECK(image.at(left + 120 + gap, top) == shade(code(0, 0), code(0, 1), given ? 1 : 2));
    CHECK(image.at(left, top + 120 + gap) == shade(code(5, 0), code(5, 1)));
    CHECK(has_margins(image));
  }
}

TEST_CASE("interpolation between prior codes", "[figures]") {
  Known model, conditional(2);
  Image image = prior_interpolation_figure({{"m", model}}, 2, {.steps = 2, .seed = 9, .scale = scale});
  Generator generator(9, Stream::pictures);
  std::vector<float> from = randn({2, 2}, {}, &generator).array().to_vector<float>();
  std::vector<float> to = randn({2, 2}, {}, &generator).array().to_vector<float>();
  for (int row = 0; row < 2; ++row) {
    auto n = static_cast<std::size_t>(2 * row);
    CHECK(at(image, margin, margin, row, 0) == shade(from[n], from[n + 1]));
    CHECK(at(image, margin, margin, row, 1) == shade(to[n], to[n + 1]));
  }
  Image labels = prior_interpolation_figure({{"m", conditional}}, 2, {.steps = 2, .seed = 9, .scale = scale});
  int left = labels.width - margin - 2 * side - gap;
  CHECK(at(labels, left, margin, 0, 0) == shade(from[0], from[1], 0));
  CHECK(at(labels, left, margin, 1, 0) == shade(from[2], from[3], 1));

  Image fitted = prior_interpolation_figure(
      {{"m", model}}, 1, {.steps = 2, .codes = {{.mean = {0.5, 0.25}, .std = {0, 0}}}, .scale = scale});
  CHECK(at(fitted, margin, margin, 0, 1) == shade(0.5, 0.25));
  CHECK_THROWS_AS(prior_interpolation_figure({{"m", model}}, 0), ValueError);
}

TEST_CASE("traversal: a row for each dimension, a column for each value", "[figures]") {
  Known model, conditional(3);
  datasets::Dataset data = six();
  TraversalOptions options{.dims = {1, 0}, .values = {-1, 0.25}, .scale = 40};
  int pitch = 80 + gap;
  SECTION("around a code") {
    Image image = traversal_figure(model, Tensor(Array::from(std::vector<float>{0.5f, -0.5f}, {1, 2})), options);
    int left = image.width - margin - 2 * 80 - gap, top = image.height - margin - 2 * 80 - gap;
    CHECK(image.at(left, top) == shade(0.5, -1));
    CHECK(image.at(left + pitch, top) == shade(0.5, 0.25));
    CHECK(image.at(left, top + pitch) == shade(-1, -0.5));
    CHECK(image.at(left + pitch, top + pitch) == shade(0.25, -0.5));
    CHECK(has_ink(image, margin, top, left - label_space, top + 80));
    CHECK(has_ink(image, left, margin, left + 80, top));
    CHECK(has_margins(image));
  }
  SECTION("around a picture, which stands beside it with its reconstruction") {
    Image image = traversal_figure(conditional, data, 2, options);
    int left = image.width - margin - 2 * 80 - gap, top = margin + 22;
    CHECK(image.at(left, top) == shade(code(2, 0), -1, 2));
    CHECK(image.at(margin, top) == 20);
    CHECK(image.at(margin, top + 80 + 26 + block_gap) == shade(code(2, 0), code(2, 1), 2));
    CHECK(has_margins(image));
  }
  SECTION("defaults") {
    Known wide(0, 3);
    Image image = traversal_figure(wide, zeros({1, 3}), {.scale = scale});
    int left = image.width - margin - 10 * side - 9 * gap, top = image.height - margin - 3 * side - 2 * gap;
    for (int column : {0, 4, 9}) {
      double value = -3 + column * 6.0 / 9;
      CHECK(at(image, left, top, 0, column) == shade(value, 0));
      CHECK(at(image, left, top, 1, column) == shade(0, value));
      CHECK(at(image, left, top, 2, column) == shade(0, 0));
    }
  }
  SECTION("refused") {
    options.dims = {2};
    CHECK_THROWS_WITH(traversal_figure(model, data, 0, options), Contains("latent dimension 2 does not exist"));
    options.dims = {0};
    CHECK_THROWS_AS(traversal_figure(model, data, 6, options), IndexError);
    CHECK_THROWS_AS(traversal_figure(conditional, zeros({1, 2}), options), ValueError);
  }
}

TEST_CASE("labels of values tell them apart", "[figures]") {
  using Labels = std::vector<std::string>;
  CHECK(value_labels({-3, -7.0 / 3, -1.0 / 3, 1.0 / 3}) == Labels{"-3", "-2.33", "-0.33", "0.33"});
  CHECK(value_labels({-0.0, 0.25}) == Labels{"0", "0.25"});
  CHECK(value_labels({0.001, 0.002, 0.004}) == Labels{"0.001", "0.002", "0.004"});
  CHECK(value_labels(models::evenly_spaced(0, 0.01, 4)) == Labels{"0", "0.00333", "0.00667", "0.01"});
  CHECK(value_labels({0.1, 0.12345678}) == Labels{"0.1", "0.1235"});
  CHECK(value_labels({1000000.5, 1000001}) == Labels{"1000000.5", "1000001"});
  CHECK(value_labels({1e-9, 1}) == Labels{"1e-09", "1"});
  CHECK(value_labels({1e300, -1e300}) == Labels{"1e+300", "-1e+300"});
  CHECK(value_labels({5}) == Labels{"5"});
  CHECK(value_labels({}).empty());
  for (double base : {0.0, 1.0, -1e6, 1e8, 1e17, 3e38})
    for (double step : {1e-30, 1e-9, 1e-5, 0.03, 1.0, 1e5}) {
      const std::vector<double> values = {base, base + step, base + 2 * step};
      const Labels labels = value_labels(values);
      for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < i; ++j) CHECK((labels[i] == labels[j]) == (values[i] == values[j]));
      for (const std::string& label : labels) CHECK(label.size() <= 24);
    }
  // Ticks too, also where they lie close together.
  for (double base : {1.0, 1e8, 1e12}) {
    const Axis axis = make_axis({base, base + 1e-3 * base, base + 2e-8 * base});
    CHECK(std::set<std::string>(axis.labels.begin(), axis.labels.end()).size() == axis.ticks.size());
    const Axis narrow = make_axis({base, base * (1 + 2e-8)});
    CHECK(std::set<std::string>(narrow.labels.begin(), narrow.labels.end()).size() == narrow.ticks.size());
  }
}

TEST_CASE("pictures that are no numbers are a fault, never drawn black", "[figures]") {
  Known model;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto fault = [&](auto&& draw) {
    try {
      draw();
    } catch (const ValueError&) {
      return false;
    } catch (const Error& error) {
      return std::string(error.what()).find("no finite numbers") != std::string::npos;
    }
    return false;
  };
  CHECK(fault([&] {
    traversal_figure(model, Tensor(Array::from(std::vector<float>{0, nan}, {1, 2})), {.dims = {0}, .values = {1}});
  }));
  CHECK(fault([&] { sample_figure({{"one", model}}, {.temperature = 3e38}); }));
  Known wild(0, 2, nan);
  CHECK(fault([&] { reconstruction_figure({{"one", wild}}, six(), first_indices(6)); }));
  const std::vector<std::int64_t> pair = {0, 1};
  CHECK(fault([&] { interpolation_figure({{"one", wild}}, six(), pair); }));
}

TEST_CASE("a manifold is seamless, z[0] to the right and z[1] upwards", "[figures]") {
  Known model, conditional(3), wide(0, 3);
  Image image = manifold_figure(model, {.n = 3, .low = -1, .high = 1, .scale = 40});
  int left = image.width - margin - 240, top = margin;
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 3; ++column)
      for (int corner : {0, 79})
        CHECK(image.at(left + 80 * column + corner, top + 80 * row + corner) == shade(column - 1, 1 - row));
  CHECK(has_ink(image, margin, top, left - label_space, top + 80));
  CHECK(has_ink(image, left, top + 240, left + 240, image.height));
  CHECK(has_margins(image));
  CHECK_THROWS_WITH(manifold_figure(wide), Contains("2 latent dimensions") && Contains("3"));
  CHECK_THROWS_AS(manifold_figure(conditional), ValueError);
  CHECK_NOTHROW(manifold_figure(conditional, {.n = 2, .label = 1}));
  CHECK_THROWS_AS(manifold_figure(model, {.n = 1}), ValueError);
  CHECK_THROWS_AS(manifold_figure(model, {.low = 3, .high = -3}), ValueError);
}

TEST_CASE("a preview names the classes below the pictures", "[figures]") {
  datasets::Dataset data = six();
  Image image = class_preview(data, std::vector<std::int64_t>{5, 4, 0}, {.columns = 2, .scale = 60});
  Image bare = class_preview(data, std::vector<std::int64_t>{5, 4, 0}, {.columns = 2, .names = false, .scale = 60});
  CHECK(bare.at(margin, margin) == 50);
  CHECK(bare.at(margin + 120 + gap, margin) == 40);
  CHECK(bare.at(margin, margin + 120 + gap) == 0);
  CHECK(bare.at(margin + 120 + gap, margin + 120 + gap) == 255);
  CHECK(image.at(margin + 2, margin) == 50);
  CHECK(has_ink(image, margin, margin + 120, margin + 120, margin + 145));
  CHECK(image.height > bare.height);
  CHECK(has_margins(image));
  CHECK_THROWS_AS(class_preview(data, std::vector<std::int64_t>{6}), IndexError);
  CHECK_THROWS_AS(class_preview(data, {}), ValueError);
}

TEST_CASE("no text is cut, however long it is and however small the pictures are", "[figures]") {
  Known model, conditional(3);
  datasets::Dataset data = six();
  const std::string name(60, 'W');
  for (int zoom : {1, 20, 60}) {
    INFO("scale " << zoom);
    Image named = reconstruction_figure({{name, model}, {"b", model}}, data, first_indices(3),
                                        {.title = name, .errors = true, .scale = zoom});
    CHECK(named.width >= text_width(name, 1) + 2 * margin);
    CHECK(has_margins(named));
    CHECK(has_margins(reconstruction_figure({{name, model}, {"b", model}}, data, first_indices(1),
                                            {.errors = true, .models_across = true, .scale = zoom})));
    // Two names side by side, both longer than the pictures are wide.
    CHECK(has_margins(interpolation_figure({{"a", model}}, data, std::vector<std::int64_t>{0, 2},
                                           {.title = "a title", .steps = 2, .scale = zoom})));
    CHECK(has_margins(interpolation_figure({{"a", model}}, data, std::vector<std::int64_t>{0, 2}, {.scale = zoom})));
    CHECK(has_margins(class_preview(data, first_indices(6), {.scale = zoom})));
    CHECK(has_margins(traversal_figure(model, data, 0, {.values = {-1234.5, 99999.25, 3}, .scale = zoom})));
    if (zoom > 1) CHECK(has_margins(manifold_figure(model, {.n = 2, .low = -1000, .high = 123456, .scale = zoom})));
    CHECK(has_margins(
        sample_figure({{"a", conditional}}, {.labels_across = true, .class_names = {name, "b", name}, .scale = zoom})));
  }
}

TEST_CASE("figures pick a scale at which pictures can be seen", "[figures]") {
  auto width_of = [](std::int64_t pixels, std::int64_t count) {
    return class_preview(bars(count, pixels), first_indices(count), {.columns = count, .names = false}).width;
  };
  auto expected = [](int pixels, int count, int zoom) {
    return 2 * margin + count * pixels * zoom + (count - 1) * gap;
  };
  CHECK(width_of(28, 4) == expected(28, 4, 3));
  CHECK(width_of(28, 12) == expected(28, 12, 2));
  CHECK(width_of(28, 30) == expected(28, 30, 2));
  CHECK(width_of(64, 4) == expected(64, 4, 2));
  CHECK(width_of(64, 12) == expected(64, 12, 1));
  CHECK(width_of(200, 2) == expected(200, 2, 1));
}

TEST_CASE("figures that cannot be are refused before anything is computed", "[figures]") {
  Known model;
  constexpr std::int64_t huge = 1'000'000'000;
  CHECK_THROWS_WITH(sample_figure({{"m", model}}, {.rows = huge, .columns = huge}), Contains("2^30 bytes"));
  CHECK_THROWS_AS(prior_interpolation_figure({{"m", model}}, huge, {.steps = huge}), ValueError);
  CHECK_THROWS_AS(manifold_figure(model, {.n = huge}), ValueError);
  CHECK_THROWS_AS(sample_figure({}), ValueError);
  CHECK_THROWS_AS(sample_figure({{"m", model}}, {.scale = -1}), ValueError);
  models::ModelConfig config;
  config.hidden = {4};
  config.latent = 2;
  auto other = models::make(config);
  CHECK_THROWS_WITH(sample_figure({{"m", model}, {"other", *other}}), Contains("other") && Contains("[1, 28, 28]"));
}

TEST_CASE("models are drawn in evaluation mode and stay in the mode they were in", "[figures]") {
  Known model(3);
  datasets::Dataset data = six();
  const std::vector<Row> rows = {{"m", model}};
  model.train();
  sample_figure(rows);
  reconstruction_figure(rows, data, first_indices(2));
  reconstruction_figure(rows, data, first_indices(2), {.models_across = true});
  interpolation_figure(rows, data, first_indices(2));
  prior_interpolation_figure(rows, 1);
  traversal_figure(model, data, 0);
  manifold_figure(model, {.n = 2, .label = 0});
  CHECK_FALSE(model.trained_while_drawing);
  CHECK(model.is_training());
  model.eval();
  sample_figure(rows);
  CHECK_FALSE(model.is_training());
}

TEST_CASE("figures are the same for any number of threads", "[figures]") {
  models::ModelConfig config;
  config.hidden = {16};
  config.latent = 5;
  Generator init(3, Stream::init);
  auto model = models::make(config, &init);
  datasets::Dataset data = bars(40);
  int before = num_threads();
  std::vector<std::vector<std::uint8_t>> found;
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    found.push_back(sample_figure({{"m", *model}}).pixels);
    std::vector<std::uint8_t> more = interpolation_figure({{"m", *model}}, data, random_pairs(data, 3, 1)).pixels;
    found.back().insert(found.back().end(), more.begin(), more.end());
  }
  set_num_threads(before);
  CHECK((found[0] == found[1] && found[0] == found[2]));
}

TEST_CASE("random pairs are of two classes, and no picture stands twice while they last", "[figures]") {
  datasets::Dataset data = bars(20);
  std::vector<std::int64_t> pairs = random_pairs(data, 10, 4);
  REQUIRE(pairs.size() == 20);
  CHECK(std::set<std::int64_t>(pairs.begin(), pairs.end()).size() == 20);
  for (std::size_t i = 0; i < pairs.size(); i += 2)
    CHECK(data.labels[static_cast<std::size_t>(pairs[i])] != data.labels[static_cast<std::size_t>(pairs[i + 1])]);
  CHECK(random_pairs(data, 10, 4) == pairs);
  CHECK(random_pairs(data, 10, 5) != pairs);
  CHECK(random_pairs(data, 25, 4).size() == 50);
  data.labels.assign(20, 0);
  CHECK(random_pairs(data, 2, 4).size() == 4);
  data.labels.clear();
  CHECK(random_pairs(data, 2, 4).size() == 4);
  CHECK_THROWS_AS(random_pairs(bars(1), 1, 0), ValueError);
  CHECK_THROWS_AS(random_pairs(data, 0, 0), ValueError);
}

TEST_CASE("small helpers of the figures", "[figures]") {
  datasets::Dataset data = six();
  CHECK(first_indices(3) == std::vector<std::int64_t>{0, 1, 2});
  CHECK(first_of_class(data, 2) == 2);
  CHECK_THROWS_WITH(first_of_class(data, 3), Contains("label 3"));
  CHECK(class_name(data.class_names, 1) == "Trouser");
  CHECK(class_name(data.class_names, 3) == "3");
  CHECK(class_name({}, 0) == "0");

  Known vae, ae(0, 2, 1, false);
  CHECK(codes_to_draw(vae, data).std == std::vector<float>{1, 1});
  models::CodeDistribution fitted = codes_to_draw(ae, data);
  CHECK(fitted.mean[0] == Approx(25 / 255.0));
  CHECK(fitted.std[0] == Approx(std::sqrt(1750 / 6.0) / 255));
}

TEST_CASE("a bar chart has a panel for each series", "[figures]") {
  std::string svg =
      bar_chart({"2", "10", "50"}, {{.name = "MSE", .y = {0.04, 0.02, 0.01}}, {.name = "KL", .y = {6, 18, 25}}},
                "latent dimension", {.title = "By size", .width = 700, .height = 300});
  for (const char* text : {"MSE", "KL", "latent dimension", "By size", ">50<"}) CHECK_THAT(svg, Contains(text));
  CHECK_THROWS_AS(bar_chart({"2", "10"}, {{.name = "MSE", .y = {1}}}, "x"), ShapeError);
}
