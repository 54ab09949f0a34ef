"""Who lacks what for a job's skill."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.order.domain.skills import People, lacking

TODAY = date(2026, 3, 2)
SKILL = st.sampled_from(["CNC", "WELD", "BEND"])
WORKER = st.sampled_from(["W-1", "W-2", "W-3", "W-4"])
DAY = st.dates(date(2026, 2, 1), date(2026, 4, 1))
HELD = st.dictionaries(SKILL, st.none() | DAY)


@st.composite
def people(draw: st.DrawFn) -> People:
    """Some workers, and skills that only people who have left were registered with."""
    skills = draw(st.dictionaries(WORKER, HELD))
    left = draw(st.sets(SKILL))
    return People(skills, {skill for held in skills.values() for skill in held} | left)


def _codes(skill: str, workers: list[str], people: People, day: date = TODAY) -> list[tuple[str, str]]:
    return [(each.params["worker"], each.code) for each in lacking(skill, workers, people, day)]


def test_everybody_of_a_crew_is_asked_once() -> None:
    shop = People({"W-1": {"WELD": TODAY}, "W-2": {"WELD": TODAY - timedelta(1)}, "W-3": {"CNC": None}}, {"WELD"})
    crew = ["W-1", "W-2", "W-3", "W-9", "W-2"]
    assert _codes("WELD", crew, shop) == [
        ("W-2", "job.skill_expired"), ("W-3", "job.skill_missing"), ("W-9", "job.worker_unknown"),
    ]  # fmt: skip
    (expired,) = lacking("WELD", ["W-2"], shop, TODAY)
    assert expired.params == {"worker": "W-2", "skill": "WELD", "valid_to": "2026-03-01"}


def test_nothing_is_said_before_anybody_is_registered_with_a_skill() -> None:
    assert _codes("WELD", ["W-1", "W-9"], People({"W-1": {"CNC": None}}, {"CNC"})) == []
    assert _codes("", ["W-9"], People({"W-1": {"CNC": None}}, {"CNC"})) == []


def test_the_last_who_had_a_skill_leaving_does_not_make_everybody_qualified() -> None:
    assert _codes("WELD", ["W-1"], People({"W-1": {}}, {"WELD"})) == [("W-1", "job.skill_missing")]


@given(people(), SKILL, st.lists(WORKER, max_size=5), DAY)
def test_a_crew_lacks_what_its_members_lack(shop: People, skill: str, crew: list[str], day: date) -> None:
    found = lacking(skill, crew, shop, day)
    alone = [each for worker in dict.fromkeys(crew) for each in lacking(skill, [worker], shop, day)]
    assert found == alone
    for each in found:
        assert set(each.params) >= {"worker", "skill"} and each.params["worker"] in crew
    if skill in shop.registered:
        fit = {worker for worker in crew if skill in shop.skills.get(worker, {})
               and (shop.skills[worker][skill] or day) >= day}  # fmt: skip
        assert {each.params["worker"] for each in found} == set(crew) - fit
    else:
        assert found == []


@given(people(), SKILL, WORKER, DAY, st.integers(1, 30))
def test_who_lacks_a_skill_does_not_get_it_by_waiting(
    shop: People, skill: str, worker: str, day: date, days: int
) -> None:
    if lacking(skill, [worker], shop, day):
        assert lacking(skill, [worker], shop, day + timedelta(days))
