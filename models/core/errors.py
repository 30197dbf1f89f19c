"""The errors of LesionMAP, one branch for each thing a caller can do about them.

LesionMapError                 the code each carries is the exit code of ``python app``
├── fix the input
│   ├── NoSeriesError      10  no series matches a rule
│   ├── GeometryError      11  slices do not form one regular stack
│   ├── IdentityError      12  objects of several patients or frames of reference
│   └── PixelError         13  pixels cannot be decoded, or exceed the budget
├── fix the deployment
│   ├── ModelError         20  a model is missing, altered or of another kind
│   ├── OutputError        30  the output failed its own check or cannot be written
│   └── TimeLimitError     40  the run exceeded its time limit
└── fix the configuration
    └── SettingsError       2  app.yaml or the command line is wrong

Messages say what was found, what was expected and what to do. They never hold
patient data or text from a DICOM attribute of type PN, LO, SH or LT.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of ``python app``; also ``reason.code`` in run.json."""

    DONE = 0
    USAGE = 2
    NO_SERIES = 10
    GEOMETRY = 11
    IDENTITY = 12
    PIXELS = 13
    MODEL = 20
    OUTPUT = 30
    TIME_LIMIT = 40
    INTERNAL = 50


class LesionMapError(Exception):
    """Catch this for every refusal that LesionMAP explains; see ``code``."""

    code = ExitCode.INTERNAL


class SettingsError(LesionMapError):
    """The configuration or the command line is wrong: mend it and run again."""

    code = ExitCode.USAGE


class NoSeriesError(LesionMapError):
    """No series in the input matches a rule of app.yaml: check IN and the rules."""

    code = ExitCode.NO_SERIES


class GeometryError(LesionMapError):
    """The slices do not form one regular stack: resend the complete series."""

    code = ExitCode.GEOMETRY


class IdentityError(LesionMapError):
    """Objects that must agree on who or what they show do not: split the series."""

    code = ExitCode.IDENTITY


class PixelError(LesionMapError):
    """Pixel data is missing, damaged, unsupported or larger than the budget."""

    code = ExitCode.PIXELS


class ModelError(LesionMapError):
    """A model artifact is missing, altered or of another kind: fetch it again."""

    code = ExitCode.MODEL


class OutputError(LesionMapError):
    """An output failed its read-back check or cannot be written; nothing was kept."""

    code = ExitCode.OUTPUT


class TimeLimitError(LesionMapError):
    """The run exceeded ``time_limit_s`` of app.yaml."""

    code = ExitCode.TIME_LIMIT
