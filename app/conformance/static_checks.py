"""What can be checked without starting the MAP. A new check is a function and a row below."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import yaml

from lesionmap.app.conformance.check import Check, Level
from lesionmap.app.conformance.manifest import (
    ApplicationManifest,
    Manifest,
    ManifestError,
    PackageManifest,
    Resources,
    parse_manifest,
)
from lesionmap.app.conformance.package import (
    APP_JSON,
    PKG_JSON,
    ImageSettings,
    NotCheckedError,
    Package,
    PackagedFile,
    is_root,
)

_TITLE = "org.opencontainers.image.title"
_VERSION = "org.opencontainers.image.version"
_SDK_VERSION = "org.monai.deploy.app-sdk"
_VARIABLES = (
    ("HOLOSCAN_INPUT_PATH",),
    ("HOLOSCAN_OUTPUT_PATH",),
    ("HOLOSCAN_WORKDIR",),
    ("HOLOSCAN_MODEL_PATH",),
    ("HOLOSCAN_CONFIG_PATH",),
    ("HOLOSCAN_APP_MANIFEST_PATH",),
    ("HOLOSCAN_PKG_MANIFEST_PATH",),
    ("HOLOSCAN_DOCS", "HOLOSCAN_DOCS_PATH"),
    ("HOLOSCAN_LOGS", "HOLOSCAN_LOGS_PATH"),
)
"""The specification's names; the packager's, where it writes another."""

_DOCS = "/opt/holoscan/docs"
_USER_PACKAGES = re.compile(r"^/(home/[^/]+|root)/\.local/lib/python")
_EXEC_WITH_ARGUMENTS = (
    r"(?:^|;|\)|\bthen|\belse|&&)\s*exec\s+[^\s<>\d][^\n|]*\$\{?[@*](?:[^\n&|]|>&)*$"
)
_OWN_FOLDERS = ("/etc/holoscan", "/opt/holoscan", "/var/holoscan/tools")


def _problems_of(schema: type[Manifest], package: Package, path: str) -> Iterator[str]:
    text = package.read(path)
    if text is None:
        yield f"{path} is missing"
        return
    try:
        parse_manifest(schema, text)
    except ManifestError as error:
        yield from error.problems


def _app_json(package: Package) -> Iterator[str]:
    yield from _problems_of(ApplicationManifest, package, APP_JSON)


def _pkg_json(package: Package) -> Iterator[str]:
    yield from _problems_of(PackageManifest, package, PKG_JSON)


def _application_type(package: Package) -> Iterator[str]:
    if package.application().type is None:
        yield "app.json names no type, application or service (holoscan-cli 4.2.0 writes none)"


def _environment(package: Package) -> Iterator[str]:
    declared = package.application().environment or {}
    for names in _VARIABLES:
        if not any(name in declared for name in names):
            yield f"app.json#environment lacks {' or '.join(names)}"


def _image_environment(package: Package) -> Iterator[str]:
    """Plain `docker run` reads no app.json: what it promises must hold in the image itself."""
    image, manifest = package.need_settings().environment, package.application()
    root = PurePosixPath(manifest.working_directory or "/var/holoscan")
    promised = {
        name: str(root / value)
        for name, value in (manifest.environment or {}).items()
        if name.startswith("HOLOSCAN_")
    }
    promised["HOLOSCAN_INPUT_PATH"] = str(root / manifest.input.path)
    promised["HOLOSCAN_OUTPUT_PATH"] = str(root / manifest.output.path)
    for name, value in sorted(promised.items()):
        found = image.get(name)
        if found is None:
            yield f"the image does not set {name}, which app.json promises"
        elif PurePosixPath(found) != PurePosixPath(value):
            yield f"the image sets {name} to {found}, app.json says {value}"


def _labels(package: Package) -> Iterator[str]:
    labels = package.need_settings().labels
    for name in (_TITLE, _VERSION):
        if not labels.get(name):
            yield f"the image has no label {name}"


def _versions(package: Package) -> Iterator[str]:
    labels = package.need_settings().labels
    found = {
        "app.json": package.application().version,
        "pkg.json": package.package().version,
        "the label": labels.get(_VERSION),
        "the settings": _settings_version(package),
    }
    named = {where: version for where, version in found.items() if version}
    if len(set(named.values())) > 1:
        yield "versions differ: " + ", ".join(f"{where} {named[where]}" for where in named)
    sdk = labels.get(_SDK_VERSION)
    if sdk and sdk != package.application().sdk_version:
        yield f"SDK versions differ: the label {sdk}, app.json {package.application().sdk_version}"


def _settings_version(package: Package) -> str | None:
    path = (package.application().environment or {}).get("HOLOSCAN_CONFIG_PATH", "")
    try:
        document = yaml.safe_load(package.read(path) or b"")
        return str(document["application"]["version"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError):
        return None


def _application(package: Package) -> Iterator[str]:
    root = package.package().application_root
    if not package.below(root):
        yield f"{root} holds no application"
        return
    for word in package.application().command:
        if PurePosixPath(word).is_relative_to(root) and not _is_startable(package, word):
            yield f"the command starts {word}, which is not there or has no __main__.py"


def _is_startable(package: Package, path: str) -> bool:
    files = package.files
    place = PurePosixPath(path)
    whole = files.get(str(place))
    return (whole is not None and not whole.is_folder) or str(place / "__main__.py") in files


def _entry_point(package: Package) -> Iterator[str]:
    settings = package.need_settings()
    if not settings.entry_point:
        yield "the image has no entry point"
        return
    if settings.is_shell_form:
        yield "the entry point is in shell form: arguments and signals do not reach the application"
        return
    for word in settings.entry_point:
        script = package.read(word)
        if script and script.startswith(b"#!"):
            text = script.decode("utf-8", "replace").replace("\\\n", " ")
            yield from _lost_exit_codes(text)
            _need_passed_exit_codes(text)


def _lost_exit_codes(script: str) -> Iterator[str]:
    """Find the stock script's fault: the code is caught in a variable and never passed on."""
    kept = re.findall(r"^\s*eval\b.*\n\s*(\w+)=\$\?", script, re.MULTILINE)
    passed = re.findall(r"\b(?:exit|return)\s+[\"']?\$\{?(\w+)", script)
    for name in sorted({*kept} - {*passed}):
        yield f"the entry point keeps the application's exit code in ${name}, and ends with another"


def _need_passed_exit_codes(script: str) -> None:
    """Make sure that a script gives its place to the application, or ends with its code.

    Raises:
        NotCheckedError: only a start would tell, as after ``app "$@" || true``.
    """
    gives_place = re.search(_EXEC_WITH_ARGUMENTS, script, re.MULTILINE)
    kept = re.findall(r"\b(\w+)=\$\?", script)
    passed = re.findall(r"\b(?:exit|return)\s+[\"']?\$\{?([\w?]+)", script)
    masked = re.search(r"\$\{?[@*][^\n]*\|", script)
    if masked or not (gives_place or {*kept, "?"} & {*passed}):
        raise NotCheckedError("whether the script passes exit codes on shows when it is started")


def _models(package: Package) -> Iterator[str]:
    manifest = package.package()
    root = PurePosixPath(manifest.model_root)
    listed = {PurePosixPath(root / path) for path in (manifest.models or {}).values()}
    for name, path in (manifest.models or {}).items():
        if not package.below(str(root / path)):
            yield f"model {name} is listed, and nothing is at {root / path}"
    for path in package.below(str(root)):
        place = root / path
        if not any(place.is_relative_to(folder) for folder in listed):
            yield f"{place} belongs to no model that pkg.json lists"
    if root in listed:
        yield f"{root} itself is listed as a model: a stray file lay there when it was packaged"
    package.need_all_below(str(root))


def _artifacts(package: Package) -> Iterator[str]:
    manifest = package.package()
    root = PurePosixPath(manifest.model_root)
    for name, path in (manifest.models or {}).items():
        files = package.below(str(root / path))
        items = {PurePosixPath(item).parts[0] for item in files}
        if len(items) > 1 and "config.pbtxt" not in items:
            yield f"model {name} has {len(items)} artifacts: {', '.join(sorted(items)[:4])}"


def _resources(package: Package) -> Iterator[str]:
    resources = package.package().resources or Resources()
    for name in ("cpu", "memory", "gpu"):
        if getattr(resources, name) is None:
            yield f"pkg.json#resources.{name} is not declared"


def _no_per_user_packages(package: Package) -> Iterator[str]:
    settings = package.settings or ImageSettings()
    if any(re.search(r"pip3? install\b.*\s--user\b", step) for step in settings.steps):
        yield "packages are installed with --user: no other uid sees them"
    homes = {match[0] for path in package.files if (match := _USER_PACKAGES.match(path))}
    yield from (f"packages lie in {home}: no other uid sees them" for home in sorted(homes))
    if any(re.search(r"\bpip[\d.]* install\b", step) for step in settings.user_steps):
        if {"PATH", "VIRTUAL_ENV"} & settings.environment.keys():
            raise NotCheckedError("pip is not run by root: where it installs shows in the image")
        yield "pip is not run by root, and installs as with --user: no other uid sees the packages"
    package.need_all_below("/home")
    package.need_all_below("/root")


def _readable(package: Package) -> Iterator[str]:
    steps = " ".join(package.settings.steps if package.settings else ())
    if "chmod" in steps:
        raise NotCheckedError("the Dockerfile changes modes: check the image")
    closed = sorted(path for path, item in package.files.items() if _is_closed(path, item))
    if closed:
        more = f" and {len(closed) - 1} more" if len(closed) > 1 else ""
        yield f"not readable by every uid: {closed[0]}{more}"
    for folder in _OWN_FOLDERS:
        package.need_all_below(folder)


def _is_closed(path: str, item: PackagedFile) -> bool:
    need = 0o5 if item.is_folder else 0o4
    own = any(PurePosixPath(path).is_relative_to(folder) for folder in _OWN_FOLDERS)
    return own and item.mode & need != need


def _no_root(package: Package) -> Iterator[str]:
    if is_root(package.need_settings().user):
        yield "the image runs as root unless told otherwise"


def _no_monai_folder(package: Package) -> Iterator[str]:
    if package.read("/etc/monai/app.json") is not None:
        yield "/etc/monai/app.json makes mercure run the image as root"


def _documents(package: Package) -> Iterator[str]:
    files = package.below(_DOCS)
    if not any(re.search(r"licen[cs]e|eula|notice", path, re.IGNORECASE) for path in files):
        yield f"{_DOCS} holds no licence"


STATIC_CHECKS: tuple[Check[Package], ...] = (
    Check("app.json is valid", Level.MUST, "MAP 1.0.0, Application Manifest", _app_json),
    Check("pkg.json is valid", Level.MUST, "MAP 1.0.0, Package Manifest", _pkg_json),
    Check("type declared", Level.SHOULD, "MAP 1.0.0, Application Manifest", _application_type),
    Check("environment declared", Level.MUST, "MAP 1.0.0, Environment Variables", _environment),
    Check("environment set", Level.MUST, "MAP 1.0.0, Default Behavior", _image_environment),
    Check("labels", Level.MUST, "MAP 1.0.0, Image Annotations", _labels),
    Check("versions equal", Level.MUST, "MAP 1.0.0, Image Annotations", _versions),
    Check("application in its folder", Level.MUST, "MAP 1.0.0, Application", _application),
    Check("entry point", Level.MUST, "MAP 1.0.0, Default Behavior", _entry_point),
    Check("models where listed", Level.MUST, "MAP 1.0.0, Package Manifest", _models),
    Check("one artifact per model", Level.MUST, "MONAI Deploy App SDK, NamedModel", _artifacts),
    Check("resources declared", Level.MUST, "MAP 1.0.0, Self-Describing", _resources),
    Check("packages for any uid", Level.MUST, "Kubernetes, runAsUser", _no_per_user_packages),
    Check("files for any uid", Level.MUST, "Kubernetes, runAsUser", _readable),
    Check("not root by default", Level.SHOULD, "Kubernetes, runAsNonRoot", _no_root),
    Check("not root under mercure", Level.SHOULD, "mercure, processor", _no_monai_folder),
    Check("licences inside", Level.SHOULD, "MAP 1.0.0, Supplemental Files", _documents),
)
