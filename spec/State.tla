-------------------------------- MODULE State -------------------------------
(***************************************************************************)
(* Positions in the stream (chapter 9): a consumer reads inputs, makes an  *)
(* output of each, and commits its position in the same block as the       *)
(* output. Two programs may believe to be that consumer: one whose name    *)
(* was taken from under it does not know it, and goes on. Programs that    *)
(* keep their outputs elsewhere commit the position alone.                 *)
(*                                                                         *)
(* An operator may set the position by hand, or remove it (C-7), which is  *)
(* to set it to 0: a program that takes the name for that. What it sets is *)
(* its own affair: inputs behind it may be made into outputs again, or     *)
(* never. So what is promised counts from the last time it was set: from   *)
(* there on every input has one output, in order. And what it replaced is  *)
(* what it saw. An entry has its time in it (F-36): set to where it was,   *)
(* it may be another one, so that a commit that saw the one before is      *)
(* refused. Entries are places here, so that is left open.                 *)
(*                                                                         *)
(* Settings (C-6) are entries too, set by whoever likes and not compared;  *)
(* the last one counts. Nothing here depends on them.                      *)
(*                                                                         *)
(* A block is <<position, output>>, either of them 0 where there is none,  *)
(* or <<position, ByHand, what it was>>;                                   *)
(* the stream's inputs are a count, the entry is what the fold of all      *)
(* blocks says. Only what is synced survives a loss of power; a program    *)
(* may keep its position across it (a token of its own) and believe it.    *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  Programs, Inputs, MaxDeaths, MaxBoots,
  MaxSets,   \* positions set by hand in one stream
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
ByHand == -1

Last(s) == s[Len(s)]
RECURSIVE Fold(_)
Fold(s) == IF s = <<>> THEN 0
           ELSE IF Last(s)[1] # 0 \/ Last(s)[2] = ByHand THEN Last(s)[1]
           ELSE Fold(SubSeq(s, 1, Len(s) - 1))
Entry == Fold(log)

Set == {i \in 1..Len(log) : log[i][2] = ByHand}
SetNow == Cardinality(Set)
SetLast == IF Set = {} THEN 0 ELSE CHOOSE i \in Set : \A j \in Set : j <= i

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
  /\ out[p] # 0 /\ (MayCommit(p) => Set # {})
  /\ base' = [base EXCEPT ![p] = Unread] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<log, safe, owner, made, boot, deaths>>

\* C-7
SetPosition(p, n) ==   \* by an operator; it may be any place
  /\ SetNow < MaxSets
  /\ base[p] >= 0 /\ out[p] = 0 /\ MayCommit(p)
  /\ log' = Append(log, <<n, ByHand, base[p]>>) /\ base' = [base EXCEPT ![p] = n]
  /\ UNCHANGED <<safe, owner, out, made, boot, deaths>>

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
  \/ \E n \in 0..Inputs : SetPosition(p, n)

Next ==
  \/ \E p \in Programs : ProgramStep(p)
  \/ Sync
  \/ PowerLoss

Spec == Init /\ [][Next]_vars

TypeOK == safe \in 0..Len(log) /\ Entry \in 0..Inputs

\* What happened since the position was last set by hand, and to what.
Since == SubSeq(log, SetLast + 1, Len(log))
From == IF SetLast = 0 THEN 0 ELSE log[SetLast][1]

\* Where nothing is made outside, every input has at most one output, in order, and the position
\* says how many; all from where it was set.
ExactlyOnce ==
  LET outs == SelectSeq(Since, LAMBDA x : x[2] # 0) IN
  made = {} =>
    /\ \A i \in 1..Len(outs) : outs[i][2] = From + i
    /\ From + Len(outs) = Entry

\* The position is never ahead of what was made, from where it was set.
AtLeastOnce ==
  \A i \in (From + 1)..Entry : i \in made \/ \E j \in 1..Len(Since) : Since[j][2] = i

\* Who sets a position by hand replaces the one that it saw.
SetsWhatItSaw == \A i \in Set : log[i][3] = Fold(SubSeq(log, 1, i - 1))
=============================================================================
