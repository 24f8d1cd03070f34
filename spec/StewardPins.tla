----------------------------- MODULE StewardPins ----------------------------
(***************************************************************************)
(* A consumer that pins, hops, goes away and comes back, beside a steward  *)
(* that deletes, even what is pinned for too long, and compacts: does the  *)
(* consumer miss nothing unless it is told?                                *)
(***************************************************************************)
EXTENDS Steward
=============================================================================
