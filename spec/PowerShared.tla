---------------------------- MODULE PowerShared -----------------------------
(***************************************************************************)
(* Two writers, one failed sync, one loss of power: who answers durable    *)
(* is right, though the other one made the system forget what was to be    *)
(* written. Where the one that was told holds the lock, the other may be a *)
(* process that is started only after the failure, and is never told.      *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
