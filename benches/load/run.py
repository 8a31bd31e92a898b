"""Compares servers under load: `make bench`, or parts of it.

    target/venv/bin/python benches/load/run.py --workloads W1 W2 --peers raw dumbwaiter --rounds 3
    target/venv/bin/python benches/load/run.py --budget 30m       # as many rounds as fit, five at most
    target/venv/bin/python benches/load/run.py --before PROGRAM   # beside another build of the service
    target/venv/bin/python benches/load/run.py --more --rounds 1  # one more for the results that are there
    target/venv/bin/python benches/load/run.py --quick            # a small run of everything, for whether it works

Every round runs every server on every workload, one after the other, so that all of them have had the machine at its best and
at its worst. Results are docs/benchmarks/results.json, results.md and results.svg (of --quick: under target/bench), written
anew after each round.
"""

import argparse
import dataclasses
import hashlib
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

import decode
from chart import chart
from figures import summarize
from peers import Surroundings, peers
from support.certificates import Authority
from support.kafka import Kafka
from support.paths import DOCS, TARGET
from support.processes import inherited_environment
from support.registry import Registry
from table import table
from workloads import BEFORE, OURS, WORKLOADS

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
        rounds(arguments, kafka, registry)
    finally:
        kafka.kill()
        registry.stop()


def rounds(arguments, kafka, registry):
    """A round is begun only if one as long as the longest so far would be over within the budget."""
    workloads = [WORKLOADS[name] for name in arguments.workloads]
    if arguments.quick:
        workloads = [workload.scaled(clients=0.02, seconds=1) for workload in workloads]
    runs, longest = earlier_runs(arguments) if arguments.more else [], 0
    first = runs[-1]["round"] + 1 if runs else 1
    for number in range(first, first + arguments.rounds):
        begun = time.monotonic()
        for workload in workloads:
            of_round = one_round(arguments, workload, kafka, registry, RUN / f"{number}-{workload.name}")
            runs += [{"round": number, "workload": workload.name} | run for run in of_round]
        publish(arguments, runs)
        longest = max(longest, time.monotonic() - begun)
        print(f"round {number} took {time.monotonic() - begun:.0f} s", flush=True)
        if time.monotonic() + longest > arguments.ends_at:
            break
    print((results_folder(arguments) / "results.md").read_text(encoding="utf-8"))


def earlier_runs(arguments):
    """Those in the results, which must be of this program on this machine: others' are no rounds of the same race."""
    earlier = json.loads((results_folder(arguments) / "results.json").read_text(encoding="utf-8"))
    for what, now in (("machine", machine()), ("build", build(arguments))):
        if earlier[what] != now:
            raise SystemExit(f"--more: the results are of another {what} ({earlier[what]}, now {now})")
    return earlier["runs"]


def one_round(arguments, workload, kafka, registry, folder):
    names = [name for name in workload.peers if not arguments.peers or name in arguments.peers]
    if arguments.before and OURS in names and workload.needs_servers:
        names.insert(names.index(OURS), BEFORE)
    if not workload.needs_servers:
        found = decode.measure(workload.seconds)
        for name in names:
            print(f"{folder.name:10} {name:22} {found[name]:9.0f} records/s", flush=True)
            yield {"peer": name, "records_per_second": found[name]}
        return
    servers = peers(arguments.profile, arguments.before)
    for name in names:
        run = measure(arguments, servers[name], workload, kafka, registry, folder.with_name(f"{folder.name}-{name}"))
        print(line_of(f"{folder.name:10} {name:22}", run), flush=True)
        yield {"peer": name} | run


def measure(arguments, server, workload, kafka, registry, folder):
    folder.mkdir()
    topic = f"order.bench-{folder.name}"
    kafka.create_topics(topic, partitions=1)
    run = f"{random.getrandbits(32):08x}"
    authority = Authority(folder)
    certificate = authority.issue("service", ["127.0.0.1"])
    around = Surroundings(
        folder, kafka.brokers, registry.url, topic, run, arguments.dumbwaiter, certificate, authority.certificate
    )
    running = server.start(around, workload)
    try:
        if workload.events and not running.is_bare:
            warm_up(arguments.dumbwaiter, workload, running, around)
        load_before = os.getloadavg()[0]
        report = drive(arguments.dumbwaiter, workload, running, around)
    finally:
        running.process.kill()
    clients = report["connect"]["ready"]
    rss = report["server"]["rss_idle_kib"] - report["server"]["rss_before_kib"]
    return report | {"load_before": load_before, "rss_per_client_kib": rss / clients}


def warm_up(dumbwaiter, workload, running, around):
    """One event to one client: a schema is asked for once in a server's life, and the events that wait for it are no
    percentile of the others."""
    alone = dataclasses.replace(workload, clients=1, staff=1, seconds=1, rate=0, burst=1, half_open=0)
    report = drive(dumbwaiter, alone, running, dataclasses.replace(around, run=f"{random.getrandbits(32):08x}"))
    assert report["events"]["deliveries"] == 1, report


def drive(dumbwaiter, workload, running, around):
    """The report of the load generator, good or not: what a server loses is a result too."""
    command = [dumbwaiter, "bench", "--config", running.config, "--json", "--run", around.run]
    command += ["--pid", running.process.pid, "--protocol", "websocket" if running.is_bare else workload.protocol]
    command += ["--clients", workload.clients, "--staff", workload.staff, "--hold", f"{workload.seconds}s"]
    if running.authority:
        command += ["--ca", running.authority]
    if workload.half_open:
        command += ["--half-open", workload.half_open]
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


def line_of(who, run):
    events, server = run["events"], run["server"]
    latency = run["latency_us"]["customers"] or run["latency_us"]["staff"] or {"p50": 0, "p99": 0}
    return (
        f"{who} {events['deliveries']:>8}/{events['expected']:<8} double {events['double']} foreign {events['foreign']}"
        f" | {events['per_second']:9.0f}/s p50 {latency['p50'] / 1000:7.1f} p99 {latency['p99'] / 1000:7.1f} ms"
        f" | cpu {server['cpu_seconds']:6.2f} s {server['cpu_us_per_delivery'] or 0:7.2f} us/delivery"
        f" {server['cpu_us_per_event'] or 0:8.1f} us/event"
        f" | connect {server['connect_cpu_us_per_client'] or 0:6.1f} us {run['connect']['per_second']:6.0f}/s"
        f" | {run['rss_per_client_kib']:6.2f} KiB/client peak {server['rss_peak_kib'] / 1024:5.0f} MiB"
        f" | generator {run['own_cpu_seconds']:.2f} of {events['seconds']:.2f} s"
    )


def publish(arguments, runs):
    folder = results_folder(arguments)
    folder.mkdir(parents=True, exist_ok=True)
    result = {
        "at": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
        "machine": machine(),
        "build": build(arguments),
        "rounds": min(len({run["round"] for run in runs if run["workload"] == name}) for name in {run["workload"] for run in runs}),
        "summary": summarize(runs),
        "runs": runs,
    }
    (folder / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(table(result), encoding="utf-8")
    (folder / "results.svg").write_text(chart(result), encoding="utf-8")


def results_folder(arguments):
    return RUN if arguments.quick or arguments.scratch else DOCS / "benchmarks"


def machine():
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return f"{os.cpu_count()} x {model.split(':')[1].strip()}, Linux {platform.release()}"


def build(arguments):
    """Which program it was, by its digest."""
    return hashlib.sha256(arguments.dumbwaiter.read_bytes()).hexdigest()[:16]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--peers", nargs="+", help="only these, by their names in the tables")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--more", action="store_true", help="in addition to the rounds that are in the results")
    parser.add_argument("--budget", type=seconds, default=float("inf"), help="such as 30m: as many rounds as fit, one at least")
    parser.add_argument("--before", type=Path, metavar="PROGRAM", help="another build of the service")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the clients, for two seconds")
    parser.add_argument("--profile", choices=("debug", "release"), default="release", help="cargo's")
    parser.add_argument("--scratch", action="store_true", help="results under target/bench/run, not in docs")
    arguments = parser.parse_args()
    arguments.ends_at = time.monotonic() + arguments.budget
    arguments.dumbwaiter = TARGET / arguments.profile / "dumbwaiter"
    return arguments


def seconds(text):
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3_600}[text[-1]]


if __name__ == "__main__":
    main()
