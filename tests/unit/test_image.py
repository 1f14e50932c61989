"""The Dockerfile, and what its images are made of, as far as text tells. That they run as nobody on
a read-only root is seen end to end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.node import by_name

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text("utf-8")
COMMANDS = re.sub(r"\\\n", " ", "\n".join(x for x in TEXT.splitlines() if not x.startswith("#")))
PINNED = r"sha256:[0-9a-f]{64}"
TARGETS = ("operator", "service")


def stage(name: str) -> str:
    """The instructions of one stage."""
    found = re.search(rf"^FROM (\S+) AS {name}$(.*?)(?=^FROM |\Z)", COMMANDS, re.M | re.S)
    assert found, name
    return found[2]


def test_the_only_base_is_pinned_by_digest_as_an_argument() -> None:
    assert re.search(rf"^ARG PYTHON=python:3\.\d+\S*@{PINNED}$", COMMANDS, re.M)
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", COMMANDS, re.M)
    names = [name for _, name in stages]
    assert {base for base, _ in stages} - set(names) == {"${PYTHON}"}


def test_compose_builds_on_the_same_base() -> None:
    base = re.search(r"^ARG PYTHON=(\S+)$", COMMANDS, re.M)
    assert base
    assert f"${{PYTHON_IMAGE:-{base[1]}}}" in (ROOT / "compose.yaml").read_text("utf-8")


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_nobody_and_looks_after_itself(target: str) -> None:
    said = stage(target)
    assert re.search(rf"^FROM runtime AS {target}$", COMMANDS, re.M)
    assert "USER 65532:65532" in stage("runtime")
    assert "HEALTHCHECK " in said
    assert "ENTRYPOINT [" in said
    assert f"org.opencontainers.image.title=vectorplane-{target}" in said
    assert "RUN" not in said
    assert "USER" not in said


@pytest.mark.parametrize("target", TARGETS)
def test_the_wheel_is_built_once_and_packages_come_by_hash(target: str) -> None:
    assert COMMANDS.count("hatchling build") == 1
    environment = stage(f"{target}-environment")
    assert "COPY --from=wheel" in environment
    installs = re.findall(r"settle .*", environment)
    assert all("--require-hashes" in x or "--no-index --no-deps" in x for x in installs)
    assert len(installs) == 2


@pytest.mark.parametrize("name", ["operator", "service", "build"])
def test_the_constraints_of_an_image_agree_with_those_of_tests(name: str) -> None:
    tested, pinned = pins("dev"), pins(name)
    assert {k: v for k, v in pinned.items() if tested.get(k, v) != v} == {}
    text = (ROOT / "constraints" / f"{name}.txt").read_text("utf-8")
    assert text.count("--hash=sha256:") >= len(pinned)
    assert "index-url" not in text


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "constraints" / f"{name}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)(==\S+)", text, re.M))


def test_a_base_by_name_is_asked_of_who_has_no_digests() -> None:
    plain = by_name(TEXT)
    assert "@sha256:" not in re.sub(r"^#.*$", "", plain, flags=re.M)
    assert re.search(r"^FROM python:3\.\d+\S* AS python$", plain, re.M)
    assert "${PYTHON}" not in plain


def test_nothing_but_sources_reaches_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", COMMANDS, re.M))
    sources = {word for words in copied for word in words.split()}
    let_in = tuple(rule[1:] for rule in rules if rule.startswith("!"))
    assert sources
    for source in sources:
        assert any(rule.startswith(source) or source.startswith(rule) for rule in let_in), source
