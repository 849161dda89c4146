"""The engines of options flow in their order: prints, packets, structures, hits, alerts, off-exchange events, verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field

from workstation.flow.alerts import Alerts, AlertsParameters
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.classifiers import Classifiers
from workstation.flow.nbbo import NbboPlacement
from workstation.flow.nbbo_parameters import NbboParameters
from workstation.flow.offexchange import OffExchange, OffExchangeParameters
from workstation.flow.open_interest_verdicts import OpenInterestVerdicts, OpenInterestVerdictsParameters
from workstation.flow.packets import Packets, PacketsParameters
from workstation.flow.structure_finder import StructureFinder, StructuresParameters
from workstation.flow.structures import Structures
from workstation.market.engine import Engine


@dataclass(frozen=True)
class FlowParameters:
    """Parameters of the flow engines.

    Attributes
    ----------
    enabled
        Whether a desk and a replay run them.
    nbbo, packets, classifiers, alerts, offexchange, verdicts
        Of the engines of these names; structures take ``least_size`` of the classifiers.
    """

    enabled: bool = False
    nbbo: NbboParameters = field(default_factory=NbboParameters)
    packets: PacketsParameters = field(default_factory=PacketsParameters)
    classifiers: ClassifierParameters = field(default_factory=ClassifierParameters)
    alerts: AlertsParameters = field(default_factory=AlertsParameters)
    offexchange: OffExchangeParameters = field(default_factory=OffExchangeParameters)
    verdicts: OpenInterestVerdictsParameters = field(default_factory=OpenInterestVerdictsParameters)


def flow_engines(parameters: FlowParameters | None = None) -> list[Engine]:
    """Fresh flow engines, each reading what those before it write.

    Examples
    --------
    >>> [engine.output for engine in flow_engines()]
    ['prints', 'packets', 'structures', 'hits', 'alerts', 'offexchange', 'open_interest_verdicts']
    """
    own = parameters or FlowParameters()
    finder = StructureFinder(StructuresParameters(least_size=own.classifiers.least_size), shared=True)
    return [
        NbboPlacement(own.nbbo),
        Packets(own.packets),
        Structures(finder=finder),
        Classifiers(own.classifiers, finder=finder),
        Alerts(own.alerts),
        OffExchange(own.offexchange),
        OpenInterestVerdicts(own.verdicts),
    ]
