"""A matcher in a folder, as `recuse cohort build` writes it, read without torch.

model.json            which model, what makes its fingerprint, counts, licence
matcher.safetensors   whitening of `cpy` and `sty`, half floats
cohort.safetensors    optout.cohort.Cohort, half floats
MODEL_CARD.md         the same for people

`builtin:lite` names the one that ships. The fingerprint is the digest of `identity`, in which the
digests of the two files stand; it is checked here, and against the model itself when it is loaded.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from optout import cohort
from pipeline.models import builtin_files, preprocess, style, taps
from pipeline.models.builtin_files import COHORT, MATCHER, MODEL
from schemas.canonical import digest, sha256_hex
from schemas.errors import ModelMismatchError, SchemaError, UsageError

FORMAT = "recuse-matcher/1"
CARD = "MODEL_CARD.md"
HOW_TO_NAME = (
    f"{builtin_files.NAME} or a folder that `recuse cohort build MODEL FOLDER --out MATCHER` wrote"
)


@dataclass(frozen=True, slots=True)
class MatcherFiles:
    """A matcher's folder, whose digests were checked."""

    folder: Path
    document: dict[str, Any]
    whitening: bytes
    cohort: bytes

    def arrays(self) -> dict[str, npt.NDArray[np.float16]]:
        """Return the whitening as arrays. Raises ModelMismatchError where the file holds none."""
        try:
            found: dict[str, npt.NDArray[np.float16]] = load(self.whitening)
        except SafetensorError as e:
            raise ModelMismatchError(
                f"expected {MATCHER} in {self.folder} as safetensors, found {e}"
            ) from e
        return found

    @property
    def fingerprint(self) -> str:
        """What names all that moves its vectors, save precision and device."""
        return str(self.document["fingerprint"])

    @property
    def model(self) -> str:
        """The model's name, as `load_embedder` takes it."""
        return str(self.document["model"])


def load_cohort(name: str = builtin_files.NAME) -> cohort.Cohort:
    """Return the cohort of a matcher, under the matcher's fingerprint.

    name: builtin:lite or a matcher's folder. Raises UsageError for anything else,
    ModelMismatchError for files that are not those of one matcher.
    """
    if name == builtin_files.NAME:
        return builtin_files.load_cohort()
    files = read(name)
    return cohort.parse(files.cohort, files.fingerprint)


def cohort_of(name: str, fingerprint: str) -> cohort.Cohort | None:
    """Return the cohort of a matcher where it has that fingerprint, else null."""
    try:
        found = load_cohort(name)
    except (UsageError, ModelMismatchError):
        return None
    return found if found.matcher == fingerprint else None


def fingerprint(name: str) -> str:
    """Return the fingerprint of a matcher. Raises as `load_cohort`."""
    return builtin_files.matcher_fingerprint() if name == builtin_files.NAME else _read(name)[0]


def shown_as(name: str) -> str:
    """Return what releases and registries call a matcher. Raises as `load_cohort`."""
    return name if name == builtin_files.NAME else str(_read(name)[1]["name"])


def read(name: str) -> MatcherFiles:
    """Return what a matcher's folder holds.

    Raises UsageError where it is none, ModelMismatchError where files are not those that belong
    together.
    """
    _, document, bodies = _read(name)
    return MatcherFiles(Path(name), document, bodies[MATCHER], bodies[COHORT])


def identity(
    config: dict[str, Any], weights_sha256: str, preparation: preprocess.Preprocess, **files: bytes
) -> dict[str, Any]:
    """Return what a fingerprint is the digest of. files: bodies of `whitening` and `cohort`."""
    return builtin_files.identity(
        config,
        weights_sha256,
        preparation,
        {
            "style": style.VERSION,
            "taps": taps.VERSION,
            **{name: sha256_hex(body) for name, body in files.items()},
        },
    )


def document(
    model: str, name: str, identified: dict[str, Any], about: dict[str, Any]
) -> dict[str, Any]:
    """Return model.json. name: what releases and registries call the matcher."""
    return {
        "format": FORMAT,
        "model": model,
        "name": name,
        "fingerprint": digest(identified),
        "identity": identified,
        **about,
    }


def _read(name: str) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    folder = Path(name)
    try:
        found = json.loads((folder / MODEL).read_bytes())
        form = found["format"]
        said: dict[str, str] = found["identity"]["matcher"]
        digests = {MATCHER: said["whitening"], COHORT: said["cohort"]}
        told = str(found["fingerprint"])
        expected = digest(found["identity"])
        _ = found["model"], found["name"], found["identity"]["weights_sha256"]
    except (OSError, ValueError, KeyError, TypeError, SchemaError) as e:
        raise UsageError(
            f"expected a matcher ({HOW_TO_NAME}), found {name!r}: no {MODEL} of {FORMAT} there"
            f" ({e})"
        ) from e
    if form != FORMAT:
        raise UsageError(f"expected a matcher of {FORMAT} in {folder}, found {form!r}")
    if told != expected:
        raise ModelMismatchError(
            f"expected fingerprint {expected[:16]} of what {folder / MODEL} describes, found"
            f" {told[:16]}"
        )
    bodies = {}
    for file, sha256 in digests.items():
        try:
            bodies[file] = (folder / file).read_bytes()
        except OSError as e:
            raise ModelMismatchError(f"expected {file} of a matcher in {folder}: {e}") from e
        if sha256_hex(bodies[file]) != sha256:
            raise ModelMismatchError(
                f"expected sha256 {sha256} of {folder / file}, found other bytes"
            )
    return told, found, bodies
