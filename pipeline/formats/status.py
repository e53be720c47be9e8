"""What img2dataset wrote about a row that it did not deliver -> our reason."""

from schemas.verdict import Reason

SUCCESS = "success"

_BY_WORDS = (
    ("disallowed by x-robots-tag", Reason.SIGNAL_HEADER),
    ("http error", Reason.HTTP_STATUS),
    ("timed out", Reason.TOO_SLOW),
    ("too small", Reason.TOO_SMALL),
    ("aspect ratio", Reason.TOO_ELONGATED),
    ("image area", Reason.TOO_MANY_PIXELS),
)
_BY_STATUS = {
    "failed_to_download": Reason.UNREACHABLE,
    "failed_to_resize": Reason.NOT_AN_IMAGE,
}


def reason_of(status: object, words: object) -> tuple[Reason, str] | None:
    """Return why a row was not delivered, with img2dataset's words; null where it was.

    status, words: the columns `status` and `error_message`; null status says success.
    """
    if status is None or status == SUCCESS:
        return None
    said = f"{status}: {words or ''}"
    for part, reason in _BY_WORDS:
        if part in said.lower():
            return reason, said
    return _BY_STATUS.get(str(status), Reason.MALFORMED), said
