"""examples/drop-a-picture in a real browser: a picture is dropped on it, and labels appear."""
import http.server
import json
import shutil
import threading
import time

import pytest

from browser import Browser
from test_function_urls import BRIGHT, Url, bright_model, open_to_all, picture
from world import ROOT, create, wait_for, zipped

PAGE = ROOT / "examples/drop-a-picture/index.html"
CORS = {"AllowOrigins": ["*"], "AllowMethods": ["POST"], "AllowHeaders": ["content-type"]}  # as examples/drop-a-picture/README.md says


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not shutil.which("chromium"):
        pytest.skip("Debian's chromium is not installed (make test installs it)")
    running = Browser(tmp_path_factory.mktemp("chromium"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def address(server, client):
    create(client, "bright", zipped(bright_model(), mayfly_json=BRIGHT))
    url = Url(server, client.create_function_url_config(FunctionName="bright", AuthType="NONE", Cors=CORS))
    open_to_all(client, "bright")
    return f"{server.endpoint}/_url/{url.id}/"


def shown(browser):
    return browser.evaluate("""({status: document.getElementById("status").textContent, problem: document.getElementById("status").className,
        labels: [...document.querySelectorAll("#labels li")].map(item => [item.firstChild.textContent, item.querySelector("meter").value]),
        image: document.querySelector("#drop img")?.naturalWidth ?? 0, answer: document.getElementById("answer").textContent})""")


def drop(browser, file):
    x, y = browser.evaluate("(box => [box.x + box.width / 2, box.y + box.height / 2])(document.getElementById('drop').getBoundingClientRect())")
    browser.drop(x, y, file)
    return wait_for(lambda: (now := shown(browser))["status"] not in ("", "…") and now, 30, "an answer in the page")


@pytest.mark.parametrize("shade, kind, label", [(240, "PNG", "bright"), (10, "JPEG", "dark"), (230, "WEBP", "bright")])
def test_a_dropped_picture_is_classified(browser, address, tmp_path, shade, kind, label):
    file = tmp_path / f"picture.{kind.lower()}"
    file.write_bytes(picture(shade, kind))
    browser.open(f"{PAGE.as_uri()}?url={address}")
    now = drop(browser, file)
    assert now["problem"] == "" and now["status"].endswith(" ms"), now
    assert [name for name, _ in now["labels"]][0] == label and now["labels"][0][1] > 0.9, now
    assert now["image"] == 64


def test_a_photo_that_is_too_large_for_a_request_is_made_smaller(browser, address, tmp_path):
    (tmp_path / "large.png").write_bytes(picture(250, "PNG", (2400, 1600), noisy=True))
    assert (tmp_path / "large.png").stat().st_size > 6_000_000
    browser.open(f"{PAGE.as_uri()}?url={address}")
    now = drop(browser, tmp_path / "large.png")
    assert now["labels"] and now["labels"][0][0] == "bright", now


def test_problems_are_told(browser, address, client, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (tmp_path / "good.png").write_bytes(picture(200))
    browser.open(f"{PAGE.as_uri()}?url={address}")
    now = drop(browser, tmp_path / "broken.png")
    assert now["problem"] == "problem" and now["status"].startswith("400: ") and "PNG" in now["status"], now
    client.update_function_url_config(FunctionName="bright", Cors={})
    browser.open(f"{PAGE.as_uri()}?url={address}")
    now = drop(browser, tmp_path / "good.png")
    assert now["problem"] == "problem" and "Cors" in now["status"], now
    client.update_function_url_config(FunctionName="bright", Cors=CORS)
    browser.open(f"{PAGE.as_uri()}?url={address}")
    assert drop(browser, tmp_path / "good.png")["labels"]


def test_a_browsers_own_form_is_classified(browser, address, tmp_path, server):
    """A plain HTML form with a file, sent by the browser itself, from a page of another origin."""
    form = f'<form action="{address}" method="post" enctype="multipart/form-data"><input name="note" value="hi"><input type="file" name="f"></form>'

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(form.encode())

        def log_message(self, *_):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        (tmp_path / "p.png").write_bytes(picture(245))
        browser.open(f"http://127.0.0.1:{pages.server_port}/")
        root = browser.call("DOM.getDocument")["root"]["nodeId"]
        node = browser.call("DOM.querySelector", nodeId=root, selector="input[type=file]")["nodeId"]
        browser.call("DOM.setFileInputFiles", files=[str(tmp_path / "p.png")], nodeId=node)
        browser.evaluate("document.forms[0].submit()")
        end = time.monotonic() + 30
        while not browser.evaluate("location.href").startswith(address) or not browser.evaluate("document.body?.textContent ?? ''"):
            assert time.monotonic() < end
        assert json.loads(browser.evaluate("document.body.textContent"))[0]["label"] == "bright"
        pages.shutdown()
