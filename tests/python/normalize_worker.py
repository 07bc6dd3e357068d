#!/usr/bin/env python3
"""A worker from outside that serves `normalize` instead of the hub, over the hub's native JSON lines.

It connects as any client does, says that it serves, and answers what it is asked. Its own idea of a
canonical name is small: NFKC, no titles in front, each word with a capital.

    python3 normalize_worker.py --at 127.0.0.1:7411

With --hold it takes requests and never answers, for trying what becomes of them when it dies. Exit codes:
0 the hub has closed the connection, 1 the hub refused it, 2 there is no hub.
"""

import argparse
import json
import socket
import sys
import unicodedata

TITLES = {"mr", "mrs", "ms", "dr", "prof", "herr", "frau"}


def normalized(name):
    words = unicodedata.normalize("NFKC", name).split()
    while len(words) > 1 and words[0].rstrip(".").lower() in TITLES:
        words.pop(0)
    return " ".join(word.capitalize() for word in words)


def answer(data, worker):
    """The result of a request, or what is wrong with it."""
    name = data if isinstance(data, str) else data.get("name") if isinstance(data, dict) else None
    if not isinstance(name, str) or not name.strip():
        return {"error": 'normalize takes a name: a text, or {"name":T}'}
    if isinstance(data, str):
        return {"data": normalized(name)}
    return {"data": {"name": name, "normalized": normalized(name), "kind": "person", "worker": worker}}


def serve(sock, args):
    def say(command):
        sock.sendall(json.dumps(command).encode() + b"\n")

    say({"op": "serve", "service": "normalize", "about": "names, by a worker from outside", "id": "serve"})
    for line in sock.makefile("r", encoding="utf-8"):
        message = json.loads(line)
        if message.get("event") == "request" and message.get("service") == "normalize":
            print(f"asked: {json.dumps(message['data'], ensure_ascii=False)}", flush=True)
            if not args.hold:
                result = answer(message["data"], args.name)
                say({"op": "respond", "request_id": message["request_id"], **result})
        elif "error" in message:
            print(f"error: {message['error']}", file=sys.stderr, flush=True)
            if message.get("re") == "serve":
                return 1
        elif message.get("re") == "serve":
            print("serving", flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at", default="127.0.0.1:7411", help="the hub's address")
    parser.add_argument("--name", default="worker", help="what it calls itself in its answers")
    parser.add_argument("--hold", action="store_true", help="take requests, and never answer")
    parser.add_argument("--when-told", action="store_true", help="say ready, and connect at the next line of input")
    args = parser.parse_args()
    if args.when_told:
        print("ready", flush=True)
        sys.stdin.readline()
    host, _, port = args.at.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=60) as sock:
            sock.settimeout(None)
            return serve(sock, args)
    except OSError as error:
        print(f"error: {args.at}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
