#!/usr/bin/env bash
# What `make test-map` needs from Debian, where it is missing: an engine and debootstrap.
set -euo pipefail
missing=()
command -v dockerd >/dev/null || docker version >/dev/null 2>&1 || missing+=(docker.io runc)
command -v debootstrap >/dev/null || [ -n "${LESIONMAP_MAP_BASE:-}" ] || missing+=(debootstrap)
[ ${#missing[@]} = 0 ] && exit 0
[ "$(id -u)" = 0 ] || { echo "install ${missing[*]} first" >&2; exit 2; }
# No service is to be started: the tests start, and end, an engine of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' > $policy
  chmod +x $policy
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
