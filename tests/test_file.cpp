#include <elbo/core/errors.h>
#include <elbo/core/file.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "catch.h"
#include "temp_dir.h"

using namespace elbo;
using Catch::Contains;

namespace fs = std::filesystem;

namespace {

std::size_t files_in(const fs::path& dir) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir), {}));
}

unsigned mode_of(const fs::path& path) { return static_cast<unsigned>(fs::status(path).permissions()); }

/// Runs `work` in a process of its own, which dies at once after it, destructors or not.
template <class Work>
void in_dying_process(const Work& work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
}

/// A temporary file as a process leaves it that is killed while it writes.
void leave_temporary(const fs::path& file) {
  in_dying_process([&] { (new AtomicFile(file))->write("half"); });
}

}  // namespace

TEST_CASE("file: links are followed and their target is replaced", "[file]") {
  TempDir dir;
  fs::create_directory(dir / "real");
  write_file(dir / "real/a", "old");
  fs::create_symlink("real/a", dir / "direct");
  fs::create_symlink("direct", dir / "indirect");
  fs::create_symlink("real/new", dir / "dangling");
  fs::create_symlink("nowhere/new", dir / "lost");
  fs::create_symlink("circle", dir / "circle");
  for (const char* link : {"direct", "indirect"}) {
    write_file_atomically(dir / link, std::string("by ") + link);
    CHECK(fs::is_symlink(dir / link));
    CHECK(read_file(dir / "real/a") == std::string("by ") + link);
  }
  write_file_atomically(dir / "dangling", "made");
  CHECK(fs::is_symlink(dir / "dangling"));
  CHECK(read_file(dir / "real/new") == "made");
  CHECK(files_in(dir / "real") == 2);
  CHECK_THROWS_WITH(write_file_atomically(dir / "lost", "x"), Contains("No such file"));
  CHECK_THROWS_WITH(write_file_atomically(dir / "circle", "x"), Contains("Too many levels of symbolic links"));
  append_to_file(dir / "direct", " and more");
  CHECK(read_file(dir / "real/a") == "by indirect and more");
}

TEST_CASE("file: devices, pipes and descriptors are written to directly", "[file]") {
  TempDir dir;
  write_file_atomically("/dev/null", "gone");
  CHECK(fs::is_character_file("/dev/null"));
  fs::create_symlink("/dev/full", dir / "full");
  for (const fs::path& full : {fs::path("/dev/full"), dir / "full"}) {
    CHECK_THROWS_WITH(write_file_atomically(full, "text"),
                      "cannot write " + full.string() + ": No space left on device (after 0 of 4 bytes)");
    CHECK_THROWS_AS(write_file_atomically(full, "text"), SystemFault);
  }
  CHECK(fs::is_character_file("/dev/full"));

  REQUIRE(mkfifo((dir / "fifo").c_str(), 0600) == 0);
  const std::string text(300'000, 'x');  // more than a pipe holds
  std::string seen;
  std::thread reader([&] { seen = read_file(dir / "fifo"); });
  write_file_atomically(dir / "fifo", text);
  reader.join();
  CHECK(seen == text);
  CHECK(fs::is_fifo(dir / "fifo"));

  // Twice into the same open file: the second goes on where the first stopped.
  const int file = open((dir / "file").c_str(), O_WRONLY | O_CREAT, 0600);
  const std::string name = "/dev/fd/" + std::to_string(file);
  fs::create_symlink(name, dir / "link");
  CHECK(descriptor_of(name) == file);
  CHECK(descriptor_of(dir / "link") == file);
  write_file_atomically(name, "one ");
  write_file_atomically(dir / "link", "two");
  close(file);
  CHECK(read_file(dir / "file") == "one two");
  CHECK_THROWS_WITH(write_file_atomically(name, "x"), "cannot write " + name + ": no such descriptor is open");
  CHECK(descriptor_of("/dev/stdout") == 1);
  CHECK(descriptor_of("/dev/../dev/stdout") == 1);
  CHECK(descriptor_of("/proc/self/fd/2") == 2);
  CHECK(descriptor_of("/dev/fd/1x") == -1);
  CHECK(descriptor_of(dir / "file") == -1);
  CHECK(descriptor_of("-") == -1);
  CHECK(files_in(dir.path()) == 4);
}

TEST_CASE("file: an existing file keeps its permissions, a new one has the usual", "[file]") {
  TempDir dir;
  const mode_t before = umask(027);
  write_file_atomically(dir / "new", "text");
  append_to_file(dir / "grown", "text");
  umask(before);
  CHECK(mode_of(dir / "new") == 0640);
  CHECK(mode_of(dir / "grown") == 0640);
  for (const unsigned mode : {0600u, 0644u, 0755u, 0666u}) {
    fs::permissions(dir / "new", static_cast<fs::perms>(mode));
    write_file_atomically(dir / "new", "again");
    CHECK(mode_of(dir / "new") == mode);
  }
  if (geteuid() != 0) {
    fs::permissions(dir / "new", fs::perms::owner_read);
    CHECK_THROWS_WITH(write_file_atomically(dir / "new", "x"), Contains("Permission denied"));
    CHECK(read_file(dir / "new") == "again");
    return;
  }
  REQUIRE(chown((dir / "new").c_str(), 1234, 1235) == 0);
  write_file_atomically(dir / "new", "by root");
  struct stat info {};
  REQUIRE(stat((dir / "new").c_str(), &info) == 0);
  CHECK(info.st_uid == 1234);
  CHECK(info.st_gid == 1235);
}

TEST_CASE("file: what can be mended by another path is an IoError, what cannot a SystemFault", "[file]") {
  TempDir dir;
  write_file(dir / "file", "x");
  const auto is_fault = [](const fs::path& path) {
    try {
      write_file_atomically(path, "text");
    } catch (const SystemFault&) {
      return true;
    } catch (const IoError& error) {
      CHECK_THAT(error.what(), Contains("cannot write " + path.string() + ": "));
    }
    return false;
  };
  CHECK_FALSE(is_fault(dir / "none" / "a"));
  CHECK_FALSE(is_fault(dir / "file" / "a"));
  CHECK_FALSE(is_fault(dir.path()));
  CHECK_FALSE(is_fault(dir / std::string(300, 'n')));
  CHECK_FALSE(is_fault("/dev/fd/777"));
  CHECK(is_fault("/dev/full"));
  write_file_atomically(dir / std::string(255, 'n'), "the longest name there is");
  CHECK(files_in(dir.path()) == 2);
}

TEST_CASE("file: temporary files of dead processes are removed, those of living ones stay", "[file]") {
  TempDir dir;
  AtomicFile mine(dir / "mine");
  mine.write("half");
  leave_temporary(dir / "a");
  CHECK(files_in(dir.path()) == 2);  // which the one above did not take away, having come before
  leave_temporary(dir / "b");        // takes away that of a
  CHECK(files_in(dir.path()) == 2);
  // What looks alike stays: other names, and what is no file.
  for (const char* name : {".a.elbo-tmp-", "a.elbo-tmp-1-0", ".a.elbo-tmp-1-0.txt", ".a.tmp-1-0"})
    write_file(dir / name, "");
  CHECK(is_temporary_name(".a.elbo-tmp-1-0"));
  for (const char* name : {".a.elbo-tmp-", "a.elbo-tmp-1-0", ".a.elbo-tmp-1-0.txt", ".a.tmp-1-0", "", ".", "a"})
    CHECK_FALSE(is_temporary_name(name));
  fs::create_directory(dir / ".f.elbo-tmp-1-0");
  remove_dead_temporaries(dir.path());
  CHECK(files_in(dir.path()) == 1 + 4 + 1);
  mine.commit();
  CHECK(read_file(dir / "mine") == "half");
  remove_dead_temporaries(dir / "none");
}

TEST_CASE("file: writers in one folder at once do not disturb each other", "[file]") {
  TempDir dir;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i)
        write_file_atomically(dir / std::to_string(t % 2), std::string(1000, static_cast<char>('a' + t)));
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(files_in(dir.path()) == 2);
  for (const char* name : {"0", "1"}) {
    const std::string text = read_file(dir / name);
    CHECK(text == std::string(1000, text[0]));
  }
}

TEST_CASE("file: pieces of any size arrive in order", "[file]") {
  TempDir dir;
  std::string all;
  AtomicFile file(dir / "a");
  for (const std::size_t size : {1u, 65535u, 1u, 65536u, 65537u, 0u, 200000u, 3u}) {
    const std::string piece(size, static_cast<char>('a' + all.size() % 26));
    all += piece;
    file.write(piece);
  }
  file.commit();
  CHECK(read_file(dir / "a") == all);
}

TEST_CASE("file: folders are made with those above them", "[file]") {
  TempDir dir;
  make_folders(dir / "a/b/c/");
  CHECK(fs::is_directory(dir / "a/b/c"));
  make_folders(dir / "a/b");
  write_file(dir / "file", "");
  CHECK_THROWS_WITH(make_folders(dir / "file"), "cannot make the folder " + (dir / "file").string() + ": File exists");
  CHECK_THROWS_AS(make_folders(dir / "file/below"), IoError);
  fs::create_symlink("nowhere", dir / "link");
  CHECK_THROWS_WITH(make_folders(dir / "link"),
                    "cannot make the folder " + (dir / "link").string() + ": found a link to nothing");
}
