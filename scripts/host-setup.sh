#!/usr/bin/env bash
# Installs what this host lacks: host-setup.sh demo | test
#
# On Debian 12 or later and Ubuntu 22.04 or later. Does nothing, quickly, where all is there. No service is started or
# enabled by it: what it installs is run by the zone, in namespaces of its own. Where packages cannot be installed (no
# root, no sudo, another distribution) it says so and goes on: the rehearsal then uses the simulator.
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:-demo}
# A C compiler for ring, SQLite and linking; then what the zone runs.
packages=(gcc libc6-dev make curl ca-certificates iproute2 systemd-container mmdebstrap nftables haproxy dnsmasq-base
    e2fsprogs debian-archive-keyring openssh-client)
case $purpose in
demo) ;;
# A real ZooKeeper for the stand-ins' and the nodes' tests: its library alone, no daemon. Python for third-party clients.
test)
    packages+=(git openssh-server libzookeeper-java default-jre-headless python3-venv)
    ;;
*) echo "usage: $0 demo|test" >&2 && exit 64 ;;
esac

say() { printf 'host-setup: %s\n' "$*"; }

missing_packages() {
    local package
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# Keeps package scripts from starting services while we install; an administrator's own policy is left alone.
policy=/usr/sbin/policy-rc.d
install_packages() {
    local sudo=() missing=("$@") unit before=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    for unit in haproxy ssh dnsmasq nftables; do
        systemctl list-unit-files "$unit.service" 2>/dev/null | grep -q "^$unit.service" && before+=("$unit")
    done
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
        "${sudo[@]}" chmod 755 "$policy"
        # shellcheck disable=SC2064 # the words are known now
        trap "${sudo[*]} rm -f $policy" EXIT
    fi
    say "installing ${missing[*]}"
    "${sudo[@]}" apt-get -q update
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}"
    # A unit that came with what we installed must not start at the next boot either.
    for unit in haproxy ssh dnsmasq nftables; do
        case " ${before[*]-} " in *" $unit "*) continue ;; esac
        if systemctl list-unit-files "$unit.service" 2>/dev/null | grep -q "^$unit.service"; then
            "${sudo[@]}" systemctl disable "$unit.service" 2>/dev/null || true
        fi
    done
}

set_up_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "not a Debian or Ubuntu host: no packages installed; machines need root and the packages named in README.md"
        return
    fi
    local missing
    mapfile -t missing < <(missing_packages)
    if [ ${#missing[@]} = 0 ]; then
        return
    fi
    if [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -v; }; then
        install_packages "${missing[@]}"
    else
        say "neither root nor sudo: not installed: ${missing[*]}"
        say "without root there are no machines: the simulator is used"
    fi
}

# A browser for the zone's page. Its test alone needs it, and is left out without. Ubuntu's is a snap, which needs a running
# snapd: there it is left out too.
set_up_browser() {
    [ "$purpose" = test ] && grep -qx 'ID=debian' /etc/os-release 2>/dev/null || return 0
    [ ! -x /usr/bin/chromium ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    install_packages chromium || say "no chromium: the test of the zone's page is left out"
}

wanted_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

# Whether this cargo is new enough, with the components this purpose needs.
rust_is_there() {
    command -v cargo >/dev/null || return 1
    local have
    have=$(cargo --version 2>/dev/null | cut -d' ' -f2) || return 1
    [ "$(printf '%s\n' "$(wanted_rust)" "$have" | sort -V | head -n 1)" = "$(wanted_rust)" ] || return 1
    [ "$purpose" = demo ] || { cargo clippy --version && cargo fmt --version; } >/dev/null 2>&1
}

set_up_rust() {
    export PATH="$HOME/.cargo/bin:$PATH"
    rust_is_there && return
    local components=(--profile minimal --component clippy --component rustfmt)
    if ! command -v rustup >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # Newer distributions have rustup as a package.
        apt-cache show rustup >/dev/null 2>&1 && install_packages rustup || true
    fi
    if command -v rustup >/dev/null; then
        say "installing the stable Rust toolchain with rustup"
        rustup toolchain install stable "${components[@]}"
        rustup default stable
    else
        say "installing the stable Rust toolchain with rustup's installer"
        local installer
        installer=$(mktemp)
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs -o "$installer"
        sh "$installer" -y --no-modify-path --default-toolchain stable --profile minimal -c clippy -c rustfmt
        rm -f "$installer"
    fi
    hash -r
    rust_is_there || { say "cargo is still older than $(wanted_rust), or lacks clippy or rustfmt" && exit 1; }
}

set_up_packages
set_up_browser
set_up_rust
say "ready"
