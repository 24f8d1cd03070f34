----------------------------- MODULE Producers ------------------------------
(***************************************************************************)
(* A producer with an identity appends batch after batch, and appends the  *)
(* last one again whenever it does not know what became of it (C-4), at    *)
(* once or after years. Retention deletes below it, whoever rolls removes  *)
(* entries that are old (C-5, C-10), and power is lost: is anything        *)
(* appended twice that is still there?                                     *)
(*                                                                         *)
(* Each batch is one record. An item of the log is <<sequence>> for a      *)
(* batch with its entry, or <<>> for the delete marker of the entry; the   *)
(* offset of a batch is the number of batches up to it. A rollover syncs   *)
(* the segment, so that a marker is on the disk with all before it, while  *)
(* the names of segments deleted are only where somebody synced the        *)
(* directory.                                                              *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS MaxLog, MaxBatches, MaxBoots

VARIABLES
  log,       \* what is in the stream, and was deleted from below
  safe,      \* how much of it is on disk
  low,       \* batches below the lowest base offset
  safeLow,   \* and after a loss of power, at least
  sent,      \* the sequence of the newest batch that the producer made
  old,       \* batches whose entries were older than expiry_ms some time
  again,     \* ghost: whether only such were appended again
  boot

vars == <<log, safe, low, safeLow, sent, old, again, boot>>

Batches(s) == SelectSeq(s, LAMBDA x : x # <<>>)
Entry == IF log = <<>> THEN 0 ELSE IF log[Len(log)] = <<>> THEN 0 ELSE log[Len(log)][1]

Init ==
  /\ log = <<>> /\ safe = 0 /\ low = 0 /\ safeLow = 0
  /\ sent = 0 /\ old = {} /\ again = TRUE /\ boot = 1

\* A batch that the stream was given, though the producer may never be told.
Given(b) == \E i \in 1..Len(log) : log[i] = <<b>>

\* A-9
Commit ==        \* a new batch, or the newest again that the stream knows nothing of
  /\ Len(log) < MaxLog
  /\ \E b \in {sent, sent + 1} :
       /\ b > Entry /\ b \in 1..MaxBatches /\ sent' = b
       /\ log' = Append(log, <<b>>)
       /\ again' = (again /\ (Given(b) => b \in old))
  /\ UNCHANGED <<old, safe, low, safeLow, boot>>

\* A-11
Sync ==
  /\ safe' = Len(log) /\ UNCHANGED <<log, low, safeLow, sent, old, again, boot>>

\* S-3
Delete ==
  /\ low < Len(Batches(log)) /\ low' = low + 1
  /\ UNCHANGED <<log, safe, safeLow, sent, old, again, boot>>

\* S-3
SyncDelete ==
  /\ safeLow' = low /\ UNCHANGED <<log, safe, low, sent, old, again, boot>>

\* C-5
GrowsOld ==
  /\ Entry # 0 /\ old' = old \cup {Entry} /\ UNCHANGED <<log, safe, low, safeLow, sent, again, boot>>

\* C-10
MayForget ==     \* what the entry names is gone, and was gone when the directory was synced
  Len(Batches(log)) <= low /\ safeLow = low

\* C-10
Forget ==
  /\ Entry \in old /\ MayForget
  /\ log' = Append(log, <<>>) /\ safe' = Len(log')
  /\ UNCHANGED <<low, safeLow, sent, old, again, boot>>

\* M-4
PowerLoss ==     \* the producer comes back with what it made
  /\ boot < MaxBoots /\ boot' = boot + 1
  /\ \E n \in safe..Len(log) : log' = SubSeq(log, 1, n) /\ safe' = n
  /\ \E n \in safeLow..low : n <= Len(Batches(log')) /\ low' = n /\ safeLow' = n
  /\ UNCHANGED <<sent, old, again>>

Next ==
  \/ Commit
  \/ Sync
  \/ Delete
  \/ SyncDelete
  \/ GrowsOld
  \/ Forget
  \/ PowerLoss

Spec == Init /\ [][Next]_vars

TypeOK == safe \in 0..Len(log) /\ low \in 0..Len(Batches(log)) /\ safeLow \in 0..low

\* C-10
NoDuplicate ==   \* of what is in the stream, no batch is there twice
  LET all == Batches(log) IN
  \A i, j \in (low + 1)..Len(all) : all[i] = all[j] => i = j

\* C-10
OnlyOldAgain == again
=============================================================================
