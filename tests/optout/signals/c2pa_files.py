"""Signed images for tests: c2pa-python's Builder with certificates made here, and no network.

    files.signed(picture("JPEG"), [("cawg.training-mining", {"entries": {...}})])
    signed(other, [], parent=files)        # an edit of an image that has a manifest
    remote(picture("JPEG"), "http://...")  # only the address of a manifest stands in the file

Certificates are valid from 2020 to 2100 and made once a process, so that two processes make
different bytes with the same meaning. Nobody trusts their root: state is Valid, never Trusted.
"""

import datetime as dt
import functools
import io
import json
from collections.abc import Sequence
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

Assertion = tuple[str, Any]

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
"""Pillow's name of each container that both Pillow and c2pa write."""


def picture(container: str = "JPEG", edge_px: int = 64, seed: int = 1) -> bytes:
    """Return a small image without any manifest."""
    image = Image.linear_gradient("L").resize((edge_px, edge_px)).rotate(seed * 37 % 360)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, container)
    return buffer.getvalue()


def signed(
    body: bytes,
    assertions: Sequence[Assertion] = (),
    *,
    media_type: str = "image/jpeg",
    parent: bytes | None = None,
    components: Sequence[bytes] = (),
    remote_url: str = "",
    embed: bool = True,
) -> bytes:
    """Return an image with a manifest that holds the assertions, in order; labels may repeat.

    parent, components: images (of the same media type) that it was made from.
    """
    manifest = {
        "claim_generator_info": [{"name": "recuse tests", "version": "1"}],
        "title": "test",
        "format": media_type,
        "assertions": [{"label": label, "data": data} for label, data in assertions],
    }
    with builder(manifest) as made:
        if parent is None:
            made.set_intent(
                c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DIGITAL_CREATION
            )
        else:
            made.set_intent(c2pa.C2paBuilderIntent.EDIT)
            relation = json.dumps({"title": "parent", "relationship": "parentOf"})
            made.add_ingredient(relation, media_type, io.BytesIO(parent))
        for component in components:
            relation = json.dumps({"title": "component", "relationship": "componentOf"})
            made.add_ingredient(relation, media_type, io.BytesIO(component))
        if remote_url:
            made.set_remote_url(remote_url)
        if not embed:
            made.set_no_embed()
        out = io.BytesIO()
        made.sign(signer(), media_type, io.BytesIO(body), out)
        return out.getvalue()


def builder(manifest: dict[str, Any]) -> c2pa.Builder:
    """Return a Builder that asks nothing of any network."""
    settings = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    context = c2pa.Context(c2pa.Settings.from_dict(settings))
    return c2pa.Builder(json.dumps(manifest), context)


def remote(body: bytes, url: str, *, media_type: str = "image/jpeg") -> bytes:
    """Return an image whose manifest lies elsewhere: only its address is in the file's XMP."""
    return signed(body, media_type=media_type, remote_url=url, embed=False)


def training(prefix: str = "cawg", **uses: str) -> Assertion:
    """Return a training-mining assertion: training("cawg", ai_training="notAllowed")."""
    entries = {f"{prefix}.{entry}": {"use": use} for entry, use in uses.items()}
    return f"{prefix}.training-mining", {"entries": entries}


def broken(body: bytes) -> bytes:
    """Return the image with one byte changed behind its manifest: state Invalid."""
    at = len(body) - 40
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@functools.cache
def signer() -> c2pa.Signer:
    """Return an ES256 signer whose chain ends in a root of our own."""
    chain, key = certificates()
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, key, None))


@functools.cache
def certificates() -> tuple[bytes, bytes]:
    """Return PEM of a chain (leaf, root) and of the leaf's key, as C2PA asks of signers."""
    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, leaf_name = _name("Recuse test root"), _name("Recuse test signer")
    root = (
        _unsigned(root_name, root_name, root_key.public_key(), root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _unsigned(leaf_name, root_name, leaf_key.public_key(), root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = leaf_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return leaf.public_bytes(pem) + root.public_bytes(pem), key


def _unsigned(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Recuse tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
