"""One real Kafka broker (KRaft, one node) on loopback, that can be killed and started again on its own data.

Its first listener is plain text without authentication: by it the tests write records, and the broker talks to itself.
A test may ask for more listeners, with TLS and SASL as it likes.
"""

import signal
from dataclasses import dataclass, field

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from support.paths import KAFKA_LIBS
from support.processes import Process, free_port
from support.waiting import eventually

# The last two: after a kill the controller lets the broker in again only when its old session is over, 9 s by default. Shorter
# ones than this end by themselves on a busy machine.
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=1
auto.create.topics.enable=true
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.enable=false
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=3000
"""

_LOGGING = """\
rootLogger.level=info
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1} %m%n
"""

# A small heap and the first compiler only: up in seconds, and a test run never lives long enough to want more.
_JAVA = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
_CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"


@dataclass(frozen=True)
class Listener:
    """One more door of the broker, on a port of its own, with settings under `listener.name.<name>.`"""

    name: str
    protocol: str
    host: str = "127.0.0.1"
    # What clients are told, where something stands between them and the listener.
    advertised: str | None = None
    settings: dict = field(default_factory=dict)


class Kafka:
    """A broker; `prepare` and `start` are apart, so that a service can be started before its Kafka."""

    def __init__(self, folder, listeners=(), settings=None, scram=(), java_options=(), quorum=None, host="127.0.0.1", within=()):
        """`scram`: users as StorageTool takes them, `SCRAM-SHA-256=[name=..,password=..]`; `quorum`: (own number, port
        of each number's controller), where there are several brokers; `within`: how commands are started at another
        place, and `host` its address.
        """
        self.folder = folder
        self.brokers = None
        self._listeners = [Listener("PLAINTEXT", "PLAINTEXT", host), *listeners]
        self._addresses = {}
        self._more_settings = settings or {}
        self._scram = scram
        self._java_options = java_options
        self._quorum = quorum
        self._within = within
        self._process = None
        self._starts = 0

    def prepare(self):
        """Chooses the ports and formats the storage. Nothing listens yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._addresses = {listener.name: f"{listener.host}:{free_port()}" for listener in self._listeners}
        self.brokers = self.address("PLAINTEXT")
        self._settings.write_text(self._server_properties())
        (self.folder / "log4j2.properties").write_text(_LOGGING)
        users = [argument for user in self._scram for argument in ("--add-scram", user)]
        alone = [] if self._quorum else ["--standalone"]
        format_storage = self._run(
            "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", self._settings, *alone, *users
        )
        assert format_storage.exit_code(within=10) == 0, format_storage.log_tail()
        return self

    def start(self):
        self._process = self._run("kafka.Kafka", self._settings)
        return self

    def wait_until_ready(self):
        self._process.wait_for_log("Kafka Server started", within=10)
        return self

    def kill(self):
        """As a crash would: no leaving of groups, no clean shutdown; what was acknowledged stays on disk."""
        self._process.kill()

    def stop(self):
        """As an operator does: it hands over what it leads, then ends."""
        self._process.terminate(within=60)

    def restart_with(self, **settings):
        """After a kill, with some settings of its file changed."""
        self.kill()
        lines = self._settings.read_text().splitlines()
        kept = [line for line in lines if line.partition("=")[0] not in settings]
        self._settings.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in settings.items()), ""]))
        self.start().wait_until_ready()

    def freeze(self):
        """It holds its connections and answers nothing."""
        self._process.signal(signal.SIGSTOP)

    def thaw(self):
        self._process.signal(signal.SIGCONT)

    def create_topics(self, *names, partitions):
        self._administer("create_topics", [NewTopic(name, partitions, 1) for name in names])

    def create_compacted(self, name):
        """A topic of one partition that keeps the newest record of each key."""
        self._administer("create_topics", [NewTopic(name, 1, 1, config={"cleanup.policy": "compact"})])

    def add_partitions(self, name, total):
        self._administer("create_partitions", [NewPartitions(name, total)])

    def partitions(self, name):
        """How many it has."""
        admin = AdminClient({"bootstrap.servers": self.brokers})
        return len(admin.list_topics(name, timeout=30).topics[name].partitions)

    def delete_records(self, topic, before):
        """What retention does: `before` has the first offset to be kept, by partition."""
        wanted = [TopicPartition(topic, partition, offset) for partition, offset in before.items()]
        admin = AdminClient({"bootstrap.servers": self.brokers})
        for outcome in admin.delete_records(wanted).values():
            outcome.result(timeout=30)

    def _administer(self, deed, wanted):
        # The client must live until its answers are there.
        admin = AdminClient({"bootstrap.servers": self.brokers})
        for outcome in getattr(admin, deed)(wanted).values():
            outcome.result(timeout=30)

    def delete_topics(self, *names):
        """Gone when this returns: the broker answers before it has forgotten them."""
        admin = AdminClient({"bootstrap.servers": self.brokers})
        for outcome in admin.delete_topics(list(names)).values():
            outcome.result(timeout=30)
        eventually(lambda: not set(names) & set(admin.list_topics(timeout=10).topics), 5, "topics deleted")

    def address(self, listener):
        """host:port of one of the listeners."""
        return self._addresses[listener]

    def _server_properties(self):
        settings = _SETTINGS.format(
            listeners=",".join(f"{name}://{address}" for name, address in self._addresses.items()),
            advertised=",".join(
                f"{listener.name}://{listener.advertised or self.address(listener.name)}" for listener in self._listeners
            ),
            protocols=",".join(f"{listener.name}:{listener.protocol}" for listener in self._listeners),
            controller=self._quorum[1][self._quorum[0]] if self._quorum else free_port(),
            data=self.folder / "data",
        )
        of_listeners = {
            f"listener.name.{listener.name.lower()}.{name}": value
            for listener in self._listeners
            for name, value in listener.settings.items()
        }
        # Of two lines with the same name, the later one counts.
        more = self._quorum_settings() | self._more_settings | of_listeners
        return settings + "".join(f"{name}={value}\n" for name, value in more.items())

    def _quorum_settings(self):
        if not self._quorum:
            return {}
        number, controllers = self._quorum
        voters = ",".join(f"{voter}@127.0.0.1:{port}" for voter, port in controllers.items())
        return {"node.id": number, "controller.quorum.voters": voters, "controller.quorum.bootstrap.servers": ""}

    @property
    def _settings(self):
        return self.folder / "server.properties"

    def _run(self, main_class, *arguments):
        self._starts += 1
        logging = f"-Dlog4j2.configurationFile=file:{self.folder / 'log4j2.properties'}"
        command = [*self._within, *_JAVA, *self._java_options, logging, "-cp", f"{KAFKA_LIBS}/*", main_class, *arguments]
        return Process(main_class, command, self.folder / f"{self._starts}-{main_class}.log")
