----------------------------- MODULE AppendLong -----------------------------
(***************************************************************************)
(* AppendDeath with blocks of both sizes, a third block, one death and one *)
(* giving up more: is there a history too long for the small ones that     *)
(* breaks a promise? This is the large one.                                *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
