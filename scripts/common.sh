# What the scripts share; sourced, with the source tree as the current directory.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One compile needs up to 1.5 GB: as many at once as cores and memory allow.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}

# configure_and_build PRESET [TARGET]
configure_and_build() {
  [ -f "build/$1/build.ninja" ] || cmake --preset "$1"
  cmake --build "build/$1" -j "$(build_jobs)" ${2:+--target "$2"}
}

# True when nothing that goes into the binary has changed since build_release made it.
release_is_current() {
  [ -x build/release/bin/varve ] && [ -f build/release/.varve-built ] &&
    [ -z "$(find CMakeLists.txt CMakePresets.json cmake src apps families catalog rust \
      -name target -prune -o -newer build/release/.varve-built -print -quit 2>/dev/null)" ]
}

# build/release/bin/varve, brought up to date. Everything but trouble goes to standard error.
build_release() {
  release_is_current && return
  ./scripts/setup
  local stamp
  stamp=$(mktemp)
  configure_and_build release varve >&2
  mv "$stamp" build/release/.varve-built
}
