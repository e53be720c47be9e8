"""One image asked and read as a build would, for `recuse signals explain`."""

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from jobs.asking import Asked, Means, ask, require_contact
from optout.signals.policy import SignalPolicy
from optout.urls import canonical_url
from pipeline.evidence import Library
from pipeline.explain import Explanation, explain
from pipeline.facts import Answer, answers_of
from pipeline.fetch import Errand
from pipeline.fetchstore import read_bodies
from pipeline.judge import Known, RowFacts, find
from pipeline.requests import public_urls, requests_to
from schemas.config import FetchConfig
from schemas.verdict import Outcome


@dataclass
class Explained:
    """What was found. asked: how the asking for the image and the page ended, in words."""

    explanation: Explanation
    asked: dict[str, str] = field(default_factory=dict)
    embedded: dict[str, Any] | None = None


def explain_image(
    url: str, page: str, file: bytes | None, policy: SignalPolicy, config: FetchConfig
) -> Explained:
    """Ask for an image's documents, page and headers, open its bytes, and say what all of it means.

    url: of the image; empty where only `file` is read. page: URL of the page around it, or empty.
    file: the image's bytes where they are at hand; then the body is not asked for.
    Raises UsageError for a URL that is none, or where a public host would be asked without contact.
    """
    image_key, page_key = (canonical_url(text) if text else "" for text in (url, page))
    wanted = [requests_to([key]) for key in (image_key, page_key) if key]
    require_contact(config, sum(len(public_urls(w, config.allow_hosts)) for w in wanted))
    said: dict[str, str] = {}
    pages, images = Asked(), Asked()
    if page_key:
        ask(requests_to([page_key]), Means(policy, config, Errand.PAGE), pages)
        said["page"] = _ended(_answer(pages))
    if image_key:
        images.documents = pages.documents
        errand = Errand.HEAD if file is not None else Errand.IMAGE
        ask(requests_to([image_key]), Means(policy, config, errand), images)
        said["image"] = _ended(_answer(images))
    documents = images.documents if image_key else pages.documents
    facts = RowFacts(_known(images), _known(pages))
    signals = [signal for signal, _ in find(facts, Library(documents), policy).signals]
    body = file if file is not None else _body(images)
    embedded: dict[str, Any] | None = None
    if body is not None:
        found = policy.read_bytes(body)
        signals += [s.with_evidence(found.sha256) for s in policy.of_embedded(found)]
        embedded = json.loads(found.document())
    return Explained(explain(signals, policy), said, embedded)


def _answer(asked: Asked) -> Answer:
    (answer,) = answers_of(asked.answers())
    return answer


def _known(asked: Asked) -> Known | None:
    return Known(_answer(asked), "") if asked.observed else None


def _ended(answer: Answer) -> str:
    words = [str(answer.outcome)]
    if answer.http_status is not None:
        words.append(f"status {answer.http_status}")
    if answer.detail:
        words.append(answer.detail)
    if answer.outcome is Outcome.GATED:
        words.append("its documents keep it from being asked")
    return ", ".join(words)


def _body(asked: Asked) -> bytes | None:
    answers = asked.answers()
    kept = answers.filter(pc.is_valid(answers["pack"]))
    return read_bodies(asked.store, kept)[0] if kept.num_rows else None
