#!/bin/bash -p
# Sourced by loadtest/run, loadtest/quartet and tests/run, which work from a fresh clone on a bare Debian 12 or 13:
#
#   quartet_install SET...              installs the Debian packages that are missing; exits 5 when it cannot
#                                       sets: build, wrk, agent, harness, instruments, peers, page, tests, engine
#   quartet_build PRESET [TARGET...]    builds into build/PRESET (without targets: all); returns 1 when it fails
#   quartet_provide SET... [-- PRESET TARGET...]...  both, for what the harness has found to be needed
#   quartet_fetch_page                  fetches into build/page what draws the plots of a report; 0 when it cannot, too
#   quartet_require [PACKAGE...]        exits 5 when this release does not have one of them
#
# By hand, loadtest/setup.sh SET... installs.

quartet_root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")

# The caller's habits are not ours (bash -p ignores CDPATH, BASH_ENV and functions).
unset -v POSIXLY_CORRECT
[[ -e /proc/self/fd/2 || ! -d /proc/self ]] || exec 2>/dev/null  # a closed stderr fails every redirection to it

# What is said on the way is worth no run: stderr may be full.
quartet_say() { echo "$@" >&2 || true; }

# What is called otherwise in another release, or is not there (-): what it is called here, then there.
quartet_releases=(  bookworm                 trixie)              # VERSION_CODENAME in /etc/os-release: Debian 12 and 13, the newest last
declare -A quartet_names=(
  [llhttp]="        node-llhttp              libllhttp-dev"        # as C source, with nodejs behind it; as a library
  [boost]="         libboost1.81-dev         libboost-dev"         # 1.81 or newer
  [boost-context]=" libboost-context1.81-dev libboost-context-dev" # but see quartet_beside_boost
  [h2o]="           h2o                      -"
  [docker-cli]="    -                        docker-cli"           # in 12 a part of docker.io
  [clang-format]="  clang-format             -"                    # style has one judge: Debian 12's
  [clang-tidy]="    clang-tidy               -"
  [black]="         black                    -"
  [flake8]="        flake8                   -"
  [isort]="         isort                    -"
  [mypy]="          mypy                     -"
)

# To build the servers.
quartet_build_packages=(
  g++                 # the compiler of everything that is measured
  cmake ninja-build
  libasio-dev         # quartet-coroutines: standalone Asio
  boost-context       # quartet-fibers: stacks, and the switch from one to another
  llhttp              # the HTTP parser
  libfmt-dev          # g++ 12 has no <format>
  libcli11-dev        # the servers' command line
  libncurses-dev      # quartet-top
  nlohmann-json3-dev  # /stats
)

# To load them.
quartet_wrk_packages=(
  wrk  # the load generator
)

# The harness's half in the load container.
quartet_agent_packages=(
  python3
)

# To measure them.
quartet_harness_packages=(
  python3-typer       # the harness's command line
  python3-rich        # tables
  python3-numpy       # exact distributions of ranks
  python3-jinja2      # the configurations of peers
  python3-jsonschema  # results are valid whenever they are written and read
)

# What only some verbs need, and do without where it does not work.
quartet_instruments_packages=(
  strace      # the walk of one request; the fault crash-loop
  linux-perf  # system calls, counted without slowing the server
)

# To build the tests.
quartet_test_libraries=(
  libgtest-dev  # GoogleTest
)

# To run them.
quartet_test_tools=(
  clang            # libFuzzer
  libclang-rt-dev  # clang's sanitizers; the fuzz preset only (g++ brings its own)
  llvm             # llvm-symbolizer: names in the fuzzer's stack traces
  clang-format
  clang-tidy
  black flake8 isort mypy
  httperf          # a second opinion on what quartet-pace measures
  python3-pytest python3-pytest-xdist  # several tests at a time
  chromium chromium-driver python3-selenium  # to look at pages
)

# To have a Docker engine with a base image where there is neither engine nor registry.
quartet_engine_packages=(
  docker.io
  docker-cli
  docker-compose  # docker/compose.yaml
  mmdebstrap      # docker/base-image
)

# To have servers beside which ours are measured.
quartet_peers_packages=(
  nginx
  h2o
  apache2-bin        # Apache in its three models; apache2 would bring a service along
  libmicrohttpd-dev  # peer-microhttpd
  boost              # peer-beast
)
# Those that start a server on port 80 when they are installed, and at every boot: ours shall run only while measured.
quartet_services=(nginx h2o)
quartet_policy=/usr/sbin/policy-rc.d  # which Debian's packages ask whether they may start theirs

# To fetch what draws the plots of a report, where the command is missing: a vendor's nodejs brings its own npm.
quartet_page_packages=(
  npm
)

quartet_tests_packages=("${quartet_test_libraries[@]}" "${quartet_test_tools[@]}" "${quartet_instruments_packages[@]}")

# "bookworm Debian GNU/Linux 12 (bookworm)"; in a subshell, since that file sets variables.
quartet_os() (
  . /etc/os-release 2>/dev/null
  echo "${VERSION_CODENAME:--} ${PRETTY_NAME:-this system}"
)

# The column of quartet_names that holds here; for a release that is not in the table, the newest.
quartet_column() {
  local codename column
  read -r codename _ < <(quartet_os)
  for column in "${!quartet_releases[@]}"; do
    [[ ${quartet_releases[column]} != "$codename" ]] || break
  done
  echo "$column"
}

# Debian 12 has two versions of Boost, and the headers of one exclude the other's: those that are here stay.
quartet_beside_boost() {
  [[ $1 == libboost-context1.81-dev && ! $(quartet_missing libboost1.74-dev) ]] || { echo "$1" && return; }
  echo libboost-context1.74-dev
}

# What packages are called here, without those that this release does not have.
quartet_called() {
  local package names column
  column=$(quartet_column)
  for package in "$@"; do
    # shellcheck disable=SC2206  # a list of words
    names=(${quartet_names[$package]-})
    ((${#names[@]})) || { echo "$package" && continue; }
    [[ ${names[column]} == - ]] || quartet_beside_boost "${names[column]}"
  done
}

# Peers are optional: a sentence for each that this release does not have.
quartet_say_absent() {
  local package pretty
  read -r _ pretty < <(quartet_os)
  for package in "$@"; do
    [[ " ${quartet_peers_packages[*]} " != *" $package "* || $(quartet_called "$package") ]] ||
      quartet_say "$0: $package is left out: $pretty does not have it"
  done
}

quartet_require() {
  local package pretty
  read -r _ pretty < <(quartet_os)
  for package in "$@"; do
    [[ $(quartet_called "$package") ]] && continue
    quartet_say "$0: $pretty has no package $package: measure without it, or install it by hand"
    exit 5
  done
}

quartet_say_untried() {
  local codename pretty
  read -r codename pretty < <(quartet_os)
  [[ " ${quartet_releases[*]} " == *" $codename "* ]] ||
    quartet_say "$0: Quartet has not been tried on $pretty: taking the package names of Debian ${quartet_releases[-1]}"
}

quartet_missing() {
  local installed
  # it fails, and says so, for each package that dpkg has never seen
  installed=$(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null) || true
  installed=$(sed -n 's/ installed$//p' <<<"$installed")
  printf '%s\n' "$@" | grep --invert-match --line-regexp --fixed-strings -- "$installed" || true
}

quartet_optional=  # or a word, where what is installed is worth neither a question for a password nor newer package lists

quartet_is_root() { ((EUID == 0)); }

quartet_as_root() {
  local sudo=()
  quartet_is_root || sudo=(sudo ${quartet_optional:+-n})
  "${sudo[@]}" "$@"
}

# It never removes anything.
quartet_apt_get() {
  quartet_as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
    apt-get --quiet --yes --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 "$@"
}

# The package lists are absent in a fresh image and outdated in an old one: both show as a failure to install.
quartet_apt_install() {
  quartet_apt_get install "$@" ||
    { [[ ! $quartet_optional ]] && quartet_apt_get update && quartet_apt_get install "$@"; }
}

# The first network error, which explains the later ones; else the last error.
quartet_apt_reason() {
  sed -nE 's/^[WE]: (Failed to fetch .*)/\1/p; t end; s/^(sudo: .*|E: .*)/\1/p; b; :end q' | tail -n 1
}

quartet_cannot_install() {
  quartet_say "$0: cannot install the Debian packages $1: $2."
  exit 5
}

# Why a peer's package cannot be had here; nothing when it can.
quartet_misfit() {
  local removed
  removed=$(apt-get --simulate --no-install-recommends install "$1" 2>/dev/null | sed -n 's/^Remv \([^ ]*\).*/\1/p' | xargs)
  [[ ! $removed ]] || echo "it excludes what is installed here: $removed"
  [[ " ${quartet_services[*]} " == *" $1 "* && -e $quartet_policy ]] || return 0
  "$quartet_policy" "$1" start >/dev/null 2>&1  # somebody else's: it stays, and decides
  (($? == 101)) || echo "it starts a server, which $quartet_policy allows"
}

# Peers are optional: those that do not fit are left out, with a sentence.
quartet_fitting() {
  local package misfit peers
  peers=" $(quartet_called "${quartet_peers_packages[@]}" | xargs) "
  for package in "$@"; do
    misfit=
    [[ $peers != *" $package "* ]] || misfit=$(quartet_misfit "$package" | head -n 1)
    [[ $misfit ]] && quartet_say "$0: $package is left out: $misfit" || echo "$package"
  done
}

quartet_deny_start() {
  local names=("$@" "${@/%/.service}")  # of the init script, and of the systemd unit
  [[ -e $quartet_policy ]] || quartet_as_root install --mode 755 /dev/stdin "$quartet_policy" <<END
#!/bin/sh
# Made by Quartet's loadtest/setup.sh for the time of an installation, after which it can be removed.
for word; do
  case \$word in $(IFS='|' && echo "${names[*]}")) exit 101 ;; esac
done
END
}

quartet_leave_stopped() {
  local service
  for service in "$@"; do
    [[ ! -e /etc/init.d/$service ]] || quartet_as_root update-rc.d "$service" disable
  done
  ! grep -qs "Made by Quartet's" "$quartet_policy" || quartet_as_root rm "$quartet_policy"
}

# The same as quartet_apt_install, but new services neither start now nor at boot. In a subshell, for its trap.
quartet_apt_install_stopped() (
  services=()
  for service in "${quartet_services[@]}"; do
    [[ " $* " != *" $service "* ]] || services+=("$service")
  done
  ((${#services[@]} == 0)) || {
    trap 'quartet_leave_stopped "${services[@]}"' EXIT
    trap 'exit 130' INT TERM HUP  # otherwise the shell would end without the other trap,
    trap : PIPE                   # and so it would when it says something to a caller that has ended
    quartet_deny_start "${services[@]}" || exit
  }
  quartet_apt_install "$@"
)

quartet_install() {
  local packages=() missing output started=$SECONDS name
  for name in "$@"; do
    local -n set=quartet_${name}_packages
    packages+=("${set[@]}")
  done
  quartet_say_absent "${packages[@]}"
  # shellcheck disable=SC2046  # a list of words
  missing=$(quartet_fitting $(quartet_missing $(quartet_called "${packages[@]}")) | xargs)
  [[ $missing ]] || return 0

  [[ -d /proc/self ]] || quartet_cannot_install "$missing" "/proc is not mounted"
  command -v apt-get >/dev/null || quartet_cannot_install "$missing" "there is no apt-get here"
  quartet_is_root || command -v sudo >/dev/null || quartet_cannot_install "$missing" "that takes root or sudo"
  quartet_say_untried
  quartet_say "installing $missing"
  # shellcheck disable=SC2086  # a list of words
  output=$(quartet_apt_install_stopped $missing 2>&1) ||
    quartet_cannot_install "$missing" "$(quartet_apt_reason <<<"$output")"
  quartet_say "installed in $((SECONDS - started)) s"
}

# One per CPU, but a file that includes Asio takes 1 GB to compile with a sanitizer.
quartet_jobs() {
  local cpus gigabytes limit=max
  cpus=$(nproc)
  gigabytes=$(awk '/^MemAvailable/ { print int($2 / 1024 / 1024) }' /proc/meminfo)
  [[ -r /sys/fs/cgroup/memory.max ]] && limit=$(</sys/fs/cgroup/memory.max)
  [[ $limit == max ]] || gigabytes=$((limit >> 30 < gigabytes ? limit >> 30 : gigabytes))
  echo $((gigabytes < 1 ? 1 : gigabytes < cpus ? gigabytes : cpus))
}

quartet_configure() {
  local cache=build/$1/CMakeCache.txt tests=OFF options=()
  # By what is installed, not by who asks: a load test must not take the tests out of a build directory.
  [[ $(quartet_missing "${quartet_test_libraries[@]}") ]] || tests=ON
  # CMake refuses a cache from another place: a copied or moved checkout, or the same one in a container.
  [[ ! -e $cache ]] || grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache" || options=(--fresh)
  cmake --preset "$1" "-DQUARTET_TESTS=$tests" "${options[@]}"
}

# Peers that are programs of ours need libraries that may not be had here: without, there is no such target. The harness
# says which of them it misses.
quartet_targets() {
  local preset=$1 target
  shift
  for target in "$@"; do
    [[ $target != peer-* ]] || ninja -C "build/$preset" -t query "$target" >/dev/null 2>&1 || continue
    echo "$target"
  done
}

quartet_compile() {
  local preset=$1 targets=()
  shift
  (($# == 0)) || mapfile -t targets < <(quartet_targets "$preset" "$@")
  cmake --build --preset "$preset" --parallel "$(quartet_jobs)" ${targets:+--target "${targets[@]}"}
}

# Ninja's "[12/80] Building ..." on one line of a terminal; elsewhere a line at the start, and then one now and then.
quartet_show_progress() {
  local line step next=0
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    if [[ -t 2 ]]; then
      printf '\r\e[K%.78s' "$line" >&2
    elif ((SECONDS >= next && BASH_REMATCH[1] > 0)); then  # [0/1]: CMake looks whether it has to run again
      step="step ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]}"
      quartet_say "building, $step"
      next=$((SECONDS + quartet_progress_seconds))
    fi
  done
  [[ -t 2 ]] && printf '\r\e[K' >&2
  return 0
}
quartet_progress_seconds=15

quartet_build() (
  set -o pipefail
  cd -- "$quartet_root" || exit 1
  trap 'exit 130' INT TERM  # or a build that Ctrl-C ended would count as one that failed
  log=build/$1/build.log
  started=$SECONDS
  mkdir -p "build/$1" && : >"$log" || exit 1  # the shell says why: most likely root built here before
  quartet_say "building $1"
  if { quartet_configure "$1" && quartet_compile "$@"; } 2>&1 | tee "$log" | quartet_show_progress; then
    quartet_say "built build/$1 in $((SECONDS - started)) s"
  else
    grep -vE '^\[[0-9/]+\] |^-- |^Preset|^  CMAKE_|^$' "$log" | head -n 200 >&2
    quartet_say "$0: cannot build the preset $1 (all of the output: $log)"
    exit 1
  fi
)

# The first line of npm's that says more than a code.
quartet_npm_reason() {
  sed -nE '/^npm (ERR!|error) (code|errno|syscall) /d; s/^npm (ERR!|error) (network )?([^ ].*)/\3/p' | head -n 1
}

# Ends quartet_fetch_page with a sentence, which is kept below what was tried.
quartet_leave_page() {
  quartet_say "$0: $1"
  { printf '%s\n' "$tried" "$1" >"$failed"; } 2>/dev/null || true
  exit 0
}

# The sentence of the day before, if that was tried which would be now.
quartet_say_failed_before() {
  [[ $(find "$1" -mmin -1440 2>/dev/null) && $(head -n -1 "$1") == "$2" ]] || return
  quartet_say "$0: $(tail -n 1 "$1")"
}

# As the lockfile says, and all of it or nothing: a lockfile in build/page is that of what is there. In a subshell, for its
# traps. What has failed is not tried again for a day, unless the lockfile changes, or npm comes.
quartet_fetch_page() (
  source=$quartet_root/loadtest/page target=$quartet_root/build/page failed=$quartet_root/build/page.failed
  cmp --quiet "$source/package-lock.json" "$target/package-lock.json" 2>/dev/null && exit
  tried=$(cksum <"$source/package-lock.json"; command -v npm) || true
  quartet_say_failed_before "$failed" "$tried" && exit
  trap 'exit 130' INT TERM  # or a fetch that Ctrl-C ended would count as one that failed
  mkdir -p "$quartet_root/build" || exit 0
  without="the plots of the report are drawn small"
  quartet_optional=page
  command -v npm >/dev/null || (quartet_install page) || quartet_leave_page "without npm $without"
  draft=$(mktemp -d "$target.XXXXXX") && trap 'rm -rf "$draft"' EXIT || exit 0
  quartet_say "fetching what draws the plots of the report"
  cp "$source"/package{,-lock}.json "$draft" && chmod 755 "$draft" && cd "$draft" || exit 0
  # in the foreground, where Ctrl-C reaches npm
  output=$(timeout --foreground 180 npm ci "${quartet_npm_options[@]}" 2>&1) ||
    quartet_leave_page "$without: npm cannot fetch what draws them: $(quartet_npm_reason <<<"$output")"
  rm -rf "$target" "$failed" && mv --no-target-directory "$draft" "$target" || exit 0
)
# no program of a package runs here; offline it gives up at once
quartet_npm_options=(--ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=500
  --fetch-timeout=20000)

quartet_provide() {
  local word todo=quartet_install words=()
  for word in "$@" --; do
    if [[ $word == -- ]]; then
      "$todo" "${words[@]}" || return
      todo=quartet_build words=()
    else
      words+=("$word")
    fi
  done
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || quartet_install "$@"
