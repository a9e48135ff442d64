# trust NAME KEYFILE FINGERPRINT: KEYFILE has to hold exactly the one key we were told of, alive. Only then apt gets it.
trust() {
    local name=$1 file=$2 wanted=$3 listing primaries found validity expires home
    listing=$(gpg --batch --with-colons --show-keys "$file" 2>/dev/null) || fail "$name: $file is no OpenPGP key"
    primaries=$(printf '%s\n' "$listing" | grep -c '^pub:') || true
    [ "$primaries" = 1 ] || fail "$name: the key file holds $primaries keys; it has to be exactly one"
    found=$(printf '%s\n' "$listing" | awk -F: '$1 == "pub" { at = 1 } at && $1 == "fpr" { print $10; exit }')
    [ "$found" = "$wanted" ] || fail "$name: the key has fingerprint $found, but $wanted was pinned; do not use this source before you know why"
    validity=$(printf '%s\n' "$listing" | awk -F: '$1 == "pub" { print $2; exit }')
    expires=$(printf '%s\n' "$listing" | awk -F: '$1 == "pub" { print $7; exit }')
    [ "$validity" != r ] || fail "$name: key $wanted has been revoked"
    if [ "$validity" = e ] || { [ -n "$expires" ] && [ "$expires" -le "$(date +%s)" ]; }; then
        fail "$name: key $wanted expired on $(date -u -d "@$expires" +%F); its owner has to publish a renewed one with the same fingerprint, until then take the packages from elsewhere (image.packages = { debs = [...] })"
    fi
    home=$(mktemp -d)
    GNUPGHOME=$home gpg --batch --quiet --import "$file" 2>/dev/null || fail "$name: the key cannot be imported"
    install -d -m 0755 /etc/apt/keyrings
    GNUPGHOME=$home gpg --batch --export "$wanted" >"/etc/apt/keyrings/$name.gpg"
    GNUPGHOME=$home gpgconf --kill all 2>/dev/null || true
    rm -rf "$home"
    [ -s "/etc/apt/keyrings/$name.gpg" ] || fail "$name: the key could not be written"
    chmod 0644 "/etc/apt/keyrings/$name.gpg"
}

# fetch URL FILE: with retries; a page that says "not found" is a failure.
fetch() {
    curl --fail --silent --show-error --location --proto '=http,https' --retry 5 --retry-delay 2 --retry-all-errors \
        --connect-timeout 30 --max-time 900 --output "$2" -- "$1" || fail "$1 could not be fetched"
}

# expect_sum SHA256 FILE
expect_sum() {
    printf '%s  %s\n' "$1" "$2" | sha256sum --check --strict --quiet - || fail "$2 does not have the SHA-256 that was given ($1)"
}
