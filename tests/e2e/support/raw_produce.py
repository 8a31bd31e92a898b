"""Writes one record to Kafka by hand, for what no client library would write: a header name that is not UTF-8.

    request   size:4 api_key:2 api_version:2 correlation:4 client_id | transactional_id acks:2 timeout:4 topics
    batch     base_offset:8 length:4 leader_epoch:4 magic:1 crc32c:4 | attributes:2 ... records
    record    length attributes:1 timestamp_delta offset_delta key value headers     (lengths and deltas: zigzag varints)

(Kafka protocol, Produce version 7 and record batch version 2.)
"""

import socket
import struct
import time

PRODUCE, VERSION = 0, 7


def produce(brokers, topic, partition, value, headers):
    """Acknowledged by the broker when this returns; `headers` are pairs of bytes."""
    body = (
        struct.pack(">hhii", -1, -1, 30_000, 1)
        + _text(topic)
        + struct.pack(">ii", 1, partition)
        + _sized(_batch(_record(value, headers)))
    )
    request = struct.pack(">hhi", PRODUCE, VERSION, 1) + _text("e2e") + body
    host, port = brokers.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(_sized(request))
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        rest = answer.read(size)
    # correlation, number of topics, the name, number of partitions, partition; then the error code.
    place = 4 + 4 + len(_text(topic)) + 4 + 4
    (error,) = struct.unpack(">h", rest[place : place + 2])
    assert error == 0, f"the broker refuses the record: error {error}"


def _batch(record):
    now = int(time.time() * 1000)
    checked = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    return struct.pack(">qiibI", 0, 4 + 1 + 4 + len(checked), -1, 2, _crc32c(checked)) + checked


def _record(value, headers):
    body = b"\0" + _varint(0) + _varint(0) + _varint(-1) + _varint(len(value)) + value + _varint(len(headers))
    for name, content in headers:
        body += _varint(len(name)) + name + _varint(len(content)) + content
    return _varint(len(body)) + body


def _varint(number):
    number = (number << 1) ^ (number >> 63)
    output = b""
    while number > 0x7F:
        output += bytes([number & 0x7F | 0x80])
        number >>= 7
    return output + bytes([number])


def _text(text):
    return struct.pack(">h", len(text)) + text.encode()


def _sized(content):
    return struct.pack(">i", len(content)) + content


def _crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
