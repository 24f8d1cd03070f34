----------------------------- MODULE PowerTwice -----------------------------
(***************************************************************************)
(* One writer that may die at any step, and power that is lost twice:      *)
(* any subset of what was not synced is old, new, zero or garbage.         *)
(* Repair is gone through in its steps, and interrupted in them.           *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
