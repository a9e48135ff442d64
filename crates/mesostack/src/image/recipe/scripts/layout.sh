# Users and directories that the daemons need, empty.
lay_out() {
    getent passwd marathon >/dev/null ||
        useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin marathon
    install -d -m 0755 /etc/mesostack /etc/mesostack/zookeeper /var/lib/mesos /var/log/mesos
    install -d -m 0750 -o zookeeper -g zookeeper /var/lib/zookeeper /var/log/zookeeper
    install -d -m 0750 -o marathon -g marathon /var/lib/marathon
}
