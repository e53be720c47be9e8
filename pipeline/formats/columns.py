"""Which columns of a source mean what: chosen in the config, or recognised by their names."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline.formats.parts import Columns
from schemas.config import SourceConfig
from schemas.errors import UsageError
from schemas.tables import EXTRA

URL_NAMES = ("url", "image_url", "contenturl")
CAPTION_NAMES = ("caption", "text", "alt", "txt")
IMAGE_NAMES = ("jpg", "jpeg", "png", "webp", "image")
PAGE_NAMES = ("page_url",)
PAGE_MEANINGS = ("page", "html", "wat")
NO_COLUMN = "-"
"""source.caption_col or source.page_col that says: none, whatever the names of the columns."""

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
    if config.caption_col == NO_COLUMN:
        caption = ""
    else:
        caption = _chosen(names, config.caption_col, CAPTION_NAMES, "caption", path)
        if needs_url and not caption:
            raise _missing("caption", CAPTION_NAMES, "source.caption_col", names, path)
    return Columns(url=url, caption=caption, uid=_uid_column(names, config, path, uids))


def with_page(
    columns: Columns, files: Sequence[tuple[str, Sequence[str]]], config: SourceConfig
) -> Columns:
    """Return the columns with those of the page around the image: `page`, `html` and `wat`.

    files: path and column names of each file. What the config names must be in all of them; a page
    column that is recognised may be absent from some, whose rows then have no page, but must be
    spelt alike: else the pages of a file would be passed over without a word.
    Raises UsageError, also where HTML or WAT records have no column of their own.
    """
    page = _page_column(files, config)
    for meaning, wanted in (("html", config.html_col), ("wat", config.wat_col)):
        for path, names in files if wanted else ():
            _chosen(names, wanted, (), meaning, path)
    found = replace(columns, page=page, html=config.html_col, wat=config.wat_col)
    by_column = Counter(found.named().values())
    shared = [name for name in (found.html, found.wat) if by_column[name] > 1]
    if shared:
        raise UsageError(
            f"{files[0][0]}: expected HTML and WAT records in columns of their own, found another "
            f"meaning for {shared[0]!r} too"
        )
    return found


def find_column(names: Sequence[str], wanted: str) -> str:
    """Return the column of a name, exactly or in another case; empty where there is none."""
    if wanted in names:
        return wanted
    return next((name for name in names if name.lower() == wanted.lower()), "")


def extra_schema(schema: pa.Schema, columns: Columns) -> pa.Schema:
    """Return the columns that users want in the release, under the prefix `extra.`, types kept.

    The page's URL is one of them; HTML and WAT records, large and nobody's to publish, are not.
    """
    known = {column for meaning, column in columns.named().items() if meaning != "page"}
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


def _page_column(files: Sequence[tuple[str, Sequence[str]]], config: SourceConfig) -> str:
    if config.page_col == NO_COLUMN:
        return ""
    found = ""
    for path, names in files:
        here = _chosen(names, config.page_col, PAGE_NAMES, "page", path)
        if found and here and here != found:
            raise UsageError(
                f"{path}: expected the page column {found!r} as in the other files, found {here!r}"
            )
        found = found or here
    return found


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
    none = f" ({NO_COLUMN!r} for none)" if meaning in {"caption", "page"} else ""
    found = ", ".join(ascii(name) for name in names[:30]) or "no columns"
    return UsageError(
        f"{path}: expected a column with the {meaning} ({wanted}, in any case), "
        f"found columns {found}; name it in {key}{none}"
    )
