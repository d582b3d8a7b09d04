#!/usr/bin/env bash
# Drops two jobs into a spool, runs the daemon until they are done and prints the paths of the videos.
# Usage: demo.sh SPOOL
set -euo pipefail
spool=$1
lipdrop="$(dirname "$0")/../.venv/bin/lipdrop"

rm -f "$spool"/inbox/*.json
"$lipdrop" submit --spool "$spool" "$(dirname "$0")"/demo/*.json
"$lipdrop" run --spool "$spool" --once
echo
echo "Watch them:"
for video in "$spool"/outbox/*.mp4; do
    echo "  $(realpath "$video")"
done
echo "The timing JSON of each is next to it."
if grep -qs '"robotic_voice"' "$spool"/outbox/*.json; then
    echo
    echo "Russian is spoken by espeak-ng, which sounds like a robot. Install natural voices, then run this again:"
    echo "  sudo make voices"
fi
echo
echo "Make your own:"
echo "  source .venv/bin/activate"
echo '  lipdrop make "Hello!" -o hello.mp4'
