"""The exceptions of recuse, split where a caller would do something different.

    CurationError
    ├── UsageError             the command, config or input is wrong: exit code 2
    │   └── SchemaError        a table or document departs from its schema
    ├── ClaimError             the claimant can mend it; the message says how
    ├── SignalError            bytes that should hold an opt-out signal cannot be read
    ├── ImageError             bytes that should be an image cannot be judged; carries a Reason
    ├── FetchError             one request failed; carries an Outcome
    ├── StorageError           a file could not be read or published
    ├── ModelMismatchError     vectors or weights of another model than the one pinned
    ├── PlanError              the work folder belongs to another plan, or is in use
    └── RegistryError          the registry cannot be trusted or read: the run stops, never a retry
        ├── ProofError
        ├── RollbackError
        └── StaleSnapshotError

A bad sample is data (a reason in its row), a bad shard fails one task, a bad registry stops the
run.
"""


class CurationError(Exception):
    """Anything recuse refuses or cannot do. The message says expected, found and where."""


class UsageError(CurationError):
    """The command line, the config or the input is wrong; running again will not help."""


class SchemaError(UsageError):
    """A table or a document departs from its schema."""


class ClaimError(CurationError):
    """A claim is refused with a reason that the claimant can act on."""


class SignalError(CurationError):
    """Bytes that should hold an opt-out signal cannot be read."""


class ImageError(CurationError):
    """Bytes cannot be judged as an image. `reason` is a value of `schemas.verdict.Reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FetchError(CurationError):
    """A request failed. `outcome` is a value of `schemas.verdict.Outcome`.

    lasting: asking again would not help (no such name, bad certificate). prefix: what was read of
    a body that is too large.
    """

    def __init__(
        self, outcome: str, message: str, *, lasting: bool = False, prefix: bytes = b""
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.lasting = lasting
        self.prefix = prefix


class StorageError(CurationError):
    """A file could not be read, or could not be published whole."""


class ModelMismatchError(CurationError):
    """Vectors or weights come from another model than the one that was pinned."""


class PlanError(CurationError):
    """The work folder belongs to another plan, or another build holds it."""


class RegistryError(CurationError):
    """The registry cannot be read or trusted; nothing is built from it."""


class ProofError(RegistryError):
    """A proof does not verify."""


class RollbackError(RegistryError):
    """The registry is older than a state that was already seen."""


class StaleSnapshotError(RegistryError):
    """The snapshot is older than the build allows."""
