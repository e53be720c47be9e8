"""Which columns of a source mean what: chosen in the config, or recognised by their names."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from pipeline.formats.parts import Columns
from schemas.config import SourceConfig
from schemas.errors import UsageError
from schemas.tables import EXTRA

URL_NAMES = ("url", "image_url", "contenturl")
CAPTION_NAMES = ("caption", "text", "alt", "txt")
IMAGE_NAMES = ("jpg", "jpeg", "png", "webp", "image")
NO_CAPTION = "-"
"""source.caption_col that says: this source has no captions."""

_UID = re.compile(r"[0-9A-Fa-f]{32}")


def is_uid(value: object) -> bool:
    """Say whether a value can be a row's uid: 32 hex digits."""
    return isinstance(value, str) and _UID.fullmatch(value) is not None


def require_distinct(names: Sequence[str], path: str) -> None:
    """Raise UsageError where two columns share a name: nobody could say which is meant."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise UsageError(f"{path}: expected distinct column names, found {twice} more than once")


def recognise(
    names: Sequence[str],
    config: SourceConfig,
    path: str,
    *,
    uids: Iterable[Any] = (),
    needs_url: bool = True,
) -> Columns:
    """Return the meaning of columns.

    uids: some values of a column named uid, which is taken for one only when all are.
    needs_url: false where bytes come with the rows; then neither URL nor caption is required.
    Raises UsageError naming what was expected and what was found.
    """
    require_distinct(names, path)
    url = _chosen(names, config.url_col, URL_NAMES, "url", path)
    if needs_url and not url:
        raise _missing("url", URL_NAMES, "source.url_col", names, path)
    if config.caption_col == NO_CAPTION:
        caption = ""
    else:
        caption = _chosen(names, config.caption_col, CAPTION_NAMES, "caption", path)
        if needs_url and not caption:
            raise _missing("caption", CAPTION_NAMES, "source.caption_col", names, path)
    return Columns(url=url, caption=caption, uid=_uid_column(names, config, path, uids))


def find_column(names: Sequence[str], wanted: str) -> str:
    """Return the column of a name, exactly or in another case; empty where there is none."""
    if wanted in names:
        return wanted
    return next((name for name in names if name.lower() == wanted.lower()), "")


def extra_schema(schema: pa.Schema, columns: Columns) -> pa.Schema:
    """Return the columns that mean nothing to recuse, under the prefix `extra.`, types kept."""
    known = set(columns.named().values())
    fields = [pa.field(EXTRA + f.name, _plain(f.type)) for f in schema if f.name not in known]
    return pa.schema(fields)


def unify(schemas: Sequence[tuple[str, pa.Schema]]) -> pa.Schema:
    """Return one schema for the further columns of all files: numbers widen, absent is null.

    schemas: path and schema of each file. Raises UsageError where a column has types that no
    number type holds together.
    """
    unified = pa.schema([])
    for path, schema in schemas:
        try:
            unified = pa.unify_schemas([unified, schema], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
            clash = [
                f"{f.name.removeprefix(EXTRA)}: {unified.field(f.name).type}, here {f.type}"
                for f in schema
                if f.name in unified.names and unified.field(f.name).type != f.type
            ]
            raise UsageError(
                f"{path}: expected columns of the types that other files have, found {clash}"
            ) from e
    return pa.schema([f if f.type != pa.null() else f.with_type(pa.string()) for f in unified])


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type in which a column rides along: no dictionaries, views or large offsets."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind


def _chosen(
    names: Sequence[str], wanted: str, known: Sequence[str], meaning: str, path: str
) -> str:
    if wanted:
        if wanted in names:
            return wanted
        raise _missing(meaning, (wanted,), f"source.{meaning}_col", names, path)
    for candidate in known:
        found = [name for name in names if name.lower() == candidate]
        if len(found) > 1:
            raise UsageError(
                f"{path}: expected one {meaning} column, found {found}; "
                f"say which one in source.{meaning}_col"
            )
        if found:
            return found[0]
    return ""


def _uid_column(names: Sequence[str], config: SourceConfig, path: str, uids: Iterable[Any]) -> str:
    if config.uid_col:
        return _chosen(names, config.uid_col, (), "uid", path)
    column = find_column(names, "uid")
    present = [uid for uid in uids if uid is not None]
    return column if present and all(is_uid(uid) for uid in present) else ""


def _missing(
    meaning: str, known: Sequence[str], key: str, names: Sequence[str], path: str
) -> UsageError:
    wanted = " or ".join(known)
    none = f" ({NO_CAPTION!r} for none)" if meaning == "caption" else ""
    found = ", ".join(ascii(name) for name in names[:30]) or "no columns"
    return UsageError(
        f"{path}: expected a {meaning} column ({wanted}, in any case), found columns {found}; "
        f"name it in {key}{none}"
    )
