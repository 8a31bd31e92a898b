"""A service that speaks TLS, and its certificate."""

import signal
import ssl

from cryptography import x509

from support.bare import connect
from support.certificates import Authority
from support.waiting import eventually

HOSTS = ["127.0.0.1", "localhost"]


class Secured:
    """The service that `start_service(settings)` gives, with an authority of its own."""

    def __init__(self, start_service, folder, settings=None):
        self.authority = Authority(folder)
        files = self.authority.issue("service", HOSTS)
        self.certificate, self.key = files.certificate, files.key
        settings = settings or {}
        tls = {"tls_certificate_file": str(self.certificate), "tls_key_file": str(self.key)}
        settings["web"] = settings.get("web", {}) | tls
        self.service = start_service(settings)
        self.service.authority = self.authority.certificate

    def context(self):
        return ssl.create_default_context(cafile=self.authority.certificate)

    def connect(self, context=None, session=None):
        """A handshake, and the connection."""
        context = context or self.context()
        return context.wrap_socket(connect(self.service), server_hostname="127.0.0.1", session=session)

    def shown(self):
        """The number of the certificate that a new client is shown."""
        with self.connect() as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True)).serial_number

    def renew(self, hosts=HOSTS, **more):
        """New files in place of the former; gives the new number."""
        self.authority.issue("service", hosts, **more)
        return self.number()

    def show(self, *arguments, **more):
        """Renews it, and waits until new clients are shown it."""
        taken = self.read("taken")
        self.renew(*arguments, **more)
        self.service.process.signal(signal.SIGHUP)
        eventually(lambda: self.read("taken") == taken + 1, 2, "taken")

    def number(self):
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()).serial_number

    def read(self, outcome):
        return self.service.metric("dumbwaiter_tls_certificates_read_total", outcome=outcome)

    def handshakes(self, outcome):
        return self.service.metric("dumbwaiter_tls_handshakes_total", outcome=outcome)
