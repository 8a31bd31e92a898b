"""W5: decoding alone, on one thread, as `benches/decode.rs` measures it; its figures in the form of a run's."""

import json
import os
import shutil
import subprocess

from support.paths import REPOSITORY, TARGET

# By their names in benches/decode.rs.
CONTESTANTS = {
    "dumbwaiter": "in order, to a finished frame",
    "serde_avro_fast": "serde_avro_fast, transcoded, no resolution",
    "apache-avro": "apache-avro, with resolution",
}
RESULTS = TARGET / "criterion" / "populated_order"


def measure(seconds):
    """{contestant: records a second}."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    command = ["cargo", "bench", "--locked", "--bench", "decode", "--"]
    command += [f"^populated_order/({'|'.join(CONTESTANTS.values())})$"]
    command += ["--warm-up-time", "0.5", "--measurement-time", str(seconds), "--sample-size", "20"]
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET)}
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, env=environment, timeout=900)
    if done.returncode:
        raise SystemExit(done.stderr)
    return {contestant: _records_per_second(name) for contestant, name in CONTESTANTS.items()}


def _records_per_second(name):
    estimates = json.loads((RESULTS / name / "new" / "estimates.json").read_text())
    return 1e9 / estimates["median"]["point_estimate"]
