"""`opsorbit make-certificate`: an authority of one's own, and a certificate of it for a conductor."""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conductor.cli.processes import ProcessError

_DAYS = 825
_AUTHORITY_DAYS = 3650


def make_certificate(folder: Path, hosts: Sequence[str]) -> str:
    """Write ca.pem, ca.key (kept when they are there), tls.crt and tls.key into `folder`.

    The certificate is good for `hosts`, names or addresses. Returns the authority's SHA-256 fingerprint, which
    satellites take as `ca_fingerprint`. Raises ProcessError.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    if not hosts:
        raise ProcessError("name at least one host that the certificate is for")
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
    folder.mkdir(parents=True, exist_ok=True)

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])

    def new_key(path: Path) -> ec.EllipticCurvePrivateKey:
        key = ec.generate_private_key(ec.SECP256R1())
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)
        return key

    if (folder / "ca.pem").exists():
        authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        loaded = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ProcessError(f"{folder / 'ca.key'} is not a key of ours")
        authority_key = loaded
    else:
        authority_key = new_key(folder / "ca.key")
        name = named("OpsOrbit authority")
        authority = (
            x509.CertificateBuilder(name, name, authority_key.public_key(), x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=_AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(x509, signs=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    key = new_key(folder / "tls.key")
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        x509.CertificateBuilder(
            authority.subject, named(hosts[0]), key.public_key(), x509.random_serial_number()
        )
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(x509, signs=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return authority.fingerprint(hashes.SHA256()).hex(":").upper()


def _usage(x509: Any, *, signs: bool) -> Any:
    """What a key is for: an authority's signs certificates, a conductor's proves who it is."""
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
