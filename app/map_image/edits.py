"""The adaptation of what the stock packager renders: a table of edits, each with its reason."""

import re
from dataclasses import dataclass

from lesionmap.app.map_image.profiles import HOLOSCAN_VERSION, Profile
from lesionmap.models.core.errors import SettingsError

_INSTALL = """\
ENV HOME=/tmp
ENV PATH=/opt/holoscan/venv/bin:$PATH

COPY ./pip/requirements.txt /opt/holoscan/requirements.txt

# The first start of Python completes Holoscan's installation: it has to happen as root.
# The one font under the GPL is used by nothing.
RUN python3 -m venv /opt/holoscan/venv \\
    && pip install --no-cache-dir --no-deps --requirement /opt/holoscan/requirements.txt \\
    && python3 -c pass \\
    && rm -f /opt/holoscan/venv/lib/python3*/site-packages/reportlab/fonts/DarkGarden*
"""


@dataclass(frozen=True)
class Edit:
    """Replaces the one place that ``pattern`` matches; ``why`` says what is wrong with it."""

    why: str
    pattern: str
    replacement: str

    def apply(self, text: str) -> str:
        """Return the text with the edit made.

        Raises:
            SettingsError: the place is not there exactly once.
        """
        edited, count = re.subn(self.pattern, lambda _: self.replacement, text, flags=re.DOTALL)
        if count != 1:
            raise SettingsError(
                f"the packager rendered something unforeseen (to mend: {self.why}; {count} places "
                f"instead of 1): pip install --force-reinstall holoscan-cli=={HOLOSCAN_VERSION}"
            )
        return edited


_DOCKERFILE = (
    Edit("a build without arguments", r"ARG UNAME\n", "ARG UNAME=holoscan\n"),
    Edit("a build without arguments", r"ARG UID\n", "ARG UID=1000\n"),
    Edit("a build without arguments", r"ARG GID\n", "ARG GID=1000\n"),
    Edit("the user needs no rights of an administrator", r" -G sudo ", " "),
    Edit(
        "packages are installed for one user: another finds none",
        r"USER \$UNAME\n.*RUN pip install monai-deploy-app-sdk==[0-9.]+\n",
        _INSTALL,
    ),
    Edit(
        "the app is a wheel; a number lets Kubernetes see that the user is not root",
        r"\nENTRYPOINT ",
        "\nRUN pip install --no-cache-dir --no-deps /opt/holoscan/app/*.whl\n\n"
        "USER ${UID}:${GID}\n\nENTRYPOINT ",
    ),
)
_DOCKERFILE_WITH_PYTHON = (
    Edit("nothing is downloaded by curl", r"        curl \\\n", ""),
    Edit(
        "no package comes from NVIDIA's repository",
        r"# Update NV GPG repo key.*?&& apt-get update\n",
        "",
    ),
    Edit(
        "the base has Python",
        r"# If torch is installed, we can skip.*?rm -rf /var/lib/apt/lists/\*\n",
        "",
    ),
)
_ENTRY_POINT = (
    Edit(
        "exit code and signals stop at the shell, and arguments are evaluated twice",
        r'eval \$\{command\} "\$@"',
        'exec ${command} "$@"',
    ),
)


def adapt_dockerfile(text: str, profile: Profile) -> str:
    """Return the packager's Dockerfile with its faults mended.

    Raises:
        SettingsError: it is not the Dockerfile that the edits were written for.
    """
    edits = _DOCKERFILE + (_DOCKERFILE_WITH_PYTHON if profile.has_python else ())
    for edit in edits:
        text = edit.apply(text)
    return re.sub(r"\n{3,}", "\n\n", text)


def adapt_entry_point(text: str) -> str:
    """Return the packager's ``/var/holoscan/tools`` with its faults mended.

    Raises:
        SettingsError: it is not the script that the edits were written for.
    """
    for edit in _ENTRY_POINT:
        text = edit.apply(text)
    return text
