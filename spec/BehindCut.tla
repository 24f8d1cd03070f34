----------------------------- MODULE BehindCut ------------------------------
(***************************************************************************)
(* A reader waits, what it read is damaged, cut off by a writer that may   *)
(* die in the middle of it, and grown over (R-11). Its token may not tell: *)
(* who dies between the cut and the raise leaves the epoch as it was (X-6).*)
(***************************************************************************)
EXTENDS Segment
=============================================================================
