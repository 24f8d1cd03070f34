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
(* A consumer asks for some of the inputs, and passes by the others (C-8): *)
(* those are offsets of other topics. Commits take no offset. Segments may *)
(* be deleted before it read them (C-9): then its place is lost, and it    *)
(* goes on elsewhere, which counts as set by hand. (The code puts that     *)
(* commit off where writer.lock is taken, to the next one: as if the place *)
(* had been lost a little later.)                                          *)
(*                                                                         *)
(* Settings (C-6) are entries too, set by whoever likes and not compared;  *)
(* the last one counts. Nothing here depends on them.                      *)
(*                                                                         *)
(* A block is <<position, output>>, either of them 0 where there is none,  *)
(* or <<position, ByHand or Elsewhere, what it was>>;                      *)
(* the stream's inputs are a count, the entry is what the fold of all      *)
(* blocks says. Only what is synced survives a loss of power; a program    *)
(* may keep its position across it (a token of its own) and believe it.    *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  Programs, Inputs, MaxDeaths, MaxBoots,
  MaxSets,   \* positions set by hand in one stream
  Mine,      \* the inputs that the consumer asks for
  MaxLow,    \* how many inputs retention may delete
  Apart      \* programs whose outputs are kept outside the stream

VARIABLES
  log,       \* blocks of this consumer, as they are in the stream
  safe,      \* how many of them are on disk
  owner,     \* who holds consumers/NAME.lock, or 0
  base,      \* the entry as each program last read or wrote it; below 0 it is still to do that
  out,       \* the input each program has made an output of, not yet appended
  made,      \* inputs of which there is an output outside
  low,       \* inputs that were deleted, the lowest first
  boot, deaths

vars == <<log, safe, owner, base, out, made, low, boot, deaths>>

Idle == -2       \* does not run, or believes to have the name and has not read the entry
Unread == -1
ByHand == -1
Elsewhere == -2  \* set as by hand by a program whose place was lost
SetAs == {ByHand, Elsewhere}

Last(s) == s[Len(s)]
RECURSIVE Fold(_)
Fold(s) == IF s = <<>> THEN 0
           ELSE IF Last(s)[1] # 0 \/ Last(s)[2] \in SetAs THEN Last(s)[1]
           ELSE Fold(SubSeq(s, 1, Len(s) - 1))
Entry == Fold(log)

Set == {i \in 1..Len(log) : log[i][2] \in SetAs}
SetOf(kind) == Cardinality({i \in Set : log[i][2] = kind})
SetLast == IF Set = {} THEN 0 ELSE CHOOSE i \in Set : \A j \in Set : j <= i

Init ==
  /\ log = <<>> /\ safe = 0 /\ owner = 0
  /\ base = [p \in Programs |-> Idle] /\ out = [p \in Programs |-> 0]
  /\ made = {} /\ low = 0 /\ boot = 1 /\ deaths = 0

\* L-5
LockName(p) ==
  /\ owner = 0 /\ owner' = p
  /\ base' = [base EXCEPT ![p] = IF @ = Idle THEN Unread ELSE @]
  /\ UNCHANGED <<log, safe, out, made, low, boot, deaths>>

\* O-3
ReadEntry(p) ==
  /\ base[p] = Unread /\ base' = [base EXCEPT ![p] = Entry]
  /\ UNCHANGED <<log, safe, owner, out, made, low, boot, deaths>>

\* S-3
Delete ==        \* what it was read by or not, before it is known to be so (S-10 is left out)
  /\ low < MaxLow /\ low' = low + 1
  /\ UNCHANGED <<log, safe, owner, base, out, made, boot, deaths>>

Least(S) == CHOOSE x \in S : \A y \in S : x <= y
Biggest(S) == CHOOSE x \in S : \A y \in S : x >= y
Between(from, to) == {m \in Mine : from < m /\ m <= to}

\* C-9
IsLost(p) == base[p] >= 0 /\ base[p] < low

IsThere(p) == base[p] >= low /\ out[p] = 0

\* R-3
Process(p) ==
  /\ IsThere(p) /\ Between(base[p], Inputs) # {}
  /\ out' = [out EXCEPT ![p] = Least(Between(base[p], Inputs))]
  /\ made' = IF p \in Apart THEN made \cup {out'[p]} ELSE made
  /\ UNCHANGED <<log, safe, owner, base, low, boot, deaths>>

\* C-2
MayCommit(p) == Entry = base[p]

Committed(p, output) ==
  /\ out[p] # 0 /\ MayCommit(p)
  /\ log' = Append(log, <<out[p], output>>)
  /\ base' = [base EXCEPT ![p] = out[p]] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<safe, owner, made, low, boot, deaths>>

\* C-3
CommitBoth(p) == p \notin Apart /\ Committed(p, out[p])

\* C-2
CommitPosition(p) == p \in Apart /\ Committed(p, 0)

\* C-8
Passed(p) ==     \* places below which nothing is left that it asked for
  IF ~IsThere(p) THEN {}
  ELSE {n \in (base[p] + 1)..Inputs : Between(base[p], n) = {}}

\* C-8
PassBy(p) ==     \* it commits one of them, given no record since its last commit
  /\ MayCommit(p) /\ \E n \in Passed(p) :
       log' = Append(log, <<n, 0>>) /\ base' = [base EXCEPT ![p] = n]
  /\ UNCHANGED <<safe, owner, out, made, low, boot, deaths>>

\* C-9
GoOnElsewhere(p) ==   \* at the lowest offset not below its position, or at the end
  /\ out[p] = 0 /\ MayCommit(p)
  /\ \/ IsLost(p)
     \/ base[p] >= 0 /\ SetOf(Elsewhere) < low   \* its segment was taken from it (V-8)
  /\ \E n \in {Biggest({low, base[p]}), Inputs} :
       /\ log' = Append(log, <<n, Elsewhere, base[p]>>)
       /\ base' = [base EXCEPT ![p] = n]
  /\ UNCHANGED <<safe, owner, out, made, low, boot, deaths>>

\* C-2
CommitRefused(p) ==
  /\ out[p] # 0 \/ Passed(p) # {} \/ IsLost(p)
  /\ MayCommit(p) => Set # {}
  /\ base' = [base EXCEPT ![p] = Unread] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<log, safe, owner, made, low, boot, deaths>>

\* C-7
SetPosition(p, n) ==   \* by an operator; it may be any place
  /\ SetOf(ByHand) < MaxSets
  /\ base[p] >= 0 /\ out[p] = 0 /\ MayCommit(p)
  /\ log' = Append(log, <<n, ByHand, base[p]>>) /\ base' = [base EXCEPT ![p] = n]
  /\ UNCHANGED <<safe, owner, out, made, low, boot, deaths>>

\* A-11
Sync ==
  /\ safe < Len(log) /\ safe' = Len(log)
  /\ UNCHANGED <<log, owner, base, out, made, low, boot, deaths>>

\* L-2
LoseLock(p) ==   \* the name is taken from under a program that goes on: POSIX locks, a stopped clock
  /\ owner = p /\ owner' = 0 /\ deaths < MaxDeaths /\ deaths' = deaths + 1
  /\ UNCHANGED <<log, safe, base, out, made, low, boot>>

\* M-3
Die(p) ==        \* or end
  /\ deaths < MaxDeaths /\ deaths' = deaths + 1
  /\ owner' = IF owner = p THEN 0 ELSE owner
  /\ base' = [base EXCEPT ![p] = Idle] /\ out' = [out EXCEPT ![p] = 0]
  /\ UNCHANGED <<log, safe, made, low, boot>>

\* M-4
PowerLoss ==     \* programs come back with what they remember
  /\ boot < MaxBoots /\ boot' = boot + 1 /\ owner' = 0
  /\ \E n \in safe..Len(log) : log' = SubSeq(log, 1, n) /\ safe' = n
  /\ UNCHANGED <<base, out, made, low, deaths>>

ProgramStep(p) ==
  \/ LockName(p) \/ ReadEntry(p) \/ Process(p) \/ CommitBoth(p) \/ CommitPosition(p)
  \/ PassBy(p) \/ GoOnElsewhere(p) \/ CommitRefused(p) \/ LoseLock(p) \/ Die(p)
  \/ \E n \in 0..Inputs : SetPosition(p, n)

Next ==
  \/ \E p \in Programs : ProgramStep(p)
  \/ Sync
  \/ Delete
  \/ PowerLoss

Spec == Init /\ [][Next]_vars

TypeOK == safe \in 0..Len(log) /\ Entry \in 0..Inputs

\* What happened since the position was last set by hand, and to what.
Since == SubSeq(log, SetLast + 1, Len(log))
From == IF SetLast = 0 THEN 0 ELSE log[SetLast][1]

\* Where nothing is made outside, every input that it asked for has at most one output, in order, and
\* the position says how many; all from where it was set.
ExactlyOnce ==
  LET outs == SelectSeq(Since, LAMBDA x : x[2] # 0) IN
  made = {} =>
    /\ \A i \in 1..Len(outs) : outs[i][2] \in Mine /\ Cardinality(Between(From, outs[i][2])) = i
    /\ Cardinality(Between(From, Entry)) = Len(outs)

\* The position is never ahead of what was made, from where it was set.
AtLeastOnce ==
  \A i \in Between(From, Entry) : i \in made \/ \E j \in 1..Len(Since) : Since[j][2] = i

\* Who sets a position by hand replaces the one that it saw.
SetsWhatItSaw == \A i \in Set : log[i][3] = Fold(SubSeq(log, 1, i - 1))

\* C-8
OnlyProgress ==     \* who commits on its own has gone on: consumers at rest write nothing
  \A i \in (1..Len(log)) \ Set : log[i][1] > Fold(SubSeq(log, 1, i - 1))

\* C-9
NeverBack ==        \* who goes on elsewhere goes on behind its place, and where something is
  \A i \in Set : log[i][2] = Elsewhere => log[i][1] >= log[i][3]

\* C-8
Passes == <>(Entry = Inputs)   \* so that retention may go on (S-10)
=============================================================================
