"""SIGHUP reads the keys anew: good ones count from the next token on, bad ones change nothing, and nobody is dropped."""

import itertools
import signal

import pytest

from support import records, tokens
from support.waiting import eventually

SECRETS = [f"a secret of generation {generation}, long enough to be one" for generation in ("one", "two")]


def reload(service, outcome):
    """Asks for it and waits until it is done."""
    before = service.metric("dumbwaiter_reloads_total", outcome=outcome)
    service.process.signal(signal.SIGHUP)
    eventually(
        lambda: service.metric("dumbwaiter_reloads_total", outcome=outcome) == before + 1, 2, f"reload {outcome}"
    )


def admits(service, secret):
    return service.request_ticket(tokens.token("somebody", secret=secret, role="USER")).status_code == 200


def alternate(start_service, producer, folder, rounds):
    """`rounds` reloads of bad and good files in turn, with clients connected."""
    secret_file = folder / "secret"
    secret_file.write_text(SECRETS[0])
    service = start_service({"auth": {"secret": None, "secret_file": str(secret_file)}})
    config = service.folder / "dumbwaiter.toml"
    good_config = config.read_text()
    token = tokens.token("screen", secret=SECRETS[0], role="ADMIN")
    plain = service.plain_at(f"key={service.request_ticket(token).json()['token']}")
    screen = service.open_socket_io(auth={"token": token}).wait_until_authorized()

    good = itertools.cycle([SECRETS[1], SECRETS[0]])
    current = SECRETS[0]
    bad = itertools.cycle(["a secret too short", "a key that is missing", "a file that is no TOML", "a fault elsewhere"])
    for number in range(rounds):
        if number % 2:
            ticket = service.request_ticket(tokens.token("late", secret=current, role="ADMIN")).json()["token"]
            former, current = current, next(good)
            secret_file.write_text(current)
            reload(service, "taken")
            assert admits(service, current) and not admits(service, former)
            continue
        match next(bad):
            case "a secret too short":
                secret_file.write_text("short")
            case "a key that is missing":
                secret_file.unlink()
            case "a file that is no TOML":
                config.write_text(good_config + "\n[web\n")
            case "a fault elsewhere":
                config.write_text(good_config.replace('"level" = "debug"', '"level" = "loud"'))
        reload(service, "refused")
        assert admits(service, current)
        config.write_text(good_config)

    assert (plain.is_open(), screen.life.all()[-1][0]) == (True, "connect"), "nobody is dropped"
    pizza, order = producer.pizza(records.pizza()), producer.order(records.order())
    plain.wait_for(pizza["uuid"])
    screen.wait_for("order:new", order["_id"])
    assert service.plain_at(f"key={ticket}").is_open(), "a ticket outlives the key of its token"
    log = service.log()
    assert SECRETS[0] not in log and SECRETS[1] not in log
    assert "in auth.secret" in log and "send SIGHUP again" in log


def test_100_reloads_with_good_and_bad_files(start_service, producer, tmp_path):
    alternate(start_service, producer, tmp_path, 100)


@pytest.mark.by_hand
@pytest.mark.timeout(900)
def test_1_000_reloads(start_service, producer, tmp_path):
    alternate(start_service, producer, tmp_path, 1_000)
