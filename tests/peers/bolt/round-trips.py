#!/usr/bin/env python3
"""What a write would gain if its statements were sent in one go: a batch of 64 moved entities over a bare socket.

    cargo run --workspace --example serve -- --bolt-port 27687 --http-port 27474     # a Neo4j of its own
    tests/peers/bolt/round-trips.py 27687

Writes the messages of Bolt 4.4 by itself, without Nagle's algorithm. Each line is a turn; figures are medians in milliseconds.
"""
import os
import random
import socket
import statistics
import struct
import sys
import time

BATCH, NODES, TURNS, TRIES = 64, 60_000, 5, 400

SCHEMA = [
    "CREATE CONSTRAINT entity_id IF NOT EXISTS FOR (e:Entity) REQUIRE e.id IS UNIQUE",
    "CREATE CONSTRAINT shard_number IF NOT EXISTS FOR (s:Shard) REQUIRE s.number IS UNIQUE",
    "CREATE CONSTRAINT gate_number IF NOT EXISTS FOR (g:Gate) REQUIRE g.number IS UNIQUE",
    "CREATE CONSTRAINT commit_cursor IF NOT EXISTS FOR (c:Commit) REQUIRE c.cursor IS UNIQUE",
    "CREATE INDEX entity_children IF NOT EXISTS FOR (e:Entity) ON (e.parent, e.ordinal, e.rank)",
    "CREATE INDEX entity_cell IF NOT EXISTS FOR (e:Entity) ON (e.zone, e.cell, e.rank)",
    "MERGE (s:Shard {number: 0}) SET s.cursor = 0 MERGE (g:Gate {number: 0}) SET g.begun = 0",
]
FILL = (
    "UNWIND range($first, $last) AS i CREATE (:Entity {id: i, rank: i, parent: i / 60, ordinal: 0, zone: i / 60, "
    "cell: '0', x: 1.0, y: 2.0, z: 3.0, revision: 1})"
)
LOCK = "MATCH (s:Shard {number: 0}) SET s.lock = true WITH s MATCH (g:Gate {number: 0}) RETURN s.cursor, g.begun"
UPDATE = "UNWIND $rows AS row MATCH (e:Entity {id: row.id}) SET e += row.properties"
END = (
    "CALL { UNWIND $commits AS row CREATE (c:Commit) SET c = row } "
    "CALL { UNWIND $gates AS row MATCH (g:Gate {number: 0}) SET g += row } "
    "CALL { UNWIND $shards AS row MATCH (s:Shard {number: 0}) SET s += row } RETURN 1 AS done"
)


def pack(value, out):
    """Appends a value in PackStream."""
    if value is None:
        out.append(b"\xc0")
    elif isinstance(value, int):
        out.append(struct.pack(">b", value) if -16 <= value < 128 else b"\xcb" + struct.pack(">q", value))
    elif isinstance(value, float):
        out.append(b"\xc1" + struct.pack(">d", value))
    elif isinstance(value, str):
        text = value.encode()
        out.append(bytes([0x80 + len(text)]) if len(text) < 16 else b"\xd1" + struct.pack(">H", len(text)))
        out.append(text)
    elif isinstance(value, bytes):
        out.append(b"\xcd" + struct.pack(">H", len(value)) + value)
    elif isinstance(value, list):
        out.append(b"\xd5" + struct.pack(">H", len(value)))
        for item in value:
            pack(item, out)
    else:
        out.append(bytes([0xA0 + len(value)]))
        for name, item in value.items():
            pack(name, out)
            pack(item, out)


def message(tag, *fields):
    """A message in chunks."""
    out = [bytes([0xB0 + len(fields), tag])]
    for field in fields:
        pack(field, out)
    body, chunks = b"".join(out), b""
    while body:
        chunk, body = body[:65_535], body[65_535:]
        chunks += struct.pack(">H", len(chunk)) + chunk
    return chunks + b"\0\0"


def run(text, parameters):
    return message(0x10, text, parameters, {})


BEGIN, COMMIT = message(0x11, {}), message(0x12)
PULL, DISCARD = message(0x3F, {"n": -1}), message(0x2F, {"n": -1})


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.socket.sendall(b"\x60\x60\xb0\x17\0\0\4\4" + bytes(12))
        self.take(4)
        self.ask(message(0x01, {"user_agent": "round-trips/1", "scheme": "none"}))

    def take(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(1 << 16)
            if not data:
                sys.exit("the server closed the connection")
            self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def answer(self):
        body = b""
        while True:
            (size,) = struct.unpack(">H", self.take(2))
            if size:
                body += self.take(size)
            elif body:
                return body

    def ask(self, *messages):
        """Sends messages in one go and waits for all their answers."""
        self.socket.sendall(b"".join(messages))
        for _ in messages:
            while (answer := self.answer())[1] == 0x71:
                pass
            if answer[1] == 0x7F:
                sys.exit(f"refused: {answer!r}")


cursor = 0


def moved():
    rows = []
    for _ in range(BATCH):
        x = random.random() * 1e6
        cell = f"0-{random.randrange(7):02}-{random.getrandbits(63):016x}"
        properties = {"x": x, "y": x / 2, "z": 1.0, "revision": cursor, "cell": cell, "record": os.urandom(100)}
        rows.append({"id": random.randrange(NODES), "properties": properties})
    return rows


def end():
    global cursor
    first, cursor = cursor + 1, cursor + BATCH
    commit = {"first": first, "cursor": cursor, "records": os.urandom(70 * BATCH)}
    gate = {"begun": cursor + 1, "complete": first - 1}
    return {"commits": [commit], "gates": [gate], "shards": [{"cursor": cursor}]}


def each_awaited(connection):
    rows, last = moved(), run(END, end())
    parts = [run(UPDATE, {"rows": rows[at : at + 32]}) for at in range(0, BATCH, 32)]

    def write():
        connection.ask(BEGIN)
        connection.ask(run(LOCK, {}))
        connection.ask(PULL)
        for part in parts:
            connection.ask(part, DISCARD)
        connection.ask(last, DISCARD)
        connection.ask(COMMIT)

    return write


def in_two_goes(connection):
    rest = [run(UPDATE, {"rows": moved()}), DISCARD, run(END, end()), DISCARD, COMMIT]

    def write():
        connection.ask(BEGIN, run(LOCK, {}), PULL)
        connection.ask(*rest)

    return write


def update_alone(connection):
    update = run(UPDATE, {"rows": moved()})
    return lambda: connection.ask(BEGIN, update, DISCARD, COMMIT)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    connection = Connection(int(sys.argv[1]))
    for text in SCHEMA:
        connection.ask(run(text, {}), PULL)
    connection.ask(run("MATCH (n:Entity|Commit) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS", {}), PULL)
    for first in range(0, NODES, 2_000):
        connection.ask(run(FILL, {"first": first, "last": first + 1_999}), PULL)
    for _ in range(TURNS):
        figures = []
        for ways in (each_awaited, in_two_goes, update_alone):
            took = []
            for _ in range(TRIES):
                write = ways(connection)
                began = time.perf_counter()
                write()
                took.append((time.perf_counter() - began) * 1e3)
            figures.append(f"{ways.__name__.replace('_', ' ')} {statistics.median(took):.1f}")
        print(", ".join(figures), flush=True)


main()
