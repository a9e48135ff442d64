#!/usr/bin/env bash
# Everything that proves the house: formatting, lints, all tests, and, as root on Linux, those on real machines.
#
# Says what was left out and why, how long each part took, and ends with one line that counts every test.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
# What is tried often, and ends well each time: tests of simulated clusters write here how often.
MESOSTACK_COUNTS=$(mktemp)
export MESOSTACK_COUNTS
trap 'rm -f "$log" "$MESOSTACK_COUNTS"' EXIT
failed=0
parts=()

# part NAME COMMAND…: runs it, keeps its output for the count, and goes on when it fails.
part() {
    local name=$1 began=$SECONDS end=done
    shift
    printf '\n== %s\n' "$name"
    if ! "$@" 2>&1 | tee -a "$log"; then
        failed=1
        end=FAILED
    fi
    parts+=("$(printf '%-32s %4d s  %s' "$name" $((SECONDS - began)) "$end")")
}

# Why the tests on real machines cannot run here; empty when they can.
no_machines() {
    [ "$(uname -s)" = Linux ] || { echo "this is not Linux"; return; }
    [ "$(id -u)" = 0 ] || { echo "not root"; return; }
    local tool
    for tool in systemd-nspawn mmdebstrap nft haproxy dnsmasq ip; do
        command -v "$tool" >/dev/null || { echo "no $tool; see scripts/host-setup.sh"; return; }
    done
    [ -z "${MESOSTACK_TEST_NO_MACHINES:-}" ] || echo "MESOSTACK_TEST_NO_MACHINES is set"
}

# Why the test of the zone's page in a browser proves nothing here; empty when it does. It looks at the same place.
no_browser() {
    [ -x /usr/bin/chromium ] || echo "no /usr/bin/chromium; see scripts/host-setup.sh"
}

part "formatting" cargo fmt --all --check
part "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
# All targets in one go: the stand-ins have to lie beside mesostack, and everything is compiled with the same features.
part "build" cargo build --locked --workspace --all-targets
part "tests" cargo test --locked --workspace --no-fail-fast
part "third-party clients" scripts/clients.sh
machines_left_out=$(no_machines)
browser_left_out=$(no_browser)
if [ -z "$machines_left_out" ]; then
    # One after another: they share the host's network, and two cores. What is skipped is another test's process.
    part "tests on real machines" cargo test --locked --workspace --no-fail-fast --tests -- --ignored --nocapture --test-threads=1 --skip serves_until_it_is_killed
    # Many minutes more: run when it is asked for.
    [ -z "${MESOSTACK_TEST_LONG:-}" ] || part "third-party clients, machines" scripts/clients.sh machines
fi

printf '\n== summary\n'
printf '%s\n' "${parts[@]}"
[ -z "$browser_left_out" ] || echo "left out: the zone's page in a browser ($browser_left_out)"
if [ -n "$machines_left_out" ]; then
    echo "left out: tests on real machines, third-party clients among them ($machines_left_out)"
elif [ -z "${MESOSTACK_TEST_LONG:-}" ]; then
    echo "left out: third-party clients on real machines (they take long; set MESOSTACK_TEST_LONG=1)"
fi
counted=$(sort -k 2 "$MESOSTACK_COUNTS" | awk '{ count = $1; $1 = "" } $0 != what { tell(); what = $0; sum = 0 } { sum += count }
    function tell() { if (what) printf "%s%d%s", (told++ ? ", " : ""), sum, what }
    END { tell() }')
failures=$(awk '/^test result:/ { failed += $6 } END { print failed + 0 }' "$log")
[ -z "$counted" ] || echo "made good: $counted; tests that failed: $failures"
awk '/^test result:/ { passed += $4; failed += $6 } END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' "$log" || failed=1
exit "$failed"
