#!/usr/bin/env python3
"""A client of the random points server, written after the description of its bytes and nothing else.

Whoever connects is sent 81 bytes and the close. The 16 at offset 34 are four unsigned 32-bit integers,
each mapped linearly onto [-1, 1].

    python3 points_client.py --at 127.0.0.1:5000
    python3 points_client.py --at 127.0.0.1:5000 --at-once 200

Exit codes: 0 all were served, 1 somebody was not, or not as described, 2 there is no server.
"""

import argparse
import selectors
import socket
import struct
import sys
import time

BEFORE = b"You requested some random bytes:\n\n"
BEHIND = b"  \n\nYou want fries with that?\n\n"


def points(answer):
    """The two points of an answer, each as two numbers."""
    if len(answer) != 81:
        raise ValueError(f"{len(answer)} bytes instead of 81")
    if not (answer.startswith(BEFORE) and answer.endswith(BEHIND)):
        raise ValueError(f"other words: {answer!r}")
    numbers = [n / 0xFFFFFFFF * 2 - 1 for n in struct.unpack("<4I", answer[34:50])]
    return numbers[:2], numbers[2:]


def one(address, timeout):
    with socket.create_connection(address, timeout=timeout) as sock:
        answer = b""
        while chunk := sock.recv(4096):
            answer += chunk
    first, second = points(answer)
    print("First point:  A ( %.12f, %.12f )" % tuple(first))
    print("Second point: B ( %.12f, %.12f )" % tuple(second))


def many(address, count, timeout):
    """Connects so often before it reads anything, and returns how many were served and what failed."""
    selector = selectors.DefaultSelector()
    socks, failures, seen = [], [], set()
    for _ in range(count):
        try:
            socks.append(socket.create_connection(address, timeout=timeout))
        except OSError as error:
            failures.append(str(error))
    for sock in socks:
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, bytearray())
    waiting, deadline = len(socks), time.monotonic() + timeout
    while waiting and time.monotonic() < deadline:
        for key, _ in selector.select(timeout=0.5):
            try:
                chunk = key.fileobj.recv(4096)
            except OSError as error:
                chunk, key.data[:] = b"", b""
                failures.append(str(error))
                selector.unregister(key.fileobj)
                waiting -= 1
                continue
            key.data.extend(chunk)
            if chunk:
                continue
            selector.unregister(key.fileobj)
            waiting -= 1
            try:
                points(bytes(key.data))
                seen.add(bytes(key.data[34:50]))
            except ValueError as error:
                failures.append(str(error))
    failures += ["no answer in time"] * waiting
    for sock in socks:
        sock.close()
    return seen, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at", default="127.0.0.1:5000", help="the server's address")
    parser.add_argument("--at-once", type=int, metavar="N", help="so many connections at once")
    parser.add_argument("--timeout", type=float, default=60, help="seconds")
    args = parser.parse_args()
    host, _, port = args.at.rpartition(":")
    address = (host.strip("[]"), int(port))
    try:
        if args.at_once is None:
            one(address, args.timeout)
            return 0
    except ValueError as error:
        print(f"error: {args.at}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {args.at}: {error}", file=sys.stderr)
        return 2
    seen, failures = many(address, args.at_once, args.timeout)
    print(f"served {args.at_once - len(failures)}, failed {len(failures)}, different {len(seen)}")
    for failure in sorted(set(failures)):
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures or len(seen) != args.at_once else 0


if __name__ == "__main__":
    sys.exit(main())
