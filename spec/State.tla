-------------------------------- MODULE State -------------------------------
(***************************************************************************)
(* Positions in the stream (chapter 9): a consumer reads inputs, makes an  *)
(* output of each, and commits its position in the same block as the       *)
(* output. Two programs may believe to be that consumer.                   *)
(*                                                                         *)
(* A block is <<position, output>>, either of them 0 where there is none;  *)
(* the stream's inputs are a count, the entry is what the fold of all      *)
(* blocks says. Only what is synced survives a loss of power; a program    *)
(* may keep its position across it (a token of its own) and believe it.    *)
(***************************************************************************)
EXTENDS Integers, Sequences

CONSTANTS Programs, Inputs, MaxDeaths, MaxBoots

VARIABLES
  log,       \* blocks of this consumer, as they are in the stream
  safe,      \* how many of them are on disk
  owner,     \* who holds consumers/NAME.lock, or 0
  base,      \* the entry as each program last read or wrote it
  out,       \* the input each program has made an output of, not yet appended
  boot, deaths

vars == <<log, safe, owner, base, out, boot, deaths>>

RECURSIVE Fold(_)
Fold(s) == IF s = <<>> THEN 0
           ELSE IF s[Len(s)][1] # 0 THEN s[Len(s)][1] ELSE Fold(SubSeq(s, 1, Len(s) - 1))
Entry == Fold(log)

Init ==
  /\ log = <<>> /\ safe = 0 /\ owner = 0
  /\ base = [p \in Programs |-> -1] /\ out = [p \in Programs |-> 0]
  /\ boot = 1 /\ deaths = 0

\* L-5
LockName(p) ==
  /\ owner = 0 /\ owner' = p
  /\ UNCHANGED <<log, safe, base, out, boot, deaths>>

\* O-3
ReadEntry(p) ==
  /\ owner = p /\ base[p] < 0 /\ base' = [base EXCEPT ![p] = Entry]
  /\ UNCHANGED <<log, safe, owner, out, boot, deaths>>

\* R-3
Process(p) ==
  /\ owner = p /\ base[p] >= 0 /\ base[p] < Inputs /\ out[p] = 0
  /\ out' = [out EXCEPT ![p] = base[p] + 1]
  /\ UNCHANGED <<log, safe, owner, base, boot, deaths>>

\* C-2
MayCommit(p) == Entry = base[p]

\* C-3
CommitBoth(p) ==
  /\ owner = p /\ out[p] # 0 /\ MayCommit(p)
  /\ log' = Append(log, <<out[p], out[p]>>)
  /\ base' = [base EXCEPT ![p] = out[p]] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<safe, owner, boot, deaths>>

\* C-2
CommitRefused(p) ==
  /\ owner = p /\ out[p] # 0 /\ ~MayCommit(p)
  /\ base' = [base EXCEPT ![p] = -1] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<log, safe, owner, boot, deaths>>

\* A-11
Sync ==
  /\ safe < Len(log) /\ safe' = Len(log)
  /\ UNCHANGED <<log, owner, base, out, boot, deaths>>

\* L-2
LoseLock(p) ==   \* the name is taken from under a program that goes on: POSIX locks, a stopped clock
  /\ owner = p /\ owner' = 0 /\ deaths < MaxDeaths /\ deaths' = deaths + 1
  /\ UNCHANGED <<log, safe, base, out, boot>>

\* M-3
Die(p) ==
  /\ deaths < MaxDeaths /\ deaths' = deaths + 1
  /\ owner' = IF owner = p THEN 0 ELSE owner
  /\ base' = [base EXCEPT ![p] = -1] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<log, safe, boot>>

\* M-4
PowerLoss ==     \* programs come back with what they remember
  /\ boot < MaxBoots /\ boot' = boot + 1 /\ owner' = 0
  /\ \E n \in safe..Len(log) : log' = SubSeq(log, 1, n) /\ safe' = n
  /\ UNCHANGED <<base, out, deaths>>

ProgramStep(p) ==
  \/ LockName(p) \/ ReadEntry(p) \/ Process(p) \/ CommitBoth(p) \/ CommitRefused(p)
  \/ LoseLock(p) \/ Die(p)

Next ==
  \/ \E p \in Programs : ProgramStep(p)
  \/ Sync
  \/ PowerLoss

Spec == Init /\ [][Next]_vars

TypeOK == safe \in 0..Len(log) /\ Entry \in 0..Inputs

\* Every input has at most one output, in order, and the position says how many.
ExactlyOnce ==
  LET outs == SelectSeq(log, LAMBDA x : x[2] # 0) IN
  /\ \A i \in 1..Len(outs) : outs[i][2] = i
  /\ Len(outs) = Entry
=============================================================================
