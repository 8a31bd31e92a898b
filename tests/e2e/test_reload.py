"""SIGHUP reads keys and catalog anew: good ones count at once, bad ones change nothing, and nobody is dropped but who
holds keys that are not granted any more."""

import itertools
import signal
import time

import pytest

from support import records, shapes, tokens
from support.catalogs import catalog, order_events, pizza_event
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


def alternate(start_service, producer, folder, rounds, say):
    """`rounds` reloads of bad and good files in turn, with clients connected."""
    longest = 0
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
            asked = time.monotonic()
            reload(service, "taken")
            longest = max(longest, time.monotonic() - asked)
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
    say(f"{rounds} reloads: 0 connections dropped; good keys in force after {longest * 1000:.0f} ms at most")
    pizza, order = producer.pizza(records.pizza()), producer.order(records.order())
    plain.wait_for(pizza["uuid"])
    screen.wait_for("order:new", order["_id"])
    assert service.plain_at(f"key={ticket}").is_open(), "a ticket outlives the key of its token"
    log = service.log()
    assert SECRETS[0] not in log and SECRETS[1] not in log
    assert "in auth.secret" in log and "send SIGHUP again" in log


def test_20_reloads_with_good_and_bad_files(start_service, producer, tmp_path, say):
    alternate(start_service, producer, tmp_path, 20, say)


@pytest.mark.by_hand
@pytest.mark.timeout(900)
def test_1_000_reloads(start_service, producer, tmp_path, say):
    alternate(start_service, producer, tmp_path, 1_000, say)


class Catalogs:
    """A service with a catalog of its own, which it reads anew."""

    SHOP = [pizza_event("pizza.created"), order_events("order.created", "order.condition")]

    TOPICS = ["pizza.created", r"^order\..*", r"^reload\..*"]
    # Without the store.
    NARROW = pizza_event("pizza.created").replace('"role:ADMIN", "store:{store_id}", ', '"role:ADMIN", ')

    def __init__(self, start_service, folder, **more):
        self._file = folder / "catalog.toml"
        self._file.write_text(catalog(*self.SHOP))
        self.service = start_service({"catalog": {"file": str(self._file)}, "kafka": {"topics": self.TOPICS}, **more})

    def take(self, text, outcome="taken"):
        self._file.write_text(text)
        reload(self.service, outcome)

    def tenant(self, store):
        return self.service.plain(f"tenant-{store}", role="TENANT", store_id=store)


def test_events_and_audiences_of_a_new_catalog_count_for_new_records(kafka, start_service, producer, tmp_path):
    kafka.create_topics("reload.pizza", partitions=1)
    shop = Catalogs(start_service, tmp_path)
    staff, tenant = shop.service.plain("staff", role="ADMIN"), shop.tenant(7)
    screen = shop.service.socket_io("screen", role="WATCHER")

    def bake(topic="reload.pizza"):
        pizza = records.pizza()
        producer.send(topic, shapes.PIZZA, pizza, key="7")
        return pizza["uuid"]

    early = bake()
    eventually(lambda: shop.service.metric("dumbwaiter_records_unmapped_total", topic="reload.pizza") == 1, 2, "unmapped")
    shop.take(catalog(*shop.SHOP, pizza_event("reload.pizza", name="BAKED")))
    late = bake()
    assert staff.wait_for(late).name == "BAKED"

    shop.take(catalog(shop.NARROW, *shop.SHOP[1:], pizza_event("reload.pizza", name="TAKEN_OUT")))
    hidden, renamed = bake("pizza.created"), bake()
    staff.wait_for(hidden)
    assert tenant.wait_for(renamed).name == "TAKEN_OUT"
    assert {message.id for message in tenant.messages()} & {early, late, hidden} == {late}
    assert early not in {message.id for message in staff.messages()}
    order = producer.order(records.order())
    screen.wait_for("order:new", order["_id"])
    assert staff.is_open() and tenant.is_open()


def test_what_is_read_from_kafka_for_a_client_is_mapped_by_the_catalog_of_now(kafka, start_service, producer, tmp_path):
    kafka.create_topics("reload.past", partitions=1)
    shop = Catalogs(start_service, tmp_path, journal={"max_age": "2s"})
    shop.take(catalog(shop.NARROW, *shop.SHOP[1:], pizza_event("reload.past", name="BAKED")))
    hidden, baked = records.pizza(store_id=7), records.pizza(store_id=7)
    producer.send("pizza.created", shapes.PIZZA, hidden, key="7")
    producer.send("reload.past", shapes.PIZZA, baked, key="7")

    def read_from_kafka():
        producer.pizza(records.pizza())
        ticket = shop.service.ticket("tenant-7", role="TENANT", store_id=7)
        client = shop.service.plain_at(f"key={ticket}&since=10m")
        # The first is STATUS.
        names = lambda: {message.id: message.name for message in client.messages()[1:]}
        eventually(lambda: names().get(baked["uuid"]) == "BAKED", 5, "what was baked")
        assert hidden["uuid"] not in names()
        client.close()
        return shop.service.metric("dumbwaiter_backfill_records_total", outcome="event") > 0

    eventually(read_from_kafka, 15, "a window that has moved on")


def test_a_bad_catalog_changes_nothing(start_service, producer, tmp_path):
    shop = Catalogs(start_service, tmp_path)
    good = catalog(*shop.SHOP)
    staff = shop.service.plain("staff", role="ADMIN")
    for bad, told in [
        (good + "\n[orders\n", "unclosed table"),
        (good.replace('"pizza.avsc"', '"pasta.avsc"'), "in schema of event"),
        (good.replace("[grants]", "[grant]"), "without it no connection holds a key"),
        (good.replace('"DONE", ', ""), "how orders are gathered takes a restart"),
    ]:
        assert bad != good
        shop.take(bad.replace("CREATE_PIZZA", "BAKED"), "refused")
        assert told in shop.service.log()
        pizza = producer.pizza(records.pizza())
        assert staff.wait_for(pizza["uuid"]).name == "CREATE_PIZZA"
    assert staff.is_open()


def test_who_holds_keys_that_are_not_granted_any_more_comes_back_without_them(start_service, producer, tmp_path):
    shop = Catalogs(start_service, tmp_path)
    good = catalog(*shop.SHOP)
    staff, tenant = shop.service.plain("staff", role="ADMIN"), shop.tenant(7)
    ticket = shop.service.ticket("tenant-7", role="TENANT", store_id=7)
    options = {"auth": {"token": tokens.token("tenant-7", role="TENANT", store_id=7)}}
    screen = shop.service.open_socket_io(**options).wait_until_authorized()

    shop.take(good.replace(', "store:{store_id}"]\n', "]\n"))
    assert tenant.wait_for_close() == (1012, "Grants changed")
    screen.events.wait_for_count(2, 4, "authorization:ok")
    assert shop.service.metric("dumbwaiter_connections_ended_total", ending="regranted") == 2
    back = shop.service.plain_at(f"key={ticket}")
    pizza = producer.pizza(records.pizza(store_id=7))
    staff.wait_for(pizza["uuid"])
    own = producer.pizza(records.pizza(user_uuid="tenant-7"))
    back.wait_for(own["uuid"])
    assert [message.id for message in back.messages()] == [own["uuid"]]

    # More grants end nobody; newcomers have them.
    shop.take(good)
    late = shop.tenant(7)
    pizza = producer.pizza(records.pizza(store_id=7))
    late.wait_for(pizza["uuid"])
    assert staff.is_open() and back.is_open()
