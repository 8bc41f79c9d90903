#!/usr/bin/env bash
# Installs the build into an empty prefix, builds examples/embed against it, and runs it.
#   check.sh SOURCE BUILD COMPILER [MODEL EXPECTED-TEXT]
set -euo pipefail
source=$1 build=$2 compiler=$3 model=${4:-} expected=${5:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
[ "$("$work/prefix/bin/varve" --version | cut -d' ' -f1)" = varve ]

cmake -S "$source/examples/embed" -B "$work/embed" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
# Nothing may come from the source tree: its name must not occur in the package.
if grep -rl "$source" "$work/prefix/lib"*/cmake; then
  echo "the installed package points into the source tree"
  exit 1
fi
cmake --build "$work/embed" >"$work/log" || { cat "$work/log"; exit 1; }
"$work/embed/embed" /nonexistent text 2>"$work/error" && exit 1
grep -q /nonexistent "$work/error"

if [ -z "$model" ] || [ ! -e "$model" ]; then
  echo "built; not run: needs a model directory"
  exit 0
fi
text=$("$work/embed/embed" "$model" "Once upon a time")
[ "$text" = "$expected" ] || { printf 'expected: %s\nfound:    %s\n' "$expected" "$text"; exit 1; }
