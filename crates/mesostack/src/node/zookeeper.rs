//! ZooKeeper's files: who is in the ensemble, and which of them this server is.

use super::{
    File, Unit,
    places::{self, ZOOKEEPER_PORT},
};
use crate::spec::Node;

/// The JVM's memory is set rather than left to it: inside a container it would size itself by the host's.
const JAVA_OPTIONS: &str = "-Xms64m -Xmx256m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError";

pub(super) fn files(masters: &[Node], own: &Node) -> Vec<File> {
    let file = |name: &str, contents: String| {
        File::public(format!("{}/zookeeper/{name}", places::DIRECTORY), contents, &[Unit::ZooKeeper])
    };
    vec![
        file("zoo.cfg", configuration(masters, own)),
        file("myid", format!("{}\n", own.number)),
        file("environment", format!("ZOOKEEPER_JAVA_OPTIONS=\"{JAVA_OPTIONS}\"\n")),
    ]
}

/// The same ensemble on every server. Written so that ZooKeeper 3.4 to 3.9 understand it, hence the client port on lines of
/// its own.
fn configuration(masters: &[Node], own: &Node) -> String {
    let mut text = format!(
        "# Written by mesostack\n\
         tickTime=2000\n\
         initLimit=10\n\
         syncLimit=5\n\
         dataDir={}\n\
         clientPort={ZOOKEEPER_PORT}\n\
         clientPortAddress={}\n\
         maxClientCnxns=120\n\
         # Without these two the disk fills up\n\
         autopurge.snapRetainCount=5\n\
         autopurge.purgeInterval=24\n\
         # It would take Marathon's port\n\
         admin.enableServer=false\n\
         4lw.commands.whitelist=srvr,mntr,ruok\n",
        places::ZOOKEEPER_DATA,
        own.address,
    );
    for master in masters {
        text.push_str(&format!("server.{}={}:2888:3888\n", master.number, master.address));
    }
    text
}
