import pytest

from pipeline.formats.status import reason_of
from schemas.verdict import Reason


@pytest.mark.parametrize(
    ("status", "words", "reason"),
    [
        ("failed_to_download", "HTTP Error 404: Not Found", Reason.HTTP_STATUS),
        (
            "failed_to_download",
            "Use of image disallowed by X-Robots-Tag directive",
            Reason.SIGNAL_HEADER,
        ),
        ("failed_to_download", "<urlopen error timed out>", Reason.TOO_SLOW),
        ("failed_to_download", "<urlopen error [Errno -2]>", Reason.UNREACHABLE),
        ("failed_to_resize", "image too small", Reason.TOO_SMALL),
        ("failed_to_resize", "aspect ratio too large", Reason.TOO_ELONGATED),
        ("failed_to_resize", "image area too large", Reason.TOO_MANY_PIXELS),
        ("failed_to_resize", "Image decoding error", Reason.NOT_AN_IMAGE),
        ("failed_to_download", None, Reason.UNREACHABLE),
        ("something new", "x", Reason.MALFORMED),
    ],
)
def test_failed_row_has_the_reason_that_img2dataset_gave(
    status: str, words: str | None, reason: Reason
) -> None:
    found = reason_of(status, words)
    assert found is not None
    assert found == (reason, f"{status}: {words or ''}")


def test_delivered_rows_have_none() -> None:
    assert reason_of("success", None) is None
    assert reason_of(None, None) is None
