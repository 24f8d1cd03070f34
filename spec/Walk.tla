-------------------------------- MODULE Walk --------------------------------
(***************************************************************************)
(* Two writers that may die at any step, and a loss of power: the graph of *)
(* this configuration, and that of AppendDeath, is walked by the shipped   *)
(* code (model/src/walk): every step of it must be one that the code       *)
(* takes, and there must be no other.                                      *)
(*                                                                         *)
(* Blocks are of one unit: parts and readers are AppendDeath's. No sync    *)
(* fails. Where the protocol leaves the order open, the constraint below   *)
(* says what the code does.                                                *)
(***************************************************************************)
EXTENDS Segment

\* C-4 before E-2 and E-4: a writer that finds its request appended appends
\* nothing, so it needs no epoch, and lets that be.
DuplicateFirst ==
  \A w \in Writers :
    (pc[w] = "ready" /\ Appended(w) /\ ~MustRaise(w)) =>
      /\ pc'[w] # "write"
      /\ pc'[w] = "ready" => known'[w] = known[w]
=============================================================================
