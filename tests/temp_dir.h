#pragma once
#include <stdlib.h>
#include <unistd.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

/// A fresh folder that is removed, with all it holds, at the end of a test.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "elbo-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("cannot make a temporary folder");
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Root may read everything: until the end of a test it is another user, who reads what its permissions allow. `dir` is
/// that user's meanwhile. Nothing for whoever is not root.
class NotRoot {
 public:
  explicit NotRoot(const TempDir& dir) {
    if (geteuid() != 0) return;
    constexpr unsigned nobody = 65534;
    if (chown(dir.path().c_str(), nobody, nobody) != 0 || seteuid(nobody) != 0)
      throw std::runtime_error("cannot become another user");
    changed_ = true;
  }
  ~NotRoot() {
    if (changed_ && seteuid(0) != 0) std::terminate();
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;

 private:
  bool changed_ = false;
};

/// The whole content of a file.
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << in.rdbuf();  // in large pieces: files are compared by the thousand
  return text.str();
}

inline void write_file(const std::filesystem::path& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary);
  out << content;
  if (!out) throw std::runtime_error("cannot write " + path.string());
}
