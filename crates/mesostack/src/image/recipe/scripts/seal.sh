# Nothing of this one machine may live on in those made from its template. What is written while it goes down counts, so
# the writers are told first to keep to memory.
build_host=$(hostname)
systemctl stop rsyslog.service syslog.socket >/dev/null 2>&1 || true
install -d /run/systemd/journald.conf.d /run/systemd/system/systemd-random-seed.service.d
printf '[Journal]\nStorage=volatile\n' >/run/systemd/journald.conf.d/mesostack-seal.conf
printf '[Service]\nExecStop=\n' >/run/systemd/system/systemd-random-seed.service.d/mesostack-seal.conf
systemctl daemon-reload
systemctl restart systemd-journald.service || true

# The build's own things.
rm -f /etc/apt/apt.conf.d/99mesostack-build /usr/sbin/policy-rc.d
if [ -e /usr/sbin/policy-rc.d.mesostack-kept ]; then mv /usr/sbin/policy-rc.d.mesostack-kept /usr/sbin/policy-rc.d; fi
rm -rf "$workshop"

# Packages: lists and archives are stale tomorrow.
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
rm -f /var/lib/dpkg/*-old /var/cache/debconf/*-old /var/log/dpkg.log /var/log/apt/*

# Cluster state, should a package or a check have left any.
for directory in /var/lib/zookeeper /var/lib/mesos /var/log/zookeeper /var/log/mesos /var/lib/marathon; do
    if [ -d "$directory" ]; then find "$directory" -xdev -mindepth 1 -delete; fi
done
lay_out

# Who may come in, and as whom the machine answers.
homes=$(
    {
        getent passwd | cut -d: -f6
        find /home -mindepth 1 -maxdepth 1 -type d
    } | sort -u | grep '^/[^/]' | grep -v -x -e /bin -e /sbin -e /dev -e /usr/sbin -e /proc
)
printf '%s\n' "$homes" | while read -r home; do
    [ -d "$home" ] || continue
    rm -f "$home"/.ssh/authorized_keys "$home"/.ssh/authorized_keys2 "$home"/.ssh/known_hosts*
    rmdir "$home/.ssh" 2>/dev/null || true
    rm -f "$home"/.bash_history "$home"/.zsh_history "$home"/.sh_history "$home"/.python_history "$home"/.lesshst \
        "$home"/.viminfo "$home"/.wget-hsts "$home"/.sudo_as_admin_successful
done
rm -rf /root/.cache /root/.gnupg /home/*/.cache /var/lib/sudo/ts /var/lib/sudo/lectured
rm -f /etc/ssh/ssh_host_* /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem

# cloud-init begins anew, on whatever interface the next machine has.
cloud-init clean --logs --seed >/dev/null 2>&1 || true
find /var/lib/cloud -mindepth 1 -delete 2>/dev/null || true
rm -f /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init* /etc/systemd/network/10-cloud-init-* \
    /etc/udev/rules.d/70-persistent-net.rules

# Its name, leases, clocks, crash reports and secrets.
echo localhost >/etc/hostname
sed -i "/[[:space:]]$build_host\([[:space:].]\|\$\)/d" /etc/hosts
rm -f /var/lib/dhcp/*.leases /var/lib/dhcp/*.lease /var/lib/dhclient/* /var/lib/dhcpcd/*.lease /var/lib/NetworkManager/*lease* \
    /var/lib/systemd/timers/* /var/lib/systemd/credential.secret /var/lib/systemd/random-seed \
    /var/lib/urandom/random-seed /var/lib/private/systemd/networkd/* 2>/dev/null || true
rm -rf /var/lib/systemd/coredump/* /var/crash/* /var/mail/* /var/lib/systemd/linger/*

# Logs: the directories stay, daemons expect theirs.
find /var/log -xdev \( -type f -o -type l \) -delete
rm -rf /var/log/journal/*
find /tmp /var/tmp -xdev -mindepth 1 -delete 2>/dev/null || true

# Empty, not absent: an absent one makes the next boot a "first boot", which presets units.
: >/etc/machine-id
if [ -e /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then rm -f /var/lib/dbus/machine-id; fi
