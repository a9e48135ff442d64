lay_out
# Debian's package leaves a link here to a file that says nothing.
rm -f /var/lib/zookeeper/myid

# Whatever the packages enabled is off, and what would run beside ours is masked for good. Ours come after this and lie
# in /etc/systemd/system, which wins over a package's unit of the same name.
for unit in $FOREIGN_UNITS; do
    systemctl stop "$unit" >/dev/null 2>&1 || true
    systemctl disable "$unit" >/dev/null 2>&1 || true
    rm -f "/etc/systemd/system/$unit"
    ln -s /dev/null "/etc/systemd/system/$unit"
done
for unit in $OUR_UNITS; do
    # The package's unit of that name may have been enabled, or started in spite of the policy.
    systemctl stop "$unit" >/dev/null 2>&1 || true
    find /etc/systemd/system -type l -path "*.wants/$unit" -delete
    name=${unit%.service}
    if [ -e "/etc/init.d/$name" ]; then
        rm -f "/etc/init.d/$name" "/etc/default/$name"
        update-rc.d "$name" remove >/dev/null 2>&1 || true
    fi
done
install_files
# A node's set-up enables what its role needs; a preset run (first boot of a cleared machine) must not.
install -d -m 0755 /etc/systemd/system-preset
for unit in $OUR_UNITS; do echo "disable $unit"; done >/etc/systemd/system-preset/10-mesostack.preset
systemctl daemon-reload
