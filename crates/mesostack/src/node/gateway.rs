//! The gateway: an HAProxy on every master that leads to whichever master is elected, and to whichever Marathon leads.
//!
//! The cloud's load balancer cannot tell who leads, because every master answers `/health` with 200. The gateway can: it
//! asks each master for its own metric `master/elected`, and each Marathon whether it answers a ping itself (one that does
//! not lead passes it on, and says so in a header). `Location` headers are left alone: masters advertise the public address.

use super::{
    File, Unit,
    places::{self, GATEWAY_MARATHON_PORT, GATEWAY_MESOS_PORT, MARATHON_PORT, MASTER_PORT},
};
use crate::spec::Node;

/// A change of leader is seen after a second or two; the connections of the old one are cut at once, so that no browser
/// hangs on it. The buffer has to hold a whole answer of `/metrics/snapshot`, which grows with the frameworks.
const SETTINGS: &str = "\
# Written by mesostack
global
    log stdout format raw daemon notice
    maxconn 1000
    tune.bufsize 65536

defaults
    mode http
    log global
    option dontlognull
    option forwardfor
    option redispatch
    option clitcpka
    option srvtcpka
    timeout connect 3s
    timeout client 5m
    timeout server 5m
    timeout tunnel 1h
    timeout http-request 15s
    timeout http-keep-alive 30s
    timeout queue 10s
    timeout check 4s
    default-server check inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
";

pub(super) fn file(masters: &[Node]) -> File {
    let mut text = SETTINGS.to_owned();
    text.push_str(&format!(
        "\nfrontend mesos\n    bind :{GATEWAY_MESOS_PORT}\n    default_backend elected-master\n\
         \nfrontend marathon\n    bind :{GATEWAY_MARATHON_PORT}\n    default_backend leading-marathon\n\
         \nbackend elected-master\n\
         \x20   option httpchk\n\
         \x20   http-check send meth GET uri /metrics/snapshot?timeout=2secs ver HTTP/1.1 hdr Host mesos\n\
         \x20   http-check expect rstring 'master\\\\?/elected\"[ ]*:[ ]*1([.]0+)?[ ]*[,}}]'\n"
    ));
    servers(&mut text, masters, MASTER_PORT);
    text.push_str(
        "\nbackend leading-marathon\n\
         \x20   option httpchk\n\
         \x20   http-check send meth GET uri /ping ver HTTP/1.1 hdr Host marathon\n\
         \x20   http-check expect status 200\n\
         \x20   http-check expect ! hdr name \"x-marathon-via\"\n",
    );
    servers(&mut text, masters, MARATHON_PORT);
    File {
        mode: 0o640,
        owner: "root:haproxy".to_owned(),
        ..File::public(format!("{}/gateway.cfg", places::DIRECTORY), text, &[Unit::Gateway])
    }
}

fn servers(text: &mut String, masters: &[Node], port: u16) {
    for master in masters {
        text.push_str(&format!("    server {} {}:{port}\n", master.name(), master.address));
    }
}
