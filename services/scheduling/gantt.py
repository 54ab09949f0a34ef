"""A plan as a Gantt chart: one SVG file, a row for each machine, a colour for each order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from html import escape
from math import ceil

from services.scheduling.solver.problem import Plan, Planned, Problem

_WIDTH, _LEFT, _ROW, _TOP = 1200, 110, 22, 34
_MOST_TICKS = 12
_STEPS = (60, 300, 900, 3600, 7200, 14_400, 28_800, 86_400, 172_800, 604_800, 1_209_600, 2_592_000)


def gantt_svg(problem: Problem, plan: Plan) -> str:
    """The chart as text. Setups are hatched, late orders outlined; closed time is grey."""
    rows = [each.id for each in problem.machines]
    if any(not each.machine for each in plan.operations):
        rows.append("")
    place = {name: _TOP + at * _ROW for at, name in enumerate(rows)}
    first = min((each.setup_start for each in plan.operations), default=0)
    last = max((each.end for each in plan.operations), default=1)
    scale = (_WIDTH - _LEFT - 10) / max(last - first, 1)

    def x(moment: int) -> float:
        return round(_LEFT + (min(max(moment, first), last) - first) * scale, 2)

    height = _TOP + _ROW * len(rows) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="11" role="img"><title>{escape(plan.solver)}</title>',
        '<defs><pattern id="setup" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="3" height="6" fill="#8a8f98"/></pattern></defs>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
    ]
    parts += _closed(problem, place, x, first, last)
    parts += _ticks(problem, x, first, last, height)
    for name, top in place.items():
        parts.append(f'<text x="4" y="{top + 15}" fill="#1b1f24">{escape(name or "—")}</text>')
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{top + _ROW}" y2="{top + _ROW}" stroke="#dfe3e8"/>')
    order_of = {each.id: each.order for each in problem.operations}
    hue = {each.id: at * 137 % 360 for at, each in enumerate(problem.orders)}
    late = _late(problem, plan, order_of)
    for each in plan.operations:
        order = order_of[each.operation]
        parts += _bar(each, order, hue.get(order, 0), order in late, place[each.machine], x)
    return "".join([*parts, "</svg>"])


def _late(problem: Problem, plan: Plan, order_of: dict[str, str]) -> set[str]:
    ends: dict[str, int] = {}
    for each in plan.operations:
        order = order_of[each.operation]
        ends[order] = max(ends.get(order, each.end), each.end)
    return {each.id for each in problem.orders if each.due is not None and ends.get(each.id, each.due) > each.due}


def _bar(each: Planned, order: str, hue: int, late: bool, top: int, x: Callable[[int], float]) -> list[str]:
    begin, start, end = x(each.setup_start), x(each.start), x(each.end)
    found = []
    if start > begin:
        found.append(
            f'<rect x="{begin}" y="{top + 5}" width="{round(start - begin, 2)}" height="12" fill="url(#setup)"/>'
        )
    outline = ' stroke="#c62828" stroke-width="1.5"' if late else ""
    found.append(
        f'<rect x="{start}" y="{top + 3}" width="{round(max(end - start, 0.6), 2)}" height="16" rx="2" '
        f'fill="hsl({hue} 55% 62%)"{outline}><title>{escape(each.operation)} · {escape(order)}</title></rect>'
    )
    if end - start > 7 * len(each.operation):
        found.append(f'<text x="{start + 3}" y="{top + 15}" fill="#1b1f24">{escape(each.operation)}</text>')
    return found


def _closed(problem: Problem, place: dict[str, int], x: Callable[[int], float], first: int, last: int) -> list[str]:
    found: list[str] = []
    for machine in problem.machines:
        if machine.windows is None:
            continue
        end = first
        for window in [*machine.windows, (max(problem.horizon, end), last)]:
            if window[0] > end and end < last:
                begin, width = x(end), round(x(window[0]) - x(end), 2)
                top, size = place[machine.id] + 1, f'width="{width}" height="{_ROW - 1}"'
                found.append(f'<rect x="{begin}" y="{top}" {size} fill="#f0f2f4"/>')
            end = max(end, window[1])
    return found


def _ticks(problem: Problem, x: Callable[[int], float], first: int, last: int, height: int) -> list[str]:
    found: list[str] = []
    step = next((each for each in _STEPS if (last - first) / each <= _MOST_TICKS), _STEPS[-1])
    for moment in range(ceil(first / step) * step, last + 1, step):
        told = (problem.origin + timedelta(seconds=moment)).strftime("%m-%d" if step >= 86_400 else "%m-%d %H:%M")
        left = x(moment)
        found.append(f'<line x1="{left}" x2="{left}" y1="{_TOP - 8}" y2="{height - 8}" stroke="#e6e9ed"/>')
        found.append(f'<text x="{left}" y="{_TOP - 14}" text-anchor="middle" fill="#57606a">{told}</text>')
    return found
