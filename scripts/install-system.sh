#!/usr/bin/env bash
# Installs the missing system packages; without root, prints the command that does.
# A staged installation (DESTDIR) changes nothing on this machine, and needs no ffmpeg here.
# Usage: install-system.sh PYTHON
set -euo pipefail
python=${1:-python3}

missing=()
if [ -z "${DESTDIR:-}" ]; then
    command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || missing+=(ffmpeg)
fi
command -v "$python" >/dev/null || missing+=(python3)
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
[ ${#missing[@]} -eq 0 ] && exit 0

if command -v apt-get >/dev/null; then
    install="apt-get update -q && apt-get install -y -q --no-install-recommends ${missing[*]}"
elif command -v dnf >/dev/null; then
    install="dnf install -y ${missing[*]/python3-venv/}"
elif command -v pacman >/dev/null; then
    install="pacman -S --noconfirm --needed ${missing[*]/python3-venv/}"
else
    echo "lipdrop needs: ${missing[*]}. Install them and run make again." >&2
    exit 1
fi

if [ "$(id -u)" -ne 0 ] || [ -n "${DESTDIR:-}" ]; then
    echo "lipdrop needs: ${missing[*]}. Run this command, then make again:" >&2
    echo "  sudo sh -c '$install'" >&2
    exit 1
fi
echo "installing: ${missing[*]}"
DEBIAN_FRONTEND=noninteractive sh -c "$install" >/dev/null
