//! The script that puts a node's files into force, once they are there. The same over SSH and in user-data, and run again it
//! does again only what is left to do.

use super::{Configuration, Unit, places};

/// What the whole configuration last put into force was; written last.
fn node_digest() -> String {
    format!("{}/node.digest", places::DIRECTORY)
}

fn names(units: &[Unit]) -> String {
    units.iter().map(|unit| unit.name()).collect::<Vec<_>>().join(" ")
}

/// Prints `unchanged` when this very configuration is in force and its services run; changes nothing. Needs no root.
pub(super) fn check(configuration: &Configuration) -> String {
    format!(
        "units='{units}'\n\
         if [ \"$(cat {record} 2>/dev/null)\" = {digest} ] &&\n\
         \x20  ! systemctl is-active $units | grep -qxE 'inactive|failed|deactivating|unknown' &&\n\
         \x20  ! systemctl is-enabled $units 2>&1 | grep -qvx enabled; then echo unchanged; else echo changed; fi\n",
        units = names(&configuration.enable),
        record = node_digest(),
        digest = configuration.digest,
    )
}

/// Puts the configuration into force: a service is started again only when something it reads has changed. Needs root and
/// bash.
pub(super) fn put_into_force(configuration: &Configuration) -> String {
    let wanted: Vec<String> = configuration
        .enable
        .iter()
        .map(|unit| format!("wanted[{}]={}", unit.name(), configuration.digest_of(*unit)))
        .collect();
    format!(
        r#"set -eu
applied={directory}/applied
mkdir -p "$applied"
declare -A wanted
{wanted}
enable='{enable}'
disable='{disable}'
if systemctl show --property NeedDaemonReload --value $enable | grep -qx yes; then systemctl daemon-reload; fi
stop=()
for unit in $disable; do
  if systemctl is-enabled --quiet "$unit" 2>/dev/null || systemctl is-active --quiet "$unit"; then stop+=("$unit"); fi
  rm -f "$applied/$unit"
done
if [ ${{#stop[@]}} -gt 0 ]; then systemctl disable --now --quiet "${{stop[@]}}"; fi
off=()
restart=()
start=()
for unit in $enable; do
  systemctl is-enabled --quiet "$unit" 2>/dev/null || off+=("$unit")
  if [ "$(cat "$applied/$unit" 2>/dev/null)" != "${{wanted[$unit]}}" ]; then
    restart+=("$unit")
  elif ! systemctl is-active --quiet "$unit"; then
    start+=("$unit")
  fi
done
if [ ${{#off[@]}} -gt 0 ]; then systemctl enable --quiet "${{off[@]}}"; fi
failed() {{ systemctl status --no-pager --lines 10 "$@" >&2 || true; exit 1; }}
if [ ${{#restart[@]}} -gt 0 ]; then
  systemctl reset-failed "${{restart[@]}}" 2>/dev/null || true
  systemctl restart "${{restart[@]}}" || failed "${{restart[@]}}"
  echo "restarted ${{restart[*]}}"
fi
if [ ${{#start[@]}} -gt 0 ]; then systemctl start "${{start[@]}}" || failed "${{start[@]}}"; fi
for unit in $enable; do echo "${{wanted[$unit]}}" > "$applied/$unit"; done
echo {digest} > {record}.new
mv -f {record}.new {record}
"#,
        directory = places::DIRECTORY,
        wanted = wanted.join("\n"),
        enable = names(&configuration.enable),
        disable = names(&configuration.disable),
        digest = configuration.digest,
        record = node_digest(),
    )
}
