#!/usr/bin/env python3
"""A client of the blob system, written after the description of its bytes and nothing else.

A request is a 4-byte little-endian length and that many bytes of JSON, an object with one key; the
answer has the same framing, and the server closes. Without --send, one request of each kind is sent, each
over a connection of its own, and what was sent and received is logged with its date.

    python3 blob_client.py --at 127.0.0.1:9500
    python3 blob_client.py --at 127.0.0.1:9500 --send '{"factor": 75}' --check

Exit codes: 0 all is answered, 1 an answer is an error or wrong, 2 there is no server or it broke off.
"""

import argparse
import json
import logging
import socket
import struct
import sys

KINDS = ['{"factor": 75}', '{"palindrome": "was it a cat i saw"}', '{"fibonacci": 12}']


class Broken(Exception):
    """The server does not do what the description says."""


def read_exactly(sock, count):
    chunks = b""
    while len(chunks) < count:
        chunk = sock.recv(count - len(chunks))
        if not chunk:
            raise Broken(f"the connection ended {count - len(chunks)} bytes too early")
        chunks += chunk
    return chunks


def ask(address, request, bare, timeout):
    """Sends one request over one connection, and returns the answer's JSON text."""
    with socket.create_connection(address, timeout=timeout) as sock:
        body = request.encode()
        sock.sendall(body + b"\n" if bare else struct.pack("<I", len(body)) + body)
        logging.info("Sent %d bytes: %s", len(body), request)
        if bare:
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
            if not answer.endswith(b"\n"):
                raise Broken("a bare answer ends with a newline")
            answer = answer[:-1]
        else:
            (length,) = struct.unpack("<I", read_exactly(sock, 4))
            answer = read_exactly(sock, length)
            if more := sock.recv(1):
                raise Broken(f"after the answer comes {more!r}, not the close")
    text = answer.decode()
    logging.info("Received %d bytes: %s", len(answer), text)
    return text


def fibonacci(n):
    """Fast doubling, so that the check is another way than the server's."""
    if n == 0:
        return (0, 1)
    a, b = fibonacci(n // 2)
    c, d = a * (2 * b - a), a * a + b * b
    return (d, c + d) if n % 2 else (c, d)


def is_prime(n):
    """Miller and Rabin's test, certain below 3.3e24 with these bases."""
    if n < 2:
        return False
    bases = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
    if n in bases:
        return True
    if any(n % base == 0 for base in bases):
        return False
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in bases:
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def is_right(request, answer):
    """Whether an answer is true, and spaced as the old server spaced it."""
    (key, asked), found = list(json.loads(request).items())[0], json.loads(answer)
    if json.dumps(found) != answer:
        return False
    if key == "factor":
        product = 1
        for prime in found:
            product *= prime
        return product == asked and found == sorted(found) and all(map(is_prime, found))
    if key == "palindrome":
        text = "".join(asked.split())
        return found is (text == text[::-1])
    return found == fibonacci(asked)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at", default="127.0.0.1:9500", help="the server's address")
    parser.add_argument("--send", action="append", metavar="JSON", help="this request instead of one of each kind")
    parser.add_argument("--bare", action="store_true", help="JSON without a length before it")
    parser.add_argument("--check", action="store_true", help="compute the answers here too, and compare")
    parser.add_argument("--timeout", type=float, default=60, help="seconds")
    args = parser.parse_args()
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(message)s")
    host, _, port = args.at.rpartition(":")
    failed = False
    for request in args.send or KINDS:
        try:
            answer = ask((host.strip("[]"), int(port)), request, args.bare, args.timeout)
            if answer.startswith('{"error"'):
                failed = True
            elif args.check and not is_right(request, answer):
                print(f"wrong: {request} is not {answer[:80]}", file=sys.stderr)
                failed = True
        except (OSError, Broken, ValueError) as error:
            print(f"error: {args.at}: {error}", file=sys.stderr)
            return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
