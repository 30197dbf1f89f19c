"""The base image of the tests: LESIONMAP_MAP_BASE, or Debian with its own Python."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.map.engine import Engine

SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
PACKAGES = "python3,python3-venv,ca-certificates"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# As in Debian's official images: apt keeps no cache.
_NO_CACHE = 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache ""; Dir::Cache::archives "";\n'
_DROPPED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "var/log")


def provide_base(engine: Engine, cache: Path) -> str:
    """Return the name of a base image with Python that ``engine`` has.

    ``cache`` keeps what debootstrap made, for the next time.
    """
    if given := os.environ.get("LESIONMAP_MAP_BASE"):
        return given
    archive = cache / f"{SUITE}.tar"
    if not archive.is_file():
        _bootstrap(archive)
    name = f"lesionmap-test-base:{SUITE}"
    engine.need("import", archive, name)
    return name


def _bootstrap(archive: Path) -> None:
    root = archive.with_suffix(".root")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, root, MIRROR]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for name in _DROPPED:
        shutil.rmtree(root / name)
        (root / name).mkdir()
    (root / "etc/apt/apt.conf.d/docker-clean").write_text(_NO_CACHE)
    # Where the way to the package index is inspected, the host's authorities have to be known.
    shutil.copyfile(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
    (root / "etc/pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n")
    partial = archive.with_suffix(".partial")
    subprocess.run(["tar", "-C", root, "-cf", partial, "."], check=True)
    partial.rename(archive)
    shutil.rmtree(root)
