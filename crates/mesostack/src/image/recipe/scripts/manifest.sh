# What is in here, as JSON. Names and versions of packages are of a few plain characters, so they need no escapes.
# shellcheck source=/dev/null
. /etc/os-release
# The package that brings a path: as it is named, or where it leads when it is a link of the alternatives system.
owner() {
    local package
    package=$(dpkg-query --search "$1" 2>/dev/null || dpkg-query --search "$(readlink -f "$1")" 2>/dev/null) || true
    package=$(printf '%s\n' "$package" | head -n 1 | cut -d: -f1)
    [ -n "$package" ] && dpkg-query --show --showformat '${Package} ${Version}' "$package"
}
program() { printf '"%s":"%s"' "$1" "$2"; }
case $MARATHON_IMAGE in
    '') marathon=$(owner /usr/bin/marathon) ;;
    *@*) marathon=$MARATHON_IMAGE ;;
    *) marathon="$MARATHON_IMAGE@$(cat /etc/mesostack/marathon.image-digest)" ;;
esac
{
    printf '%s,"system":"%s-%s",' "$MANIFEST_HEAD" "$ID" "${VERSION_ID:-rolling}"
    printf '"programs":{'
    program haproxy "$(owner /usr/sbin/haproxy)"
    printf ','
    program java "$(owner /usr/bin/java)"
    printf ','
    program marathon "$marathon"
    printf ','
    program mesos "$(owner /usr/bin/mesos-master)"
    printf ','
    program zookeeper "$(owner /usr/share/java/zookeeper.jar)"
    printf '},"packages":{'
    dpkg-query --show --showformat '${db:Status-Status} "${binary:Package}":"${Version}"\n' |
        sed -n 's/^installed //p' | sort | paste -s -d, | tr -d '\n'
    printf '}}\n'
} >/etc/mesostack/manifest.json
chmod 0644 /etc/mesostack/manifest.json
cat /etc/mesostack/manifest.json
