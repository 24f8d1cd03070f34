------------------------------ MODULE StaleEnd ------------------------------
(***************************************************************************)
(* Two writers with more requests than one, no reader, no loss of power:   *)
(* a writer that remembers an old end, or that asks again after it died,   *)
(* neither overwrites nor repeats what is there.                           *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
