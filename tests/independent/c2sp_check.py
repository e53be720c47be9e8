"""A second reader of C2SP logs, which shares no code with recuse. For tests, and for whoever doubts.

    python c2sp_check.py proof FILE.tlog-proof LEAF POLICY
    python c2sp_check.py tiles FOLDER VKEY
    python c2sp_check.py consistent OLD-CHECKPOINT NEW-CHECKPOINT VKEY HASH...

It needs Python and `cryptography`. Whatever does not hold raises Refused, said in one line. It goes
by the definitions of RFC 6962 (trees split in two, again and again), where recuse goes by the
algorithms of RFC 9162. Written from the specifications tlog-proof, tlog-policy, tlog-checkpoint,
tlog-cosignature, tlog-tiles and signed-note.
"""

import base64
import hashlib
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):
    """Something does not hold."""


def check(holds, why):
    if not holds:
        raise Refused(why)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unb64(text):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as e:
        raise Refused(f"no base64: {text[:40]}") from e
    check(base64.b64encode(raw).decode() == text, f"base64 in another form: {text[:40]}")
    return raw


def hash32(text):
    raw = unb64(text)
    check(len(raw) == 32, "a hash of another length")
    return raw


def number(text):
    check(re.fullmatch(r"0|[1-9][0-9]*", text, re.ASCII), f"no number: {text[:40]}")
    check(int(text) < 2**63, "too large a number")
    return int(text)


def vkey(text, kind):
    """Name, key id and public key of NAME+ID+BASE64."""
    name, _, rest = text.partition("+")
    key_id, _, material = rest.partition("+")
    raw = unb64(material)
    check(name and not re.search(r"[\s\x00-\x1f]", name), "no name of a key")
    check(len(raw) == 33 and raw[0] == kind, f"no key of kind {kind}")
    check(sha(name.encode(), b"\n", raw)[:4].hex() == key_id, "not the id of that key")
    return name, bytes.fromhex(key_id), raw[1:]


def note(body):
    """Text and signature lines (name, id, signature) of a signed note."""
    try:
        whole = body.decode()
    except UnicodeDecodeError as e:
        raise Refused("no UTF-8") from e
    check(not re.search(r"[\x00-\x09\x0b-\x1f]", whole), "a control character")
    text, blank, lines = whole.rpartition("\n\n")
    check(blank and lines.endswith("\n"), "no signed note")
    signatures = []
    for line in lines[:-1].split("\n"):
        found = re.fullmatch(r"\u2014 ([^\s+]+) (\S+)", line)
        check(found, "no signature line")
        raw = unb64(found[2])
        check(len(raw) > 4, "no signature")
        signatures.append((found[1], raw[:4], raw[4:]))
    check(len(signatures) <= 100, "too many signatures")
    return text + "\n", signatures


def signed(key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(key[2]).verify(signature, message)
    except (InvalidSignature, ValueError) as e:
        raise Refused(f"a signature of {key[0]} fails") from e


def head(body, log_keys, witness_keys=()):
    """Origin, size, root, and the time of each witness, of a checkpoint that a log has signed."""
    text, signatures = note(body)
    origin, size, root, *more = text.split("\n")[:-1] + [""] * (4 - text.count("\n"))
    check(origin and text.count("\n") >= 3 and all(more), "no checkpoint")
    size, root = number(size), hash32(root)
    check(size or root == sha(), "an empty log with a root")
    logs = {key[:2]: key for key in log_keys if key[0] == origin}
    witnesses = {key[:2]: key for key in witness_keys}
    seen, times = set(), {}
    for name, key_id, signature in signatures:
        which = (name, key_id)
        check(which not in seen or which not in {**logs, **witnesses}, "a signature twice")
        seen.add(which)
        if which in logs:
            signed(logs[which], text.encode(), signature)
        if which in witnesses:
            at = int.from_bytes(signature[:8], "big")
            check(at < 2**63, "too late a time")
            signed(witnesses[which], f"cosignature/v1\ntime {at}\n{text}".encode(), signature[8:])
            times[which] = at
    check(seen & set(logs), f"no known log has signed: {origin}")
    return origin, size, root, times


def policy(body):
    """Keys of logs, keys of witnesses by name, and a function from times to: quorum met?"""
    logs, witnesses, groups, quorum, used = [], {}, {}, [], set()
    check(not re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", body), "a control character")
    for line in body.decode("utf-8", "surrogateescape").split("\n"):
        words = re.findall(r"[^ \t]+", line)
        if not words or words[0][0] == "#":
            continue
        defined = {*witnesses, *groups}
        if words[0] == "log" and len(words) in (2, 3):
            logs.append(vkey(words[1], 1))
        elif words[0] == "witness" and len(words) in (3, 4):
            check(words[1] not in {*defined, "none"}, "a name twice")
            witnesses[words[1]] = vkey(words[2], 4)
        elif words[0] == "group" and len(words) > 3:
            _, name, k, *members = words
            k = {"any": "1", "all": str(len(members))}.get(k, k)
            check(re.fullmatch("[1-9][0-9]{0,8}", k) and int(k) <= len(members), "no such number")
            check(name not in {*defined, "none"} and {*members} <= defined, "a wrong name")
            check(len({*members}) == len(members) and not used & {*members}, "a member twice")
            used.update(members)
            groups[name] = (int(k), members)
        elif words[0] == "quorum" and len(words) == 2:
            check(words[1] in {*defined, "none"}, "a quorum of nobody")
            quorum.append(words[1])
        else:
            raise Refused(f"no line of a policy: {line[:60]}")
    check(len(quorum) == 1, "not one quorum")
    for keys in (logs, [*witnesses.values()]):
        check(len({key[2] for key in keys}) == len(keys), "a key twice")

    def met(name, times):
        if name in groups:
            return sum(met(member, times) for member in groups[name][1]) >= groups[name][0]
        return name == "none" or witnesses[name][:2] in times

    return logs, witnesses, lambda times: met(quorum[0], times)


def half(size):
    split = 1
    while split * 2 < size:
        split *= 2
    return split


def tree(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha()
    split = half(len(hashes))
    return sha(b"\x01", tree(hashes[:split]), tree(hashes[split:]))


def root_by_path(leaf, index, size, path):
    """The root over a leaf, by its audit path; takes what it uses off the end of the path."""
    if size == 1:
        return leaf
    check(path, "too short a proof")
    split, sibling = half(size), path.pop()
    if index < split:
        return sha(b"\x01", root_by_path(leaf, index, split, path), sibling)
    return sha(b"\x01", sibling, root_by_path(leaf, index - split, size - split, path))


def roots_by_path(old_root, old, size, path, whole=True):
    """Old root and new root by a consistency proof; takes what it uses off the end of the path."""
    if old == size:
        check(whole or path, "too short a proof")
        node = old_root if whole else path.pop()
        return node, node
    check(path, "too short a proof")
    split, sibling = half(size), path.pop()
    if old <= split:
        a, b = roots_by_path(old_root, old, split, path, whole)
        return a, sha(b"\x01", b, sibling)
    a, b = roots_by_path(old_root, old - split, size - split, path, whole=False)
    return sha(b"\x01", sibling, a), sha(b"\x01", sibling, b)


def proof(body, leaf, policy_body):
    """Origin, size, index, times and quorum of a .tlog-proof over a leaf."""
    logs, witnesses, met = policy(policy_body)
    top, blank, checkpoint = body.partition(b"\n\n")
    lines = top.decode("ascii", "replace").split("\n")
    check(blank and lines.pop(0) == "c2sp.org/tlog-proof@v1", "no tlog-proof")
    if lines and lines[0].startswith("extra "):
        check(unb64(lines.pop(0)[6:]), "extra data of nothing")
    check(lines and lines[0].startswith("index "), "no index")
    index, path = number(lines[0][6:]), [hash32(line) for line in lines[1:]]
    origin, size, root, times = head(checkpoint, logs, witnesses.values())
    check(index < size and len(path) < 64, "an index beyond the log")
    check(root_by_path(sha(b"\x00", leaf), index, size, path) == root, "not the root by the proof")
    check(not path, "too long a proof")
    return origin, size, index, times, met(times)


def consistent(old_body, new_body, log_key, path):
    """Sizes of two checkpoints of which the newer one extends the older."""
    (_, old, old_root, _), (_, new, new_root, _) = (
        head(b, [log_key]) for b in (old_body, new_body)
    )
    check(old <= new, "the log has shrunk")
    check(old or not path, "a proof of nothing")
    if old:
        path = list(path)
        check(roots_by_path(old_root, old, new, path) == (old_root, new_root), "another history")
        check(not path, "too long a proof")
    return old, new


def tiles(folder, log_key):
    """Origin and size of a published log: root from all entries, and every hash tile again."""
    folder = Path(folder)
    origin, size, root, _ = head((folder / "checkpoint").read_bytes(), [log_key])

    def file(level, at, count):
        name = re.sub(r"(\d{3})(?=\d)", r"x\1/", str(at).zfill(-(-len(str(at)) // 3) * 3))
        path = folder / "tile" / str(level) / name
        wide = min(256, count - at * 256)
        partial = path.with_name(f"{path.name}.p") / str(wide)
        return (path if path.exists() else partial).read_bytes(), wide, path

    level, hashes = 0, []
    for at in range(-(-size // 256)):
        body, wide, path = file("entries", at, size)
        for _ in range(wide):
            end = 2 + int.from_bytes(body[:2], "big")
            check(len(body) >= end, f"{path}: cut")
            hashes.append(sha(b"\x00", body[2:end]))
            body = body[end:]
        check(not body or wide < 256, f"{path}: too long")
    check(tree(hashes) == root, "not the root of the checkpoint")
    while hashes:
        for at in range(-(-len(hashes) // 256)):
            body, wide, path = file(level, at, len(hashes))
            check(body[: 32 * wide] == b"".join(hashes[at * 256 :][:wide]), f"{path}: other hashes")
        hashes = [tree(hashes[at : at + 256]) for at in range(0, len(hashes) // 256 * 256, 256)]
        level += 1
    return origin, size


def main(what, *args):
    if what == "proof":
        return proof(*(Path(name).read_bytes() for name in args))
    if what == "tiles":
        return tiles(args[0], vkey(args[1], 1))
    bodies = [Path(name).read_bytes() for name in args[:2]]
    return consistent(*bodies, vkey(args[2], 1), [hash32(text) for text in args[3:]])


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{main(*sys.argv[1:])}\n")
    except Refused as refused:
        sys.exit(f"refused: {refused}")
