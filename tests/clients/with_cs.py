"""The whole job with `cs`: every call is CloudStack's own, so it says most about the wire."""

from cs import CloudStack, CloudStackApiException

from common import ENDPOINT, ISOLATED, KEY, REAL, SECRET, answers, expect, login, step

cloud = CloudStack(endpoint=ENDPOINT, key=KEY, secret=SECRET, timeout=60, job_timeout=300, poll_interval=0.2)


def run(command, **parameters):
    """A job, to its end."""
    return getattr(cloud, command)(fetch_result=True, **parameters)


def listed(command, **parameters):
    return getattr(cloud, command)(fetch_list=True, **parameters)


def refused(code, command, **parameters):
    try:
        run(command, **parameters)
    except CloudStackApiException as error:
        expect(error.error["errorcode"] == code, f"{command} is refused with {code}, not {error.error}")
        return error.error["errortext"]
    expect(False, f"{command} is refused")


zone = listed("listZones")[0]
offering = [o for o in listed("listServiceOfferings") if o["name"] == "t1.small"][0]
template = [t for t in listed("listTemplates", templatefilter="executable") if t["isready"]][0]
network_offering = listed("listNetworkOfferings", name=ISOLATED)[0]

step("a key pair")
pair = cloud.createSSHKeyPair(name="cs-key")["keypair"]
expect(pair["privatekey"].startswith("-----BEGIN RSA PRIVATE KEY-----"), "an RSA key")
expect("already exists" in refused(431, "createSSHKeyPair", name="cs-key"), "a name taken once")

step("a network, egress, an affinity group")
network = cloud.createNetwork(
    name="cs-net", displaytext="cs", zoneid=zone["id"], networkofferingid=network_offering["id"],
    gateway="10.51.0.1", netmask="255.255.255.0",
)["network"]
expect(network["state"] == "Allocated", "a network that sleeps")
egress = run("createEgressFirewallRule", networkid=network["id"], protocol="all")["firewallrule"]
group = run("createAffinityGroup", name="cs-apart", type="host anti-affinity")["affinitygroup"]

step("two machines")
machines = [
    run(
        "deployVirtualMachine", name=f"cs-{n}", zoneid=zone["id"], serviceofferingid=offering["id"],
        templateid=template["id"], networkids=[network["id"]], keypair="cs-key",
        affinitygroupids=[group["id"]], ipaddress=f"10.51.0.1{n}",
    )["virtualmachine"]
    for n in (1, 2)
]
expect([m["nic"][0]["ipaddress"] for m in machines] == ["10.51.0.11", "10.51.0.12"], "the addresses asked for")
expect(all(m["state"] == "Running" for m in machines), "running machines")
expect(cloud.listNetworks(id=network["id"])["network"][0]["state"] == "Implemented", "a network that is up")

step("an address, forwards, a firewall rule, a balancer")
address = run("associateIpAddress", networkid=network["id"])["ipaddress"]
for n, machine in enumerate(machines):
    rule = run(
        "createPortForwardingRule", ipaddressid=address["id"], protocol="tcp", publicport=2200 + n,
        privateport=22, virtualmachineid=machine["id"], openfirewall=False,
    )["portforwardingrule"]
    expect(rule["publicport"] == str(2200 + n), "ports as texts")
refused(
    537, "createPortForwardingRule", ipaddressid=address["id"], protocol="tcp", publicport=2200,
    privateport=22, virtualmachineid=machines[1]["id"],
)
run(
    "createFirewallRule", ipaddressid=address["id"], protocol="tcp", startport=2200, endport=2200,
    cidrlist=["0.0.0.0/0"],
)
balancer = run(
    "createLoadBalancerRule", publicipid=address["id"], name="cs-ssh", algorithm="roundrobin",
    publicport=8022, privateport=22,
)["loadbalancer"]
run("assignToLoadBalancerRule", id=balancer["id"], virtualmachineids=[m["id"] for m in machines])
members = listed("listLoadBalancerRuleInstances", id=balancer["id"])
expect({m["id"] for m in members} == {m["id"] for m in machines}, "two members")

step("tags")
run("createTags", resourceids=[m["id"] for m in machines], resourcetype="UserVm", tags=[{"key": "role", "value": "x"}])
expect(len(listed("listVirtualMachines", tags=[{"key": "role", "value": "x"}])) == 2, "machines found by their tag")

if REAL:
    step("a login, through the forward and through the balancer; a forward that is not opened")
    expect(login(pair["privatekey"], address["ipaddress"], 2200) == "cs-1", "cs-1 behind its forward")
    expect(login(pair["privatekey"], address["ipaddress"], 8022) in ("cs-1", "cs-2"), "a member behind the balancer")
    expect(not answers(address["ipaddress"], 2201), "a closed port")

step("a template of a stopped machine's volume")
run("stopVirtualMachine", id=machines[1]["id"])
volume = cloud.listVolumes(virtualmachineid=machines[1]["id"], type="ROOT")["volume"][0]
captured = run(
    "createTemplate", name="cs-golden", displaytext="cs", ostypeid=template["ostypeid"], volumeid=volume["id"],
)["template"]
expect(captured["isready"], "a template that is ready")
third = run(
    "deployVirtualMachine", name="cs-3", zoneid=zone["id"], serviceofferingid=offering["id"],
    templateid=captured["id"], networkids=[network["id"]],
)["virtualmachine"]
expect(third["templateid"] == captured["id"], "a machine of one's own template")
expect("VM instances using it" in refused(431, "deleteTemplate", id=captured["id"]), "a template in use")

step("everything away again")
refused(530, "deleteNetwork", id=network["id"])
for machine in [*machines, third]:
    run("destroyVirtualMachine", id=machine["id"], expunge=True)
run("deleteTemplate", id=captured["id"])
run("deleteNetwork", id=network["id"])
run("deleteAffinityGroup", id=group["id"])
cloud.deleteSSHKeyPair(name="cs-key")
for command, key in (("listVirtualMachines", "virtualmachine"), ("listNetworks", "network"),
                     ("listPublicIpAddresses", "publicipaddress"), ("listPortForwardingRules", "portforwardingrule")):
    expect(not getattr(cloud, command)().get(key), f"nothing from {command}")
