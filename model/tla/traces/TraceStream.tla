----------------------------- MODULE TraceStream ----------------------------
(***************************************************************************)
(* Runs of the real thing, held against module Stream: creation, rollover  *)
(* and every sync of them. See TraceSegment for how this works.            *)
(*                                                                         *)
(* An event: op, the action; a, the writer; p, the sequence number of the  *)
(* segment; n, the next offset; l, what was found.                         *)
(***************************************************************************)
EXTENDS Stream, StreamEvents, TLC

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

Here2(e) == Active = e.p                 \* the active segment is this
FoundWas(w) ==
  CASE pc'[w] = "parent" -> "nothing" [] pc'[w] = "sealed" -> "sealed" [] OTHER -> ""

Happens(e) ==
  CASE e.op = "Lock" -> Lock(e.a)
    [] e.op = "Finish" ->
         /\ Finish(e.a) /\ FoundWas(e.a) = e.l
         /\ e.n >= 0 => (Here2(e) /\ NextOffset = e.n)
    [] e.op = "SyncParent" -> SyncParent(e.a)
    [] e.op = "SyncNamesFirst" -> SyncNamesFirst(e.a) /\ Here2(e)
    [] e.op = "Seal" -> Seal(e.a) /\ Here2(e) /\ NextOffset = e.n
    [] e.op = "SyncSeal" -> SyncSeal(e.a) /\ Here2(e)
    [] e.op = "Make" -> Make(e.a) /\ NextOffset = e.n
    [] e.op = "SyncMade" -> SyncMade(e.a) /\ NextOffset = e.n
    [] e.op = "Name" -> Name(e.a) /\ name'[e.p] # 0 /\ name[e.p] = 0 /\ NextOffset = e.n
    [] e.op = "SyncName" -> SyncName(e.a) /\ Here2(e) /\ NextOffset = e.n
    [] e.op = "Commit" -> Commit(e.a) /\ Here2(e) /\ Len(All') = e.n
    [] e.op = "Unlock" -> Unlock(e.a)
    [] e.op = "Leave" -> Leave(e.a)
    [] e.op = "Sync" -> Sync(e.a)
    [] e.op = "Return" -> Return(e.a)
    [] e.op = "Die" -> Die(e.a)
    [] e.op = "PowerLoss" -> PowerLoss
    [] e.op = "LoseDirectory" -> LoseDirectory
    [] e.op = "Maybe" -> WriterStep(e.a) \/ UNCHANGED vars
    [] OTHER -> FALSE

Kept == TypeOK /\ Durable /\ NoDamage /\ Prefix

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
