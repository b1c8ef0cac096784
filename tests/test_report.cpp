// The report page: complete, well formed, safe against whatever names hold, the same from equal runs. And the scatter
// charts that it shares with `elbo embed`.
#include <elbo/core/parallel_for.h>
#include <elbo/core/text.h>
#include <elbo/models/analysis/codes.h>
#include <elbo/models/training/trained.h>
#include <elbo/models/training/trainer.h>
#include <elbo/viz/embedding.h>
#include <elbo/viz/figures.h>
#include <elbo/viz/report.h>
#include <elbo/viz/report_facts.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "../viz/report_html.h"
#include "catch.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::viz;
using Catch::Matchers::Contains;

namespace {

const std::string nasty = "<b>&\"x\"'</script>";

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

/// Removes what stands between <tag ...> and </tag>: scripts and styles are not HTML.
std::string without(std::string html, const std::string& tag) {
  for (std::size_t at = html.find("<" + tag); at != std::string::npos; at = html.find("<" + tag, at + 1)) {
    const std::size_t begin = html.find('>', at) + 1, end = html.find("</" + tag + ">", begin);
    html.erase(begin, end - begin);
  }
  return html;
}

bool is_void(const std::string& tag) {
  return tag == "meta" || tag == "img" || tag == "input" || tag.front() == '!' || tag.back() == '/';
}

/// Empty for a page whose tags are balanced and characters escaped; else what is wrong.
std::string html_fault(const std::string& page) {
  const std::string html = without(without(page, "script"), "style");
  std::vector<std::string> open;
  for (std::size_t at = 0; at < html.size(); ++at) {
    if (html[at] == '&') {
      const std::string entity = html.substr(at, html.find(';', at) + 1 - at);
      if (std::string("&amp;&lt;&gt;&quot;&#39;").find(entity) == std::string::npos) return "entity " + entity;
    }
    if (html[at] == '>') return "a '>' outside a tag";
    if (html[at] != '<') continue;
    std::size_t end = at;
    for (bool quoted = false; end < html.size() && (quoted || html[end] != '>'); ++end) {
      if (html[end] == '"') quoted = !quoted;
      if (quoted && html[end] == '<') return "a '<' in an attribute";
    }
    if (end == html.size()) return "a tag without end";
    const std::string whole = html.substr(at + 1, end - at - 1), name = whole.substr(0, whole.find_first_of(" \n"));
    if (name[0] == '/') {
      if (open.empty() || open.back() != name.substr(1)) return "closes " + name;
      open.pop_back();
    } else if (!is_void(whole) && !is_void(name)) {
      open.push_back(name);
    }
    at = end;
  }
  return open.empty() ? "" : "leaves open " + open.back();
}

/// The text of every element <tag ...>.
std::vector<std::string> texts_of(const std::string& html, const std::string& begin, const std::string& end) {
  std::vector<std::string> out;
  for (std::size_t at = html.find(begin); at != std::string::npos; at = html.find(begin, at + 1)) {
    const std::size_t from = at + begin.size();
    out.push_back(html.substr(from, html.find(end, from) - from));
  }
  return out;
}

/// A model trained for two short epochs, with its pictures.
struct Trained {
  Trained(const std::string& model, std::int64_t latent, const std::string& class_name = "one")
      : data(bars(60, 12)), run(train(model, latent, class_name)), trained(models::load(run.folder())) {}

  models::Run train(const std::string& model, std::int64_t latent, const std::string& class_name) {
    models::RunConfig config;
    config.model.model = model;
    config.model.hidden = {12};
    config.model.latent = latent;
    config.train.epochs = 2;
    config.train.batch_size = 16;
    data.class_names = {"zero", class_name};
    return models::train(dir / "run", config, data).run;
  }
  ReportRun shown(const std::string& name) const { return {name, run, *trained, &data}; }

  TempDir dir;
  datasets::Dataset data;
  models::Run run;
  std::unique_ptr<models::Model> trained;
};

ReportOptions quick() {
  ReportOptions options;
  options.tsne_iterations = 50;
  return options;
}

}  // namespace

TEST_CASE("base64 as RFC 4648 has it", "[report]") {
  using viz::detail::base64;
  CHECK(base64("").empty());
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe\xfb") == "//77");
}

TEST_CASE("a report holds all its parts, asks for nothing outside and is the same again", "[report]") {
  const Trained vae("vae", 4);
  const ReportRun runs[] = {vae.shown("first")};
  const std::string html = report(runs, quick());
  CHECK(html_fault(html) == "");
  CHECK(html.starts_with("<!DOCTYPE html>"));
  for (const char* id : {"results", "curves", "samples", "reconstructions", "traversals", "embedding", "config"}) {
    INFO(id);
    CHECK(count(html, "<section id=\"" + std::string(id) + "\">") == 1);
    CHECK(count(html, "<a href=\"#" + std::string(id) + "\">") == 1);
  }
  CHECK(count(html, "<section id=\"manifold\"") == 0);  // four latent dimensions
  CHECK(count(html, "<h1>") == 1);
  CHECK_THAT(html, Contains("<title>first</title>"));
  CHECK_THAT(html, Contains("t-SNE (perplexity"));

  // Nothing from elsewhere: pictures are data, and the only address is the name of SVG.
  CHECK(count(html, "src=\"") == count(html, "src=\"data:image/png;base64,iVBORw0KGgo"));
  CHECK(count(html, "<link") + count(html, "@import") + count(html, "url(") + count(html, "<iframe") == 0);
  CHECK(count(html, "://") == count(html, "http://www.w3.org/2000/svg"));
  for (const std::string& image : texts_of(html, "<img ", ">")) CHECK_THAT(image, Contains(" alt=\""));
  CHECK(count(html, " alt=\"\"") == 0);

  std::set<std::string> ids;
  for (const std::string& id : texts_of(html, " id=\"", "\"")) CHECK(ids.insert(id).second);

  CHECK(report(runs, quick()) == html);
  const int threads = num_threads();
  set_num_threads(threads == 1 ? 3 : 1);
  CHECK(report(runs, quick()) == html);
  set_num_threads(threads);
}

TEST_CASE("a report's curves are the run's history, for scripts and without", "[report]") {
  const Trained vae("vae", 4);
  const ReportRun runs[] = {vae.shown("first")};
  ReportOptions options;
  options.tsne = false;
  const std::string html = report(runs, options);
  const auto blocks = texts_of(html, "<script type=\"application/json\">", "</script>");
  REQUIRE(blocks.size() == 3);
  const auto history = vae.run.history();
  const auto loss = nlohmann::json::parse(blocks[0]), kl = nlohmann::json::parse(blocks[2]);
  REQUIRE(loss.size() == 2);
  CHECK(loss[0].at("x") == nlohmann::json({1.0, 2.0}));
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(loss[0].at("y")[i] == history[i].train.loss);
    CHECK(loss[1].at("y")[i] == history[i].val->loss);
    CHECK(kl[1].at("y")[i] == (*history[i].val)["kl"]);
    char text[32];
    std::snprintf(text, sizeof text, "<td>%.3f</td>", history[i].train["reconstruction"]);
    CHECK_THAT(html, Contains(text));
  }
  // A linear and a logarithmic chart of each; which one shows is a rule of the style sheet, not a script.
  CHECK(count(html, "<div class=\"linear\">") == 3);
  CHECK(count(html, "<div class=\"log\">") == 3);
  CHECK(count(html, "class=\"plot\"") == 6);
  CHECK_THAT(html, !Contains("t-SNE ("));
}

TEST_CASE("a report's tables write large numbers with exponents", "[report]") {
  const Trained vae("vae", 2);
  std::string history = read_file(vae.run / "history.jsonl");
  const std::size_t at = history.find("\"loss\":") + 7;
  history.replace(at, history.find_first_of(",}", at) - at, "4.5e+300");
  write_file(vae.run / "history.jsonl", history);
  ReportOptions options;
  options.tsne = false;
  const ReportRun one[] = {vae.shown("first")}, two[] = {vae.shown("first"), vae.shown("second")};
  for (const std::string& html : {report(one, options), report(two, options)}) {
    CHECK_THAT(html, Contains("<td>4.500e+300</td>"));
    for (const std::string& cell : texts_of(html, "<td>", "</td>")) CHECK_THAT(cell, !Contains(std::string(20, '0')));
  }
}

TEST_CASE("names in a report are text, whatever they hold", "[report]") {
  const Trained vae("cvae", 2, nasty);
  ReportRun run = vae.shown(nasty);
  ReportOptions options = quick();
  options.title = nasty;
  const std::string html = report({&run, 1}, options);
  CHECK(html_fault(html) == "");
  CHECK_THAT(html, !Contains("<b>&"));
  CHECK(count(html, "</script>") == 4);  // three charts' values and the page's own
  CHECK_THAT(html, Contains("<h1>&lt;b&gt;&amp;&quot;x&quot;&#39;&lt;/script&gt;</h1>"));
  CHECK_THAT(html, Contains("&#39;&lt;/script&gt;</li>"));  // the legend's class
  CHECK_THAT(html, Contains("a row for each label"));
  CHECK(count(html, "<section id=\"manifold\">") == 1);
}

TEST_CASE("a report is UTF-8 where names are not", "[report]") {
  const Trained vae("cvae", 2, "one");
  ReportRun run = vae.shown("\xff\xfe run");
  ReportOptions options = quick();
  options.title = "\xc3 title";
  const std::string html = report({&run, 1}, options);
  CHECK(html_fault(html) == "");
  CHECK(is_utf8(html));
  CHECK_THAT(html, Contains("<h1>\uFFFD title</h1>"));
  for (const std::string& block : texts_of(html, "<script type=\"application/json\">", "</script>"))
    CHECK(nlohmann::json::accept(block));
}

TEST_CASE("where codes lie about no N(0, 1), a traversal goes over three deviations of theirs", "[report]") {
  const Trained vae("vae", 2), ae("ae", 2);
  CHECK_FALSE(spreads(*vae.trained));
  CHECK(spreads(*ae.trained));
  const auto pixels = [](const Trained& of, const std::vector<double>& values, bool in_deviations) {
    return traversal_figure(*of.trained, of.data, 1, {.dims = {1}, .values = values, .in_deviations = in_deviations})
        .pixels;
  };
  const std::vector<double> usual = models::evenly_spaced(-3, 3, 10);
  CHECK(pixels(vae, {}, false) == pixels(vae, usual, false));
  CHECK(pixels(ae, {}, false) == pixels(ae, usual, true));
  CHECK(pixels(ae, {}, false) != pixels(ae, usual, false));
  // The same pictures as of the codes that these are, below other numbers.
  const models::CodeDistribution codes = models::fit_codes(*ae.trained, ae.data);
  const auto a = pixels(ae, {-3, 3}, true),
             b = pixels(ae, {codes.mean[1] - 3.0 * codes.std[1], codes.mean[1] + 3.0 * codes.std[1]}, false);
  REQUIRE(a.size() == b.size());
  CHECK(std::equal(a.end() - static_cast<std::ptrdiff_t>(a.size() / 3), a.end(),
                   b.end() - static_cast<std::ptrdiff_t>(a.size() / 3)));
}

TEST_CASE("several runs share a report", "[report]") {
  const Trained vae("vae", 2), ae("ae", 4), other("vae", 1);
  const ReportRun runs[] = {vae.shown("run"), ae.shown("run"), other.shown("third")};
  std::vector<std::string> stages;
  ReportOptions options = quick();
  options.on_stage = [&](std::string_view doing) { stages.emplace_back(doing); };
  const std::string html = report(runs, options);
  CHECK(html_fault(html) == "");
  CHECK_THAT(html, Contains("<title>run, run (2), third</title>"));
  const auto blocks = texts_of(html, "<script type=\"application/json\">", "</script>");
  REQUIRE(blocks.size() == 3);
  CHECK(nlohmann::json::parse(blocks[0]).size() == 6);  // training and validation of each
  CHECK(nlohmann::json::parse(blocks[0])[3].at("name") == "run (2), validation");
  CHECK_THAT(html, Contains("an autoencoder has no prior"));
  CHECK_THAT(html, Contains("A single latent dimension"));
  CHECK_THAT(html, Contains("do not minimise the same sum of terms") && Contains(">The loss is</th>") &&
                       Contains("<td>reconstruction + KL</td>"));
  const ReportRun alike[] = {vae.shown("run"), other.shown("third")};
  CHECK_THAT(report(alike, quick()), !Contains("do not minimise") && !Contains("The loss is"));
  CHECK_THAT(html, Contains("<tr class=\"differs\"><th scope=\"row\">Layers</th>"));
  CHECK_THAT(html, Contains("<tr><th scope=\"row\">Seed</th>"));
  CHECK(std::find(stages.begin(), stages.end(), "t-SNE of run (2)") != stages.end());
}

TEST_CASE("a report without pictures, before the first epoch, and of training pictures", "[report]") {
  const Trained vae("vae", 4);
  ReportRun run{"bare", vae.run, *vae.trained};
  std::string html = report({&run, 1});
  CHECK(html_fault(html) == "");
  CHECK_THAT(html, Contains("bare: its pictures were not at hand"));
  CHECK_THAT(html, !Contains("Test loss"));
  CHECK(count(html, "<img ") == 2);  // samples and a traversal from the origin

  std::filesystem::remove_all(vae.run / "checkpoint");
  vae.run.write_history({});
  html = report({&run, 1});
  CHECK(html_fault(html) == "");
  CHECK_THAT(html, Contains("No epoch has been trained yet"));

  run.pictures = &vae.data;
  run.split = "train";
  html = report({&run, 1}, quick());
  CHECK_THAT(html, Contains("Training loss") && Contains("60 training pictures") && !Contains("test pictures"));
}

TEST_CASE("a report is written whole or not at all", "[report]") {
  const Trained vae("vae", 4);
  const ReportRun runs[] = {vae.shown("first")};
  TempDir out;
  ReportOptions options;
  options.tsne = false;
  write_report(out / "report.html", runs, options);
  CHECK(read_file(out / "report.html") == report(runs, options));
  CHECK_THROWS_AS(write_report(out / "missing/report.html", runs, options), IoError);
  CHECK_THROWS_AS(report({}), ValueError);
  CHECK(std::distance(std::filesystem::directory_iterator(out.path()), {}) == 1);
}

TEST_CASE("a run in words", "[report]") {
  models::RunConfig config;
  config.model.beta = 4;
  config.model.warmup = 2.5;
  config.train.val_size = 0.1;
  config.model.likelihood = "gaussian";
  const auto value = [&](const std::string& name) {
    for (const Fact& fact : describe(config, models::outline(config.model).config, models::outline(config.model).count))
      if (fact.name == name) return fact.value;
    return std::string("none");
  };
  CHECK(value("Layers") == "784-400-20-400-784");
  CHECK(value("Parameters") == "652,824");
  CHECK(value("Likelihood") == "Gaussian of variance 0.5 (the summed squared error)");
  CHECK(value("Objective") == "reconstruction + 4 KL, the weight of the KL growing from 0 over 2.5 epochs");
  CHECK(value("Validation") == "10 % of the training pictures");
  config.train.schedule = models::LrSchedule::cosine;
  config.train.lr_warmup = 1;
  CHECK(value("Optimiser") == "Adam, learning rate 0.001 (after a warm-up of 1 epoch, along a cosine)");
  config.train.schedule = models::LrSchedule::plateau;
  CHECK(value("Optimiser") ==
        "Adam, learning rate 0.001 (after a warm-up of 1 epoch, times 0.1 after more than 10 "
        "epochs without a better validation loss)");
  config.model.model = "conv-vae";
  CHECK(value("Layers") == "convolutions 1-32-64, 20 latent dimensions, transposed convolutions 64-32-1");
  config.model.model = "ae";
  CHECK(value("Objective") == "reconstruction alone");
  config.model = {.model = "ae"};
  CHECK(value("Model") == "autoencoder (ae)");
  config.model.posterior = "full";
  config.model.architecture = "conv";
  CHECK(value("Model") == "autoencoder (ae), with the architecture conv, the posterior full");
  config.model = {.model = "vae", .posterior = "point"};
  CHECK(value("Model") == "variational autoencoder (vae), with the posterior point");
  config.model = {.model = "vae", .cycles = 4, .cycle_epochs = 8};
  CHECK(value("Objective") == "reconstruction + KL, the weight of the KL growing from 0 4 times in 8 epochs");

  CHECK(thousands(0) == "0");
  CHECK(thousands(999) == "999");
  CHECK(thousands(-1000) == "-1,000");
  CHECK(thousands(-100) == "-100");
  CHECK(thousands(1234567) == "1,234,567");

  const auto epoch = [](std::int64_t number, double loss) {
    return models::EpochRecord{number, {}, models::Losses{loss}, 1};
  };
  std::vector<models::EpochRecord> history = {epoch(1, 3), epoch(2, 1), epoch(3, 1), epoch(4, 2)};
  CHECK(models::best_epoch(history)->epoch == 2);
  CHECK(models::best_epoch(history, 3)->epoch == 3);  // those before are of other pictures
  CHECK(models::best_epoch(history, 4)->epoch == 4);
  CHECK(models::best_epoch(history, 5)->epoch == 2);
  for (models::EpochRecord& record : history) record.val.reset();
  CHECK(models::best_epoch(history)->epoch == 4);
  CHECK(models::best_epoch({}) == nullptr);
}

TEST_CASE("the settings that a run began with are kept, and where in an epoch they changed", "[report]") {
  models::RunConfig config;
  const auto facts = [&] {
    std::string out;
    const models::Outline model = models::outline(config.model);
    for (const Fact& fact : describe(models::RunConfig::from_json(config.to_json(), "x"), model.config, model.count))
      if (fact.name == "Optimiser" || fact.name.starts_with("From ")) out += fact.name + ": " + fact.value + "\n";
    return out;
  };
  const auto to = [&](double lr) {
    models::TrainOptions out = config.train;
    out.lr = lr;
    return out;
  };
  // Before its first step, nothing was trained with what it began with.
  config.change(to(0.01), 1);
  CHECK(config.stretches.empty());
  CHECK(facts() == "Optimiser: Adam, learning rate 0.01\n");
  config.change(to(0.02), 1, 5);
  CHECK(facts() == "Optimiser: Adam, learning rate 0.01, then 0.02\nFrom step 6 of epoch 1 on: learning rate 0.02\n");
  // Changed twice before a step more, and once more within the same epoch, and back.
  config.change(to(0.03), 1, 5);
  config.change(to(0.04), 1, 8);
  CHECK(facts() ==
        "Optimiser: Adam, learning rate 0.01, then 0.03, then 0.04\nFrom step 6 of epoch 1 on: learning rate 0.03\n"
        "From step 9 of epoch 1 on: learning rate 0.04\n");
  config.change(to(0.03), 1, 8);
  CHECK(facts() == "Optimiser: Adam, learning rate 0.01, then 0.03\nFrom step 6 of epoch 1 on: learning rate 0.03\n");
  config.change(to(0.01), 1, 5);
  CHECK(config.stretches.empty());
  CHECK(config.train.lr == 0.01);

  config.change(to(0.02), 2, 3);
  nlohmann::json written = nlohmann::json::parse(config.to_json());
  written["stretches"][1]["after_steps"] = -1;
  CHECK_THROWS_WITH(models::RunConfig::from_json(written.dump(), "x"),
                    "x: 'stretches[1].after_steps': expected at least 0, found -1");
  written["stretches"][1].erase("after_steps");  // as runs have it that were made before
  CHECK(models::RunConfig::from_json(written.dump(), "x").stretches[1].after_steps == 0);
  written["stretches"][1]["from_epoch"] = 0;
  CHECK_THROWS_WITH(models::RunConfig::from_json(written.dump(), "x"),
                    "x: 'stretches[1].from_epoch': expected at least 1, found 0");
}

TEST_CASE("a run whose pictures are not at hand does not hide what the others were measured on", "[report]") {
  const Trained vae("vae", 4);
  ReportRun bare = vae.shown("bare"), sound = vae.shown("sound"), standing_in = vae.shown("own");
  bare.pictures = nullptr;
  standing_in.split = "train";
  const ReportRun runs[] = {bare, sound, standing_in};
  ReportOptions options;
  options.tsne = false;
  const std::string html = report(runs, options);
  CHECK_THAT(html, Contains("Measured on all the pictures that the table names") &&
                       Contains("<td>60 test pictures of bars</td>") &&
                       Contains("<td>60 training pictures of bars</td>"));
}

TEST_CASE("embeddings: the first two dimensions and the principal components", "[embedding]") {
  const Array codes = Array::from(std::vector<float>{1, 2, 3, 4, 5, 60, 7, 8, -9}, {3, 3});
  const Embedding first = embed(codes, EmbeddingMethod::first2);
  CHECK(first.points.to_vector<float>() == std::vector<float>{1, 2, 4, 5, 7, 8});
  CHECK(first.x_label == "z[0]");
  CHECK_FALSE(first.explained_variance);
  const Embedding main = embed(codes, EmbeddingMethod::pca);
  REQUIRE(main.explained_variance);
  CHECK((*main.explained_variance)[0] > 0.95);
  CHECK((*main.explained_variance)[0] + (*main.explained_variance)[1] == Approx(1).margin(0.03));
  CHECK(main.x_label.starts_with("PC1 (9"));
  CHECK_THROWS_AS(embed(Array::zeros({4, 1}), EmbeddingMethod::pca), ValueError);
  CHECK_THROWS_AS(embed(Array::zeros({4}), EmbeddingMethod::pca), ShapeError);
}

namespace {

/// n points on a line.
Embedding line_of(std::int64_t n) {
  std::vector<float> points;
  for (std::int64_t i = 0; i < n; ++i) points.insert(points.end(), {static_cast<float>(i), static_cast<float>(i)});
  return {EmbeddingMethod::first2, Array::from(points, {n, 2}), "x", "y"};
}

std::vector<std::int64_t> labels_of(std::int64_t n, std::int64_t classes) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(i % classes);
  return out;
}

}  // namespace

TEST_CASE("an embedding's chart: a colour a class, one legend, every point", "[embedding]") {
  const EmbeddingPanel panels[] = {{"left", line_of(12)}, {"right", line_of(12)}};
  const std::string svg = embedding_chart(panels, labels_of(12, 3), {"cat", "dog & fox", "<eel>"}, {.title = "codes"});
  CHECK(html_fault(svg) == "");
  CHECK(count(svg, "h0") == 24);
  for (const char* text :
       {">cat</text>", ">dog &amp; fox</text>", ">&lt;eel&gt;</text>", ">left</text>", ">right</text>"})
    CHECK(count(svg, text) == 1);
  CHECK(count(svg, "stroke=\"" + palette(2) + "\"") == 2);

  const std::string plain = embedding_chart({panels, 1}, {}, {"cat"});
  CHECK(count(plain, "h0") == 12);
  CHECK_THAT(plain, !Contains(">cat<"));
  CHECK_THAT(embedding_chart({panels, 1}, labels_of(12, 2), {}), Contains(">1</text>"));  // numbers, without names
  CHECK_THAT(embedding_chart({panels, 1}, labels_of(12, 2), {"cat", "dog"}, {.legend = false}), !Contains(">dog<"));
}

TEST_CASE("an embedding's chart of many classes and of many points", "[embedding]") {
  const EmbeddingPanel many{"", line_of(200)};
  const std::string svg = embedding_chart({&many, 1}, labels_of(200, 100), {}, {.title = "codes"});
  CHECK_THAT(svg, Contains("codes, 100 classes, a colour each (no legend)"));
  CHECK(count(svg, ">57</text>") == 0);
  const std::vector<std::string> colors = class_colors(100);
  CHECK(std::set<std::string>(colors.begin(), colors.end()).size() == 100);
  for (const std::string& color : colors) CHECK(count(svg, "stroke=\"" + color + "\"") == 1);
  CHECK(class_colors(10)[9] == palette(9));
  CHECK(class_colors(11)[0] != palette(0));

  // The classes take turns, so that the last one does not lie on all the others.
  const EmbeddingPanel crowd{"", line_of(10000)};
  const std::string dots = embedding_chart({&crowd, 1}, labels_of(10000, 2), {});
  CHECK(count(dots, "h0") == 10000);
  CHECK(dots.size() < 220000);
  const std::size_t last = dots.rfind("stroke=\"" + palette(0)), first = dots.find("d=\"M");
  CHECK(last > dots.find("stroke=\"" + palette(1), first));
}

TEST_CASE("an embedding's chart refuses labels that do not fit", "[embedding]") {
  const EmbeddingPanel panel{"", line_of(4)};
  CHECK_THROWS_AS(embedding_chart({&panel, 1}, labels_of(3, 2), {}), ShapeError);
  CHECK_THROWS_AS(embedding_chart({&panel, 1}, std::vector<std::int64_t>{0, 1, -1, 0}, {}), ValueError);
  CHECK_THROWS_AS(embedding_chart({}, {}, {}), ValueError);
  const EmbeddingPanel empty{};
  CHECK_THROWS_AS(embedding_chart({&empty, 1}, {}, {}), ShapeError);
}
