#!/usr/bin/env bash
# Removes what install-service.sh has installed. Configuration, spool and users stay, unless PURGE=yes.
# Run as root. DESTDIR=... removes the files below that folder and changes nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
staged=${DESTDIR:+yes}
root=${DESTDIR:-${TEST_ROOT:-}}
[ -z "$root" ] || root=$(realpath -m "$root")
shared=$root/usr/local/share

if [ -z "$staged" ] && [ "$(id -u)" -ne 0 ]; then
    echo "root is required: sudo make uninstall-service" >&2
    exit 1
fi

if [ -z "$staged" ] && [ -d "$root/run/systemd/system" ]; then
    echo "stopping:      lipdrop, lipdrop-web; jobs in flight may finish first"
    for unit in lipdrop-web.service lipdrop.service; do
        [ ! -e "$root/etc/systemd/system/$unit" ] || systemctl disable --quiet --now "$unit"
    done
fi

echo "removing:      units, program, command, man page, completions"
program=$root/usr/local/bin/lipdrop
[ "$(readlink "$program" || true)" != /opt/lipdrop/.venv/bin/lipdrop ] || rm "$program"
rm -f "$root"/etc/systemd/system/lipdrop{,-web}.service "$root"/etc/{tmpfiles,sysusers}.d/lipdrop.conf \
    "$shared/man/man1/lipdrop.1" "$shared/bash-completion/completions/lipdrop" \
    "$shared/zsh/site-functions/_lipdrop" "$shared/fish/vendor_completions.d/lipdrop.fish"
rm -rf "$root/opt/lipdrop"
[ -n "$staged" ] || [ ! -d "$root/run/systemd/system" ] || systemctl daemon-reload

users=
[ -n "$staged" ] || users=", users lipdrop and lipdrop-web"
if [ "${PURGE:-}" != yes ]; then
    echo "kept:          $root/etc/lipdrop, $root/var/lib/lipdrop$users; PURGE=yes removes them too"
    exit 0
fi
echo "removing:      $root/etc/lipdrop, $root/var/lib/lipdrop with all jobs and videos$users"
rm -rf "$root/etc/lipdrop" "$root/var/lib/lipdrop"
[ -z "$staged" ] || exit 0
for user in lipdrop-web lipdrop; do
    ! id "$user" >/dev/null 2>&1 || userdel "$user"
done
