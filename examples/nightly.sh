#!/usr/bin/env bash
# For cron: make videos of all texts that are new or have changed, without a daemon that runs all day.
#
# Usage: nightly.sh TEXTS SPOOL
# See nightly.crontab. Prints nothing if all goes well, so that cron sends mail only about failures.
set -euo pipefail

texts=${1:?usage: nightly.sh TEXTS SPOOL}
spool=${2:?usage: nightly.sh TEXTS SPOOL}
log="$spool/nightly.log"

# Each text that has its video leaves a file here. It cannot be told from the outbox: `first one.txt` becomes
# `first-one.mp4` there.
made="$spool/nightly"
mkdir -p "$made"
new=()
shopt -s nullglob
for text in "$texts"/*.txt; do
    if [[ $text -nt $made/$(basename "$text") ]]; then
        new+=("$text")
    fi
done
if ((${#new[@]} == 0)); then
    exit 0
fi

lipdrop submit --spool "$spool" "${new[@]}" >"$log"
for text in "${new[@]}"; do
    touch -r "$text" "$made/$(basename "$text")" # before it is rendered: it may be changed meanwhile
done

# Work until the inbox is empty, then exit. 75: a daemon is running on this spool already, and makes the videos.
code=0
lipdrop run --once --spool "$spool" 2>>"$log" || code=$?
if ((code != 0 && code != 75)); then
    for text in "${new[@]}"; do rm -f "$made/$(basename "$text")"; done # tried again next night
    echo "lipdrop ended with exit code $code:" >&2
    grep -E ' (WARNING|ERROR) ' "$log" >&2 || tail -n 20 "$log" >&2
    exit "$code"
fi
