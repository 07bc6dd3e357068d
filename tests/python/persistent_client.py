#!/usr/bin/env python3
"""A client of the persistent-connection server, written after the description of its bytes and nothing else.

Frames: a 4-byte big-endian length, then JSON with `name` and `data`; with --pickle the messages name
classes instead, as jsonpickle writes them. Classes are data here, too: nothing is loaded by their names.
The words say what to do, one after the other, over one connection:

    python3 persistent_client.py --at 127.0.0.1:7411 open ping uuid=book normalize='dr. JOHN SMITH' close
    python3 persistent_client.py --pickle open idle=12 ping close
    python3 persistent_client.py open ask:factor=75 close

`idle=SECONDS` is silent but for a ping every --ping-every seconds; `until-closed` waits for the server's
close-res. A line is printed for each answer. Exit codes: 0 all is answered, 1 an answer is an error or not
as described, 2 there is no server or it broke off.
"""

import argparse
import json
import os
import re
import socket
import struct
import sys
import time

WORDS = ["open", "ping", "uuid=a book", "normalize=prof. dr.-ing. HANS MÜLLER", "close"]
REQUESTS, RESPONSES = "pc_protocol.mrequests", "pc_protocol.mresponses"


class Broken(Exception):
    """The server does not do what the description says."""


class Refused(Exception):
    """The server answered with an error."""


class Plain:
    """Messages with a name."""

    def request(self, name, data):
        return {"name": f"{name}-req", "data": data}

    def response(self, name, message):
        if message.get("name") == "error":
            raise Refused(f"{message['data']['code']}: {message['data']['description']}")
        if message.get("name") != f"{name}-res" or set(message) != {"name", "data"}:
            raise Broken(f"{name} was answered with {message}")
        return message["data"]


class Pickle:
    """Messages with a class, as jsonpickle writes them."""

    def stem(self, name):
        return "UUID" if name == "uuid" else name.capitalize()

    def request(self, name, data):
        stem = self.stem(name)
        if isinstance(data, dict):
            data = {"py/object": f"{REQUESTS}.{stem}Request.{stem}Data", **data}
        return {"py/object": f"{REQUESTS}.{stem}Request", "data": data}

    def response(self, name, message):
        kind, data = message.get("py/object"), message.get("data")
        if kind == "pc_protocol.error.ErrorResponse":
            if data.get("py/object") != "pc_protocol.error.ErrorResponse.ErrorData":
                raise Broken(f"an error without its class: {message}")
            raise Refused(f"{data['code']}: {data['description']}")
        stem = self.stem(name)
        if kind != f"{RESPONSES}.{stem}Response" or list(message) != ["py/object", "data"]:
            raise Broken(f"{name} was answered with {message}")
        if isinstance(data, dict):
            if data.pop("py/object", None) != f"{RESPONSES}.{stem}Response.{stem}Data":
                raise Broken(f"data without its class: {message}")
        return data


class Connection:
    def __init__(self, sock, form):
        self.sock, self.form = sock, form

    def send(self, message):
        body = json.dumps(message).encode()
        self.sock.sendall(struct.pack(">I", len(body)) + body)

    def exactly(self, count):
        chunks = b""
        while len(chunks) < count:
            chunk = self.sock.recv(count - len(chunks))
            if not chunk:
                raise Broken(f"the connection ended where {count - len(chunks)} bytes were due")
            chunks += chunk
        return chunks

    def receive(self):
        (length,) = struct.unpack(">I", self.exactly(4))
        return json.loads(self.exactly(length))

    def ask(self, name, data=None):
        self.send(self.form.request(name, data))
        return self.form.response(name, self.receive())

    def must_be_closed(self):
        if more := self.sock.recv(1):
            raise Broken(f"after the last answer comes {more!r}, not the close")


def do(connection, word, ping_every):
    what, _, argument = word.partition("=")
    if what == "open":
        data = connection.ask("open")
        if data.get("status") != "OK" or not isinstance(data.get("process_id"), int):
            raise Broken(f"open was answered with {data}")
        return f"open: OK, process {data['process_id']}"
    if what in ("ping", "close", "shutdown"):
        if (data := connection.ask(what)) is not None:
            raise Broken(f"{what} was answered with {data}")
        if what == "close":
            connection.must_be_closed()
        return what
    if what == "uuid":
        data = connection.ask("uuid", {"title": argument})
        if data["title"] != argument or not re.fullmatch("[0-9a-f]{32}", data["uuid"]):
            raise Broken(f"uuid was answered with {data}")
        return f"uuid: {data['uuid']}"
    if what == "normalize":
        data = connection.ask("normalize", {"name": argument})
        if data["name"] != argument:
            raise Broken(f"normalize was answered with {data}")
        return "normalize: " + json.dumps(data, ensure_ascii=False)
    if what == "idle":
        end, pings = time.monotonic() + float(argument), 0
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, ping_every))
            connection.ask("ping")
            pings += 1
        return f"idle: {pings} pings"
    if what == "until-closed":
        connection.form.response("close", connection.receive())
        connection.must_be_closed()
        return "closed by the server"
    if what == "quit":
        os._exit(0)  # without a word, as a program that crashes
    if what.startswith("ask:"):
        data = connection.ask(what[4:], json.loads(argument) if argument else None)
        return f"{what[4:]}: " + json.dumps(data, ensure_ascii=False)
    raise Broken(f"{word} is no word; there are open, ping, uuid=, normalize=, ask:SERVICE=, idle=, close, shutdown")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at", default="127.0.0.1:7411", help="the server's address")
    parser.add_argument("--pickle", action="store_true", help="name classes, as jsonpickle does")
    parser.add_argument("--ping-every", type=float, default=5, help="seconds between pings when idle")
    parser.add_argument("--go-on", action="store_true", help="print errors of the server, and go on")
    parser.add_argument("words", nargs="*", default=WORDS, metavar="WORD", help="what to do")
    args = parser.parse_args()
    host, _, port = args.at.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=60) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, Pickle() if args.pickle else Plain())
            for word in args.words:
                try:
                    print(do(connection, word, args.ping_every), flush=True)
                except Refused as refusal:
                    print(f"refused: {refusal}", flush=True)
                    if not args.go_on:
                        return 1
    except (OSError, Broken, ValueError, KeyError) as error:
        broken = isinstance(error, (Broken, ValueError, KeyError))
        print(f"error: {args.at}: {error}", file=sys.stderr)
        return 1 if broken and "connection ended" not in str(error) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
