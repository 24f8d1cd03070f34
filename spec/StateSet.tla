------------------------------ MODULE StateSet ------------------------------
(***************************************************************************)
(* An operator sets the position of a consumer by hand, beside programs    *)
(* that may believe to be that consumer, death, and a loss of power: does  *)
(* all that is promised hold from there on?                                *)
(***************************************************************************)
EXTENDS State
=============================================================================
