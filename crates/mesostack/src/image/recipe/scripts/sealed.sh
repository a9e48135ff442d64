# The seal, checked: everything named here is a reason not to make a template.
left=$(
    find /etc/ssh -name 'ssh_host_*' 2>/dev/null || true
    printf '%s\n' "$homes" | while read -r home; do
        if [ -d "$home" ]; then find "$home" -xdev -maxdepth 2 \( -name 'authorized_keys*' -o -name '.*_history' \) 2>/dev/null; fi
    done || true
    find /var/lib/cloud -mindepth 1 2>/dev/null || true
    find /var/log -xdev -type f 2>/dev/null || true
    find /var/lib/apt/lists -mindepth 1 ! -name lock ! -name partial ! -name auxfiles 2>/dev/null || true
    find /var/cache/apt/archives -name '*.deb' 2>/dev/null || true
    find /var/lib/zookeeper /var/lib/mesos /var/lib/marathon -xdev -type f 2>/dev/null || true
    find /var/lib/dhcp /var/lib/dhclient -type f -name '*lease*' 2>/dev/null || true
    for path in "$workshop" /etc/apt/apt.conf.d/99mesostack-build /var/lib/systemd/random-seed /var/lib/systemd/credential.secret; do
        if [ -e "$path" ]; then echo "$path"; fi
    done
    if [ -s /etc/machine-id ]; then echo "/etc/machine-id (not empty)"; fi
    if [ -n "$BUILD_KEY" ]; then grep -rlsF -e "$BUILD_KEY" /etc /root /home || true; fi
    grep -rlsF -e "$build_host" /etc --exclude=manifest.json || true
)
if [ -n "$left" ]; then
    fail "the machine is not clean: $(printf '%s\n' "$left" | head -n 20 | tr '\n' ' ')"
fi
sync
echo sealed
