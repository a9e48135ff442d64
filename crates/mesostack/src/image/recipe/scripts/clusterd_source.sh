# The living Mesos distribution publishes for these releases; the archive's path differs between the two families.
# shellcheck source=/dev/null
. /etc/os-release
case "$ID:${VERSION_CODENAME:-}" in
    debian:bookworm) archive="http://rpm.aventer.biz/Debian/ $VERSION_CODENAME main" ;;
    ubuntu:jammy | ubuntu:noble) archive="http://rpm.aventer.biz/Ubuntu/$VERSION_CODENAME $VERSION_CODENAME main" ;;
    *) fail "ClusterD publishes no packages for $ID ${VERSION_CODENAME:-}; use Debian 12, Ubuntu 22.04 or 24.04, or your own packages (image.packages = { debs = [...] })" ;;
esac
fetch https://www.aventer.biz/assets/support_aventer.asc "$workshop/clusterd.asc"
trust clusterd "$workshop/clusterd.asc" "$CLUSTERD_KEY"
printf 'deb [signed-by=/etc/apt/keyrings/clusterd.gpg] %s\n' "$archive" >/etc/apt/sources.list.d/clusterd.list
