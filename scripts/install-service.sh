#!/usr/bin/env bash
# Installs lipdrop under /opt/lipdrop with its own users, spool and configuration, and starts its systemd unit.
# The unit of the web gateway is installed too, but not started.
# Run as root. A second run updates the program and keeps configuration and spool.
# The service uses the system's Python, since it cannot read home folders. PYTHON=... selects another.
# DESTDIR=... only puts the files below that folder, for a package or an image: no user is created and no unit started,
# root is not needed, and nothing outside the folder changes.
# (Tests set TEST_ROOT: an installation as usual, below a folder, with fakes for the commands that change the machine.)
set -euo pipefail
cd "$(dirname "$0")/.."
staged=${DESTDIR:+yes}
root=${DESTDIR:-${TEST_ROOT:-}}
[ -z "$root" ] || root=$(realpath -m "$root")
home=$root/opt/lipdrop config=$root/etc/lipdrop shared=$root/usr/local/share

# The service's user must be able to read the files, whatever root's umask.
umask 022

if [ -z "$staged" ] && [ "$(id -u)" -ne 0 ]; then
    echo "root is required: sudo make install-service" >&2
    exit 1
fi
if [ -z "$staged" ] && ! command -v systemd-tmpfiles >/dev/null; then
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

echo "command:       $root/usr/local/bin/lipdrop, with its man page and completions"
install -d "$root/usr/local/bin" "$shared/man/man1" "$shared/bash-completion/completions" \
    "$shared/zsh/site-functions" "$shared/fish/vendor_completions.d"
program=$root/usr/local/bin/lipdrop
if [ ! -e "$program" ] || [ -L "$program" ]; then    # a program of that name that is not ours stays
    ln -sfn /opt/lipdrop/.venv/bin/lipdrop "$program"
fi
lipdrop=("$home/.venv/bin/python" -P -m daemon)
"${lipdrop[@]}" completion man >"$shared/man/man1/lipdrop.1"
"${lipdrop[@]}" completion bash >"$shared/bash-completion/completions/lipdrop"
"${lipdrop[@]}" completion zsh >"$shared/zsh/site-functions/_lipdrop"
"${lipdrop[@]}" completion fish >"$shared/fish/vendor_completions.d/lipdrop.fish"

units=$root/etc/systemd/system
install -D -m 0644 systemd/lipdrop.tmpfiles "$root/etc/tmpfiles.d/lipdrop.conf"
install -D -m 0644 systemd/lipdrop.sysusers "$root/etc/sysusers.d/lipdrop.conf"
install -D -m 0644 -t "$units" systemd/lipdrop.service systemd/lipdrop-web.service

if [ -n "$staged" ]; then
    # The environment must work where the files will be: it has the folder in its scripts and in the list of packages.
    grep -rlZIF "$root/opt/lipdrop" "$home/.venv" | xargs -0 -r sed -i "s|$root/opt/lipdrop|/opt/lipdrop|g"
    install -D -m 0644 config.yaml "$config/config.yaml"
    echo "configuration: $config/config.yaml"
    echo "units:         $units/lipdrop.service, lipdrop-web.service"
    echo "On the machine itself: systemd-sysusers && systemd-tmpfiles --create && systemctl enable --now lipdrop"
    exit 0
fi

echo "users:         lipdrop, lipdrop-web"
id lipdrop >/dev/null 2>&1 || useradd --system --user-group --home-dir /var/lib/lipdrop --shell /usr/sbin/nologin lipdrop
id lipdrop-web >/dev/null 2>&1 || useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin lipdrop-web

echo "spool:         $root/var/lib/lipdrop (members of the group lipdrop may drop jobs)"
systemd-tmpfiles --root="$root/" --create lipdrop.conf

echo "configuration: $config/config.yaml"
[ -e "$config/config.yaml" ] || install -m 0644 config.yaml "$config/config.yaml"

echo "units:         $units/lipdrop.service, lipdrop-web.service"
if [ ! -d "$root/run/systemd/system" ]; then
    echo "systemd is not running: the units are installed but not started"
    exit 0
fi
systemctl daemon-reload
systemctl enable --quiet lipdrop.service
systemctl restart lipdrop.service
systemctl try-restart lipdrop-web.service    # the web gateway, if it is in use
systemctl --no-pager --lines=3 status lipdrop.service
