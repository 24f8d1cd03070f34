------------------------------ MODULE Segment -------------------------------
(***************************************************************************)
(* The active segment as a whole: the writers of Appending and Repair, the *)
(* readers, death and loss of power; and the promises, as properties.      *)
(*                                                                         *)
(* A reader reads the first unit of a block and the rest in either order,  *)
(* at different moments, and goes on only behind a committed block. Its    *)
(* token (epoch and what it has seen) outlives it; presented again after a *)
(* loss of power it has diverged, or what it saw is still the history.     *)
(*                                                                         *)
(* The questions asked of this module are the modules that extend it, each *)
(* with a configuration of the same name; README.md lists them.            *)
(***************************************************************************)
EXTENDS Repair

(***************************************************************************)
(* Reading, chapter 8.                                                     *)
(***************************************************************************)

Place(r) == EndOf(rd[r].last)
Reader(r, new) == rd' = [rd EXCEPT ![r] = new]
At(p) == IF p <= Units THEN unit[p] ELSE Zero

\* R-3
ReadStart(r) ==
  /\ rd[r].head = None /\ Reader(r, [rd[r] EXCEPT !.head = At(Place(r))])
  /\ UNCHANGED <<fileVars, writerVars, countVars, ghostVars>>

\* R-3
ReadBody(r) ==
  /\ rd[r].rest = None /\ Reader(r, [rd[r] EXCEPT !.rest = At(Place(r) + 1)])
  /\ UNCHANGED <<fileVars, writerVars, countVars, ghostVars>>

\* R-11
IsTakenBack(r) ==     \* its token says so, or that what it read itself is not there any more
  \/ Diverged(rd[r].epoch, Len(rd[r].seen), Chain)
  \/ rd[r].mark \notin Range(Chain) \cup {0}

HasRead(r) == rd[r].head # None /\ rd[r].rest # None
Found(r) ==      \* what was read is a committed block
  LET h == rd[r].head IN
  /\ h.b > 0 /\ h.k = 1 /\ h.s = High
  /\ made[h.b].at = Place(r)
  /\ BodyOk(h.b, rd[r].rest)
  /\ Continues(h.b, rd[r].last)
Whole(b, second) == made[b].size = 1 \/ second = [b |-> b, k |-> 2, s |-> Low]

\* R-3
Deliver(r) ==
  /\ HasRead(r) /\ Found(r)
  /\ rd[r].last = <<>> => ~IsTakenBack(r)      \* looked at when it opened
  /\ LET b == rd[r].head.b IN
     /\ Reader(r, [last |-> Append(rd[r].last, b), head |-> None, rest |-> NoRest,
                   mark |-> IF IsRecords(b) THEN b ELSE rd[r].mark,
                   epoch |-> Max({rd[r].epoch, made[b].epoch}),
                   seen |-> IF IsRecords(b) /\ Len(rd[r].seen) <= made[b].off
                            THEN Append(rd[r].seen, b) ELSE rd[r].seen])
     /\ torn' = (torn \/ ~Whole(b, rd[r].rest))
  /\ IF DurableRead THEN SyncFile /\ UNCHANGED made ELSE UNCHANGED fileVars
  /\ UNCHANGED <<writerVars, countVars, acked, flipped, gone, cut, kept, hurt, alarm>>

\* R-4
ReadAfresh(r) ==
  /\ HasRead(r) /\ ~Found(r)
  /\ Reader(r, [rd[r] EXCEPT !.head = None, !.rest = NoRest])
  /\ UNCHANGED <<fileVars, writerVars, countVars, ghostVars>>

\* E-7
Resume(r) ==     \* a token that has diverged is an error: begin anew
  /\ rd[r].last = <<>> /\ IsTakenBack(r)
  /\ Reader(r, NewReader)
  /\ UNCHANGED <<fileVars, writerVars, countVars, ghostVars>>

\* R-11
SeesCut(r) ==    \* a look at the eight bytes before its place
  ~Fits(rd[r].last)

\* R-11
LookBehind(r) == \* now and then while it waits; then it seeks its place anew, unless nobody
                 \* has repaired the damage yet
  /\ HasRead(r) /\ ~Found(r) /\ SeesCut(r)
  /\ \/ OffsetOf(Chain) >= OffsetOf(rd[r].last)
     \/ RaisedBelow(rd[r].epoch, Len(rd[r].seen), Chain)
  /\ Reader(r, [rd[r] EXCEPT !.last = <<>>, !.head = None, !.rest = NoRest])
  /\ UNCHANGED <<fileVars, writerVars, countVars, ghostVars>>

(***************************************************************************)
(* Death, loss of power, and damage.                                       *)
(***************************************************************************)

\* M-3
Die(w) ==
  /\ deaths < MaxDeaths /\ deaths' = deaths + 1
  /\ pc[w] # "idle" \/ mem[w] # <<>>
  /\ \/ UNCHANGED fileVars
     \/ /\ pc[w] = "write" /\ len < made[job[w]].at   \* its write made the file longer,
        /\ Put(made[job[w]].at, Zero) /\ UNCHANGED made  \* and that was all of it
  /\ Forget({w})
  /\ UNCHANGED <<rd, boot, fails, giveups, harms, ghostVars>>

Restart ==       \* of all processes, after a loss of power
  /\ boot < MaxBoots /\ boot' = boot + 1
  /\ UNCHANGED made
  /\ Forget(Writers)
  /\ rd' = [r \in Readers |-> [rd[r] EXCEPT !.last = <<>>, !.head = None, !.rest = NoRest, !.mark = 0]]
  /\ gone' = gone \cup ((1..Len(made)) \ Range(Chain'))
  /\ UNCHANGED <<deaths, fails, giveups, harms, acked, flipped, cut, kept, hurt, torn, alarm>>

\* M-4
PowerLoss == boot < MaxBoots /\ LosePower /\ Restart

Repairing(w) == pc[w] \in {"save", "cut", "cutsync"}

\* M-8
Harm(u) ==       \* of a committed block, between two looks
  /\ harms < MaxHarms /\ harms' = harms + 1
  /\ u < EndOf(Chain) /\ \A w \in Writers : ~Repairing(w) /\ pc[w] \notin {"looked", "glanced"}
  /\ Spoil(u)
  /\ hurt' = hurt \cup flipped
  /\ UNCHANGED <<writerVars, rd, boot, deaths, fails, giveups,
                 acked, flipped, gone, cut, kept, torn, alarm>>

WriterStep(w) ==
  \/ Lock(w) \/ StepOver(w) \/ Classify(w) \/ StopDamaged(w) \/ SaveTail(w)
  \/ Truncate(w) \/ SyncCut(w) \/ RaiseEpoch(w) \/ SyncEpoch(w) \/ Duplicate(w)
  \/ Leave(w) \/ PutZeros(w) \/ CutZeros(w) \/ LookAgain(w) \/ Reserve(w) \/ WritePart(w) \/ Commit(w) \/ GiveUp(w) \/ SyncRaise(w)
  \/ Unlock(w) \/ Sync(w) \/ Return(w) \/ Rewrite(w) \/ SyncAgain(w)
  \/ SyncFails(w) \/ SyncTells(w)
ReaderStep(r) ==
  \/ ReadStart(r) \/ ReadBody(r) \/ Deliver(r) \/ ReadAfresh(r) \/ Resume(r) \/ LookBehind(r)

Next ==
  \/ \E w \in Writers : WriterStep(w) \/ Die(w)
  \/ \E r \in Readers : ReaderStep(r)
  \/ \E u \in 1..Units : Harm(u)
  \/ PowerLoss

Spec == Init /\ [][Next]_vars

(***************************************************************************)
(* The promises.                                                           *)
(***************************************************************************)

TypeOK ==
  /\ len \in 0..Units /\ len \in mayLen
  /\ \A u \in 1..Units : unit[u] \in may[u] /\ (u > len => unit[u] = Zero)
  /\ lock \in Writers \cup {0}
  /\ \A w \in Writers :
       /\ pc[w] \in {"idle", "look", "looked", "glanced", "save", "cut", "cutsync", "stop", "resync",
                     "ready", "write", "raised", "done", "sync", "mending", "mendsync", "mended"}
       /\ lock = w <=> pc[w] \notin {"idle", "sync"}
       /\ req[w] \in 1..(Requests + 1)
       /\ left[w] \subseteq {1, 2}
  /\ acked \subseteq Writers \X (1..Requests)

\* Nobody is ever given part of a block; and as long as power is not lost, a
\* high signal alone says that the block is whole.
Atomic ==
  /\ ~torn
  /\ (boot = 1 /\ harms = 0) => \A u \in 1..Units :
       (unit[u].s = High /\ unit[u].b > 0) => /\ unit[u].b \in flipped
                                             /\ ValidAt(u)

\* What a reader has seen is a prefix of the history, or its token says that
\* it no longer is. One that reads durably never needs to be told.
Prefix ==
  \A r \in Readers :
    \/ IsPrefix(rd[r].seen, Records(Chain))
    \/ ~DurableRead /\ boot > 1 /\ Diverged(rd[r].epoch, Len(rd[r].seen), Chain)
    \/ Harmed(len) \/ (harms > 0 /\ (SeesCut(r) \/ (rd[r].last = <<>> /\ IsTakenBack(r))))

Durable == acked \subseteq {made[b].req : b \in Range(Chain) \cup hurt}

NothingDestroyed == cut \subseteq kept /\ (alarm => harms > 0)

\* R-11
ToldOfCut ==     \* a reader whose past was taken back finds that out, and need not wait for ever
  \A r \in Readers :
    LET c == rd[r].last IN
    (c # <<>> /\ ~IsPrefix(c, Chain) /\ ~Harmed(len)) => SeesCut(r)

\* What was cut off or lost once never comes back.
NoStaleResurrection == Range(Chain) \cap gone = {}

\* No request is appended twice.
NoDuplicate ==
  LET c == Records(Chain) IN
  \A i, j \in 1..Len(c) : i # j => made[c[i]].req # made[c[j]].req

\* X-7
RepairIdempotent ==    \* what is cut off is what the bytes say is not committed, whoever repairs
  \A w \in Writers :
    /\ Repairing(w) => mem[w] = Chain
    /\ pc[w] = "ready" => ZerosBehind(EndOf(mem[w]), ~NearLook) /\ (mem[w] = Chain \/ Harmed(len))

\* F-23
DurableToTrue ==
  \A b \in Range(Chain) : \A u \in 1..(made[b].durable - 1) :
    Cardinality(may[u]) = 1

\* A step of a repair changes nothing that is committed.
RepairKeeps ==
  [][(\E w \in Writers : Repairing(w) /\ pc'[w] # pc[w] /\ boot' = boot)
       => Chain' = Chain]_vars

\* X-3
QuietDeath ==    \* what a death leaves is not taken for something lost
  (boot = 1 /\ harms = 0 /\ fails = 0) => must = {}

\* X-1
WholeStays ==    \* in a known boot nothing is cut that stands there whole, though damage hides it
  [][\A w \in Writers : (pc[w] = "cut" /\ pc'[w] = "cutsync" /\ BootOf(mem[w]) = boot) =>
       \A q \in EndOf(mem[w])..len :
         (StartAt(q) /\ ValidAt(q)) => unit[q].b \notin flipped]_vars
=============================================================================
