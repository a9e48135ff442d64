#!/usr/bin/env bash
# Third-party clients against a zone of ours: clients.sh [machines]
#
# Each client does the whole job (key pair, network, egress, machines, address, forwards, firewall, load balancer,
# template, tags, and everything away again) on a simulated zone; with `machines`, as root, on real machines, with a login
# over SSH. The clients come from PyPI, pinned, into target/clients; where no registry can be reached they are left out.
set -uo pipefail
cd "$(dirname "$0")/.."

kind=${1:-simulator}
zone=clients
port=8971
venv=target/clients
mesostack=target/debug/mesostack

say() { printf 'clients: %s\n' "$*"; }

# Whether the pinned clients are there; installs them when they are not.
clients_are_there() {
    local wanted
    wanted=$(sha256sum <tests/clients/requirements.txt)
    [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ] && return
    say "installing the clients of tests/clients/requirements.txt"
    rm -rf "$venv"
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check --timeout 15 --retries 1 \
        -r tests/clients/requirements.txt && printf '%s\n' "$wanted" >"$venv/installed"
}

if ! clients_are_there; then
    say "left out: PyPI cannot be reached, or python3-venv is missing"
    exit 0
fi
[ -x "$mesostack" ] || { say "no $mesostack: make build"; exit 1; }

options=(--name "$zone" --port "$port" --public-range 198.19.78.0/24 --quiet)
[ "$kind" = machines ] || options+=(--simulator)
cleanup() { "$mesostack" zone down --name "$zone" --quiet; }
trap cleanup EXIT
# What a run that was killed has left.
cleanup >/dev/null
"$mesostack" zone up "${options[@]}" || { say "the zone does not come up"; exit 1; }
eval "$("$mesostack" zone credentials --name "$zone")"
# Ansible's collection has other names for them.
export CLOUDSTACK_ENDPOINT=$CLOUDSTACK_API_URL CLOUDSTACK_KEY=$CLOUDSTACK_API_KEY CLOUDSTACK_SECRET=$CLOUDSTACK_SECRET_KEY
export CLIENTS_TEMPLATE="Debian 12" CLIENTS_OS_TYPE="Debian GNU/Linux 12 (64-bit)"
[ "$kind" != machines ] || export CLIENTS_MACHINES=real
export PYTHONPATH=tests/clients PYTHONDONTWRITEBYTECODE=1
export ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_DEPRECATION_WARNINGS=False ANSIBLE_STDOUT_CALLBACK=default

passed=0 failed=0
# client NAME COMMAND…: one client's whole job.
client() {
    local name=$1 began=$SECONDS code
    shift
    say "$name"
    "$@"
    code=$?
    case $code in
    0) passed=$((passed + 1)) && say "$name: the whole job, in $((SECONDS - began)) s" ;;
    75) say "$name: left out" ;;
    *) failed=$((failed + 1)) && say "$name: FAILED" ;;
    esac
}

client cs "$venv/bin/python" tests/clients/with_cs.py
client libcloud "$venv/bin/python" tests/clients/with_libcloud.py
client ansible "$venv/bin/ansible-playbook" -i localhost, -c local \
    -e "ansible_python_interpreter=$PWD/$venv/bin/python" tests/clients/with_ansible.yml

# In the words that test.sh counts.
word=ok
[ "$failed" = 0 ] || word=FAILED
printf 'test result: %s. %d passed; %d failed; clients, with %s\n' "$word" "$passed" "$failed" "$kind"
[ "$failed" = 0 ]
