#!/bin/sh
# Installs Debian packages that are missing, where it may, and says so. Never fails: what needs a
# package that could not be had says so itself.
set -eu

missing=
for package in "$@"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null |
        grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "apt: cannot install$missing: there is no apt-get here; what needs them is left out" >&2
    exit 0
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        echo "apt: cannot install$missing: neither root nor sudo; what needs them is left out" >&2
        exit 0
    fi
fi

# A package's service must not start on somebody's machine because they ran our tests.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM # dash skips EXIT on a signal nobody handles
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

echo "apt: installing$missing" >&2
install() {
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --quiet --no-install-recommends "$@" >/dev/null 2>&1
}
# shellcheck disable=SC2086  # one word a package
if ! install $missing; then
    $as_root apt-get update --quiet --quiet >/dev/null 2>&1 || true
    if ! install $missing; then # one that this release lacks must not keep the others away
        for package in $missing; do
            install "$package" || echo "apt: could not install $package; what needs it is left out" >&2
        done
    fi
fi
case " $missing " in
*" mosquitto "*)
    if command -v systemctl >/dev/null 2>&1; then
        $as_root systemctl disable --quiet mosquitto.service >/dev/null 2>&1 || true
    fi
    ;;
esac
exit 0
