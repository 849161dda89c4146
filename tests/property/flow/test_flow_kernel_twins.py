"""Kernels of flow give what their plain-Python twins give."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from workstation.flow import structure_kernels as kernel
from workstation.flow.packet_texts import packet_ids, prints_json, texts_of
from workstation.flow.structure_names import MOST_LEGS, Leg, packages, places_of

LEGS = st.builds(
    Leg, st.sampled_from("CP"), st.sampled_from([90.0, 95.0, 100.0, 105.0, 110.0]), st.sampled_from([1, 1, 1, 2]),
    st.sampled_from([-1, 0, 1, 1, -1]), st.sampled_from([10.0, 10.0, 12.0, 20.0, 31.0]),
)  # fmt: skip
IRON = [
    [Leg(right, strike, 1, side, 10.0) for right, strike, side in zip("CCPP", strikes, sides, strict=True)]
    for strikes in ((105.0, 110.0, 90.0, 95.0), (100.0, 105.0, 95.0, 100.0), (95.0, 100.0, 100.0, 105.0))
    for sides in ((-1, 1, 1, -1), (1, -1, -1, 1), (0, 0, 0, 0), (1, 1, -1, -1))
]


def kernel_packages(groups: list[list[Leg]]) -> list[list[tuple[int, ...]]]:
    """Places of the legs of each package, by group, as the kernel chooses them."""
    legs = [leg for group in groups for leg in group]
    right, strike, expiry, side, size, _ = (np.array(column) for column in zip(*legs, strict=True))
    rights = np.array([kernel.RIGHTS[str(one)] for one in right])
    columns = kernel.Legs(rights, strike, expiry, side, size)
    chosen, found = np.zeros((len(groups), MOST_LEGS), np.int64), np.zeros(len(groups), np.int64)
    offsets = np.cumsum([0, *map(len, groups)])
    kernel.packages_of_groups(columns, offsets, chosen, found)
    return [
        [places_of(one) for one in row[:many]]
        for row, many in zip(chosen.tolist(), found.tolist(), strict=True)
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(LEGS, min_size=2, max_size=MOST_LEGS), min_size=1, max_size=4))
def test_the_kernel_puts_legs_together_as_its_twin_does(groups: list[list[Leg]]) -> None:
    assert kernel_packages(groups) == [[one.legs for one in packages(group)] for group in groups]


def test_irons_and_lizards_are_those_of_the_twin() -> None:
    lizards = [
        [Leg("C", 105.0, 1, one, 5.0), Leg("C", 110.0, 1, two, 5.0), Leg("P", 95.0, 1, three, 5.0)]
        for one in (-1, 1)
        for two in (-1, 1)
        for three in (-1, 1)
    ]
    groups = [*IRON, *lizards]
    found = kernel_packages(groups)
    assert found == [[one.legs for one in packages(group)] for group in groups]
    assert (0, 1, 2, 3) in found[0] and found[len(IRON) + 2] == [(0, 1, 2)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-(10**18), 10**18), st.integers(0, 10**18)), max_size=8)
)
def test_packet_ids_are_names_and_times(rows: list[tuple[int, int, int]]) -> None:
    names = ["SPY   261218C00600000", "BTC/USD:BTC-261225-90000-P", "é", ""]
    code, start, end = (
        np.array(column, np.int64) for column in (zip(*rows, strict=True) if rows else ([], [], []))
    )
    told = packet_ids(code, start, end, texts_of(names)).to_pylist()
    assert told == [f"{names[code]}:{start}:{end}" for code, start, end in rows]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.text('ab"\\é', max_size=4)), max_size=10))
def test_evidence_lists_trade_ids_in_their_order(prints: list[tuple[int, str]]) -> None:
    ids = texts_of([text for _, text in prints])
    packet, numbers = np.array([at for at, _ in prints], np.int64), np.arange(len(prints)) + 7
    told = prints_json(4, packet, ids.offsets[:-1], ids.offsets[1:], numbers, ids.content).to_pylist()
    for row in range(4):
        held = [text or f"#{place + 7}" for place, (at, text) in enumerate(prints) if at == row]
        safe = [text.replace("\\", "\\\\").replace('"', '\\"') for text in held]
        assert told[row] == '{"prints":[' + ",".join(f'"{text}"' for text in safe) + "]}"
