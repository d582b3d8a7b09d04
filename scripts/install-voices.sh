#!/usr/bin/env bash
# Installs RHVoice with its Russian and English voices from Debian's non-free component. Requires root.
# The component is enabled for this installation only, on the mirrors that apt already uses; apt's sources and package
# lists are not changed.
# Usage: install-voices.sh
set -euo pipefail
packages=(librhvoice5 rhvoice-russian rhvoice-english)

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
command -v apt-get >/dev/null || { echo "apt-get not found: RHVoice's packages are for Debian" >&2; exit 1; }
for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "RHVoice and its voices are already installed"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "root is required: sudo $0" >&2
    exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/parts" "$scratch/lists/partial"
chmod 755 "$scratch" "$scratch/parts" "$scratch/lists"

# The machine's own Debian sources with the component replaced. Two formats: one-line .list, and deb822 .sources.
shopt -s nullglob
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$file" ] || continue
    sed -nE 's/^(deb( +\[[^]]*\])? +[^ ]+ +[^ ]+)( +.*)?\bmain\b.*$/\1 main non-free/p' "$file" |
        grep -E 'debian' >"$scratch/parts/$(basename "$file" .list)-own.list" || true
done
for file in /etc/apt/sources.list.d/*.sources; do
    grep -qE '^URIs:.*debian' "$file" && grep -qE '^Components:.*\bmain\b' "$file" || continue
    sed -E 's/^Components:.*/Components: main non-free/' "$file" >"$scratch/parts/$(basename "$file" .sources)-own.sources"
done
if ! grep -rqs non-free "$scratch/parts"; then
    echo "no Debian mirror in apt's sources: enable the non-free component, then install ${missing[*]}" >&2
    exit 1
fi

apt=(apt-get -q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$scratch/parts"
    -o "Dir::State::lists=$scratch/lists" -o "Dir::Cache::pkgcache=$scratch/pkgcache.bin"
    -o "Dir::Cache::srcpkgcache=$scratch/srcpkgcache.bin")
echo "installing from Debian non-free: ${missing[*]} (about 130 MB)"
"${apt[@]}" update >/dev/null
DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
echo "installed: ${missing[*]}"
echo "voices: Russian anna, irina, elena, aleksandr; English slt, clb, bdl, alan; restart the daemon to use them."
echo "Other voices in these packages have non-commercial licences: see /usr/share/doc/librhvoice5/copyright"
