"""A small MAP that conforms, as a build context and as an archive."""

import io
import json
import shutil
import tarfile
from pathlib import Path

DOCKERFILE = """\
FROM python:3.12-slim AS base
ARG VERSION=1.2.3
FROM base
ENV ROOT=/opt/holoscan \\
    HOLOSCAN_INPUT_PATH=/var/holoscan/input \\
    HOLOSCAN_OUTPUT_PATH=/var/holoscan/output
ENV HOLOSCAN_WORKDIR=/var/holoscan/
ENV HOLOSCAN_MODEL_PATH=$ROOT/models HOLOSCAN_DOCS_PATH=/opt/holoscan/docs
ENV HOLOSCAN_CONFIG_PATH=/var/holoscan/app.yaml HOLOSCAN_LOGS_PATH=/var/holoscan/logs
ENV HOLOSCAN_APP_MANIFEST_PATH=/etc/holoscan/app.json
ENV HOLOSCAN_PKG_MANIFEST_PATH=/etc/holoscan/pkg.json
LABEL org.opencontainers.image.title="A small MAP" org.opencontainers.image.version="1.2.3"
RUN pip install --no-cache-dir numpy
WORKDIR /var/holoscan
COPY map/app.json map/pkg.json /etc/holoscan/
COPY ./app ${ROOT}/app
COPY ["models", "/opt/holoscan/models/"]
COPY ./docs /opt/holoscan/docs
COPY app.config /var/holoscan/app.yaml
COPY --chmod=755 ./tools tools
USER 1000:1000
ENTRYPOINT ["/var/holoscan/tools"]
"""

TOOLS = """\
#!/bin/sh
case "$1" in
  show) cat "/etc/holoscan/$2.json" ;;
  *) exec python3 /opt/holoscan/app "$@" ;;
esac
"""

APP_JSON = {
    "apiVersion": "1.0.0",
    "type": "application",
    "command": '["python3", "/opt/holoscan/app"]',
    "environment": {
        "HOLOSCAN_INPUT_PATH": "input/",
        "HOLOSCAN_OUTPUT_PATH": "output/",
        "HOLOSCAN_WORKDIR": "/var/holoscan",
        "HOLOSCAN_MODEL_PATH": "/opt/holoscan/models",
        "HOLOSCAN_CONFIG_PATH": "/var/holoscan/app.yaml",
        "HOLOSCAN_APP_MANIFEST_PATH": "/etc/holoscan/app.json",
        "HOLOSCAN_PKG_MANIFEST_PATH": "/etc/holoscan/pkg.json",
        "HOLOSCAN_DOCS_PATH": "/opt/holoscan/docs",
        "HOLOSCAN_LOGS_PATH": "/var/holoscan/logs",
    },
    "input": {"path": "input/", "formats": ["file"]},
    "output": {"path": "output/", "formats": ["file"]},
    "readiness": None,
    "sdk": "monai-deploy",
    "sdkVersion": "4.0.0",
    "timeout": 0,
    "version": "1.2.3",
    "workingDirectory": "/var/holoscan",
}

PKG_JSON = {
    "apiVersion": "1.0.0",
    "applicationRoot": "/opt/holoscan/app",
    "modelRoot": "/opt/holoscan/models",
    "models": {"spleen": "/opt/holoscan/models/spleen"},
    "resources": {"cpu": 2, "gpu": 0, "memory": "2Gi"},
    "version": "1.2.3",
}


def write_context(folder: Path) -> Path:
    """Write the build context of a MAP that passes every check."""
    for name in ("map", "app", "docs", "models/spleen"):
        (folder / name).mkdir(parents=True)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "tools").write_text(TOOLS)
    (folder / "map/app.json").write_text(json.dumps(APP_JSON))
    (folder / "map/pkg.json").write_text(json.dumps(PKG_JSON))
    (folder / "app/__main__.py").write_text("print('usage')\n")
    (folder / "app.config").write_text("application: {title: A small MAP, version: 1.2.3}\n")
    (folder / "docs/LICENSE").write_text("Do as you like.\n")
    (folder / "models/spleen/model.onnx").write_bytes(b"\0")
    return folder


def change_json(path: Path, **changes: object) -> None:
    """Replace keys of a JSON file; None takes the key out."""
    document = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: document[key] for key in document if document[key] != "GONE"}))


def change_text(path: Path, old: str, new: str) -> None:
    """Replace ``old``, which must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def write_root(context: Path, root: Path) -> Path:
    """Unpack the MAP of ``context`` as a build would."""
    for source, target in (
        ("map", "etc/holoscan"),
        ("app", "opt/holoscan/app"),
        ("models", "opt/holoscan/models"),
        ("docs", "opt/holoscan/docs"),
    ):
        shutil.copytree(context / source, root / target)
    (root / "var/holoscan").mkdir(parents=True)
    shutil.copyfile(context / "app.config", root / "var/holoscan/app.yaml")
    shutil.copyfile(context / "tools", root / "var/holoscan/tools")
    (root / "var/holoscan/tools").chmod(0o755)
    return root


def image_config() -> dict[str, object]:
    """Return the image configuration that a build of the context makes."""
    environment = {
        name: value
        for name, value in APP_JSON["environment"].items()
        if not name.endswith("PUT_PATH")
    }
    environment["HOLOSCAN_INPUT_PATH"] = "/var/holoscan/input"
    environment["HOLOSCAN_OUTPUT_PATH"] = "/var/holoscan/output"
    return {
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Entrypoint": ["/var/holoscan/tools"],
        "User": "1000:1000",
        "Labels": {
            "org.opencontainers.image.title": "A small MAP",
            "org.opencontainers.image.version": "1.2.3",
        },
    }


def tar_of(files: dict[str, bytes]) -> bytes:
    """Return a tar archive of files with the given content, readable by all."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def files_of(root: Path) -> dict[str, bytes]:
    """Return every file below ``root`` by its path in an archive."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def write_archive(path: Path, layers: list[dict[str, bytes]]) -> Path:
    """Write what `docker save` would of an image with these layers."""
    members = {f"layer{number}.tar": tar_of(layer) for number, layer in enumerate(layers)}
    index = [{"Config": "config.json", "Layers": list(members)}]
    members["config.json"] = json.dumps({"config": image_config()}).encode()
    members["manifest.json"] = json.dumps(index).encode()
    path.write_bytes(tar_of(members))
    return path
