# The lists of packages, asked for a few times: a network that has just been made may drop the first packets.
attempt=1
until apt-get -q update; do
    [ "$attempt" -lt 5 ] || fail "apt-get update failed 5 times; does the build network let machines out, and do its names resolve?"
    sleep $((attempt * 2))
    attempt=$((attempt + 1))
done
