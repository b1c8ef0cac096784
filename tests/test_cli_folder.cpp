// Folders of pictures: what a run keeps of its classes, its split and its data, and what is said of what it does not
// use.
#include <elbo/models/training/trainer.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "picture_files.h"
#include "program.h"

using namespace elbo;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// A folder of pictures and runs on it.
struct Place {
  TempDir dir;

  fs::path data(const std::string& name = "data") const { return dir / name; }
  fs::path run(const std::string& name = "run") const { return dir / name; }
  void add(const std::string& file, const std::string& content) const {
    fs::create_directories((dir / file).parent_path());
    write_file(dir / file, content);
  }
  /// Dark pictures of class b and bright ones of class c.
  void add_classes(const std::string& folder, int count = 12) const {
    for (int i = 0; i < count; ++i) {
      add(folder + "/b/" + std::to_string(i) + ".png", grey(5 + i, 8, 8));
      add(folder + "/c/" + std::to_string(i) + ".png", grey(240 + i, 8, 8));
    }
  }
  std::vector<std::string> train(const std::string& model = "cvae", const std::string& name = "run",
                                 const std::string& epochs = "1") const {
    return {"train",        "--dataset", "folder",   "--data", data().string(), "--size", "8",     "--grey",
            "--model",      model,       "--hidden", "16",     "--latent",      "2",      "--lr",  "0.02",
            "--batch-size", "2",         "--epochs", epochs,   "--val-size",    "0",      "--out", run(name).string()};
  }
  Ended resume(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"train", "--resume", "--out", run().string()});
    return run_elbo(more);
  }
};

Ended done(const std::vector<std::string>& args) {
  Ended ended = run_elbo(args);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  return ended;
}
json json_of(std::vector<std::string> args) {
  args.push_back("--json");
  return json::parse(done(args).out);
}
std::int64_t count_of(const std::string& text, const std::string& word) {
  std::int64_t out = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++out;
  return out;
}
void edit(const fs::path& file, const std::string& from, const std::string& to) {
  std::string text = read_file(file);
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  write_file(file, text.replace(at, from.size(), to));
}

}  // namespace

TEST_CASE("classes are matched by their names in every command", "[cli][folder]") {
  Place place;
  place.add_classes("data/train");
  place.add_classes("data/test", 4);
  done(place.train("cvae", "run", "12"));
  const std::string run = place.run().string();
  // c alone, and c before an a that has no pictures of its own.
  fs::create_directories(place.dir / "c/test");
  fs::copy(place.data() / "test/c", place.dir / "c/test/c", fs::copy_options::recursive);
  const std::string only = (place.dir / "c").string();
  const double both = json_of({"eval", run, "--codes", "mean"}).at("loss"),
               c = json_of({"eval", run, "--codes", "mean", "--data", only}).at("loss");
  CHECK(c < 1.5 * both);  // as b the bright pictures would cost many times as much
  const std::string csv = (place.dir / "scores.csv").string();
  done({"score", run, "--data", only, "--out", csv});
  CHECK(read_file(csv).find("0,1,c,") != std::string::npos);
  done({"embed", run, "--data", only, "--out", (place.dir / "e.svg").string(), "--csv", csv});
  CHECK(read_file(csv).find("0,1,c,") != std::string::npos);
  const json reconstructed = json_of({"reconstruct", run, "--data", only, "--out", (place.dir / "r.png").string()});
  CHECK(reconstructed.at("labels")[0] == 1);
  CHECK(reconstructed.at("runs")[0].at("mse").get<double>() < 0.01);
  const json between =
      json_of({"interpolate", run, "--data", only, "--pictures", "0,1", "--out", (place.dir / "i.png").string()});
  CHECK(between.at("classes") == json({"c", "c"}));
  done({"traverse", run, "--data", only, "--out", (place.dir / "t.png").string()});

  // A class that the model does not know.
  place.add("c/test/a/1.png", grey(100, 8, 8));
  for (const char* command : {"eval", "score", "embed", "reconstruct", "traverse"})
    check_refused(run_elbo({command, run, "--data", only}), {only, "knows the classes b, c", "another, a"});
  check_refused(run_elbo({"report", run, "--data", only, "--no-tsne"}), {"knows the classes b, c", "another, a"});

  // Models that take no labels keep the names that belong to the pictures.
  done(place.train("vae", "plain", "12"));
  const std::string plain = place.run("plain").string();
  done({"score", plain, "--data", only, "--out", csv});
  CHECK(read_file(csv).find("0,2,a,") != std::string::npos);
  CHECK(read_file(csv).find("1,1,c,") != std::string::npos);
  const std::string page = (place.dir / "page.html").string();
  done({"report", plain, "--data", only, "--no-tsne", "--out", page});
  CHECK(count_of(read_file(page), "</svg>a</li>") > 0);
  // The first run says which pictures, one that takes labels how they are numbered.
  check_refused(run_elbo({"reconstruct", plain, run, "--data", only}), {"knows the classes b, c", "another, a"});
}

TEST_CASE("models that number their classes in different ways stand in no figure together", "[cli][folder]") {
  Place place;
  place.add_classes("data/train", 3);
  place.add_classes("data/test", 3);
  done(place.train());
  fs::rename(place.data() / "train/b", place.data() / "train/d");
  fs::rename(place.data() / "test/b", place.data() / "test/d");
  done(place.train("cvae", "other"));
  const std::string run = place.run().string(), other = place.run("other").string();
  for (const char* command : {"sample", "interpolate", "reconstruct"})
    check_refused(run_elbo({command, run, other}), {"other", "same classes", "(b, c)", "found c, d"});
  check_refused(run_elbo({"embed", run, "--model-b", other}), {"same classes"});
}

TEST_CASE("a run that goes on finds the data it was trained on, or says so", "[cli][folder]") {
  Place place;
  place.add_classes("data/train", 6);
  place.add_classes("data/test", 2);
  done(place.train());
  const std::string before = json::parse(read_file(place.run() / "config.json")).at("data").at("identity");
  CHECK(before.starts_with("12 pictures [1, 8, 8], 2 classes, hash "));
  CHECK(place.resume({"--epochs", "2"}).status == 0);

  // Added, changed, removed, and in another class.
  place.add("data/train/b/7.png", grey(7, 8, 8));
  check_refused(place.resume({"--epochs", "3"}), {"run", before, "13 pictures", "--accept-changed-data"});
  fs::remove(place.data() / "train/b/7.png");
  place.add("data/train/b/0.png", grey(6, 8, 8));
  check_refused(place.resume({"--epochs", "3"}), {before, "--accept-changed-data"});
  place.add("data/train/b/0.png", grey(5, 8, 8));
  CHECK(place.resume({"--epochs", "3"}).status == 0);
  fs::rename(place.data() / "train/b/5.png", place.data() / "train/c/50.png");
  check_refused(place.resume({"--epochs", "4"}), {before, "--accept-changed-data"});
  CHECK(json::parse(read_file(place.run() / "config.json")).at("data").at("identity") == before);

  CHECK(place.resume({"--epochs", "4", "--accept-changed-data"}).status == 0);
  CHECK(json::parse(read_file(place.run() / "config.json")).at("data").at("identity") != before);
  CHECK(place.resume({"--epochs", "5"}).status == 0);
  std::vector<std::string> fresh = place.train("vae", "new");
  fresh.push_back("--accept-changed-data");
  check_refused(run_elbo(fresh), {"--accept-changed-data", "--resume"});

  // A class that the model does not take is named, whatever is accepted.
  place.add("data/train/x/1.png", grey(1, 8, 8));
  check_refused(place.resume({"--epochs", "6", "--accept-changed-data"}), {"b, c", "found another one: x"});
  fs::remove_all(place.data() / "train/x");

  // A run that was made before there was an identity is not checked, and keeps one from then on.
  json config = json::parse(read_file(place.run() / "config.json"));
  config["data"].erase("identity");
  config["data"].erase("split_rule");
  for (const char* later : {"labels", "architecture", "posterior", "prior", "objective"}) config["model"].erase(later);
  write_file(place.run() / "config.json", config.dump());
  place.add("data/train/b/8.png", grey(8, 8, 8));
  CHECK(place.resume({"--epochs", "6"}).status == 0);
  config = json::parse(read_file(place.run() / "config.json"));
  CHECK(config.at("data").at("split_rule") == "tenth");
  CHECK(config.at("data").at("identity").get<std::string>().starts_with("13 pictures"));
}

TEST_CASE("a run whose data has changed keeps the best model on what it has now", "[cli][folder]") {
  Place place;
  const auto add_all = [&](int value) {
    for (int i = 0; i < 20; ++i)
      for (const char* half : {"train", "val"})
        place.add("data/" + std::string(half) + "/" + std::to_string(i) + ".png", grey(value + i % 2, 8, 8));
  };
  add_all(2);
  std::vector<std::string> args = place.train("vae", "run", "3");
  args.erase(args.end() - 4, args.end() - 2);  // --val-size: there is a half
  done(args);
  add_all(120);  // whose loss can never be as low
  const std::string model = read_file(place.run() / "model.safetensors");
  const Ended over = place.resume({"--accept-changed-data"});
  CHECK(over.status == 0);
  CHECK(json::parse(read_file(place.run() / "config.json")).at("data").contains("since") == false);

  const Ended gone_on = place.resume({"--epochs", "8", "--patience", "2", "--accept-changed-data"});
  INFO(gone_on.out + gone_on.err);
  CHECK(gone_on.status == 0);
  const models::Run run = models::Run::open(place.run());
  const std::vector<models::EpochRecord> history = run.history();
  CHECK(history.size() >= 5);  // patience did not count from the epochs before
  CHECK(run.config().data.since == 4);
  const models::EpochRecord* best = models::best_epoch(history, 4);
  REQUIRE(best->epoch >= 4);
  CHECK(history[0].val->loss < best->val->loss);
  CHECK((read_file(place.run() / "model.safetensors") != model));
  const json info = json_of({"info", place.run().string()});
  CHECK(info.at("best").at("epoch") == best->epoch);
  CHECK_THAT(done({"info", place.run().string()}).out, Catch::Contains("from epoch 4 on"));
  // It goes on as any other run.
  const Ended more = place.resume({"--epochs", "12", "--patience", "0"});
  CHECK(more.status == 0);
  CHECK(models::Run::open(place.run()).config().data.since == 4);
  // A setting changed with the data is written down for the epoch that begins.
  add_all(60);
  const Ended again = place.resume({"--lr", "0.002", "--epochs", "13", "--accept-changed-data"});
  CHECK(again.status == 0);
  const models::RunConfig other = models::Run::open(place.run()).config();
  CHECK(other.data.since == 13);
  CHECK(other.stretches.back().from_epoch == 13);
  CHECK(other.stretches.back().train.lr == 0.002);
}

TEST_CASE("what is refused at the checkpoint leaves the run as it was", "[cli][folder]") {
  Place place;
  place.add_classes("data/train", 6);
  place.add_classes("data/test", 2);
  done(place.train("vae"));
  edit(place.run() / "config.json", "\"latent\": 2", "\"latent\": 3");
  const std::string before = read_file(place.run() / "config.json");
  check_refused(place.resume({"--epochs", "7", "--lr", "0.5"}), {"checkpoint/state.safetensors", "mismatched"});
  CHECK(read_file(place.run() / "config.json") == before);
}

TEST_CASE("a run keeps the rule that its folder was split by", "[cli][folder]") {
  Place place;
  for (int i = 0; i < 40; ++i) place.add("data/" + std::to_string(100 + i) + ".png", grey(i, 8, 8));
  done(place.train("vae"));
  const std::string run = place.run().string();
  const auto test_count = [&] { return json_of({"eval", run}).at("count").get<int>(); };
  const int hashed = test_count();
  place.add("data/000.png", grey(1, 8, 8));
  CHECK(std::abs(test_count() - hashed) <= 1);
  edit(place.run() / "config.json", "\"hash\"", "\"tenth\"");
  CHECK(test_count() == 4);
  edit(place.run() / "config.json", "\"tenth\"", "\"fifth\"");
  check_refused(run_elbo({"eval", run}), {"config.json", "split_rule", "hash or tenth", "'fifth'"});
}

TEST_CASE("the half to validate on is used, what is not used is said once", "[cli][folder]") {
  Place place;
  place.add_classes("data/Train", 6);
  place.add_classes("data/Valid", 2);
  place.add("data/extra/1.png", grey(1, 8, 8));
  check_refused(run_elbo(place.train()), {"--val-size", "Train, Valid"});
  std::vector<std::string> args = place.train();
  args.push_back("--json");
  args.erase(std::find(args.begin(), args.end(), "--val-size"), std::find(args.begin(), args.end(), "--out"));
  const Ended ended = done(args);
  CHECK(count_of(ended.err,
                 "note: " + place.data().string() + ": not used, beside the halves 'Train', 'Valid': 'extra'\n") == 1);
  CHECK(count_of(ended.err, "stand in for pictures to test") == 1);
  CHECK_FALSE(json::parse(ended.out).at("val").is_null());
  CHECK(json::parse(read_file(place.run() / "config.json")).at("train").at("val_size") == 4);
  CHECK(place.resume({"--epochs", "2"}).status == 0);
  check_refused(run_elbo({"eval", place.run().string()}),
                {"expected pictures to test in a folder 'test' beside 'Train'"});

  place.add_classes("data/TEST", 1);
  const json data = json_of({"data", "--dataset", "folder", "--data", place.data().string(), "--size", "8"});
  CHECK(data.at("halves") == "Train, Valid, TEST");
  CHECK(data.at("train") == 12);
  CHECK(data.at("val") == 4);
  CHECK(data.at("test") == 2);
  CHECK(data.at("classes")[1] == json({{"label", 1}, {"name", "c"}, {"train", 6}, {"val", 2}, {"test", 1}}));
  const std::string text = done({"data", "--dataset", "folder", "--data", place.data().string()}).out;
  CHECK_THAT(text, Catch::Contains("the folders Train, Valid, TEST") && Catch::Contains("validation      4 pictures"));
}

TEST_CASE("a run that goes on validates on pictures of the same kind, whatever is accepted", "[cli][folder]") {
  Place place;
  place.add_classes("data/train", 6);
  place.add_classes("data/val", 3);
  std::vector<std::string> args = place.train();
  args.erase(std::find(args.begin(), args.end(), "--val-size"), std::find(args.begin(), args.end(), "--out"));
  done(args);
  CHECK_THAT(done({"info", place.run().string()}).out, Catch::Contains("6 pictures, a half of their own"));
  const std::string half = "a half of their own", held_out = "held out of those to train on";
  fs::rename(place.data() / "val", place.dir / "val");
  check_refused(place.resume({"--epochs", "2", "--accept-changed-data"}),
                {place.run().string() + ": expected pictures to validate on as the run has them (" + half + ")",
                 "found " + held_out});
  fs::rename(place.dir / "val", place.data() / "val");
  CHECK(place.resume({"--epochs", "2"}).status == 0);

  // Held out, and then there is a half, or too few are left to hold them out.
  fs::rename(place.data() / "val", place.dir / "val");
  fs::remove_all(place.run());
  args.insert(args.end(), {"--val-size", "4"});
  done(args);
  CHECK_THAT(done({"info", place.run().string()}).out, Catch::Contains("4 of the training pictures"));
  fs::rename(place.dir / "val", place.data() / "val");
  check_refused(place.resume({"--epochs", "2", "--accept-changed-data"}), {"(" + held_out + "), found " + half});
  fs::remove_all(place.data() / "val");
  for (const char* kind : {"b", "c"})
    for (int i = 2; i < 6; ++i) fs::remove(place.data() / "train" / kind / (std::to_string(i) + ".png"));
  check_refused(place.resume({"--epochs", "2", "--accept-changed-data"}),
                {place.run().string() + ": expected more pictures than the 4 that the run validates on, found 4"});
}

TEST_CASE("pictures that cannot be read are counted and listed by every command, of both halves", "[cli][folder]") {
  Place place;
  place.add_classes("data/train", 3);
  place.add_classes("data/test", 2);
  for (int i = 0; i < 6; ++i) place.add("data/train/b/x" + std::to_string(i) + ".webp", "RIFF\x20\0\0\0WEBPVP8 "s);
  place.add("data/test/c/broken.png", "x");
  place.add("data/test/c/readme.txt", "x");
  std::vector<std::string> args = place.train();
  args.push_back("--json");
  const Ended trained = done(args);
  CHECK_THAT(trained.err, Catch::Contains("note: 6 pictures could not be read and are left out") &&
                              Catch::Contains("x4.webp: expected a PNG or JPEG picture, found a WebP picture") &&
                              Catch::Contains("'elbo data' lists all") &&
                              Catch::Contains("note: 1 picture could not be read and is left out"));
  CHECK(count_of(trained.err, "x5.webp") == 0);
  CHECK(json::parse(trained.out).at("skipped").size() == 7);
  const std::string run = place.run().string(), out = (place.dir / "out").string();
  for (const char* command : {"eval", "score", "embed", "reconstruct", "traverse", "interpolate", "report"}) {
    INFO(command);
    CHECK(json_of({command, run}).at("skipped").size() == 1);
    CHECK(count_of(done({command, run}).err, "broken.png") == 1);
  }
  const std::vector<std::string> data{"data", "--dataset", "folder", "--data", place.data().string(), "--size", "8"};
  CHECK(json_of(data).at("skipped").size() == 7);
  CHECK_THAT(done(data).out, Catch::Contains("7 pictures could not be read") && Catch::Contains("x5.webp") &&
                                 Catch::Contains("broken.png"));
}

TEST_CASE("a model that takes labels is not trained without pictures of a class, and the reason is given",
          "[cli][folder]") {
  Place place;
  place.add("data/train/b/1.png", grey(1, 8, 8));
  place.add("data/test/c/1.png", grey(1, 8, 8));
  check_refused(run_elbo(place.train()), {"--model cvae", "to train on of each class", "none of 'c'"});
  CHECK(count_of(done(place.train("vae")).err, "no pictures to train on of 'c'") == 1);
  fs::remove_all(place.data() / "test/c");
  place.add("data/test/1.png", grey(1, 8, 8));
  check_refused(run_elbo(place.train("cvae", "other")),
                {"--model cvae", "no classes: pictures lie in 'test' itself, though 'train' has sub-folders"});
  CHECK_FALSE(fs::exists(place.run("other")));
}

TEST_CASE("a class whose pictures are all held out to validate on is not trained on", "[cli][folder]") {
  Place place;
  for (int i = 0; i < 5; ++i) place.add("data/train/b/" + std::to_string(i) + ".png", grey(i, 8, 8));
  place.add("data/train/c/1.png", grey(200, 8, 8));
  place.add("data/test/b/1.png", grey(1, 8, 8));
  int refused = 0, trained = 0;
  for (int seed = 0; seed < 8; ++seed) {
    const std::string name = "run" + std::to_string(seed);
    std::vector<std::string> args = place.train("cvae", name);
    *(std::find(args.begin(), args.end(), "--val-size") + 1) = "0.5";
    args.insert(args.end(), {"--seed", std::to_string(seed)});
    const Ended ended = run_elbo(args);
    CHECK((ended.status == 0) == fs::exists(place.run(name)));
    if (ended.status == 0) {
      ++trained;
      continue;
    }
    ++refused;
    check_refused(ended, {"--model cvae", "to train on of each class", "none of 'c' among 3", "smaller val-size"});
  }
  CHECK(refused > 0);
  CHECK(trained > 0);
  done(place.train("cvae", "all"));
  std::vector<std::string> vae = place.train("vae", "no-labels");
  *(std::find(vae.begin(), vae.end(), "--val-size") + 1) = "0.5";
  done(vae);
}

TEST_CASE("a class is named as messages write it, and its name wins over another's number", "[cli][folder]") {
  Place place;
  for (const char* name : {"1", "10", "2", "bad\xff\xfename"}) {
    place.add("data/train/" + std::string(name) + "/1.png", grey(1, 8, 8));
    place.add("data/test/" + std::string(name) + "/1.png", grey(1, 8, 8));
  }
  done(place.train());
  const auto label = [&](const std::string& text) {
    return json_of({"sample", place.run().string(), "--label", text, "--out", (place.dir / "s.png").string()})
        .at("label");
  };
  CHECK(label("bad\\xff\\xfename") == 3);
  CHECK(label("bad\xff\xfename") == 3);
  CHECK(label("1") == 0);
  CHECK(label("2") == 2);
  CHECK(label("3") == 3);
}

TEST_CASE("a run is not made among the pictures it is trained on", "[cli][folder]") {
  Place place;
  place.add_classes("data");
  for (const char* name : {"data/run", "data/b/deep/run", "data/../data/run"})
    check_refused(run_elbo(place.train("vae", name)), {"--out", "outside of --data", "found one in it"});
  CHECK_FALSE(fs::exists(place.data() / "run"));
  CHECK_FALSE(fs::exists(place.data() / "b/deep"));
  done(place.train("vae", "data-run"));
}

TEST_CASE("a folder that may not be entered is told from one that is not there", "[cli][folder]") {
  Place place;
  place.add("shut/x/config.json", "{}");
  fs::permissions(place.dir.path(), fs::perms::all);
  const std::string shut = place.dir / "shut", prefix = getuid() == 0 ? "setpriv --reuid=65534 --clear-groups" : "";
  fs::permissions(shut, fs::perms::none);
  const Ended eval[] = {run_elbo({"eval", shut}, prefix), run_elbo({"eval", shut + "/x"}, prefix)};
  const Ended data = run_elbo({"data", "--dataset", "folder", "--data", shut}, prefix);
  const Ended inner = run_elbo({"data", "--dataset", "mnist", "--data", shut + "/x"}, prefix);
  fs::permissions(shut, fs::perms::owner_all);
  for (const Ended& one : eval) check_refused(one, {shut, "cannot read the run folder: Permission denied"});
  for (const Ended& one : {data, inner}) check_refused(one, {shut, "cannot read the folder: Permission denied"});
}
