#!/usr/bin/env bash
# For cron: make videos of all texts that are new or have changed, without a daemon that runs all day.
#
# Usage: nightly.sh TEXTS SPOOL
# See nightly.crontab. Prints nothing if all goes well, so that cron sends mail only about failures.
set -euo pipefail

texts=${1:?usage: nightly.sh TEXTS SPOOL}
spool=${2:?usage: nightly.sh TEXTS SPOOL}
log="$spool/nightly.log"

# A text that was not changed since its video was made is skipped.
mkdir -p "$spool"
new=()
shopt -s nullglob
for text in "$texts"/*.txt; do
    name=$(basename "$text" .txt)
    if [[ $text -nt $spool/outbox/$name.mp4 ]]; then
        new+=("$text")
    fi
done
if ((${#new[@]} == 0)); then
    exit 0
fi

lipdrop submit --spool "$spool" "${new[@]}" >"$log"

# Work until the inbox is empty, then exit. 75: a daemon is running on this spool already, and makes the videos.
code=0
lipdrop run --once --spool "$spool" 2>>"$log" || code=$?
if ((code != 0 && code != 75)); then
    echo "lipdrop ended with exit code $code:" >&2
    grep -E ' (WARNING|ERROR) ' "$log" >&2 || tail -n 20 "$log" >&2
    exit "$code"
fi
