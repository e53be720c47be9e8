"""Where a response sends us."""

from urllib.parse import urljoin

from optout.urls import canonical_url
from schemas.errors import UsageError
from schemas.ports import Response

REDIRECT_STATUS = frozenset({301, 302, 303, 307, 308})


def redirected_to(response: Response) -> str | None:
    """Return the URL to which a response redirects, None where it does not.

    The canonical form where it has one; else the text as joined, which `resolve.target` refuses.
    Source: RFC 9110 section 10.2.2 (Location relative to the address asked, first one counts).
    """
    if response.status not in REDIRECT_STATUS:
        return None
    location = next((v.strip() for n, v in response.headers if n.lower() == "location"), "")
    if not location:
        return None
    try:
        # A space may not stand in a URL, and does in many; browsers encode it, and so do we.
        joined = urljoin(response.url, location.replace(" ", "%20"))
    except ValueError:  # e.g. an unclosed bracket
        return location
    try:
        return canonical_url(joined)
    except UsageError:
        return joined
