"""Clients of a collection, to be run in a pod: `URL` is the collection's, `KEY` its key. Prints a
line of JSON each second: how many answers came as they should, and what else came. It stands alone:
only its text reaches the pod."""

import http.client
import json
import os
import sys
import threading
import time
import urllib.parse

PLACE = urllib.parse.urlsplit(os.environ["URL"])
HEADERS = {"x-api-key": os.environ["KEY"], "content-type": "application/json"}
SIZE = 64
PAUSE = 0.02
TIMEOUT = 20.0


class Tally:
    def __init__(self) -> None:
        self.done = 0
        self.failed: list[str] = []
        self.lock = threading.Lock()

    def add(self, wrong: str | None) -> None:
        with self.lock:
            if wrong is None:
                self.done += 1
            else:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {wrong}")


def connect() -> http.client.HTTPConnection:
    return http.client.HTTPConnection(PLACE.hostname or "", PLACE.port, timeout=TIMEOUT)


def ask(connection: http.client.HTTPConnection, number: int) -> tuple[str | None, bool]:
    """What was wrong with an answer, and whether the connection is to be kept."""
    vector = [float((number * 7 + place) % 11) + 1 for place in range(SIZE)]
    if number % 10 == 0:
        point = {"id": 1_000_000 + number % 50, "vector": vector, "payload": {"label": 3}}
        method, path, body = "PUT", "/points", {"points": [point]}
    else:
        method, path, body = "POST", "/search", {"vector": vector, "limit": 5}
    connection.request(method, PLACE.path + path, json.dumps(body), HEADERS)
    answer = connection.getresponse()
    said = answer.read()
    keep = not answer.will_close
    if answer.status != 200:
        return f"{method} {path}: {answer.status} {said[:200]!r}", keep
    if method == "POST" and len(json.loads(said)["results"]) != 5:
        return f"{method} {path}: not 5 results", keep
    return None, keep


def client(tally: Tally, keeps: bool, number: int) -> None:
    """Searches, and writes now and then; with a connection for each request, or a kept one."""
    connection = None
    while True:
        number += 1
        connection = connection or connect()
        try:
            wrong, keep = ask(connection, number)
        except Exception as error:
            wrong, keep = f"{'kept' if keeps else 'new'} connection: {error!r}", False
        tally.add(wrong)
        if not (keeps and keep):
            connection.close()
            connection = None
        time.sleep(PAUSE)


def main() -> None:
    tally = Tally()
    for number, keeps in enumerate((False, False, True, True)):
        run = (tally, keeps, number * 1000)
        threading.Thread(target=client, args=run, daemon=True).start()
    while True:
        with tally.lock:
            said = {"done": tally.done, "failed": tally.failed[:20]}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        time.sleep(1)


main()
