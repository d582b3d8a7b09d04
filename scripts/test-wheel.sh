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

echo "serving the pages, once the extra is installed"
"$lipdrop" serve 2>error && exit 1 || grep -q web_missing error
wheel=$(echo "$scratch"/dist/*.whl)
quietly "${pip[@]}" install --no-compile --constraint "$checkout/requirements.txt" "$wheel[web]"
"$lipdrop" serve --port 0 >address &
gateway=$!
trap 'kill "$gateway"; rm -rf "$scratch"' EXIT
"$scratch/venv/bin/python" - <<'END'
import time, urllib.request

deadline = time.monotonic() + 60
while not (address := open("address").read().strip()):
    assert time.monotonic() < deadline
    time.sleep(0.1)
for path in ("", "parallel_test", "realtime", "jobs/hello", "problems/not_json", "api/jobs/hello/video", "openapi.json"):
    with urllib.request.urlopen(address + path) as answer:
        print(answer.status, answer.headers["Content-Type"], "/" + path)
END
