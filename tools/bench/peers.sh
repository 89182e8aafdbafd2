#!/bin/sh
# Installs the compressors that tools/bench/compression.py measures edgekit against, each into an
# environment of its own under .cache/peers: what they need of NumPy and ONNX differs.
# PYTHON=... names the interpreter; by default that of .venv.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
runtime=onnxruntime==$(.venv/bin/python -c 'import onnxruntime; print(onnxruntime.__version__)')

install() { # environment, requirements...
    folder=.cache/peers/$1
    shift
    wanted=$(echo "$*" | cksum)
    [ "$(cat "$folder/as-asked" 2>/dev/null || true)" = "$wanted" ] && return
    echo "peers: installing $* in $folder" >&2
    rm -rf "$folder"
    mkdir -p "$folder"
    "$python" -m venv "$folder"
    if "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; then
        echo "$wanted" > "$folder/as-asked"
    else
        echo "peers: $1 cannot be installed here; its rows will be left out" >&2
        rm -rf "$folder"
    fi
}

install nncf nncf==3.4.0 onnx "$runtime"
# It imports prettytable and scipy, and does not ask for them.
install neural-compressor onnx-neural-compressor==1.0 prettytable scipy "$runtime"
