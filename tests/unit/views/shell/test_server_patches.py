"""Private parts of other libraries: each patch is guarded by a version, and each does what it is for."""

from __future__ import annotations

from importlib.metadata import version

import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.core.has_props import HasProps
from panel.custom import ReactiveESM
from panel.io.server import DocHandler, per_app_patterns
from tornado.web import StaticFileHandler

from workstation.views.shell import page_opening, server_patches
from workstation.views.shell.server_patches import PATCHES, usable
from workstation.views.widgets.live_overlay import BEYOND_FRAME


@pytest.mark.parametrize("name", PATCHES)
def test_each_patch_fits_the_installed_version_and_names_its_issue(name: str) -> None:
    patch = PATCHES[name]
    assert ".".join(version(patch.library).split(".")[:2]) in patch.series
    assert usable(name)
    assert patch.issue.startswith(("https://", "not reported upstream"))


@pytest.mark.parametrize("name", PATCHES)
def test_with_another_version_a_patch_is_left_out_and_the_warning_says_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_patches, "version", lambda library: "99.1.0")
    usable.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=r"Install a tested version, or run tests.*add '99\.1'"):
            assert not usable(name)
    finally:
        usable.cache_clear()


def test_pages_files_and_class_lookups_are_patched_once() -> None:
    page_opening.install()
    counted, defaults = StaticFileHandler.get, HasProps._overridden_defaults
    page_opening.install()
    assert StaticFileHandler.get is counted
    assert HasProps._overridden_defaults == defaults
    handlers = [pattern[1] for pattern in per_app_patterns]
    assert page_opening.OpeningHandler in handlers
    assert DocHandler not in handlers
    assert ReactiveESM._bundle_path is None


def test_a_page_no_longer_watches_the_busy_state_of_the_process() -> None:
    def watching(page: pmui.Page) -> int:
        watchers = pn.state.param.watchers.get("busy", {}).get("value", [])
        return sum(getattr(getattr(each.fn, "__self__", None), "self", None) is page for each in watchers)

    page = pmui.Page(title="one")
    assert watching(page) == 1
    server_patches.forget_busy(page)
    assert watching(page) == 0
    assert page.busy is False


def test_scripts_reach_into_bokehjs_where_the_patches_say() -> None:
    for part in ("InlineStyleSheet", "update_position", "_get_css_value"):
        assert part in server_patches.LESS_PAINTING
    assert "needs_clip" in server_patches.OVERLAY_CLIPPING
    assert f"'{BEYOND_FRAME}'" in server_patches.OVERLAY_CLIPPING
