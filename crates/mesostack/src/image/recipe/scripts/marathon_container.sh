# Marathon's own packages are gone with their archive; what is left of it is its container image, which brings its own
# Java 8 and a libmesos with JNI. It is pulled now, so that a node needs no registry; the unit runs it by podman. Where its
# name holds a digest, podman takes nothing else.
podman pull --quiet "$MARATHON_IMAGE" >/dev/null ||
    fail "$MARATHON_IMAGE could not be pulled; Marathon has no other source that still lives"
install -d -m 0755 /etc/mesostack
podman image inspect --format '{{.Digest}}' "$MARATHON_IMAGE" >/etc/mesostack/marathon.image-digest
