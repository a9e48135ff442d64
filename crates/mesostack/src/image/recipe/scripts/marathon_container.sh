# Marathon's own packages are gone with their archive; what is left of it is its container image, which brings its own
# Java 8 and a libmesos with JNI. It is pulled now, so that a node needs no registry, and run by podman under the
# name and with the environment that the unit uses.
podman pull --quiet "$MARATHON_IMAGE" >/dev/null || fail "$MARATHON_IMAGE could not be pulled; Marathon has no other source that still lives"
podman image inspect --format '{{.Digest}}' "$MARATHON_IMAGE" >/etc/mesostack/marathon.image-digest
cat >/usr/bin/marathon <<END
#!/bin/bash
# Marathon out of its container image, in the machine's own network, with the MARATHON_ and LIBPROCESS_ environment.
exec podman run --rm --replace --name marathon --pull=never --network=host --cgroups=disabled --log-driver=passthrough \\
    --env 'MARATHON_*' --env 'LIBPROCESS_*' --env 'JAVA_OPTS*' --volume /etc/mesostack:/etc/mesostack:ro \\
    --user 0:0 $MARATHON_IMAGE "\$@"
END
chmod 0755 /usr/bin/marathon
# podman keeps its storage as root, so the unit runs it as root.
install -d -m 0755 /etc/systemd/system/marathon.service.d
cat >/etc/systemd/system/marathon.service.d/10-container.conf <<'END'
[Service]
User=root
Group=root
NoNewPrivileges=no
ProtectSystem=no
PrivateTmp=no
Environment=HOME=/root
END
