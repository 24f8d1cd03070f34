----------------------------- MODULE TraceState -----------------------------
(***************************************************************************)
(* Runs of the real thing, held against module State: programs under one   *)
(* name that commit positions. See TraceSegment for how this works.        *)
(*                                                                         *)
(* An event: op, the action; a, the program; n, an input, or how many of   *)
(* them a position covers.                                                 *)
(*                                                                         *)
(* Module State leaves open whether a commit is refused that finds the     *)
(* place which it saw, once some position was set by hand. The code must   *)
(* not: it refuses where another place is, or where the position was set   *)
(* since the program saw it. Who saw it before that is in `outdated`.      *)
(***************************************************************************)
EXTENDS State, StateEvents, TLC

VARIABLES v, i,    \* the variant, and how many of its events have happened
  outdated

Edit == Variants[v]
Run == Runs[Edit.run]
Length == Len(Run) - (IF Edit.kind = "drop" THEN 1 ELSE 0)
Event(k) ==
  CASE Edit.kind = "drop" /\ k >= Edit.at -> Run[k + 1]
    [] Edit.kind = "swap" /\ k = Edit.at -> Run[k + 1]
    [] Edit.kind = "swap" /\ k = Edit.at + 1 -> Run[k - 1]
    [] Edit.kind = "change" /\ k = Edit.at -> Edit.to
    [] OTHER -> Run[k]

MayRefuse(p) == MayCommit(p) => p \in outdated

\* The code looks no further than to the end before it says that it passed by the rest.
PassByAll(p) == p \in Apart /\ PassBy(p) /\ base'[p] = Inputs

Acts(e) ==
  CASE e.op = "LockName" -> LockName(e.a)
    [] e.op = "ReadEntry" -> ReadEntry(e.a) /\ base'[e.a] = e.n
    [] e.op = "Process" -> Process(e.a) /\ out'[e.a] = e.n
    [] e.op = "CommitBoth" -> CommitBoth(e.a) /\ base'[e.a] = e.n
    [] e.op = "CommitPosition" -> CommitPosition(e.a) /\ base'[e.a] = e.n
    [] e.op = "PassBy" -> PassBy(e.a) /\ base'[e.a] = e.n
    [] e.op = "CommitRefused" -> CommitRefused(e.a) /\ MayRefuse(e.a)
       \* To an operator, who has made nothing.
    [] e.op = "SetRefused" -> UNCHANGED vars /\ MayRefuse(e.a)
    [] e.op = "SetPosition" -> SetPosition(e.a, e.n)
    [] e.op = "Sync" -> IF safe < Len(log) THEN Sync ELSE UNCHANGED vars
    [] e.op = "LoseLock" -> LoseLock(e.a)
    [] e.op = "Die" -> Die(e.a)
    [] e.op = "PowerLoss" -> PowerLoss /\ Entry' = e.n
       \* The call in which somebody dies may have done its work, or not.
    [] e.op = "CommitMay" -> CommitBoth(e.a) \/ CommitPosition(e.a) \/ PassByAll(e.a) \/ UNCHANGED vars
    [] OTHER -> FALSE

Happens(e) ==
  /\ Acts(e)
  /\ outdated' = CASE e.op = "SetPosition" -> Programs \ {e.a}
                   [] e.op \in {"ReadEntry", "CommitBoth", "CommitPosition", "PassBy"} -> outdated \ {e.a}
                   [] OTHER -> outdated

Kept == TypeOK /\ ExactlyOnce /\ AtLeastOnce /\ SetsWhatItSaw /\ OnlyProgress

TraceInit == Init /\ v \in {m \in 1..Len(Variants) : Variants[m].kind = "none"} /\ i = 0 /\ outdated = {}
Mutate ==
  /\ Edit.kind = "none" /\ i < Len(Run)
  /\ v' \in Run[i + 1].m
  /\ UNCHANGED <<vars, i, outdated>>
GoOn ==
  /\ i < Length
  /\ IF Kept THEN Happens(Event(i + 1)) ELSE FALSE
  /\ i' = i + 1 /\ UNCHANGED v
TraceNext == GoOn \/ Mutate
TraceSpec == TraceInit /\ [][TraceNext]_<<vars, v, i, outdated>>

\* Never violated: it is asked of every state so that the ends are told.
Tell ==
  /\ (i = Length /\ Kept) => PrintT(<<"end", v>>)
  /\ Edit.kind = "none" => PrintT(<<"at", v, i>>)

\* Asked of one run alone: violated by it, or it got stuck.
Unfinished == ~(i = Length /\ Kept)
=============================================================================
