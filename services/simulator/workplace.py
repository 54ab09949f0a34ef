"""One machine or bench with the person at it: takes the next job, sets up, starts, reports, finishes."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from math import exp

from services.simulator.client import Refused
from services.simulator.domain import Happening, Kind, Machine, Phase, Work
from services.simulator.gateway import Gateway
from services.simulator.signals import Controller
from services.simulator.views import Job, Place

log = logging.getLogger(__name__)

_HERE = {"Setup", "Running", "Paused"}
_SCRAP_REASONS = ("S-DIM", "S-BURR", "S-SCRATCH", "S-CRACK", "S-PIT")
# Who sees a refusal looks again after this while.
_LOOK_AGAIN = timedelta(minutes=3)
# Longer stops than this pause the job of a machine without signals.
_LONG_STOP = timedelta(minutes=20)
# How often somebody looks whether the machine's last counts have arrived before adding what is missing.
_LOOKS = 5
# A person without a counter writes down what was made this often.
_REPORT_EVERY = timedelta(hours=4)


@dataclass
class Workplace:
    """A place, its machine model, its controller if it has signals, and what is being done there.

    made: pieces that the person has seen made and not yet reported. job_id: what it is busy with, "" for nothing.
    """

    place: Place
    machine: Machine
    controller: Controller | None
    gateway: Gateway
    job_id: str = ""
    shift: str = ""
    reported: Decimal = Decimal(0)
    reported_at: datetime | None = None
    finished_at: datetime | None = None
    trial_done: bool = False
    looks: int = 0
    look_again: datetime | None = None
    stopped: list[tuple[datetime, str]] = field(default_factory=list)

    # ---- time ----

    def move_on(self, now: datetime) -> None:
        """Let the machine work until now, and remember what happened."""
        self._note(self.machine.advance(now))
        if self.controller:
            self.controller.beat(now)

    def _note(self, happened: Sequence[Happening]) -> None:
        if self.controller:
            self.controller.say(happened)
        for each in happened:
            if each.kind is Kind.FINISHED:
                self.finished_at = each.at
            elif each.kind is Kind.DOWN:
                self.stopped.append((each.at, each.reason))

    def next_event(self, now: datetime) -> datetime | None:
        """When somebody has to look here again by itself."""
        moments = [self.machine.next_event(), self.look_again]
        if self.job_id and not self.machine.working.is_working(now):
            moments.append(self.machine.working.next_border(now))
        return min((each for each in moments if each is not None and each > now), default=None)

    def worker(self, now: datetime) -> str:
        """The code of the person who is there in this shift."""
        span = self.machine.working.current(now)
        return f"{self.place.no}-{span.shift}" if span else self.place.no

    # ---- work ----

    async def attend(
        self, jobs: Mapping[str, Job], queue: Sequence[Job], gated: Collection[str], now: datetime
    ) -> bool:
        """Do what there is to do here now; whether anybody should look again at once, because more may be possible now.

        jobs: all by id; queue: those of this place in their order; gated: those whose first article is being inspected.
        """
        await self._tell_of_stops()
        if not self.machine.working.is_working(now) or (self.look_again and self.look_again > now):
            return False
        self.look_again = None
        try:
            return await self._act(jobs, queue, gated, now)
        except Refused as refused:
            log.info("refused", extra={"place": self.place.no, "job": self.job_id, "why": str(refused)})
            self.look_again = now + _LOOK_AGAIN
            return False

    async def _act(self, jobs: Mapping[str, Job], queue: Sequence[Job], gated: Collection[str], now: datetime) -> bool:
        job = jobs.get(self.job_id) if self.job_id else None
        if self.job_id and (job is None or job.state not in _HERE or job.equipment_id != self.place.id):
            self._leave(now)
            job = None
        if job is None:
            job = self._already_here(jobs) or self._choose(queue, now)
            return await self._begin(job, now) if job is not None else False
        if job.state == "Setup":
            return await self._after_setup(job, gated, now)
        if job.state == "Paused":
            return await self._go_on(job, now)
        done = await self._tend(job, now)
        if done and not self.job_id:
            # The place is free: the next job need not wait for another look at the list.
            following = self._choose([each for each in queue if each.id != job.id], now)
            if following is not None:
                await self._begin(following, now)
        return done

    def _already_here(self, jobs: Mapping[str, Job]) -> Job | None:
        """A job that was begun here before a restart or a hold."""
        return next((job for job in jobs.values() if job.equipment_id == self.place.id and job.state in _HERE), None)

    def _choose(self, queue: Sequence[Job], now: datetime) -> Job | None:
        """The first of the list if it can be started, else the first whose time has come."""
        if self.machine.phase is not Phase.IDLE:
            return None
        open_jobs = [job for job in queue if job.state in {"Ready", "Waiting"}]
        for place, job in enumerate(open_jobs):
            if job.state != "Ready" or not job.allowed:
                continue
            if place == 0 or job.planned_start is None or job.planned_start <= now:
                return job
        return None

    async def _begin(self, job: Job, now: datetime) -> bool:
        """Begin a job, or go on with one that was begun here; a begin makes nothing else possible."""
        self._take(job)
        if job.state != "Ready":
            return True
        if job.setup_s > 0 or job.first_article:
            await self.gateway.start_setup(job.id, self.place.id, self.worker(now))
            seconds = (
                job.setup_s * exp(self.machine.random.gauss(0.0, 0.15))
                if self.machine.profile.cycle_noise
                else job.setup_s
            )
            self._note(self.machine.begin_setup(now, seconds))
            return False
        await self._start(job, now)
        return False

    def _take(self, job: Job) -> None:
        self.job_id, self.finished_at, self.trial_done, self.looks = job.id, None, False, 0
        self.reported, self.reported_at = Decimal(0), None

    def _leave(self, now: datetime) -> None:
        """The job is held, was taken elsewhere or is over: the machine stops for it."""
        self._note(self.machine.stop(now))
        self.job_id, self.finished_at = "", None

    async def _after_setup(self, job: Job, gated: Collection[str], now: datetime) -> bool:
        if self.machine.phase is not Phase.IDLE:
            return False
        if job.first_article and not self.trial_done:
            await self.gateway.trial(job.id, self.worker(now), 1)
            self.trial_done, self.look_again = True, now + _LOOK_AGAIN
            return True
        if job.id in gated:
            self.look_again = now + _LOOK_AGAIN
            return False
        await self._start(job, now)
        return False

    async def _start(self, job: Job, now: datetime) -> None:
        await self.gateway.start(job.id, self.place.id, self.worker(now))
        self._run(job, now)

    def _run(self, job: Job, now: datetime) -> None:
        self.shift = self.worker(now)
        self.reported, self.reported_at, self.finished_at = Decimal(0), now, None
        work = Work(job.id, float(job.remaining), max(job.run_s, 0.001), job.pieces_per_count)
        self._note(self.machine.begin_run(now, work))

    async def _go_on(self, job: Job, now: datetime) -> bool:
        if self.machine.phase is Phase.DOWN:
            return False
        await self.gateway.resume(job.id, self.worker(now))
        if self.machine.work is None:
            self._run(job, now)
        return True

    async def _tend(self, job: Job, now: datetime) -> bool:
        """A running job: finish it, hand it over, write down what was made, pause it in a long stop."""
        if self.finished_at is not None:
            if self.controller and job.remaining > 0 and self.looks < _LOOKS:
                # The last counts are still on their way through the house.
                self.looks += 1
                return True
            return await self._finish(job, now)
        if self.machine.phase is Phase.IDLE:
            self._run(job, now)
            return True
        if self.machine.phase is Phase.DOWN:
            return await self._pause_if_long(job, now)
        if self.shift and self.worker(now) != self.shift:
            before, self.shift = self.shift, self.worker(now)
            await self._write_down(job, before, now)
            await self.gateway.hand_over(job.id, before, self.shift)
            return True
        if self.reported_at and now - self.reported_at >= _REPORT_EVERY:
            return await self._write_down(job, self.worker(now), now)
        return False

    async def _pause_if_long(self, job: Job, now: datetime) -> bool:
        until = self.machine.repaired_at
        if self.controller or until is None or until - now < _LONG_STOP:
            return False
        await self._write_down(job, self.worker(now), now)
        await self.gateway.pause(job.id, self.worker(now), "P-DOWN")
        return True

    async def _write_down(self, job: Job, worker: str, now: datetime) -> bool:
        """Report what was made since the last time, where no counter does it."""
        made = Decimal(int(self.machine.work.made)) if self.machine.work else Decimal(0)
        self.reported_at = now
        if self.controller or made <= self.reported:
            return False
        pieces = made - self.reported
        scrap = Decimal(self.machine.scrap_among(int(pieces)))
        await self.gateway.report(job.id, worker, pieces - scrap, scrap, now, reason=self._why_scrap())
        self.reported = made
        return True

    async def _finish(self, job: Job, now: datetime) -> bool:
        assert self.finished_at is not None  # noqa: S101 - the caller looked
        if self.controller is None:
            scrap = Decimal(self.machine.scrap_among(int(job.remaining)))
            good = job.remaining - scrap
            at, worker = self.finished_at, self.worker(now)
            await self.gateway.report(job.id, worker, good, scrap, at, reason=self._why_scrap(), final=True)
        else:
            await self._finish_counted(job, now)
        self.job_id, self.finished_at = "", None
        return True

    async def _finish_counted(self, job: Job, now: datetime) -> None:
        """The machine has counted; the person takes out the scrap, adds what no counter saw, and finishes."""
        worker = self.worker(now)
        if job.remaining > 0:
            await self.gateway.report(job.id, worker, job.remaining, Decimal(0), now)
        if scrap := self.machine.scrap_among(int(job.qty)):
            await self.gateway.scrap(job.id, worker, Decimal(scrap), self._why_scrap())
        await self.gateway.finish(job.id, worker)

    def _why_scrap(self) -> str:
        return self.machine.random.choice(_SCRAP_REASONS)

    async def _tell_of_stops(self) -> None:
        """A person reports the stop of a machine that cannot say it itself."""
        stopped, self.stopped = self.stopped, []
        for at, reason in stopped:
            if self.controller is None:
                try:
                    await self.gateway.stop_machine(self.place.id, self.worker(at), reason, at)
                except Refused as refused:
                    log.info("stop refused", extra={"place": self.place.no, "why": str(refused)})
