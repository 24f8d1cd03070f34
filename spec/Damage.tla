------------------------------- MODULE Damage -------------------------------
(***************************************************************************)
(* Two writers, one of which may give up, and one unit of what is          *)
(* committed becomes other bytes than were written, in the middle of a     *)
(* boot (M-8). What stands before the damage, and what was appended after  *)
(* a repair, keeps all promises: no memory of what was there before is     *)
(* believed. DamageDeath has one that dies.                                *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
