"""optout.signals.training_tokens: whose groups each profile hears."""

from optout.signals.profiles import PROFILES, Tokens
from optout.signals.training_tokens import TRAINING_TOKENS, tokens_for


def test_each_profile_hears_its_tokens() -> None:
    assert tokens_for(Tokens.OWN_ONLY) == ()
    assert tokens_for(Tokens.UPSTREAM) == ("CCBot",)
    assert tokens_for(Tokens.ANY_TRAINING_TOKEN) == TRAINING_TOKENS
    assert tokens_for(PROFILES["strict"].robots_tokens) == TRAINING_TOKENS


def test_no_token_stands_twice_and_none_is_a_search_engine() -> None:
    lower = [token.lower() for token in TRAINING_TOKENS]
    assert len(lower) == len(set(lower))
    assert not {"oai-searchbot", "chatgpt-user", "claude-user", "perplexitybot"} & set(lower)
