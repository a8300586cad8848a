# Sourced by deploy/up, deploy/down and tests/run: makes .venv and keeps it installed. Sets `root` and `python`.
#
# ensure_venv [extra]   installs the project (with that extra) if pyproject.toml, the interpreter or the place of
#                       the project has changed since the last time; a stamp in .venv remembers.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
python="$root/.venv/bin/python"
# Containers often set it; each start of a program would compile the whole of it again, which takes seconds.
unset PYTHONDONTWRITEBYTECODE

fail() {
  echo "error: $*" >&2
  exit 1
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if is_new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  fail "kubelite needs Python 3.11 or newer, and found $(python3 --version 2>/dev/null || echo none):" \
    "install it (Debian and Ubuntu: apt-get install python3 python3-venv)"
}

make_venv() {
  local system
  system=$(find_python) || exit 1
  "$system" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "this Python has no venv module: install it (Debian and Ubuntu: apt-get install python3-venv)"
  echo "Making .venv with $("$system" --version) ..."
  "$system" -m venv "$root/.venv" >/dev/null || fail "cannot make $root/.venv (see above)"
}

ensure_venv() {
  local extra=${1:-} stamp wanted
  is_new_enough "$python" || make_venv
  stamp="$root/.venv/kubelite${extra:+-$extra}.stamp"
  wanted="$root $("$python" --version) $(sha256sum <"$root/pyproject.toml")"
  if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
    echo "Installing${extra:+ what the ${extra}s need} (about a minute the first time) ..."
    if ! "$python" -m pip install --disable-pip-version-check --editable "$root${extra:+[$extra]}" \
      >"$root/.venv/install.log" 2>&1; then
      tail -n 5 "$root/.venv/install.log" >&2
      fail "pip could not install the project: is there a network, and room on the disk? ($root/.venv/install.log)"
    fi
    echo "$wanted" >"$stamp"
  fi
}
