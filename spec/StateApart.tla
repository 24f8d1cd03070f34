----------------------------- MODULE StateApart -----------------------------
(***************************************************************************)
(* Consumers that keep what they make elsewhere and commit the position    *)
(* alone: is there, of every input that it covers, an output?              *)
(***************************************************************************)
EXTENDS State
=============================================================================
