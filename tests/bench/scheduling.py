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
from services.scheduling.solver.problem import MACHINE_CHANGE_S, STABILITY, Order, Plan, Problem
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
_SHOP_S = 60
_MADE_S = 20


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


def breakdowns(say: Callable[[str], None], seeds: int) -> list[dict[str, Any]]:
    """The busiest machine is out for eight hours: 2 s against 60 s, and both against doing nothing."""
    found = []
    for size in (1000, 5000):
        for seed in range(1, seeds + 1):
            problem = generate_shop(size, seed)
            plan = solve(problem, seconds=_MADE_S)
            now = 8 * 3600
            machine = busiest(plan, now, 86_400)
            asked = replace(
                breakdown(problem, plan, now, machine, now + 8 * 3600), stability=STABILITY,
                machine_change_s=MACHINE_CHANGE_S,
            )  # fmt: skip
            nothing, quick, long = stand(asked), solve(asked, seconds=2), solve(asked, seconds=_SHOP_S)
            moved = [_moved(asked, each) for each in (nothing, quick, long)]
            row = {
                "operations": size, "seed": seed, "ratio": quick.score.tardiness / max(long.score.tardiness, 1),
                "changes": _changes(asked, quick, now + 48 * 3600), "moved": moved[1] / max(moved[0], 1e-9),
                "moved_long": moved[2] / max(moved[0], 1e-9), "changes_long": _changes(asked, long, now + 48 * 3600),
            }  # fmt: skip
            found.append(row)
            hours = [each.score.tardiness / 3600 for each in (nothing, quick, long)]
            say(
                f"| {size} | {seed} | {hours[0]:.0f} h | {hours[1]:.0f} h | {hours[2]:.0f} h | {row['ratio']:.3f} | "
                f"{row['changes']:.1%} ({row['changes_long']:.1%}) | {moved[0]:.0%} | "
                f"{row['moved']:.2f} ({row['moved_long']:.2f}) |"
            )
    return found


def _moved(problem: Problem, plan: Plan) -> float:
    """Share of operations whose start moved by more than half an hour."""
    stood = problem.current
    return mean(
        abs(each.start - stood[each.operation].start) > 1800 for each in plan.operations if each.operation in stood
    )


def _changes(problem: Problem, plan: Plan, until: int) -> float:
    """Share of operations before a moment, in either plan, that changed their machine."""
    pairs = [(each, problem.current[each.operation]) for each in plan.operations if each.operation in problem.current]
    return mean(one.machine != other.machine for one, other in pairs if min(one.start, other.start) < until)


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
    words.add_argument("--sets", default=",".join([*PUBLIC, *SHOPS, "breakdown", "questions"]))
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
        elif name == "breakdown":
            say("\n### breakdown\n")
            say(
                "| operations | seed | nothing done | ours, 2 s | ours, 60 s | ratio | machine changes in 48 h (60 s) "
                "| moved by doing nothing | moved, to that (60 s) |"
            )
            say("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
            found[name] = breakdowns(say, asked.seeds)
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
