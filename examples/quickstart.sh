#!/bin/sh
# quickstart.sh: from a fresh Debian 12 machine to a compressed model that runs. Installs missing packages
# (apt-get, as root or with sudo), builds a release in build/quickstart, compresses the small model in
# examples/models/fables to int8 under a gate, measures it against the original on text that neither saw,
# and lets it tell a story.
set -eu
cd "$(dirname "$0")/.."
build=build/quickstart
pare=$build/bin/pare
model=examples/models/fables
artifact=$build/fables.pare

bold='' normal=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
   bold=$(printf '\033[1m') normal=$(printf '\033[0m')
fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$normal"; }
show() { say "$ $*"; "$@"; }

missing=
for name in gcc libc6-dev meson ninja-build pkg-config zlib1g-dev libcjson-dev nettle-dev \
   libpcre2-dev libutf8proc-dev; do
   dpkg-query -W -f '${Status}' $name 2>/dev/null | grep -q 'ok installed' || missing="$missing $name"
done
if [ -n "$missing" ]; then
   say "installing$missing"
   sudo=
   [ "$(id -u)" -eq 0 ] || sudo=sudo
   export DEBIAN_FRONTEND=noninteractive
   $sudo apt-get update -qq
   # shellcheck disable=SC2086 # names of packages, one word each
   $sudo apt-get install -qq -y --no-install-recommends $missing > /dev/null
fi

say "building $pare"
mkdir -p build
if [ ! -f $build/build.ninja ]; then
   meson setup $build -Dbuildtype=release -Dtests=false > $build.log 2>&1 || { cat $build.log; exit 1; }
fi
meson compile -C $build > $build.log 2>&1 || { cat $build.log; exit 1; }

show $pare compress $model -o $artifact --type i8 --data $model/heldout.txt --gate 'kl.mean<=0.01' --quiet
show $pare eval $artifact --against $model --data $model/heldout.txt --quiet
show $pare run $artifact -p 'Last summer, Lily planted a daisy and Adam planted a rose.' -n 60 --quiet
say "bytes: $(wc -c < $model/model.safetensors) as f16 safetensors, $(wc -c < $artifact) as an int8 artifact"
