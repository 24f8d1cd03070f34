-------------------------------- MODULE Locks -------------------------------
(***************************************************************************)
(* The locks of chapter 2 and nothing else: who waits for what while       *)
(* holding what. Is there a deadlock, and does anything ever happen?       *)
(*                                                                         *)
(* Writers append and roll, and after a rollover do the steward's cheap    *)
(* work if they can, during which they may hold other writers up (S-9). A  *)
(* steward waits for its own lock, may take writer.lock to seal and to     *)
(* expire state (C-5), and tries segments exclusively. Consumers hold      *)
(* their name, look at the stream under writer.lock when they are opened   *)
(* (O-4), hold a segment, hop from one to another, and commit positions,   *)
(* which takes writer.lock, and may roll. A wait for that has a limit      *)
(* (L-8). A consumer may stay in a segment for ever.                       *)
(*                                                                         *)
(* Segments are files here, and those that are deleted stay: whoever has   *)
(* one open may still lock it, and then finds that its name is gone (R-2). *)
(* A compaction takes the same lock as a deletion, for a moment as well.   *)
(*                                                                         *)
(* Whoever knows the name of a lock file can take it away (L-4). Then the  *)
(* next one makes a file of that name anew, and who has the old one open   *)
(* would lock something that nobody else looks at. So a lock counts once   *)
(* its name was looked at behind taking it (L-4). This is modelled of      *)
(* writer.lock; it is done in the same way with the two others.            *)
(*                                                                         *)
(* Fairness: every process that can go on without waiting does so (WF);    *)
(* and a lock that is free again and again while writers wait is given to  *)
(* one of them some day, though not to each (SF of "some writer"), and so  *)
(* with stewards. So what is promised is progress, not turns.              *)
(***************************************************************************)
EXTENDS Integers, FiniteSets

CONSTANTS
  Writers, Stewards, Consumers,    \* processes, which are numbers above 0
  Names,       \* of consumers
  Segs,        \* the files of segments
  Appends,     \* how many each writer wants
  Tries,       \* how much a pass tries, at most
  Losses       \* how often writer.lock loses its name

VARIABLES
  file,            \* the file that the name writer.lock leads to: the next one after each loss
  fd,              \* the one that each process has open
  wl,              \* who has locked which of these files
  unsure,          \* who took it, and has not looked at the name yet
  sl,              \* holder of steward.lock
  nl,              \* holders of consumers/NAME.lock
  shared, excl,    \* shared[s]: consumers in segment s; excl[s]: who has it exclusively
  pc,              \* where everybody is
  in,              \* the segment each consumer is in
  todo,            \* appends each writer still wants
  committed,       \* how many there are
  seen,            \* how many each consumer has seen
  tried,           \* what was tried in the pass that goes on
  since, late      \* ghosts: who took writer.lock since its name was lost last, and how many
                   \* commits there were under a file that has no name

segments == <<shared, excl>>
writerLock == <<file, fd, wl, unsure, since>>
locks == <<writerLock, sl, nl, segments>>
work == <<in, todo, committed, seen, tried, late>>
vars == <<locks, pc, work>>

Nobody == 0
Procs == Writers \cup Stewards \cup Consumers
Files == 1..(Losses + 1)

Init ==
  /\ file = 1 /\ fd = [p \in Procs |-> 1] /\ wl = [f \in Files |-> Nobody] /\ unsure = {}
  /\ sl = Nobody /\ nl = [n \in Names |-> Nobody]
  /\ shared = [s \in Segs |-> {}] /\ excl = [s \in Segs |-> Nobody]
  /\ pc = [p \in Procs |-> "idle"] /\ in = [c \in Consumers |-> CHOOSE s \in Segs : TRUE]
  /\ todo = [w \in Writers |-> Appends] /\ committed = 0
  /\ seen = [c \in Consumers |-> 0] /\ tried = 0 /\ since = {} /\ late = 0

Is(p, place) == pc[p] = place /\ p \notin unsure
Go(p, from, to) == Is(p, from) /\ pc' = [pc EXCEPT ![p] = to]
GoOneOf(p, from, ways) == Is(p, from) /\ \E to \in ways : pc' = [pc EXCEPT ![p] = to]
Home(p) == IF p \in Consumers THEN "read" ELSE "idle"

HasLocked(p) == \E f \in Files : wl[f] = p
Released(p) == [f \in Files |-> IF wl[f] = p THEN Nobody ELSE wl[f]]

TakeWriterLock(p, from, to) ==
  /\ Go(p, from, to) /\ wl[fd[p]] = Nobody /\ wl' = [wl EXCEPT ![fd[p]] = p]
  /\ unsure' = unsure \cup {p} /\ since' = since \cup {p}
  /\ UNCHANGED <<file, fd, sl, nl, segments>>

\* Where a process tries again that was told of a lock file without a name.
Again(p) ==
  CASE pc[p] = "locked" -> "idle"
    [] pc[p] = "expire" -> "steward"
    [] pc[p] = "look" -> "named"
    [] pc[p] = "position" -> "commit"
    [] OTHER -> pc[p]

(***************************************************************************)
(* writer.lock                                                             *)
(***************************************************************************)

\* A-1
Lock(w) ==
  /\ TakeWriterLock(w, "idle", "locked")
  /\ todo[w] > 0 /\ todo' = [todo EXCEPT ![w] = @ - 1]
  /\ UNCHANGED <<in, committed, seen, tried, late>>

OpenAnew(p) ==      \* that file, or one that it makes
  /\ fd' = [fd EXCEPT ![p] = file]
  /\ wl' = Released(p) /\ since' = since \ {p}
  /\ pc' = [pc EXCEPT ![p] = Again(p)]
  /\ todo' = IF pc[p] = "locked" THEN [todo EXCEPT ![p] = @ + 1] ELSE todo

\* L-4
CheckLockName(p) ==
  /\ p \in unsure /\ unsure' = unsure \ {p}
  /\ IF fd[p] = file THEN UNCHANGED <<fd, wl, since, pc, todo>> ELSE OpenAnew(p)
  /\ UNCHANGED <<file, sl, nl, segments, in, committed, seen, tried, late>>

\* L-4
RemoveLockName ==   \* somebody does what nobody may
  /\ file <= Losses /\ file' = file + 1 /\ since' = {}
  /\ UNCHANGED <<fd, wl, unsure, sl, nl, segments, pc, work>>

\* A-9
Commit(w) ==
  /\ GoOneOf(w, "locked", {"done", "rolled"}) /\ committed' = committed + 1
  /\ late' = IF fd[w] = file THEN late ELSE late + 1
  /\ UNCHANGED <<locks, in, todo, seen, tried>>

\* A-17
KeepLock(w) ==      \* for the next append, before which it looks again
  /\ Go(w, "done", "locked") /\ todo[w] > 0 /\ todo' = [todo EXCEPT ![w] = @ - 1]
  /\ unsure' = unsure \cup {w}
  /\ UNCHANGED <<file, fd, wl, since, sl, nl, segments, in, committed, seen, tried, late>>

AfterUnlock(p) ==
  CASE pc[p] = "rolled" -> "cheap"
    [] pc[p] = "look" -> "open"
    [] pc[p] = "pass" \/ p \in Stewards -> "pass"
    [] OTHER -> Home(p)

\* A-10
Unlock(p) ==     \* whatever it was taken for, and whether that was done or not
  /\ HasLocked(p) /\ p \notin unsure /\ wl' = Released(p) /\ pc[p] # "excl"
  /\ since' = since \ {p}
  /\ pc' = [pc EXCEPT ![p] = AfterUnlock(p)]
  /\ UNCHANGED <<file, fd, unsure, sl, nl, segments, work>>

(***************************************************************************)
(* steward.lock: in a pass, who has it tries one segment after another.    *)
(***************************************************************************)

\* S-1
LockSteward(p) ==
  /\ GoOneOf(p, "idle", {"steward", "pass"}) /\ sl = Nobody /\ sl' = p
  /\ UNCHANGED <<writerLock, nl, segments, work>>

\* C-5
LockToExpire(p) ==
  /\ TakeWriterLock(p, "steward", "expire") /\ UNCHANGED work

\* C-5
Expire(p) ==
  /\ Go(p, "expire", "expired") /\ UNCHANGED <<locks, work>>

\* L-8
StewardTimesOut(p) ==
  /\ Go(p, "steward", "pass") /\ wl[fd[p]] # Nobody
  /\ UNCHANGED <<locks, work>>

\* S-9
TrySteward(p) ==
  /\ Is(p, "cheap")
  /\ IF sl = Nobody THEN sl' = p /\ pc' = [pc EXCEPT ![p] = "pass"]
     ELSE UNCHANGED sl /\ pc' = [pc EXCEPT ![p] = Home(p)]
  /\ UNCHANGED <<writerLock, nl, segments, work>>

TrySomething == tried < Tries /\ tried' = tried + 1

\* S-9
HoldUp(p) ==     \* others are to write nothing meanwhile
  /\ TakeWriterLock(p, "pass", "pass") /\ p \notin Stewards /\ TrySomething
  /\ UNCHANGED <<in, todo, committed, seen, late>>

\* L-6
TryExclusive(p, s) ==
  /\ Is(p, "pass") /\ TrySomething
  /\ IF shared[s] = {} THEN excl' = [excl EXCEPT ![s] = p] /\ pc' = [pc EXCEPT ![p] = "excl"]
     ELSE UNCHANGED <<excl, pc>>
  /\ UNCHANGED <<writerLock, sl, nl, shared, in, todo, committed, seen, late>>

\* S-3
Delete(p, s) ==
  /\ Go(p, "excl", "pass") /\ excl[s] = p /\ excl' = [excl EXCEPT ![s] = Nobody]
  /\ UNCHANGED <<writerLock, sl, nl, shared, work>>

\* S-1
UnlockSteward(p) ==
  /\ Go(p, "pass", Home(p)) /\ ~HasLocked(p)
  /\ sl' = Nobody /\ tried' = 0
  /\ UNCHANGED <<writerLock, nl, segments, in, todo, committed, seen, late>>

(***************************************************************************)
(* Consumers                                                               *)
(***************************************************************************)

\* L-5
LockName(c, n) ==
  /\ Go(c, "idle", "named") /\ nl[n] = Nobody /\ nl' = [nl EXCEPT ![n] = c]
  /\ UNCHANGED <<writerLock, sl, segments, work>>

\* O-4
LockToLook(c) ==
  /\ TakeWriterLock(c, "named", "look") /\ UNCHANGED work

Share(c, s) == excl[s] = Nobody /\ shared' = [shared EXCEPT ![s] = @ \cup {c}]
Unshare(c, s) == shared' = [shared EXCEPT ![s] = @ \ {c}]

\* R-2
Pin(c, s) ==
  /\ Go(c, "open", "pinned") /\ Share(c, s) /\ in' = [in EXCEPT ![c] = s]
  /\ UNCHANGED <<writerLock, sl, nl, excl, todo, committed, seen, tried, late>>

\* R-2
CheckName(c) ==  \* if that is gone, it starts over
  /\ \/ Go(c, "pinned", "read") /\ UNCHANGED shared
     \/ Go(c, "pinned", "open") /\ Unshare(c, in[c])
  /\ UNCHANGED <<writerLock, sl, nl, excl, work>>

\* R-3
Read(c) ==
  /\ pc[c] = "read" /\ seen[c] < committed /\ seen' = [seen EXCEPT ![c] = @ + 1]
  /\ UNCHANGED <<locks, pc, in, todo, committed, tried, late>>

\* V-8
HopPin(c, s) ==  \* the next one, while the old one is held
  /\ Go(c, "read", "hop") /\ s # in[c] /\ Share(c, s)
  /\ UNCHANGED <<writerLock, sl, nl, excl, work>>

\* V-8
Unpin(c) ==      \* the old one
  /\ Go(c, "hop", "read") /\ Unshare(c, in[c])
  /\ in' = [in EXCEPT ![c] = CHOOSE s \in Segs \ {in[c]} : c \in shared[s]]
  /\ UNCHANGED <<writerLock, sl, nl, excl, todo, committed, seen, tried, late>>

\* V-8
HopBack(c) ==    \* one of the two has lost its name
  /\ Go(c, "hop", "read")
  /\ shared' = [s \in Segs |-> IF s = in[c] THEN shared[s] ELSE shared[s] \ {c}]
  /\ UNCHANGED <<writerLock, sl, nl, excl, work>>

\* C-2
WantCommit(c) ==
  /\ Go(c, "read", "commit") /\ UNCHANGED <<locks, work>>

\* C-2
LockToCommit(c) ==
  /\ TakeWriterLock(c, "commit", "position") /\ UNCHANGED work

\* C-2
CommitPosition(c) ==
  /\ GoOneOf(c, "position", {"done", "rolled"}) /\ UNCHANGED <<locks, work>>

\* L-8
CommitTimesOut(c) ==
  /\ Go(c, "commit", "read") /\ wl[fd[c]] # Nobody
  /\ UNCHANGED <<locks, work>>

\* C-2
GoAway(c) ==     \* it is closed, or could not be opened
  /\ pc[c] \in {"named", "open", "read"} /\ pc' = [pc EXCEPT ![c] = "idle"]
  /\ nl' = [n \in Names |-> IF nl[n] = c THEN Nobody ELSE nl[n]]
  /\ Unshare(c, in[c])
  /\ UNCHANGED <<writerLock, sl, excl, work>>

CheapStep(p) ==
  \/ TrySteward(p) \/ HoldUp(p) \/ UnlockSteward(p)
  \/ \E s \in Segs : TryExclusive(p, s) \/ Delete(p, s)
WriterStep(w) ==
  \/ Commit(w) \/ Unlock(w) \/ CheckLockName(w)
  \/ CheapStep(w)
StewardStep(p) ==
  \/ LockSteward(p) \/ LockToExpire(p) \/ Expire(p) \/ StewardTimesOut(p) \/ Unlock(p)
  \/ CheckLockName(p)
  \/ CheapStep(p)
ConsumerStep(c) ==
  \/ LockToLook(c) \/ CheckLockName(c) \/ CheckName(c) \/ Unpin(c) \/ HopBack(c)
  \/ LockToCommit(c) \/ CommitPosition(c) \/ CommitTimesOut(c) \/ Unlock(c)
  \/ \E n \in Names : LockName(c, n)
  \/ \E s \in Segs : Pin(c, s)
  \/ CheapStep(c)

Next ==
  \/ RemoveLockName
  \/ \E w \in Writers : Lock(w) \/ KeepLock(w) \/ WriterStep(w)
  \/ \E p \in Stewards : StewardStep(p)
  \/ \E c \in Consumers : ConsumerStep(c) \/ Read(c) \/ WantCommit(c) \/ GoAway(c)
  \/ \E c \in Consumers : \E s \in Segs : HopPin(c, s)

Fair ==
  /\ \A w \in Writers : WF_vars(WriterStep(w))
  /\ \A p \in Stewards : WF_vars(StewardStep(p))
  /\ \A c \in Consumers : WF_vars(ConsumerStep(c)) /\ SF_vars(Read(c))
  /\ SF_vars(\E w \in Writers : Lock(w))
  /\ SF_vars(\E p \in Stewards : LockSteward(p))

Spec == Init /\ [][Next]_vars /\ Fair

TypeOK ==
  /\ \A f \in Files : wl[f] \in Procs \cup {Nobody} /\ (f > file => wl[f] = Nobody)
  /\ unsure \subseteq Procs /\ \A p \in unsure : HasLocked(p)
  /\ \A p \in Procs : fd[p] \in 1..file
  /\ sl \in Procs \cup {Nobody}
  /\ \A n \in Names : nl[n] \in Consumers \cup {Nobody}
  /\ \A c \in Consumers : in[c] \in Segs /\ seen[c] \in 0..committed
  /\ tried \in 0..Tries

\* L-1
Exclusion == \A s \in Segs : excl[s] # Nobody => shared[s] = {}

Writes(p) == HasLocked(p) /\ p \notin unsure

\* L-4
OneWriter ==     \* of those that took writer.lock since it lost its name last, or it never did
  \A p, q \in since : Writes(p) /\ Writes(q) => p = q

\* A-21
OneMore ==       \* each loss leaves at most one more to write: who had looked before it, and
                 \* that one commits no more than the block that it was at
  /\ Cardinality({p \in Procs : Writes(p)}) <= file
  /\ late <= file - 1

\* L-5
LockOrder ==     \* who waits for a lock holds none that comes after it
  \A p \in Procs :
    /\ pc[p] \in {"idle", "named", "steward", "commit"} => ~HasLocked(p)
    /\ pc[p] \in {"idle", "cheap"} => sl # p

\* What is held is held for something: nobody keeps a lock when it is done.
NothingKept ==
  LET busy(p) == IF p = Nobody THEN TRUE ELSE pc[p] # "idle" IN
  /\ \A f \in Files : busy(wl[f])
  /\ busy(sl) /\ \A n \in Names : busy(nl[n])
  /\ \A s \in Segs : busy(excl[s]) /\ \A c \in shared[s] : busy(c)

\* All that writers want to append is appended or refused in the end: someone always makes progress.
Progress == <>(\A w \in Writers : todo[w] = 0 /\ pc[w] = "idle")

\* A committed block is seen by whoever runs, and goes on.
Seen ==
  \A c \in Consumers :
    (pc[c] = "read" /\ seen[c] < committed) ~> (seen[c] = committed \/ pc[c] = "idle")

\* Maintenance never gets stuck, though a consumer may stay where it is.
StewardReturns == \A p \in Stewards : (pc[p] = "pass") ~> (pc[p] = "idle")
StewardWorks == \A p \in Stewards : (pc[p] = "idle") ~> (pc[p] # "idle")
=============================================================================
