//! Who works here, as others see it.

/// `user@host`, as far as this machine tells.
pub(crate) fn holder() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let host = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .into_iter()
        .find_map(|file| std::fs::read_to_string(file).ok())
        .or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.as_deref().map_or("unknown", str::trim).to_owned();
    format!("{}@{host}", user.as_deref().unwrap_or("unknown"))
}
