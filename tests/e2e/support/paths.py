"""Where things lie: the repository, what the Makefile unpacked under target/, and this run's own folder."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
DOCS = REPOSITORY / "docs"
CONTRACT = DOCS / "contract"
TARGET = REPOSITORY / "target"
KAFKA_LIBS = TARGET / "kafka" / "libs"
APICURIO = TARGET / "apicurio"
NODE = TARGET / "node"
JAVA_CLIENT = TARGET / "java-client"
JAVA_PRODUCER = TARGET / "java-producer"
PROMTOOL = TARGET / "prometheus" / "usr" / "bin" / "promtool"
REDIS = TARGET / "redis" / "redis-server"
# Each of several workers side by side has a folder of its own, and all that runs in it.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
RUN = TARGET / "e2e-run" / WORKER
SERVICE = Path(os.environ.get("DUMBWAITER_BIN", TARGET / "debug" / "dumbwaiter"))
