"""The scheduler against public instances, plain CP-SAT and dispatching rules: `make bench-scheduling`.

Two workers, wall clock. On public instances ours and plain CP-SAT run one after the other with the same limit; ratios
are to the best known upper bound. On generated shops the ratio is that of weighted tardiness to the best of the rules.

python -m tests.bench.scheduling [--sets mk,jobshop,...] [--seeds 5] [--out FILE]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean
from time import monotonic
from typing import Any

from services.scheduling.solver.kernel import COMPILED

# Read when the kernel is loaded, so before what follows.
os.environ.setdefault(COMPILED, "1")

from ortools.sat.python import cp_model

from services.scheduling.offline import instance_problem, prepare
from services.scheduling.solver.checker import check
from services.scheduling.solver.desk import explained
from services.scheduling.solver.engine import rules_plan, solve, stand
from services.scheduling.solver.generate import breakdown, busiest, generate_shop
from services.scheduling.solver.problem import Order, Plan, Problem, replanning
from services.scheduling.solver.promise import promise

DATA = Path(os.environ.get("MES_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data" / "scheduling"
_JOBSHOP = ["ft06", "ft10", "ft20", "la01", "la02", "la03", "la04", "la05", "la06", "la16", "la21", "la36", "ta01"]
PUBLIC: dict[str, tuple[float, list[str]]] = {
    "mk": (10, [f"flexible/mk{at:02d}" for at in range(1, 11)]),
    "jobshop": (20, [f"jobshop/{name}" for name in _JOBSHOP]),
    "hard": (20, [f"jobshop/{name}" for name in ("abz7", "swv01", "ta21")]),
    "behnke": (30, [f"flexible/{name}" for name in ("behnke20", "behnke60", "la21_rdata", "la21_vdata")]),
    "ta": (60, ["jobshop/ta41", "jobshop/ta71"]),
    "tai": (60, ["jobshop/tai_100_100_1"]),
    "bel": (5, ["jobshop/bel00", "jobshop/bel05"]),
}
SHOPS: dict[str, tuple[int, bool]] = {
    f"shop{'-full' if full else ''}-{size}": (size, full) for full in (False, True) for size in (1_000, 5_000, 10_000)
}
BREAKDOWNS: dict[str, tuple[int, bool]] = {
    f"breakdown{'-full' if full else ''}-{size}": (size, full) for full in (False, True) for size in (1_000, 5_000)
}
_SHOP_S = 60
_PLANNED_S, _SHORT_S = 30, 2
_HOUR = 3600
_NOW, _OUT, _SOON = 8 * _HOUR, 24 * _HOUR, 48 * _HOUR
"""A breakdown: when, for how long, and how far after it changes of machine count."""
_MOVED = 1800


def plain_cpsat(problem: Problem, seconds: float) -> int | None:
    """The makespan that CP-SAT finds by itself: optional intervals, no overlap, two workers."""
    cp, machines = cp_model.CpModel(), {each.id: [] for each in problem.machines}  # type: ignore[var-annotated]
    horizon = sum(max(each.seconds for each in one.alternatives) for one in problem.operations)
    makespan = cp.new_int_var(0, horizon, "")
    ends: dict[str, Any] = {}
    for one in problem.operations:
        start, end = cp.new_int_var(0, horizon, ""), cp.new_int_var(0, horizon, "")
        present = []
        for each in one.alternatives:
            literal = cp.new_bool_var("")
            machines[each.machine].append(cp.new_optional_fixed_size_interval_var(start, each.seconds, literal, ""))
            cp.add(end == start + each.seconds).only_enforce_if(literal)
            present.append(literal)
        cp.add_exactly_one(present)
        for before in one.predecessors:
            cp.add(start >= ends[before.operation])
        ends[one.id] = end
        cp.add(makespan >= end)
    for intervals in machines.values():
        cp.add_no_overlap(intervals)
    cp.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds, solver.parameters.num_workers = seconds, 2
    status = solver.solve(cp)
    return round(solver.objective_value) if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else None


def run(problem: Problem, seconds: float) -> tuple[Plan, float, float]:
    """(plan, time to the first plan, time in all); every plan is checked."""
    first: list[float] = []
    began = monotonic()
    plan = solve(problem, seconds=seconds, on_plan=lambda _: first.append(monotonic() - began))
    taken = monotonic() - began
    if wrong := check(problem, plan):
        raise SystemExit(f"not a valid plan: {wrong[:3]}")
    return plan, first[0], taken


def public(name: str, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One set of public instances."""
    with (DATA / "best_known.csv").open(encoding="utf-8") as file:
        known = {row["file"].removesuffix(".txt"): int(row["upper_bound"]) for row in csv.DictReader(file)}
    seconds, found = PUBLIC[name][0], []
    for path in PUBLIC[name][1]:
        problem = instance_problem(DATA / f"{path}.txt")
        plan, first, taken = run(problem, seconds)
        other = plain_cpsat(problem, seconds)
        best = known[path]
        row = {
            "instance": path.rpartition("/")[2], "best": best, "ours": plan.score.makespan,
            "ratio": plan.score.makespan / best, "bound": plan.bound, "status": plan.status,
            "first": first, "seconds": taken, "cpsat": other, "cpsat_ratio": other / best if other else None,
        }  # fmt: skip
        found.append(row)
        told = f"{row['cpsat_ratio']:.4f}" if other else "nothing"
        say(
            f"| {row['instance']} | {best} | {row['ours']} | {row['ratio']:.4f} | {plan.bound} | {first:.2f} s | "
            f"{taken:.1f} s | {told} |"
        )
    others = [row["cpsat_ratio"] for row in found if row["cpsat_ratio"]]
    say(f"| mean | | | {mean(row['ratio'] for row in found):.4f} | | | | {mean(others) if others else 0:.4f} |")
    return found


def shops(name: str, seeds: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Generated shops of one size."""
    (size, full), found = SHOPS[name], []
    for seed in range(1, seeds + 1):
        problem = generate_shop(size, seed, full=full)
        began = monotonic()
        rules = rules_plan(problem)
        ruled = monotonic() - began
        plan, first, taken = run(problem, _SHOP_S)
        late = _late(problem, rules)
        ratio = plan.score.tardiness / max(rules.score.tardiness, 1)
        found.append({"seed": seed, "late": late, "rules": rules.score.tardiness, "ours": plan.score.tardiness,
                      "ratio": ratio, "first": first, "seconds": taken})  # fmt: skip
        say(
            f"| {size}{' full' if full else ''} | {seed} | {late:.0%} | {rules.score.tardiness / 3600:.0f} h "
            f"({ruled:.1f} s) | {plan.score.tardiness / 3600:.0f} h | {ratio:.3f} | {first:.2f} s | {taken:.1f} s |"
        )
    say(f"| mean | | | | | {mean(row['ratio'] for row in found):.3f} | | |")
    return found


def breakdowns(name: str, seeds: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Generated shops in which the busiest machine breaks down: doing nothing, the rules, a short and a long replan."""
    (size, full), found = BREAKDOWNS[name], []
    for seed in range(1, seeds + 1):
        shop = generate_shop(size, seed, full=full)
        plan = solve(shop, seconds=_PLANNED_S)
        machine = busiest(plan, _NOW, _OUT)
        problem = replanning(breakdown(shop, plan, _NOW, machine, _NOW + _OUT))
        began = monotonic()
        ways = [("doing nothing", stand(problem), monotonic() - began)]
        began = monotonic()
        ways.append(("rules", rules_plan(replace(problem, stability=0)), monotonic() - began))
        for seconds in (_SHORT_S, _SHOP_S):
            made, first, _ = run(problem, seconds)
            ways.append((f"{seconds} s", made, first))
        for way, made, first in ways:
            row = {"seed": seed, "way": way, "missed": made.score.missed, "tardiness": made.score.tardiness,
                   **_difference(problem, made, machine), "first": first}  # fmt: skip
            found.append(row)
            say(
                f"| {size}{' full' if full else ''} | {seed} | {way} | {row['missed']} | "
                f"{row['tardiness'] / _HOUR:.0f} h | {row['changed']:.1%} | {row['forced']:.1%} | {row['moved']:.0%} | "
                f"{first:.2f} s |"
            )
        short, long = (made.score.tardiness for _, made, _ in ways[-2:])
        say(f"| | {seed} | {_SHORT_S} s to {_SHOP_S} s | | {short / max(long, 1):.3f} | | | | |")
    return found


def _difference(problem: Problem, plan: Plan, machine: str) -> dict[str, float]:
    """Shares: on another machine within 48 hours; forced off the one that is out, apart; starts moved by 30 minutes."""
    soon = changed = forced = moved = 0
    for each in plan.operations:
        if (stood := problem.current.get(each.operation)) is None:
            continue
        moved += abs(each.start - stood.start) > _MOVED
        if min(each.start, stood.start) < problem.now + _SOON:
            soon += 1
            out = stood.machine == machine and stood.start < problem.now + _OUT
            forced += each.machine != stood.machine and out
            changed += each.machine != stood.machine and not out
    return {"changed": changed / soon, "forced": forced / soon, "moved": moved / len(problem.current)}


def questions(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Explaining every late order, a promise date, doing nothing and the check of a plan: the best of three each."""
    found = []
    for size, full in ((1000, False), (1000, True), (5000, False), (5000, True)):
        problem = generate_shop(size, 1, full=full)
        plan = rules_plan(problem)
        stands = replace(problem, current={each.operation: each for each in plan.operations})
        pattern = [each for each in problem.operations if each.order == problem.orders[2].id]
        new = [
            replace(
                each, id=f"new {each.id}", order="new",
                predecessors=tuple(replace(link, operation=f"new {link.operation}") for link in each.predecessors),
            )
            for each in pattern
        ]  # fmt: skip
        asked = replace(stands, orders=[*stands.orders, Order("new")], operations=[*stands.operations, *new])
        explained_plan = explained(stands)
        exact = all(
            sum(wait.seconds for wait in each.waits) - each.allowance == each.lateness for each in explained_plan.late
        )
        row = {
            "operations": size, "full": full, "late": len(explained_plan.late), "exact": exact,
            "explain": _best(partial(explained, stands)),
            "promise": _best(partial(promise, asked, "new")),
            "stand": _best(partial(stand, stands)),
            "check": _best(partial(check, problem, plan)),
        }  # fmt: skip
        found.append(row)
        say(
            f"| {size}{' full' if full else ''} | {row['late']} | {row['explain']:.2f} s, sums exact: {exact} | "
            f"{row['promise']:.2f} s | {row['stand'] * 1000:.0f} ms | {row['check'] * 1000:.0f} ms |"
        )
    return found


def _best(do: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        began = monotonic()
        do()
        times.append(monotonic() - began)
    return min(times)


def _late(problem: Problem, plan: Plan) -> float:
    order_of = {each.id: each.order for each in problem.operations}
    ends: dict[str, int] = {}
    for each in plan.operations:
        ends[order_of[each.operation]] = max(ends.get(order_of[each.operation], 0), each.end)
    return mean(ends[each.id] > each.due for each in problem.orders if each.due is not None)


def main() -> None:
    """Run the sets asked for, all by default."""
    words = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    words.add_argument("--sets", default=",".join([*PUBLIC, *SHOPS, *BREAKDOWNS, "questions"]))
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--out", type=Path)
    asked = words.parse_args()
    prepare()
    found: dict[str, Any] = {"machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors"}

    def say(line: str) -> None:
        print(line, flush=True)  # noqa: T201 - a command

    for name in asked.sets.split(","):
        if name in PUBLIC:
            say(f"\n### {name}, {PUBLIC[name][0]:g} s\n")
            say("| instance | best known | ours | ratio | bound | first plan | time | plain CP-SAT, same time |")
            say("| --- | --- | --- | --- | --- | --- | --- | --- |")
            found[name] = public(name, say)
        elif name in BREAKDOWNS:
            say(f"\n### {name}\n")
            say(
                "| operations | seed | | deadlines missed | weighted tardiness | other machine within 48 h | those "
                "forced, apart | starts moved by 30 minutes | first plan |"
            )
            say("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
            found[name] = breakdowns(name, asked.seeds, say)
        elif name == "questions":
            say("\n### questions\n")
            say("| operations | late orders | all explained, with remedies | promise date | do nothing | check |")
            say("| --- | --- | --- | --- | --- | --- |")
            found[name] = questions(say)
        else:
            say(f"\n### {name}, {_SHOP_S} s\n")
            say(
                "| operations | seed | late by the best rule | weighted tardiness by it | ours | ratio | first | time |"
            )
            say("| --- | --- | --- | --- | --- | --- | --- | --- |")
            found[name] = shops(name, asked.seeds, say)
        if asked.out is not None:
            asked.out.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
