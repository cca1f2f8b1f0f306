#!/bin/bash
# run.sh: everything a commit must pass, on a fresh Debian 12 machine. Installs missing packages (apt-get,
# as root or with sudo), builds build/debug (AddressSanitizer, UndefinedBehaviorSanitizer) and build/release
# with gcc, runs every test of both, compiles everything with clang besides, and runs the Arm kernels by
# emulation. Warnings are errors. The last line is "N passed, N failed, N skipped", summed over all of these;
# the exit status is 0 when nothing failed.
#
#    PARE_NO_INSTALL=1     install nothing: fail where a package is missing
#    PARE_BUILDS="debug"   only these of: debug release clang aarch64 (default: all four)
#    PARE_BUILD_DIR=DIR    where the builds go (default: build)
#    PARE_TESTS="a b"      only these tests, or "--suite NAME"
#    JOBS=N                compile with N jobs, run N tests at a time (default: processors, at most 8)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
builds=${PARE_BUILDS:-debug release clang aarch64}
dir=${PARE_BUILD_DIR:-build}
jobs=${JOBS:-$(($(nproc) < 8 ? $(nproc) : 8))}
passed=0 failed=0 skipped=0

packages="gcc libc6-dev meson ninja-build pkg-config python3 zlib1g-dev libcjson-dev nettle-dev
   libpcre2-dev libutf8proc-dev check"
case $builds in *clang*) packages="$packages clang libclang-rt-14-dev" ;; esac
cross="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
case $builds in *aarch64*) [ "$(uname -m)" = aarch64 ] || packages="$packages $cross" ;; esac

install_packages() {
   local missing=() name
   for name in $packages; do
      dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
   done
   [ ${#missing[@]} -eq 0 ] && return 0
   echo "missing packages: ${missing[*]}"
   [ -z "${PARE_NO_INSTALL:-}" ] || return 1
   local sudo=
   [ "$(id -u)" -eq 0 ] || sudo=sudo
   $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
      $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

setup_and_compile() { # NAME OPTION ...
   local name=$1
   shift
   echo "== $name"
   [ -f "$dir/$name/build.ninja" ] || meson setup "$dir/$name" "$@" || return 1
   meson compile -C "$dir/$name" -j "$jobs"
}

# Adds the results of a build's last test run.
count_results() {
   local counts
   counts=$(python3 - "$1" <<'PYTHON'
import json
import sys

results = [json.loads(line)['result'] for line in open(sys.argv[1], encoding='utf-8')]
skipped = results.count('SKIP')
passed = results.count('OK') + results.count('EXPECTEDFAIL')
print(passed, len(results) - passed - skipped, skipped)
PYTHON
   ) || counts="0 1 0"
   read -r p f s <<< "$counts"
   passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

test_build() { # NAME OPTION ...
   local log=$dir/$1/meson-logs/testlog.json
   if ! setup_and_compile "$@"; then
      failed=$((failed + 1))
      return
   fi
   rm -f "$log"
   # shellcheck disable=SC2086 # names of tests, one word each
   meson test -C "$dir/$1" --no-rebuild --num-processes "$jobs" --timeout-multiplier 4 --print-errorlogs \
      ${PARE_TESTS:-}
   count_results "$log"
}

compile_clang() {
   if CC=clang setup_and_compile clang -Dbuildtype=debugoptimized -Dfuzz=true -Db_lundef=false \
      -Db_sanitize=address,undefined; then
      passed=$((passed + 1))
   else
      failed=$((failed + 1))
   fi
}

# The kernels for Arm, under emulation; a machine that is one has them in its other builds.
test_aarch64() {
   echo "== aarch64"
   if [ "$(uname -m)" = aarch64 ]; then
      skipped=$((skipped + 1))
   elif tests/kernels/aarch64.sh; then
      passed=$((passed + 1))
   else
      failed=$((failed + 1))
   fi
}

if install_packages; then
   for build in $builds; do
      case $build in
         debug) test_build debug -Dbuildtype=debugoptimized -Db_sanitize=address,undefined ;;
         release) test_build release -Dbuildtype=release ;;
         clang) compile_clang ;;
         aarch64) test_aarch64 ;;
         *) echo "no build named $build"; failed=$((failed + 1)) ;;
      esac
   done
else
   failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
