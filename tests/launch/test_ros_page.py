"""`python tests/ros_page.py` writes the page anew."""

from ros_page import BEGIN, PAGE, tables


def test_the_page_says_what_the_graphs_offer():
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2]
    assert written.strip() == tables().strip()
