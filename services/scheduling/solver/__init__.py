"""The engine: problem in, plan out; no clock of the domain, no global random, no database.

`engine.solve` is the port: rules at once, then annealing, tabu search or CP-SAT from their plan.
`process.SolverProcess` runs it in a process of its own. What a plan must keep is decided in one place, `decoder`, and
verified in another, `checker`, that shares no code with it:

- A machine does one operation at a time: setup, then run, measured in its working time. In working time the setup
  ends where the run begins; both pause while the machine is closed, but a run that may not be interrupted lies in one
  window.
- A setup may be made ahead of the predecessors' end and of release dates, never before now or before the machine is
  there. Its length follows from what the machine did before (`problem.SetupRow`).
- What is frozen, running or done stays exactly where it is given, even where that overlaps. Free operations go around
  it, and what they leave the machine set up for must not need more setup than the fixed operation after them has.
- Outside operations run around the clock and wait for no machine. From `Problem.horizon` on machines do, too.
"""
