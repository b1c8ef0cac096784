# shellcheck shell=bash
# What the scripts share; sourced by them, never run. Expects `set -euo pipefail`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
log=$root/build/scripts.log
may_install=yes

# open_log NAME: what the stages print goes to build/NAME.log, anew.
open_log() {
  mkdir -p "$root/build"
  log=$root/build/$1.log
  : >"$log"
}

# What building takes: Debian's package, then how to tell that it is there where Debian's tools cannot: a command, a
# header, a module of Python or a folder.
needs() {
  cat <<'TABLE'
g++ command c++
cmake command cmake
ninja-build command ninja
libeigen3-dev header Eigen/Core
libstb-dev header stb/stb_image_write.h
zlib1g-dev header zlib.h
libpng-dev header png.h
libjpeg-dev header jerror.h
libcli11-dev header CLI/CLI.hpp
nlohmann-json3-dev header nlohmann/json.hpp
dataset-fashion-mnist data fashion-mnist
catch2 header catch2/catch.hpp
libbenchmark-dev header benchmark/benchmark.h
pkg-config command pkg-config
python3 command python3
python3-numpy module numpy
clang command clang++
clang-format command clang-format
clang-tidy command clang-tidy
libclang-rt-dev command clang++
libomp-dev header omp.h
shellcheck command shellcheck
TABLE
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

usage_error() {
  printf '%s: %s; see %s --help\n' "${0##*/}" "$*" "$0" >&2
  exit 2
}

# is_there PACKAGE: whether what the package holds can be found without asking dpkg.
is_there() {
  local kind what
  read -r _ kind what < <(needs | grep "^$1 ") || return 1
  case $kind in
    command) command -v "$what" >/dev/null ;;
    module) python3 -c "import $what" 2>/dev/null ;;
    data) [ -d "${ELBO_DATA:-/usr/share/datasets}/$what" ] || [ -d "/usr/share/datasets/$what" ] ;;
    header)
      [ "$what" != catch2/catch.hpp ] || ! is_header catch2/catch_all.hpp || return 0
      is_header "$what"
      ;;
  esac
}

is_header() {
  printf '#include <%s>\n' "$1" |
    c++ -std=c++20 -fsyntax-only -I/usr/include/eigen3 -I/usr/local/include/eigen3 -x c++ - 2>/dev/null
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_missing PACKAGE...: installs those of Debian's packages that are not there. Where it cannot or may not (no
# apt-get, neither root nor sudo, --no-install), it goes on if all that is needed can be found, and else says what is missing.
install_missing() {
  local package missing=() lost=() as_root=()
  for package in "$@"; do
    if command -v dpkg-query >/dev/null; then
      is_installed "$package" || missing+=("$package")
    else
      is_there "$package" || missing+=("$package")
    fi
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  [ "$(id -u)" = 0 ] || as_root=(sudo)
  if [ "$may_install" = yes ] && command -v apt-get >/dev/null && { [ ${#as_root[@]} = 0 ] || command -v sudo >/dev/null; }; then
    # sudo may ask for a password: that must not happen where the output goes to a file.
    [ ${#as_root[@]} = 0 ] || sudo -v || die "sudo was refused; as root: apt-get install ${missing[*]}"
    stage "Installing ${missing[*]}" apt_install "${missing[@]}"
    return
  fi
  for package in "${missing[@]}"; do
    is_there "$package" || lost+=("$package")
  done
  [ ${#lost[@]} = 0 ] || die "missing, and not to be installed from here (that takes apt-get, root or sudo, and no" \
    "--no-install): ${lost[*]} (the names of Debian's packages)"
}

# Called by install_missing, which says how to become root.
apt_install() {
  local options=(-qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  "${as_root[@]}" apt-get "${options[@]}" update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" -y --no-install-recommends install "$@"
}

# stage TITLE COMMAND...: runs the command with its output in $log, and prints the title and the time it took. On a
# terminal the command's last line is shown while it runs. When it fails, its last lines are shown, and the script ends.
# A function given as the command must chain its commands with &&: bash suspends `set -e` here.
stage() {
  local title=$1 begin=$SECONDS status=0 from=1
  shift
  printf '== %s\n' "$title" >>"$log"
  from=$(($(wc -c <"$log") + 1))
  if [ -t 1 ]; then
    "$@" </dev/null 2>&1 | tee -a "$log" | show_last_line || status=$?
  else
    printf '%s ... ' "$title"
    "$@" </dev/null >>"$log" 2>&1 || status=$?
  fi
  [ ! -t 1 ] || printf '%s ... ' "$title"
  if [ "$status" = 0 ]; then
    printf '%s s\n' $((SECONDS - begin))
    return
  fi
  printf 'failed after %s s\n' $((SECONDS - begin))
  tail -c "+$from" "$log" | tail -n 40 >&2
  printf '%s: "%s" failed; all of its output is in %s\n' "${0##*/}" "$title" "$log" >&2
  exit "$status"
}

# Shows each line in place of the one before.
show_last_line() {
  local line width
  width=$(tput cols 2>/dev/null || echo 80)
  while IFS= read -r line; do
    printf '\r\033[K%s' "${line:0:width-1}"
  done
  printf '\r\033[K'
}

# configure PRESET [OPTION...], with ccache where it is.
configure() {
  local preset=$1
  shift
  cmake -S "$root" --preset "$preset" -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" "$@"
}

# build FOLDER [TARGET...]
build() {
  local folder=$1
  shift
  if [ $# -gt 0 ]; then set -- --target "$@"; fi
  cmake --build "$folder" "$@"
}

# Counts for the closing line.
passed=0
failed=0

# run_unit_tests PROGRAM [ARGUMENT...]: runs a Catch2 program, which prints as it likes, and counts its test cases.
run_unit_tests() {
  local output begin=$SECONDS status=0 counts
  output=$(mktemp)
  "$@" </dev/null 2>&1 | tee "$output" || status=$?
  # "All tests passed (9 assertions in 3 test cases)", or "test cases: 3 | 2 passed | 1 failed"
  counts=$(awk '
    /^All tests passed \(/ { sub(/.* in /, ""); result = $1 " 0" }
    /^test cases:/ {
      good = bad = 0
      for (i = split($0, part, "|"); i > 1; i--)
        if (part[i] ~ /passed|as expected/) good += part[i]
        else if (part[i] ~ /failed/) bad += part[i]
      result = good " " bad
    }
    END { print result }' "$output")
  rm -f "$output"
  # A program that died, or ran nothing, is one failure.
  if [ -z "$counts" ] || { [ "$status" != 0 ] && [ "${counts#* }" = 0 ]; }; then counts="0 1"; fi
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
  printf 'Unit tests ... %s s\n' $((SECONDS - begin))
}

# beside FILE COMMAND...: starts the command beside what comes next. `run_unit_tests ended FILE` waits for it, and counts it.
beside() {
  local output=$1
  shift
  {
    local status=0
    "$@" </dev/null >"$output" 2>&1 || status=$?
    echo "$status" >"$output.status"
  } &
  echo $! >"$output.pid"
}
ended() {
  while kill -0 "$(cat "$1.pid")" 2>/dev/null; do sleep 1; done
  cat "$1"
  return "$(cat "$1.status" || echo 1)"
}

# run_test NAME COMMAND...: counts as one; what it printed is shown only if it fails.
run_test() {
  local name=$1 begin=$SECONDS
  shift
  if "$@" </dev/null >"$log.$name" 2>&1; then
    passed=$((passed + 1))
    printf 'Test %s ... %s s\n' "$name" $((SECONDS - begin))
  else
    failed=$((failed + 1))
    printf 'Test %s ... FAILED after %s s\n' "$name" $((SECONDS - begin))
    tail -n 60 "$log.$name"
  fi
}

# The closing line; the exit status says whether all passed.
close() {
  printf '%s passed, %s failed\n' "$passed" "$failed"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
