#!/usr/bin/env bash
# Builds the wheel, installs it into an empty environment outside the checkout and renders a job there.
# Usage: test-wheel.sh PYTHON
set -euo pipefail
python=${1:-python3}
checkout=$(cd "$(dirname "$0")/.." && pwd)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

quietly() {  # run a command; show its output only if it fails
    "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; return 1; }
}

echo "building the wheel"
# From a copy: a build leaves folders behind and would package those of earlier builds.
mkdir "$scratch/source"
cp -r "$checkout"/{daemon,pipeline,setup.cfg,pyproject.toml,README.md,LICENSE} "$scratch/source"
"$python" -m venv "$scratch/venv"
pip=("$scratch/venv/bin/python" -m pip --disable-pip-version-check)
quietly "${pip[@]}" wheel --no-deps --wheel-dir "$scratch/dist" "$scratch/source"

echo "installing $(basename "$scratch"/dist/*.whl) in an empty environment"
quietly "${pip[@]}" install --no-compile --constraint "$checkout/requirements.txt" "$scratch"/dist/*.whl
"${pip[@]}" check

echo "rendering a job"
mkdir "$scratch/spool"
cd "$scratch/spool"
echo '{"text": "Hello from the wheel.", "language": "en", "size": "256x256"}' >hello.json
lipdrop=$scratch/venv/bin/lipdrop
"$lipdrop" submit hello.json >/dev/null
quietly "$lipdrop" run --once
ffprobe -v error -show_entries stream=codec_name,nb_frames -of csv=p=0 outbox/hello.mp4
"$lipdrop" status hello
