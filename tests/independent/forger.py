"""What whoever runs a registry could do to its log: the database changed by hand, the head moved.

Shares no code with recuse: SQL, hashes by the definitions of RFC 6962, notes by those of C2SP.
"""

import base64
import hashlib
import json
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(leaf):
    return sha(b"\x00", leaf)


def root(hashes):
    if not hashes:
        return sha()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha(b"\x01", root(hashes[:split]), root(hashes[split:]))


def peaks(hashes):
    """Roots of the perfect trees that a log is made of, the largest first."""
    found, at = [], 0
    for bit in reversed(range(len(hashes).bit_length())):
        if len(hashes) >> bit & 1:
            found.append(root(hashes[at : at + (1 << bit)]))
            at += 1 << bit
    return b"".join(found)


def canonical(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@contextmanager
def unguarded(db):
    """The database without the triggers that keep a log append-only, which come back after."""
    with closing(sqlite3.connect(db)) as held:
        guards = held.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        guards = guards.fetchall()
        for name, _ in guards:
            held.execute(f"DROP TRIGGER {name}")
        yield held
        for _, text in guards:
            held.execute(text)
        held.commit()


def leaves(db):
    with closing(sqlite3.connect(db)) as held:
        return [bytes(row[0]) for row in held.execute("SELECT leaf FROM events ORDER BY seq")]


def _moved(held):
    """Make hashes and head those of the leaves that are there."""
    rows = held.execute("SELECT seq, leaf FROM events ORDER BY seq").fetchall()
    hashes = [leaf_hash(bytes(leaf)) for _, leaf in rows]
    for (seq, _), found in zip(rows, hashes, strict=True):
        held.execute("UPDATE events SET leaf_hash = ? WHERE seq = ?", (found, seq))
    held.execute("DELETE FROM checkpoints WHERE size > ?", (len(hashes),))
    held.execute(
        "UPDATE head SET size = ?, root = ?, peaks = ?", (len(hashes), root(hashes), peaks(hashes))
    )


def drop_from(db, seq):
    """Take out an entry and all behind it, with their parts."""
    with unguarded(db) as held:
        held.execute("DELETE FROM match_parts WHERE seq >= ?", (seq,))
        held.execute("DELETE FROM identity_parts WHERE seq >= ?", (seq,))
        held.execute("DELETE FROM events WHERE seq >= ?", (seq,))
        held.execute("DELETE FROM works WHERE claim_id NOT IN (SELECT claim_id FROM events)")
        held.execute("DELETE FROM claims WHERE claim_id NOT IN (SELECT claim_id FROM events)")
        _moved(held)


def change(db, seq, **said):
    """Let an entry say something else."""
    with unguarded(db) as held:
        (leaf,) = held.execute("SELECT leaf FROM events WHERE seq = ?", (seq,)).fetchone()
        body = canonical(json.loads(leaf) | said)
        held.execute("UPDATE events SET leaf = ? WHERE seq = ?", (body, seq))
        if "recorded_at" in said:
            held.execute(
                "UPDATE events SET recorded_at = ? WHERE seq = ?", (said["recorded_at"], seq)
            )
        _moved(held)


def append(db, entry):
    """Put an entry at the end that nobody has checked."""
    with unguarded(db) as held:
        (seq,) = held.execute("SELECT count(*) FROM events").fetchone()
        body = canonical(entry)
        held.execute(
            "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (seq, entry["type"], entry.get("claim", ""), entry.get("previous", ""),
             entry["recorded_at"], entry.get("match", ""), entry.get("identity", ""),
             entry.get("by", ""), entry.get("key", ""), entry.get("signature", ""), body,
             leaf_hash(body)),
        )  # fmt: skip
        _moved(held)
    return seq


def sign(db, key_file, size=None):
    """Sign a state of the log by its own key, and keep it as the registry would."""
    _, _, name, key_id, secret = Path(key_file).read_text().strip().split("+", 4)
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)[1:])
    hashes = [leaf_hash(leaf) for leaf in leaves(db)][:size]
    text = f"{name}\n{len(hashes)}\n{base64.b64encode(root(hashes)).decode()}\n".encode()
    line = base64.b64encode(bytes.fromhex(key_id) + key.sign(text)).decode()
    body = text + f"\n\u2014 {name} {line}\n".encode()
    with closing(sqlite3.connect(db)) as held:
        held.execute("DELETE FROM checkpoints WHERE size = ?", (len(hashes),))
        held.execute("INSERT INTO checkpoints VALUES (?, ?)", (len(hashes), body))
        held.commit()
    return body
