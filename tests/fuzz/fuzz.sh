#!/bin/sh
# fuzz.sh [SECONDS [TARGET ...]]: runs each libFuzzer target for that long (default 60, all targets), with
# AddressSanitizer and UndefinedBehaviorSanitizer. New inputs that reach new code go to
# build/fuzz/corpus/TARGET; an input that crashes is left in build/fuzz/TARGET-crash-* and belongs, once
# fixed, into tests/fuzz/corpus/TARGET. JOBS=N builds with N jobs (default 2). Exits 1 when a target
# crashed.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
build=build/fuzz

if [ ! -f $build/build.ninja ]; then
   CC=clang meson setup $build -Dfuzz=true -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
      -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
fi
meson compile -C $build -j "${JOBS:-2}"

if [ $# -eq 0 ]; then
   for source in tests/fuzz/fuzz_*.c; do
      name=${source#tests/fuzz/fuzz_}
      set -- "$@" "${name%.c}"
   done
fi
failed=0
for target; do
   mkdir -p $build/corpus/"$target"
   echo "== $target, $seconds s"
   $build/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
      -print_final_stats=1 -print_funcs=0 -verbosity=0 -artifact_prefix=$build/"$target"- \
      $build/corpus/"$target" tests/fuzz/corpus/"$target" || failed=1
done
exit $failed
