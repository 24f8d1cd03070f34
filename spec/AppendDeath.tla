---------------------------- MODULE AppendDeath -----------------------------
(***************************************************************************)
(* Two writers and a reader, no loss of power: does the signal alone       *)
(* keep blocks whole and in order, whoever dies in whatever step or        *)
(* gives up, with ends remembered from long ago?                           *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
