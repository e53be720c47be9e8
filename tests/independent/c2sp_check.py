"""A second reader of C2SP logs, sharing no code with recuse: 200 lines, blank ones apart.

    python c2sp_check.py proof FILE.tlog-proof LEAF POLICY
    python c2sp_check.py tiles FOLDER VKEY
    python c2sp_check.py consistent OLD-CHECKPOINT NEW-CHECKPOINT VKEY HASH...

It goes by the definitions of RFC 6962 where recuse goes by the algorithms of RFC 9162.
"""

import base64
import hashlib
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):  # noqa: N818 - that is what it says
    pass


def check(holds, why):
    if not holds:
        raise Refused(why)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unb64(text, size=None):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as e:
        raise Refused(f"no base64: {text[:40]}") from e
    check(base64.b64encode(raw).decode() == text, f"base64 in another form: {text[:40]}")
    check(size in (None, len(raw)), "another length")
    return raw


def number(text):
    check(re.fullmatch(r"0|[1-9][0-9]{0,18}", text), f"no number: {text[:40]}")
    check(int(text) < 2**63, "too large a number")
    return int(text)


def vkey(text, kind):
    """Name, key id and public key of NAME+ID+BASE64."""
    name, _, rest = text.partition("+")
    raw = unb64(rest.partition("+")[2], 33)
    check(re.fullmatch(r"[^\s\x00-\x1f\ud800-\udfff]+", name) and raw[0] == kind, "not such a key")
    key_id = sha(name.encode(), b"\n", raw)[:4]
    check(rest.startswith(key_id.hex() + "+"), "not the id of that key")
    return name, key_id, raw[1:]


def note(body):
    """Text and signature lines (name, id, signature) of a signed note."""
    try:
        text, blank, lines = body.decode().rpartition("\n\n")
    except UnicodeDecodeError as e:
        raise Refused("no UTF-8") from e
    check(blank and lines.endswith("\n") and len(body) <= 1 << 20, "no signed note")
    check(not re.search(r"[\x00-\x09\x0b-\x1f]", text + lines), "a control character")
    found = [re.fullmatch(r"\u2014 ([^\s+]+) (\S+)", line) for line in lines[:-1].split("\n")]
    check(all(found) and len(found) <= 100, "no signature lines")
    raw = [(line[1], unb64(line[2])) for line in found]
    check(all(len(body) > 4 for _, body in raw), "no signature")
    return text + "\n", [(name, body[:4], body[4:]) for name, body in raw]


def head(body, log_keys, witness_keys=()):
    """Origin, size, root, and the time of each witness, of a checkpoint that a log has signed."""
    text, signatures = note(body)
    lines = text.split("\n")[:-1]
    check(len(lines) > 2 and all(lines), "no checkpoint")
    origin, size, root = lines[0], number(lines[1]), unb64(lines[2], 32)
    check(size or root == sha(), "an empty log with a root")
    logs = {key[:2]: key for key in log_keys if key[0] == origin}
    known = {**logs, **{key[:2]: key for key in witness_keys}}
    seen, times = set(), {}
    for name, key_id, raw in signatures:
        if (which := (name, key_id)) not in known:
            continue
        check(which not in seen, "a signature twice")
        seen.add(which)
        message, signature = text.encode(), raw
        if which not in logs:
            times[which] = at = int.from_bytes(raw[:8], "big")
            check(at < 2**63, "too late a time")
            message, signature = f"cosignature/v1\ntime {at}\n{text}".encode(), raw[8:]
        try:
            Ed25519PublicKey.from_public_bytes(known[which][2]).verify(signature, message)
        except (InvalidSignature, ValueError) as e:
            raise Refused(f"a signature of {name} fails") from e
    check(seen & set(logs), f"no known log has signed: {origin}")
    return origin, size, root, times


def policy(body):
    """Keys of logs, keys of witnesses, and a function from times to: quorum met?"""
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
        else:
            check(words[0] == "quorum" and len(words) == 2, f"no line of a policy: {line[:60]}")
            check(words[1] in {*defined, "none"}, "a quorum of nobody")
            quorum.append(words[1])
    unlike = [len({key[2] for key in keys}) for keys in (logs, witnesses.values())]
    check(len(quorum) == 1 and unlike == [len(logs), len(witnesses)], "two quorums, or a key twice")

    def met(name, times):
        if name in groups:
            return sum(met(member, times) for member in groups[name][1]) >= groups[name][0]
        return name == "none" or witnesses[name][:2] in times

    return logs, witnesses.values(), lambda times: met(quorum[0], times)


def half(size):
    return next(1 << bit for bit in range(64) if size <= 2 << bit)


def tree(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha()
    return sha(b"\x01", tree(hashes[: half(len(hashes))]), tree(hashes[half(len(hashes)) :]))


def roots(path, size, at, node, *, grown=False, whole=True):
    """The roots of two trees by a proof, which is used up from its end.

    Of an inclusion proof: over the leaf hash `node` at `at`, twice. Of a consistency proof
    (grown): of the first `at` leaves, whose root is `node`, and of all.
    """
    if size == (at if grown else 1):
        check(whole or path, "too short a proof")
        return [node if whole else path.pop()] * 2
    check(path, "too short a proof")
    split, sibling = half(size), path.pop()
    if at < split or (grown and at == split):
        old, new = roots(path, split, at, node, grown=grown, whole=whole)
        return [old if grown else sha(b"\x01", old, sibling), sha(b"\x01", new, sibling)]
    inner = roots(path, size - split, at - split, node, grown=grown, whole=whole and not grown)
    return [sha(b"\x01", sibling, root) for root in inner]


def proof(body, leaf, policy_body):
    """Origin, size, index, times and quorum of a .tlog-proof over a leaf."""
    logs, witnesses, met = policy(policy_body)
    top, blank, checkpoint = body.partition(b"\n\n")
    lines = top.decode("ascii", "replace").split("\n")
    check(blank and lines.pop(0) == "c2sp.org/tlog-proof@v1", "no tlog-proof")
    if lines and lines[0].startswith("extra "):
        check(unb64(lines.pop(0)[6:]), "extra data of nothing")
    check(lines and lines[0].startswith("index "), "no index")
    index, path = number(lines[0][6:]), [unb64(line, 32) for line in lines[1:]]
    origin, size, root, times = head(checkpoint, logs, witnesses)
    check(index < size and len(path) < 64, "an index beyond the log")
    check(roots(path, size, index, sha(b"\x00", leaf))[1] == root and not path, "another root")
    return origin, size, index, times, met(times)


def consistent(old_body, new_body, log_key, path):
    """Sizes of two checkpoints of which the newer one extends the older."""
    (_, old, first, _), (_, new, last, _) = [head(body, [log_key]) for body in (old_body, new_body)]
    check(old <= new, "the log has shrunk")
    path = list(path)
    check(not old or roots(path, new, old, first, grown=True) == [first, last], "another history")
    check(not path, "too long a proof")
    return old, new


def tiles(folder, log_key):
    """Origin and size of a published log: root from all entries, and every hash tile again."""
    origin, size, root, _ = head((Path(folder) / "checkpoint").read_bytes(), [log_key])

    def file(level, at, count):
        name = re.sub(r"(\d{3})(?=\d)", r"x\1/", str(at).zfill(-(-len(str(at)) // 3) * 3))
        path = Path(folder, "tile", str(level), name)
        wide = min(256, count - at * 256)
        path = path if wide == 256 else path.with_name(f"{path.name}.p") / str(wide)
        return path.read_bytes(), wide, path

    level, hashes = 0, []
    for at in range(-(-size // 256)):
        body, wide, path = file("entries", at, size)
        for _ in range(wide):
            end = 2 + int.from_bytes(body[:2], "big")
            check(len(body) >= end, f"{path}: cut")
            hashes.append(sha(b"\x00", body[2:end]))
            body = body[end:]
        check(not body, f"{path}: too long")
    check(tree(hashes) == root, "not the root of the checkpoint")
    while hashes:
        for at in range(-(-len(hashes) // 256)):
            body, wide, path = file(level, at, len(hashes))
            check(body == b"".join(hashes[at * 256 :][:wide]), f"{path}: other hashes")
        hashes = [tree(hashes[at : at + 256]) for at in range(0, len(hashes) // 256 * 256, 256)]
        level += 1
    return origin, size


if __name__ == "__main__":
    what, *args = sys.argv[1:]
    if what == "proof":
        sys.stdout.write(f"{proof(*(Path(name).read_bytes() for name in args))}\n")
    elif what == "tiles":
        sys.stdout.write(f"{tiles(args[0], vkey(args[1], 1))}\n")
    else:
        bodies, hashes = (
            [Path(name).read_bytes() for name in args[:2]],
            [unb64(h) for h in args[3:]],
        )
        sys.stdout.write(f"{consistent(*bodies, vkey(args[2], 1), hashes)}\n")
