"""The certificate that signs videos: read and checked before anything is rendered, or made for this machine alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:  # loaded only by those who sign
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

PEM_BYTES_MAX = 1 << 20
CERTIFICATE, KEY = "provenance.sign.certificate", "provenance.sign.key"
ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
"""Signature algorithms of C2PA by the curve of the key."""
USABLE = "use one for C2PA claim signing, with a key on P-256; `lipdrop certificate` makes one for trying out"


@dataclass(frozen=True)
class Credentials:
    """A certificate and its key."""

    chain: bytes
    """PEM: the certificate, then those that vouch for it."""
    key: bytes
    """PEM, PKCS #8."""
    algorithm: str
    """As C2PA calls it."""


def load(certificate: Path, key: Path, now: datetime) -> Credentials:
    """Read a certificate and its key. Raises ConfigError unless they belong together and are valid now."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    except ImportError as error:
        raise not_installed() from error
    try:
        chain = x509.load_pem_x509_certificates(_read(certificate, CERTIFICATE))
    except ValueError as error:
        raise _unreadable(certificate, CERTIFICATE, "it is not a certificate in PEM format") from error
    own, secret = chain[0], _private_key(key)
    if own.public_key() != secret.public_key():
        message = f"the key {key} does not belong to the certificate {certificate}"
        hint = "the file must begin with the certificate of this key; those that vouch for it follow"
        raise ConfigError("certificate_mismatch", message, field=KEY, hint=hint)
    for one in chain:
        _check_dates(one, certificate, now)
    pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Credentials(b"".join(one.public_bytes(Encoding.PEM) for one in chain), pem, _algorithm(secret))


def not_installed() -> ConfigError:
    """The error for a signature without the libraries that make it."""
    hint = "install lipdrop with the extra `sign`, or remove provenance.sign"
    return ConfigError(
        "no_c2pa", "c2pa-python is not installed, which signs videos", field="provenance.sign", hint=hint
    )


def _read(file: Path, field: str) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(PEM_BYTES_MAX + 1)
    except OSError as error:
        raise _unreadable(file, field, error.strerror or "it cannot be read") from error
    if len(data) > PEM_BYTES_MAX:
        raise _unreadable(file, field, "it is too large for a PEM file")
    return data


def _unreadable(file: Path, field: str, why: str) -> ConfigError:
    hint = "make it a PEM file that lipdrop's user can read"
    return ConfigError("certificate_unreadable", f"cannot use {file}: {why}", field=field, hint=hint)


def _private_key(file: Path) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_read(file, KEY), password=None)
    except TypeError as error:
        raise _unreadable(file, KEY, "it has a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable(file, KEY, "it is not a private key in PEM format") from error


def _check_dates(certificate: x509.Certificate, file: Path, now: datetime) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not start <= now <= end:
        when = f"expired on {end:%Y-%m-%d}" if now > end else f"is not valid before {start:%Y-%m-%d %H:%M} UTC"
        name = certificate.subject.rfc4514_string()[:100]
        hint = "renew it, or remove provenance.sign to make unsigned videos"
        raise ConfigError("certificate_expired", f"{file}: {name} {when}", field=CERTIFICATE, hint=hint)


def _algorithm(key: PrivateKeyTypes) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in ALGORITHMS:
        return ALGORITHMS[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise unusable(f"C2PA has no signatures by a key of type {type(key).__name__}")


def unusable(why: str) -> ConfigError:
    """The error for a certificate that C2PA does not accept."""
    return ConfigError(
        "certificate_unusable", f"the certificate cannot sign videos: {why}", field=CERTIFICATE, hint=USABLE
    )


@dataclass(frozen=True)
class LocalCertificate:
    """A certificate for one machine, with the authority that vouches for it and exists only for this."""

    chain: bytes
    key: bytes
    authority: bytes
    """PEM: what others must trust to trust the signature."""


def make_local(name: str, days: int, now: datetime) -> LocalCertificate:
    """Make a certificate in somebody's name. The authority's key is thrown away: it signs nothing else."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    span = now, now + timedelta(days=days)
    issuer = _named(name, "lipdrop local authority")
    authority = _certificate(issuer, issuer, authority_key, authority_key, span, is_authority=True)
    own = _certificate(_named(name, "lipdrop"), issuer, key, authority_key, span, is_authority=False)
    pem = [one.public_bytes(Encoding.PEM) for one in (own, authority)]
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return LocalCertificate(b"".join(pem), secret, pem[1])


def _named(organisation: str, name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = {NameOID.ORGANIZATION_NAME: organisation, NameOID.COMMON_NAME: name}
    return x509.Name([x509.NameAttribute(*part) for part in parts.items()])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: EllipticCurvePrivateKey,
    issuer_key: EllipticCurvePrivateKey,
    span: tuple[datetime, datetime],
    *,
    is_authority: bool,
) -> x509.Certificate:
    """A certificate with the extensions that C2PA's specification asks for."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID

    public = key.public_key()
    made = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number(), *span)
    made = made.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    made = made.add_extension(_usage(is_authority=is_authority), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    made = made.add_extension(of_issuer, critical=False)
    if not is_authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        made = made.add_extension(purpose, critical=False)
    return made.sign(issuer_key, SHA256())


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def utc_now() -> datetime:
    """The time by which certificates are judged."""
    return datetime.now(UTC)
