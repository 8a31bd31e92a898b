"""Compares servers under load: `make bench`, or parts of it.

    target/venv/bin/python benches/load/run.py --workloads W1 W2 --peers raw dumbwaiter --rounds 3
    target/venv/bin/python benches/load/run.py --quick            # a small run of everything, for whether it works

Every round runs every server on every workload, one after the other, so that all of them have had the machine at its best and
at its worst. Results are docs/benchmarks/results.json, results.md and results.svg (of --quick: under target/bench).
"""

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Kafka, registry and processes are those of the end-to-end tests.
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))

from chart import chart
from peers import Surroundings, peers
from support.kafka import Kafka
from support.paths import DOCS, TARGET
from support.processes import inherited_environment
from support.registry import Registry
from table import summarize, table
from workloads import WORKLOADS

RUN = TARGET / "bench" / "run"


def main():
    arguments = parse()
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    registry = Registry(RUN)
    kafka = Kafka(RUN / "kafka", java_options=["-XX:TieredStopAtLevel=4", "-Xmx512m"]).prepare().start()
    try:
        kafka.wait_until_ready()
        registry.wait_until_ready()
        runs = rounds(arguments, kafka, registry)
    finally:
        kafka.kill()
        registry.stop()
    publish(arguments, runs)


def rounds(arguments, kafka, registry):
    servers = peers(arguments.profile)
    workloads = [WORKLOADS[name] for name in arguments.workloads]
    if arguments.quick:
        workloads = [workload.scaled(clients=0.02, seconds=2) for workload in workloads]
    runs = []
    for number in range(1, arguments.rounds + 1):
        for workload in workloads:
            for name in arguments.peers:
                if not servers[name].fits(workload):
                    continue
                folder = RUN / f"{number}-{workload.name}-{name}"
                measured = measure(arguments, servers[name], workload, kafka, registry, folder)
                runs.append({"round": number, "workload": workload.name, "peer": name} | measured)
                # What was measured stays even if a later run fails.
                (RUN / "runs.jsonl").open("a").write(json.dumps(runs[-1]) + "\n")
                print(line_of(runs[-1]), flush=True)
    return runs


def measure(arguments, server, workload, kafka, registry, folder):
    folder.mkdir()
    topic = f"order.bench-{folder.name}"
    kafka.create_topics(topic, partitions=1)
    run = f"{random.getrandbits(32):08x}"
    around = Surroundings(folder, kafka.brokers, registry.url, topic, run, arguments.dumbwaiter)
    running = server.start(around, workload)
    try:
        load_before = os.getloadavg()[0]
        report = drive(arguments.dumbwaiter, workload, running, around)
    finally:
        running.process.kill()
    clients = report["connect"]["ready"]
    rss = report["server"]["rss_idle_kib"] - report["server"]["rss_before_kib"]
    return report | {"load_before": load_before, "rss_per_client_kib": rss / clients}


def drive(dumbwaiter, workload, running, around):
    """The report of the load generator, good or not: what a server loses is a result too."""
    command = [dumbwaiter, "bench", "--config", running.config, "--json", "--run", around.run]
    command += ["--pid", running.process.pid, "--protocol", "websocket" if running.is_bare else workload.protocol]
    command += ["--clients", workload.clients, "--staff", workload.staff, "--hold", f"{workload.seconds}s"]
    if workload.events and not running.is_bare:
        pace = ["--burst", workload.burst] if workload.burst else ["--rate", workload.rate]
        command += ["--produce", *pace, "--topic", around.topic]
    elif workload.events:
        command += ["--events", workload.events, "--on-ready", f"kill -USR1 {running.process.pid}"]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=inherited_environment(),
        timeout=600,
    )
    if not done.stdout:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}\n{running.process.log_tail()}")
    return json.loads(done.stdout)


def line_of(run):
    events, server = run["events"], run["server"]
    latency = run["latency_us"]["customers"] or run["latency_us"]["staff"] or {"p50": 0, "p99": 0}
    return (
        f"{run['round']} {run['workload']:6} {run['peer']:22}"
        f" {events['deliveries']:>8}/{events['expected']:<8} double {events['double']} foreign {events['foreign']}"
        f" | {events['per_second']:9.0f}/s p50 {latency['p50'] / 1000:7.1f} p99 {latency['p99'] / 1000:7.1f} ms"
        f" | cpu {server['cpu_seconds']:6.2f} s {server['cpu_us_per_delivery'] or 0:7.2f} us/delivery"
        f" {server['cpu_us_per_event'] or 0:8.1f} us/event"
        f" | connect {server['connect_cpu_us_per_client'] or 0:6.1f} us {run['connect']['per_second']:6.0f}/s"
        f" | {run['rss_per_client_kib']:6.2f} KiB/client peak {server['rss_peak_kib'] / 1024:5.0f} MiB"
        f" | generator {run['own_cpu_seconds']:.2f} of {events['seconds']:.2f} s"
    )


def publish(arguments, runs):
    folder = RUN if arguments.quick else DOCS / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    result = {
        "at": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
        "machine": machine(),
        "rounds": arguments.rounds,
        "summary": summarize(runs),
        "runs": runs,
    }
    (folder / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(table(result), encoding="utf-8")
    (folder / "results.svg").write_text(chart(result), encoding="utf-8")
    print(table(result))


def machine():
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return f"{os.cpu_count()} x {model.split(':')[1].strip()}, Linux {platform.release()}"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--peers", nargs="+", choices=peers("release"), default=list(peers("release")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the clients, for two seconds")
    parser.add_argument("--profile", choices=("debug", "release"), default="release", help="cargo's")
    arguments = parser.parse_args()
    arguments.dumbwaiter = TARGET / arguments.profile / "dumbwaiter"
    return arguments


if __name__ == "__main__":
    main()
