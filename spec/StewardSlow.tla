----------------------------- MODULE StewardSlow ----------------------------
(***************************************************************************)
(* A consumer that never stops, but is slow: it has read a value, and is   *)
(* segments behind the marker that deletes it. One history is enough, of   *)
(* two keys: a value, something else, the marker.                          *)
(***************************************************************************)
EXTENDS Steward

Script == <<[key |-> 1, marker |-> FALSE], [key |-> 2, marker |-> FALSE], [key |-> 1, marker |-> TRUE]>>
Follows == hist' = SubSeq(Script, 1, Len(hist'))
NextSlow == Next /\ Follows
SpecSlow == Init /\ [][NextSlow]_vars
=============================================================================
