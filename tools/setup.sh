#!/bin/sh
# Makes .venv with edgekit and all that its tests need. PYTHON=... names the interpreter.
set -eu
cd "$(dirname "$0")/.."

is_as_asked() { # an environment stands until another Python is asked for
    [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" --version 2>&1)" = "$(.venv/bin/python --version)" ]
}
wanted=$(cat pyproject.toml tools/constraints.txt | cksum)
[ "$(cat .venv/edgekit-setup 2>/dev/null || true)" = "$wanted" ] && is_as_asked && exit 0

suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

python=
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if command -v "$candidate" >/dev/null 2>&1 && suits "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "setup: no Python 3.11, 3.12 or 3.13 found; install one, or say PYTHON=/path/to/python3" >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    tools/apt.sh "python$version-venv"
fi
echo "setup: making .venv with $("$python" --version)" >&2
rm -rf .venv
if ! "$python" -m venv .venv; then
    echo "setup: $python cannot make a virtual environment; install python3-venv" >&2
    exit 1
fi
echo "setup: installing edgekit and what its tests need (some minutes the first time)" >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint tools/constraints.txt --editable '.[dev]'
# Reads our Sparkplug in tests. It asks for an older paho-mqtt, which its decoder never touches.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps 'pysparkplug==0.6.1'
echo "$wanted" > .venv/edgekit-setup
