"""What others make of the same answers: their own code, called as their users call it.

    img2dataset 1.47.0     `download_image` of its downloader, and is_disallowed on headers alone
    datadiligence 0.1.7    its evaluators on an address, and its rules on headers alone

Both are asked with their own defaults, in the form of headers in which they read most. Where one
raises, nobody gets the image: that is `RAISES`.
"""

import email.message
import functools
import http.client
import warnings
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.verdict import Say

RAISES = "raises"
AGENT = "ArtBot"
IMG2DATASET = "img2dataset.downloader"
RULES, EVALUATORS = "datadiligence.rules", "datadiligence.evaluators"


@functools.cache
def peer(module: str) -> Any:
    """Return a peer's module; the test that needs it is skipped where it is not installed."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # img2dataset imports imghdr, which Python deprecates, and albumentations, which looks for
        # updates. What they warn of later is an error in tests, like everything else.
        patch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        return pytest.importorskip(module, exc_type=ImportError)


DIRECTIVES = {"noai", "noimageai", "noindex", "noimageindex"}
"""img2dataset's default for disallowed_header_directives."""


def said(value: bool | str) -> str:
    """Return a verdict as the tables show it."""
    return value if isinstance(value, str) else {True: "deny", False: "silent"}[value]


def ours(say: Say) -> str:
    """Return what we say, in the same words; what we hold is not used either."""
    return {Say.DENY: "deny", Say.ERROR: "hold"}.get(say, "silent")


def _message(kind: type[Any], name: str, lines: Sequence[str]) -> Any:
    message = kind()
    for line in lines:
        message[name] = line
    return message


def img2dataset_token(agent: str = AGENT) -> str:
    """Return our token as img2dataset's Downloader keeps it, before it compares headers with it."""
    return agent.strip().lower()


def img2dataset_of_headers(lines: Sequence[str], agent: str = AGENT) -> str:
    """Return what img2dataset says to lines of X-Robots-Tag."""
    message = _message(email.message.Message, "X-Robots-Tag", lines)
    token = img2dataset_token(agent)
    return said(bool(peer(IMG2DATASET).is_disallowed(message, token, DIRECTIVES)))


def datadiligence_of_headers(name: str, lines: Sequence[str], agent: str = AGENT) -> str:
    """Return what datadiligence's rule for a header says to lines of it.

    X-Robots-Tag goes in as requests gives it, lines joined with commas: of http.client's message
    the rule would see the first line only. tdm-reservation goes in as that message: joined, a 1
    that stands twice would be none.
    """
    rules = peer(RULES)
    message = _message(http.client.HTTPMessage, name, lines)
    message["Content-Type"] = "image/png"  # without any header it raises; no answer is without
    try:
        if name == "X-Robots-Tag":
            joined = peer("requests.structures").CaseInsensitiveDict(message)
            joined.update({name: ", ".join(lines)} if lines else {})
            allowed = rules.XRobotsTagHeader(agent).is_allowed(headers=joined)
        else:
            allowed = rules.TDMRepHeader().is_allowed(headers=message)
    except Exception:  # noqa: BLE001 - whatever a peer raises is its answer
        return RAISES
    return said(not allowed)


def img2dataset_takes(url: str) -> bool:
    """Say whether img2dataset downloads an address."""
    token = img2dataset_token()
    _, body, _ = peer(IMG2DATASET).download_image((0, url), 5, token, DIRECTIVES)
    return body is not None


def datadiligence_takes(url: str) -> bool:
    """Say whether datadiligence's rules for headers and files allow an address; an error does not.

    It asks the address itself, once for each rule.
    """
    try:
        return bool(peer(EVALUATORS).PostprocessEvaluator(AGENT).is_allowed(url=url))
    except Exception:  # noqa: BLE001 - as above
        return False


def datadiligence_lists(url: str, api: str) -> bool:
    """Say whether datadiligence leaves an address in a list of one, asking a list at `api`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPAWNING_OPTS_KEY", "key")
        patch.setattr(peer(RULES).SpawningAPI, "SPAWNING_AI_API_URL", api)
        try:
            allowed = peer(EVALUATORS).PreprocessEvaluator(AGENT).filter_allowed([url])
        except Exception:  # noqa: BLE001 - as above
            return False
    return url in allowed
