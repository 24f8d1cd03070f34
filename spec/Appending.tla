----------------------------- MODULE Appending -----------------------------
(***************************************************************************)
(* Appending to the active segment: lock, look, epoch, write, commit, sync.*)
(*                                                                         *)
(* A writer goes through its steps one at a time and can die between any   *)
(* two; what it remembers of the stream (`mem`) is as old as its last      *)
(* look. Each of its requests has a sequence (C-4), and it asks again      *)
(* after it died: so duplicates come by themselves. A reader reads the     *)
(* first unit of a block and the rest in either order, at different        *)
(* moments. Power may be lost at any point; then all processes are gone,   *)
(* and only the reader's token and what a writer has still to ask for      *)
(* are remembered (they stand outside the stream).                         *)
(*                                                                         *)
(* Ghosts, which no process reads: acked (requests answered as durable),   *)
(* flipped (blocks whose signal was written), gone (blocks that were cut   *)
(* off or lost, for good), cut (flipped blocks thrown away by a repair),   *)
(* kept (what is in saved tails), hurt (blocks that stand behind damage,   *)
(* or did: M-8 promises nothing of them), torn (a reader was given half a  *)
(* block), alarm (a repair stopped with "damaged").                        *)
(*                                                                         *)
(* Actions have the names of the clauses of protocol.md that they carry    *)
(* out, in the comment before them. The questions asked of this module     *)
(* are the modules that extend it; see README.md.                          *)
(***************************************************************************)
EXTENDS File

CONSTANTS
  Writers,        \* processes that append
  Readers,        \* processes that read
  Requests,       \* how many appends each writer wants
  Sizes,          \* sizes of blocks, in units
  MaxMade,        \* blocks begun in all
  MaxDeaths, MaxBoots, MaxFails, MaxGiveUps, MaxHarms,
  MaxZeros,       \* how many units of zeros a writer puts behind the end (Z-1)
  NearLook,       \* a look sees one unit behind the end, not all (A-2)
  DurableRead     \* readers sync before they deliver (R-7)

VARIABLES
  lock,     \* who holds writer.lock, or 0
  pc,       \* where each writer is
  mem,      \* the chain as each writer remembers it
  known,    \* up to where each writer knows the segment to be on disk
  expects,  \* up to where it knew that of what it remembered before (A-20)
  job,      \* the block each writer is writing, or 0
  left,     \* the parts of it that are still to be written
  must,     \* writers that must raise the epoch (X-6)
  suspect,  \* writers that were told of a failed sync
  untold,   \* writers that will be told by their next sync
  req,      \* the request each writer is at
  rd,       \* each reader: last (chain), head, rest, mark (the last block with records that it
            \* read since it was started), and its token: epoch, seen
  boot, deaths, fails, giveups, harms,
  acked, flipped, gone, cut, kept, hurt, torn, alarm

writerVars == <<lock, pc, mem, known, expects, job, left, must, suspect, untold, req>>
countVars  == <<boot, deaths, fails, giveups, harms>>
ghostVars  == <<acked, flipped, gone, cut, kept, hurt, torn, alarm>>
vars == <<fileVars, writerVars, rd, countVars, ghostVars>>

None == [b |-> 0, k |-> 0, s |-> 2]    \* a part that was not read yet
NoRest == IF Sizes = {1} THEN Zero ELSE None
NewReader == [last |-> <<>>, head |-> None, rest |-> NoRest, mark |-> 0, epoch |-> 0, seen |-> <<>>]

Init ==
  /\ FileInit
  /\ lock = 0
  /\ pc = [w \in Writers |-> "idle"]
  /\ mem = [w \in Writers |-> <<>>]
  /\ known = [w \in Writers |-> 1] /\ expects = [w \in Writers |-> 1]
  /\ job = [w \in Writers |-> 0]
  /\ left = [w \in Writers |-> {}]
  /\ must = {} /\ suspect = {} /\ untold = {}
  /\ req = [w \in Writers |-> 1]
  /\ rd = [r \in Readers |-> NewReader]
  /\ boot = 1 /\ deaths = 0 /\ fails = 0 /\ giveups = 0 /\ harms = 0
  /\ acked = {} /\ flipped = {} /\ gone = {} /\ cut = {} /\ kept = {} /\ hurt = {}
  /\ torn = FALSE /\ alarm = FALSE

\* Damage stands below: what the units hold was never written there.
Harmed(u) == harms > 0 /\ \E v \in 1..u : unit[v] = Junk

Go(w, from, to) == pc[w] = from /\ pc' = [pc EXCEPT ![w] = to]

\* what a step of a writer leaves alone, most of the time
Quiet == UNCHANGED <<rd, countVars, expects>>

(***************************************************************************)
(* Lock and look.                                                          *)
(***************************************************************************)

\* A-1
Lock(w) ==
  /\ lock = 0 /\ req[w] <= Requests
  /\ \/ Go(w, "idle", "look")
     \/ w \in suspect /\ Go(w, "sync", "mending")
  /\ lock' = w
  /\ UNCHANGED <<fileVars, mem, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

\* A-2
Fits(c) ==        \* before the end of c stand the eight bytes that its last block ends in
  \/ c = <<>>
  \/ LET u == EndOf(c) - 1 IN
     u <= len /\ unit[u].b = LastOf(c) /\ unit[u].k = made[LastOf(c)].size

\* A-4
ScanAgain(w) == IF Fits(mem[w]) THEN mem[w] ELSE <<>>

KnownTo(w, c) == Max({Known(c), known[w], expects[w]})

\* Z-6
MustSeeAll(w) ==     \* it opened the segment, or is to scan it again
  ~NearLook \/ mem[w] = <<>> \/ ~Fits(mem[w])

\* A-2
ZerosBehind(p, all) == IF all THEN OnlyZeros(p) ELSE p > len \/ unit[p] = Zero

\* A-5
NotClean(w, c, all) == ~ZerosBehind(EndOf(c), all) \/ KnownTo(w, c) > EndOf(c)

\* A-5
ScanFirst(w, c) ==    \* before a repair nothing is believed but the bytes
  IF NotClean(w, c, MustSeeAll(w)) THEN StepOverFrom(<<>>) ELSE c

\* A-20
IsWrong(w, c) ==      \* a scan that does not come by the remembered end is of another history
  mem[w] # <<>> /\ LastOf(mem[w]) \notin Range(c)

\* A-3
StepOver(w) ==    \* the whole look
  /\ pc[w] = "look"
  /\ pc' = [pc EXCEPT ![w] = IF MustSeeAll(w) THEN "looked" ELSE "glanced"]
  /\ LET c == ScanFirst(w, StepOverFrom(ScanAgain(w))) IN
     /\ mem' = [mem EXCEPT ![w] = c]
     /\ known' = [known EXCEPT ![w] =
          Max({IF IsWrong(w, c) THEN 1 ELSE known[w]} \cup {made[c[i]].durable : i \in 1..Len(c)})]
     /\ expects' = [expects EXCEPT ![w] =
          IF ~IsWrong(w, c) THEN @
          ELSE IF RaisedBelow(EpochOf(mem[w]), OffsetOf(mem[w]), c) THEN 1
          ELSE Max({@, known[w]})]
  /\ UNCHANGED <<fileVars, lock, job, left, must, suspect, untold, req, ghostVars, rd, countVars>>

(***************************************************************************)
(* Appending: records, or the block that raises the epoch.                 *)
(***************************************************************************)

Request(w) == <<w, req[w]>>
Appended(w) == \E i \in 1..Len(mem[w]) : made[mem[w][i]].req = Request(w)

\* E-2
NeedsEpoch(w) == BootOf(mem[w]) # boot
\* X-6
MustRaise(w) == w \in must
\* E-4
EpochOnDisk(w) == known[w] >= EpochEnd(mem[w])

\* Z-7
InTheWay(w, size) ==     \* where the block is to go, or right behind it, stands something
  \E u \in EndOf(mem[w])..Min({len, EndOf(mem[w]) + size}) : unit[u] # Zero

\* Z-7
LookAgain(w) ==   \* at all behind the end, and at the segment from its header
  /\ Go(w, "ready", "look")
  /\ \E size \in Sizes : InTheWay(w, size)
  /\ mem' = [mem EXCEPT ![w] = <<>>]
  /\ UNCHANGED <<fileVars, lock, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

Begin(w, size, count, epoch, r) ==
  LET b == Len(made) + 1
      p == EndOf(mem[w]) IN
  /\ b <= MaxMade /\ p + size - 1 <= Units
  /\ ~InTheWay(w, size)
  /\ made' = Append(made,
       [at |-> p, size |-> size, count |-> count, prev |-> LastOf(mem[w]),
        off |-> OffsetOf(mem[w]), durable |-> known[w], epoch |-> epoch,
        boot |-> IF count = 0 THEN boot ELSE 0, req |-> r])
  /\ job' = [job EXCEPT ![w] = b]
  /\ left' = [left EXCEPT ![w] = 1..size]
  /\ UNCHANGED <<unit, len, may, mayLen, forgot, lock, mem, known, suspect, untold, req, ghostVars>>
  /\ Quiet

\* E-3
RaiseEpoch(w) ==
  /\ Go(w, "ready", "write")
  /\ NeedsEpoch(w) \/ MustRaise(w)
  /\ must' = must \ {w}
  /\ Begin(w, Min(Sizes), 0, EpochOf(mem[w]) + 1, <<0, 0>>)

WantsSyncEpoch(w) ==
  pc[w] = "ready" /\ ~NeedsEpoch(w) /\ ~MustRaise(w) /\ ~EpochOnDisk(w)

\* E-4
SyncEpoch(w) ==
  /\ WantsSyncEpoch(w) /\ w \notin untold /\ w \notin suspect
  /\ SyncFile
  /\ known' = [known EXCEPT ![w] = EndOf(mem[w])]
  /\ UNCHANGED <<made, lock, pc, mem, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

\* C-4
Duplicate(w) ==
  /\ Go(w, "ready", "done")
  /\ Appended(w) /\ ~MustRaise(w)
  /\ UNCHANGED <<fileVars, lock, mem, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

\* O-4
Leave(w) ==       \* it looked because it was opened, or may not append
  /\ Go(w, "ready", "idle") /\ ~MustRaise(w)
  /\ lock' = 0
  /\ UNCHANGED <<fileVars, mem, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

\* A-8
Reserve(w) ==
  /\ Go(w, "ready", "write")
  /\ ~Appended(w) /\ ~NeedsEpoch(w) /\ ~MustRaise(w) /\ EpochOnDisk(w)
  /\ UNCHANGED must
  /\ \E size \in Sizes : Begin(w, size, 1, EpochOf(mem[w]), Request(w))

\* A-8
WritePart(w) ==
  /\ pc[w] = "write" /\ UNCHANGED pc
  /\ \E k \in left[w] :
       /\ Put(made[job[w]].at + k - 1, [b |-> job[w], k |-> k, s |-> Low])
       /\ left' = [left EXCEPT ![w] = @ \ {k}]
  /\ UNCHANGED <<made, lock, mem, known, job, must, suspect, untold, req, ghostVars>> /\ Quiet

\* A-9
Commit(w) ==
  /\ pc[w] = "write" /\ left[w] = {}
  /\ pc' = [pc EXCEPT ![w] = IF IsRecords(job[w]) THEN "done" ELSE "raised"]
  /\ Put(made[job[w]].at, [b |-> job[w], k |-> 1, s |-> High])
  /\ mem' = [mem EXCEPT ![w] = Append(@, job[w])]
  /\ flipped' = flipped \cup {job[w]}
  /\ hurt' = IF Harmed(made[job[w]].at - 1) THEN hurt \cup {job[w]} ELSE hurt
  /\ job' = [job EXCEPT ![w] = 0]
  /\ UNCHANGED <<made, lock, known, left, must, suspect, untold, req,
                 acked, gone, cut, kept, torn, alarm>> /\ Quiet

\* Z-1
PutZeros(w) ==    \* from where the file ends now, while it holds the lock
  /\ pc[w] = "done" /\ UNCHANGED pc
  /\ \E n \in (len + 1)..Min({Units, EndOf(mem[w]) - 1 + MaxZeros}) : PutZerosTo(n)
  /\ UNCHANGED <<made, lock, mem, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

Forget(W) ==     \* all that the processes W had in memory: they have ended
  /\ pc' = [w \in Writers |-> IF w \in W THEN "idle" ELSE pc[w]]
  /\ mem' = [w \in Writers |-> IF w \in W THEN <<>> ELSE mem[w]]
  /\ known' = [w \in Writers |-> IF w \in W THEN 1 ELSE known[w]]
  /\ expects' = [w \in Writers |-> IF w \in W THEN 1 ELSE expects[w]]
  /\ job' = [w \in Writers |-> IF w \in W THEN 0 ELSE job[w]]
  /\ left' = [w \in Writers |-> IF w \in W THEN {} ELSE left[w]]
  /\ must' = must \ W /\ suspect' = suspect \ W /\ untold' = untold \ W
  /\ lock' = IF lock \in W THEN 0 ELSE lock
  /\ UNCHANGED req

\* Z-8
CutZeros(w) ==    \* when it is closed: under the lock, after a look; who appends again opens anew
  /\ MaxZeros > 0 /\ pc[w] = "ready"
  /\ len >= EndOf(mem[w]) /\ OnlyZeros(EndOf(mem[w]))
  /\ SetLength(EndOf(mem[w]) - 1)
  /\ Forget({w})
  /\ UNCHANGED <<made, rd, countVars, ghostVars>>

TailBlocks(w) == {unit[u].b : u \in EndOf(mem[w])..len} \ {0}

Truncated(w) ==   \* what the ghosts make of cutting off everything behind mem[w]
  /\ gone' = gone \cup ((1..Len(made)) \ Range(mem[w]))
  /\ cut' = cut \cup (TailBlocks(w) \cap flipped)

\* A-12
GiveUp(w) ==      \* an error before the commit: cut, or leave it low
  /\ giveups < MaxGiveUps /\ giveups' = giveups + 1
  /\ Go(w, "write", "idle")
  /\ \/ /\ SetLength(EndOf(mem[w]) - 1) /\ Truncated(w) /\ UNCHANGED made
     \/ UNCHANGED <<fileVars, gone, cut>>
  /\ lock' = 0 /\ job' = [job EXCEPT ![w] = 0] /\ left' = [left EXCEPT ![w] = {}]
  /\ UNCHANGED <<mem, known, expects, must, suspect, untold, req, rd, boot, deaths, fails, harms,
                 acked, flipped, kept, hurt, torn, alarm>>

\* E-3
SyncRaise(w) ==
  /\ w \notin untold /\ w \notin suspect
  /\ Go(w, "raised", "ready")
  /\ SyncFile
  /\ known' = [known EXCEPT ![w] = EndOf(mem[w])]
  /\ UNCHANGED <<made, lock, mem, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

\* A-10
Unlock(w) ==
  /\ Go(w, "done", "sync") \/ Go(w, "mended", "idle")
  /\ lock' = 0
  /\ UNCHANGED <<fileVars, mem, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

\* A-11
Sync(w) ==
  /\ w \notin untold /\ w \notin suspect
  /\ Go(w, "sync", "idle")
  /\ IF known[w] < EndOf(mem[w]) THEN SyncFile ELSE UNCHANGED <<unit, len, may, mayLen, forgot>>
  /\ known' = [known EXCEPT ![w] = EndOf(mem[w])]
  /\ acked' = acked \cup {Request(w)}
  /\ req' = [req EXCEPT ![w] = @ + 1]
  /\ UNCHANGED <<made, lock, mem, job, left, must, suspect, untold,
                 flipped, gone, cut, kept, hurt, torn, alarm>> /\ Quiet

\* A-12
Return(w) ==      \* durability was not asked for, or could not be had, or is known
  /\ Go(w, "sync", "idle")
  /\ req' = [req EXCEPT ![w] = @ + 1]
  /\ acked' = IF known[w] >= EndOf(mem[w]) THEN acked \cup {Request(w)} ELSE acked
  /\ UNCHANGED <<fileVars, lock, mem, known, job, left, must, suspect, untold,
                 flipped, gone, cut, kept, hurt, torn, alarm>> /\ Quiet
=============================================================================
