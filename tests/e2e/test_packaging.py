"""What runs the service elsewhere: is it well-formed, and does it fit the service? There is no container engine here, so images are linted, not built.

`make packaging-check` has compose.yaml read by the library of Docker Compose and the workflow of a release by actionlint as well.
"""

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
    # Nothing is given out before the tests are done.
    assert all("test" in needed_by(jobs, name) for name in jobs if name != "test")


def needed_by(jobs, name):
    """The jobs that must be done before it."""
    needs = jobs[name].get("needs", [])
    first = {needs} if isinstance(needs, str) else set(needs)
    return first.union(*[needed_by(jobs, other) for other in first])


def test_compose_has_settings_that_are_good(tmp_path):
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]

    check_settings(tmp_path, services["dumbwaiter"]["environment"])
    assert services["dumbwaiter"]["image"] == f"dumbwaiter:{VERSION}"
    files = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    assert [file for file in files if file.startswith(".") and not (DOCKER / file).exists()] == []


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
    for selects in (found["PodDisruptionBudget", "dumbwaiter"], found["StatefulSet", "dumbwaiter"]):
        assert selects["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
