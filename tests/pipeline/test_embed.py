"""Vectors as stored, clip_similarity from them, and no image embedded twice."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.embed import by_key, column, embed, halves, hold_unsound, recaptioned, unit_rows
from schemas.errors import SchemaError
from schemas.ports import ModelCard, VectorSpec
from schemas.tables import DECODED, from_rows, vector
from tests.fakes import FakeEmbedder


class ScriptedEmbedder(FakeEmbedder):
    """A fake that counts what it is asked, and may give rows of the test's."""

    def __init__(self, vectors, *, fingerprint="f" * 64, spoil=None):
        super().__init__(vectors)
        specs = [VectorSpec(name, dim) for name, dim in vectors]
        self.card = ModelCard("fake", fingerprint, "0" * 64, specs, 0.95)
        self.spoil = spoil or {}
        self.asked = 0

    def images(self, pixels):
        self.asked += len(pixels)
        found = super().images(pixels)
        for row, value in self.spoil.items():
            for rows in found.values():
                rows[row] = value
        return found


SEM, MATCHER = (("sem", 16),), (("sem", 16), ("cpy", 8), ("sty", 12))


def pictures(n):
    rng = np.random.default_rng(8)
    return [rng.integers(0, 256, (30 + i, 40, 3), dtype=np.uint8) for i in range(n)]


def uids(n):
    return pa.array([f"{i:032x}" for i in range(n)])


def test_each_named_vector_is_a_column_of_half_floats():
    both = ScriptedEmbedder(MATCHER)
    table, similarity = embed(uids(3), pictures(3), ["a", "b", "c"], both, both)
    assert table.column_names == ["uid", "sem", "cpy", "sty"]
    assert [f.type for f in table.schema][1:] == [vector(16), vector(8), vector(12)]
    assert similarity.type == pa.float32()
    assert both.asked == 3  # one pass gives all


def test_the_same_model_in_another_precision_gives_no_vectors_of_the_matcher():
    """A fingerprint leaves precision out, so one fingerprint may be two sets of numbers."""
    half, full = ScriptedEmbedder(MATCHER), ScriptedEmbedder(MATCHER)
    embed(uids(2), pictures(2), ["a", "b"], half, full)
    assert (half.asked, full.asked) == (2, 2)


def test_the_matcher_runs_beside_another_model():
    chosen, matcher = ScriptedEmbedder(SEM), ScriptedEmbedder(MATCHER, fingerprint="e" * 64)
    table, _ = embed(uids(2), pictures(2), ["a", "b"], chosen, matcher)
    assert table.column_names == ["uid", "sem", "cpy", "sty"]
    assert (chosen.asked, matcher.asked) == (2, 2)


def test_vectors_of_a_model_that_no_registry_named_stay_out():
    table, _ = embed(uids(1), pictures(1), ["a"], ScriptedEmbedder(MATCHER), None)
    assert table.column_names == ["uid", "sem"]


def test_without_a_model_there_is_no_similarity():
    table, similarity = embed(uids(2), pictures(2), ["a", "b"], None, ScriptedEmbedder(MATCHER))
    assert table.column_names == ["uid", "cpy", "sty"]
    assert similarity.null_count == 2


def test_clip_similarity_is_that_of_the_vectors_as_stored():
    model = ScriptedEmbedder(SEM)
    table, similarity = embed(uids(4), pictures(4), ["a", None, "b", "a"], model, None)
    stored = unit_rows(halves(table["sem"]))
    text = model.texts(["a", "b"])
    assert similarity.is_null().to_pylist() == [False, True, False, False]
    assert similarity[0].as_py() == pytest.approx(float(stored[0] @ text[0]), abs=1e-6)
    assert similarity[2].as_py() == pytest.approx(float(stored[2] @ text[1]), abs=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_vector_that_is_not_finite_is_null(value):
    model = ScriptedEmbedder(SEM, spoil={1: value})
    table, similarity = embed(uids(3), pictures(3), ["a", "b", "c"], model, None)
    assert table["sem"].is_null().to_pylist() == [False, True, False]
    assert similarity.is_null().to_pylist() == [False, True, False]
    assert np.isnan(halves(table["sem"])[1]).all()
    assert len(by_key(table, ["x", "y", "z"])) == 2


def test_equal_images_are_embedded_once():
    model = ScriptedEmbedder(MATCHER)
    a, b = pictures(2)
    table, _ = embed(uids(4), [a, b, a, a], ["a"] * 4, model, model, keys=["a", "b", "a", "a"])
    assert model.asked == 2
    assert table["sty"][0] == table["sty"][2] == table["sty"][3]
    assert table["sty"][0] != table["sty"][1]


def test_known_content_is_not_embedded_again():
    first = ScriptedEmbedder(MATCHER)
    keys = ["a", "b", "c"]
    before = embed(uids(3), pictures(3), ["a", "b", "c"], first, first, keys=keys)
    again = ScriptedEmbedder(MATCHER)
    known = by_key(before[0].slice(0, 2), keys[:2])
    after = embed(uids(3), pictures(3), ["a", "b", "c"], again, again, keys=keys, known=known)
    assert again.asked == 1
    assert after[0].equals(before[0])
    assert after[1].equals(before[1])


def test_known_content_without_a_vector_that_is_wanted_is_embedded():
    model = ScriptedEmbedder(MATCHER)
    known = {"a": {"sem": np.zeros(16, np.float16)}}
    embed(uids(1), pictures(1), ["a"], model, model, keys=["a"], known=known)
    assert model.asked == 1


def test_rows_do_not_depend_on_how_they_are_cut():
    model = ScriptedEmbedder(MATCHER)
    images, captions = pictures(5), ["a", "b", None, "d", "e"]
    whole, similarity = embed(uids(5), images, captions, model, model)
    for start, stop in ((0, 1), (1, 2), (2, 5)):
        part, cosines = embed(
            uids(5)[start:stop], images[start:stop], captions[start:stop], model, model
        )
        assert part.equals(whole.slice(start, stop - start).combine_chunks())
        assert cosines.equals(similarity[start:stop])


def test_no_rows_give_no_rows():
    model = ScriptedEmbedder(MATCHER)
    table, similarity = embed(uids(0), [], [], model, model)
    assert (len(table), len(similarity)) == (0, 0)
    assert table.column_names == ["uid", "sem", "cpy", "sty"]
    assert halves(table["sem"]).shape == (0, 16)


def test_lengths_that_differ_are_refused():
    with pytest.raises(SchemaError, match="one image"):
        embed(uids(2), pictures(1), ["a", "b"], ScriptedEmbedder(SEM), None)


def test_columns_read_back_what_was_stored_even_from_a_slice():
    rows = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float16)
    rows[2] = np.nan
    table = pa.table({"sem": column(rows)})
    np.testing.assert_array_equal(halves(table["sem"]), rows)
    np.testing.assert_array_equal(halves(table.slice(1, 3)["sem"]), rows[1:4])
    two = pa.concat_tables([table.slice(0, 2), table.slice(2, 4)])
    np.testing.assert_array_equal(halves(two["sem"]), rows)


def test_row_without_one_of_its_vectors_is_held_and_the_others_pass() -> None:
    decoded = from_rows([{"uid": u} for u in "abc"], DECODED)
    sound, none = [1.0, 0.0], None
    vectors = pa.table(
        {
            "uid": ["a", "b"],
            "sem": pa.array([sound, sound], vector(2)),
            "cpy": pa.array([sound, none], vector(2)),
        }
    )
    held = hold_unsound(decoded, vectors)
    assert held["stop_reason"].to_pylist() == [None, "not_judged", None]
    assert held["stop_stage"].to_pylist() == [None, "embed", None]


def test_a_caption_that_was_cut_is_compared_again_and_the_others_are_not():
    model = ScriptedEmbedder(SEM)
    vectors, before = embed(uids(3), pictures(3), ["a by x", "b", "c by x"], model, None)
    rows = [
        {"uid": u, "clip_similarity": s} for u, s in zip(uids(3).to_pylist(), before, strict=True)
    ]
    decoded = from_rows(
        [r | {"clip_similarity": r["clip_similarity"].as_py()} for r in rows], DECODED
    )
    texts = {
        uids(3)[0].as_py(): "a",
        uids(3)[2].as_py(): "c",
        "f" * 32: "of a row without an image",
    }
    again = recaptioned(decoded, vectors, texts, model)
    _, cut = embed(uids(3), pictures(3), ["a", "b", "c"], model, None)
    assert again["clip_similarity"].to_pylist() == cut.to_pylist()
    assert again.drop_columns(["clip_similarity"]).equals(decoded.drop_columns(["clip_similarity"]))
    assert recaptioned(decoded, vectors, {}, model).equals(decoded)
