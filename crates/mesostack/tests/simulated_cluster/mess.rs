//! Any cluster, asked for over any mess: an apply makes it so, a second one finds nothing to do, and what others have is as
//! it was. Scenes are drawn from seeds; `MESOSTACK_CRASHES` says how many, `MESOSTACK_SEED` where to begin.

#![expect(clippy::print_stdout, reason = "how many scenes there were is what a reader wants to know")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cloudstack::{Client, Expect, Id, TagList, resource::*};
use devcloud::faults::{Faults, MachineFault, When};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    census::things,
    counts::note,
    crashes::{RESTART, mortal, seeds},
    zone::{Bench, file, file_behind},
};

/// What befalls a zone behind the operator's back.
#[derive(Clone, Copy, Debug)]
enum Mess {
    MachineGone,
    MachineStopped,
    MachineInError,
    TagGone,
    ForwardGone,
    FirewallRuleGone,
    EgressRuleGone,
    BalancerGone,
    MemberGone,
    RuleDoubled,
    ForeignMachine,
    ForeignForward,
    ForeignFirewallRule,
    ForeignBalancer,
    ForeignNetwork,
    ForeignMember,
}

const ALL: [Mess; 16] = [
    Mess::MachineGone,
    Mess::MachineStopped,
    Mess::MachineInError,
    Mess::TagGone,
    Mess::ForwardGone,
    Mess::FirewallRuleGone,
    Mess::EgressRuleGone,
    Mess::BalancerGone,
    Mess::MemberGone,
    Mess::RuleDoubled,
    Mess::ForeignMachine,
    Mess::ForeignForward,
    Mess::ForeignFirewallRule,
    Mess::ForeignBalancer,
    Mess::ForeignNetwork,
    Mess::ForeignMember,
];

/// Somebody who does things in the zone with the operator's keys.
struct Meddler<'a> {
    bench: &'a Bench,
    client: Client,
    random: StdRng,
    /// What is not the cluster's.
    foreign: BTreeSet<String>,
    /// How many masters may still be lost: a cluster that lost most of them is refused, and not this story.
    masters_to_lose: u16,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

impl Meddler<'_> {
    fn any<T>(&mut self, mut all: Vec<T>) -> Option<T> {
        (!all.is_empty()).then(|| all.swap_remove(self.random.random_range(0..all.len())))
    }

    /// Any machine of the cluster.
    async fn ours(&mut self) -> Option<VirtualMachine> {
        let machines = self.client.list(&ListVirtualMachines::new()).await.expect("a list");
        self.any(machines.into_iter().filter(|machine| !self.foreign.contains(machine.id.as_str())).collect())
    }

    fn may_lose(&mut self, machine: &VirtualMachine) -> Option<()> {
        if machine.name.contains("-master-") {
            self.masters_to_lose = self.masters_to_lose.checked_sub(1)?;
        }
        Some(())
    }

    /// Any thing of a list that is the cluster's.
    fn any_of_ours(&mut self, ids: impl IntoIterator<Item = Id>) -> Option<Id> {
        let foreign = self.foreign.clone();
        self.any(ids.into_iter().filter(|id| !foreign.contains(id.as_str())).collect())
    }

    async fn network(&self) -> Option<Network> {
        let networks = self.client.list(&ListNetworks::new()).await.expect("a list");
        networks.into_iter().find(|network| network.name == "subnet01")
    }

    async fn address(&self) -> Option<Id> {
        let network = self.network().await?;
        let command = ListPublicIpAddresses::new().associated_network_id(&network.id);
        let addresses = self.client.list(&command).await.expect("a list");
        Some(addresses.into_iter().find(|address| address.is_source_nat)?.id)
    }

    async fn stop(&self, machine: &Id) {
        let _ = self.client.run(&StopVirtualMachine::new(machine), Expect::Long, soon()).await;
    }

    /// Does one thing, where there is something to do it to.
    async fn meddle(&mut self, mess: Mess, number: u16) -> Option<()> {
        let client = self.client.clone();
        match mess {
            Mess::MachineGone => {
                let machine = self.ours().await?;
                self.may_lose(&machine)?;
                let destroy = DestroyVirtualMachine::new(&machine.id).expunge(true);
                let _ = client.run(&destroy, Expect::Long, soon()).await;
            }
            Mess::MachineStopped => {
                let machine = self.ours().await?;
                self.stop(&machine.id).await;
            }
            Mess::MachineInError => {
                let machine = self.ours().await?;
                self.may_lose(&machine)?;
                self.stop(&machine.id).await;
                let fault = Faults::seeded(1).machine("*", When::nth(1), MachineFault::Error);
                self.bench.zone.set_faults(&fault);
                let _ = client.run(&StartVirtualMachine::new(&machine.id), Expect::Long, soon()).await;
                self.bench.zone.set_faults(&Faults::default());
            }
            Mess::TagGone => {
                let network = self.network().await?;
                // Without its host key nobody knows who made a machine: it is left as it is, and not this story.
                let keys = network.tags.iter().map(|tag| tag.key.clone());
                let key = self.any(keys.filter(|key| !key.starts_with("mesostack.hostkey.")).collect())?;
                let command = DeleteTags::new(vec![network.id.clone()], "Network");
                let _ = client.run(&command.tags(TagList::keys(vec![key])), Expect::Brief, soon()).await;
            }
            Mess::ForwardGone => {
                let rules = client.list(&ListPortForwardingRules::new()).await.expect("a list");
                let rule = self.any_of_ours(rules.into_iter().map(|rule| rule.id))?;
                let _ = client.run(&DeletePortForwardingRule::new(&rule), Expect::Brief, soon()).await;
            }
            Mess::FirewallRuleGone => {
                let rules = client.list(&ListFirewallRules::new()).await.expect("a list");
                let rule = self.any_of_ours(rules.into_iter().map(|rule| rule.id))?;
                let _ = client.run(&DeleteFirewallRule::new(&rule), Expect::Brief, soon()).await;
            }
            Mess::EgressRuleGone => {
                let rules = client.list(&ListEgressFirewallRules::new()).await.expect("a list");
                let rule = self.any_of_ours(rules.into_iter().map(|rule| rule.id))?;
                let _ = client.run(&DeleteEgressFirewallRule::new(&rule), Expect::Brief, soon()).await;
            }
            Mess::BalancerGone => {
                let rules = client.list(&ListLoadBalancerRules::new()).await.expect("a list");
                let rule = self.any_of_ours(rules.into_iter().map(|rule| rule.id))?;
                let _ = client.run(&DeleteLoadBalancerRule::new(&rule), Expect::Brief, soon()).await;
            }
            Mess::MemberGone => {
                let rules = client.list(&ListLoadBalancerRules::new()).await.expect("a list");
                let rule = self.any_of_ours(rules.into_iter().map(|rule| rule.id))?;
                let members = client.list(&ListLoadBalancerRuleInstances::new(&rule)).await.expect("a list");
                let member = self.any(members)?;
                let command = RemoveFromLoadBalancerRule::new(&rule, vec![member.id]);
                let _ = client.run(&command, Expect::Brief, soon()).await;
            }
            Mess::RuleDoubled => {
                // The same port for somebody else: more than the file allows.
                let command = CreateFirewallRule::new(self.address().await?, Protocol::Tcp)
                    .start_port(5050_u16)
                    .end_port(5050_u16)
                    .cidr_list([format!("192.168.{number}.0/24")]);
                let _ = client.run(&command, Expect::Brief, soon()).await;
            }
            Mess::ForeignMachine => {
                let network = self.network().await?;
                let offerings = client.list(&ListServiceOfferings::new()).await.expect("a list");
                let templates = client.list(&ListTemplates::new(TemplateFilter::Executable)).await;
                let template = templates.expect("a list").into_iter().next()?.id;
                let command = DeployVirtualMachine::new(&network.zone_id, &offerings.first()?.id)
                    .template_id(&template)
                    .name(format!("theirs-{number}"))
                    .start_vm(self.random.random::<bool>())
                    .network_ids([&network.id]);
                let machine = client.run(&command, Expect::Long, soon()).await.ok()?;
                self.foreign.insert(machine.id.to_string());
            }
            Mess::ForeignForward => {
                let (address, network) = (self.address().await?, self.network().await?);
                let machines = client.list(&ListVirtualMachines::new()).await.expect("a list");
                let theirs =
                    machines.into_iter().filter(|machine| self.foreign.contains(machine.id.as_str()));
                let machine = self.any(theirs.collect())?.id;
                let command =
                    CreatePortForwardingRule::new(&address, Protocol::Tcp, 9000 + number, &machine, 80_u16)
                        .open_firewall(false)
                        .network_id(&network.id);
                let rule = client.run(&command, Expect::Brief, soon()).await.ok()?;
                self.foreign.insert(rule.id.to_string());
            }
            Mess::ForeignFirewallRule => {
                let command = CreateFirewallRule::new(self.address().await?, Protocol::Tcp)
                    .start_port(9000 + number)
                    .end_port(9000 + number)
                    .cidr_list(["192.0.2.0/24"]);
                let rule = client.run(&command, Expect::Brief, soon()).await.ok()?;
                self.foreign.insert(rule.id.to_string());
            }
            Mess::ForeignBalancer => {
                let (address, network) = (self.address().await?, self.network().await?);
                let (port, way) = (9500 + number, Algorithm::RoundRobin);
                let command =
                    CreateLoadBalancerRule::new(format!("theirs-{number}"), &address, port, 80_u16, way)
                        .network_id(&network.id)
                        .protocol("tcp")
                        .open_firewall(false);
                let rule = client.run(&command, Expect::Brief, soon()).await.ok()?;
                self.foreign.insert(rule.id.to_string());
            }
            Mess::ForeignMember => {
                let rules = client.list(&ListLoadBalancerRules::new()).await.expect("a list");
                let rule = self.any_of_ours(rules.into_iter().map(|rule| rule.id))?;
                let machines = client.list(&ListVirtualMachines::new()).await.expect("a list");
                let theirs =
                    machines.into_iter().filter(|machine| self.foreign.contains(machine.id.as_str()));
                let machine = self.any(theirs.collect())?.id;
                let command = AssignToLoadBalancerRule::new(&rule, vec![machine]);
                client.run(&command, Expect::Brief, soon()).await.ok()?;
            }
            Mess::ForeignNetwork => {
                let zone = client.list(&ListZones::new()).await.expect("a list").remove(0);
                let offerings = client.list(&ListNetworkOfferings::new()).await.expect("a list");
                let isolated = |offering: &&NetworkOffering| {
                    offering.name.starts_with("DefaultIsolatedNetworkOfferingWithSource")
                };
                let offering = offerings.iter().find(isolated)?;
                let command = CreateNetwork::new(format!("theirs-{number}"), &offering.id, &zone.id);
                self.foreign.insert(client.call(&command).await.expect("a network").id.to_string());
            }
        }
        Some(())
    }

    /// What is not the cluster's, as it is now.
    async fn theirs(&self) -> BTreeMap<String, Value> {
        let things = things(self.bench).await;
        let mut theirs: BTreeMap<String, Value> =
            things.into_iter().filter(|(id, _)| self.foreign.contains(id)).collect();
        // A machine's interface tells its network's VLAN as soon as the network is awake: that is the network's.
        for nic in theirs.values_mut().filter_map(|thing| thing["nic"].as_array_mut()).flatten() {
            for vlan in ["broadcasturi", "isolationuri"] {
                nic.as_object_mut().map(|nic| nic.remove(vlan));
            }
        }
        let rules = self.client.list(&ListLoadBalancerRules::new()).await.expect("a list");
        for rule in rules {
            let members =
                self.client.list(&ListLoadBalancerRuleInstances::new(&rule.id)).await.expect("a list");
            let members = members.iter().filter(|member| self.foreign.contains(member.id.as_str()));
            theirs.extend(members.map(|member| (format!("{} behind {}", member.id, rule.id), Value::Null)));
        }
        theirs
    }
}

fn asked_for((masters, agents): (u16, u16), behind: bool) -> String {
    if behind { file_behind(masters, agents) } else { file(masters, agents) }
}

async fn play(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let then = (random.random_range(1..=5), random.random_range(0..=8));
    let before = (random.random_range(1..=then.0), random.random_range(0..=then.1));
    let (was_behind, behind) = (random.random(), random.random());
    let bench = Bench::new().await;
    bench.nodes.careless.store(true, std::sync::atomic::Ordering::Relaxed);
    bench.nodes.voters.lock().expect("no panic").meddled = true;
    let masters = before.0;
    let before = asked_for(before, was_behind);
    // Begun from nothing, from a run that stopped halfway, or from a whole cluster.
    match random.random_range(0..6) {
        0 => {}
        1 | 2 => {
            let asked = (&before).into();
            let attempt = bench.attempt(bench.client(), Some(&asked), &asked);
            let _ = mortal(random.random_range(1..150), attempt).await;
            sleep(RESTART).await;
        }
        _ => drop(bench.apply(&before).await),
    }
    let (client, messes) = (bench.client(), random.random_range(0..=6));
    let mut meddler = Meddler {
        bench: &bench,
        client,
        random,
        foreign: BTreeSet::new(),
        masters_to_lose: (masters.div_ceil(2) - 1).max(u16::from(masters == 1)),
    };
    let mut done = Vec::new();
    for number in 0..messes {
        let mess = ALL[meddler.random.random_range(0..ALL.len())];
        if meddler.meddle(mess, number).await.is_some() {
            done.push(mess);
        }
    }
    let (mut file, theirs) = (asked_for(then, behind), meddler.theirs().await);
    let (plan, ..) = bench.plan(&bench.client(), &file).await;
    if plan.obstacles.iter().any(|obstacle| obstacle.path == "cluster.masters") {
        // Masters are taken in only while all of them serve: the mess is put right with those there were. One stays alone.
        assert_eq!(plan.obstacles.len(), 1, "{plan}");
        let mended = asked_for((masters, then.1), behind);
        bench.apply(&mended).await;
        if masters == 1 {
            file = mended;
        }
    }
    let at = format!("seed {seed}: {then:?} behind {behind} after {before:?} and {done:?}");
    let applied = bench.apply_over(bench.client(), &file).await;
    applied.unwrap_or_else(|error| panic!("{at}: {error}: {:#?}", error.failures));
    let (plan, desired, observed) = bench.plan(&bench.client(), &file).await;
    assert!(plan.is_empty() && plan.obstacles.is_empty(), "{at}: {plan}");
    let running = desired.machines.iter().filter(|machine| {
        let machine = observed.machine(&machine.host_name).expect("it is there");
        bench.simulator.machine(machine.named.id.as_str().parse().expect("an id")).is_some()
    });
    assert_eq!(running.count(), desired.machines.len(), "{at}");
    assert_eq!(meddler.theirs().await, theirs, "{at}");
    let things = theirs.keys().filter(|id| meddler.foreign.contains(*id));
    assert_eq!(things.count(), meddler.foreign.len(), "{at}");
}

async fn play_all(thread: u64) {
    let mut scenes = 0;
    for seed in seeds(40, thread) {
        play(seed).await;
        scenes += 1;
    }
    println!("{scenes} scenes, each put right");
    note("messes", scenes);
}

#[tokio::test(start_paused = true)]
async fn any_cluster_comes_out_of_any_mess_and_nothing_foreign_is_touched_even_seeds() {
    play_all(0).await;
}

#[tokio::test(start_paused = true)]
async fn any_cluster_comes_out_of_any_mess_and_nothing_foreign_is_touched_odd_seeds() {
    play_all(1).await;
}
