#!/bin/sh
# Installs an OpsOrbit satellite on this host. OPSORBIT_INSTALL_DIR names another place than the usual one.
# Root gets a service that is started at boot; anybody else a satellite that is started now.
set -eu
AUTH_TOKEN="@TOKEN@"
BASE_URL="@BASE@"
INSTALL_DIR="/opt/xyops/satellite"
CONFIG_URL="$BASE_URL/api/app/satellite/config?t=$AUTH_TOKEN@QUERY@"
CHECKSUMS="@CHECKSUMS@"
CA="@CA@"
INSTALL_DIR="${OPSORBIT_INSTALL_DIR:-$INSTALL_DIR}"

@COMMON@
# Everything in one function: a script that was cut off on its way does nothing at all.
main() {
    [ ! -e "$INSTALL_DIR/package.json" ] || fail "a satellite is installed in $INSTALL_DIR already"
    prepare
    fetch_version "$BASE_URL/api/app/satellite/core?t=$AUTH_TOKEN@SERVER@"
    if [ ! -s "$INSTALL_DIR/config.json" ]; then
        (umask 077 && download "$CONFIG_URL" "$WORK/config.json") || fail "the configuration cannot be downloaded"
        chmod 600 "$WORK/config.json"
        mv "$WORK/config.json" "$INSTALL_DIR/config.json"
    fi
    switch_version
    if [ "$(id -u)" = 0 ] && [ -z "${OPSORBIT_NO_SERVICE-}" ] && "$INSTALL_DIR/bin/opsorbit-satellite" install; then
        if [ -d /run/systemd/system ]; then
            systemctl start opsorbit-satellite
            echo "The satellite is running; systemctl status opsorbit-satellite tells more."
            return
        elif [ "$OS" = darwin ]; then
            launchctl load -w /Library/LaunchDaemons/org.opsorbit.satellite.plist
            echo "The satellite is running."
            return
        fi
    fi
    "$INSTALL_DIR/bin/opsorbit-satellite" start
    echo "The satellite is running from $INSTALL_DIR."
}

main
