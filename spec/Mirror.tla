------------------------------- MODULE Mirror -------------------------------
(***************************************************************************)
(* A mirror copies the blocks of a stream into a target, in order, and     *)
(* notes in the target how far it came, in the same transaction as the     *)
(* block (chapter 13). The target is another stream, or the topics of a    *)
(* cluster. Mirrors die, answers are lost, requests arrive late, and two   *)
(* mirrors may run at once. The source loses power, and has another        *)
(* history then; its retention deletes. The target loses power, too.       *)
(*                                                                         *)
(* A target either compares the note that a request was made from with     *)
(* the one that it has (a stream), or it knows who came last, and refuses  *)
(* all who came before (a cluster).                                        *)
(*                                                                         *)
(* A block is <<epoch, id, before>>: every id is used once, and `before` is *)
(* the id of the block before it when it was appended, or 0. So a block    *)
(* names its history. A token is <<epoch, n>>, n being how many blocks     *)
(* are before it.                                                          *)
(***************************************************************************)
EXTENDS Integers, Sequences

CONSTANTS
  Mirrors, MaxBlocks, MaxDeaths, MaxBoots,
  MaxStarts,  \* how often a mirror begins, anew or after an unknown outcome
  MaxLosses,  \* losses of power at the target
  MaxLow,     \* how many blocks retention may delete
  Durable,    \* whether mirrors read only what is on disk
  Keeps,      \* whether retention keeps what the mirror's position has not passed
  Compares,   \* whether the target compares notes
  Fences      \* whether it knows who came last

VARIABLES
  src,        \* the source
  srcSafe,    \* how many of its blocks are on disk
  low,        \* how many are deleted
  hint,       \* the mirror's position in the source
  made,       \* how many blocks were ever appended
  boot,       \* of the source, which is its epoch, too
  tgt,        \* the target: pairs <<block, note>>
  tgtSafe,
  owner,      \* who holds the mirror's name at the source, or 0
  came,       \* who came last: a number that grows
  rank,       \* the number that each mirror got when it came, or 0
  at,         \* the token behind which each goes on, or <<>>: it is to read the note
  wire,       \* requests under way
  waits,      \* mirrors that wait for an answer
  deaths, losses

source == <<src, srcSafe, low, made, boot>>
target == <<tgt, tgtSafe, losses>>
mirrors == <<owner, rank, at, waits>>
vars == <<src, srcSafe, low, hint, made, boot, tgt, tgtSafe, owner, came, rank, at, wire, waits,
          deaths, losses>>

IdOf(s, n) == IF n = 0 THEN 0 ELSE s[n][2]
EpochOf(n) == IF n = 0 THEN 0 ELSE src[n][1]
Note == IF tgt = <<>> THEN <<0, 0>> ELSE tgt[Len(tgt)][2]

Init ==
  /\ src = <<>> /\ srcSafe = 0 /\ low = 0 /\ hint = 0 /\ made = 0 /\ boot = 1
  /\ tgt = <<>> /\ tgtSafe = 0 /\ owner = 0 /\ came = 0
  /\ rank = [m \in Mirrors |-> 0] /\ at = [m \in Mirrors |-> <<>>]
  /\ wire = {} /\ waits = {} /\ deaths = 0 /\ losses = 0

\* A-9
Commit ==        \* by a producer of the source
  /\ made < MaxBlocks /\ made' = made + 1
  /\ src' = Append(src, <<boot, made', IdOf(src, Len(src))>>)
  /\ UNCHANGED <<srcSafe, low, hint, boot, target, mirrors, came, wire, deaths>>

\* A-11
Sync ==
  /\ srcSafe < Len(src) /\ srcSafe' = Len(src)
  /\ UNCHANGED <<src, low, hint, made, boot, target, mirrors, came, wire, deaths>>

\* S-3
Delete ==        \* what is sealed, and so on disk
  /\ low < MaxLow /\ low < srcSafe /\ (Keeps => low < hint)
  /\ low' = low + 1
  /\ UNCHANGED <<src, srcSafe, hint, made, boot, target, mirrors, came, wire, deaths>>

\* T-2
Fence(m) ==      \* the name at the source, and with it the last place in the target's order
  /\ owner = 0 /\ owner' = m
  /\ came < MaxStarts /\ came' = came + 1 /\ rank' = [rank EXCEPT ![m] = came']
  /\ at' = [at EXCEPT ![m] = <<>>] /\ waits' = waits \ {m}
  /\ UNCHANGED <<source, hint, target, wire, deaths>>

Runs(m) == rank[m] # 0 /\ m \notin waits

\* T-3
ReadNote(m) ==   \* only then
  /\ Runs(m) /\ at[m] = <<>>
  /\ at' = [at EXCEPT ![m] = Note]
  /\ UNCHANGED <<source, hint, target, owner, rank, waits, came, wire, deaths>>

\* E-7
Diverged(t) ==
  \/ t[2] > Len(src)
  \/ t[1] > boot
  \/ \E n \in 1..t[2] : n <= Len(src) /\ t[1] # 0 /\ src[n][1] > t[1]

\* T-5
Refused(m) == Diverged(at[m]) \/ at[m][2] < low

Stop(m) ==
  /\ owner' = IF owner = m THEN 0 ELSE owner
  /\ rank' = [rank EXCEPT ![m] = 0] /\ at' = [at EXCEPT ![m] = <<>>] /\ waits' = waits \ {m}

\* T-5
Refuse(m) ==     \* the user is told, and nothing is copied
  /\ Runs(m) /\ at[m] # <<>> /\ Refused(m) /\ Stop(m)
  /\ UNCHANGED <<source, hint, target, came, wire, deaths>>

\* T-4
Send(m) ==       \* the next block, whole, with the note behind it
  /\ Runs(m) /\ at[m] # <<>> /\ ~Refused(m) /\ at[m][2] < Len(src)
  /\ LET n == at[m][2] + 1 IN
       wire' = wire \cup {<<m, rank[m], at[m], src[n], <<EpochOf(n), n>>>>}
  /\ srcSafe' = IF Durable THEN Len(src) ELSE srcSafe
  /\ waits' = waits \cup {m}
  /\ UNCHANGED <<src, low, hint, made, boot, target, owner, rank, at, came, deaths>>

Accepts(r) == (Compares => r[3] = Note) /\ (Fences => r[2] = came)

\* T-4
Arrive(r) ==     \* at once, or when its mirror is long dead
  /\ Accepts(r) /\ tgt' = Append(tgt, <<r[4], r[5]>>)
  /\ wire' = wire \ {r}
  /\ IF r[1] \in waits /\ rank[r[1]] = r[2]
       THEN \/ at' = [at EXCEPT ![r[1]] = r[5]] /\ waits' = waits \ {r[1]}
            \/ UNCHANGED <<at, waits>>     \* the answer is lost
       ELSE UNCHANGED <<at, waits>>
  /\ UNCHANGED <<source, hint, tgtSafe, losses, owner, rank, came, deaths>>

\* T-2
BeTold(r) ==     \* another mirror was here: the one that waits for this is told, and ends
  /\ ~Accepts(r) /\ wire' = wire \ {r}
  /\ IF r[1] \in waits /\ rank[r[1]] = r[2] THEN Stop(r[1]) ELSE UNCHANGED mirrors
  /\ UNCHANGED <<source, hint, target, came, deaths>>

\* T-6
GiveUpWaiting(m) ==   \* the outcome is unknown: begin anew, from the fence on
  /\ m \in waits /\ Stop(m)
  /\ UNCHANGED <<source, hint, target, came, wire, deaths>>

\* T-7
SyncTarget ==
  /\ tgtSafe < Len(tgt) /\ tgtSafe' = Len(tgt)
  /\ UNCHANGED <<source, hint, tgt, losses, mirrors, came, wire, deaths>>

\* T-7
SetHint(m) ==    \* the position in the source follows what the target has on disk
  /\ Runs(m) /\ at[m] # <<>> /\ hint < at[m][2] /\ at[m][2] <= tgtSafe
  /\ hint' = at[m][2]
  /\ UNCHANGED <<source, target, mirrors, came, wire, deaths>>

\* L-2
LoseLock(m) ==   \* the name is taken from under a mirror that goes on; or it was never shared
  /\ owner = m /\ owner' = 0 /\ deaths < MaxDeaths /\ deaths' = deaths + 1
  /\ UNCHANGED <<source, hint, target, rank, at, waits, came, wire>>

\* M-3
Die(m) ==
  /\ rank[m] # 0 /\ deaths < MaxDeaths /\ deaths' = deaths + 1 /\ Stop(m)
  /\ UNCHANGED <<source, hint, target, came, wire>>

\* M-4
PowerLoss ==     \* at the source, and the mirrors with it; the position may go back
  /\ boot < MaxBoots /\ boot' = boot + 1
  /\ \E n \in srcSafe..Len(src) : src' = SubSeq(src, 1, n) /\ srcSafe' = n
  /\ hint' \in {0, hint}
  /\ owner' = 0 /\ waits' = {}
  /\ rank' = [m \in Mirrors |-> 0] /\ at' = [m \in Mirrors |-> <<>>]
  /\ UNCHANGED <<low, made, target, came, wire, deaths>>

\* M-4
LoseTarget ==    \* the target loses power: what was not synced goes, the notes with their blocks
  /\ losses < MaxLosses /\ losses' = losses + 1
  /\ \E n \in tgtSafe..Len(tgt) : tgt' = SubSeq(tgt, 1, n) /\ tgtSafe' = n
  /\ waits' = {} /\ owner' = 0
  /\ rank' = [m \in Mirrors |-> 0] /\ at' = [m \in Mirrors |-> <<>>] /\ wire' = {}
  /\ UNCHANGED <<source, hint, came, deaths>>

MirrorStep(m) ==
  \/ Fence(m) \/ ReadNote(m) \/ Refuse(m) \/ Send(m) \/ GiveUpWaiting(m)
  \/ SetHint(m) \/ LoseLock(m) \/ Die(m)

Next ==
  \/ \E m \in Mirrors : MirrorStep(m)
  \/ \E r \in wire : Arrive(r) \/ BeTold(r)
  \/ Commit
  \/ Sync
  \/ Delete
  \/ SyncTarget
  \/ PowerLoss
  \/ LoseTarget

Spec == Init /\ [][Next]_vars

TypeOK ==
  /\ srcSafe \in 0..Len(src) /\ tgtSafe \in 0..Len(tgt) /\ low \in 0..srcSafe
  /\ rank \in [Mirrors -> 0..came]

\* T-1
CopiedOnce ==    \* one history, from its beginning, in order, nothing twice and nothing left out
  \A i \in 1..Len(tgt) :
    tgt[i][1][3] = (IF i = 1 THEN 0 ELSE tgt[i - 1][1][2]) /\ tgt[i][2][2] = i

\* T-5
ToldDiverged ==  \* where the note is good, the target holds what the source holds
  ~Diverged(Note) => \A i \in 1..Len(tgt) : i <= Len(src) /\ src[i] = tgt[i][1]

\* T-4
NeverDiverges == Durable => ~Diverged(Note)

\* T-7
NeverOvertaken == Keeps => low <= Len(tgt)
=============================================================================
