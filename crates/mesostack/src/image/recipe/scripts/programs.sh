# Each daemon has to be at the one path that our units use, whichever layout its packages have.
at_hand() {
    local wanted=$1 candidate
    shift
    [ -x "$wanted" ] && return
    for candidate in "$@"; do
        if [ -x "$candidate" ]; then
            ln -s "$candidate" "$wanted"
            return
        fi
    done
    fail "no $(basename "$wanted") after installation (looked at $wanted $*); the chosen packages do not bring it"
}
at_hand /usr/bin/mesos-master /usr/sbin/mesos-master /usr/local/sbin/mesos-master /usr/local/bin/mesos-master
at_hand /usr/bin/mesos-agent /usr/sbin/mesos-agent /usr/local/sbin/mesos-agent /usr/local/bin/mesos-agent
[ -n "$MARATHON_IMAGE" ] ||
    at_hand /usr/bin/marathon /usr/share/marathon/bin/marathon /usr/local/bin/marathon /opt/marathon/bin/marathon
ldconfig

# Mesos packages do not declare all the libraries that they need. Found out here, not on a node.
for program in /usr/bin/mesos-master /usr/bin/mesos-agent; do
    missing=$(ldd "$program" 2>/dev/null | awk '/not found/ { print $1 }' | sort -u | tr '\n' ' ') || true
    [ -z "$missing" ] || fail "$program lacks libraries: $missing"
done
