//! What the API says of a machine's disk and password is so in the machine: asked from inside, with a command of the zone's
//! own.

use std::fs;

use super::{RAISED, World, text};

/// A command that succeeds when the machine's router answers its request for a password like this.
fn told(request: &str, answer: &str) -> String {
    let gateway = "$(ip -4 route show default | cut -d' ' -f3)";
    format!("test \"$(wget -qO- --header 'DomU_Request: {request}' http://{gateway}:8080/)\" = '{answer}'")
}

/// A command that succeeds when this is the password of the machine's user.
fn has_password(password: &str) -> String {
    format!(
        "python3 -W ignore -c 'import crypt, spwd, sys; kept = spwd.getspnam(\"debian\").sp_pwdp; \
         sys.exit(crypt.crypt(\"{password}\", kept) != kept)'"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and machines"]
async fn what_is_said_of_a_machine_s_disk_and_password_is_so_in_the_machine() {
    let Some(mut world) = World::raise().await else { return };
    let base = world.first("listTemplates", "template", &[("templatefilter", "featured")]).await;
    let (base, os_type) = (text(&base["id"]), text(&base["ostypeid"]));
    let enabled = [("id", base.as_str()), ("passwordenabled", "true")];
    world.admin.call("updateTemplate", &enabled).await.expect("it answers");

    // The password that the deployment answered is the guest's, who has told its router so.
    let first = world.deploy("first", &base, &[]).await;
    let (id, password) = (text(&first["id"]), text(&first["password"]));
    assert!(world.holds("first", "cloud-init status --wait >/dev/null").await);
    assert!(world.holds("first", &has_password(&password)).await, "cloud-init has set it");
    assert!(world.holds("first", &told("send_my_password", "saved_password")).await, "it was told once");

    // A new one is set at the next boot.
    world.run("stopVirtualMachine", &[("id", &id)]).await;
    let reset = world.run("resetPasswordForVirtualMachine", &[("id", &id)]).await;
    let password = text(&reset["virtualmachine"]["password"]);
    world.run("startVirtualMachine", &[("id", &id)]).await;
    assert!(world.holds("first", "cloud-init status --wait >/dev/null").await);
    assert!(world.holds("first", &has_password(&password)).await, "at this boot, too");

    // It is told until the guest says that it has it. cloud-init would ask before us.
    assert!(
        world.holds("first", "echo one > /root/mark && touch /etc/cloud/cloud-init.disabled && sync").await
    );
    let disk = world.root_disk(&id).await;
    let snapshot = text(&world.run("createSnapshot", &[("volumeid", &disk)]).await["snapshot"]["id"]);
    assert!(world.holds("first", "echo two > /root/mark && sync").await);
    world.run("stopVirtualMachine", &[("id", &id)]).await;
    let reset = world.run("resetPasswordForVirtualMachine", &[("id", &id)]).await;
    let new = text(&reset["virtualmachine"]["password"]);
    assert_ne!(new, password);
    world.run("startVirtualMachine", &[("id", &id)]).await;
    assert!(world.holds("first", &told("send_my_password", &new)).await);
    assert!(world.holds("first", &told("send_my_password", &new)).await, "it may have got lost");
    assert!(world.holds("first", &told("saved_password", "saved_password")).await);
    assert!(world.holds("first", &told("send_my_password", "saved_password")).await);
    // Also after its stop, and after another process serves the zone.
    world.run("stopVirtualMachine", &[("id", &id)]).await;
    world.kill().await;
    world.run("startVirtualMachine", &[("id", &id)]).await;
    assert!(world.holds("first", &told("send_my_password", "saved_password")).await);

    // A template of the snapshot is the disk as it was then; the disk itself went on, and goes back when it is told to.
    assert!(world.holds("first", "test $(cat /root/mark) = two").await);
    let wanted =
        [("name", "golden"), ("displaytext", "x"), ("ostypeid", &os_type), ("snapshotid", &snapshot)];
    let golden = text(&world.run("createTemplate", &wanted).await["template"]["id"]);
    let second = text(&world.deploy("second", &golden, &[]).await["id"]);
    assert!(world.holds("second", "test $(cat /root/mark) = one").await);
    world.run("stopVirtualMachine", &[("id", &id)]).await;
    world.run("revertSnapshot", &[("id", &snapshot)]).await;
    world.run("startVirtualMachine", &[("id", &id)]).await;
    assert!(world.holds("first", "test $(cat /root/mark) = one").await);

    // Another template is another disk, in the machine too.
    world.run("restoreVirtualMachine", &[("virtualmachineid", &second), ("templateid", &base)]).await;
    assert!(world.holds("second", "test ! -e /root/mark").await);

    // Other sizes hold from the next start.
    world.run("stopVirtualMachine", &[("id", &second)]).await;
    let medium = world.id_of("listServiceOfferings", "serviceoffering", &[("name", "t1.medium")]).await;
    world.run("scaleVirtualMachine", &[("id", &second), ("serviceofferingid", &medium)]).await;
    world.run("startVirtualMachine", &[("id", &second)]).await;
    assert_eq!(memory_limit(&second), 1024 << 20);

    // What a machine calls systemd-run is not what lets us in.
    let trap = "for name in systemd-run systemctl; do printf '#!/bin/sh\\ntouch /root/trapped\\n' > \
                /usr/local/sbin/$name; chmod 755 /usr/local/sbin/$name; done";
    assert!(world.holds("second", trap).await);
    assert!(world.holds("second", "test ! -e /root/trapped").await);
    assert!(!world.holds("second", "test -e /root/trapped").await);

    // A command's own status comes out; what it is told is not read for variables.
    assert!(!world.holds("second", "exit 3").await);
    assert!(world.holds("second", "x=1; test \"$x\" = 1 && test $$ -gt 1").await);
}

/// What the machine's control group may use at most, in bytes.
fn memory_limit(machine: &str) -> u64 {
    let group = format!("mesostack/{}/machine-{}", RAISED.name, machine.replace('-', ""));
    let files = [
        format!("/sys/fs/cgroup/memory/{group}/memory.limit_in_bytes"),
        format!("/sys/fs/cgroup/{group}/memory.max"),
        format!("/sys/fs/cgroup/unified/{group}/memory.max"),
    ];
    let limit = files.iter().find_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    limit.unwrap_or_else(|| panic!("no limit in {files:?}"))
}
