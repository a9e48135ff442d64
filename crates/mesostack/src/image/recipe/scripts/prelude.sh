# What every step of the recipe starts with. Runs as root under bash.
set -euo pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_SUSPEND=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
workshop=/var/lib/mesostack-build

fail() {
    printf 'mesostack: %s\n' "$*" >&2
    exit 1
}
