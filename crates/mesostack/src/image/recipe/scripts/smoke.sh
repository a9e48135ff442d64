# Run on a machine made from the new template: it came up as itself, and everything is there.
timeout 300 cloud-init status --wait >/dev/null || [ $? != 124 ] || fail "cloud-init was still not done after 300 s"
[ "$(hostname)" = "$EXPECTED_HOST" ] || fail "the machine calls itself $(hostname), not $EXPECTED_HOST: cloud-init did not start anew"
[ -s /etc/machine-id ] || fail "the machine got no id of its own"
grep -qF "\"recipe\":\"$RECIPE\"" /etc/mesostack/manifest.json 2>/dev/null ||
    fail "the image does not carry the manifest of recipe $RECIPE: its build did not come to its end"
[ ! -e "$workshop" ] || fail "the build's files are still there"
