#!/usr/bin/env bash
# scripts/setup on machines that lack things, played by a PATH with nothing on it but what is named here.
set -euo pipefail
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$work/bin
mkdir "$bin"
for tool in bash env uname awk sort head cat; do ln -s "$(command -v $tool)" "$bin/$tool"; done

fake() { printf '#!%s/bash\n%s\n' "$bin" "$2" >"$bin/$1" && chmod +x "$bin/$1"; }
run() { env -i PATH="$bin" HOME="$work" "$bin/bash" "$source/scripts/setup" "$@" >"$work/out" 2>&1; }
refused() { if run "$@"; then echo "setup $* passed on a machine that lacks things"; exit 1; fi; }
expect() { grep -q -- "$1" "$work/out" || { echo "expected '$1' in:"; cat "$work/out"; exit 1; }; }

# No package manager: what is missing is named, and nothing else happens.
refused
expect 'no apt-get'
expect ' cmake '
expect 'cargo-web'

# Not root, no sudo.
fake apt-get 'echo "apt-get $*" >>'"$work/calls"
fake id 'echo 1000'
refused
expect 'not root and no sudo'
[ ! -e "$work/calls" ]

# Root: one update, one install that removes nothing; then it checks that all is there.
fake id 'echo 0'
refused --tests
grep -q 'apt-get .*update' "$work/calls"
grep -q 'install -y --no-remove --no-install-recommends .*cmake.*g++-aarch64-linux-gnu.*qemu-user.*cargo-web' "$work/calls"
expect 'cargo is'

# An old cargo is asked to be replaced; a new one is not.
fake cargo 'echo "cargo 1.65.0"'
refused
grep -q 'cargo-web' <(tail -n 1 "$work/calls")
fake cargo 'echo "cargo 1.96.1"'
refused
if grep -q 'cargo-web' <(tail -n 1 "$work/calls"); then echo "a new cargo was to be replaced"; exit 1; fi

# Everything trusted.
env -i PATH="$bin" VARVE_SETUP=skip "$bin/bash" "$source/scripts/setup"

# A cargo that does not run, as rustup's without a toolchain, does not hide one further on.
fake cargo 'exit 1'
mkdir "$work/other"
printf '#!%s/bash\necho "cargo 1.96.1"\n' "$bin" >"$work/other/cargo" && chmod +x "$work/other/cargo"
env -i PATH="$bin:$work/other" HOME="$work" "$bin/bash" "$source/scripts/setup" >"$work/out" 2>&1 || true
if grep -q 'cargo-web' <(tail -n 1 "$work/calls"); then echo "a cargo that runs was not found"; exit 1; fi
