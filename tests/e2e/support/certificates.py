"""Certificates made for one run: an authority, and what it signs for brokers and their clients.

All is PEM, in files of one folder, as librdkafka and Kafka's PEM key stores take it. Keys are EC: made at once.
"""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

A_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """Files of PEM: the certificate, and its private key (PKCS 8)."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; `certificate` is the file that whoever trusts it is given."""

    def __init__(self, folder, name="test authority"):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = _common_name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = folder / f"{name.replace(' ', '-')}.pem"
        self.certificate.write_bytes(_pem(self._sign(self._name, self._key.public_key(), constraints)))

    def issue(self, name, hosts=(), password=None, ends_in=A_DAY):
        """A certificate of that common name, good for these hosts and addresses; a password encrypts its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        extensions = [names] if hosts else []
        signed = self._sign(_common_name(name), key.public_key(), *extensions, ends_in=ends_in)
        files = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}-key.pem")
        files.certificate.write_bytes(_pem(signed))
        files.key.write_bytes(_private_pem(key, password))
        return files

    def _sign(self, subject, public_key, *extensions, ends_in=A_DAY):
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + ends_in)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())


def _general_name(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _common_name(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key, password):
    encryption = (
        serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
