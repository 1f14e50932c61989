"""Ends once the Kubernetes API serves VectorStores: a kind takes a moment from CRD to path."""

import json
import os
import ssl
import sys
import time
import urllib.request

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PATH = "/apis/vectorplane.dev/v1alpha1"
UNTIL = time.monotonic() + 180


def served(server: str, token: str, trust: ssl.SSLContext) -> bool:
    asked = urllib.request.Request(server + PATH, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, context=trust, timeout=10) as answer:
        found = json.load(answer)
    return any(resource["name"] == "vectorstores" for resource in found["resources"])


def main() -> int:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    trust = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt")
    with open(f"{ACCOUNT}/token", encoding="utf-8") as file:
        token = file.read().strip()
    said = ""
    while time.monotonic() < UNTIL:
        try:
            if served(server, token, trust):
                return 0
            trouble = "no VectorStores yet"
        except OSError as error:
            trouble = str(error)
        if trouble != said:
            sys.stderr.write(f"waiting for {PATH}: {trouble}\n")
        said = trouble
        time.sleep(0.5)
    return 1


sys.exit(main())
