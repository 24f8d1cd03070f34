----------------------------- MODULE StateRare ------------------------------
(***************************************************************************)
(* A consumer of a rare topic: it passes by what others append, and its    *)
(* place may be lost to retention. Does it come to the end, without having *)
(* missed anything that it was not told of, and then leave the stream in   *)
(* peace?                                                                  *)
(***************************************************************************)
EXTENDS State

SpecRare ==
  /\ Spec
  /\ \A p \in Programs :
       /\ WF_vars(LockName(p)) /\ WF_vars(ReadEntry(p)) /\ WF_vars(Process(p))
       /\ WF_vars(CommitRefused(p)) /\ SF_vars(CommitBoth(p) \/ CommitPosition(p))
       /\ SF_vars(PassBy(p)) /\ SF_vars(GoOnElsewhere(p))
=============================================================================
