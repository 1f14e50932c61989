"""Writes `.env.example` from the settings, and checks that the committed one is current:

python -m vectorplane_service.env_example > .env.example
python -m vectorplane_service.env_example --check
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from vectorplane_service.settings import ServiceSettings

_HEAD = """\
# The service's settings, with their defaults. Generated: python -m vectorplane_service.env_example
# Copy to .env, or give the same variables to the container. Commented lines are the defaults.
"""


def render() -> str:
    parts = [_HEAD]
    for variable in ServiceSettings.variables():
        words = textwrap.wrap(
            variable.description, 97, break_long_words=False, break_on_hyphens=False
        )
        parts.append("".join(f"# {line}\n" for line in words))
        parts[-1] += f"# {variable.name}={variable.default}\n"
    return "\n".join(parts)


def main(arguments: Sequence[str]) -> int:
    if "--check" not in arguments:
        sys.stdout.write(render())
        return 0
    file = Path(".env.example")
    if file.is_file() and file.read_text() == render():
        return 0
    sys.stderr.write(
        "vectorplane: .env.example is not what the settings say; "
        "python -m vectorplane_service.env_example > .env.example\n"
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
