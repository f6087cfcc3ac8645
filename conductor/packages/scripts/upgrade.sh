#!/bin/sh
# Upgrades the OpsOrbit satellite of this host. Its jobs go on; the new version finds them again.
set -eu
SERVER_ID="@SERVER_ID@"
AUTH_TOKEN="@TOKEN@"
BASE_URL="@BASE@"
INSTALL_DIR="/opt/xyops/satellite"
CHECKSUMS="@CHECKSUMS@"
CA="@CA@"
INSTALL_DIR="${OPSORBIT_INSTALL_DIR:-$INSTALL_DIR}"

@COMMON@
restart() {
    program="$INSTALL_DIR/bin/opsorbit-satellite"
    if [ "${OPSORBIT_RESTART-}" = signal ]; then
        # The service manager or the container starts it again.
        kill -TERM "$OPSORBIT_SATELLITE_PID"
    elif command -v systemctl >/dev/null 2>&1 && systemctl is-active --quiet opsorbit-satellite 2>/dev/null; then
        systemctl restart opsorbit-satellite
    elif "$program" status >/dev/null; then
        "$program" restart
    fi
}

# The present version and the one before it stay: jobs may still use files of theirs.
remove_old() {
    for folder in $(ls -1t "$INSTALL_DIR/versions" | tail -n +3); do
        [ "versions/$folder" = "$(readlink "$INSTALL_DIR/current")" ] || rm -rf "$INSTALL_DIR/versions/$folder"
    done
}

main() {
    grep -q '"opsorbit-satellite"' "$INSTALL_DIR/package.json" 2>/dev/null ||
        fail "there is no OpsOrbit satellite in $INSTALL_DIR to upgrade"
    mkdir -p "$INSTALL_DIR/data/logs"
    if [ -z "${OPSORBIT_SATELLITE_PID-}" ]; then
        exec >>"$INSTALL_DIR/data/logs/background.log" 2>&1
    fi
    echo "Upgrade of $SERVER_ID begins: $(date)"
    prepare
    before=$(readlink "$INSTALL_DIR/current" || true)
    fetch_version "$BASE_URL/api/app/satellite/core?s=$SERVER_ID&t=$AUTH_TOKEN"
    switch_version
    touch "$VERSION_DIR"
    remove_old
    echo "Version before: $before, now: $(readlink "$INSTALL_DIR/current")"
    restart
    echo "Upgrade ended: $(date)"
}

main
