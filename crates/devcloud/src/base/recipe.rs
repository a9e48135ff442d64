//! What the base template is made of.

use sha2::{Digest, Sha256};

use super::host_packages::HostPackages;

/// Packages beside Debian's required ones. `netbase` and `wget` are what cloud-init and many packages take for granted.
pub(super) const PACKAGES: &[&str] = &[
    "ca-certificates",
    "cloud-init",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "locales",
    "netbase",
    "openssh-server",
    "python3-minimal",
    "sudo",
    "systemd",
    "systemd-resolved",
    "systemd-sysv",
    "wget",
];

/// Files put into the finished tree: path, contents.
const FILES: &[(&str, &str)] = &[
    // CloudStack's datasource alone: others would be looked for first, for seconds. The network is networkd's.
    (
        "etc/cloud/cloud.cfg.d/90-cloudstack.cfg",
        "datasource_list: [ CloudStack, None ]\nnetwork: { config: disabled }\nlocale: false\n\
         ssh_deletekeys: true\nssh_genkeytypes: [ ed25519, ecdsa ]\n",
    ),
    (
        "etc/systemd/network/10-eth0.network",
        // The lease belongs to the hardware address, whatever machine-id a clone gets.
        "[Match]\nName=eth*\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\
         LLMNR=no\nMulticastDNS=no\n\n\
         [DHCPv4]\nClientIdentifier=mac\nUseDomains=yes\nUseHostname=no\n",
    ),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"),
    ("etc/default/locale", "LANG=C.UTF-8\n"),
    // The console is a file on the host; whole journals do not belong there.
    ("etc/systemd/journald.conf.d/10-small.conf", "[Journal]\nSystemMaxUse=64M\nForwardToConsole=no\n"),
];

/// Units that do nothing good in a machine without a screen, a boot loader or disks of its own.
const MASKED: &[&str] = &[
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dev-hugepages.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "getty@.service",
    "sys-fs-fuse-connections.mount",
    "systemd-firstboot.service",
    "systemd-network-generator.service",
];

/// Units that run.
const ENABLED: &[&str] = &["ssh.service", "systemd-networkd.service", "systemd-resolved.service"];

/// cloud-init asks for a password at every boot and sets it at the first alone, unless it is told so, as CloudStack's manual
/// has it for templates.
const PASSWORD_AT_EVERY_BOOT: &str = "sed -i 's/^ *- set-passwords$/ - [set-passwords, always]/' /etc/cloud/cloud.cfg\n\
                                      grep -q 'set-passwords, always' /etc/cloud/cloud.cfg";

/// Everything that decides what the base template will be.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) packages: HostPackages,
}

impl Recipe {
    pub(super) fn new(packages: HostPackages) -> Self {
        Self { packages }
    }

    /// A name for the result: other ingredients, another name. 16 hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        let everything =
            (PACKAGES, self.files(), self.script(), &self.packages.sources, &self.packages.settings);
        // Plain text and lists always serialise.
        let text = serde_json::to_vec(&everything).unwrap_or_default();
        Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Files put into the finished tree.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let mut files: Vec<_> =
            FILES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        for (name, text) in &self.packages.authorities {
            files.push((format!("usr/local/share/ca-certificates/{name}"), text.clone()));
        }
        if !self.packages.environment.is_empty() {
            files.push(("etc/environment".to_owned(), self.packages.environment.join("\n") + "\n"));
        }
        files
    }

    /// What is done inside the tree at the end. No identity stays: every clone makes its own.
    pub(super) fn script(&self) -> String {
        format!(
            "set -eu\nsystemctl enable {}\nsystemctl mask {}\nupdate-ca-certificates\n{PASSWORD_AT_EVERY_BOOT}\n\
             rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /var/lib/dbus/machine-id /etc/hostname\n\
             : > /etc/machine-id\nrm -rf /var/lib/cloud/* /var/log/*.log /var/log/apt /tmp/* /var/tmp/*\n\
             apt-get clean\n",
            ENABLED.join(" "),
            MASKED.join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(source: &str) -> Recipe {
        Recipe::new(HostPackages {
            sources: vec![source.to_owned()],
            settings: Vec::new(),
            environment: Vec::new(),
            authorities: vec![("ours.crt".to_owned(), "certificate".to_owned())],
        })
    }

    #[test]
    fn the_same_recipe_has_the_same_name_and_another_one_another() {
        assert_eq!(recipe("a").digest(), recipe("a").digest());
        assert_ne!(recipe("a").digest(), recipe("b").digest());
        assert_eq!(recipe("a").digest().len(), 16);
    }

    #[test]
    fn the_hosts_own_authorities_come_along() {
        assert!(
            recipe("a").files().iter().any(|(path, _)| path == "usr/local/share/ca-certificates/ours.crt")
        );
    }
}
