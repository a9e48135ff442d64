//! An sshd of a test's own: gone, with all its files, when dropped.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use remote::{HostKey, HostKeyPair, Target};
use secrecy::ExposeSecret;

pub(crate) struct Server {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
    host_key: HostKey,
}

impl Server {
    /// Starts one that lets in whoever has one of these keys; `None`, with a printed reason, where there is no sshd.
    pub(crate) fn start(authorized: &[String]) -> Option<Self> {
        Self::start_with(authorized, &[])
    }

    /// The same, with the limits sshd has when nobody sets them; other tests would meet them by their number of logins.
    pub(crate) fn start_limited(authorized: &[String]) -> Option<Self> {
        Self::start_as(authorized, &[], "MaxStartups 10:30:100\nMaxSessions 10")
    }

    /// The same, with further host keys (private key files).
    pub(crate) fn start_with(authorized: &[String], host_keys: &[&Path]) -> Option<Self> {
        Self::start_as(authorized, host_keys, "MaxStartups 100")
    }

    fn start_as(authorized: &[String], host_keys: &[&Path], limits: &str) -> Option<Self> {
        let Some(program) =
            ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].into_iter().find(|p| Path::new(p).exists())
        else {
            eprintln!("skipped: there is no sshd on this host (package openssh-server)");
            return None;
        };
        if is_root() {
            // sshd's own requirement when it runs as root.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let own = HostKeyPair::generate();
        let key_file = directory.path().join("host_key");
        fs::write(&key_file, own.private_openssh.expose_secret()).unwrap();
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
        let authorized_keys = directory.path().join("authorized_keys");
        fs::write(&authorized_keys, authorized.join("\n") + "\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n{limits}\nLogLevel DEBUG1\n",
            key_file.display(),
            authorized_keys.display()
        );
        for key in host_keys {
            settings.push_str(&format!("HostKey {}\n", key.display()));
        }
        let settings_file = directory.path().join("sshd_config");
        fs::write(&settings_file, settings).unwrap();
        let child = Command::new(program)
            .args(["-D", "-f"])
            .arg(&settings_file)
            .arg("-E")
            .arg(directory.path().join("log"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { child, directory, port, host_key: own.public })
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: user(),
            host_key: self.host_key.clone(),
        }
    }

    /// Ends the connections there are: those outlive the server that accepts new ones.
    pub(crate) fn end_connections(&self) {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        for pid in fs::read_to_string(children).unwrap().split_whitespace() {
            Command::new("kill").arg(pid).status().unwrap();
        }
    }

    /// What it logged so far, in detail.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// A directory for the test's own files.
    pub(crate) fn scratch(&self) -> PathBuf {
        let path = self.directory.path().join("scratch");
        fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn is_root() -> bool {
    user() == "root"
}

/// Who runs the tests: the only one whom an sshd of theirs can let in.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A key made by ssh-keygen, the tool whose formats we claim to read.
pub(crate) fn keygen(path: &Path, arguments: &[&str]) {
    let status = Command::new("ssh-keygen").args(["-q", "-f"]).arg(path).args(arguments).status().unwrap();
    assert!(status.success());
}
