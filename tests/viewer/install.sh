#!/usr/bin/env bash
# Install what `make test-viewer` runs: Debian's Orthanc, Chromium and friends, and OHIF from npm.
# Does nothing where all is there; fails, and says what is missing, where it cannot install.
set -euo pipefail

cache=$1
ohif=@ohif/app@3.13.2
ohif_sha256=b189d3963bfc58e9394a9db8c7be75d07beb029ec211dbb126d47b62969dd3f1

declare -A package=(
  [Orthanc]=orthanc [chromium]=chromium [storescu]=dcmtk [nginx]=nginx-light [gcc]=gcc [npm]=npm
  [/usr/share/orthanc/plugins/libOrthancDicomWeb.so]=orthanc-dicomweb [/usr/include/dlfcn.h]=libc6-dev
)
PATH=$PATH:/usr/sbin
missing=()
for program in "${!package[@]}"; do
  [ -e "$program" ] || command -v "$program" >/dev/null || missing+=("${package[$program]}")
done

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || [ -d /run/systemd/system ]; then
    # On a machine with services, Debian would start Orthanc for the whole network.
    echo "missing: install ${missing[*]} (and stop the services that they start)" >&2
    exit 1
  fi
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -e "$cache/ohif/package/dist/index.html" ]; then
  rm -rf "$cache/ohif" "$cache/ohif.partial"
  mkdir -p "$cache/ohif.partial"
  cd "$cache/ohif.partial"
  archive=$(npm pack --silent "$ohif" | tail -n 1)
  echo "$ohif_sha256  $archive" | sha256sum --check --quiet
  tar --extract --gzip --file "$archive"
  rm "$archive"
  mv "$PWD" ../ohif
fi
