"""The end of a build: a release is there when its manifest is, and then it is signed."""

import pytest

from jobs.sealing import sign_release
from optout.log.note import SignerKey
from optout.signed_file import open_note, require_same
from pipeline.manifest import MANIFEST_KIND, MANIFEST_PATH
from schemas.errors import StorageError
from tests.fakes import MemoryStore

KEY = SignerKey("builder/a", bytes(32))
NOTE = f"{MANIFEST_PATH}.note"


@pytest.mark.parametrize("kind", ["failed", "written"])
@pytest.mark.parametrize("path", [NOTE, MANIFEST_PATH])
def test_either_step_may_fail_and_the_next_run_ends_it(path, kind):
    store = MemoryStore(fail=lambda p: kind if p == path else None)
    with pytest.raises(StorageError):
        sign_release(store, b"{}", KEY)
    if MANIFEST_PATH in store.files:  # then it is signed
        assert (path, kind) == (MANIFEST_PATH, "written")
        assert NOTE in store.files
    store.fail = lambda _path: None
    sign_release(store, b"{}", KEY)
    found = open_note(store.files[NOTE], MANIFEST_KIND, [KEY.verifier])
    require_same(found, store.files[MANIFEST_PATH], "manifest")
