"""Product tokens of crawlers that collect for training: whom a site addresses in our place.

No site lists us by name. One that closes itself to a crawler known to collect training material
has said what it wants; a profile decides whose tokens are read that way. Tokens of search engines
and of agents that fetch for one reader are left out: they do not train.
"""

from optout.signals.profiles import Tokens

UPSTREAM_TOKENS = ("CCBot",)
"""Common Crawl, from whose index most lists of image URLs were drawn."""

CONTROL_TOKENS = ("Google-Extended", "Applebot-Extended")
"""Tokens that no crawler sends: they exist to reserve against training alone."""

CRAWLER_TOKENS = (
    "GPTBot",
    "ClaudeBot",
    "meta-externalagent",
    "Amazonbot",
    "Bytespider",
    "cohere-training-data-crawler",
    "AI2Bot",
    "Ai2Bot-Dolma",
    "DeepSeekBot",
    "PanguBot",
    "Timpibot",
    "Diffbot",
    "omgili",
    "omgilibot",
    "Webzio-Extended",
    "FriendlyCrawler",
    "ICC-Crawler",
    "SBIntuitionsBot",
    "TikTokSpider",
    "YandexAdditional",
    "YandexAdditionalBot",
    "Kangaroo Bot",  # this and the next are no RFC tokens: compared as they stand
    "Brightbot 1.0",
)
"""Crawlers whose operators, or ai.robots.txt, name training as their purpose."""

IMAGE_TOKENS = (
    "img2dataset",
    "LAIONDownloader",
    "laion-huggingface-processor",
    "imageSpider",
    "ImagesiftBot",
    "GoogleOther-Image",
)
"""Crawlers that collect images."""

TRAINING_TOKENS: tuple[str, ...] = (
    *UPSTREAM_TOKENS,
    *CONTROL_TOKENS,
    *CRAWLER_TOKENS,
    *IMAGE_TOKENS,
)
"""All of them, those nearest to us first. Source: ai.robots.txt of 2026-08-22 (robots.json)."""


def tokens_for(tokens: Tokens) -> tuple[str, ...]:
    """Return the tokens whose groups bind us beside our own and `*`."""
    if tokens is Tokens.UPSTREAM:
        return UPSTREAM_TOKENS
    return TRAINING_TOKENS if tokens is Tokens.ANY_TRAINING_TOKEN else ()
