"""What runs the service elsewhere: is it well-formed, and does it fit the service? There is no container engine here, so images are linted, not built; what the Dockerfile takes
from the repository and from Debian is checked to be there.

`make packaging-check` has compose.yaml read by the library of Docker Compose and the workflow of a release by actionlint as well, and a bill of materials made.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from support.paths import REPOSITORY, SERVICE, TARGET

DOCKER = REPOSITORY / "docker"
RELEASE = REPOSITORY / ".github" / "workflows" / "release.yml"
VERSION = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["package"]["version"]
TOOLS = Path(sys.executable).parent


def manifests():
    return {(m["kind"], m["metadata"]["name"]): m for m in yaml.safe_load_all((DOCKER / "kubernetes" / "dumbwaiter.yaml").read_text())}


def check(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == 0, done.stdout + done.stderr


def check_settings(folder, environment, settings=""):
    """`dumbwaiter check` finds nothing wrong, with a secret of the test's in the place of the real one."""
    secret = folder / "jwt"
    secret.write_text("a-secret-that-is-long-enough-for-HS256")
    config = folder / "dumbwaiter.toml"
    config.write_text(settings.replace("/etc/dumbwaiter/secret/jwt", str(secret)))
    environment = {name: str(secret) if name.endswith("SECRET_FILE") else str(value) for name, value in environment.items()}
    check([SERVICE, "check", "--config", config], env={"PATH": os.environ["PATH"]} | environment)


def seconds(text):
    assert text.endswith("s"), text
    return int(text.removesuffix("s"))


def test_the_image_is_linted():
    check([TOOLS / "hadolint", DOCKER / "Dockerfile"])


def test_the_image_is_built_from_what_reaches_the_engine(tmp_path):
    """`COPY . .` as .dockerignore has it: Cargo finds every target and every file that the crate includes, but for no more than it needs."""
    shown = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in shown:
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)

    check(["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"], cwd=tmp_path)
    for file in [path for path in (tmp_path / "src").rglob("*.rs")]:
        included = re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', file.read_text())
        assert [name for name in included if not (file.parent / name).exists()] == [], file
    assert {"target", ".git"} & {path.name for path in tmp_path.iterdir()} == set()


def packages(stage):
    """What a stage of the Dockerfile asks Debian for."""
    stages = (DOCKER / "Dockerfile").read_text().split("\nFROM ")
    return set(re.search(r"--no-install-recommends (.+) \\", stages[stage])[1].split())


def test_the_image_is_built_with_what_builds_the_service_here():
    # The compiler's own image has gcc.
    system = re.search(r"^SYSTEM_PACKAGES := (.+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[1]
    assert packages(1) == set(system.split()) - {"gcc"}


@pytest.mark.skipif("VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text(), reason="the image is of another Debian")
def test_the_image_has_the_libraries_that_the_program_links_to():
    dynamic = subprocess.run(["readelf", "-d", SERVICE], capture_output=True, text=True, timeout=60, check=True).stdout
    found = [subprocess.run(["dpkg", "-S", f"*/{name}"], capture_output=True, text=True, timeout=60).stdout for name in re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic)]
    owners = {line.split(":")[0] for line in "".join(found).splitlines()}

    assert {"libssl3", "libcurl4"} <= owners
    # The system's image has the first two.
    assert owners - {"libc6", "libgcc-s1"} - packages(2) == set()


def test_image_and_release_have_the_toolchain_of_the_repository():
    toolchain = tomllib.loads((REPOSITORY / "rust-toolchain.toml").read_text())["toolchain"]["channel"]

    assert f"FROM rust:{toolchain}-slim-" in (DOCKER / "Dockerfile").read_text()
    assert set(re.findall(r"\brust:([\d.]+)-", RELEASE.read_text())) == {toolchain}


@pytest.mark.skipif(not (TARGET / "gobin" / "actionlint").exists(), reason="make packaging-check installs it")
def test_the_release_is_linted():
    check([TARGET / "gobin" / "actionlint", RELEASE])


def test_the_steps_of_a_release_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    jobs = yaml.safe_load(RELEASE.read_text())["jobs"]
    steps = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    made = set(re.findall(r"\bmake (?:--silent )?([a-z-]+)", steps))

    assert {"test", "dist"} <= made <= targets
    assert "bom" in re.search(r"^dist: ([a-z -]+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[1].split()
    # Nothing is given out before the tests are done.
    assert all("test" in needed_by(jobs, name) for name in jobs if name != "test")


@pytest.mark.skipif(not (TARGET / "bom" / "bin").exists(), reason="make packaging-check installs it")
def test_the_bill_of_materials_has_all_that_is_linked_in():
    check(["make", "--silent", "bom"], cwd=REPOSITORY)
    bill = json.loads((TARGET / "bom" / f"dumbwaiter-{VERSION}-x86_64-linux.cdx.json").read_text())
    listed = {(part["name"], part["version"]): part for part in [bill["metadata"]["component"], *bill["components"]]}

    linked = crates("normal,no-proc-macro")
    assert {"rdkafka-sys", "tikv-jemalloc-sys"} <= {name for name, _ in linked}
    assert linked - listed.keys() == set()
    # What only tests and benches need is not in the program, and not in the bill.
    assert listed.keys() & (crates("dev") - crates("normal")) == set()
    assert [name for (name, _), part in listed.items() if not part["purl"].startswith(f"pkg:cargo/{name}@")] == []
    assert [name for (name, _), part in listed.items() if not part.get("licenses")] == []
    assert str(REPOSITORY) not in json.dumps(bill)


def crates(edges):
    """Name and version of what Cargo takes along these edges."""
    tree = ["cargo", "tree", "--locked", "--package", "dumbwaiter", "--edges", edges, "--target", "x86_64-unknown-linux-gnu"]
    found = subprocess.run([*tree, "--prefix", "none"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True).stdout
    return {(line.split()[0], line.split()[1].removeprefix("v")) for line in found.splitlines()}


def needed_by(jobs, name):
    """The jobs that must be done before it."""
    needs = jobs[name].get("needs", [])
    first = {needs} if isinstance(needs, str) else set(needs)
    return first.union(*[needed_by(jobs, other) for other in first])


def test_compose_has_settings_that_are_good(tmp_path):
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    services = compose["services"]

    check_settings(tmp_path, services["dumbwaiter"]["environment"])
    # The registry forgets its schemas, so Kafka is to forget the records that were written by them.
    assert "volumes" not in compose
    assert services["dumbwaiter"]["image"] == f"dumbwaiter:{VERSION}"
    files = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    assert [file for file in files if file.startswith(".") and not (DOCKER / file).exists()] == []


def test_compose_names_commands_that_there_are(tmp_path):
    """In its head: each takes such options, and the token is signed with what the service has there."""
    text = (DOCKER / "compose.yaml").read_text()
    secret = tmp_path / "jwt"
    secret.write_text("a-secret-that-is-long-enough-for-HS256")
    settings = yaml.safe_load(text)["services"]["dumbwaiter"]["environment"] | {"DUMBWAITER_AUTH__SECRET_FILE": secret}
    environment = {"PATH": os.environ["PATH"]} | {name: str(value) for name, value in settings.items()}
    commands = [command.split() for command in re.findall(r"exec (?:-T )?dumbwaiter dumbwaiter ([^)\n]+)", text)]

    assert [command[0] for command in commands] == ["produce", "token", "tail"]
    for command in commands:
        check([SERVICE, *command, "--help"], env=environment)
    check([SERVICE, *commands[1]], env=environment)


@pytest.mark.skipif(not (TARGET / "gobin" / "cmd").exists(), reason="make packaging-check installs it")
def test_compose_is_read_by_its_own_library(tmp_path):
    shutil.copytree(DOCKER, tmp_path / "docker")
    check([TARGET / "gobin" / "cmd", "docker/compose.yaml"], cwd=tmp_path)


def test_the_manifests_are_strictly_valid():
    check([TOOLS / "kubernetes-validate", "--strict", DOCKER / "kubernetes" / "dumbwaiter.yaml"])


def test_the_manifests_fit_the_service(tmp_path):
    found = manifests()
    settings = found["ConfigMap", "dumbwaiter"]["data"]["dumbwaiter.toml"]
    config = tomllib.loads(settings)
    template = found["StatefulSet", "dumbwaiter"]["spec"]["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    probe = container["readinessProbe"]

    check_settings(tmp_path, {"DUMBWAITER_KAFKA__INSTANCE": "dumbwaiter-0"}, settings)
    grace, drain = seconds(config["shutdown"]["grace"]), seconds(config["shutdown"]["drain"])
    assert pod["terminationGracePeriodSeconds"] >= grace + drain + 10
    assert grace >= 2 * probe["periodSeconds"] * probe["failureThreshold"]
    assert ports == {name: config["web"][key].rpartition(":")[2] for name, key in (("clients", "listen"), ("operators", "admin_listen"))}
    assert container["image"] == f"dumbwaiter:{VERSION}"
    assert container["env"][0]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert {container["args"][-1], config["auth"]["secret_file"]} == files_in(found, pod, container)
    for selects in (found["PodDisruptionBudget", "dumbwaiter"], found["StatefulSet", "dumbwaiter"]):
        assert selects["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]


def files_in(found, pod, container):
    """The files that the container is given. Kubernetes brings a changed one into a running pod only where it is not a subPath, and makes no mount point in a folder that is read-only."""
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert not any("subPath" in mount for mount in container["volumeMounts"])
    assert not any(inner.startswith(f"{outer}/") for inner in mounted for outer in mounted)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    # The secret's only key is the one that the head of the manifests makes it with.
    keys = {name: list(found["ConfigMap", volume["configMap"]["name"]]["data"]) if "configMap" in volume else ["jwt"] for name, volume in volumes.items()}
    return {f"{folder}/{key}" for folder, name in mounted.items() for key in keys[name]}


def mib(text):
    number, unit = re.match(r"([\d,]+) ?(KiB|MiB|Gi)\b", text).groups()
    return int(number.replace(",", "")) * {"KiB": 1 / 1024, "MiB": 1, "Gi": 1024}[unit]


def test_a_pod_may_hold_what_the_service_comes_to_hold_at_most():
    """The limit against the table of docs/operating.md with one hostile address. Its column of defaults counts, so the ConfigMap must leave those settings alone."""
    found = manifests()
    config = tomllib.loads(found["ConfigMap", "dumbwaiter"]["data"]["dumbwaiter.toml"])
    memory = (REPOSITORY / "docs" / "operating.md").read_text().split("\n## Memory\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in memory.splitlines() if line.startswith("| ")][1:]
    bounds = [tuple(name.split(".")) for row in rows for name in re.findall(r"`([a-z]+\.[a-z_]+)`", " ".join(row))]
    assert {("journal", "max_bytes"), ("orders", "max_bytes"), ("web", "connections_per_address")} <= set(bounds)
    assert not any(key in config.get(section, {}) for section, key in [*bounds, ("kafka", "properties"), ("web", "tls_certificate_file")])

    off = {"tickets": config["tickets"]["store"] == "redis", "sessions, where they are looked up": "session" not in config, "dead letters, where they are written": "dead_letter" not in config}
    assert off.keys() <= {part for part, _, _ in rows}
    held = sum(mib(default) for part, _, default in rows if default != "-" and not off.get(part))
    each = re.search(r"\+ (\S+ KiB) for each hostile one \(`web.connections_per_address` bounds them\)", memory)[1]
    hostile = re.search(r"\| `connections_per_address` \| .+ \| `(\d+)` \|", (REPOSITORY / "docs" / "configuration.md").read_text())[1]
    needed = 1.2 * (held + int(hostile) * mib(each))

    limit = found["StatefulSet", "dumbwaiter"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert needed <= mib(limit), f"{needed:.0f} MiB"
