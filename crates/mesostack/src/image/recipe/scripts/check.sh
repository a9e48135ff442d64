# Every program answers, ours are installed and at rest.
answers() {
    local what=$1
    shift
    local said
    said=$(timeout 120 "$@" 2>&1) || fail "$what does not answer: $* ended with: $(printf '%s' "$said" | tail -n 3 | tr '\n' ' ')"
    [ -n "$said" ] || fail "$what answers nothing: $*"
    printf '%s: %s\n' "$what" "$(printf '%s\n' "$said" | grep -v '^Picked up' | head -n 1)"
}
answers java /usr/bin/java -version
answers zookeeper /usr/bin/java -cp /usr/share/java/zookeeper.jar org.apache.zookeeper.version.VersionInfoMain
answers haproxy /usr/sbin/haproxy -v
answers mesos-master /usr/bin/mesos-master --version
answers mesos-agent /usr/bin/mesos-agent --version
if [ -n "$MARATHON_IMAGE" ]; then
    answers marathon podman run --rm --pull never --network host "$MARATHON_IMAGE" --version
else
    answers marathon /usr/bin/marathon --version
fi

for unit in $OUR_UNITS; do
    [ -s "/etc/systemd/system/$unit" ] || fail "$unit is not installed"
    state=$(systemctl is-enabled "$unit" 2>/dev/null) || true
    case $state in
        disabled | static) ;;
        *) fail "$unit is ${state:-unknown} in the image; a node's set-up decides what runs" ;;
    esac
    ! systemctl --quiet is-active "$unit" || fail "$unit runs in the image"
done
for unit in $FOREIGN_UNITS; do
    ! systemctl --quiet is-active "$unit" || fail "$unit runs beside our units"
done
