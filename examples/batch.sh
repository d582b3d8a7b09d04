#!/usr/bin/env bash
# Make a video of every text in a folder: texts/monday.txt becomes videos/monday.mp4.
#
# Usage: batch.sh TEXTS VIDEOS
# Needs a running daemon. Options of lipdrop, such as --spool, can be given in LIPDROP_OPTIONS.
set -euo pipefail

texts=${1:?usage: batch.sh TEXTS VIDEOS}
videos=${2:?usage: batch.sh TEXTS VIDEOS}
read -ra options <<<"${LIPDROP_OPTIONS:-}"

shopt -s nullglob
files=("$texts"/*.txt)
if ((${#files[@]} == 0)); then
    echo "no .txt files in $texts" >&2
    exit 2
fi

mkdir -p "$videos"
# `submit --wait` prints the path of each video as it is done, errors on standard error, and exits with 1 if a job
# failed: pipefail passes that on, after the other videos were copied.
lipdrop submit --wait "${options[@]}" "${files[@]}" | while read -r video; do
    cp -- "$video" "$videos/"
    echo "$videos/${video##*/}"
done
