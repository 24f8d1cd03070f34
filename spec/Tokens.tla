------------------------------- MODULE Tokens -------------------------------
(***************************************************************************)
(* A reader comes back after each loss of power with what it has seen      *)
(* and a token. Either it is told that its history was lost, or all it     *)
(* saw is still the beginning of the stream: so no number of an epoch      *)
(* may ever be used for two histories.                                     *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
