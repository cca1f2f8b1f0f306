#!/bin/sh
# aarch64: build the kernels and their test for Arm and run it by emulation: without the dot product, with it,
# and with the int8 matrix product too. Takes minutes. Prints SKIP without the cross compiler or the emulator.
#
#    tests/kernels/aarch64.sh [FOLDER]      objects and program go there; default: a temporary folder
#    AARCH64_CC, AARCH64_RUN, AARCH64_CPUS  other tools; which processors are emulated
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
cc=${AARCH64_CC:-aarch64-linux-gnu-gcc}
emulator=${AARCH64_RUN:-qemu-aarch64}
for tool in "$cc" "$emulator"; do
   if ! command -v "$tool" >/dev/null; then
      echo "SKIP: no $tool"
      exit 77
   fi
done
out=${1:-$(mktemp -d)}
mkdir -p "$out"
[ $# -gt 0 ] || trap 'rm -r "$out"' EXIT

flags="-std=gnu11 -O2 -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wmissing-prototypes -Werror
   -ffp-contract=off -fno-math-errno -D_POSIX_C_SOURCE=200809L -I$top/src -I$top"
compile() {   # FLAGS FILE..
   extra=$1
   shift
   for file in "$@"; do
      "$cc" $flags $extra -c "$top/$file" -o "$out/$(basename "$file" .c).o"
   done
}
cd "$top"
compile "" src/base/cpu.c src/kernels/mathd.c src/kernels/scalar*.c tests/kernels/*.c
compile "-DPARE_HAVE_NEON" src/kernels/kernels.c
compile "-march=armv8.2-a+dotprod" src/kernels/wide_*.c src/kernels/neon_linear.c
compile "-march=armv8.2-a+dotprod+i8mm" src/kernels/neon_i8mm_linear.c
"$cc" -static "$out"/*.o -o "$out/checkkernels" -lm -lpthread
for cpu in ${AARCH64_CPUS:-cortex-a57 neoverse-n1 max}; do
   echo "-- $cpu"
   "$emulator" -cpu "$cpu" "$out/checkkernels"
done
