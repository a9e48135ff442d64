//! Load balancing in a network's router: HAProxy in the router's namespace, as real CloudStack routers have it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use rustix::process::Signal;

use super::cgroup::{Group, Limits};
use super::error::{HostError, Result};
use super::files;
use super::process::Detached;
use super::program::Program;
use crate::driver::{Algorithm, Balancer, Stickiness};

/// HAProxy's configuration. A member is asked once a second, is dead after two silences and back after one answer.
fn configuration(balancers: &[Balancer], directory: &Path) -> String {
    let mut text = format!(
        "global\n    maxconn 4096\n    stats socket {}/haproxy.sock mode 600 level admin expose-fd listeners\n\
         \x20   hard-stop-after 10m\n\
         defaults\n    mode tcp\n    retries 4\n    option redispatch 1\n    timeout connect 1s\n\
         \x20   timeout check 1s\n    timeout client 5m\n    timeout server 5m\n\
         \x20   default-server inter 1s fall 2 rise 1\n",
        directory.display()
    );
    for balancer in balancers {
        let balance = match balancer.algorithm {
            Algorithm::RoundRobin => "roundrobin",
            Algorithm::LeastConn => "leastconn",
            Algorithm::Source => "source",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "listen {}\n    bind {}:{}\n    balance {balance}",
            balancer.id, balancer.address, balancer.public_port
        );
        if !balancer.sources.is_empty() {
            let sources: Vec<_> = balancer.sources.iter().map(ToString::to_string).collect();
            let _ =
                writeln!(text, "    tcp-request connection reject unless {{ src {} }}", sources.join(" "));
        }
        let mark = match &balancer.stickiness {
            None => false,
            Some(Stickiness::BalancerCookie(name)) => {
                let _ = writeln!(text, "    mode http\n    cookie {name} insert indirect nocache");
                true
            }
            Some(Stickiness::MemberCookie(name)) => {
                let _ = writeln!(
                    text,
                    "    mode http\n    stick-table type string len 64 size 200k expire 3h\n    \
                     stick store-response res.cook({name})\n    stick match req.cook({name})"
                );
                false
            }
            Some(Stickiness::Source) => {
                let _ = writeln!(text, "    stick-table type ip size 200k expire 30m\n    stick on src");
                false
            }
        };
        for member in &balancer.members {
            let cookie = if mark { format!(" cookie {member}") } else { String::new() };
            let proxy = if balancer.proxy_protocol { " send-proxy" } else { "" };
            let _ =
                writeln!(text, "    server {member} {member}:{} check{proxy}{cookie}", balancer.private_port);
        }
    }
    text
}

/// Makes the router's HAProxy serve exactly these rules, without breaking a connection that another rule carries.
pub(crate) fn serve(balancers: &[Balancer], directory: &Path, namespace: &str, group: &Group) -> Result<()> {
    let told_file = directory.join("haproxy.told");
    if balancers.is_empty() {
        files::remove(&told_file)?;
        return group.kill();
    }
    let wanted = configuration(balancers, directory);
    let runs = group.populated();
    if runs && fs::read_to_string(&told_file).is_ok_and(|told| told == wanted) {
        return Ok(());
    }
    let file = directory.join("haproxy.cfg");
    files::write_whole(&file, wanted.as_bytes())?;
    let path = file.display().to_string();
    // A reload does not say what it thinks of the file.
    Program::new("haproxy").args(["-c", "-q", "-f", &path]).within(namespace).run()?;
    files::remove(&told_file)?;
    let process_file = directory.join("haproxy.pid");
    if !(runs && group.signal_recorded(&process_file, Signal::USR2)) {
        group.kill()?;
        let process_path = process_file.display().to_string();
        let command = ["haproxy", "-W", "-D", "-p", &process_path, "-f", &path].map(str::to_owned).into();
        let log = &directory.join("haproxy.log");
        Detached {
            command,
            namespace: Some(namespace),
            group,
            limits: Limits::default(),
            log,
            environment: &[],
        }
        .run_until_it_forks()?;
        if !group.populated() {
            return Err(HostError::Other(format!("HAProxy ended at once; its log is {}", log.display())));
        }
    }
    files::write_whole(&told_file, wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use uuid::Uuid;

    use super::*;

    fn balancer() -> Balancer {
        Balancer {
            id: Uuid::nil(),
            address: Ipv4Addr::new(198, 18, 0, 10),
            public_port: 5050,
            private_port: 15050,
            algorithm: Algorithm::LeastConn,
            members: vec![Ipv4Addr::new(172, 16, 0, 20)],
            stickiness: None,
            sources: Vec::new(),
            proxy_protocol: false,
        }
    }

    #[test]
    fn a_rule_for_somebody_takes_nobody_else_and_a_proxying_one_tells_whose_connection_it_is() {
        let range = |text: &str| text.parse().expect("a range");
        let sources = vec![range("10.0.0.0/8"), range("192.0.2.7/32")];
        let balancer = Balancer { sources, proxy_protocol: true, ..balancer() };
        let text = configuration(&[balancer], Path::new("/run/x"));
        assert!(
            text.contains("\n    tcp-request connection reject unless { src 10.0.0.0/8 192.0.2.7/32 }\n"),
            "{text}"
        );
        assert!(text.ends_with(" 172.16.0.20:15050 check send-proxy\n"), "{text}");
    }

    #[test]
    fn every_rule_has_a_listener_and_checked_members() {
        let text = configuration(&[balancer()], Path::new("/run/x"));
        let listener = text.split_once("listen ").map(|(_, listener)| listener);
        assert_eq!(
            listener,
            Some(
                "00000000-0000-0000-0000-000000000000\n    bind 198.18.0.10:5050\n    balance leastconn\n    \
                 server 172.16.0.20 172.16.0.20:15050 check\n"
            )
        );
    }
}
