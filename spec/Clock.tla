-------------------------------- MODULE Clock -------------------------------
(***************************************************************************)
(* What goes by age, and a steward whose clock shows anything (S-12, S-4,  *)
(* S-8, S-15). Nobody can know that a clock is right; so a steward goes by *)
(* what both its clocks and the stream say, and what is promised is this:  *)
(*                                                                         *)
(* - A pass after one in which the clock was right deletes nothing early,  *)
(*   whatever the clock shows by now.                                      *)
(* - A clock that is ahead by more than Bound and Gap together, and was at *)
(*   the end of the pass before, if there was one, deletes nothing that is *)
(*   early by more than Gap; though the maker of one segment, and those of *)
(*   records, had such clocks, too. (Clocks of writers that are ahead by   *)
(*   a few times Gap for years may lead from one believed time to another. *)
(*   So theirs are ahead by Gap at most here, or by far more.)             *)
(* - Who reads has Grace from when the limit was due and known.            *)
(*                                                                         *)
(* Of a segment there is the time at which it was made as its header says, *)
(* and the true one; it was sealed when the next one was made. Positions   *)
(* (S-10) and delete markers (S-7) go by the same believed time, and are   *)
(* left out.                                                               *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  MaxTime, MaxSegs, MaxTimes,
  Ahead,       \* by how much the steward's clock may be ahead
  AheadThere,  \* and those of writers
  Limits,      \* retention_ms is the highest of these; a pass may be told another (S-15)
  Grace,       \* pin_grace_ms
  Slack, Gap   \* 30 and 365 days, in small

VARIABLES
  now,         \* the true time
  segs,        \* the segments there are or were, the last one is active
  gone,        \* how many were deleted
  times,       \* timestamps of the active one: its opening checkpoint's, then of records blocks
  last,        \* what the steward saw at the end of its last pass; wall = -1: it has just begun
  pass         \* ghost: if that was a pass, how wrong the clock was, and what went early

vars == <<now, segs, gone, times, last, pass>>

Biggest(S) == CHOOSE x \in S : \A y \in S : x >= y
Max(a, b) == IF a >= b THEN a ELSE b
Min(a, b) == IF a <= b THEN a ELSE b
InSeq(s) == {s[i] : i \in 1..Len(s)}

None == [wall |-> -1, at |-> -1]
NoPass == [ahead |-> 0, right |-> FALSE, early |-> 0]
Limit == Biggest(Limits)
Bound == Limit + Slack

Init ==
  /\ now = 0 /\ segs = <<[made |-> 0, born |-> 0]>> /\ gone = 0 /\ times = <<0>>
  /\ last = None /\ pass = NoPass

\* S-8
Tick ==
  /\ now < MaxTime /\ now' = now + 1
  /\ pass' = NoPass /\ UNCHANGED <<segs, gone, times, last>>

\* A-9
Commit(ahead) ==     \* a records block
  /\ Len(times) < MaxTimes /\ times' = Append(times, now + ahead)
  /\ pass' = NoPass /\ UNCHANGED <<now, segs, gone, last>>

Wrong == {i \in 1..Len(segs) : segs[i].made > segs[i].born}

\* V-3, V-4, V-5
Roll(ahead) ==       \* only one segment is made by a clock that is ahead
  /\ Len(segs) < MaxSegs /\ (ahead > 0 => Wrong = {})
  /\ segs' = Append(segs, [made |-> now + ahead, born |-> now])
  /\ times' = <<Biggest(InSeq(times))>>
  /\ pass' = NoPass /\ UNCHANGED <<now, gone, last>>

There == (gone + 1)..Len(segs)
Newest ==
  CHOOSE i \in There : \A j \in There :
    segs[i].made > segs[j].made \/ (segs[i].made = segs[j].made /\ i >= j)

GoesOn(newest, time) == IF time <= newest + Gap THEN Max(newest, time) ELSE newest

RECURSIVE GoOn(_, _)
GoOn(newest, s) == IF s = <<>> THEN newest ELSE GoOn(GoesOn(newest, s[1]), SubSeq(s, 2, Len(s)))

\* S-12
NewestCredible ==    \* where there is only the active one, nothing can go
  LET others == {segs[i].made : i \in There \ {Newest}}
      second == IF others = {} THEN segs[Newest].made ELSE Biggest(others) IN
  GoOn(GoesOn(second, segs[Newest].made), times)

Expected == last.wall + (now - last.at)
Jumped(wall) == last # None /\ wall > Expected

\* S-12
Believed(wall) ==
  LET shown == IF Jumped(wall) THEN Expected ELSE wall IN
  IF NewestCredible + Bound < shown THEN NewestCredible ELSE shown

\* S-8
DueSince(i, limit) == segs[i + 1].made + limit

\* S-4
ForcedFrom(i, limit, time) ==    \* a limit for once counts from its pass on (S-15)
  Grace + IF limit = Limit THEN DueSince(i, limit) ELSE Max(DueSince(i, limit), time)

\* S-3, S-4
Goes(i, limit, held, time) ==
  /\ DueSince(i, limit) <= time
  /\ held => ForcedFrom(i, limit, time) <= time

Early(i, limit, held) ==     \* by how much it goes before its time
  LET from == IF held THEN Grace + Limit ELSE limit IN
  Max(0, segs[i + 1].born + from - now)

RECURSIVE Going(_, _, _, _)
Going(i, limit, held, time) ==   \* the highest that goes, from segment i on; the lowest one may be held
  IF i < Len(segs) /\ Goes(i, limit, held, time) THEN Going(i + 1, limit, FALSE, time) ELSE i - 1

\* S-15
Pass(ahead, limit, held) ==
  LET to == Going(gone + 1, limit, held, Believed(now + ahead))
      early == {Early(i, limit, held /\ i = gone + 1) : i \in (gone + 1)..to} IN
  /\ gone' = to
  /\ last' = [wall |-> now + ahead, at |-> now]
  /\ pass' = [ahead |-> IF last = None THEN ahead ELSE Min(ahead, last.wall - last.at),
              right |-> last # None /\ last.wall = last.at,
              early |-> Biggest(early \cup {0})]
  /\ UNCHANGED <<now, segs, times>>

\* M-3
StewardDies ==
  /\ last # None /\ last' = None
  /\ pass' = NoPass /\ UNCHANGED <<now, segs, gone, times>>

Next ==
  \/ Tick
  \/ \E ahead \in AheadThere \cup {0} : Commit(ahead)
  \/ \E ahead \in AheadThere \cup {0} : Roll(ahead)
  \/ \E ahead \in Ahead \cup {0}, limit \in Limits, held \in BOOLEAN : Pass(ahead, limit, held)
  \/ StewardDies

Spec == Init /\ [][Next]_vars

TypeOK == gone < Len(segs) /\ (last # None => last.at <= now)

\* S-12
JumpTakesNothing == pass.right => pass.early = 0

\* S-12
FarAheadTakesLittle == pass.ahead > Bound + Gap => pass.early <= Gap

\* S-15
GraceGiven ==        \* a right clock is never early, nor is force
  (pass.ahead = 0 /\ Wrong = {}) => pass.early = 0
=============================================================================
