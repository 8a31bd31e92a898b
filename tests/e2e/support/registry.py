"""A real schema registry (Apicurio, which speaks the Confluent API), in memory and on loopback."""

import json

import requests

from support.paths import APICURIO
from support.processes import Process, free_port


class Registry:
    def __init__(self, folder):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
        self._http = requests.Session()
        self._http.trust_env = False
        self._ids = {}
        command = [
            "java",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={port}",
            # Quieter by default, and then it does not say when it listens.
            "-Dquarkus.log.level=INFO",
            "-jar",
            next(APICURIO.glob("*-runner.jar")),
        ]
        self._process = Process("registry", command, folder / "registry.log")

    def wait_until_ready(self):
        self._process.wait_for_log("Listening on: http://127.0.0.1", within=12)
        return self

    def stop(self):
        self._process.kill()

    def register(self, schema):
        """The id of a writer's schema. Each text has a subject of its own: evolution is not the registry's test."""
        text = json.dumps(schema)
        if text not in self._ids:
            self._ids[text] = self.register_as(f"shape-{len(self._ids)}-value", schema)
        return self._ids[text]

    def register_as(self, subject, schema, references=(), kind="AVRO"):
        """The id of a writer's schema under a subject that a test names; references are (name, subject), of version 1."""
        answer = self._http.post(
            f"{self.url}/subjects/{subject}/versions",
            json={
                "schema": json.dumps(schema),
                "schemaType": kind,
                "references": [{"name": name, "subject": its, "version": 1} for name, its in references],
            },
            timeout=30,
        )
        assert answer.ok, answer.text
        return answer.json()["id"]

    def global_id(self, subject, version):
        """Apicurio's own number of one version of one subject."""
        own_api = self.url.replace("/ccompat/v7", "/registry/v3")
        answer = self._http.get(f"{own_api}/groups/default/artifacts/{subject}/versions/{version}", timeout=30)
        assert answer.ok, answer.text
        return answer.json()["globalId"]
