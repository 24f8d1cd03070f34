---------------------------- MODULE TraceSegment ----------------------------
(***************************************************************************)
(* Runs of the real thing, held against module Segment: each event must be *)
(* the action of the specification that it names, done by whom it names,   *)
(* with the positions, offsets and findings that were logged.              *)
(*                                                                         *)
(* SegmentEvents, generated, has Runs (sequences of events) and Variants:  *)
(* a run as it was, or with one event dropped, swapped with the next, or   *)
(* changed. A variant that comes to its last event without a promise being *)
(* broken on the way is printed. All others got stuck, which is what must  *)
(* become of every variant but the runs as they were.                      *)
(*                                                                         *)
(* An event: op, the action; a, the writer or reader; p, a position in     *)
(* units; n, an offset; l, a word; u, what is left after a loss of power.  *)
(***************************************************************************)
EXTENDS Segment, SegmentEvents, TLC

VARIABLES v, i     \* the variant, and how many of its events have happened

Edit == Variants[v]
Run == Runs[Edit.run]
Length == Len(Run) - (IF Edit.kind = "drop" THEN 1 ELSE 0)
Event(k) ==
  CASE Edit.kind = "drop" /\ k >= Edit.at -> Run[k + 1]
    [] Edit.kind = "swap" /\ k = Edit.at -> Run[k + 1]
    [] Edit.kind = "swap" /\ k = Edit.at + 1 -> Run[k - 1]
    [] Edit.kind = "change" /\ k = Edit.at -> Edit.to
    [] OTHER -> Run[k]

\* Where a writer is by now, and what it expects to give next.
EndIs(e) == EndOf(mem'[e.a]) = e.p
OffsetIs(e) == OffsetOf(mem'[e.a]) = e.n
Begun(e) == made'[job'[e.a]].at = e.p /\ made'[job'[e.a]].size = e.n

\* What may survive, if it is this.
PowerLossTo(n, units) ==
  /\ n \in mayLen
  /\ \A u \in 1..Units : units[u] \in IF u > n THEN {Zero} ELSE Survives(u)
  /\ IsLeft(n, units)
  /\ Restart

\* What is harmed in these runs was on the disk: so nobody may append any more (X-2).
WasHarmed == \E k \in 1..i : Event(k).op = "Harm"

Happens(e) ==
  CASE e.op = "Lock" -> Lock(e.a)
    [] e.op = "StepOver" -> StepOver(e.a) /\ EndIs(e) /\ OffsetIs(e)
    [] e.op = "Classify" ->
         Classify(e.a) /\ e.l = Finding(e.a)
    [] e.op = "StopDamaged" -> StopDamaged(e.a)
    [] e.op = "SaveTail" -> SaveTail(e.a)
    [] e.op = "Truncate" -> Truncate(e.a) /\ EndIs(e)
    [] e.op = "SyncCut" -> SyncCut(e.a) /\ EndIs(e)
    [] e.op = "RaiseEpoch" -> RaiseEpoch(e.a) /\ Begun(e)
    [] e.op = "SyncRaise" -> SyncRaise(e.a) /\ EndIs(e)
    [] e.op = "SyncEpoch" -> SyncEpoch(e.a) /\ EndIs(e)
    [] e.op = "Duplicate" -> Duplicate(e.a)
    [] e.op = "Leave" -> Leave(e.a)
    [] e.op = "Reserve" -> Reserve(e.a) /\ Begun(e)
    [] e.op = "WritePart" -> WritePart(e.a)
    [] e.op = "PutZeros" -> PutZeros(e.a) /\ len' = e.p
    [] e.op = "CutZeros" -> CutZeros(e.a)
    [] e.op = "Commit" -> Commit(e.a) /\ EndIs(e) /\ OffsetIs(e)
    [] e.op = "GiveUp" -> GiveUp(e.a) /\ EndIs(e) /\ (e.l = "left" => UNCHANGED unit)
    [] e.op = "Unlock" -> Unlock(e.a)
    [] e.op = "Sync" -> Sync(e.a) /\ EndIs(e)
    [] e.op = "Return" -> Return(e.a) /\ (e.l = "durable" => known[e.a] >= EndOf(mem[e.a]))
    [] e.op = "SyncFails" -> SyncFails(e.a) /\ EndIs(e)
    [] e.op = "SyncTells" -> SyncTells(e.a) /\ EndIs(e)
    [] e.op = "Rewrite" -> Rewrite(e.a) /\ EndIs(e)
    [] e.op = "SyncAgain" -> SyncAgain(e.a) /\ EndIs(e)
    [] e.op = "ReadStart" -> ReadStart(e.a) /\ Place(e.a) = e.p
    [] e.op = "ReadBody" -> ReadBody(e.a) /\ Place(e.a) = e.p
    [] e.op = "Deliver" -> Deliver(e.a) /\ Place(e.a) = e.p /\ (e.n >= 0 => OffsetOf(rd'[e.a].last) = e.n)
    [] e.op = "ReadAfresh" -> ReadAfresh(e.a) /\ Place(e.a) = e.p
    [] e.op = "LookBehind" -> LookBehind(e.a) /\ Place(e.a) = e.p
    [] e.op = "Resume" -> Resume(e.a)
    [] e.op = "Die" -> Die(e.a)
    [] e.op = "PowerLoss" -> PowerLossTo(e.p, [u \in 1..Units |-> IF u <= Len(e.u) THEN e.u[u] ELSE Zero])
    [] e.op = "Harm" -> Harm(e.p)
       \* The call in which somebody dies or fails may have done its work, or not.
    [] e.op = "MaybeWrite" -> WritePart(e.a) \/ UNCHANGED vars
    [] e.op = "Maybe" -> WriterStep(e.a) \/ UNCHANGED vars
    [] OTHER -> FALSE

Kept ==            \* all that is promised holds here; asked after losses of power, and at the end
  /\ WasHarmed => alarm
  /\ TypeOK /\ Atomic /\ Prefix /\ Durable /\ NothingDestroyed /\ NoStaleResurrection
  /\ NoDuplicate /\ RepairIdempotent /\ DurableToTrue /\ ToldOfCut

\* A mutation shares the states before it with its run.
TraceInit == Init /\ v \in {m \in 1..Len(Variants) : Variants[m].kind = "none"} /\ i = 0
Mutate ==
  /\ Edit.kind = "none" /\ i < Len(Run)
  /\ v' \in Run[i + 1].m
  /\ UNCHANGED <<vars, i>>
GoOn ==
  /\ i < Length
  /\ Happens(Event(i + 1))
  /\ i' = i + 1 /\ UNCHANGED v
  /\ Event(i + 1).op = "PowerLoss" => Kept'
TraceNext == GoOn \/ Mutate
TraceSpec == TraceInit /\ [][TraceNext]_<<vars, v, i>>

\* Never violated: it is asked of every state so that the ends are told.
Tell ==
  /\ (i = Length /\ Kept) => PrintT(<<"end", v>>)
  /\ Edit.kind = "none" => PrintT(<<"at", v, i>>)

\* Asked of one run alone: violated by it, or it got stuck.
Unfinished == ~(i = Length /\ Kept)
=============================================================================
