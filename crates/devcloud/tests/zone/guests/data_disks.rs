//! Data disks are disks: block devices of their size, whose content is there wherever the volume is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::{DIRECTORY, RAISED, World, text};
use crate::killed::hosted::this_host;

const FORMAT: &str = "mkfs.ext4 -q /dev/vdb && mount /dev/vdb /mnt && echo kept > /mnt/mark && umount /mnt";

/// A command that succeeds when a file system on the device has this in it.
fn has(device: &str, mark: &str) -> String {
    format!("mount {device} /mnt && test \"$(cat /mnt/mark)\" = {mark}; held=$?; umount /mnt; exit $held")
}

/// The zone's files that are block devices of this host.
fn devices() -> Vec<PathBuf> {
    this_host::loops().into_iter().filter(|file| file.starts_with(DIRECTORY)).collect()
}

/// The file that a volume is.
fn image(volume: &str) -> PathBuf {
    Path::new(DIRECTORY).join("zones").join(RAISED.name).join("volumes").join(volume).join("disk")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and machines"]
async fn a_data_disk_is_a_block_device_that_keeps_what_is_written_to_it() {
    let Some(mut world) = World::raise().await else { return };
    let base = world.id_of("listTemplates", "template", &[("templatefilter", "featured")]).await;
    let custom = world.id_of("listDiskOfferings", "diskoffering", &[("name", "Custom")]).await;
    let zone = world.zone.clone();

    // A machine has the disk that it was deployed with from its boot on; the other one has none yet.
    let with_disk = [("diskofferingid", custom.as_str()), ("size", "1")];
    let first = text(&world.deploy("first", &base, &with_disk).await["id"]);
    let second = text(&world.deploy("second", &base, &[]).await["id"]);
    let disk = [("virtualmachineid", first.as_str()), ("type", "DATADISK")];
    let disk = world.first("listVolumes", "volume", &disk).await;
    assert_eq!((&disk["state"], &disk["deviceid"]), (&"Ready".into(), &1.into()), "{disk}");
    let disk = text(&disk["id"]);
    assert!(world.holds("first", "test \"$(blockdev --getsize64 /dev/vdb)\" = 1073741824").await);
    // It is the only one of this host's disks that it can have.
    assert!(world.holds("first", "! mknod /run/another b 7 0").await);
    // Its size is all there is.
    let over = "dd if=/dev/zero of=/dev/vdb bs=1M seek=1020 count=8 2>/dev/null; written=$?; \
                dd if=/dev/vdb of=/dev/null bs=1M skip=1020 2>&1 | grep -q '^4194304 bytes' && test $written -ne 0";
    assert!(world.holds("first", over).await);
    assert!(world.holds("first", FORMAT).await);
    assert!(world.holds("second", "test ! -e /dev/vdb").await);
    let serial = disk.replace('-', "")[..20].to_owned();
    assert!(world.holds("first", &format!("test -b /dev/disk/by-id/virtio-{serial}")).await);

    // In use it does not go; unmounted it does, and is another machine's while both run.
    assert!(world.holds("first", "mount /dev/vdb /mnt").await);
    let why = world.fails("detachVolume", &[("id", &disk)]).await;
    assert!(why.contains("/dev/vdb is in use in the machine first: unmount it there"), "{why}");
    assert!(world.holds("first", "test \"$(cat /mnt/mark)\" = kept && umount /mnt").await, "it still has it");
    world.run("detachVolume", &[("id", &disk)]).await;
    assert!(world.holds("first", "test ! -e /dev/vdb").await);
    assert_eq!(devices(), <[PathBuf; 0]>::default(), "a disk of no machine is no device");
    let to_second = [("id", disk.as_str()), ("virtualmachineid", second.as_str())];
    world.run("attachVolume", &to_second).await;
    assert!(world.holds("second", &has("/dev/vdb", "kept")).await);

    // It grows while the machine runs; a second disk is vdc.
    world.run("resizeVolume", &[("id", &disk), ("size", "2")]).await;
    let grown =
        "e2fsck -fp /dev/vdb; resize2fs /dev/vdb && test \"$(blockdev --getsize64 /dev/vdb)\" = 2147483648";
    assert!(world.holds("second", grown).await);
    let other = [("name", "other"), ("zoneid", zone.as_str()), ("diskofferingid", &custom), ("size", "1")];
    let other = text(&world.run("createVolume", &other).await["volume"]["id"]);
    world.run("attachVolume", &[("id", &other), ("virtualmachineid", &second)]).await;
    assert!(world.holds("second", "mkfs.ext4 -q /dev/vdc && test -b /dev/vdb").await);

    // A unit mounts it at boot, and so does a line of fstab once it is asked to (as documented: systemd passes over it).
    let unit = "mkdir /data /table && printf '[Mount]\\nWhat=/dev/vdc\\nWhere=/data\\n[Install]\\nWantedBy=multi-user.target\\n' \
                > /etc/systemd/system/data.mount && systemctl -q enable data.mount && \
                echo '/dev/vdb /table ext4 defaults 0 0' >> /etc/fstab";
    assert!(world.holds("second", unit).await);

    // A reboot, by itself and by the API, a stop, and the death of the zone's process change nothing of that.
    let since = "cut -d' ' -f22 /proc/1/stat";
    assert!(
        world.holds("second", &format!("({since}) > /root/since; sync; systemctl --no-block reboot")).await
    );
    wait_until_holds(&world, "second", &format!("test \"$({since})\" != \"$(cat /root/since)\"")).await;
    assert!(world.holds("second", &has("/dev/vdb", "kept")).await, "after its own reboot");
    world.run("rebootVirtualMachine", &[("id", &second)]).await;
    assert!(world.holds("second", &has("/dev/vdb", "kept")).await, "after a reboot");
    wait_until_holds(&world, "second", "mountpoint -q /data").await;
    let table = "! mountpoint -q /table && mount -a && mountpoint -q /table && umount /table";
    assert!(world.holds("second", table).await);
    assert!(world.holds("second", "systemctl -q disable --now data.mount && ! mountpoint -q /data").await);
    assert!(world.holds("second", "mount /dev/vdb /mnt").await);
    world.kill().await;
    assert!(world.holds("second", "test \"$(cat /mnt/mark)\" = kept && umount /mnt").await, "after a kill");
    world.run("detachVolume", &[("id", &other)]).await;
    assert!(world.holds("second", "test ! -e /dev/vdc && test -b /dev/vdb").await);
    world.run("stopVirtualMachine", &[("id", &second)]).await;
    assert_eq!(devices(), <[PathBuf; 0]>::default(), "a machine that is stopped holds no device");
    world.run("startVirtualMachine", &[("id", &second)]).await;
    assert!(world.holds("second", &has("/dev/vdb", "kept")).await, "after a stop");

    // A snapshot is the disk as it was: another disk is made of it, and the disk itself goes back to it.
    let snapshot = text(&world.run("createSnapshot", &[("volumeid", &disk)]).await["snapshot"]["id"]);
    let change = "mount /dev/vdb /mnt && echo changed > /mnt/mark && umount /mnt";
    assert!(world.holds("second", change).await);
    let copy = text(
        &world.run("createVolume", &[("name", "copy"), ("snapshotid", &snapshot)]).await["volume"]["id"],
    );
    world.run("attachVolume", &[("id", &copy), ("virtualmachineid", &first)]).await;
    assert!(world.holds("first", &has("/dev/vdb", "kept")).await, "made of the snapshot");
    world.run("stopVirtualMachine", &[("id", &second)]).await;
    world.run("revertSnapshot", &[("id", &snapshot)]).await;
    world.run("startVirtualMachine", &[("id", &second)]).await;
    assert!(world.holds("second", &has("/dev/vdb", "kept")).await, "gone back");

    // A root disk's snapshot is a disk with its files.
    assert!(world.holds("first", "echo rooted > /root/mark; sync").await);
    let root = world.root_disk(&first).await;
    let root = text(&world.run("createSnapshot", &[("volumeid", &root)]).await["snapshot"]["id"]);
    let files =
        text(&world.run("createVolume", &[("name", "files"), ("snapshotid", &root)]).await["volume"]["id"]);
    world.run("attachVolume", &[("id", &files), ("virtualmachineid", &second)]).await;
    let rooted = "mount -o ro /dev/vdc /mnt && test \"$(cat /mnt/root/mark)\" = rooted && test -x /mnt/usr/bin/apt; \
                  held=$?; umount /mnt; exit $held";
    assert!(world.holds("second", rooted).await);

    // A machine that went off by itself holds nothing that another one may want.
    world.holds("first", "systemctl --no-block poweroff").await;
    wait_until(|| !devices().contains(&image(&copy))).await;
    world.run("detachVolume", &[("id", &copy)]).await;
    world.run("attachVolume", &[("id", &copy), ("virtualmachineid", &second)]).await;
    assert!(
        world.holds("second", &has("/dev/vde", "kept")).await,
        "its place is the fifth: the fourth is the disc drive's"
    );
    world.run("startVirtualMachine", &[("id", &first)]).await;
    assert!(world.holds("second", &has("/dev/vde", "kept")).await, "the other one's start left it alone");

    // What is deleted is gone; what is not outlives its machine.
    world.run("detachVolume", &[("id", &copy)]).await;
    assert!(image(&copy).exists());
    world.phone.call("deleteVolume", &[("id", &copy)]).await.expect("it answers");
    wait_until(|| !image(&copy).exists()).await;
    // That is expunged when the zone's clock says so; its machines' clocks are this host's.
    world.run("destroyVirtualMachine", &[("id", &second)]).await;
    world.forward(25).await;
    let left = world.admin.call("listVirtualMachines", &[("id", &second)]).await.expect("it answers");
    assert_eq!(left, serde_json::json!({}), "it was due");
    let now = jiff::Timestamp::now().as_second();
    assert!(world.holds("first", &format!("test $(($(date +%s) - {now})) -lt 60")).await);
    assert_eq!(devices(), <[PathBuf; 0]>::default());
    world.run("attachVolume", &[("id", &disk), ("virtualmachineid", &first)]).await;
    assert!(world.holds("first", &has("/dev/vdb", "kept")).await);
    assert_eq!(devices(), [image(&disk)]);
    drop(world);
    assert_eq!(devices(), <[PathBuf; 0]>::default(), "a zone that is down has no devices");
}

async fn wait_until(mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come true");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn wait_until_holds(world: &World, machine: &str, command: &str) {
    let began = Instant::now();
    while !world.holds(machine, command).await {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come true");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
