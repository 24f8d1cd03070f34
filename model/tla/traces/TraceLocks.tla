----------------------------- MODULE TraceLocks -----------------------------
(***************************************************************************)
(* Runs of the real thing, held against module Locks: producers, stewards  *)
(* and consumers that take, try and give back locks. See TraceSegment for  *)
(* how this works.                                                         *)
(*                                                                         *)
(* An event: op, the action; a, the process; p, the segment; n, whether a  *)
(* lock was had, or a number of records; l, a name, or what was done.      *)
(***************************************************************************)
EXTENDS Locks, LocksEvents, TLC

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

Happens(e) ==
  CASE e.op = "Lock" -> Lock(e.a)
    [] e.op = "CheckLockName" -> CheckLockName(e.a) /\ UNCHANGED fd
    [] e.op = "Commit" ->
         Commit(e.a) /\ committed' = e.n /\ (pc'[e.a] = "rolled" <=> e.l = "rolled")
    [] e.op = "Unlock" -> Unlock(e.a)
    [] e.op = "LockSteward" ->
         IF e.n = 1 THEN LockSteward(e.a) ELSE UNCHANGED vars /\ sl # Nobody
    [] e.op = "LockToExpire" -> LockToExpire(e.a)
    [] e.op = "Expire" -> Expire(e.a)
    [] e.op = "StewardTimesOut" -> StewardTimesOut(e.a)
    [] e.op = "TrySteward" -> TrySteward(e.a) /\ (e.n = 1 <=> sl' = e.a)
    [] e.op = "HoldUp" -> HoldUp(e.a)
    [] e.op = "TryExclusive" -> TryExclusive(e.a, e.p) /\ (e.n = 1 <=> excl'[e.p] = e.a)
    [] e.op = "Delete" -> Delete(e.a, e.p)
    [] e.op = "UnlockSteward" -> UnlockSteward(e.a)
    [] e.op = "LockName" -> LockName(e.a, e.l)
    [] e.op = "LockToLook" -> LockToLook(e.a)
    [] e.op = "Pin" -> Pin(e.a, e.p)
    [] e.op = "CheckName" -> CheckName(e.a) /\ in[e.a] = e.p /\ (e.n = 1 <=> pc'[e.a] = "read")
    [] e.op = "Read" -> Read(e.a) /\ e.n <= committed
    [] e.op = "HopPin" -> HopPin(e.a, e.p)
    [] e.op = "Unpin" -> Unpin(e.a) /\ in[e.a] = e.p
    [] e.op = "HopBack" -> HopBack(e.a)
    [] e.op = "WantCommit" -> WantCommit(e.a)
    [] e.op = "LockToCommit" -> LockToCommit(e.a)
    [] e.op = "CommitPosition" -> CommitPosition(e.a) /\ (pc'[e.a] = "rolled" <=> e.l = "rolled")
    [] e.op = "CommitTimesOut" -> CommitTimesOut(e.a)
    [] e.op = "GoAway" -> GoAway(e.a)
       \* A lock could not be had in time: then somebody holds it.
    [] e.op = "TimesOut" -> UNCHANGED vars /\ wl[fd[e.a]] # Nobody
    [] e.op = "PinTimesOut" -> UNCHANGED vars /\ excl[e.p] # Nobody
    [] OTHER -> FALSE

Kept == TypeOK /\ Exclusion /\ OneWriter /\ LockOrder /\ NothingKept

TraceInit == Init /\ v \in {m \in 1..Len(Variants) : Variants[m].kind = "none"} /\ i = 0
Mutate ==
  /\ Edit.kind = "none" /\ i < Len(Run)
  /\ v' \in Run[i + 1].m
  /\ UNCHANGED <<vars, i>>
GoOn ==
  /\ i < Length
  /\ IF Kept THEN Happens(Event(i + 1)) ELSE FALSE
  /\ i' = i + 1 /\ UNCHANGED v
TraceNext == GoOn \/ Mutate
TraceSpec == TraceInit /\ [][TraceNext]_<<vars, v, i>>

\* Never violated: it is asked of every state so that the ends are told.
Tell ==
  /\ (i = Length /\ Kept) => PrintT(<<"end", v>>)
  /\ Edit.kind = "none" => PrintT(<<"at", v, i>>)

\* Asked of one run alone: violated by it, or it got stuck.
Unfinished == ~(i = Length /\ Kept)
=============================================================================
