// Files that are none: FIFOs, devices, folders, and files of another kind in the wrong place.
#include <elbo/core/errors.h>
#include <elbo/core/file.h>
#include <elbo/core/input_detail.h>
#include <elbo/core/safetensors.h>
#include <elbo/datasets/dataset.h>
#include <elbo/datasets/idx.h>
#include <elbo/datasets/mat.h>
#include <elbo/datasets/picture.h>
#include <elbo/models/training/run.h>
#include <sys/stat.h>

#include "datasets_support.h"
#include "program.h"
#include "temp_dir.h"

using namespace elbo;
using namespace std::string_literals;
using Catch::Contains;

namespace {

/// Every reader of a file, each with the name that it is known by.
std::vector<std::pair<std::string, std::function<void(const std::filesystem::path&)>>> readers() {
  return {{"read_whole_file", [](const auto& path) { read_whole_file(path); }},
          {"load_safetensors", [](const auto& path) { load_safetensors(path); }},
          {"read_idx", [](const auto& path) { datasets::read_idx(path); }},
          {"read_mat", [](const auto& path) { datasets::read_mat(path); }},
          {"read_picture", [](const auto& path) { datasets::read_picture(path, 1, 4, 4); }}};
}

struct Kind {
  std::string bytes, words;
};
std::vector<Kind> kinds() {
  const auto zip = [](const std::string& first) {
    return "PK\x03\x04"s + std::string(22, '\0') + static_cast<char>(first.size()) + std::string(3, '\0') + first +
           "...";
  };
  return {{zip("archive/data.pkl"), "found a PyTorch checkpoint: convert it with Python's safetensors"},
          {zip("best_model/data.pkl"), "found a PyTorch checkpoint"},
          {"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "found a PyTorch checkpoint"},
          {"\x80\x04\x95\x10\0\0\0\0\0\0\0"s, "found a Python pickle"},
          {zip("arr_0.npy"), "found NumPy arrays (.npz)"},
          {zip("readme.txt"), "found a zip archive"},
          {"\x93NUMPY\x01\0v\0{'descr'"s, "found a NumPy array"},
          {"\x89HDF\r\n\x1a\n\0\0\0\0"s, "found "},  // the MAT reader has its own words for it
          {"RIFF\x10\0\0\0WEBPVP8 "s, "found a WebP picture"},
          {"  <!DOCTYPE html><html>", "found an HTML page: was the download redirected?"},
          {"BM\x46\0\0\0\0\0\0\0\x36\0\0\0"s, "found a BMP picture"},
          {"version https://git-lfs.github.com/spec/v1\noid sha256:12", "found a pointer of Git LFS"},
          {"%PDF-1.7\n%", "found a PDF document"}};
}

}  // namespace

TEST_CASE("input: FIFOs, devices and folders are refused, and nobody waits", "[input]") {
  TempDir dir;
  REQUIRE(mkfifo((dir / "fifo").c_str(), 0600) == 0);
  std::filesystem::create_symlink(dir / "fifo", dir / "link");
  for (const auto& [name, read] : readers()) {
    INFO(name);
    const auto found = [&read = read](const std::filesystem::path& path) {
      return error_of<IoError>([&] { read(path); });
    };
    for (const char* pipe : {"fifo", "link"})
      CHECK(found(dir / pipe) == (dir / pipe).string() + ": expected a regular file, found a FIFO (a pipe)");
    CHECK(found("/dev/zero") == "/dev/zero: expected a regular file, found a device");
    CHECK(found("/dev/null") == "/dev/null: expected a regular file, found a device");
    CHECK(found(dir.path()) == dir.path().string() + ": expected a regular file, found a folder");
    CHECK(found(dir / "none") == (dir / "none").string() + ": cannot open: No such file or directory");
  }
}

TEST_CASE("input: files of another kind are recognised by every reader", "[input]") {
  TempDir dir;
  const std::filesystem::path path = dir / "file";
  for (const Kind& kind : kinds()) {
    write_file(path, kind.bytes);
    for (const auto& [name, read] : readers()) {
      if (name == "read_whole_file") continue;
      INFO(name << ": " << kind.words);
      const std::string message = error_of<FormatError>([&read = read, &path] { read(path); });
      CHECK_THAT(message, Catch::StartsWith(path.string() + ": expected ") && Contains(kind.words));
      CHECK(message.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("input: what a file seems to be", "[input]") {
  const auto described = [](const std::string& text) {
    return detail::describe_content({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  CHECK(described("") == "nothing");
  CHECK(described("ab") == "something else (first bytes 61 62)");
  CHECK(described("\x01\x02\xff\x04\x05") == "something else (first bytes 01 02 ff 04)");
  CHECK(described("\x10\0\0\0\0\0\0\0{\"a\":{}}  "s) == "a safetensors file");
  CHECK(described("\x80\x02\0\0\0\0\0\0{\"a\":{}}  "s) == "a safetensors file");  // a header of 640 bytes
  CHECK(described("\x80\x02\0\0\0\0\0\0"s) == "something else (first bytes 80 02 00 00)");
  CHECK(described("\xff\xd8\xff\xe0") == "a JPEG picture");
  CHECK(described("BMX is a bicycle") == "something else (first bytes 42 4d 58 20)");
  std::string tar(300, 'a');
  tar.replace(257, 5, "ustar");
  CHECK(described(tar) == "a tar archive: unpack it");
  // Cut off anywhere, none is read beyond its end.
  for (const Kind& kind : kinds())
    for (std::size_t size = 0; size <= kind.bytes.size(); ++size)
      CHECK_FALSE(described(kind.bytes.substr(0, size)).empty());
}

TEST_CASE("input: CIFAR files of another kind are recognised", "[input]") {
  TempDir dir;
  for (int i = 1; i <= 5; ++i) write_file(dir / ("data_batch_" + std::to_string(i) + ".bin"), kinds()[3].bytes);
  const std::string message =
      error_of<FormatError>([&] { datasets::load("cifar10", datasets::Split::train, dir.path(), {}); });
  CHECK(message == (dir / "data_batch_1.bin").string() + ": expected CIFAR-10's records, found a Python pickle");
}

TEST_CASE("input: a lock that is a FIFO or a link keeps nobody waiting and empties nothing", "[input]") {
  TempDir dir;
  std::filesystem::create_directories(dir / "a");
  std::filesystem::create_directories(dir / "b");
  REQUIRE(mkfifo((dir / "a" / "lock").c_str(), 0600) == 0);
  write_file(dir / "precious", "content");
  std::filesystem::create_symlink(dir / "precious", dir / "b" / "lock");
  for (const char* folder : {"a", "b"}) {
    CHECK_FALSE(models::RunLock::holder(dir / folder));
    CHECK(error_of<IoError>([&] { models::RunLock lock(dir / folder); }) ==
          "cannot write " + (dir / folder / "lock").string() + ": expected a regular file");
  }
  CHECK(read_file(dir / "precious") == "content");
}

#ifdef ELBO_PROGRAM
TEST_CASE("input: the program waits for no FIFO", "[input][cli]") {
  TempDir dir;
  const auto refused = [](const std::vector<std::string>& args) {
    check_refused(run_elbo(args, "timeout -s KILL 20"), {"expected a regular file, found a FIFO"});
  };
  std::filesystem::create_directories(dir / "run");
  REQUIRE(mkfifo((dir / "run" / "config.json").c_str(), 0600) == 0);
  refused({"info", (dir / "run").string()});
  refused({"eval", (dir / "run").string()});
  std::filesystem::create_directories(dir / "data");
  REQUIRE(mkfifo((dir / "data" / "train-images-idx3-ubyte").c_str(), 0600) == 0);
  REQUIRE(mkfifo((dir / "data" / "train-labels-idx1-ubyte").c_str(), 0600) == 0);
  refused({"data", "--dataset", "mnist", "--data", (dir / "data").string()});
}
#endif
