//! What the zone's history says of each command: a table, in which every command that changes something has its row, since
//! one without a row does not compile. Types and texts are a CloudStack 4.23's: those of machines, their root volumes and
//! affinity groups as recorded there, the others as its source has them, as far as that could be read.

use uuid::Uuid;

/// What events say of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed {
    command: &'static str,
    /// The events' type: `VM.START`; empty for a command that leaves no events.
    pub(crate) kind: &'static str,
    /// What kind of thing it is done to, for a command that is no job; a job says itself.
    pub(crate) about: Option<&'static str>,
    /// What is said when a job is accepted, `{}` standing for the id of what it is about.
    scheduled: &'static str,
    /// What was done when the job had been accepted, where something was: `creating volume`.
    made: Option<&'static str>,
    /// What is being done: `starting Vm`.
    doing: &'static str,
    /// To what: `Instance ID: {}`.
    details: &'static str,
    /// Whether a job says when it begins, and not only how it ended.
    pub(crate) begins: bool,
}

impl Deed {
    /// A job. Whether it says when it begins, and to what it is done, is said with [`Deed::begun`] and [`Deed::to`].
    const fn job(
        command: &'static str,
        kind: &'static str,
        scheduled: &'static str,
        doing: &'static str,
    ) -> Self {
        Self { command, kind, about: None, scheduled, made: None, doing, details: "", begins: false }
    }

    /// A command that is done when it is answered.
    const fn done(
        command: &'static str,
        kind: &'static str,
        about: &'static str,
        doing: &'static str,
    ) -> Self {
        Self { about: Some(about), ..Self::job(command, kind, "", doing) }
    }

    /// A command that the history says nothing of.
    const fn silent(command: &'static str) -> Self {
        Self::job(command, "", "", "")
    }

    /// Of a user's coming and going, which no command of the table is.
    pub(super) const fn of_session(kind: &'static str) -> Self {
        Self::done("", kind, "User", "")
    }

    const fn begun(self) -> Self {
        Self { begins: true, ..self }
    }

    const fn made(self, made: &'static str) -> Self {
        Self { made: Some(made), ..self }
    }

    const fn to(self, details: &'static str) -> Self {
        Self { details, ..self }
    }

    /// The row of a command that changes something. Used where commands are declared, so that a missing row is found when
    /// the program is compiled.
    pub(super) const fn of(command: &'static str) -> &'static Self {
        let mut row = 0;
        while row < DEEDS.len() {
            if same(DEEDS[row].command, command) {
                return &DEEDS[row];
            }
            row += 1;
        }
        panic!("a command that changes something has no row in the table of deeds")
    }

    /// What is said when the job is accepted.
    pub(crate) fn scheduled(&self, id: Option<Uuid>) -> String {
        fill(self.scheduled, id)
    }

    /// What is said of the thing that was made when the job was accepted.
    pub(crate) fn created(&self, id: Option<Uuid>) -> Option<String> {
        Some(format!("Successfully created entity for {}", self.with_details(self.made?, id)))
    }

    /// What is said when it begins.
    pub(crate) fn started(&self, id: Option<Uuid>) -> String {
        let text = self.with_details(self.doing, id);
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }

    /// What is said when it is over.
    pub(crate) fn ended(&self, id: Option<Uuid>, well: bool) -> String {
        let how = if well { "Successfully completed" } else { "Error while" };
        format!("{how} {}", self.with_details(self.doing, id))
    }

    fn with_details(&self, doing: &str, id: Option<Uuid>) -> String {
        match id {
            Some(_) if !self.details.is_empty() => format!("{doing}. {}", fill(self.details, id)),
            _ => doing.to_owned(),
        }
    }
}

/// The types of events that commands leave.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    DEEDS.iter().map(|deed| deed.kind).filter(|kind| !kind.is_empty())
}

fn fill(text: &str, id: Option<Uuid>) -> String {
    text.replace("{}", &id.map_or_else(|| "null".to_owned(), |id| id.to_string()))
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

const VM: &str = "VirtualMachine";
const INSTANCE: &str = "Instance ID: {}";
const VOLUME: &str = "Volume ID: {}";
const RULE: &str = "Rule ID: {}";
const BALANCER: &str = "Load balancer ID: {}";

#[rustfmt::skip] // A row a line, as far as it goes: it is read as a table.
const DEEDS: &[Deed] = &[
    // Machines.
    Deed::job("deployVirtualMachine", "VM.CREATE", "Starting Instance with ID: {}", "deploying Vm").begun().to(INSTANCE),
    Deed::job("startVirtualMachine", "VM.START", "Starting User Instance with ID: {}", "starting Vm").begun().to(INSTANCE),
    Deed::job("stopVirtualMachine", "VM.STOP", "Stopping User Instance with ID: {}", "stopping Vm").begun().to(INSTANCE),
    Deed::job("rebootVirtualMachine", "VM.REBOOT", "Rebooting User Instance with ID: {}", "rebooting Vm").begun().to(INSTANCE),
    Deed::job("destroyVirtualMachine", "VM.DESTROY", "Destroying Instance with ID: {}", "destroying Vm").begun().to(INSTANCE),
    Deed::job("expungeVirtualMachine", "VM.EXPUNGE", "Expunging Instance with ID: {}", "expunging Vm").begun().to(INSTANCE),
    Deed::done("recoverVirtualMachine", "VM.RECOVER", VM, "recovering Vm").to(INSTANCE),
    Deed::job("restoreVirtualMachine", "VM.RESTORE", "Restoring Instance with ID: {}", "restoring Vm").begun().to(INSTANCE),
    Deed::done("updateVirtualMachine", "VM.UPDATE", VM, "updating Vm").to(INSTANCE),
    Deed::done("changeServiceForVirtualMachine", "VM.UPGRADE", VM, "upgrading Vm").to(INSTANCE),
    Deed::job("scaleVirtualMachine", "VM.UPGRADE", "Upgrading Instance with ID: {}", "scaling Vm").begun().to(INSTANCE),
    Deed::done("resetUserDataForVirtualMachine", "VM.RESETUSERDATA", VM, "resetting Vm userdata").to(INSTANCE),
    Deed::job("resetSSHKeyForVirtualMachine", "VM.RESETSSHKEY", "Resetting SSH key for Instance with ID: {}", "resetting Vm SSHKey").begun().to(INSTANCE),
    Deed::job("resetPasswordForVirtualMachine", "VM.RESETPASSWORD", "Resetting password for Instance with ID: {}", "resetting Vm password").begun().to(INSTANCE),
    Deed::done("assignVirtualMachine", "VM.MOVE", VM, "move VM to another user").to(INSTANCE),
    Deed::job("migrateVirtualMachine", "VM.MIGRATE", "Attempting to migrate Instance with ID: {}", "migrating VM").begun().to(INSTANCE),
    Deed::job("addNicToVirtualMachine", "NIC.CREATE", "Adding a NIC to Instance with ID: {}", "Creating Nic").begun().to(INSTANCE),
    Deed::job("removeNicFromVirtualMachine", "NIC.DELETE", "Removing a NIC from Instance with ID: {}", "Removing Nic").begun().to(INSTANCE),
    Deed::job("updateDefaultNicForVirtualMachine", "NIC.UPDATE", "Updating the default NIC of Instance with ID: {}", "Creating Nic").begun().to(INSTANCE),
    Deed::job("addIpToNic", "NIC.SECONDARY.IP.ASSIGN", "Associating IP to NIC with ID: {}", "assigning secondary ip to nic").made("assigning secondary ip to nic"),
    Deed::job("removeIpFromNic", "NIC.SECONDARY.IP.UNASSIGN", "Disassociating IP address with ID: {}", "Removing secondary ip from nic").begun(),
    Deed::job("updateVmNicIp", "NIC.SECONDARY.IP.CONFIGURE", "Configuring IP of NIC with ID: {}", "Configuring IP of nic").begun(),
    Deed::job("createAffinityGroup", "AG.CREATE", "Creating Affinity Group", "Creating Affinity Group").made("Creating Affinity Group"),
    Deed::job("deleteAffinityGroup", "AG.DELETE", "Deleting Affinity Group with ID: null", "Deleting affinity group"),
    Deed::job("updateVMAffinityGroup", "VM.AG.UPDATE", "Updating Affinity Groups of Instance with ID: {}", "updating VM affinity groups").to(INSTANCE),
    Deed::silent("createInstanceGroup"),
    Deed::silent("updateInstanceGroup"),
    Deed::silent("deleteInstanceGroup"),
    Deed::done("createSSHKeyPair", "REGISTER.SSH.KEYPAIR", "SSHKeyPair", "creating ssh keypair"),
    Deed::done("registerSSHKeyPair", "REGISTER.SSH.KEYPAIR", "SSHKeyPair", "registering ssh keypair"),
    Deed::silent("deleteSSHKeyPair"),
    Deed::done("registerUserData", "REGISTER.USER.DATA", "UserData", "registering userdata"),
    Deed::silent("deleteUserData"),
    // Networks, addresses and rules.
    Deed::done("createNetwork", "NETWORK.CREATE", "Network", "creating network").to("Network ID: {}"),
    Deed::job("updateNetwork", "NETWORK.UPDATE", "Updating Network: {}", "updating network").begun(),
    Deed::job("restartNetwork", "NETWORK.RESTART", "Restarting Network: {}", "restarting network").begun(),
    Deed::job("deleteNetwork", "NETWORK.DELETE", "Deleting Network: {}", "deleting network").begun(),
    Deed::job("associateIpAddress", "NET.IPASSIGN", "Associating IP with ID: {}", "associating Ip").made("allocating Ip").begun().to("IP ID: {}"),
    Deed::job("disassociateIpAddress", "NET.IPRELEASE", "Disassociating IP address with ID: {}", "disassociating Ip").begun().to("IP ID: {}"),
    Deed::done("enableStaticNat", "STATICNAT.ENABLE", "VirtualMachine", "enabling static nat"),
    Deed::job("disableStaticNat", "STATICNAT.DISABLE", "Disabling static NAT", "disabling static nat").begun(),
    Deed::job("createPortForwardingRule", "NET.RULEADD", "Applying port forwarding rule with ID: {}", "applying port forwarding rule").made("creating port forwarding rule").begun().to(RULE),
    Deed::job("updatePortForwardingRule", "NET.RULEMODIFY", "Updating port forwarding rule with ID: {}", "updating forwarding rule").begun().to(RULE),
    Deed::job("deletePortForwardingRule", "NET.RULEDELETE", "Deleting port forwarding rule with ID: {}", "revoking forwarding rule").begun().to(RULE),
    Deed::job("createIpForwardingRule", "NET.RULEADD", "Applying an IP forwarding 1:1 NAT rule with ID: {}", "applying static nat rule").made("creating static nat rule").begun().to(RULE),
    Deed::job("deleteIpForwardingRule", "NET.RULEDELETE", "Deleting an IP forwarding 1:1 NAT rule with ID: {}", "revoking forwarding rule").begun().to(RULE),
    Deed::job("createFirewallRule", "FIREWALL.OPEN", "Creating firewall rule with ID: {}", "creating firewall rule").made("creating firewall rule").begun().to(RULE),
    Deed::job("updateFirewallRule", "FIREWALL.UPDATE", "Updating firewall rule with ID: {}", "updating firewall rule").begun().to(RULE),
    Deed::job("deleteFirewallRule", "FIREWALL.CLOSE", "Deleting firewall rule with ID: {}", "revoking firewall rule").begun().to(RULE),
    Deed::job("createEgressFirewallRule", "FIREWALL.EGRESS.OPEN", "Creating firewall rule with ID: {}", "creating egress firewall rule").made("creating egress firewall rule for network").begun().to(RULE),
    Deed::job("updateEgressFirewallRule", "FIREWALL.EGRESS.UPDATE", "Updating egress firewall rule with ID: {}", "updating egress firewall rule").begun().to(RULE),
    Deed::job("deleteEgressFirewallRule", "FIREWALL.EGRESS.CLOSE", "Deleting egress firewall rule with ID: {}", "revoking egress firewall rule").begun().to(RULE),
    Deed::job("createLoadBalancerRule", "LB.CREATE", "Creating load balancer with ID: {}", "creating load balancer").to(BALANCER),
    Deed::job("updateLoadBalancerRule", "LB.UPDATE", "Updating load balancer rule", "updating load balancer").begun().to(BALANCER),
    Deed::job("deleteLoadBalancerRule", "LB.DELETE", "Deleting load balancer with ID: {}", "deleting load balancer").begun().to(BALANCER),
    Deed::job("assignToLoadBalancerRule", "LB.ASSIGN.TO.RULE", "Applying Instances for load balancer with ID: {}", "assigning to load balancer").begun().to(BALANCER),
    Deed::job("removeFromLoadBalancerRule", "LB.REMOVE.FROM.RULE", "Removing Instances from load balancer with ID: {}", "removing from load balancer").begun().to(BALANCER),
    Deed::job("createLBStickinessPolicy", "LB.STICKINESSPOLICY.CREATE", "Creating a load balancer stickiness policy with ID: {}", "Apply Stickinesspolicy to load balancer").made("create lb stickinesspolicy to load balancer").begun(),
    Deed::job("updateLBStickinessPolicy", "LB.STICKINESSPOLICY.UPDATE", "Updating load balancer stickiness policy", "updating lb stickinesspolicy").begun(),
    Deed::job("deleteLBStickinessPolicy", "LB.STICKINESSPOLICY.DELETE", "Deleting load balancer stickiness policy with ID: {}", "revoking LB Stickiness policy").begun(),
    Deed::job("createLBHealthCheckPolicy", "LB.HEALTHCHECKPOLICY.CREATE", "Creating a load balancer health check policy with ID: {}", "Apply HealthCheckPolicy to load balancer").begun(),
    Deed::job("updateLBHealthCheckPolicy", "LB.HEALTHCHECKPOLICY.UPDATE", "Updating load balancer health check policy", "updating lb healthcheckpolicy").begun(),
    Deed::job("deleteLBHealthCheckPolicy", "LB.HEALTHCHECKPOLICY.DELETE", "Deleting load balancer health check policy with ID: {}", "revoking LB HealthCheck policy").begun(),
    // Templates.
    Deed::job("createTemplate", "TEMPLATE.CREATE", "Creating Template with ID: {}", "creating template").made("creating template").begun(),
    Deed::done("registerTemplate", "TEMPLATE.CREATE", "Template", "creating template"),
    Deed::done("updateTemplate", "TEMPLATE.UPDATE", "Template", "updating template"),
    Deed::job("deleteTemplate", "TEMPLATE.DELETE", "Deleting Template with ID: {}", "deleting template").begun().to("Template ID: {}"),
    Deed::done("updateTemplatePermissions", "TEMPLATE.UPDATE", "Template", "updating template permissions"),
    Deed::job("copyTemplate", "TEMPLATE.COPY", "Copying Template with ID: {}", "copying template").begun(),
    Deed::job("extractTemplate", "TEMPLATE.EXTRACT", "Extracting Template with ID: {}", "extracting template").begun(),
    Deed::done("linkUserDataToTemplate", "TEMPLATE.UPDATE", "Template", "linking userdata to template"),
    Deed::done("registerIso", "ISO.CREATE", "Iso", "creating iso"),
    Deed::done("updateIso", "ISO.UPDATE", "Iso", "updating iso"),
    Deed::job("deleteIso", "ISO.DELETE", "Deleting ISO with ID: {}", "deleting iso").begun().to("ISO ID: {}"),
    Deed::done("updateIsoPermissions", "ISO.UPDATE", "Iso", "updating iso permissions"),
    Deed::job("copyIso", "ISO.COPY", "Copying ISO with ID: {}", "copying iso").begun(),
    Deed::job("extractIso", "ISO.EXTRACT", "Extracting ISO with ID: {}", "extracting iso").begun(),
    Deed::job("attachIso", "ISO.ATTACH", "Attaching ISO to Instance with ID: {}", "attaching iso").begun().to(INSTANCE),
    Deed::job("detachIso", "ISO.DETACH", "Detaching ISO from Instance with ID: {}", "detaching iso").begun().to(INSTANCE),
    // Volumes.
    Deed::job("createVolume", "VOLUME.CREATE", "Creating volume with ID: {}", "creating volume").made("creating volume").begun().to(VOLUME),
    Deed::job("attachVolume", "VOLUME.ATTACH", "Attaching volume with ID: {}", "attaching volume").begun().to(VOLUME),
    Deed::job("detachVolume", "VOLUME.DETACH", "Detaching volume with ID: {}", "detaching volume").begun().to(VOLUME),
    Deed::job("resizeVolume", "VOLUME.RESIZE", "Resizing volume with ID: {}", "resizing volume").begun().to(VOLUME),
    Deed::job("updateVolume", "VOLUME.UPDATE", "Updating volume with ID: {}", "updating volume").begun().to(VOLUME),
    Deed::done("deleteVolume", "VOLUME.DELETE", "Volume", "deleting volume").to(VOLUME),
    Deed::job("destroyVolume", "VOLUME.DESTROY", "Destroying volume with ID: {}", "destroying a volume").to(VOLUME),
    Deed::done("recoverVolume", "VOLUME.RECOVER", "Volume", "recovering a volume in Destroy state").to(VOLUME),
    Deed::job("createSnapshot", "SNAPSHOT.CREATE", "Creating snapshot with ID: {}", "creating snapshot").made("allocating snapshot").begun(),
    Deed::job("revertSnapshot", "SNAPSHOT.REVERT", "Reverting snapshot with ID: {}", "reverting snapshot").begun(),
    Deed::job("deleteSnapshot", "SNAPSHOT.DELETE", "Deleting snapshot with ID: {}", "deleting snapshot").begun(),
    // What is said of things.
    Deed::job("createTags", "CREATE_TAGS", "Creating tags", "creating resource tags"),
    Deed::job("deleteTags", "DELETE_TAGS", "Deleting tags", "deleting resource tags"),
    Deed::job("addResourceDetail", "CREATE_RESOURCE_DETAILS", "Adding Resource details", "creating resource meta data"),
    Deed::job("removeResourceDetail", "DELETE_RESOURCE_DETAILS", "Removing Resource details", "deleting resource meta data"),
    Deed::silent("archiveEvents"),
    Deed::silent("deleteEvents"),
    // Accounts, users, domains and projects.
    Deed::done("createAccount", "ACCOUNT.CREATE", "Account", "creating Account"),
    Deed::done("updateAccount", "ACCOUNT.UPDATE", "Account", "updating account"),
    Deed::done("enableAccount", "ACCOUNT.ENABLE", "Account", "enabling account"),
    Deed::done("lockAccount", "ACCOUNT.DISABLE", "Account", "locking account"),
    Deed::job("disableAccount", "ACCOUNT.DISABLE", "Disabling Account with ID: {}", "disabling account").begun(),
    Deed::job("deleteAccount", "ACCOUNT.DELETE", "Deleting Account with ID: {}", "deleting account").begun(),
    Deed::done("createUser", "USER.CREATE", "User", "creating User"),
    Deed::done("updateUser", "USER.UPDATE", "User", "Updating User"),
    Deed::done("deleteUser", "USER.DELETE", "User", "deleting User"),
    Deed::done("enableUser", "USER.ENABLE", "User", "enabling User"),
    Deed::done("lockUser", "USER.LOCK", "User", "locking User"),
    Deed::job("disableUser", "USER.DISABLE", "Disabling User with ID: {}", "disabling User").begun(),
    Deed::done("registerUserKeys", "REGISTER.USER.KEY", "User", "register for the developer API keys"),
    Deed::done("createDomain", "DOMAIN.CREATE", "Domain", "creating Domain"),
    Deed::done("updateDomain", "DOMAIN.UPDATE", "Domain", "updating Domain"),
    Deed::job("deleteDomain", "DOMAIN.DELETE", "Deleting domain with ID: {}", "deleting Domain").begun(),
    Deed::job("createProject", "PROJECT.CREATE", "Creating project with ID: {}", "creating project").made("creating project").begun(),
    Deed::job("updateProject", "PROJECT.UPDATE", "Updating project with ID: {}", "updating project").begun(),
    Deed::job("activateProject", "PROJECT.ACTIVATE", "Activating project with ID: {}", "activating project").begun(),
    Deed::job("suspendProject", "PROJECT.SUSPEND", "Suspending project with ID: {}", "suspending project").begun(),
    Deed::job("deleteProject", "PROJECT.DELETE", "Deleting project with ID: {}", "deleting project").begun(),
    Deed::job("addAccountToProject", "PROJECT.ACCOUNT.ADD", "Adding Account to project with ID: {}", "adding account to project").begun(),
    Deed::job("deleteAccountFromProject", "PROJECT.ACCOUNT.REMOVE", "Removing Account from project with ID: {}", "removing account from project").begun(),
    Deed::done("updateResourceLimit", "RESOURCE.LIMIT.UPDATE", "Account", "updating resource limits"),
    Deed::silent("updateResourceCount"),
    // The zone's own.
    Deed::done("updateConfiguration", "CONFIGURATION.VALUE.EDIT", "None", "updating configuration"),
    Deed::done("createServiceOffering", "SERVICE.OFFERING.CREATE", "ServiceOffering", "creating service offering"),
    Deed::done("updateServiceOffering", "SERVICE.OFFERING.EDIT", "ServiceOffering", "updating service offering"),
    Deed::done("deleteServiceOffering", "SERVICE.OFFERING.DELETE", "ServiceOffering", "deleting service offering"),
    Deed::done("createDiskOffering", "DISK.OFFERING.CREATE", "DiskOffering", "creating disk offering"),
    Deed::done("updateDiskOffering", "DISK.OFFERING.EDIT", "DiskOffering", "updating disk offering"),
    Deed::done("deleteDiskOffering", "DISK.OFFERING.DELETE", "DiskOffering", "deleting disk offering"),
    Deed::done("createNetworkOffering", "NETWORK.OFFERING.CREATE", "NetworkOffering", "creating network offering"),
    Deed::done("updateNetworkOffering", "NETWORK.OFFERING.EDIT", "NetworkOffering", "updating network offering"),
    Deed::done("deleteNetworkOffering", "NETWORK.OFFERING.DELETE", "NetworkOffering", "deleting network offering"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_those_that_were_recorded() {
        let id = Some(Uuid::nil());
        let starting = Deed::of("startVirtualMachine");
        assert_eq!(
            starting.scheduled(id),
            "Starting User Instance with ID: 00000000-0000-0000-0000-000000000000"
        );
        assert_eq!(starting.started(id), "Starting Vm. Instance ID: 00000000-0000-0000-0000-000000000000");
        assert_eq!(
            starting.ended(id, true),
            "Successfully completed starting Vm. Instance ID: 00000000-0000-0000-0000-000000000000"
        );
        let deleting = Deed::of("deleteAffinityGroup");
        assert_eq!(deleting.scheduled(id), "Deleting Affinity Group with ID: null");
        assert_eq!(deleting.ended(id, false), "Error while Deleting affinity group");
    }

    #[test]
    fn a_row_is_of_a_command_that_there_is_and_stands_there_once() {
        for (at, deed) in DEEDS.iter().enumerate() {
            assert!(super::super::named(deed.command).is_some(), "{} is no command", deed.command);
            assert!(DEEDS[..at].iter().all(|earlier| earlier.command != deed.command), "{}", deed.command);
        }
    }
}
