#!/bin/sh
# Makes .venv from the locked requirements, with hashes, and puts the project into it.
set -eu
cd "$(dirname "$0")/.."

python=""
for name in ${PYTHON:-python3.13 python3.12 python3.11 python3.14 python3 python}; do
    if command -v "$name" >/dev/null 2>&1 &&
        "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    found=$(python3 --version 2>/dev/null || echo "no python3")
    echo "Lingnan MES needs Python 3.11, 3.12, 3.13 or 3.14; found: $found." >&2
    echo "Install one, for example:  sudo apt-get install python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "Python's venv module is missing. Install it:  sudo apt-get install python$version-venv" >&2
    exit 1
fi

started=$(date +%s)
[ -x .venv/bin/python ] || "$python" -m venv .venv
# Only the lock decides what is installed; the project itself follows without its own resolution.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
# Ahead, so that no plan has to wait for the compiler; without it the solver compiles when it is first used.
.venv/bin/python -m services.scheduling.solver.warm || echo "The scheduler will be compiled when it is first used." >&2
touch .venv/.ready
echo "Set up with $("$python" --version) in $(($(date +%s) - started)) s. The command is .venv/bin/mes"
