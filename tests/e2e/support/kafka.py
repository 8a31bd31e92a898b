"""One real Kafka broker (KRaft, one node) on loopback, that can be killed and started again on its own data."""

from confluent_kafka.admin import AdminClient, NewTopic

from support.paths import KAFKA_LIBS
from support.processes import Process, free_port

# The last two: after a kill the controller lets the broker in again only when its old session is over, 9 s by default.
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
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
broker.session.timeout.ms=1000
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


class Kafka:
    """A broker; `prepare` and `start` are apart, so that a service can be started before its Kafka."""

    def __init__(self, folder):
        self.folder = folder
        self.brokers = None
        self._process = None
        self._starts = 0

    def prepare(self):
        """Chooses the ports and formats the storage. Nothing listens yet."""
        self.folder.mkdir(parents=True)
        port, controller = free_port(), free_port()
        self.brokers = f"127.0.0.1:{port}"
        settings = _SETTINGS.format(port=port, controller=controller, data=self.folder / "data")
        (self.folder / "server.properties").write_text(settings)
        (self.folder / "log4j2.properties").write_text(_LOGGING)
        format_storage = self._run(
            "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", self._settings, "--standalone"
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

    def create_topics(self, *names, partitions):
        admin = AdminClient({"bootstrap.servers": self.brokers})
        created = admin.create_topics([NewTopic(name, partitions, 1) for name in names])
        for outcome in created.values():
            outcome.result(timeout=30)

    @property
    def _settings(self):
        return self.folder / "server.properties"

    def _run(self, main_class, *arguments):
        self._starts += 1
        logging = f"-Dlog4j2.configurationFile=file:{self.folder / 'log4j2.properties'}"
        command = [*_JAVA, logging, "-cp", f"{KAFKA_LIBS}/*", main_class, *arguments]
        return Process(main_class, command, self.folder / f"{self._starts}-{main_class}.log")
