#!/usr/bin/env bash
# What:     a HoloViews element shown in a notebook asks cdn.holoviz.org for four style sheets, although
#           hv.extension(inline=True) and pn.extension(inline=True) promise that resources are in the notebook.
# Why:      Panel puts its sheets into the models of what it displays itself (patch_inline_stylesheets in
#           Viewable._repr_mimebundle_); HoloViews' renderer calls render_model/render_mimebundle past it.
# Bites:    notebooks behind a firewall or on a plane: the plot comes late and unstyled, and the requests leave
#           the machine where none should.
# Instead:  display pn.panel(element), or patch the sheets of the model before HoloViews renders it.
# Versions: holoviews==1.23.2, panel==1.9.4, bokeh==3.9.2, pandas==3.1.1, numpy==2.4.6
# Seen on 2026-11-30:
#   holoviews 1.23.2 panel 1.9.4
#   expected: no address of a CDN in the output of either
#   seen:     element: css/listpanel.css css/loading.css theme/default.css theme/native.css
#   seen:     the same, its sheets patched: none
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    holoviews==1.23.2 panel==1.9.4 bokeh==3.9.2 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import re
import sys

import holoviews as hv
import panel as pn
from bokeh.models import UIElement
from holoviews.plotting import renderer
from panel.io.notebook import patch_inline_stylesheets

pn.extension(inline=True)
hv.extension("bokeh", inline=True, logo=False)


def asked():
    """Style sheets that the output of an element asks a CDN for."""
    output, _ = hv.renderer("bokeh").components(hv.Curve([1, 2, 3]))
    found = re.findall(r"https://cdn\.holoviz\.org/[^\"\\ ]*?/dist/([^\"\\ ?]+)", str(output))
    return sorted({path.removeprefix("bundled/") for path in found})


plain = asked()
render = renderer.render_model


def patched(model, *rest):
    for part in model.select({"type": UIElement}):
        patch_inline_stylesheets(part)
    return render(model, *rest)


renderer.render_model = patched
mended = asked()
print("holoviews", hv.__version__, "panel", pn.__version__)
print("expected: no address of a CDN in the output of either")
print("seen:     element:", " ".join(plain) or "none")
print("seen:     the same, its sheets patched:", " ".join(mended) or "none")
sys.exit(0 if plain and not mended else 1)
PY
