"""A builder who lies: a release changed by hand, its maps, counts, digests and signature made anew.

Shares no code with recuse: it goes by docs/audit.md (the maps), docs/release.md and the RFCs, so
that all of a lie fits together but what is told.
"""

import base64
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BUILDER = "builder.example"
KEYS = ("sha256", "stored_sha256", "pixel_sha256")
COMMITTED = ("uid", "stage", "verdict", "reason", "claim_id", "rule", "similarity", "threshold",
             "by_uid", "dup_of", "detail")  # fmt: skip
OF_THE_ROW = ("uid", "url", "final_url", *KEYS, "pdq", "stored_pdq")


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def canonical(value):
    """JSON as RFC 8785 has it, of the values that stand in releases."""
    if isinstance(value, float) and value == int(value):
        value = int(value)
    if isinstance(value, dict):
        said = (canonical(k) + b":" + canonical(v) for k, v in sorted(value.items()))
        return b"{" + b",".join(said) + b"}"
    if isinstance(value, (list, tuple)):
        return b"[" + b",".join(map(canonical, value)) + b"]"
    return json.dumps(value, ensure_ascii=False).encode()


def vkey(seed):
    """Verifier key of C2SP signed-note, and its id."""
    key = b"\x01" + Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    key_id = sha(f"{BUILDER}\n".encode(), key)[:4]
    return f"{BUILDER}+{key_id.hex()}+{base64.b64encode(key).decode()}", key_id


def sparse_root(pairs, depth=0):
    """Root of a map {key: value}, by docs/audit.md."""
    if not pairs:
        return sha(b"recuse/v1/map/empty")
    if len(pairs) == 1:
        ((key, value),) = pairs.items()
        return sha(b"recuse/v1/map/leaf", key, value)
    sides = ({}, {})
    for key, value in pairs.items():
        sides[key[depth // 8] >> (7 - depth % 8) & 1][key] = value
    return sha(b"recuse/v1/map/node", *(sparse_root(side, depth + 1) for side in sides))


def row_pairs(parts):
    """The row map. parts: name of the file -> its rows."""
    pairs, having = {}, {}
    for part, rows in parts.items():
        for row in rows:
            told = {n: row[n].hex() if isinstance(row[n], bytes) else row[n] for n in OF_THE_ROW}
            own = canonical(told | {"part": part})
            pairs[row_key("uid", row["uid"])] = sha(b"recuse/v1/row", own)
            for kind in (*KEYS, "url", "final_url"):
                if row[kind] is not None:
                    having.setdefault(row_key(kind, row[kind]), set()).add(row["uid"])
    for key, uids in having.items():
        pairs[key] = sha(b"recuse/v1/uids", canonical(sorted(uids)))
    return pairs


def row_key(kind, value):
    return sha(b"recuse/v1/rows/", kind.encode(), b"\0", value.encode())


def band_pairs(rows):
    buckets = {}
    for row in rows:
        for kind in ("pdq", "stored_pdq"):
            code = row[kind]
            if code is None:
                continue
            for band in range(16):
                value = code[2 * band : 2 * band + 2]
                key = sha(b"recuse/v1/bands/", kind.encode(), b"\0", bytes([band]), value)
                buckets.setdefault(key, set()).add(code)
    return {key: sha(b"recuse/v1/codes", *sorted(codes)) for key, codes in buckets.items()}


def tree_root(leaves):
    """RFC 6962."""
    if len(leaves) < 2:
        return sha(b"\0", leaves[0]) if leaves else sha()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1", tree_root(leaves[:split]), tree_root(leaves[split:]))


def commitment(row):
    return sha(bytes.fromhex(row["salt"]), canonical({n: row[n] for n in COMMITTED})).hex()


class Lie:
    """A release and its vault, to be changed."""

    def __init__(self, place, vault, seed):
        self.place, self.vault, self.seed = Path(place), Path(vault), seed
        self.said = json.loads((self.place / "manifest.json").read_bytes())

    def table(self, path):
        return pq.read_table(self._at(path))

    def rows(self, folder):
        """Rows of a folder by name of the file; of images nothing."""
        found = {}
        for path in sorted((self.place / folder).glob("*.parquet")):
            names = [n for n in pq.read_schema(path).names if n != "image"]
            rows = pq.read_table(path, columns=names).to_pylist()
            for row in rows:  # beside tars codes stand in hex
                for name in ("pdq", "stored_pdq"):
                    if isinstance(row.get(name), str):
                        row[name] = bytes.fromhex(row[name])
            found[path.stem] = rows
        return found

    def put(self, path, table):
        pq.write_table(table, self._at(path))

    def change(self, path, uid, **values):
        """Let one row of a table say something else."""
        table = self.table(path)
        at = table["uid"].to_pylist().index(uid)
        for name, value in values.items():
            field = table.schema.field(name)
            column = table[name].to_pylist()
            column[at] = value
            place = table.schema.get_field_index(name)
            table = table.set_column(place, field, pa.array(column, field.type))
        self.put(path, table)

    def remove(self, path, uid):
        table = self.table(path)
        self.put(path, table.filter(pa.array([u != uid for u in table["uid"].to_pylist()])))

    def add(self, path, row):
        """Put a row of another table of that kind at the end."""
        table = self.table(path)
        self.put(path, pa.concat_tables([table, row.cast(table.schema)]))

    def recommit(self, uid):
        """Let the ledger commit to what the vault says now."""
        (row,) = [r for r in self.table("vault/rows/00000.parquet").to_pylist() if r["uid"] == uid]
        told = {n: row[n] for n in ("stage", "verdict", "reason")}
        self.change("ledger/00000.parquet", uid, **told, commitment=commitment(row))

    def seal(self):
        """Make everything fit, and sign it."""
        samples, ledger = self.rows("samples"), self.rows("ledger")
        rows = [row for part in samples.values() for row in part]
        out = sorted((r for part in ledger.values() for r in part), key=lambda r: r["uid"])
        keys, bands = row_pairs(samples), band_pairs(rows)
        self.said["roots"] |= {
            "rows": sparse_root(keys).hex(), "row_keys": len(keys),
            "bands": sparse_root(bands).hex(), "band_keys": len(bands),
            "ledger": tree_root([canonical(row) for row in out]).hex(), "ledger_rows": len(out),
        }  # fmt: skip
        for verdict, name in (("drop", "dropped"), ("hold", "held")):
            own = [row["reason"] for row in out if row["verdict"] == verdict]
            self.said[name] = {reason: own.count(reason) for reason in sorted(set(own))}
        self.said |= {"released": len(rows), "rows_in": len(rows) + len(out)}
        for entry in self.said["files"]:
            body = (self.place / entry["path"]).read_bytes()
            entry |= {"sha256": hashlib.sha256(body).hexdigest(), "size_bytes": len(body)}
            if entry["path"].endswith(".parquet"):
                entry["rows"] = pq.read_metadata(self.place / entry["path"]).num_rows
        self.said["vault_sha256"] = self._vault_digest()
        self.sign()

    def sign(self):
        body = canonical(self.said)
        text = f"recuse-manifest/1\nsha256 {hashlib.sha256(body).hexdigest()}\n"
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        line = base64.b64encode(vkey(self.seed)[1] + signature).decode()
        (self.place / "manifest.json").write_bytes(body)
        (self.place / "manifest.json.note").write_text(f"{text}\n\u2014 {BUILDER} {line}\n")

    def _vault_digest(self):
        lasting = [
            [path.relative_to(self.vault).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()]
            for path in sorted(self.vault.rglob("*"))
            if path.is_file()
            and path.relative_to(self.vault).parts[0] not in ("held", "secret", "review.html")
        ]
        return sha(canonical(sorted(lasting))).hex()

    def _at(self, path):
        inside = path.removeprefix("vault/")
        return self.vault / inside if inside != path else self.place / path
