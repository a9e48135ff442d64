//! Machines come up as themselves, outlive the daemon, keep their disks, and leave nothing behind.

use std::process::Command;
use std::time::{Duration, Instant};

use devcloud::driver::{Driver, LayerId, Stop};
use uuid::Uuid;

use crate::rehearsal::{Keys, Zone, add_machine, answers, network, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_boots_as_itself_and_is_stopped_started_and_removed() {
    let Some(zone) = Zone::raise("t-machine", 11) else { return };
    let (keys, public) = (Keys::generate(), zone.public(10));
    zone.driver.recover(&[], &[]).await.expect("an empty zone");
    let mut net = network(1, public);
    let machine = add_machine(&mut net, 20, 1222, "node-1", &keys, &zone.base.layers);
    start(&zone, &net, std::slice::from_ref(&machine)).await;
    println!("boot to SSH took {:?}", keys.wait_for(public, 1222));

    let ssh =
        |command: &str| keys.ssh(public, 1222, command).unwrap_or_else(|error| panic!("{command}: {error}"));
    assert_eq!(ssh("hostname"), "node-1");
    assert_eq!(ssh("sudo cloud-init status --wait | grep status"), "status: done");
    assert_eq!(ssh("sudo cat /run/cloud-init/result.json | grep -o CloudStack"), "CloudStack");
    assert_eq!(ssh("getent hosts node-1 | cut -d' ' -f1"), "172.16.0.20");
    assert_eq!(ssh("systemctl --failed --no-legend | wc -l"), "0");
    assert_eq!(ssh("cat /sys/class/net/eth0/address"), "02:00:00:00:00:14");
    println!("{}", ssh("systemd-analyze; systemd-analyze blame | head -5"));

    zone.driver.start_machine(&machine).await.expect("starting what runs is fine");
    ssh("echo kept > kept; sync");
    // The connection may be closed before the command has answered.
    let _ = keys.ssh(public, 1222, "sudo systemctl --no-block reboot");
    let away = Instant::now();
    while answers(public, 1222) && away.elapsed() < Duration::from_secs(20) {}
    println!("back after its own reboot in {:?}", keys.wait_for(public, 1222));
    assert_eq!(ssh("cat kept"), "kept");

    let stopping = Instant::now();
    zone.driver.stop_machine(machine.id, Stop::Orderly).await.expect("an orderly stop");
    println!("an orderly stop took {:?}", stopping.elapsed());
    assert!(stopping.elapsed() < Duration::from_secs(25), "it had to be killed");
    assert_eq!(zone.driver.running().await.expect("a look"), Vec::<Uuid>::new());
    assert!(!answers(public, 1222));
    zone.driver.start_machine(&machine).await.expect("a second start");
    keys.wait_for(public, 1222);
    assert_eq!(ssh("cat kept"), "kept");
    let stopping = Instant::now();
    zone.driver.stop_machine(machine.id, Stop::Forced).await.expect("a forced stop");
    println!("a forced stop took {:?}", stopping.elapsed());
    zone.driver.stop_machine(machine.id, Stop::Forced).await.expect("stopping what is stopped is fine");
    let console = zone.driver.console(machine.id).await.expect("a console").unwrap_or_default();
    assert!(console.contains("Debian GNU/Linux"), "{console}");
    zone.driver.remove_volume(machine.volume).await.expect("a volume removed");
    zone.driver.lower_network(net.id).await.expect("a router removed");
    zone.driver.lower_network(net.id).await.expect("removing what is gone is fine");
    zone.down();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_disk_becomes_a_template_and_clones_are_machines_of_their_own() {
    let Some(zone) = Zone::raise("t-template", 12) else { return };
    let (keys, public) = (Keys::generate(), zone.public(10));
    zone.driver.recover(&[], &[]).await.expect("an empty zone");
    let mut net = network(2, public);
    let builder = add_machine(&mut net, 20, 1222, "builder", &keys, &zone.base.layers);
    start(&zone, &net, std::slice::from_ref(&builder)).await;
    keys.wait_for(public, 1222);
    keys.ssh(public, 1222, "echo software | sudo tee /opt/software; sudo rm /etc/default/locale")
        .expect("installed");
    // It powers itself off: nobody has told the driver that its disk is free.
    let _ = keys.ssh(public, 1222, "sudo systemctl --no-block poweroff");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !zone.driver.running().await.expect("a look").is_empty() {
        assert!(Instant::now() < deadline, "it does not power off");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let layer = LayerId("template-1".into());
    let freezing = Instant::now();
    let captured = zone.driver.capture_volume(builder.volume, &layer).await.expect("captured");
    println!("freezing {} KiB took {:?}", captured.bytes / 1024, freezing.elapsed());
    assert_eq!(zone.driver.capture_volume(builder.volume, &layer).await.expect("captured"), captured);

    let layers = [zone.base.layers.clone(), vec![layer]].concat();
    let clone = add_machine(&mut net, 21, 1223, "clone", &keys, &layers);
    let mut builder = builder;
    builder.layers = layers;
    zone.driver.program_network(&net).await.expect("programmed");
    start(&zone, &net, &[builder, clone]).await;
    for (port, name) in [(1222, "builder"), (1223, "clone")] {
        keys.wait_for(public, port);
        let says = keys.ssh(
            public,
            port,
            "hostname; cat /opt/software; ls /etc/default/locale 2>/dev/null || echo gone",
        );
        assert_eq!(says, Ok(format!("{name}\nsoftware\ngone")));
    }
    zone.down();
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_outlive_the_daemon_and_what_no_record_names_is_removed() {
    let Some(mut zone) = Zone::raise("t-recover", 13) else { return };
    let (keys, public) = (Keys::generate(), zone.public(10));
    zone.driver.recover(&[], &[]).await.expect("an empty zone");
    let mut net = network(3, public);
    let kept = add_machine(&mut net, 20, 1222, "kept", &keys, &zone.base.layers);
    let unknown = add_machine(&mut net, 21, 1223, "unknown", &keys, &zone.base.layers);
    start(&zone, &net, &[kept.clone(), unknown.clone()]).await;
    let other = network(4, zone.public(11));
    zone.driver.raise_network(&other).await.expect("a second router");
    keys.wait_for(public, 1222);
    keys.wait_for(public, 1223);
    let booted =
        keys.ssh(public, 1222, "cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestamp");

    // The daemon is gone, and so is a router's dnsmasq.
    zone.restart();
    let dnsmasq = format!("mesostack-{}/routers/{}/dnsmasq.pid", zone.name, net.id.simple());
    let pid = std::fs::read_to_string(std::path::Path::new("/var/tmp").join(dnsmasq)).expect("a process id");
    assert!(Command::new("kill").arg(pid.trim()).status().expect("kill").success());
    net.guests.retain(|guest| guest.machine != unknown.id);
    let recovering = Instant::now();
    let found = zone
        .driver
        .recover(std::slice::from_ref(&kept), std::slice::from_ref(&net))
        .await
        .expect("recovered");
    println!("recovering took {:?}", recovering.elapsed());
    assert_eq!(found.running, [kept.id]);
    assert_eq!(found.raised, [net.id]);
    assert_eq!(zone.driver.running().await.expect("a look"), [kept.id]);
    let now =
        keys.ssh(public, 1222, "cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestamp");
    assert_eq!(now, booted, "it has been running all the time");
    assert_eq!(keys.ssh(public, 1222, "getent hosts kept | cut -d' ' -f1").as_deref(), Ok("172.16.0.20"));
    let metadata = "wget -qO- http://172.16.0.1/latest/meta-data/local-hostname";
    assert_eq!(keys.ssh(public, 1222, metadata).as_deref(), Ok("kept"));
    assert!(!answers(public, 1223));
    zone.down();
}
