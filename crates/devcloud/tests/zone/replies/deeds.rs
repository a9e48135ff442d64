//! What is done to things that are there already: each recorded change and removal, for the fields of its answer.

use super::{FETCHED, Furnished};
use crate::kit::{borrowed, text};

impl Furnished {
    /// A root admin's call; what its answer, or its job's result, has in it.
    async fn ask_as_admin(&mut self, command: &str, parameters: &[(&str, &str)]) -> serde_json::Value {
        let parameters = self.filled(parameters);
        let admin = self.world.admin();
        let mut inside = admin.call(command, &borrowed(&parameters, &[])).await;
        if let Some(job) = inside["jobid"].as_str() {
            inside = admin.wait(job).await["jobresult"].clone();
        }
        self.answered.learn(command, "admin", "", &inside);
        inside
    }

    /// The first of a list, under this name from now on.
    async fn find(&mut self, name: &'static str, list: &str, object: &str) {
        let found = self.ask(list, &[]).await[object][0]["id"].clone();
        assert!(found.is_string(), "{list} finds nothing");
        self.put(name, &found);
    }

    /// Everything that was recorded of what is there, and its end.
    pub(super) async fn change(&mut self) {
        self.find("forward", "listPortForwardingRules", "portforwardingrule").await;
        self.find("rule", "listFirewallRules", "firewallrule").await;
        self.find("egress", "listEgressFirewallRules", "firewallrule").await;
        self.find("snapshot", "listSnapshots", "snapshot").await;
        let bigger = self.alice.offering_id("t1.medium").await;
        self.things.push(("bigger", bigger));
        self.ask("updateFirewallRule", &[("id", "{rule}"), ("fordisplay", "true")]).await;
        self.ask("updatePortForwardingRule", &[("id", "{forward}"), ("privateport", "2222")]).await;
        self.ask("updateVirtualMachine", &[("id", "{vm2}"), ("displayname", "VM two")]).await;
        let change = [("id", "{vm2}"), ("serviceofferingid", "{bigger}")];
        self.ask("changeServiceForVirtualMachine", &change).await;
        self.ask("scaleVirtualMachine", &[("id", "{vm2}"), ("serviceofferingid", "{offering}")]).await;
        self.ask("resetSSHKeyForVirtualMachine", &[("id", "{vm2}"), ("keypair", "kp1")]).await;
        self.ask("getVirtualMachineUserData", &[("virtualmachineid", "{vm1}")]).await;
        self.ask("rebootVirtualMachine", &[("id", "{vm1}")]).await;
        self.ask("restartNetwork", &[("id", "{network}")]).await;
        self.ask("startVirtualMachine", &[("id", "{vm2}")]).await;
        self.ask("registerTemplate", &FETCHED).await;
        self.ask("updateTemplatePermissions", &[("id", "{golden}"), ("isextractable", "true")]).await;
        self.ask("listTemplatePermissions", &[("id", "{golden}")]).await;
        let user = text(&self.ask("listUsers", &[]).await["user"][0]["id"]);
        self.things.push(("user", user));
        self.ask_as_admin("getUserKeys", &[("id", "{user}")]).await;
        let keys = self.ask_as_admin("registerUserKeys", &[("id", "{user}")]).await["userkeys"].clone();
        self.alice.keys.api_key = text(&keys["apikey"]);
        self.alice.keys.secret_key = text(&keys["secretkey"]).into();
        let person = [
            ("username", "bob"),
            ("password", "secret"),
            ("email", "bob@example.org"),
            ("firstname", "Bob"),
            ("lastname", "User"),
            ("accounttype", "0"),
        ];
        self.ask_as_admin("createAccount", &person).await;
        self.remove().await;
    }

    async fn remove(&mut self) {
        let tag = [("resourceids", "{vm1}"), ("resourcetype", "UserVm"), ("tags[0].key", "env")];
        self.ask("deleteTags", &tag).await;
        self.ask("removeFromLoadBalancerRule", &[("id", "{lb}"), ("virtualmachineids", "{vm1}")]).await;
        for (command, thing) in [
            ("deleteLoadBalancerRule", "{lb}"),
            ("deletePortForwardingRule", "{forward}"),
            ("deleteFirewallRule", "{rule}"),
            ("deleteEgressFirewallRule", "{egress}"),
            ("disassociateIpAddress", "{address}"),
            ("deleteSnapshot", "{snapshot}"),
            ("deleteTemplate", "{golden}"),
            ("deleteAffinityGroup", "{group}"),
            ("destroyVirtualMachine", "{vm2}"),
        ] {
            self.ask(command, &[("id", thing)]).await;
        }
        self.ask("deleteSSHKeyPair", &[("name", "kp2")]).await;
        self.ask_as_admin("recoverVirtualMachine", &[("id", "{vm2}")]).await;
        self.ask("destroyVirtualMachine", &[("id", "{vm2}")]).await;
        self.ask_as_admin("expungeVirtualMachine", &[("id", "{vm2}")]).await;
        let allowed = [("name", "allow.user.expunge.recover.vm"), ("value", "true")];
        self.ask_as_admin("updateConfiguration", &allowed).await;
        self.ask("destroyVirtualMachine", &[("id", "{vm1}")]).await;
        self.ask("expungeVirtualMachine", &[("id", "{vm1}")]).await;
        self.ask("deleteNetwork", &[("id", "{asleep}")]).await;
    }
}
