#!/usr/bin/env bash
# Installs lipdrop under /opt/lipdrop with its own users, spool and configuration, and starts its systemd unit.
# The unit of the web gateway is installed too, but not started.
# Run as root. A second run updates the program and keeps configuration and spool.
# The service uses the system's Python, since it cannot read home folders. PYTHON=... selects another.
# DESTDIR=... installs everything below that folder.
set -euo pipefail
cd "$(dirname "$0")/.."
root=${DESTDIR:-}
home=$root/opt/lipdrop config=$root/etc/lipdrop

# The service's user must be able to read the files, whatever root's umask.
umask 022

if [ "$(id -u)" -ne 0 ]; then
    echo "root is required: sudo make install-service" >&2
    exit 1
fi
if ! command -v systemd-tmpfiles >/dev/null; then
    echo "systemd is required" >&2
    exit 1
fi

echo "program:       $home"
install -d "$home"
rm -rf "$home"/daemon "$home"/pipeline "$home"/docs "$home"/examples "$home"/ops
cp -r --no-preserve=ownership daemon pipeline scripts systemd docs examples ops config.yaml setup.cfg pyproject.toml \
    requirements.txt Makefile README.md README.ru.md CONTRIBUTING.md CHANGELOG.md LICENSE "$home"
make --no-print-directory -C "$home" setup PYTHON="${PYTHON:-/usr/bin/python3}" EXTRAS=espeak,web
chmod -R go=rX "$home"    # the checkout may be private

echo "users:         lipdrop, lipdrop-web"
id lipdrop >/dev/null 2>&1 || useradd --system --user-group --home-dir /var/lib/lipdrop --shell /usr/sbin/nologin lipdrop
id lipdrop-web >/dev/null 2>&1 || useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin lipdrop-web

echo "spool:         $root/var/lib/lipdrop (members of the group lipdrop may drop jobs)"
install -D -m 0644 systemd/lipdrop.tmpfiles "$root/etc/tmpfiles.d/lipdrop.conf"
systemd-tmpfiles --root="$root/" --create lipdrop.conf

echo "configuration: $config/config.yaml"
[ -e "$config/config.yaml" ] || install -m 0644 config.yaml "$config/config.yaml"

units=$root/etc/systemd/system
echo "units:         $units/lipdrop.service, lipdrop-web.service"
install -D -m 0644 -t "$units" systemd/lipdrop.service systemd/lipdrop-web.service
if [ ! -d "$root/run/systemd/system" ]; then
    echo "systemd is not running: the units are installed but not started"
    exit 0
fi
systemctl daemon-reload
systemctl enable --quiet lipdrop.service
systemctl restart lipdrop.service
systemctl try-restart lipdrop-web.service    # the web gateway, if it is in use
systemctl --no-pager --lines=3 status lipdrop.service
