-------------------------------- MODULE Locks -------------------------------
(***************************************************************************)
(* The locks of chapter 2 and nothing else: who waits for what while       *)
(* holding what. Is there a deadlock, and does anything ever happen?       *)
(*                                                                         *)
(* Writers append and roll, and after a rollover do the steward's cheap    *)
(* work if they can (S-9). A steward waits for its own lock, takes         *)
(* writer.lock to expire state (C-5), and tries segments exclusively.      *)
(* Consumers hold their name and a segment, hop from one segment to the    *)
(* other, and commit positions, which takes writer.lock; a wait there has  *)
(* a limit (L-8). A consumer may stay in a segment for ever.               *)
(*                                                                         *)
(* Fairness: every process that can go on without waiting does so (WF);    *)
(* and a lock that is free again and again while writers wait is given to  *)
(* one of them some day, though not to each (SF of "some writer"). So what *)
(* is promised is progress, not turns.                                     *)
(***************************************************************************)
EXTENDS Integers, FiniteSets

CONSTANTS Writers, Consumers, Appends

VARIABLES
  wl, sl, nl,      \* holders of writer.lock, steward.lock, consumers/NAME.lock
  shared, excl,    \* shared[s]: consumers in segment s; excl[s]: who has it exclusively
  pc,              \* where everybody is
  in,              \* the segment each consumer is in
  todo,            \* appends each writer still wants
  seen             \* how many appends each consumer has seen

vars == <<wl, sl, nl, shared, excl, pc, in, todo, seen>>

S == "steward"
Free == "free"
Procs == Writers \cup Consumers \cup {S}
Segs == {0, 1}

RECURSIVE Sum(_)
Sum(W) == IF W = {} THEN 0 ELSE LET w == CHOOSE w \in W : TRUE IN todo[w] + Sum(W \ {w})
Committed == Cardinality(Writers) * Appends - Sum(Writers)

Init ==
  /\ wl = Free /\ sl = Free /\ nl = Free
  /\ shared = [s \in Segs |-> {}] /\ excl = [s \in Segs |-> Free]
  /\ pc = [p \in Procs |-> "idle"] /\ in = [c \in Consumers |-> 0]
  /\ todo = [w \in Writers |-> Appends] /\ seen = [c \in Consumers |-> 0]

Go(p, from, to) == pc[p] = from /\ pc' = [pc EXCEPT ![p] = to]

\* A-1
Lock(w) ==
  /\ Go(w, "idle", "locked") /\ todo[w] > 0 /\ wl = Free /\ wl' = w
  /\ UNCHANGED <<sl, nl, shared, excl, in, todo, seen>>

\* A-9
Commit(w) ==
  /\ pc[w] = "locked" /\ todo' = [todo EXCEPT ![w] = @ - 1]
  /\ \E to \in {"done", "rolled"} : pc' = [pc EXCEPT ![w] = to]
  /\ UNCHANGED <<wl, sl, nl, shared, excl, in, seen>>

\* A-10
Unlock(w) ==
  /\ pc[w] \in {"done", "rolled"}
  /\ pc' = [pc EXCEPT ![w] = IF pc[w] = "done" THEN "idle" ELSE "cheap"]
  /\ wl' = Free
  /\ UNCHANGED <<sl, nl, shared, excl, in, todo, seen>>

\* S-9
TrySteward(w) ==
  /\ pc[w] = "cheap"
  /\ IF sl = Free THEN sl' = w /\ pc' = [pc EXCEPT ![w] = "pass"]
     ELSE UNCHANGED sl /\ pc' = [pc EXCEPT ![w] = "idle"]
  /\ UNCHANGED <<wl, nl, shared, excl, in, todo, seen>>

\* S-1
LockSteward ==
  /\ Go(S, "idle", "steward") /\ sl = Free /\ sl' = S
  /\ UNCHANGED <<wl, nl, shared, excl, in, todo, seen>>

\* C-5
LockToExpire ==
  /\ Go(S, "steward", "expire") /\ wl = Free /\ wl' = S
  /\ UNCHANGED <<sl, nl, shared, excl, in, todo, seen>>

\* C-5
Expire ==
  /\ Go(S, "expire", "pass") /\ wl' = Free
  /\ UNCHANGED <<sl, nl, shared, excl, in, todo, seen>>

\* L-8
StewardTimesOut ==
  /\ Go(S, "steward", "pass") /\ wl # Free
  /\ UNCHANGED <<wl, sl, nl, shared, excl, in, todo, seen>>

\* L-6
TryExclusive(p) ==
  /\ pc[p] = "pass"
  /\ IF shared[0] = {} THEN excl' = [excl EXCEPT ![0] = p] /\ pc' = [pc EXCEPT ![p] = "excl"]
     ELSE UNCHANGED excl /\ pc' = [pc EXCEPT ![p] = "passed"]
  /\ UNCHANGED <<wl, sl, nl, shared, in, todo, seen>>

\* S-3
Delete(p) ==
  /\ Go(p, "excl", "passed") /\ excl' = [excl EXCEPT ![0] = Free]
  /\ UNCHANGED <<wl, sl, nl, shared, in, todo, seen>>

\* S-1
UnlockSteward(p) ==
  /\ Go(p, "passed", "idle") /\ sl' = Free
  /\ UNCHANGED <<wl, nl, shared, excl, in, todo, seen>>

\* L-5
LockName(c) ==
  /\ Go(c, "idle", "named") /\ nl = Free /\ nl' = c
  /\ UNCHANGED <<wl, sl, shared, excl, in, todo, seen>>

\* R-2
Pin(c) ==
  /\ Go(c, "named", "read") /\ excl[in[c]] = Free
  /\ shared' = [shared EXCEPT ![in[c]] = @ \cup {c}]
  /\ UNCHANGED <<wl, sl, nl, excl, in, todo, seen>>

\* R-3
Read(c) ==
  /\ pc[c] = "read" /\ seen[c] < Committed /\ seen' = [seen EXCEPT ![c] = @ + 1]
  /\ UNCHANGED <<wl, sl, nl, shared, excl, pc, in, todo>>

\* V-8
HopPin(c) ==     \* the next one, while the old one is held
  /\ Go(c, "read", "hop") /\ excl[1 - in[c]] = Free
  /\ shared' = [shared EXCEPT ![1 - in[c]] = @ \cup {c}]
  /\ UNCHANGED <<wl, sl, nl, excl, in, todo, seen>>

\* V-8
Unpin(c) ==
  /\ Go(c, "hop", "read")
  /\ shared' = [shared EXCEPT ![in[c]] = @ \ {c}] /\ in' = [in EXCEPT ![c] = 1 - @]
  /\ UNCHANGED <<wl, sl, nl, excl, todo, seen>>

\* C-2
WantCommit(c) ==
  /\ Go(c, "read", "commit")
  /\ UNCHANGED <<wl, sl, nl, shared, excl, in, todo, seen>>

\* C-2
LockToCommit(c) ==
  /\ Go(c, "commit", "position") /\ wl = Free /\ wl' = c
  /\ UNCHANGED <<sl, nl, shared, excl, in, todo, seen>>

\* C-2
CommitPosition(c) ==
  /\ Go(c, "position", "read") /\ wl' = Free
  /\ UNCHANGED <<sl, nl, shared, excl, in, todo, seen>>

\* L-8
CommitTimesOut(c) ==
  /\ Go(c, "commit", "read") /\ wl # Free
  /\ UNCHANGED <<wl, sl, nl, shared, excl, in, todo, seen>>

WriterStep(w) ==
  Commit(w) \/ Unlock(w) \/ TrySteward(w) \/ TryExclusive(w) \/ Delete(w) \/ UnlockSteward(w)
StewardStep ==
  \/ LockSteward \/ LockToExpire \/ Expire \/ StewardTimesOut \/ TryExclusive(S) \/ Delete(S)
  \/ UnlockSteward(S)
ConsumerStep(c) ==
  \/ LockName(c) \/ Pin(c) \/ Unpin(c) \/ LockToCommit(c) \/ CommitPosition(c) \/ CommitTimesOut(c)

Next ==
  \/ \E w \in Writers : Lock(w) \/ WriterStep(w)
  \/ StewardStep
  \/ \E c \in Consumers : ConsumerStep(c) \/ Read(c) \/ HopPin(c) \/ WantCommit(c)

Fair ==
  /\ \A w \in Writers : WF_vars(WriterStep(w))
  /\ WF_vars(StewardStep)
  /\ \A c \in Consumers : WF_vars(ConsumerStep(c)) /\ SF_vars(Read(c))
  /\ SF_vars(\E w \in Writers : Lock(w))

Spec == Init /\ [][Next]_vars /\ Fair

TypeOK ==
  /\ wl \in Procs \cup {Free} /\ sl \in Procs \cup {Free} /\ nl \in Consumers \cup {Free}
  /\ \A c \in Consumers : in[c] \in Segs /\ seen[c] \in 0..Committed

\* L-1
Exclusion == \A s \in Segs : excl[s] # Free => shared[s] = {}

\* L-5
LockOrder ==     \* who waits for writer.lock holds none that comes after it
  \A p \in Procs : pc[p] \in {"idle", "steward", "commit"} => wl # p

\* All that writers want is appended in the end: someone always makes progress.
Progress == <>(Committed = Cardinality(Writers) * Appends)

\* A committed block is seen by whoever runs.
Seen == \A c \in Consumers : (pc[c] = "read" /\ seen[c] < Committed) ~> (seen[c] = Committed)

\* Maintenance never gets stuck, though a consumer may stay where it is.
StewardReturns == (pc[S] = "pass") ~> (pc[S] = "idle")
StewardWorks == (pc[S] = "idle") ~> (pc[S] # "idle")
=============================================================================
