"""The page in a browser without a window and without a network, on a wide and a narrow screen."""

import re
import shutil
import subprocess

import pytest
from sample_work import random_walk

from robot_policies.evaluation import report
from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.episode import Job
from robot_policies.evaluation.page.html import page

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
# A page that has drawn everything says how wide it is, and what reaches beyond the screen.
MEASURE = """<script>addEventListener("load", () => setTimeout(() => {
  const page = document.documentElement;
  const plots = [...document.querySelectorAll(".main-svg")];
  const widest = Math.max(...plots.map(plot => plot.getBoundingClientRect().right));
  const found = [page.scrollWidth, innerWidth, Math.ceil(widest), plots.length];
  page.dataset.measured = found.join(" ");
}, 200))</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium; apt has chromium-headless-shell")
@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_fits_the_screen_and_draws_without_a_network(tmp_path, width):
    outcomes = [
        random_walk(Job(policy, "go1_walk", backend, seed, {}, Condition(condition)))
        for policy in ("uni_o4/go1_walk", "uni_o4/a_policy_with_a_rather_long_name", "hold")
        for backend in ("mujoco", "pybullet")
        for condition in ("", "100 ms late")
        for seed in range(8)
    ]
    origin = {"created": "2026-01-01T00:00:00+00:00", "command": "x" * 300}
    text = page(report.document(outcomes, origin), report.episodes(outcomes))
    path = tmp_path / "report.html"
    path.write_text(text.replace("</body>", MEASURE), encoding="utf-8")
    options = ["--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--dump-dom"]
    options += ["--virtual-time-budget=20000", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command = [str(BROWSER), *options, f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'data-measured="(\d+) (\d+) (\d+) (\d+)"', dom)
    assert found, dom[:500]
    wide, screen, widest, plots = map(int, found.groups())
    assert screen == width
    assert max(wide, widest) <= screen
    assert plots >= 6  # success, conditions, end, fall, two agreements
