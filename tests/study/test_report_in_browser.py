"""The pages as a browser lays them out: nothing overflows, both colour schemes, words of plots inside and readable."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.released import released
from tests.tallied import troubled
from tests.unit.test_quality import document_of

from counterpart.report import render_report
from counterpart.report.quality import render_quality

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe"
).split()
# The debugging pipe is file descriptors 3 and 4 of the browser.
START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
PATIENCE_S = 60

pytestmark = [pytest.mark.study, pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")]


class Browser:
    """A headless Chromium with one tab, spoken to over a pipe in the DevTools protocol: JSON, ended by a null byte."""

    def __init__(self, profile: Path) -> None:
        read_here, write_there = os.pipe()
        read_there, self._out = os.pipe()
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read_there, write_there)]
        for end in (read_there, write_there):
            os.close(end)
        self._in = read_here
        command = [sys.executable, "-c", START, *map(str, theirs), CHROMIUM, *FLAGS, f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            command, pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        for end in theirs:
            os.close(end)
        self._n, self._rest, self._events, self._session = 0, b"", [], ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method: str, **params: Any) -> Any:
        self._n += 1
        message = {"id": self._n, "method": method, "params": params}
        os.write(
            self._out, json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0"
        )
        while (answer := self._next()).get("id") != self._n:
            self._events.append(answer.get("method"))
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            self._rest += os.read(self._in, 1 << 20)
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def show(self, page: Path, width: int, scheme: str) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.enable")
        self._events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while "Page.loadEventFired" not in self._events:
            self._events.append(self._next().get("method"))

    def ask(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]

    def close(self) -> None:
        self._session = ""
        self.call("Browser.close")
        self.process.wait(PATIENCE_S)
        os.close(self._in)
        os.close(self._out)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(scope="module", params=["report", "profile"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / f"{request.param}.html"
    return (
        render_report(released(), path) if request.param == "report" else render_quality(document_of(troubled()), path)
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits(browser: Browser, page: Path, width: int, scheme: str) -> None:
    browser.show(page, width, scheme)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    red = browser.ask("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert (red < 60) is (scheme == "dark")
    shown = browser.ask("[...document.querySelectorAll('svg')].filter(svg => svg.getClientRects().length).length")
    assert shown == browser.ask("document.querySelectorAll('svg').length / 2")


@pytest.mark.parametrize("width", [390, 1280])
def test_words_of_plots_are_inside_and_readable(browser: Browser, page: Path, width: int) -> None:
    browser.show(page, width, "light")
    outside = browser.ask(
        """[...document.querySelectorAll('svg text')].filter(text => {
            if (!text.getClientRects().length) return false;
            const word = text.getBoundingClientRect(), plot = text.ownerSVGElement.getBoundingClientRect();
            return word.left < plot.left - 2 || word.right > plot.right + 2 || word.top < plot.top - 2
                || word.bottom > plot.bottom + 2;
        }).map(text => text.textContent)"""
    )
    assert outside == []
    smallest = browser.ask(
        """Math.min(...[...document.querySelectorAll('svg text')].filter(text => text.getClientRects().length).map(
            text => parseFloat(getComputedStyle(text).fontSize) * text.ownerSVGElement.getBoundingClientRect().width
                / text.ownerSVGElement.viewBox.baseVal.width))"""
    )
    assert smallest >= 9.5
