"""What a person does in the console: on a real page, with a real key, over real collections."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from support.console import KEYS, LARGE, MARKUP, PRODUCTS, Console
from support.local import Dev, manifest

SECRETS = [key.split(":")[1] for key in KEYS.split(",")]
MOST_BYTES = 150_000
"""A picture of the documentation is small."""
FOCUSED = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  return [element.id, element.textContent.trim(), style.outlineStyle, style.outlineWidth];
}"""

pytestmark = pytest.mark.timeout(300)


def focus(page: Page, wanted: str) -> None:
    """Go on with the Tab key until an element has the focus, by its id or its text. Whatever has it
    on the way can be seen to have it."""
    passed = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, text, style, width = page.evaluate(FOCUSED)
        if page.evaluate("() => document.activeElement === document.body"):
            continue
        assert (style, width) == ("solid", "3px"), name or text
        passed.append(name or text)
        if wanted in (name, text):
            return
    raise AssertionError(f"{wanted} is not among {passed}")


def write(page: Page, text: str) -> None:
    page.get_by_label("Manifest").fill(text)


def by_vector(page: Page, vector: str) -> None:
    page.get_by_label("Collection", exact=True).select_option("shop.sketches")
    page.get_by_role("radio", name="vector").check()
    page.get_by_label("Vector, as JSON").fill(vector)
    page.get_by_role("button", name="Search", exact=True).click()


def count(dev: Dev) -> int:
    answer = httpx.get(
        f"{dev.url}/api/v1/collections", headers={"X-API-Key": SECRETS[0]}, trust_env=False
    )
    return len(answer.json()["collections"])


def test_without_a_key_nothing_is_asked(console: Console) -> None:
    page = console.open().page
    expect(page.locator("#collections-status")).to_have_text("Give a key to see what it may see.")
    expect(page.locator("#access-status")).to_have_text("No key is in use.")
    write(page, PRODUCTS)
    expect(page.locator("#plan-status")).to_have_text("Give a key first.")
    assert console.asked
    assert not [url for url in console.asked if "/api/" in url or url.endswith("plan")]


def test_collections_are_listed_with_their_state_and_counts(console: Console) -> None:
    page = console.open().log_in().listed().page
    rows = page.get_by_role("row").all_inner_texts()
    assert [row.split("\t") for row in rows[1:]] == [
        ["shop.products", "green: all is optimized", "3", "0", "256 Cosine", "local wordllama"],
        ["shop.sketches", "green: all is optimized", "2", "0", "4 Dot", "no"],
    ]


def test_a_search_with_the_keyboard_alone(console: Console) -> None:
    page = console.open().page
    focus(page, "key")
    page.keyboard.type(SECRETS[0])
    page.keyboard.press("Enter")
    console.listed()
    focus(page, "collection")
    page.keyboard.press("Home")
    focus(page, "by-text")
    focus(page, "text")
    page.keyboard.type("something to drink from")
    page.keyboard.press("Enter")
    status = page.get_by_role("status").filter(has_text="3 results of shop.products in ")
    status.wait_for()
    results = page.get_by_role("list", name="Results").get_by_role("listitem")
    expect(results).to_have_count(3)
    assert '"name": "cup"' in results.first.inner_text()
    focus(page, "Search like this")
    page.keyboard.press("Enter")
    expect(page.locator("#point")).to_be_focused()
    expect(results).to_have_count(2)
    assert "shovel" in page.get_by_role("list", name="Results").inner_text()


def test_what_stands_in_a_payload_is_shown_as_text(console: Console) -> None:
    page = console.open().log_in().listed().page
    by_vector(page, "[1, 0, 0, 0]")
    results = page.get_by_role("list", name="Results")
    expect(results.get_by_role("listitem")).to_have_count(2)
    shown = results.locator("pre").first.inner_text()
    assert json.loads(shown) == {"note": MARKUP}
    assert results.locator("img, script").count() == 0
    assert page.title() == "vectorplane console"


def test_whole_numbers_stay_exact(console: Console) -> None:
    page = console.open().log_in().listed().page
    by_vector(page, "[1, 0, 0, 0]")
    page.get_by_role("button", name=f"Search like {LARGE}").click()
    expect(page.locator("#search-status")).to_contain_text("1 result of shop.sketches")
    expect(page.locator("#point")).to_have_value(str(LARGE))
    by_vector(page, "[0, 1, 0, 0]")
    shown = page.locator("pre", has_text="the last id")
    shown.wait_for()
    assert json.loads(shown.inner_text())["n"] == LARGE


def test_a_mistake_is_told_in_the_words_of_the_service(console: Console) -> None:
    page = console.open().log_in().listed().page
    problem = page.locator("#search-problem")
    by_vector(page, "[1, 0, 0]")
    expect(problem).to_contain_text("Unprocessable Content (422)")
    expect(problem).to_contain_text("vector: a vector of 4 numbers")
    expect(problem).to_contain_text("Request ")
    by_vector(page, "[1, 0, 0")
    expect(problem).to_contain_text("The vector is no JSON")
    expect(page.get_by_label("Vector, as JSON")).to_be_focused()
    by_vector(page, "[1, 0, 0, 0]")
    expect(problem).to_be_empty()


def test_a_wrong_key_is_told_and_a_key_is_in_no_address(console: Console) -> None:
    page = console.open().log_in("wrong-secret").page
    expect(page.get_by_role("alert").first).to_contain_text("Unauthorized (401)")
    expect(page.locator("#access-status")).to_have_text("This key was refused.")
    expect(page.get_by_label("API key")).to_be_focused()
    console.log_in().listed()
    expect(page.get_by_role("alert").first).to_be_empty()
    expect(page.get_by_label("API key")).to_have_value("")
    page.reload()
    console.listed()
    kept = page.evaluate("() => [localStorage.length, document.cookie, sessionStorage.length]")
    assert kept == [0, "", 1]
    page.get_by_role("button", name="Forget key").click()
    expect(page.locator("#collections-table")).to_be_hidden()
    assert page.evaluate("() => sessionStorage.length") == 0
    assert not [url for url in console.asked for secret in SECRETS if secret in url]


def test_a_manifest_is_planned_while_it_is_written_and_nothing_changes(
    console: Console, dev: Dev
) -> None:
    page = console.open().log_in().listed().page
    status, planned = page.locator("#plan-status"), page.locator("#planned")
    write(page, PRODUCTS)
    expect(status).to_have_text("1 collection planned.")
    expect(planned).to_contain_text("shop/products no changes")
    expect(planned).to_contain_text("Compared with the collections of this machine")
    write(page, PRODUCTS + "---\n" + manifest("orders"))
    expect(status).to_have_text("2 collections planned, 1 would change.")
    expect(planned).to_contain_text("+ create collection shop.orders_1")
    write(page, manifest("sketches", size=8))
    expect(status).to_have_text("1 collection planned, 1 cannot be carried out.")
    expect(planned).to_contain_text("a person must act first")
    assert count(dev) == 2
    assert dev.local.object("orders") == {}


def test_a_manifest_that_is_refused_is_told_with_the_place(console: Console) -> None:
    page = console.open().log_in().listed().page
    write(page, manifest("sketches", size=-1))
    problem = page.locator("#plan-problem")
    expect(problem).to_contain_text("spec.vectors[0].size")
    write(page, "a: [")
    expect(problem).to_contain_text("document 1, line 1")
    page.get_by_label("Manifest").fill("")
    expect(problem).to_be_empty()


def test_a_plan_is_not_for_every_key(console: Console) -> None:
    page = console.open().log_in(SECRETS[1]).listed().page
    write(page, PRODUCTS)
    expect(page.locator("#plan-problem")).to_contain_text("Forbidden (403)")
    expect(page.locator("#plan-problem")).to_contain_text("no permission to admin")


def test_a_service_that_is_gone_is_told(console: Console) -> None:
    page = console.open().log_in().listed().page
    page.context.set_offline(True)
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("alert").first).to_contain_text("The service cannot be reached.")


def test_every_field_has_a_name_and_nothing_is_wider_than_a_small_screen(console: Console) -> None:
    page = console.open().log_in().listed().page
    by_vector(page, "[1, 0, 0, 0]")
    page.get_by_role("list", name="Results").get_by_role("listitem").first.wait_for()
    write(page, manifest("orders") + manifest("a" * 60))
    expect(page.locator("#plan-status")).to_contain_text("2 collections planned")
    nameless = """() => [...document.querySelectorAll("input, select, textarea")]
      .filter((field) => !field.labels.length).map((field) => field.id)"""
    assert page.evaluate(nameless) == []
    page.set_viewport_size({"width": 320, "height": 640})
    wide = """() => [...document.querySelectorAll("body *:not(.skip)")]
      .filter((one) => one.getBoundingClientRect().right > innerWidth)
      .map((one) => one.outerHTML)"""
    assert page.evaluate(wide) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") == 320


def test_pictures_of_the_page(console: Console, tmp_path: Path) -> None:
    """Those of the documentation are made here: `SCREENSHOTS` names the folder to keep them in."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    page = console.page
    page.set_viewport_size({"width": 900, "height": 1120})
    console.open().log_in().listed()
    page.get_by_label("Collection", exact=True).select_option("shop.products")
    page.get_by_label("Text", exact=True).fill("something to drink tea from")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_text("3 results of shop.products").wait_for()
    quiet = "(text) => { document.querySelector('#search-status').textContent = text; }"
    page.evaluate(quiet, "3 results of shop.products.")
    light = page.screenshot(path=folder / "console.png", caret="hide")
    write(page, manifest("orders") + PRODUCTS.replace("price", "rank"))
    expect(page.locator("#plan-status")).to_contain_text("2 would change")
    page.evaluate("() => document.activeElement.blur()")
    page.locator("#plan").screenshot(path=folder / "console-plan.png")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 320, "height": 900})
    page.locator("#search").screenshot(path=folder / "console-small.png")
    page.set_viewport_size({"width": 900, "height": 1120})
    page.evaluate("() => scrollTo(0, 0)")
    assert page.screenshot(caret="hide") != light
    for name, width in (("console", 900), ("console-plan", 868), ("console-small", 288)):
        picture = (folder / f"{name}.png").read_bytes()
        assert struct.unpack(">I", picture[16:20]) == (width,)
        assert len(picture) < MOST_BYTES
