---------------------------- MODULE StewardTrim -----------------------------
(***************************************************************************)
(* Somebody trims a stream by hand (S-14), on a disk so full that it could *)
(* not make steward.lock; somebody else could meanwhile, and maintains,    *)
(* and power is lost: is the exclusive lock of a segment enough, and what  *)
(* is protected kept? (The lock is tried again before each segment: that   *)
(* only makes such meetings rarer, and is left out.)                       *)
(*                                                                         *)
(* Records with a key in Kept are of topics that are only compacted. A     *)
(* named consumer reads on at the record `awaited`. Retention (S-3, S-10)  *)
(* spares both, too. Two segments are sealed, each with a record, and      *)
(* nobody writes: a few stories are enough.                                *)
(***************************************************************************)
EXTENDS Steward

CONSTANT Kept

VARIABLES
  tpc,       \* who trims: "rest", "pass", "open", "excl", "sure", "unlinked", "ended"
  tat, tino, \* the segment that it is at, and the file that it has open
  ttop,      \* the active one in its list
  awaited,
  slow       \* the lowest segment in the steward's list that it does not know to be gone

trim == <<tpc, tat, tino, ttop, awaited>>
theirs == <<dirVars, hist, gone, boot, consumer, steward>>

Nobody == 9      \* awaits anything
Value(k) == [key |-> k, marker |-> FALSE]
Marker(k) == [key |-> k, marker |-> TRUE]
Stories ==       \* records, and the one that is awaited
  {<<<<Value(1), Value(1)>>, Nobody>>, <<<<Value(1), Marker(1)>>, Nobody>>,
   <<<<Value(1), Value(2)>>, Nobody>>, <<<<Value(1), Value(1)>>, 2>>}

InitTrim ==
  /\ content = <<<<<<"cp", 0>>, Item(1), <<"end">>>>, <<<<"cp", 1>>, Item(2), <<"end">>>>, <<<<"cp", 2>>>>>>
  /\ safe = <<3, 3, 1>>
  /\ name = [n \in Names |-> IF n \in Temps THEN 0 ELSE n + 1]
  /\ mayName = [n \in Names |-> {name[n]}]
  /\ \E story \in Stories : hist = story[1] /\ awaited = story[2]
  /\ gone = 0 /\ boot = 1 /\ cpc = "new" /\ seg = 0 /\ ino = 0 /\ nseg = 0 /\ nino = 0 /\ pins = {}
  /\ next = 0 /\ start = 0 /\ seen = {}
  /\ spc = "rest" /\ at = 0 /\ excl = 0 /\ top = 0 /\ tried = {} /\ aged = {} /\ old = {}
  /\ tpc = "rest" /\ tat = 0 /\ tino = 0 /\ ttop = 0 /\ slow = 0

HasExclusive(i) == tpc \in {"excl", "sure"} /\ tino = i

HoldsKept(n) ==
  \E j \in 1..Len(content[name[n]]) :
    IsRec(content[name[n]][j]) /\ hist[content[name[n]][j][2]].key \in Kept

\* S-14
Protected(n) == HoldsKept(n) \/ Highest(n) >= awaited

\* S-14
BeginTrim ==     \* by a list that was made before the sync
  /\ tpc = "rest" /\ tpc' = "pass" /\ SyncNames
  /\ ttop' \in Segments /\ tat' = Least(Segments) /\ tino' = 0
  /\ UNCHANGED <<content, safe, hist, gone, boot, consumer, steward, awaited, slow>>

\* S-14
OpenToTrim ==
  /\ tpc = "pass" /\ tat < ttop /\ name[tat] # 0 /\ ~Protected(tat)
  /\ tpc' = "open" /\ tino' = name[tat]
  /\ UNCHANGED <<theirs, tat, ttop, awaited, slow>>

\* S-14
FindGone ==      \* somebody deleted it, and may not have synced that yet
  /\ tpc = "pass" /\ tat < ttop /\ name[tat] = 0
  /\ tat' = tat + 1 /\ SyncNames
  /\ UNCHANGED <<content, safe, hist, gone, boot, consumer, steward, tpc, tino, ttop, awaited, slow>>

\* S-14
LockToTrim ==    \* or it stops
  /\ tpc = "open"
  /\ tpc' = IF tino \in pins \/ excl = tino THEN "ended" ELSE "excl"
  /\ UNCHANGED <<theirs, tat, tino, ttop, awaited, slow>>

\* S-14
CheckToTrim ==   \* if that is another file by now, it looks again
  /\ tpc = "excl" /\ tpc' = IF Leads(tat, tino) THEN "sure" ELSE "pass"
  /\ UNCHANGED <<theirs, tat, tino, ttop, awaited, slow>>

\* S-14
Trim ==
  /\ tpc = "sure" /\ tpc' = "unlinked" /\ Unlink(tat) /\ gone' = Biggest({gone, Highest(tat)})
  /\ UNCHANGED <<content, safe, hist, boot, consumer, steward, tat, tino, ttop, awaited, slow>>

\* S-14
SyncTrim ==
  /\ tpc = "unlinked" /\ tpc' = "pass" /\ tat' = tat + 1 /\ SyncNames
  /\ UNCHANGED <<content, safe, hist, gone, boot, consumer, steward, tino, ttop, awaited, slow>>

\* M-3
EndTrim ==       \* or die
  /\ tpc \notin {"rest", "ended"} /\ tpc' = "ended" /\ UNCHANGED <<theirs, tat, tino, ttop, awaited, slow>>

TrimStep ==
  \/ BeginTrim \/ OpenToTrim \/ FindGone \/ LockToTrim \/ CheckToTrim \/ Trim \/ SyncTrim
  \/ EndTrim

\* S-3
StewardFindsGone ==
  /\ spc = "pass" /\ slow < Least(Segments) /\ slow' = slow + 1 /\ SyncNames
  /\ UNCHANGED <<content, safe, hist, gone, boot, consumer, steward, trim>>

\* What the steward does, while another one holds exclusive locks, too.
Beside ==
  /\ StewardStep /\ UNCHANGED trim
  /\ ~HasExclusive(excl')
  /\ spc' = "excl2" => excl' # 0     \* S-6: the name leads to the file locked
  /\ spc' = "excl" => at' = slow /\ ~Protected(at')
  /\ spc' = "built" => slow = Least(Segments)
  /\ slow' = IF spc = "unlinked" THEN at + 1
             ELSE IF spc' = "pass" /\ spc = "rest" THEN Least(Segments) ELSE slow

Loss ==
  /\ PowerLoss /\ tpc' = "rest" /\ tat' = 0 /\ tino' = 0 /\ ttop' = 0 /\ slow' = 0
  /\ UNCHANGED awaited

NextTrim ==
  \/ Beside
  \/ StewardFindsGone
  \/ TrimStep
  \/ Loss

SpecTrim == InitTrim /\ [][NextTrim]_<<vars, trim, slow>>

\* S-14
OnlyLocked == tpc = "sure" => Leads(tat, tino)    \* what is unlinked is what nobody else holds

\* S-14
ProtectedStays ==
  /\ gone < awaited \/ Len(hist) < awaited
  /\ \A k \in Kept : Holds(Present, k) = Holds(1..Len(hist), k)
=============================================================================
