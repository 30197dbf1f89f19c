"""The recipes name files that exist, pin what they fetch, and open nothing to the network."""

import re
from pathlib import Path

import pytest
import yaml

from lesionmap.app.map_image.profiles import UNUSED
from lesionmap.app.settings import Settings
from lesionmap.operators.dicom.seg import MANUFACTURER


@pytest.fixture
def deploy(repository):
    return repository / "deploy"


@pytest.fixture
def services(deploy):
    return yaml.safe_load((deploy / "compose.yaml").read_text())["services"]


def test_every_port_is_published_on_loopback_only(services):
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_image_is_pinned(deploy):
    bases = [
        line.split()[1]
        for path in deploy.rglob("Dockerfile")
        for line in path.read_text().splitlines()
        if line.startswith("FROM ")
    ]
    assert len(bases) == 3
    assert all(re.search(r":[a-z]*-?[0-9]", base) for base in bases)


def test_files_that_are_copied_exist(deploy):
    for path in (deploy / "orthanc/Dockerfile", deploy / "ohif/Dockerfile"):
        (copied,) = re.findall(r"^COPY (.+) /", path.read_text(), flags=re.MULTILINE)
        assert all((path.parent / name).is_file() for name in copied.split())


def test_the_context_has_what_the_image_of_the_service_is_made_of(deploy, repository):
    """Docker takes the last line of .dockerignore that fits."""
    recipe = (deploy / "lesionmap/Dockerfile").read_text()
    lines = (repository / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    named = set(re.findall(r"/src/([\w./-]+)", recipe))
    assert "deploy/lesionmap/serve.yaml" in named
    for path in named:
        assert (repository / path).exists()
        assert let_in & {path, *map(str, Path(path).parents)}, path


def test_the_service_is_installed_as_the_map_is(deploy, repository):
    """Locked, less what is unused; Holoscan ends its installation in a first start as root."""
    recipe = (deploy / "lesionmap/Dockerfile").read_text()
    steps = [
        "--require-hashes --requirement /src/requirements/lock.txt",
        f"pip uninstall --yes {' '.join(UNUSED)} ",
        "--requirement /src/requirements/serve.txt",
        "--no-deps /src ",
        "python3 -c pass",
        "USER 1000",
    ]
    assert [step for step in steps if step not in recipe] == []
    assert sorted(steps, key=recipe.index) == steps


def test_ohif_is_the_one_that_is_tested(deploy, repository):
    script = (repository / "tests/viewer/install.sh").read_text()
    image = (deploy / "ohif/Dockerfile").read_text()
    version = re.search(r"@ohif/app@([0-9.]+)", script).group(1)
    assert f"/app-{version}.tgz" in image
    assert re.search(r"ohif_sha256=([0-9a-f]{64})", script).group(1) in image


def test_the_settings_of_the_service_are_valid(deploy, repository, tmp_path):
    whole = (repository / "app.yaml").read_text() + (deploy / "lesionmap/serve.yaml").read_text()
    (tmp_path / "app.yaml").write_text(whole)
    settings = Settings.load(tmp_path / "app.yaml")
    shipped = Settings.load(repository / "app.yaml")
    assert [item.name for item in settings.serve.deliver.destinations] == ["orthanc"]
    assert settings.digest == shipped.digest
    receive = settings.serve.receive
    orthanc = (deploy / "orthanc/orthanc.json").read_text()
    assert f'"{receive.ae_title}"' in orthanc
    assert f":-{receive.port}}}" in orthanc


def test_orthanc_knows_our_results_by_their_manufacturer(deploy):
    assert f"Manufacturer == '{MANUFACTURER}'" in (deploy / "orthanc/route.lua").read_text()
