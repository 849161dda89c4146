"""Look through a built site: links within it that lead nowhere, and what its pages would load from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """Ids, links, and what a page loads by itself."""

    LOADED: ClassVar = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") in ("stylesheet", "preload", "icon", "shortcut icon"):
            self.loaded.append(found["href"])
        if tag in self.LOADED and found.get(self.LOADED[tag]):
            self.loaded.append(found[self.LOADED[tag]])


def complaints(site: Path) -> list[str]:
    """Links within a built site that lead nowhere, and what its pages would load from elsewhere."""
    built = (path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts)
    pages = {path.resolve(): _Page(path) for path in built}
    found: list[str] = []
    for path, page in pages.items():
        found += [f"{path.name} loads {url}" for url in page.loaded if urlsplit(url).netloc]
        found += [
            f"{path.name} links to {url}"
            for url in (*page.links, *page.loaded)
            if _leads_nowhere(path, url, pages)
        ]
    return found


def _leads_nowhere(path: Path, url: str, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return False
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.exists():
        return True
    wanted = unquote(parts.fragment)
    return bool(wanted) and target in pages and wanted not in pages[target].ids
