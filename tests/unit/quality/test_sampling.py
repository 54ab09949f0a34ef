"""Single sampling plans against the printed tables of GB/T 2828.1-2012 (= ISO 2859-1:1999)."""

from __future__ import annotations

import pytest
from mes.errors import Invalid

from services.quality.domain.sampling import AQLS, LETTERS, code_letter, master_plan, sampling_plan

# Rows of the tables with their arrows followed, "letter n Ac" by AQL 0.010 .. 1000.
_ZEROS_NORMAL = "Q 1250 0|P 800 0|N 500 0|M 315 0|L 200 0|K 125 0|J 80 0|H 50 0|G 32 0|F 20 0|E 13 0|D 8 0"
_ZEROS_REDUCED = "Q 500 0|P 315 0|N 200 0|M 125 0|L 80 0|K 50 0|J 32 0|H 20 0|G 13 0|F 8 0|E 5 0|D 3 0"
ROWS = {
    # table 2-A
    ("normal", "A"): _ZEROS_NORMAL + "|C 5 0|B 3 0|A 2 0|C 5 1|B 3 1|A 2 1|A 2 2|A 2 3|A 2 5|A 2 7|A 2 10|A 2 14"
    "|A 2 21|A 2 30",
    ("normal", "E"): _ZEROS_NORMAL + "|F 20 1|E 13 1|E 13 2|E 13 3|E 13 5|E 13 7|E 13 10|E 13 14|E 13 21|E 13 30"
    "|E 13 44|D 8 44|C 5 44|B 3 44",
    ("normal", "K"): "Q 1250 0|P 800 0|N 500 0|M 315 0|L 200 0|K 125 0|J 80 0|L 200 1|K 125 1|K 125 2|K 125 3"
    "|K 125 5|K 125 7|K 125 10|K 125 14|K 125 21|J 80 21|H 50 21|G 32 21|F 20 21|E 13 21|E 13 30|E 13 44|D 8 44"
    "|C 5 44|B 3 44",
    ("normal", "R"): "Q 1250 0|P 800 0|R 2000 1|R 2000 2|R 2000 3|R 2000 5|R 2000 7|R 2000 10|R 2000 14|R 2000 21"
    "|Q 1250 21|P 800 21|N 500 21|M 315 21|L 200 21|K 125 21|J 80 21|H 50 21|G 32 21|F 20 21|E 13 21|E 13 30"
    "|E 13 44|D 8 44|C 5 44|B 3 44",
    # table 2-B
    ("tightened", "A"): "R 2000 0|Q 1250 0|P 800 0|N 500 0|M 315 0|L 200 0|K 125 0|J 80 0|H 50 0|G 32 0|F 20 0"
    "|E 13 0|D 8 0|C 5 0|B 3 0|A 2 0|C 5 1|B 3 1|A 2 1|A 2 2|A 2 3|A 2 5|A 2 8|A 2 12|A 2 18|A 2 27",
    ("tightened", "K"): "R 2000 0|Q 1250 0|P 800 0|N 500 0|M 315 0|L 200 0|K 125 0|M 315 1|L 200 1|K 125 1|K 125 2"
    "|K 125 3|K 125 5|K 125 8|K 125 12|K 125 18|J 80 18|H 50 18|G 32 18|F 20 18|E 13 18|E 13 27|E 13 41|D 8 41"
    "|C 5 41|B 3 41",
    ("tightened", "Q"): "R 2000 0|Q 1250 0|S 3150 1|R 2000 1|Q 1250 1|Q 1250 2|Q 1250 3|Q 1250 5|Q 1250 8"
    "|Q 1250 12|Q 1250 18|P 800 18|N 500 18|M 315 18|L 200 18|K 125 18|J 80 18|H 50 18|G 32 18|F 20 18|E 13 18"
    "|E 13 27|E 13 41|D 8 41|C 5 41|B 3 41",
    # table 2-C
    ("reduced", "A"): _ZEROS_REDUCED + "|C 2 0|B 2 0|A 2 0|D 3 1|C 2 1|A 2 1|A 2 2|A 2 3|A 2 5|A 2 7|A 2 10|A 2 14"
    "|A 2 21|A 2 30",
    ("reduced", "B"): _ZEROS_REDUCED + "|C 2 0|B 2 0|A 2 0|D 3 1|C 2 1|B 2 1|B 2 2|B 2 3|B 2 5|B 2 7|B 2 10|B 2 14"
    "|B 2 21|B 2 30",
    ("reduced", "C"): _ZEROS_REDUCED + "|C 2 0|B 2 0|E 5 1|D 3 1|C 2 1|C 2 2|C 2 3|C 2 5|C 2 6|C 2 8|C 2 10|C 2 14"
    "|C 2 21|B 2 30",
    ("reduced", "E"): _ZEROS_REDUCED + "|G 13 1|F 8 1|E 5 1|E 5 2|E 5 3|E 5 5|E 5 6|E 5 8|E 5 10|E 5 14|E 5 21"
    "|D 3 21|C 2 21|B 2 30",
    ("reduced", "J"): "Q 500 0|P 315 0|N 200 0|M 125 0|L 80 0|K 50 0|J 32 0|H 20 0|L 80 1|K 50 1|J 32 1|J 32 2"
    "|J 32 3|J 32 5|J 32 6|J 32 8|J 32 10|H 20 10|G 13 10|F 8 10|E 5 10|E 5 14|E 5 21|D 3 21|C 2 21|B 2 30",
    ("reduced", "Q"): "Q 500 0|P 315 0|N 200 0|R 800 1|Q 500 1|Q 500 2|Q 500 3|Q 500 5|Q 500 6|Q 500 8|Q 500 10"
    "|P 315 10|N 200 10|M 125 10|L 80 10|K 50 10|J 32 10|H 20 10|G 13 10|F 8 10|E 5 10|E 5 14|E 5 21|D 3 21|C 2 21"
    "|B 2 30",
}  # fmt: skip


@pytest.mark.parametrize(("severity", "letter"), ROWS)
def test_rows_of_the_master_tables(severity: str, letter: str) -> None:
    for aql, cell in zip(AQLS, ROWS[severity, letter].split("|"), strict=True):
        found, n, accept = cell.split()
        assert master_plan(letter, aql, severity) == (found, int(n), int(accept)), (severity, letter, aql)


# The numbers that are printed in each row: letter, sample size, then "AQL:Ac"; all other cells are arrows.
NORMAL = """
A 2    6.5:0   25:1  40:2  65:3  100:5 150:7 250:10 400:14 650:21 1000:30
B 3    4.0:0   15:1  25:2  40:3  65:5  100:7 150:10 250:14 400:21 650:30 1000:44
C 5    2.5:0   10:1  15:2  25:3  40:5  65:7  100:10 150:14 250:21 400:30 650:44
D 8    1.5:0   6.5:1 10:2  15:3  25:5  40:7  65:10  100:14 150:21 250:30 400:44
E 13   1.0:0   4.0:1 6.5:2 10:3  15:5  25:7  40:10  65:14  100:21 150:30 250:44
F 20   0.65:0  2.5:1 4.0:2 6.5:3 10:5  15:7  25:10  40:14  65:21
G 32   0.40:0  1.5:1 2.5:2 4.0:3 6.5:5 10:7  15:10  25:14  40:21
H 50   0.25:0  1.0:1 1.5:2 2.5:3 4.0:5 6.5:7 10:10  15:14  25:21
J 80   0.15:0  0.65:1 1.0:2 1.5:3 2.5:5 4.0:7 6.5:10 10:14 15:21
K 125  0.10:0  0.40:1 0.65:2 1.0:3 1.5:5 2.5:7 4.0:10 6.5:14 10:21
L 200  0.065:0 0.25:1 0.40:2 0.65:3 1.0:5 1.5:7 2.5:10 4.0:14 6.5:21
M 315  0.040:0 0.15:1 0.25:2 0.40:3 0.65:5 1.0:7 1.5:10 2.5:14 4.0:21
N 500  0.025:0 0.10:1 0.15:2 0.25:3 0.40:5 0.65:7 1.0:10 1.5:14 2.5:21
P 800  0.015:0 0.065:1 0.10:2 0.15:3 0.25:5 0.40:7 0.65:10 1.0:14 1.5:21
Q 1250 0.010:0 0.040:1 0.065:2 0.10:3 0.15:5 0.25:7 0.40:10 0.65:14 1.0:21
R 2000 0.025:1 0.040:2 0.065:3 0.10:5 0.15:7 0.25:10 0.40:14 0.65:21
"""
TIGHTENED = """
A 2    10:0    40:1  65:2  100:3 150:5 250:8 400:12 650:18 1000:27
B 3    6.5:0   25:1  40:2  65:3  100:5 150:8 250:12 400:18 650:27 1000:41
C 5    4.0:0   15:1  25:2  40:3  65:5  100:8 150:12 250:18 400:27 650:41
D 8    2.5:0   10:1  15:2  25:3  40:5  65:8  100:12 150:18 250:27 400:41
E 13   1.5:0   6.5:1 10:2  15:3  25:5  40:8  65:12  100:18 150:27 250:41
F 20   1.0:0   4.0:1 6.5:2 10:3  15:5  25:8  40:12  65:18
G 32   0.65:0  2.5:1 4.0:2 6.5:3 10:5  15:8  25:12  40:18
H 50   0.40:0  1.5:1 2.5:2 4.0:3 6.5:5 10:8  15:12  25:18
J 80   0.25:0  1.0:1 1.5:2 2.5:3 4.0:5 6.5:8 10:12  15:18
K 125  0.15:0  0.65:1 1.0:2 1.5:3 2.5:5 4.0:8 6.5:12 10:18
L 200  0.10:0  0.40:1 0.65:2 1.0:3 1.5:5 2.5:8 4.0:12 6.5:18
M 315  0.065:0 0.25:1 0.40:2 0.65:3 1.0:5 1.5:8 2.5:12 4.0:18
N 500  0.040:0 0.15:1 0.25:2 0.40:3 0.65:5 1.0:8 1.5:12 2.5:18
P 800  0.025:0 0.10:1 0.15:2 0.25:3 0.40:5 0.65:8 1.0:12 1.5:18
Q 1250 0.015:0 0.065:1 0.10:2 0.15:3 0.25:5 0.40:8 0.65:12 1.0:18
R 2000 0.010:0 0.040:1 0.065:2 0.10:3 0.15:5 0.25:8 0.40:12 0.65:18
S 3150 0.025:1
"""
REDUCED = """
F 8    0.65:0  4.0:1 6.5:2 10:3  15:5  25:6  40:8  65:10
G 13   0.40:0  2.5:1 4.0:2 6.5:3 10:5  15:6  25:8  40:10
H 20   0.25:0  1.5:1 2.5:2 4.0:3 6.5:5 10:6  15:8  25:10
J 32   0.15:0  1.0:1 1.5:2 2.5:3 4.0:5 6.5:6 10:8  15:10
K 50   0.10:0  0.65:1 1.0:2 1.5:3 2.5:5 4.0:6 6.5:8 10:10
L 80   0.065:0 0.40:1 0.65:2 1.0:3 1.5:5 2.5:6 4.0:8 6.5:10
M 125  0.040:0 0.25:1 0.40:2 0.65:3 1.0:5 1.5:6 2.5:8 4.0:10
N 200  0.025:0 0.15:1 0.25:2 0.40:3 0.65:5 1.0:6 1.5:8 2.5:10
P 315  0.015:0 0.10:1 0.15:2 0.25:3 0.40:5 0.65:6 1.0:8 1.5:10
Q 500  0.010:0 0.065:1 0.10:2 0.15:3 0.25:5 0.40:6 0.65:8 1.0:10
R 800  0.040:1 0.065:2 0.10:3 0.15:5 0.25:6 0.40:8 0.65:10
"""
# Arrows between Ac 0 and Ac 1 of a row: up to the larger AQL's zero, or down to a larger sample.
BETWEEN = {"normal": "^v", "tightened": "vv", "reduced": "^vv"}


def _printed(table: str) -> dict[str, tuple[int, dict[str, int]]]:
    """letter -> (sample size, {AQL: Ac})."""
    rows = (line.split() for line in table.strip().splitlines())
    return {
        letter: (int(n), {aql: int(accept) for aql, _, accept in (each.partition(":") for each in cells)})
        for letter, n, *cells in rows
    }


@pytest.mark.parametrize(("severity", "table"), [("normal", NORMAL), ("tightened", TIGHTENED), ("reduced", REDUCED)])
def test_every_printed_cell_of_the_master_tables(severity: str, table: str) -> None:
    for letter, (n, cells) in _printed(table).items():
        for aql, accept in cells.items():
            start = "R" if letter == "S" else letter
            assert master_plan(start, aql, severity) == (letter, n, accept), (severity, letter, aql)


@pytest.mark.parametrize(("severity", "table"), [("normal", NORMAL), ("tightened", TIGHTENED)])
def test_every_arrow_of_the_master_tables_leads_to_the_next_printed_cell(severity: str, table: str) -> None:
    printed = _printed(table)
    letters = list(printed)
    for letter in LETTERS:
        for aql in AQLS:
            if aql in printed[letter][1]:
                continue
            column = [(each, *_cell(printed, each, aql)) for each in letters if aql in printed[each][1]]
            at = letters.index(letter)
            above = [each for each in column if letters.index(each[0]) < at]
            below = [each for each in column if letters.index(each[0]) > at]
            down = _arrow(severity, printed[letter][1], aql) == "v"
            # There is no plan beyond the table's border: the arrow there points back.
            expected = below[0] if (down and below) or not above else above[-1]
            assert master_plan(letter, aql, severity) == expected, (severity, letter, aql)


def _cell(printed: dict[str, tuple[int, dict[str, int]]], letter: str, aql: str) -> tuple[int, int]:
    n, cells = printed[letter]
    return n, cells[aql]


def _arrow(severity: str, cells: dict[str, int], aql: str) -> str:
    """Left of a row's numbers down, between 0 and 1 as the table has it, right of them up."""
    place, one = AQLS.index(aql), AQLS.index(next(each for each, accept in cells.items() if accept == 1))
    if place > one:
        return "^"
    back = BETWEEN[severity][::-1]
    return back[one - place - 1] if one - place <= len(back) else "v"


def test_table_1() -> None:
    sizes = (8, 15, 25, 50, 90, 150, 280, 500, 1200, 3200, 10_000, 35_000, 150_000, 500_000, 500_001)
    assert "".join(code_letter(size, "II") for size in sizes) == "ABCDEFGHJKLMNPQ"
    assert "".join(code_letter(size, "I") for size in sizes) == "AABCCDEFGHJKLMN"
    assert "".join(code_letter(size, "III") for size in sizes) == "BCDEFGHJKLMNPQR"
    assert "".join(code_letter(size, "S-4") for size in sizes) == "AABCCDEEFGGHJJK"
    assert "".join(code_letter(size, "S-1") for size in sizes) == "AAAABBBBCCCCDDD"
    assert code_letter(9, "II") == "B"
    assert code_letter(501, "II") == "J"


@pytest.mark.parametrize(
    ("lot", "level", "aql", "severity", "expected"),
    [
        # lots of 1,000 at level II: letter J
        (1000, "II", "1.0", "normal", ("J", "J", 80, 2, 3)),
        (1000, "II", "2.5", "normal", ("J", "J", 80, 5, 6)),
        (1000, "II", "1.0", "tightened", ("J", "J", 80, 1, 2)),
        (1000, "II", "1.0", "reduced", ("J", "J", 32, 1, 2)),
        # an arrow changes letter and sample size with it
        (400, "II", "0.65", "normal", ("H", "J", 80, 1, 2)),
        (400, "II", "0.40", "normal", ("H", "G", 32, 0, 1)),
        (4000, "II", "1.5", "normal", ("L", "L", 200, 7, 8)),
        (4000, "II", "1", "normal", ("L", "L", 200, 5, 6)),
    ],
)
def test_plans(lot: int, level: str, aql: str, severity: str, expected: tuple[str, str, int, int, int]) -> None:
    plan = sampling_plan(lot, level, aql, severity)
    assert (plan.initial_letter, plan.letter, plan.n, plan.accept, plan.reject) == expected
    assert not plan.hundred_percent


def test_a_sample_as_large_as_the_lot_is_a_hundred_percent_inspection() -> None:
    # letter D at 0.65 points down to F, n = 20
    assert sampling_plan(50, "II", "0.65").n == 20
    plan = sampling_plan(12, "II", "0.65")
    assert (plan.letter, plan.n, plan.accept, plan.hundred_percent) == ("F", 12, 0, True)
    assert sampling_plan(1, "II", "1.0").n == 1
    assert sampling_plan(0.4, "II", "1.0").n == 1


def test_every_cell_has_a_plan_and_severity_orders_them() -> None:
    for letter in LETTERS:
        for aql in AQLS:
            (_, n, accept), (_, m, tight) = master_plan(letter, aql, "normal"), master_plan(letter, aql, "tightened")
            # accepting is never easier: fewer allowed in as many, or as few in more
            assert tight <= accept or m > n
            assert master_plan(letter, aql, "reduced")[1] <= n


def test_what_the_tables_do_not_have_is_refused() -> None:
    for wrong in ({"aql": "3"}, {"level": "IV"}, {"severity": "strict"}, {"aql": "x"}):
        with pytest.raises(Invalid):
            sampling_plan(100, wrong.get("level", "II"), wrong.get("aql", "1.0"), wrong.get("severity", "normal"))
    with pytest.raises(Invalid):
        code_letter(1, "II")
