#!/usr/bin/env bash
# Runs `mesostack demo` with the rights this user can have: machines need root, the simulator does not.
set -euo pipefail
cd "$(dirname "$0")/.."

program=target/debug/mesostack
[ -z "${CARGO_TARGET_DIR:-}" ] || program=$CARGO_TARGET_DIR/debug/mesostack
if [ "$(id -u)" = 0 ] || [ "$(uname -s)" != Linux ]; then
    exec "$program" demo "$@"
elif command -v sudo >/dev/null && sudo -v; then
    echo "machines need root: running it with sudo"
    exec sudo "$program" demo "$@"
else
    echo "neither root nor sudo: the rehearsal uses the simulator, which keeps records only"
    exec "$program" demo --simulator "$@"
fi
