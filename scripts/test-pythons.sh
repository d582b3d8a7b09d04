#!/usr/bin/env bash
# Runs lint and the fast tests on every supported Python found on this machine, each in an environment .venv-VERSION.
# It needs 5 GB where pip finds only torch's CUDA build for that Python; `make clean` removes it.
# Usage: test-pythons.sh [PYTHON...]
set -euo pipefail
cd "$(dirname "$0")/.."

found() {
    local version program
    for version in 3.11 3.12 3.13 3.14; do
        for program in "$HOME"/.pyenv/versions/"$version".*/bin/python "$(command -v "python$version" || true)"; do
            if [ -x "$program" ] && "$program" -c 'import ensurepip, venv' 2>/dev/null; then
                echo "$program"
                break
            fi
        done
    done
}

# Tests without a daemon: they take seconds and cover what may differ between Python versions.
fast_tests=(tests/test_{align,architecture,captions,chunks,command_line,config,fragments,job,journal,logs,mel,retention}.py
    tests/test_{scheduler,spool,stream_flow,submission,text}.py)

pythons=("$@")
[ ${#pythons[@]} -gt 0 ] || mapfile -t pythons < <(found)
for python in "${pythons[@]}"; do
    version=$("$python" -c 'import sys; print("{}.{}".format(*sys.version_info))')
    echo "Python $version"
    venv=.venv-$version
    [ -d "$venv" ] || "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --constraint requirements.txt \
        --editable '.[espeak,dev]'
    "$venv/bin/ruff" check .
    "$venv/bin/mypy" --python-version "$version" --cache-dir ".mypy_cache/$version"
    mapfile -t tests < <(ls "${fast_tests[@]}" 2>/dev/null)
    "$venv/bin/python" -m pytest -q "${tests[@]}"
done
