"""What all parts of app.yaml share."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of app.yaml: it never changes, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
