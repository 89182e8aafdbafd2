"""A small certificate authority: signs what boards and their broker show, and says what is void.

Needs the library cryptography, which the workstation's extra brings.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from edgekit.errors import InputError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

_LONGEST_NAME = 64  # X.520's limit of a common name
_AUTHORITY_DAYS = 7300
_CRL_DAYS = 3650
_SKEW = timedelta(days=1)  # clocks of brokers differ


@dataclass(frozen=True)
class Credential:
    """A certificate with its private key, both as PEM.

    Attributes:
        certificate: with the line ends of PEM.
        key: PKCS 8, not encrypted.
        serial: the certificate's number, in hexadecimal.
        expires: after which the certificate is void.
    """

    certificate: bytes
    key: bytes
    serial: str
    expires: datetime


@dataclass(frozen=True)
class Authority:
    """Signs with its own key. Everything it gives is PEM."""

    _certificate: "x509.Certificate"
    _key: "CertificateIssuerPrivateKeyTypes"

    @classmethod
    def new(cls, name: str, *, now: datetime) -> "Authority":
        """Makes an authority that signs itself: EC P-256, good for 20 years."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _checked(name))])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + timedelta(days=_AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(
        cls, certificate: bytes, key: bytes, *, passphrase: bytes | None = None
    ) -> "Authority":
        """Takes an authority from PEM.

        Raises:
            InputError: they cannot be read, do not belong together, or may not sign.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            loaded = x509.load_pem_x509_certificate(certificate)
        except ValueError as error:
            raise InputError(f"ca.pem: holds no PEM certificate: {error}") from error
        try:
            private = load_pem_private_key(key, passphrase)
        except TypeError as error:
            hint = (
                "is encrypted; name the file with its passphrase" if passphrase is None else error
            )
            raise InputError(f"ca.key: {hint}") from error
        except ValueError as error:
            raise InputError(
                f"ca.key: no PEM private key, or a wrong passphrase: {error}"
            ) from error
        if not isinstance(
            private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
        ):
            raise InputError("ca.key: neither EC, RSA nor Ed25519")
        if private.public_key() != loaded.public_key():
            raise InputError("ca.key: is not the key of ca.pem")
        try:
            is_authority = loaded.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            is_authority = False
        if not is_authority:
            raise InputError("ca.pem: is no authority's certificate: it may not sign others")
        return cls(loaded, private)

    @property
    def certificate(self) -> bytes:
        """What boards and brokers trust."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return self._certificate.public_bytes(Encoding.PEM)

    @property
    def key(self) -> bytes:
        """The secret that makes it an authority."""
        return _key_pem(self._key)

    def client(self, name: str, *, now: datetime, days: int) -> Credential:
        """A new key and certificate for a board.

        Args:
            name: the common name.
            now: when it is made.
            days: how long it is good, though never longer than the authority.

        Raises:
            InputError: the name is too long, or the authority has expired.
        """
        return self._issue(name, now=now, days=days, hosts=())

    def server(self, host: str, *, now: datetime, days: int) -> Credential:
        """A new key and certificate for a broker that boards call `host`; raises as `client`."""
        return self._issue(host, now=now, days=days, hosts=[host])

    def revocations(self, serials: Iterable[tuple[str, datetime]], *, now: datetime) -> bytes:
        """The list of certificates that are void: serial numbers, and since when."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - _SKEW)
            .next_update(now + timedelta(days=_CRL_DAYS))
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
            .add_extension(self._issuer_id(), critical=False)
        )
        for serial, since in serials:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(int(serial, 16))
                .revocation_date(since)
                .build()
            )
        return builder.sign(self._key, self._hash()).public_bytes(Encoding.PEM)

    def _issue(self, name: str, *, now: datetime, days: int, hosts: Iterable[str]) -> Credential:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import ExtendedKeyUsageOID

        expires = min(now + timedelta(days=days), self._certificate.not_valid_after_utc)
        if expires <= now:
            raise InputError(f"ca.pem: expired {expires:%Y-%m-%d}; make or take another authority")
        key = ec.generate_private_key(ec.SECP256R1())
        serial = x509.random_serial_number()
        alternatives = [_alternative(host) for host in hosts]
        purpose = ExtendedKeyUsageOID
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _checked(name))]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(max(now - _SKEW, self._certificate.not_valid_before_utc))
            .not_valid_after(expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [purpose.SERVER_AUTH if alternatives else purpose.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(self._issuer_id(), critical=False)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        certificate = builder.sign(self._key, self._hash())
        return Credential(
            certificate.public_bytes(Encoding.PEM), _key_pem(key), f"{serial:x}", expires
        )

    def _issuer_id(self) -> "x509.AuthorityKeyIdentifier":
        from cryptography import x509

        try:
            own = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)

    def _hash(self) -> "hashes.SHA256 | None":
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ed25519

        return None if isinstance(self._key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _checked(name: str) -> str:
    if not 0 < len(name) <= _LONGEST_NAME:
        raise InputError(
            f"{name!r}: a certificate's name has 1 to {_LONGEST_NAME} characters, not {len(name)}; "
            "shorten the name of the fleet or the device"
        )
    return name


def _usage(*, signs: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(host: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise InputError(f"{host!r} is no host name; write it in ASCII") from error


def _key_pem(key: "CertificateIssuerPrivateKeyTypes") -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
