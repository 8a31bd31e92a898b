"""A Kafka as companies run it: TLS, mutual TLS, SASL with every mechanism, and somebody who may not do everything.

    listener   protocol   who comes in
    TLS        SSL        whoever trusts the authority
    MTLS       SSL        whoever has a certificate of the authority
    SASL       SASL_SSL   users of PLAIN and SCRAM, holders of a token (OAUTHBEARER)

The broker's certificate is made out to `localhost`, so that 127.0.0.1 is a wrong name for it.
"""

from support.certificates import Authority
from support.kafka import Kafka, Listener
from support.token_issuer import TokenIssuer

USER = "dumbwaiter"
PASSWORD = "a-kafka-password-for-tests"
# May log in, and then read no group of ours.
STRANGER = "stranger"
KEY_PASSWORD = "a-key-password-for-tests"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_LOGIN_MODULE = "org.apache.kafka.common.security"
_VALIDATOR = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"


class SecureKafka(Kafka):
    def __init__(self, folder):
        self.authority = Authority(folder / "certificates")
        self.stranger_authority = Authority(folder / "certificates", "another authority")
        self.client = self.authority.issue("client", password=KEY_PASSWORD)
        self.issuer = TokenIssuer(client_id=USER, client_secret=PASSWORD)
        broker = self.authority.issue("broker", hosts=["localhost"])
        tls = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": _one_line(broker.certificate),
            "ssl.keystore.key": _one_line(broker.key),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": _one_line(self.authority.certificate),
        }
        super().__init__(
            folder,
            listeners=[
                Listener("TLS", "SSL", "localhost", settings=tls | {"ssl.client.auth": "none"}),
                Listener("MTLS", "SSL", "localhost", settings=tls | {"ssl.client.auth": "required"}),
                Listener("SASL", "SASL_SSL", "localhost", settings=tls | self._sasl()),
            ],
            settings={
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "allow.everyone.if.no.acl.found": "true",
                "super.users": "User:ANONYMOUS",
            },
            scram=[
                f"{mechanism}=[name={name},password={PASSWORD}]"
                for mechanism in MECHANISMS[1:]
                for name in (USER, STRANGER)
            ],
            java_options=[f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.issuer.jwks_url}"],
        )

    def _sasl(self):
        plain = f'{_LOGIN_MODULE}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        scram = f"{_LOGIN_MODULE}.scram.ScramLoginModule required;"
        return {
            "sasl.enabled.mechanisms": ",".join([*MECHANISMS, "OAUTHBEARER"]),
            "plain.sasl.jaas.config": plain,
            "scram-sha-256.sasl.jaas.config": scram,
            "scram-sha-512.sasl.jaas.config": scram,
            "oauthbearer.sasl.jaas.config": f"{_LOGIN_MODULE}.oauthbearer.OAuthBearerLoginModule required;",
            "oauthbearer.sasl.server.callback.handler.class": _VALIDATOR,
            "oauthbearer.sasl.oauthbearer.jwks.endpoint.url": self.issuer.jwks_url,
            "oauthbearer.sasl.oauthbearer.expected.audience": self.issuer.audience,
        }

    def kill(self):
        super().kill()
        self.issuer.stop()


def _one_line(pem_file):
    """PEM as a value of a properties file, where a line break is written."""
    return pem_file.read_text().replace("\n", "\\n")
