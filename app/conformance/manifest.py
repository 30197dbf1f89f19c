"""The two manifests of a MAP, app.json and pkg.json, as schemas.

Where the specification and the packager of holoscan-cli 4.2.0 differ (a list
or a mapping of models, ``output.format`` or ``output.formats``), both pass.

Source: MONAI Application Package specification 1.0.0, "Manifests".
"""

import json
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

_SEMANTIC = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"

Version = Annotated[str, Field(pattern=_SEMANTIC)]
AbsolutePath = Annotated[str, Field(pattern=r"^/")]
Amount = Annotated[float, Field(ge=0)]
MemorySize = Annotated[str, Field(pattern=r"^\d+(\.\d)? ?(Mi|Gi|MiB|GiB)$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class ManifestError(Exception):
    """A manifest is not JSON, or not as the specification wants it; ``problems`` says where."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Part(BaseModel):
    # The specification is silent on further keys, and platforms add their own.
    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)


def _split_command(value: Any) -> Any:
    """Read the packager's command, a list written as a string, as the list that it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value.split()


class Probe(_Part):
    """How a platform asks whether the application is ready, or alive."""

    type: Literal["tcp", "grpc", "http-get", "command"]
    command: tuple[str, ...] | None = None
    port: Port | None = None
    path: AbsolutePath | None = None

    @model_validator(mode="after")
    def _needs_of_the_type(self) -> "Probe":
        needed = {"command": ["command"], "http-get": ["port", "path"]}.get(self.type, ["port"])
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a probe of type {self.type} needs {' and '.join(missing)}")
        return self


class Input(_Part):
    """Where the application reads, and what."""

    formats: Annotated[tuple[Any, ...], Field(min_length=1)]
    path: str = "input/"


class Output(_Part):
    """Where the application writes, and what."""

    formats: Any = Field(validation_alias=AliasChoices("formats", "format"))
    path: str = "output/"

    @model_validator(mode="after")
    def _some_format(self) -> "Output":
        if not self.formats:
            raise ValueError("names no format")
        return self


def _variable_names(value: dict[str, str]) -> dict[str, str]:
    wrong = [name for name in value if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)]
    if wrong:
        raise ValueError(f"not names of environment variables: {', '.join(wrong)}")
    return value


class ApplicationManifest(_Part):
    """``/etc/holoscan/app.json``: how the application is started and what it reads and writes."""

    command: Annotated[tuple[str, ...], BeforeValidator(_split_command), Field(min_length=1)]
    input: Input
    output: Output
    type: Literal["service", "application"] | None = None
    environment: Annotated[dict[str, str], AfterValidator(_variable_names)] | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None
    timeout: Annotated[int, Field(ge=0)] | None = None
    api_version: Version | None = None
    sdk: str | None = None
    sdk_version: Version | None = None
    version: Version | None = None
    working_directory: AbsolutePath | None = None


class Resources(_Part):
    """What a platform should set aside; None is "not declared"."""

    cpu: Amount | None = None
    cpu_limit: Amount | None = None
    gpu: Amount | None = None
    gpu_limit: Amount | None = None
    memory: MemorySize | None = None
    memory_limit: MemorySize | None = None
    gpu_memory: MemorySize | None = None
    gpu_memory_limit: MemorySize | None = None
    shared_memory: MemorySize | None = None
    fragments: dict[str, "Resources"] | None = None


def _models_by_name(value: Any) -> Any:
    """Turn the specification's list of {name, path} into the packager's mapping."""
    if isinstance(value, list):
        return {item["name"]: item.get("path") or item["name"] for item in value}
    return value


def _model_names(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if len(name.encode()) > 128 or not name.isprintable() or re.search(r"\s", name):
            raise ValueError("a model's name has white space, control characters or > 128 bytes")
    return value


class PackageManifest(_Part):
    """``/etc/holoscan/pkg.json``: where things lie in the image and what they need."""

    application_root: AbsolutePath
    model_root: AbsolutePath = "/opt/holoscan/models/"
    models: (
        Annotated[dict[str, str], BeforeValidator(_models_by_name), AfterValidator(_model_names)]
        | None
    ) = None
    resources: Resources | None = None
    api_version: Version | None = None
    version: Version | None = None


Manifest = TypeVar("Manifest", bound=BaseModel)


def parse_manifest(schema: type[Manifest], text: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ManifestError: not UTF-8 JSON, or a key is missing or invalid.
    """
    try:
        document = json.loads(text.decode("utf-8"))
        return schema.model_validate(document)
    except ValidationError as error:
        raise ManifestError(tuple(_place(item) for item in error.errors())) from error
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError((f"is not UTF-8 JSON of the right form: {error}",)) from error


def _place(item: Any) -> str:
    steps = ".".join(str(step) for step in item["loc"] if not str(step).startswith("function-"))
    return f"{steps or 'document'}: {item['msg']}"
