"""W5: decoding alone, on one thread, as `benches/decode.rs` measures it; its figures in the form of a run's."""

import json
import os
import re
import shutil
import subprocess

from support.paths import REPOSITORY, TARGET

CONTESTANTS = {
    "dumbwaiter": r"^in order, .* to a finished frame$",
    "serde_avro_fast": r"^serde_avro_fast, transcoded, no resolution$",
    "apache-avro": r"^apache-avro, with resolution$",
}
RESULTS = TARGET / "criterion" / "populated_order"


def measure(seconds):
    """{contestant: records a second}."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    wanted = "|".join(pattern.strip("^$") for pattern in CONTESTANTS.values())
    command = ["cargo", "bench", "--locked", "--bench", "decode", "--", f"populated_order/({wanted})$"]
    command += ["--warm-up-time", "0.5", "--measurement-time", str(seconds), "--sample-size", "20"]
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET)}
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, env=environment, timeout=900)
    if done.returncode:
        raise SystemExit(done.stderr)
    return {name: _records_per_second(pattern) for name, pattern in CONTESTANTS.items()}


def _records_per_second(pattern):
    for estimates in RESULTS.glob("*/new/estimates.json"):
        if re.match(pattern, estimates.parents[1].name):
            return 1e9 / json.loads(estimates.read_text())["median"]["point_estimate"]
    raise SystemExit(f"benches/decode.rs has no {pattern}")
