"""Thresholds of the classifiers: editable, tried over the last hour, then applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.views.flow.classifier_trial import Trial, tried
from workstation.views.state.source import Source
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Markup

LABELS = {
    "sweep_prints": "Sweep: prints", "sweep_usd": "Sweep: premium, USD", "sweep_z": "Sweep: or premium z, sd", "block_usd": "Block: one print, USD",
    "spike_usd": "Unusual contract: premium, USD", "spike_size": "Unusual contract: contracts", "structure_usd": "Structure: premium, USD",
    "coverage": "Direction: prints with a quote, share", "side_ratio": "Direction: size on its side, share",
    "abstain_coverage": "Abstain below this coverage, share", "rank": "Larger than this share of the name's packets",
    "most_spread": "Widest spread for a side, share", "stale_ms": "Down-weight quotes older than, ms",
}  # fmt: skip


class ClassifierSettings:
    """Edit, try over the last hour, apply.

    Parameters
    ----------
    source
        Whose packets the thresholds are tried over.
    applied
        Thresholds that hold now.
    apply
        Makes thresholds hold from now on; None: they can be tried and not applied.
    """

    def __init__(
        self,
        source: Source,
        applied: Callable[[], ClassifierParameters],
        apply: Callable[[ClassifierParameters], None] | None,
    ) -> None:
        self._source, self._applied, self._apply = source, applied, apply
        now = applied()
        self.inputs = {
            name: pmui.FloatInput(label=label, value=float(getattr(now, name)), size="small", sizing_mode="stretch_width", margin=(4, 8))
            for name, label in LABELS.items()
        }  # fmt: skip
        self.try_out = pmui.Button(label="Try over the last hour", size="small", margin=(6, 8))
        self.apply = pmui.Button(label="Apply", size="small", color="warning", disabled=True, margin=(6, 8))
        self.try_out.on_click(self._try)
        self.apply.on_click(self._hold)
        self._effect = Markup(asset(__package__, "evidence_drawer.css"))
        self.panel = pn.Column(
            pmui.Typography("Classifier thresholds", variant="h6", margin=(8, 8, 0, 8)), *self.inputs.values(), pn.Row(self.try_out, self.apply),
            self._effect.panel, sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        for one in self.inputs.values():
            one.param.watch(lambda _: setattr(self.apply, "disabled", True), "value")

    def wanted(self) -> ClassifierParameters:
        """Thresholds as they are written; ``ValueError`` that names the one that cannot hold."""
        kinds: dict[str, Callable[[float], float]] = {
            one.name: int if isinstance(one.default, int) else float for one in fields(ClassifierParameters)
        }
        values: dict[str, Any] = {}
        for name, one in self.inputs.items():
            if one.value is None:
                raise ValueError(f"{LABELS[name]}: write a number")
            values[name] = kinds[name](one.value)
        return replace(self._applied(), **values)

    def _try(self, _: Any) -> None:
        try:
            trial = tried(self._source.latest("packets"), self._applied(), self.wanted())
        except ValueError as error:
            self._effect.show(f'<div class="paper"><p role="alert">{escape(str(error))}</p></div>')
            return
        self._effect.show(trial_html(trial))
        self.apply.disabled = self._apply is None

    def _hold(self, _: Any) -> None:
        if self._apply is not None:
            self._apply(self.wanted())
            self.apply.disabled = True
            self._effect.show(
                '<div class="paper"><p>Applied: alerts from now on follow these thresholds.</p></div>'
            )


def trial_html(trial: Trial) -> str:
    """The effect as a table."""
    rows = "".join(
        f"<tr><td>{escape(kind.replace('_', ' '))}</td><td class=n>{now}</td><td class=n>{then}</td><td class=n>{change:+d}</td></tr>"
        for kind, now, then, change in trial.table().itertuples(index=False)
    )
    now, then = sum(trial.now.values()), sum(trial.then.values())
    return (
        f'<div class="paper"><p>Over {trial.packets:,} packets of the last {trial.minutes:.0f} minutes: <b>{now}</b> alerts as it is, '
        f"<b>{then}</b> with these thresholds.</p><table><thead><tr><th scope=col>alert</th><th scope=col class=n>as it is</th>"
        f"<th scope=col class=n>tried</th><th scope=col class=n>change</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
