---------------------------- MODULE PowerShared -----------------------------
(***************************************************************************)
(* Two writers, one failed sync, one loss of power: who answers durable    *)
(* is right, though the other one made the system forget what was to be    *)
(* written. No process is started after the failure: see M-6.              *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
