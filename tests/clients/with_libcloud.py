"""The whole job with Apache Libcloud's CloudStack driver."""

import time
from urllib.parse import urlparse

from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

from common import ENDPOINT, ISOLATED, KEY, REAL, SECRET, expect, login, step

at = urlparse(ENDPOINT)
cloud = get_driver(Provider.CLOUDSTACK)(
    key=KEY, secret=SECRET, secure=at.scheme == "https", host=at.hostname, port=at.port, path=at.path,
)
cloud.connection.poll_interval = 0.2


def node(name):
    return [node for node in cloud.list_nodes() if node.name == name][0]


def wait(name, state):
    deadline = time.monotonic() + 120
    while node(name).state != state:
        expect(time.monotonic() < deadline, f"{name} is {state}, not {node(name).state}")
        time.sleep(0.3)


# The driver asks for these whenever it lists machines.
offered = {api["name"] for api in cloud._sync_request(command="listApis")["api"]}
if "listIpForwardingRules" not in offered:
    print("left out: this server does not offer listIpForwardingRules")
    raise SystemExit(75)

location = cloud.list_locations()[0]
size = [size for size in cloud.list_sizes() if size.name == "t1.small"][0]
image = cloud.list_images()[0]
offering = [o for o in cloud.ex_list_network_offerings() if o.name == ISOLATED][0]

step("a key pair")
pair = cloud.create_key_pair("libcloud-key")
expect("PRIVATE KEY" in pair.private_key, "a private key")
expect(cloud.get_key_pair("libcloud-key").fingerprint == pair.fingerprint, "the same fingerprint")

step("a network, egress, an affinity group")
network = cloud.ex_create_network(
    display_text="libcloud", name="libcloud-net", network_offering=offering, location=location,
    gateway="10.52.0.1", netmask="255.255.255.0",
)
cloud.ex_create_egress_firewall_rule(network.id, "10.52.0.0/24", "tcp", start_port=1, end_port=65535)
group = cloud.ex_create_affinity_group("libcloud-apart", cloud.ex_list_affinity_group_types()[0])

step("two machines")
for n in (1, 2):
    made = cloud.create_node(
        name=f"libcloud-{n}", size=size, image=image, location=location, networks=[network],
        ex_keyname="libcloud-key", ex_start_vm=True, ex_affinity_groups=[group] if n == 1 else None,
    )
    expect(made.state == NodeState.RUNNING, "a running machine")
    expect(made.private_ips[0].startswith("10.52.0."), "an address of the network")
first = node("libcloud-1")

step("an address, a forward, a firewall rule")
address = cloud.ex_allocate_public_ip(network_id=network.id, location=location)
rule = cloud.ex_create_port_forwarding_rule(
    first, address, 22, 2200, "TCP", openfirewall=False, network_id=network.id,
)
cloud.ex_create_firewall_rule(address, "0.0.0.0/0", "TCP", start_port=2200, end_port=2200)
expect([r.public_port for r in cloud.ex_list_port_forwarding_rules()] == ["2200"], "one forward")
expect(node("libcloud-1").public_ips == [address.address], "the address with the machine")

step("a balancer, by calls of its connection: the driver has none")
balancer = cloud._async_request(
    command="createLoadBalancerRule",
    params={"publicipid": address.id, "name": "libcloud", "algorithm": "source", "publicport": 8022, "privateport": 22},
)["loadbalancer"]
cloud._async_request(
    command="assignToLoadBalancerRule", params={"id": balancer["id"], "virtualmachineids": first.id},
)

step("tags, another size, volumes, limits")
cloud.ex_create_tags([first.id], "UserVm", {"role": "x"})
expect(node("libcloud-1").extra["tags"] == {"role": "x"}, "the tag with the machine")
expect(cloud.ex_limits()["max_instances"] > 0, "limits")
expect(len(cloud.list_volumes()) == 2, "two volumes")

if REAL:
    step("a login")
    expect(login(pair.private_key, address.address, 2200) == "libcloud-1", "libcloud-1 behind its forward")

step("a template of a stopped machine's volume")
cloud.ex_stop(node("libcloud-2"))
wait("libcloud-2", NodeState.STOPPED)
second = node("libcloud-2")
volume = cloud.list_volumes(second)[0]
captured = cloud._async_request(
    command="createTemplate",
    params={"name": "libcloud-golden", "displaytext": "x", "ostypeid": cloud.ex_list_os_types()[0]["id"],
            "volumeid": volume.id},
)["template"]
expect("libcloud-golden" in [image.name for image in cloud.list_images()], "the template among the images")

step("stop, start, reboot")
cloud.ex_start(node("libcloud-2"))
wait("libcloud-2", NodeState.RUNNING)
expect(cloud.reboot_node(node("libcloud-2")), "rebooted")
try:
    cloud.ex_delete_network(network)
    expect(False, "a network with machines is kept")
except Exception as error:
    expect("Failed to delete network" in str(error), f"the reason, not {error}")

step("everything away again")
for name in ("libcloud-1", "libcloud-2"):
    expect(cloud.destroy_node(node(name), ex_expunge=True), "destroyed")
expect(cloud.list_nodes() == [], "no machines")
cloud._async_request(command="deleteTemplate", params={"id": captured["id"]})
expect(cloud.ex_delete_network(network), "deleted")
expect(cloud.ex_list_public_ips() == [], "no addresses")
cloud.ex_delete_affinity_group(group)
cloud.delete_key_pair(pair)
expect(cloud.list_key_pairs() == [], "no key pairs")
