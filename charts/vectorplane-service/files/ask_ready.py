"""Asks an address for a minute until it answers 200, and prints what it said."""

import sys
import time
import urllib.error
import urllib.request

UNTIL = time.monotonic() + 60


def main(url: str) -> int:
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                sys.stdout.write(f"{answer.status} {answer.read().decode()}\n")
                return 0
        except urllib.error.HTTPError as error:
            said = f"{error.code} {error.read().decode(errors='replace')}"
        except OSError as error:
            said = str(error)
        if time.monotonic() > UNTIL:
            sys.stderr.write(f"{url}: {said}\n")
            return 1
        time.sleep(1)


sys.exit(main(sys.argv[1]))
