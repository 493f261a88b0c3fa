#!/bin/sh
# Makes .venv and installs layers of the lock into it, every file checked by its hash: `setup.sh runtime dev`.
# Needs a Python 3.11 to 3.13 with venv and ensurepip, nothing else. PYTHON=… names one; else the first suitable one is taken.
set -eu
cd "$(dirname "$0")/../.."

say() { printf '%s\n' "$*" >&2; }
stop() { say "set-up: $*"; exit 1; }

# Prints nothing if this Python can carry the project, else one line that says why not.
why_not() {
    "$1" - 2>/dev/null <<'PYTHON' || echo "does not run"
import importlib.util, os, platform, sys
def libc():
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
    except (AttributeError, OSError, ValueError):
        return None  # musl, as on Alpine
    return tuple(int(part) for part in version.split(".")[:2])
machine, system = platform.machine().lower(), platform.system()
if not (3, 11) <= sys.version_info[:2] < (3, 14):
    print("is Python %d.%d; needed is 3.11, 3.12 or 3.13" % sys.version_info[:2])
elif platform.python_implementation() != "CPython" or sys.maxsize < 2**32:
    print("is not a 64-bit CPython")
elif (system, machine) not in {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}:
    print("runs on %s %s; needed is Linux on x86_64 or aarch64, or macOS on arm64" % (system, machine))
elif system == "Linux" and (libc() or (0, 0)) < (2, 28):
    found = "glibc %d.%d" % libc() if libc() else "musl"
    print("runs on " + found + "; needed is glibc 2.28 or later (Debian 10, RHEL 8, Ubuntu 20.04)")
elif importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
    print("has no ensurepip; install its venv package (Debian, Ubuntu: apt install python%d.%d-venv)" % sys.version_info[:2])
PYTHON
}

find_python() {
    reasons=""
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        reason=$(why_not "$candidate")
        [ -n "$reason" ] || { echo "$candidate"; return; }
        # A version manager's shim that points nowhere is no Python at all; one reason is told once.
        case "does not run $reasons" in *"$reason"*) ;; *) reasons="$reasons; $candidate $reason" ;; esac
    done
    [ -n "$reasons" ] || reasons="; found none on PATH; install Python 3.11, 3.12 or 3.13, or name one: make PYTHON=/path/to/python3"
    stop "no suitable Python${reasons}"
}

# A mirror that is set for pip serves uv too.
mirror() {
    address=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
    address=${PIP_INDEX_URL:-$address}
    [ -z "$address" ] || printf '%s' "$address"
}

if [ ! -x .venv/bin/python ] || [ -n "$(why_not .venv/bin/python)" ]; then
    python=$(find_python)
    say "set-up: $("$python" --version) -> .venv"
    "$python" -m venv --clear .venv || stop "\`$python -m venv .venv\` failed; is the disk full, or the folder read-only?"
fi
if ! cmp -s requirements/tools.txt .venv/.tools; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt ||
        stop "pip could not fetch the installer; check the network, the proxy and pip's settings (pip config list)"
    cp requirements/tools.txt .venv/.tools
fi

files=""
for layer in "$@"; do files="$files -r requirements/$layer.txt"; done
say "set-up: installing $*"
index=$(mirror)
# shellcheck disable=SC2086
UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 ${index:+env UV_DEFAULT_INDEX="$index"} \
    .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes $files ||
    { say "set-up: uv did not manage, trying pip on the same files"
      .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes $files; } ||
    stop "the packages could not be installed; the lines above say which; check the network, the proxy and the free space ($(df -h . | awk 'NR==2 {print $4}') left)"
# Links the project into .venv (command `affluent`, entry points); nothing is downloaded.
.venv/bin/uv pip install --quiet --offline --python .venv/bin/python --no-deps --no-build-isolation -e .
