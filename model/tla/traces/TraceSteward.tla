---------------------------- MODULE TraceSteward ----------------------------
(***************************************************************************)
(* Runs of the real thing, held against module Steward: stewards and       *)
(* producers that delete, compaction, and a consumer that pins and hops.   *)
(* See TraceSegment for how this works.                                    *)
(*                                                                         *)
(* An event: op, the action; a, the process, or for a commit the key; p,   *)
(* the sequence number of the segment; n, an offset or what was found;     *)
(* l, a word; r, segments with the records in them.                        *)
(*                                                                         *)
(* Module Steward has one steward. Here any process may be it: who holds   *)
(* steward.lock is in `who`, who holds writer.lock in `writing`. So the    *)
(* order of these two (L-5) is looked at as well. What was listed for a    *)
(* pass is in `listed`.                                                    *)
(***************************************************************************)
EXTENDS Steward, StewardEvents, TLC

VARIABLES v, i,    \* the variant, and how many of its events have happened
  who, writing, listed

Edit == Variants[v]
Run == Runs[Edit.run]
Length == Len(Run) - (IF Edit.kind = "drop" THEN 1 ELSE 0)
Event(k) ==
  CASE Edit.kind = "drop" /\ k >= Edit.at -> Run[k + 1]
    [] Edit.kind = "swap" /\ k = Edit.at -> Run[k + 1]
    [] Edit.kind = "swap" /\ k = Edit.at + 1 -> Run[k - 1]
    [] Edit.kind = "change" /\ k = Edit.at -> Edit.to
    [] OTHER -> Run[k]

InSet(s) == {s[k] : k \in 1..Len(s)}
RecsIn(c) == {c[k][2] : k \in {j \in 1..Len(c) : IsRec(c[j])}}

\* A commit of this record, under this key.
CommitOf(e) == Commit /\ hist'[Len(hist')] = [key |-> e.a, marker |-> e.l = "marker"]
RollTo(e) == Roll /\ name[e.p] = 0 /\ name'[e.p] # 0 /\ content'[name'[e.p]][1][2] = e.n

\* What is left of the names after a loss of power, if it is this: for each segment the file,
\* and how much of it. Temporary names matter to nobody.
Wanted2(e, n) == {k \in 1..Len(e.r) : e.r[k].n = n}
CutOf(f, recs) == {k \in safe[f]..Len(content[f]) : RecsIn(SubSeq(content[f], 1, k)) = recs}
FileOf(e, n) ==
  IF n \in Temps THEN CHOOSE f \in mayName[n] : TRUE
  ELSE IF Wanted2(e, n) = {} THEN 0
  ELSE CHOOSE f \in mayName[n] \ {0} : CutOf(f, InSet(e.r[Least(Wanted2(e, n))].r)) # {}
Possible(e, n) ==
  IF Wanted2(e, n) = {} THEN 0 \in mayName[n]
  ELSE \E f \in mayName[n] \ {0} : CutOf(f, InSet(e.r[Least(Wanted2(e, n))].r)) # {}
PowerLossTo(e) ==
  /\ \A n \in Seqs : Possible(e, n)
  /\ LET left == [n \in Names |-> FileOf(e, n)]
         segment(f) == {n \in Seqs : left[n] = f}
         cut(f) == IF segment(f) = {} THEN Len(content[f])
                   ELSE Biggest(CutOf(f, InSet(e.r[Least(Wanted2(e, Least(segment(f))))].r))) IN
     NamesLeft([f \in Inodes |-> SubSeq(content[f], 1, cut(f))], left)
  /\ Restart

\* A look at who holds a segment; it counts where it is the next one above those that were free.
Counts(e) ==
  e.n = 1 /\ spc = "pass" /\ e.p \in Touchable \ tried /\ FreeBelow(e.p) /\ MarkersAbove(e.p)
Tried(e) ==
  /\ e.n = 0 <=> name[e.p] \in pins
  /\ IF Counts(e) THEN TryFree(e.p) ELSE UNCHANGED vars

\* The call in which somebody dies may have done its work, or not.
StewardMay ==
  Delete \/ DeleteForced \/ SyncDelete \/ SyncBuilt \/ Replace \/ SyncReplace \/ UNCHANGED vars

Acts(e) ==
  CASE e.op = "Commit" -> CommitOf(e) /\ Active = e.p /\ Len(hist') = e.n
    [] e.op = "Roll" -> RollTo(e)
    [] e.op = "ListSegments" -> UNCHANGED vars /\ Active = e.p
    [] e.op = "BeginPass" -> BeginPass /\ top' = e.p /\ listed = e.p
    [] e.op = "TryExclusive" -> Tried(e)
    [] e.op = "LockToDelete" -> LockToDelete /\ at' = e.p
    [] e.op = "Delete" -> Delete /\ at = e.p
    [] e.op = "DeleteForced" -> DeleteForced /\ at' = e.p
    [] e.op = "SyncDelete" -> SyncDelete /\ at = e.p
    [] e.op = "Build" ->
         e.p \in Segments /\ LET kept == InSet(e.r[1].r)  all == RecsIn(content[name[e.p]]) IN
         /\ kept \subseteq all /\ Cardinality(all) - Cardinality(kept) = e.n
         /\ BuildWithout(e.p, all \ kept)
    [] e.op = "SyncBuilt" -> SyncBuilt /\ at = e.p
    [] e.op = "LockToReplace" -> LockToReplace /\ at = e.p
    [] e.op = "LeaveAsItIs" -> LeaveAsItIs /\ at = e.p
    [] e.op = "Replace" -> Replace /\ at = e.p
    [] e.op = "SyncReplace" -> SyncReplace /\ at = e.p
    [] e.op \in {"LockSteward", "LockWriter", "UnlockWriter"} -> UNCHANGED vars
    [] e.op = "UnlockSteward" -> IF spc = "rest" THEN UNCHANGED vars ELSE UnlockSteward
    [] e.op = "StewardDies" -> IF spc = "rest" THEN UNCHANGED vars ELSE StewardDies
    [] e.op = "Seek" ->
         /\ Seek
         /\ IF e.l = "told" THEN cpc' = "told" ELSE cpc' = "open" /\ seg' = e.p /\ Base(e.p) = e.n
    [] e.op = "Pin" -> Pin /\ seg = e.p
    [] e.op = "CheckName" -> CheckName /\ seg = e.p /\ (e.n = 1 <=> cpc' = "read")
    [] e.op = "Read" -> Read /\ next' = e.n + 1
    [] e.op = "HopOpen" ->
         /\ HopOpen
         /\ IF e.l = "told" THEN cpc' = "told" /\ seg = e.p ELSE nseg' = e.p /\ Base(e.p) = e.n
    [] e.op = "HopPin" -> HopPin /\ nseg = e.p
    [] e.op = "HopCheckName" -> HopCheckName /\ nseg = e.p /\ (e.n = 1 <=> cpc' = "hopsure")
    [] e.op = "LookBack" -> LookBack /\ seg = e.p /\ (e.n = 1 <=> cpc' = "read")
    [] e.op = "PinTimesOut" -> PinTimesOut
    [] e.op = "GoAway" -> GoAway
    [] e.op = "ConsumerDies" -> IF cpc = "new" THEN UNCHANGED vars ELSE ConsumerDies
    [] e.op = "PowerLoss" -> PowerLossTo(e)
    [] e.op = "StewardMay" -> StewardMay
    [] e.op = "CommitMay" -> CommitOf(e) \/ UNCHANGED vars
    [] e.op = "RollMay" -> Roll \/ UNCHANGED vars
    [] OTHER -> FALSE

\* S-1: one at a time, and all that a steward does is done by who holds the lock. Nobody waits for
\* that lock while it holds writer.lock (L-5).
Holding == {"ListSegments", "BeginPass", "UnlockSteward", "TryExclusive", "LockToDelete", "Delete", "DeleteForced", "SyncDelete",
            "Build", "SyncBuilt", "LockToReplace", "LeaveAsItIs", "Replace", "SyncReplace"}
Holds2(e) ==
  /\ e.op \in Holding => who = e.a
  /\ who' = CASE e.op = "LockSteward" /\ e.n = 1 -> e.a
              [] e.op \in {"UnlockSteward", "StewardDies", "PowerLoss"} -> 0
              [] OTHER -> who
  /\ e.op = "LockSteward" => (e.n = 1 <=> who = 0) /\ writing # e.a
  /\ e.op \in {"UnlockWriter", "Roll"} => writing = e.a
  /\ e.op = "LockWriter" => writing = 0
  /\ writing' = CASE e.op = "LockWriter" -> e.a
                  [] e.op \in {"UnlockWriter", "PowerLoss"} -> 0
                  [] OTHER -> writing
  /\ listed' = CASE e.op = "ListSegments" -> e.p
                 [] e.op \in {"BeginPass", "StewardDies", "PowerLoss"} -> -1
                 [] OTHER -> listed

Happens(e) == Acts(e) /\ Holds2(e)

Kept == TypeOK /\ Exclusion /\ PinnedStays /\ NothingDestroyed /\ NoDamage /\ GapFreeUnderSteward

TraceInit ==
  /\ Init /\ v \in {m \in 1..Len(Variants) : Variants[m].kind = "none"} /\ i = 0
  /\ who = 0 /\ writing = 0 /\ listed = -1
Mutate ==
  /\ Edit.kind = "none" /\ i < Len(Run)
  /\ v' \in Run[i + 1].m
  /\ UNCHANGED <<vars, i, who, writing, listed>>
GoOn ==
  /\ i < Length
  /\ IF Kept THEN Happens(Event(i + 1)) ELSE FALSE
  /\ i' = i + 1 /\ UNCHANGED v
TraceNext == GoOn \/ Mutate
TraceSpec == TraceInit /\ [][TraceNext]_<<vars, v, i, who, writing, listed>>

\* Never violated: it is asked of every state so that the ends are told.
Tell ==
  /\ (i = Length /\ Kept) => PrintT(<<"end", v>>)
  /\ Edit.kind = "none" => PrintT(<<"at", v, i>>)

\* Asked of one run alone: violated by it, or it got stuck.
Unfinished == ~(i = Length /\ Kept)
=============================================================================
