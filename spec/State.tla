-------------------------------- MODULE State -------------------------------
(***************************************************************************)
(* Positions in the stream (chapter 9): a consumer reads inputs, makes an  *)
(* output of each, and commits its position in the same block as the       *)
(* output. Two programs may believe to be that consumer: one whose name    *)
(* was taken from under it does not know it, and goes on. Programs that    *)
(* keep their outputs elsewhere commit the position alone.                 *)
(*                                                                         *)
(* A block is <<position, output>>, either of them 0 where there is none;  *)
(* the stream's inputs are a count, the entry is what the fold of all      *)
(* blocks says. Only what is synced survives a loss of power; a program    *)
(* may keep its position across it (a token of its own) and believe it.    *)
(***************************************************************************)
EXTENDS Integers, Sequences

CONSTANTS
  Programs, Inputs, MaxDeaths, MaxBoots,
  Apart      \* programs whose outputs are kept outside the stream

VARIABLES
  log,       \* blocks of this consumer, as they are in the stream
  safe,      \* how many of them are on disk
  owner,     \* who holds consumers/NAME.lock, or 0
  base,      \* the entry as each program last read or wrote it; below 0 it is still to do that
  out,       \* the input each program has made an output of, not yet appended
  made,      \* inputs of which there is an output outside
  boot, deaths

vars == <<log, safe, owner, base, out, made, boot, deaths>>

Idle == -2       \* does not run, or believes to have the name and has not read the entry
Unread == -1

RECURSIVE Fold(_)
Fold(s) == IF s = <<>> THEN 0
           ELSE IF s[Len(s)][1] # 0 THEN s[Len(s)][1] ELSE Fold(SubSeq(s, 1, Len(s) - 1))
Entry == Fold(log)

Init ==
  /\ log = <<>> /\ safe = 0 /\ owner = 0
  /\ base = [p \in Programs |-> Idle] /\ out = [p \in Programs |-> 0]
  /\ made = {} /\ boot = 1 /\ deaths = 0

\* L-5
LockName(p) ==
  /\ owner = 0 /\ owner' = p
  /\ base' = [base EXCEPT ![p] = IF @ = Idle THEN Unread ELSE @]
  /\ UNCHANGED <<log, safe, out, made, boot, deaths>>

\* O-3
ReadEntry(p) ==
  /\ base[p] = Unread /\ base' = [base EXCEPT ![p] = Entry]
  /\ UNCHANGED <<log, safe, owner, out, made, boot, deaths>>

\* R-3
Process(p) ==
  /\ base[p] >= 0 /\ base[p] < Inputs /\ out[p] = 0
  /\ out' = [out EXCEPT ![p] = base[p] + 1]
  /\ made' = IF p \in Apart THEN made \cup {out'[p]} ELSE made
  /\ UNCHANGED <<log, safe, owner, base, boot, deaths>>

\* C-2
MayCommit(p) == Entry = base[p]

Committed(p, output) ==
  /\ out[p] # 0 /\ MayCommit(p)
  /\ log' = Append(log, <<out[p], output>>)
  /\ base' = [base EXCEPT ![p] = out[p]] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<safe, owner, made, boot, deaths>>

\* C-3
CommitBoth(p) == p \notin Apart /\ Committed(p, out[p])

\* C-2
CommitPosition(p) == p \in Apart /\ Committed(p, 0)

\* C-2
CommitRefused(p) ==
  /\ out[p] # 0 /\ ~MayCommit(p)
  /\ base' = [base EXCEPT ![p] = Unread] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<log, safe, owner, made, boot, deaths>>

\* A-11
Sync ==
  /\ safe < Len(log) /\ safe' = Len(log)
  /\ UNCHANGED <<log, owner, base, out, made, boot, deaths>>

\* L-2
LoseLock(p) ==   \* the name is taken from under a program that goes on: POSIX locks, a stopped clock
  /\ owner = p /\ owner' = 0 /\ deaths < MaxDeaths /\ deaths' = deaths + 1
  /\ UNCHANGED <<log, safe, base, out, made, boot>>

\* M-3
Die(p) ==        \* or end
  /\ deaths < MaxDeaths /\ deaths' = deaths + 1
  /\ owner' = IF owner = p THEN 0 ELSE owner
  /\ base' = [base EXCEPT ![p] = Idle] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<log, safe, made, boot>>

\* M-4
PowerLoss ==     \* programs come back with what they remember
  /\ boot < MaxBoots /\ boot' = boot + 1 /\ owner' = 0
  /\ \E n \in safe..Len(log) : log' = SubSeq(log, 1, n) /\ safe' = n
  /\ UNCHANGED <<base, out, made, deaths>>

ProgramStep(p) ==
  \/ LockName(p) \/ ReadEntry(p) \/ Process(p) \/ CommitBoth(p) \/ CommitPosition(p)
  \/ CommitRefused(p) \/ LoseLock(p) \/ Die(p)

Next ==
  \/ \E p \in Programs : ProgramStep(p)
  \/ Sync
  \/ PowerLoss

Spec == Init /\ [][Next]_vars

TypeOK == safe \in 0..Len(log) /\ Entry \in 0..Inputs

\* Where nothing is made outside, every input has at most one output, in order, and the position
\* says how many.
ExactlyOnce ==
  LET outs == SelectSeq(log, LAMBDA x : x[2] # 0) IN
  made = {} =>
    /\ \A i \in 1..Len(outs) : outs[i][2] = i
    /\ Len(outs) = Entry

\* The position is never ahead of what was made.
AtLeastOnce ==
  \A i \in 1..Entry : i \in made \/ \E j \in 1..Len(log) : log[j][2] = i
=============================================================================
