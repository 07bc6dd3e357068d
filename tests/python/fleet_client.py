#!/usr/bin/env python3
"""A client of the test fleet, written after the description of its lines and nothing else.

It asks for its id, says that it is ready, waits for the go, and then writes files, chunk by chunk, for
its run time. Meanwhile it sends heartbeats, and the CPU and memory that the writing takes. What it wrote
is gone when it ends.

    python3 fleet_client.py --at 127.0.0.1:1234 --runtime 15 --chunk-size 10 --file-size 50

Exit codes: 0 done, 1 the run broke off, 2 there is no server, 64 the parameters cannot be.
"""

import argparse
import os
import resource
import socket
import sys
import tempfile
import threading
import time

MB = 1_000_000


class BrokenOff(Exception):
    """The coordinator is gone, or says what nobody understands."""


class Lines:
    """Lines over a socket."""

    def __init__(self, sock):
        self.sock, self.unread, self.lock = sock, b"", threading.Lock()

    def say(self, line):
        with self.lock:
            self.sock.sendall(line.encode() + b"\n")
        print(f"> {line}", flush=True)

    def hear(self):
        while b"\n" not in self.unread:
            chunk = self.sock.recv(4096)
            if not chunk:
                raise BrokenOff("the coordinator closed the connection")
            self.unread += chunk
        line, _, self.unread = self.unread.partition(b"\n")
        print(f"< {line.decode()}", flush=True)
        return line.decode()


def usage_of_self():
    """Seconds of CPU so far, and percent of the machine's memory now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    page = os.sysconf("SC_PAGE_SIZE")
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * page
    return used.ru_utime + used.ru_stime, 100 * resident / (os.sysconf("SC_PHYS_PAGES") * page)


class Report(threading.Thread):
    """Heartbeats and stats on time, whatever the writer does."""

    def __init__(self, lines, beat_every, stats_every):
        super().__init__(daemon=True)
        self.lines, self.beat_every, self.stats_every = lines, beat_every, stats_every
        self.over, self.failure = threading.Event(), None

    def run(self):
        start = time.monotonic()
        next_beat, next_stats = start + self.beat_every, start + self.stats_every
        last_cpu, last_at = usage_of_self()[0], start
        try:
            while not self.over.wait(max(0, min(next_beat, next_stats) - time.monotonic())):
                now = time.monotonic()
                if now >= next_beat:
                    self.lines.say("hb")
                    next_beat += self.beat_every
                if now >= next_stats:
                    cpu, memory = usage_of_self()
                    percent = 100 * (cpu - last_cpu) / max(now - last_at, 1e-6)
                    self.lines.say(f"send_stats:{percent:.1f}:{memory:.2f}")
                    last_cpu, last_at = cpu, now
                    next_stats += self.stats_every
        except OSError as error:
            self.failure = error


def write_files(folder, lines, report, args):
    """Writes until the time is over; returns how many files are full."""
    chunk = os.urandom(MB) * args.chunk_size
    end, rolled = time.monotonic() + args.runtime, 0
    while time.monotonic() < end:
        path = os.path.join(folder, f"file-{rolled}")
        with open(path, "wb") as file:
            written = 0
            while written + args.chunk_size <= args.file_size and time.monotonic() < end:
                if report.failure:
                    raise BrokenOff(f"the coordinator is gone: {report.failure}")
                file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
                written += args.chunk_size
                time.sleep(args.pause)
        os.unlink(path)
        if written + args.chunk_size > args.file_size:
            rolled += 1
            lines.say("file_roll")
    return rolled


def run(lines, args):
    lines.say("get_cid")
    answer = lines.hear()  # the sixth client waits here
    if not answer.startswith("set_cid:") or int(answer[8:]) < 100:
        raise BrokenOff(f"get_cid was answered with {answer!r}")
    lines.say("ready")
    if (answer := lines.hear()) != "run_tests":
        raise BrokenOff(f"ready was answered with {answer!r}")
    lines.say(f"file_stats:{args.chunk_size}:{args.file_size}")
    lines.say("start")
    report = Report(lines, args.beat_every, args.stats_every)
    report.start()
    with tempfile.TemporaryDirectory(prefix="fleet-", dir=args.dir) as folder:
        rolled = write_files(folder, lines, report, args)
    report.over.set()
    report.join()
    lines.say("done")
    if rest := lines.sock.recv(1):
        raise BrokenOff(f"after done comes {rest!r}, not the close")
    print(f"done: {rolled} files", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at", default="127.0.0.1:1234", help="the coordinator's address")
    parser.add_argument("--runtime", type=float, default=15, help="seconds")
    parser.add_argument("--chunk-size", type=int, default=10, help="MB")
    parser.add_argument("--file-size", type=int, default=50, help="MB")
    parser.add_argument("--dir", help="where to write; a folder of its own is made there")
    parser.add_argument("--beat-every", type=float, default=5, help="seconds between heartbeats")
    parser.add_argument("--stats-every", type=float, default=10, help="seconds between stats")
    parser.add_argument("--pause", type=float, default=0, help="seconds between chunks")
    args = parser.parse_args()
    if args.chunk_size < 1 or args.chunk_size > args.file_size or args.runtime <= 0:
        print("error: a chunk has 1 MB at least and fits into a file; the run time is above 0", file=sys.stderr)
        return 64
    host, _, port = args.at.rpartition(":")
    try:
        sock = socket.create_connection((host.strip("[]"), int(port)), timeout=60)
    except OSError as error:
        print(f"error: {args.at}: {error}", file=sys.stderr)
        return 2
    sock.settimeout(None)
    try:
        with sock:
            run(Lines(sock), args)
    except (OSError, BrokenOff, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
