"""What the clients' scripts share: where the zone is, a name of their own, and a login at the end."""

import os
import socket
import subprocess
import sys
import tempfile
import time

ENDPOINT = os.environ["CLOUDSTACK_API_URL"]
KEY = os.environ["CLOUDSTACK_API_KEY"]
SECRET = os.environ["CLOUDSTACK_SECRET_KEY"]
# Whether machines are real, so that one can log in to them.
REAL = os.environ.get("CLIENTS_MACHINES") == "real"
ISOLATED = "DefaultIsolatedNetworkOfferingWithSourceNatService"


def expect(holds, what):
    """Ends the script when something is not as it should be."""
    if not holds:
        sys.exit(f"expected: {what}")


def step(what):
    print(f"  {what}", flush=True)


def login(private_key, address, port, command="hostname", patience=120):
    """What a command prints on the machine behind this forward; waits until sshd answers."""
    with tempfile.TemporaryDirectory() as directory:
        identity = os.path.join(directory, "key")
        with open(os.open(identity, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(private_key)
        known = os.path.join(directory, "known_hosts")
        ssh = [
            "ssh", "-i", identity, "-p", str(port), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5",
            # A machine of this minute: there was no way to know its key before.
            "-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={known}", "-F", "/dev/null",
            f"debian@{address}", command,
        ]
        deadline = time.monotonic() + patience
        while True:
            done = subprocess.run(ssh, capture_output=True, text=True)
            if done.returncode == 0:
                return done.stdout.strip()
            if time.monotonic() > deadline:
                sys.exit(f"no login at {address}:{port}: {done.stderr.strip()}")
            time.sleep(0.5)


def answers(address, port):
    """Whether something accepts a connection there within two seconds."""
    try:
        socket.create_connection((address, port), timeout=2).close()
        return True
    except OSError:
        return False
