"""The page in a real browser: nothing on the console, no request, no sideways scrolling on a phone."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dino_pipeline.report.page import render

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


class Visit:
    """One page opened headless in an own profile, with every address outside made unreachable."""

    def __init__(self, page: Path, *, width: int = 1280) -> None:
        log = page.with_suffix(".net.json")
        done = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",  # a container's root may not make one
                "--disable-gpu",
                "--no-first-run",
                "--force-device-scale-factor=1",
                f"--window-size={width},900",
                f"--user-data-dir={page.with_suffix('.profile')}",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                "--enable-logging=stderr",
                f"--log-net-log={log}",
                "--dump-dom",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        self.dom = done.stdout
        self.console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        parameters = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
        # The browser asks its maker for updates and the like; those requests come from no page.
        self.requests = {
            found["url"]
            for found in parameters
            if "url" in found and found.get("initiator", "not an origin") != "not an origin"
        }


@pytest.mark.parametrize("content", ["labelled_content", "unlabelled_content"])
def test_it_opens_without_a_word_on_the_console_or_a_request(content, request, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(render(request.getfixturevalue(content), None), encoding="utf-8")
    visit = Visit(page)
    assert visit.console == []
    assert visit.requests == set()
    assert "Nearest neighbours" in visit.dom


def test_the_visit_would_notice_both(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<img src="http://outside.invalid/x.png"><script>missing()</script>')
    visit = Visit(page)
    assert any("ReferenceError" in line for line in visit.console)
    assert visit.requests == {"http://outside.invalid/x.png"}


@pytest.mark.parametrize("width", [400, 820, 1600])
def test_it_fits_from_a_phone_to_a_wide_screen(labelled_content, width, tmp_path):
    page = tmp_path / "report.html"
    # The page itself may run no script; this copy of it may, to measure.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", render(labelled_content, None))
    measure = (
        "<script>const e = document.documentElement;"
        "document.title = `measured ${e.scrollWidth} ${window.innerWidth}`</script>"
    )
    page.write_text(text.replace("</body>", f"{measure}</body>"), encoding="utf-8")
    found = re.search(r"<title>measured (\d+) (\d+)</title>", Visit(page, width=width).dom)
    scroll, inner = map(int, found.groups())
    assert scroll <= inner
