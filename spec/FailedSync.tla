----------------------------- MODULE FailedSync -----------------------------
(***************************************************************************)
(* Two writers of two requests each, one of which gives up and leaves a    *)
(* block that the next must cut off; one failed sync, told to whoever has  *)
(* the file open, or, where the lock is held, not to a process that opens  *)
(* it later. Power is not lost: what it could take is looked at instead.   *)
(***************************************************************************)
EXTENDS Segment

\* What was answered durable, and all before it, is on the disk.
AnsweredIsOnDisk ==
  \A b \in Range(Chain) :
    made[b].req \in acked =>
      /\ \A u \in 1..(made[b].at + made[b].size - 1) : Cardinality(may[u]) = 1
      /\ \A l \in mayLen : l >= made[b].at + made[b].size - 1
=============================================================================
