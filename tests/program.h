#pragma once
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "catch.h"
#include "temp_dir.h"

/// What a program left behind: its exit status and what it printed.
struct Ended {
  int status = -1;
  std::string out, err;
};

inline std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// Runs the `elbo` program with `args` and waits for it. `prefix` goes before it, such as `timeout -s KILL 1`. It finds
/// no GPU, so that the tests are the same everywhere, unless the prefix sets ELBO_CUDA_LIBRARY.
inline Ended run_elbo(const std::vector<std::string>& args, const std::string& prefix = "") {
  TempDir dir;
  std::string command = "ELBO_CUDA_LIBRARY=none " + prefix + " " + shell_quoted(ELBO_PROGRAM);
  for (const std::string& arg : args) command += " " + shell_quoted(arg);
  command += " >" + shell_quoted((dir / "out").string()) + " 2>" + shell_quoted((dir / "err").string()) + " </dev/null";
  int ended = std::system(command.c_str());
  return {WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended), read_file(dir / "out"),
          read_file(dir / "err")};
}

/// Bad input ends in one line on standard error with these words, and exit status 2; a fault with 1.
inline void check_refused(const Ended& ended, const std::vector<std::string>& words, int status = 2) {
  INFO(ended.err);
  CHECK(ended.status == status);
  CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
  CHECK(ended.out.empty());
  for (const std::string& word : words) CHECK_THAT(ended.err, Catch::Contains(word));
}
