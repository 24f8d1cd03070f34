---------------------------- MODULE DamageDeath -----------------------------
(***************************************************************************)
(* As Damage, with small blocks, and a writer that may die in the middle   *)
(* of a repair: another one writes where it cut, and who remembers what    *)
(* stood there before knows nothing of what is on the disk now (A-20).     *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
