"""The keys of claims that may act: which claims use a rule, from which level, for which stance."""

from dataclasses import dataclass

import pyarrow as pa

from optout.lifecycle import Rule, acts
from schemas.verdict import Captions, Scope, Stance

REACH = {
    Rule.URL: frozenset(Scope),
    Rule.HOST: frozenset({Scope.ARTIST, Scope.STYLE, Scope.DOMAIN}),
    Rule.ACCOUNT: frozenset({Scope.ARTIST, Scope.STYLE, Scope.DOMAIN}),
    Rule.NAME: frozenset({Scope.ARTIST, Scope.STYLE}),
}
"""The scopes whose claims use a rule: a claim on listed works means no host and no name."""

_COLUMNS = {
    Rule.URL: "urls",
    Rule.HOST: "hosts",
    Rule.ACCOUNT: "accounts",
    Rule.NAME: "names",
}


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """One key of one claim."""

    claim_id: str
    key: str


def listed(claims: pa.Table, rule: Rule, stance: Stance) -> list[Listed]:
    """Return the keys of the claims that may act by a rule, sorted by claim and key.

    claims: CLAIMS. rule: one of REACH.
    """
    columns = ("claim_id", "scope", "stance", "level", "trusted", _COLUMNS[rule])
    return sorted(
        Listed(claim_id, key)
        for claim_id, scope, claimed, level, trusted, keys in zip(
            *(claims[name].to_pylist() for name in columns), strict=True
        )
        if claimed == stance and Scope(scope) in REACH[rule]
        if acts(rule, level, trusted, stance)
        for key in keys or ()
    )


def listed_names(claims: pa.Table, captions: Captions) -> list[Listed]:
    """Return the names of opt-out claims that ask for one treatment of captions, sorted."""
    columns = (claims["claim_id"].to_pylist(), claims["captions"].to_pylist())
    asked = dict(zip(*columns, strict=True))
    return [
        one
        for one in listed(claims, Rule.NAME, Stance.OPT_OUT)
        if (asked[one.claim_id] or Captions.DROP) == captions
    ]
