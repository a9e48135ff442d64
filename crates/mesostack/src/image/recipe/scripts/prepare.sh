# The base has to be one we know, at rest, with nobody else at its package database.
[ "$(id -u)" = 0 ] || fail "this step needs root; the login user has to be allowed sudo without a password"
# shellcheck source=/dev/null
. /etc/os-release
case "${ID:-}" in
    debian | ubuntu) ;;
    *) fail "the base template is ${PRETTY_NAME:-unknown}; Debian and Ubuntu are supported" ;;
esac
command -v systemctl >/dev/null || fail "the base template has no systemd"
command -v cloud-init >/dev/null || fail "the base template has no cloud-init"

# cloud-init may still be at work with apt. Its own errors (a missing locale, say) are told and are no reason to stop.
state=0
timeout 600 cloud-init status --wait >/dev/null || state=$?
case $state in
    0) ;;
    124) fail "cloud-init was still not done after 600 s" ;;
    *) echo "cloud-init ended with errors (exit code $state): $(cloud-init status --long 2>/dev/null | tr '\n' ' ' || true)" ;;
esac

# For this boot only: these would hold apt's lock, or upgrade while we install.
systemctl mask --runtime --now apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service \
    unattended-upgrades.service >/dev/null 2>&1 || true

# No package may start its daemon here: what it would write does not belong into an image.
if [ -e /usr/sbin/policy-rc.d ] && [ ! -e /usr/sbin/policy-rc.d.mesostack-kept ]; then
    mv /usr/sbin/policy-rc.d /usr/sbin/policy-rc.d.mesostack-kept
fi
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d

# Unsafe only for a machine that loses its power now; ours ends with a sync, or is thrown away.
cat >/etc/apt/apt.conf.d/99mesostack-build <<'END'
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::Assume-Yes "true";
APT::Update::Error-Mode "any";
Acquire::Retries "5";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::Languages "none";
DPkg::Lock::Timeout "300";
DPkg::Use-Pty "0";
DPkg::Options:: "--force-confdef";
DPkg::Options:: "--force-confold";
DPkg::Options:: "--force-unsafe-io";
END
install -d -m 0755 "$workshop"
