# What installing and upgrading share. INSTALL_DIR, BASE_URL, CHECKSUMS and CA are set.

fail() {
    echo "opsorbit: $*" >&2
    exit 1
}

find_platform() {
    case $(uname -s) in
    Linux) OS=linux ;;
    Darwin) OS=darwin ;;
    *) fail "satellites run on Linux and macOS, not on $(uname -s)" ;;
    esac
    case $(uname -m) in
    x86_64 | amd64) ARCH=x64 ;;
    aarch64 | arm64) ARCH=arm64 ;;
    *) fail "there are no packages for $(uname -m)" ;;
    esac
    PACKAGE="satellite-$OS-$ARCH.tar.gz"
}

# The URL holds a token, so it goes by standard input: arguments are seen by everybody on this host.
download() {
    if command -v curl >/dev/null 2>&1; then
        set -- "$1" "$2" -fsSL --connect-timeout 10 --speed-limit 100 --speed-time 60
        [ -z "$CA_FILE" ] || set -- "$@" --cacert "$CA_FILE"
        [ -z "${OPSORBIT_INSECURE-}" ] || set -- "$@" -k
        download_url=$1 download_file=$2
        shift 2
        printf 'url = "%s"\n' "$download_url" | curl "$@" -o "$download_file" -K -
    elif command -v wget >/dev/null 2>&1; then
        set -- "$1" "$2" -q -T 60
        [ -z "$CA_FILE" ] || set -- "$@" "--ca-certificate=$CA_FILE"
        [ -z "${OPSORBIT_INSECURE-}" ] || set -- "$@" --no-check-certificate
        download_url=$1 download_file=$2
        shift 2
        printf '%s\n' "$download_url" | wget "$@" -O "$download_file" -i -
    else
        fail "curl or wget is needed"
    fi
}

checksum_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 "$1" | cut -d ' ' -f 1
    elif command -v openssl >/dev/null 2>&1; then
        openssl dgst -sha256 "$1" | sed 's/.*= *//'
    else
        fail "sha256sum, shasum or openssl is needed to check the package"
    fi
}

# Make WORK, private and removed at the end, and CA_FILE: the authority to believe, if there is one.
prepare() {
    umask 022
    mkdir -p "$INSTALL_DIR" || fail "cannot write to $INSTALL_DIR"
    WORK=$(mktemp -d "$INSTALL_DIR/.work.XXXXXX") || fail "cannot write to $INSTALL_DIR"
    trap 'rm -rf "$WORK"' EXIT
    trap 'exit 1' HUP INT TERM
    CA_FILE=${OPSORBIT_CA_FILE-}
    if [ -z "$CA_FILE" ] && [ -n "$CA" ]; then
        printf '%s\n' "$CA" >"$WORK/ca.pem"
        CA_FILE="$WORK/ca.pem"
    fi
    find_platform
    download "$BASE_URL/api/app/ping" "$WORK/ping" || fail "the conductor does not answer at $BASE_URL"
}

# Fetch the package from $1, check it, unpack it and try it: VERSION_DIR is the folder of the new version.
fetch_version() {
    attempt=1
    until download "$1&os=$OS&arch=$ARCH" "$WORK/$PACKAGE"; do
        [ $attempt -lt 5 ] || fail "the package $PACKAGE cannot be downloaded"
        attempt=$((attempt + 1))
        sleep 5
    done
    wanted=$(printf '%s\n' $CHECKSUMS | sed -n "s/^$PACKAGE=//p")
    [ -n "$wanted" ] || fail "the conductor named no checksum for $PACKAGE"
    found=$(checksum_of "$WORK/$PACKAGE")
    [ "$found" = "$wanted" ] || fail "the package is not what it should be: checksum $found, not $wanted"
    VERSION_DIR="$INSTALL_DIR/versions/$(printf '%s' "$wanted" | cut -c 1-16)"
    mkdir -p "$INSTALL_DIR/versions" "$WORK/new"
    tar -xzf "$WORK/$PACKAGE" -C "$WORK/new" || fail "the package cannot be unpacked"
    if ! "$WORK/new/bin/python" -c "" >/dev/null 2>&1; then
        # Its Python was made for a newer C library: the host's may do.
        rm -rf "$WORK/new/runtime"
    fi
    "$WORK/new/bin/opsorbit-satellite" --version >/dev/null ||
        fail "the package does not run here; it needs $(sed -n 's/.*"libc": *"\(.*\)".*/\1/p' \
            "$WORK/new/package.json") or newer, or Python $(sed -n 's/.*"python": *"\(.*\)".*/\1/p' \
            "$WORK/new/package.json")"
    if [ -d "$VERSION_DIR" ]; then
        rm -rf "$WORK/old"
        [ "$(readlink "$INSTALL_DIR/current" 2>/dev/null)" = "versions/${VERSION_DIR##*/}" ] || rm -rf "$VERSION_DIR"
    fi
    [ -d "$VERSION_DIR" ] || mv "$WORK/new" "$VERSION_DIR"
}

# Make VERSION_DIR the one that is started from now on: at every moment there is a whole one.
switch_version() {
    cp "$VERSION_DIR/package.json" "$WORK/package.json"
    ln -s "versions/${VERSION_DIR##*/}" "$WORK/current"
    # Renaming over a link to a folder moves into it, unless told otherwise.
    mv -T "$WORK/current" "$INSTALL_DIR/current" 2>/dev/null ||
        mv -h "$WORK/current" "$INSTALL_DIR/current" 2>/dev/null ||
        fail "$INSTALL_DIR/current cannot be replaced"
    [ -e "$INSTALL_DIR/bin" ] || ln -s current/bin "$INSTALL_DIR/bin"
    mv -f "$WORK/package.json" "$INSTALL_DIR/package.json"
}
