"""Pages whose pictures are empty but for their labels: to draw those of one page takes a second."""

from __future__ import annotations

from html import escape

import pytest

from seekcli.report.figures.canvas import Picture


def outline_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """In `seek report` from here on. What is drawn is looked at in tests/report/test_html.py."""

    def svg_text(picture: Picture, prefix: str) -> str:
        return f'<svg role="img" aria-label="{escape(f"{picture.title}. {picture.words}")}"></svg>'

    monkeypatch.setattr("seekcli.report.html.page.svg_text", svg_text)
